"""Probe sentences: always the same ones, with a number for every word and piece."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.data.synthetic import Grammar
from nmt.data.tokenizer import TOKENIZERS, Tokenizer
from nmt.errors import ConfigError
from nmt.evaluation.alignment import Gold
from nmt.evaluation.measures import PairAttention, compute_measures, is_punctuation
from nmt.evaluation.probes import Probes, make_probe_record, round_weights
from nmt.evaluation.validation import compute_forced_attention as given_pairs
from nmt.runs.training_run import TrainingRun
from nmt.search.protocols import Hypothesis
from nmt.special_tokens import EOS, UNK
from nmt.translation.translator import SearchResult
from tests import tiny_runs

CORPUS = Grammar(train=80, validation=1, test=1).load("train")
MODELS: dict[str, Tokenizer] = {
    **{kind: cls(vocab_size=150).train(CORPUS.source, CORPUS.target).source for kind, cls in TOKENIZERS.items()},
    "bytes": TOKENIZERS["bpe"](vocab_size=400, byte_fallback=True).train(CORPUS.source, CORPUS.target).source,
}
KINDS = pytest.mark.parametrize("kind", MODELS)


@KINDS
@given(data=st.data())
def test_every_word_of_a_decoded_text_owns_a_piece(kind: str, data: st.DataObject) -> None:
    model = MODELS[kind]
    ids = data.draw(st.lists(st.one_of(st.just(UNK), st.integers(EOS + 1, model.vocab_size - 1)), max_size=12))
    words = model.get_word_indices(ids)
    text = model.decode([ids])[0]
    assert len(words) == len(ids)
    assert words == sorted(words)
    assert all(0 <= word <= max(0, len(text.split()) - 1) for word in words)
    if text.split():
        assert len(set(words)) == len(text.split())


@KINDS
def test_words_of_a_text_are_those_of_its_line(kind: str) -> None:
    model = MODELS[kind]
    for line in CORPUS.source[:20]:
        ids, words = model.encode_with_words(line)
        assert model.get_word_indices(ids) == words


LINES = st.lists(st.integers(0, 12).map(lambda words: " ".join(["word"] * words)), max_size=40)


@given(lines=LINES, sentences=st.integers(0, 9), shortest=st.integers(1, 5), more=st.integers(0, 6))
def test_probes_are_spread_over_the_lines_that_fit(lines: list[str], sentences: int, shortest: int, more: int) -> None:
    probes = Probes(sentences=sentences, shortest=shortest, longest=shortest + more)
    chosen = probes.choose(lines)
    fit = [i for i, line in enumerate(lines) if shortest <= len(line.split()) <= shortest + more]
    assert chosen == sorted(set(chosen))
    assert set(chosen) <= set(fit)
    assert len(chosen) == min(sentences, len(fit))
    assert probes.choose(list(lines)) == chosen
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (fit[0], fit[-1])


@pytest.mark.parametrize(("sentences", "shortest", "longest"), [(-1, 1, 2), (1, 0, 2), (1, 5, 4)])
def test_probes_that_cannot_be_are_refused(sentences: int, shortest: int, longest: int) -> None:
    with pytest.raises(ConfigError, match="probes"):
        Probes(sentences=sentences, shortest=shortest, longest=longest)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    folder: Path = tmp_path_factory.mktemp("run") / "run"
    found = tiny_runs.build_run(tiny_runs.build_settings(folder, "search.max_ratio=1"), folder)
    found.model.eval()
    return found


def test_a_picture_has_a_number_for_every_word_and_piece(run: TrainingRun) -> None:
    text = run.data.validation_text
    attention = given_pairs(run.translator, text.source, text.target)
    translations = run.translator.translate(text.source)
    for source, target, translation, forced in zip(text.source, text.target, translations, attention, strict=True):
        shown = make_probe_record(run.data.tokenizers, source, translation, target, forced, None)
        assert shown is not None
        assert shown["source"] == [*source.split(), "</s>"]
        assert shown["target"] == [*translation.text.split(), "</s>"]
        assert shown["reference"] == target
        assert shown["forced"]["target"] == [*target.split(), "</s>"]
        for part in (shown, shown["pieces"], {"source": shown["source"], **shown["forced"]}):
            weights = np.array(part["weights"])
            assert weights.shape == (len(part["target"]), len(part["source"]))
            np.testing.assert_allclose(weights.sum(1), 1.0, atol=1e-3 * weights.shape[1])
        assert len(shown["pieces"]["target"]) == len(translation.hypotheses[0].tokens) + 1


@pytest.mark.parametrize("tokens", [[], [UNK], [UNK, 9, UNK], [4, 4, 4]])
def test_a_picture_of_any_tokens_fits_its_words(run: TrainingRun, tokens: list[int]) -> None:
    source = run.data.validation_text.source[0]
    columns = len(run.data.tokenizers.source.encode([source])[0]) + 1
    weights = np.full((len(tokens) + 1, columns), 1 / columns, dtype=np.float32)
    text = run.data.tokenizers.target.decode([tokens])[0]
    translation = SearchResult(text, [Hypothesis(tokens, 0.0, 0.0, weights)])
    (forced,) = given_pairs(run.translator, [source], ["x"])
    gold = Gold(frozenset({(0, 0)}), frozenset({(0, 0), (1, 0)}))
    shown = make_probe_record(run.data.tokenizers, source, translation, "x", forced, gold)
    assert shown is not None
    assert np.array(shown["weights"]).shape == (len(text.split()) + 1, len(source.split()) + 1)
    assert shown["gold"] == "0-0 1p0"


def test_where_there_are_no_weights_there_is_no_picture(run: TrainingRun) -> None:
    (forced,) = given_pairs(run.translator, ["a"], ["b"])
    assert make_probe_record(run.data.tokenizers, "", SearchResult("", []), "", forced, None) is None
    without = SearchResult("a", [Hypothesis([7], 0.0, 0.0, None)])
    assert make_probe_record(run.data.tokenizers, "a", without, "a", forced, None) is None


def test_rounded_weights_keep_zeros_signs_and_order() -> None:
    weights = np.array([[0.123456789, 1.0, 0.0], [1.4e-45, 3e-7, 0.5]], dtype=np.float32)
    found = np.array(round_weights(weights))
    np.testing.assert_array_equal(found == 0, weights == 0)
    np.testing.assert_allclose(found, weights.astype(np.float64), rtol=1e-5)


def measures_of(shown: dict[str, Any], pieces: dict[str, Any], source_words: list[int], target: list[int]) -> Any:
    marks = [is_punctuation(piece) for piece in shown["pieces"]["source"][:-1]]
    return compute_measures([PairAttention(np.array(pieces["weights"]), source_words, target, marks)])


@pytest.mark.parametrize("sharpness", [2.0, 40.0])
def test_measures_can_be_computed_from_the_numbers_of_a_picture(run: TrainingRun, sharpness: float) -> None:
    tokenizers, source, reference = run.data.tokenizers, run.data.validation_text.source[0], "der Hund schläft ."
    source_words, target_words = (
        t.encode_with_words(line)[1] for t, line in zip(tokenizers, (source, reference), strict=True)
    )
    tokens = tokenizers.target.encode_with_words(reference)[0]
    text = tokenizers.target.decode([tokens])[0]
    draw = np.random.default_rng(3)
    # A sharp Gaussian window: many weights are tiny, and some underflow to zero.
    near = -((np.arange(len(tokens) + 1)[:, None] - np.arange(len(source_words) + 1)[None, :]) ** 2)
    powers = np.exp(draw.normal(size=near.shape) + sharpness * near).astype(np.float32)
    weights = powers / np.maximum(powers.sum(1, keepdims=True), 1e-30)
    marks = [
        is_punctuation(piece)
        for piece in tokenizers.source.convert_ids_to_pieces(tokenizers.source.encode_with_words(source)[0])
    ]
    forced = PairAttention(weights, source_words, target_words, marks)
    shown = make_probe_record(
        tokenizers, source, SearchResult(text, [Hypothesis(tokens, 0.0, 0.0, weights)]), reference, forced, None
    )
    stored = json.loads(json.dumps(shown))
    expected = compute_measures([forced])
    assert 0 < expected["zeros"] < 1
    for pieces in (stored["pieces"], stored["forced"]["pieces"]):
        assert len(pieces["target"]) == len(tokens) + 1
        found = measures_of(stored, pieces, source_words, target_words)
        assert found == pytest.approx(expected, abs=1e-4)
        assert (found["zeros"], found["monotonicity"]) == (expected["zeros"], expected["monotonicity"])
