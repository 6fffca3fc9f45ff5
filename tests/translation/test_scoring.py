"""Scores of given translations are those of the search and of validation, whatever shares their batch."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from nmt.data.batching import pad
from nmt.runs.training_run import TrainingRun
from nmt.search.beam import Beam
from nmt.special_tokens import BOS, EOS, PAD
from nmt.translation.ensemble import Ensemble
from nmt.translation.scoring import PairScore, score_pairs
from nmt.translation.stepper import InferenceModel
from nmt.translation.translator import BatchTranslator
from tests import tiny_runs

Pairs = list[tuple[Sequence[int], Sequence[int]]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[TrainingRun]:
    """Two untrained models over one vocabulary."""
    folder = tmp_path_factory.mktemp("run")
    chosen = tiny_runs.build_settings(folder, "data.train=30")
    found = [tiny_runs.build_run(chosen, folder / str(seed), seed=seed) for seed in (1, 2)]
    for run in found:
        run.model.eval()
    return found


@pytest.fixture(scope="module")
def pairs(runs: list[TrainingRun]) -> Pairs:
    data = runs[0].data.train
    one, other = [(data.source.get_sentence(i), data.target.get_sentence(i)) for i in range(2)]
    return [one, (other[0][:3], other[1][:5]), ([], other[1][:2]), (other[0], []), ([], []), ([1, 9], [7])]


@torch.inference_mode()
def step_through(runs: Sequence[TrainingRun], source: Sequence[int], target: Sequence[int]) -> list[float]:
    """log of the mean probability of each token, with one step of each model after another."""
    probs = np.zeros((len(runs), len(target) + 1))
    for place, run in enumerate(runs):
        memory, state = run.model.encode(*pad([source]))
        for position, (read, wanted) in enumerate(zip([BOS, *target], [*target, EOS], strict=True)):
            log_probs, state, _ = run.model.step(torch.tensor([read]), state, memory)
            probs[place, position] = math.exp(log_probs[0, wanted])
    return [math.log(prob) for prob in probs.mean(0)]


@pytest.mark.parametrize("models", [1, 2])
def test_a_score_has_the_log_probability_of_every_token(runs: list[TrainingRun], pairs: Pairs, models: int) -> None:
    some = runs[:models]
    expected = [step_through(some, source, target) for source, target in pairs]
    for tokens in (1, 60, 10_000):
        reported: list[int] = []
        scores = score_pairs([run.model for run in some], pairs, tokens=tokens, report=reported.append)
        assert sum(reported) == len(pairs)
        for score, log_probs in zip(scores, expected, strict=True):
            assert score.log_probs.tolist() == pytest.approx(log_probs, abs=1e-4)
            assert score.tokens == len(log_probs)


@pytest.mark.parametrize("models", [1, 2])
def test_what_a_search_finds_has_the_log_prob_that_the_search_gives(runs: list[TrainingRun], models: int) -> None:
    run, engines = runs[0], [InferenceModel(each.model) for each in runs[:models]]
    engine = Ensemble(engines) if models > 1 else engines[0]
    translator = BatchTranslator(run.model, run.data.tokenizers, Beam(size=3, nbest=2, max_ratio=0.5), engine=engine)
    ids = run.data.tokenizers.source.encode(run.data.validation_text.source[:2])
    listed = [
        (source, hypothesis)
        for source, found in zip(ids, translator.search_all(ids), strict=True)
        for hypothesis in found
    ]
    scores = score_pairs([each.model for each in runs[:models]], [(source, h.tokens) for source, h in listed])
    assert [score.log_prob for score in scores] == pytest.approx([h.log_prob for _, h in listed], abs=1e-3)


def test_all_together_they_are_the_loss_of_validation(runs: list[TrainingRun]) -> None:
    run, bias = runs[0], runs[0].model.head.output.bias
    kept = bias[PAD].item()
    with torch.no_grad():  # a trained model gives PAD no probability; the loss counts it, search and scores do not
        bias[PAD] = -1e4
    try:
        data = run.data.validation
        pairs = [(data.source.get_sentence(i), data.target.get_sentence(i)) for i in range(data.pairs)]
        scores = score_pairs([run.model], pairs)
        nll = -sum(score.log_prob for score in scores) / sum(score.tokens for score in scores)
        assert nll == pytest.approx(run.validator.compute_nll(), rel=1e-5)
    finally:
        with torch.no_grad():
            bias[PAD] = kept


def test_what_a_score_says_of_itself() -> None:
    score = PairScore(np.log(np.array([0.5, 0.25, 0.125], np.float32)))
    assert score.log_prob == pytest.approx(6 * math.log(0.5))
    assert score.per_token == pytest.approx(2 * math.log(0.5))
    assert score.perplexity == pytest.approx(4.0)
    assert PairScore(np.array([-5000.0], np.float32)).perplexity == math.inf


def test_no_pairs_have_no_scores(runs: list[TrainingRun]) -> None:
    assert score_pairs([runs[0].model], []) == []
