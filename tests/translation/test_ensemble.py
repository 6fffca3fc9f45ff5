"""Models of different kinds translate as one: their distribution is the mean of what each says by itself."""

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt import build, config
from nmt.errors import ConfigError
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.training_run import TrainingRun
from nmt.search.beam import Beam
from nmt.search.protocols import Hypothesis
from nmt.special_tokens import BOS, PAD
from nmt.translation.decoder_step import Vocabulary
from nmt.translation.ensemble import Ensemble
from nmt.translation.stepper import InferenceModel
from nmt.translation.translator import BatchTranslator
from nmt.trees import repeat_rows, select_rows
from tests import tiny_runs
from tests.builders import SOURCE_VOCAB, TARGET_VOCAB, Plan, build_seq2seq, make_mix

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

LENGTHS = (5, 2, 7)
BEAM = Beam(size=3, nbest=2, max_ratio=0.5)


@pytest.fixture(scope="module")
def models() -> list[Seq2Seq]:
    """Which differ in decoder, cell, layers, attention and every size but that of the vocabulary."""
    return [
        build_seq2seq(Plan("luong", "lstm"), seed=1),
        build_seq2seq(Plan("luong", "lstm", (("layers", 2),)), seed=2, memory_size=20, embedding_size=7),
        build_seq2seq(Plan("bahdanau", "gru"), attention=make_mix("additive", heads=2), seed=3, embedding_size=11),
        build_seq2seq(
            Plan("conditional", "layer_norm_gru"), attention=make_mix(scope="local_p", normalizer="sparsemax"), seed=4
        ),
    ]


def sources() -> tuple[Tensor, Tensor]:
    torch.manual_seed(7)
    lengths = torch.tensor(LENGTHS)
    ids = torch.randint(4, SOURCE_VOCAB, (len(LENGTHS), max(LENGTHS)))
    return ids.where(torch.arange(max(LENGTHS)) < lengths.unsqueeze(1), PAD), lengths


def read(times: int, copies: int) -> list[Tensor]:
    """The tokens of some steps, BOS first."""
    torch.manual_seed(11)
    rows = copies * len(LENGTHS)
    return [torch.full((rows,), BOS), *(torch.randint(4, TARGET_VOCAB, (rows,)) for _ in range(times - 1))]


@torch.inference_mode()
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_the_distribution_is_the_mean_of_those_of_the_models_themselves(models: list[Seq2Seq], count: int) -> None:
    together = Ensemble([InferenceModel(model) for model in models[:count]])
    given, state = together.encode(*sources(), Vocabulary())
    state, step = repeat_rows(state, 2), together.stepper(Vocabulary())
    alone = [(model, *model.encode(*sources())) for model in models[:count]]
    own = [repeat_rows(start, 2) for _, _, start in alone]
    for tokens in read(4, copies=2):
        log_probs, state, weights = step(tokens, state, given)
        said = [model.step(tokens, each, memory) for (model, memory, _), each in zip(alone, own, strict=True)]
        own = [one.state for one in said]
        mean = np.mean([one.log_probs.exp().numpy() for one in said], 0)
        looks = np.mean([one.weights.numpy() for one in said if one.weights is not None], 0)
        np.testing.assert_allclose(log_probs.exp().numpy(), mean, atol=1e-5)
        assert weights is not None
        np.testing.assert_allclose(weights.numpy(), looks, atol=1e-5)


@torch.inference_mode()
def test_over_some_words_each_says_what_it_would_given_these_words(models: list[Seq2Seq]) -> None:
    words = torch.tensor([0, 1, 2, 3, 5, 8, 13])
    vocabulary = Vocabulary(words, torch.ones(len(LENGTHS), len(words), dtype=torch.bool))
    together = Ensemble([InferenceModel(model) for model in models])
    given, state = together.encode(*sources(), vocabulary)
    (tokens,) = read(1, copies=1)
    found = together.stepper(vocabulary)(tokens, state, given)[0]
    each = []
    for model in models:
        memory, start = model.encode(*sources())
        among = model.step(tokens, start, memory).log_probs[:, words].softmax(1)
        each.append(among.numpy())
    np.testing.assert_allclose(found.exp().numpy(), np.mean(each, 0), atol=1e-5)


@torch.inference_mode()
def test_a_choice_of_rows_is_one_of_the_states_of_all_models(models: list[Seq2Seq]) -> None:
    together = Ensemble([InferenceModel(model) for model in models])
    given, state = together.encode(*sources(), Vocabulary())
    step = together.stepper(Vocabulary())
    first, second = read(2, copies=2)
    state = step(first, repeat_rows(state, 2), given)[1]
    rows = torch.tensor([1, 1, 3, 2, 5, 4])  # within each sentence
    before, after = step(second[rows], select_rows(state, rows), given), step(second, state, given)
    torch.testing.assert_close(before[0], after[0][rows])
    torch.testing.assert_close(select_rows(after[1], rows), before[1])


