"""The model at work: translations do not depend on batches, and forced alignments are those of single steps."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from nmt import build
from nmt.data.batching import pad
from nmt.data.spans import SpanTrainer
from nmt.data.tokenizer import TOKENIZERS, Tokenizers
from nmt.errors import ConfigError
from nmt.model.decoders.table import DECODERS
from nmt.model.heads.copy import CopyHead
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.training_run import TrainingRun
from nmt.search.beam import Beam
from nmt.search.greedy import Greedy
from nmt.search.sampling import Sampling
from nmt.special_tokens import BOS
from nmt.translation.ensemble import Ensemble
from nmt.translation.scoring import score_pairs
from nmt.translation.shortlist import LexicalShortlist, Lexicon, train_ibm1
from nmt.translation.stepper import InferenceModel
from nmt.translation.translator import BatchTranslator, ShortlistSource, force_decode
from tests import tiny_runs

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module", params=[*DECODERS, "rotary"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    folder = tmp_path_factory.mktemp("run") / request.param
    others = {
        "transformer": tiny_runs.TRANSFORMER,
        "snail": (*tiny_runs.SNAIL_ENCODER, *tiny_runs.SNAIL_DECODER),
        "rotary": (*tiny_runs.TRANSFORMER, *tiny_runs.OTHER_POSITIONS),
    }
    decoder = others.get(request.param, (f"model/decoder={request.param}",))
    found = tiny_runs.build_run(tiny_runs.build_settings(folder, *decoder), folder)
    found.model.eval()
    return found


def pairs(run: TrainingRun) -> list[tuple[list[int], list[int]]]:
    data = run.data.train
    chosen = [(data.source.get_sentence(i), data.target.get_sentence(i)) for i in range(5)]
    return [*chosen, ([], chosen[0][1]), (chosen[1][0], []), ([1, 9], [7])]


@torch.inference_mode()
def stepped(run: TrainingRun, source: Sequence[int], target: Sequence[int]) -> np.ndarray:
    """The weights of every decoding step of one pair, taken one after another."""
    ids, lengths = pad([source])
    memory, state = run.model.encode(ids, lengths)
    found = []
    for token in [BOS, *target]:
        _, state, weights = run.model.step(torch.tensor([token]), state, memory)
        assert weights is not None
        found.append(weights[0].numpy())
    return np.stack(found)


@pytest.mark.parametrize("tokens", [1, 100, 10_000])
def test_forced_alignments_are_those_of_decoding_step_by_step(run: TrainingRun, tokens: int) -> None:
    given = pairs(run)
    predicted = force_decode(run.model, given, position="predicted", tokens=tokens)
    read = force_decode(run.model, given, position="read", tokens=tokens)
    for (source, target), at_prediction, at_reading in zip(given, predicted, read, strict=True):
        steps = stepped(run, source, target)
        assert at_prediction.shape == (len(target) + 1, len(source) + 1)
        assert at_reading.shape == (len(target), len(source) + 1)
        # Word t is predicted at step t, which reads the word before it, and read at step t + 1.
        np.testing.assert_allclose(at_prediction, steps, atol=1e-5)
        np.testing.assert_allclose(at_reading, steps[1:], atol=1e-5)


def test_no_pairs_have_no_alignments(run: TrainingRun) -> None:
    assert force_decode(run.model, [], position="read") == []


@pytest.mark.parametrize("search", [Greedy(max_ratio=0.5), Beam(size=3, nbest=2, max_ratio=0.5)])
def test_translations_do_not_depend_on_the_budget_of_a_batch(run: TrainingRun, search: Greedy | Beam) -> None:
    lines = ["", *run.data.validation_text.source, "   ", run.data.validation_text.source[0]]
    together = BatchTranslator(run.model, run.data.tokenizers, search, tokens=10_000).translate(lines)
    alone = BatchTranslator(run.model, run.data.tokenizers, search, tokens=1).translate(lines)
    assert len(together) == len(lines)
    for one, other in zip(together, alone, strict=True):
        assert one.text == other.text
        assert [h.tokens for h in one.hypotheses] == [h.tokens for h in other.hypotheses]
        assert [h.score for h in one.hypotheses] == pytest.approx([h.score for h in other.hypotheses], abs=1e-4)
    assert together[1] == together[1]._replace(text=together[-1].text)


def listing(run: TrainingRun, **choice: int) -> ShortlistSource:
    sizes = {
        "source_vocab": run.data.tokenizers.source.vocab_size,
        "target_vocab": run.data.tokenizers.target.vocab_size,
    }
    return ShortlistSource(
        train_ibm1(run.data.train.source, run.data.train.target, max_translations=9, **sizes),
        LexicalShortlist(**choice),
    )


SEARCHED = [Greedy(max_ratio=0.5), Beam(size=3, nbest=2, max_ratio=0.5)]


@pytest.mark.parametrize("search", SEARCHED)
@pytest.mark.parametrize("listed", [False, True])
def test_translations_do_not_depend_on_order_and_company(run: TrainingRun, search: Greedy | Beam, listed: bool) -> None:
    chosen = listing(run, translations=4, frequent=5) if listed else None
    translator = BatchTranslator(
        run.model, run.data.tokenizers, search, engine=InferenceModel(run.model), shortlist_source=chosen
    )
    lines = run.data.validation_text.source
    together = translator.translate(lines)
    backwards = translator.translate(lines[::-1])[::-1]
    alone = [translator.translate([line])[0] for line in lines]
    for found in (backwards, alone):
        for one, other in zip(together, found, strict=True):
            assert [h.tokens for h in one.hypotheses] == [h.tokens for h in other.hypotheses]
            assert [h.score for h in one.hypotheses] == pytest.approx([h.score for h in other.hypotheses], abs=1e-4)


def test_a_shortlist_leaves_a_sentence_what_the_lexicon_says(run: TrainingRun) -> None:
    chosen = listing(run, translations=2, frequent=3)
    ids = run.data.tokenizers.source.encode(run.data.validation_text.source)
    for search in (Greedy(max_ratio=0.5), Sampling(max_ratio=0.5, seed=3, temperature=9.0)):
        translator = BatchTranslator(run.model, run.data.tokenizers, search, shortlist_source=chosen)
        for sentence, found in zip(ids, translator.search_all(ids), strict=True):
            words, allowed = chosen.choice.shortlist(chosen.lexicon, [sentence], joint=True)
            assert set(found[0].tokens) <= set(words[allowed[0]].tolist())


NAMED = ["the 東京 Жук", "東京 sat", "a cat", "Жук ( 東京 ) Жук"]


def make_copier(tokenizers: Tokenizers, bias: float) -> Seq2Seq:
    """A model with a copying head; its gate generates nothing where the bias is low."""
    torch.manual_seed(3)
    size = tokenizers.target.vocab_size
    settings = tiny_runs.compose_config("model/head=copy")
    model = build.build_model(settings, source_vocab=size, target_vocab=size, joint=True).eval()
    assert isinstance(model.head, CopyHead)
    model.head.gate.weight.data.zero_()
    model.head.gate.bias.data.fill_(bias)
    return model


@pytest.fixture(scope="module")
def span_tokenizers() -> Tokenizers:
    text = ["the cat sat on a mat .", "a dog is on the mat"] * 20
    return SpanTrainer(TOKENIZERS["bpe"](vocab_size="auto")).train(text, text)


@pytest.mark.parametrize("search", SEARCHED)
def test_what_the_vocabulary_lacks_is_copied_by_every_engine(
    span_tokenizers: Tokenizers, search: Greedy | Beam
) -> None:
    model = make_copier(span_tokenizers, -1e4)
    size = span_tokenizers.target.vocab_size
    everything = ShortlistSource(
        Lexicon(np.zeros((size, 1), np.int32), np.arange(size, dtype=np.int32)),
        LexicalShortlist(translations=1, frequent=size),
    )
    plain = BatchTranslator(model, span_tokenizers, search).translate(NAMED)
    for line, found in zip(NAMED, plain, strict=True):
        pieces = span_tokenizers.source.label(span_tokenizers.source.encode([line])[0])
        for hypothesis in found.hypotheses:
            assert set(span_tokenizers.target.convert_ids_to_pieces(hypothesis.tokens)) <= set(pieces)
    others = {
        "shortlist": BatchTranslator(model, span_tokenizers, search, shortlist_source=everything),
        "ensemble": BatchTranslator(model, span_tokenizers, search, engine=Ensemble([InferenceModel(model)] * 2)),
    }
    for translator in others.values():
        assert [found.text for found in translator.translate(NAMED)] == [found.text for found in plain]


def test_an_ensemble_copies_beside_a_model_that_cannot(span_tokenizers: Tokenizers) -> None:
    copier, size = make_copier(span_tokenizers, -1e4), span_tokenizers.target.vocab_size
    other = build.build_model(tiny_runs.compose_config(), source_vocab=size, target_vocab=size, joint=True).eval()
    engine = Ensemble([InferenceModel(other), InferenceModel(copier)])
    chosen = ShortlistSource(Lexicon(np.full((size, 1), 5, np.int32), np.arange(size)), LexicalShortlist(frequent=3))
    for shortlist in (None, chosen):
        translator = BatchTranslator(
            copier, span_tokenizers, Sampling(max_ratio=3.0, seed=1), engine=engine, shortlist_source=shortlist
        )
        assert any("東京" in found.text or "Жук" in found.text for found in translator.translate(NAMED * 5))


def test_copies_are_scored_as_they_are_searched(span_tokenizers: Tokenizers) -> None:
    model = make_copier(span_tokenizers, 0.0)
    sources = span_tokenizers.source.encode(NAMED)
    found = BatchTranslator(model, span_tokenizers, Greedy(max_ratio=0.5)).search_all(sources)
    pairs = [(source, each[0].tokens) for source, each in zip(sources, found, strict=True)]
    for score, (_, tokens), each in zip(score_pairs([model], pairs), pairs, found, strict=True):
        assert score.log_probs[: len(tokens)] == pytest.approx(each[0].log_probs[: len(tokens)], abs=1e-4)
    assert len(force_decode(model, pairs, position="predicted")) == len(NAMED)


def test_a_shortlist_of_everything_changes_nothing(run: TrainingRun) -> None:
    size = run.data.tokenizers.target.vocab_size
    everything = ShortlistSource(
        Lexicon(np.zeros((size, 1), np.int32), np.arange(size, dtype=np.int32)),
        LexicalShortlist(translations=1, frequent=size),
    )
    lines = run.data.validation_text.source
    plain = BatchTranslator(run.model, run.data.tokenizers, Beam(size=3, max_ratio=0.5)).translate(lines)
    listed = BatchTranslator(run.model, run.data.tokenizers, Beam(size=3, max_ratio=0.5), shortlist_source=everything)
    for one, other in zip(plain, listed.translate(lines), strict=True):
        assert one.text == other.text
        assert one.hypotheses[0].score == pytest.approx(other.hypotheses[0].score, abs=1e-4)


@pytest.mark.parametrize(
    ("search", "listed"),
    [(Beam(size=3, nbest=2, max_ratio=0.2, max_extra=2), True), (Sampling(max_ratio=0.2, max_extra=2, seed=3), False)],
)
def test_translations_begin_with_their_prefixes(run: TrainingRun, search: Beam | Sampling, listed: bool) -> None:
    chosen = listing(run, translations=2, frequent=3) if listed else None
    engine = Ensemble([InferenceModel(run.model), InferenceModel(run.model)])
    translator = BatchTranslator(run.model, run.data.tokenizers, search, engine=engine, shortlist_source=chosen)
    ids = [*run.data.tokenizers.source.encode(run.data.validation_text.source[:2]), []]
    texts = ["Der Hund", "", "Der"]
    prefixes = run.data.tokenizers.target.encode(texts)
    together = translator.translate_ids(ids, prefixes=prefixes)
    assert (together[2].text, together[2].hypotheses) == ("", [])  # an empty line stays empty
    for translation, text, prefix in zip(together[:2], texts, prefixes, strict=False):
        assert translation.text.startswith(text)
        assert all(hypothesis.tokens[: len(prefix)] == prefix for hypothesis in translation.hypotheses)
    if isinstance(search, Beam):  # a draw depends on its place in the batch
        alone = [translator.translate_ids(ids[:1], prefixes=prefixes[:1]), translator.translate_ids(ids[1:2])]
        for (one,), other in zip(alone, together[:2], strict=True):
            assert one.text == other.text
            assert [h.score for h in one.hypotheses] == pytest.approx([h.score for h in other.hypotheses], abs=1e-4)


def test_pieces_and_words_are_exempt_from_not_repeating(run: TrainingRun) -> None:
    tokenizers, lines = run.data.tokenizers, run.data.validation_text.source[:1]
    word = run.data.validation_text.target[0].split()[0]
    exempt = set(tokenizers.target.find_pieces(word))
    for listed in (None, listing(run, translations=4, frequent=30)):
        search = Greedy(no_repeat_ngram=1, no_repeat_exempt=[word], min_ratio=0.5, max_ratio=0.5)
        (found,) = BatchTranslator(run.model, tokenizers, search, shortlist_source=listed).translate(lines)
        tokens = found.hypotheses[0].tokens
        assert {token for token in tokens if tokens.count(token) > 1} <= exempt
    with pytest.raises(ConfigError, match=r"no_repeat_exempt names '漢字'"):
        BatchTranslator(run.model, tokenizers, Greedy(no_repeat_exempt=[word, "漢字"]))


def test_an_empty_line_stays_empty_and_the_others_in_their_places(run: TrainingRun) -> None:
    lines = list(run.data.validation_text.source[:3])
    plain = [t.text for t in run.translator.translate(lines)]
    mixed = run.translator.translate([lines[0], "", lines[1], " \t", lines[2]])
    assert [t.text for t in mixed] == [plain[0], "", plain[1], "", plain[2]]
    assert [len(t.hypotheses) for t in mixed] == [1, 0, 1, 0, 1]
    assert run.translator.translate([]) == []


def test_a_hypothesis_has_the_weights_of_its_own_forced_alignment(run: TrainingRun) -> None:
    line = run.data.validation_text.source[0]
    (translation,) = BatchTranslator(run.model, run.data.tokenizers, Beam(size=3, max_ratio=0.5)).translate([line])
    hypothesis = translation.hypotheses[0]
    source = run.data.tokenizers.source.encode([line])[0]
    (wanted,) = force_decode(run.model, [(source, hypothesis.tokens)], position="predicted")
    assert hypothesis.weights is not None
    np.testing.assert_allclose(hypothesis.weights, wanted, atol=1e-5)


def test_weights_need_not_be_kept(run: TrainingRun) -> None:
    lines = run.data.validation_text.source[:2]
    kept = run.translator.translate(lines)
    light = BatchTranslator(run.model, run.data.tokenizers, run.translator.search, weights=False).translate(lines)
    assert [t.text for t in light] == [t.text for t in kept]
    assert all(t.hypotheses[0].weights is None for t in light)
    assert all(t.hypotheses[0].weights is not None for t in kept)


def test_it_is_told_when_sentences_are_done(run: TrainingRun) -> None:
    ids = run.data.tokenizers.source.encode([*run.data.validation_text.source, ""])
    done: list[int] = []
    BatchTranslator(run.model, run.data.tokenizers, Greedy(max_ratio=0.2), tokens=60).translate_ids(
        ids, done=done.append
    )
    assert sum(done) == len(ids)
    assert len(done) > 1