@torch.inference_mode()
def test_rows_are_independent(models: list[Seq2Seq]) -> None:
    together = Ensemble([InferenceModel(model) for model in models])
    ids, lengths = sources()
    given, state = together.encode(ids, lengths, Vocabulary())
    step = together.stepper(Vocabulary())
    found = []
    for tokens in read(3, copies=1):
        log_probs, state, _ = step(tokens, state, given)
        found.append(log_probs)
    for row, length in enumerate(LENGTHS):
        own, alone = together.encode(ids[row : row + 1, :length], lengths[row : row + 1], Vocabulary())
        for tokens, expected in zip(read(3, copies=1), found, strict=True):
            log_probs, alone, _ = step(tokens[row : row + 1], alone, own)
            torch.testing.assert_close(log_probs[0], expected[row], atol=1e-5, rtol=1e-5)


def test_an_ensemble_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        Ensemble([])


# Translations -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingRun]:
    """An LSTM and a GRU over one vocabulary, with other sizes and decoders."""
    folder = tmp_path_factory.mktemp("runs")
    kinds = [("model/decoder=luong",), ("model/decoder=bahdanau", "model.decoder.cell=gru", "model.embedding_size=10")]
    made = [
        tiny_runs.build_run(tiny_runs.build_settings(folder / str(n), *kind), folder / str(n))
        for n, kind in enumerate(kinds)
    ]
    for run in made:
        run.model.eval()
    return made


def translated(
    runs: list[TrainingRun], lines: list[str], tokens: int = 10_000, copies: int = 1
) -> list[list[Hypothesis]]:
    engine = Ensemble([InferenceModel(run.model) for run in runs for _ in range(copies)])
    worker = BatchTranslator(runs[0].model, runs[0].data.tokenizers, BEAM, tokens=tokens, engine=engine)
    return [translation.hypotheses for translation in worker.translate(lines)]


def same(found: list[list[Hypothesis]], expected: list[list[Hypothesis]], tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        assert [h.tokens for h in one] == [h.tokens for h in other]
        assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=tolerance)
        for first, second in zip(one, other, strict=True):
            assert first.weights is not None
            assert second.weights is not None
            np.testing.assert_allclose(first.weights, second.weights, atol=tolerance)


@pytest.mark.parametrize("copies", [1, 2, 3])
def test_a_model_with_itself_translates_as_it_does_alone(runs: list[TrainingRun], copies: int) -> None:
    lines = ["", *runs[0].data.validation_text.source]
    for run in runs:
        worker = BatchTranslator(run.model, run.data.tokenizers, BEAM, tokens=10_000, engine=InferenceModel(run.model))
        alone = [translation.hypotheses for translation in worker.translate(lines)]
        # One is exactly what it is alone; the mean of more is rounded.
        same(translated([run], lines, copies=copies), alone, 0.0 if copies == 1 else 1e-4)


def test_translations_depend_neither_on_batches_nor_on_the_order_of_models(runs: list[TrainingRun]) -> None:
    lines = ["", *runs[0].data.validation_text.source]
    together = translated(runs, lines)
    assert len({tuple(found[0].tokens) for found in together[1:]}) > 1
    same(translated(runs, lines, tokens=1), together, 1e-4)
    same(translated(runs[::-1], lines), together, 1e-4)
    same(translated(runs, lines[::-1])[::-1], together, 1e-4)


def build_tiny(*words: str) -> Seq2Seq:
    settings = config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, *words), build.TRAIN)
    return build.build_model(settings, source_vocab=SOURCE_VOCAB, target_vocab=TARGET_VOCAB, joint=False).eval()


@torch.inference_mode()
def test_a_recurrent_model_and_a_transformer_translate_together() -> None:
    """Each step is the mean of both; and a beam of them finds what the search over that mean finds."""
    torch.manual_seed(5)
    models = [build_tiny("model.tied=target"), build_tiny(*tiny_runs.TRANSFORMER, "model.tied=target")]
    together = Ensemble([InferenceModel(model) for model in models])
    assert together.is_quadratic
    given, state = together.encode(*sources(), Vocabulary())
    state, step = repeat_rows(state, 2), together.stepper(Vocabulary())
    alone = [model.encode(*sources()) for model in models]
    states = [repeat_rows(each, 2) for _, each in alone]
    for tokens in read(4, 2):
        found, state, weights = step(tokens, state, given)
        outputs = [
            model.step(tokens, each, memory) for model, each, (memory, _) in zip(models, states, alone, strict=True)
        ]
        states = [output.state for output in outputs]
        torch.testing.assert_close(found.exp(), torch.stack([each.log_probs.exp() for each in outputs]).mean(0))
        assert weights is not None
        torch.testing.assert_close(weights, torch.stack([each.weights for each in outputs]).mean(0))
    given, state = together.encode(*sources(), Vocabulary())
    hypotheses = BEAM(together.stepper(Vocabulary()), state, given, sources()[1])
    assert [len(each) for each in hypotheses] == [BEAM.nbest] * len(LENGTHS)
