"""Measures of faithfulness, against scipy, loops, and models for which they are known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from torch import Tensor

from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import Selected
from nmt.errors import ConfigError
from nmt.evaluation.faithfulness import (
    Measures,
    compute_faithfulness,
    compute_kendall,
    measure_flips,
    measure_removals,
)
from nmt.evaluation.forced import ForcedPair
from nmt.evaluation.importance import Erasure
from nmt.evaluation.permutation import draw_orders, measure_permuted, permute_weights
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS, EOS
from tests.builders import Mix, Plan, build_seq2seq, mark_slow_unless
from tests.evaluation.test_importance import FIRST_NAMES, NAMES, PAIRS, log_probs, make_model

ROWS = st.lists(st.integers(-3, 3), min_size=2, max_size=9)


@given(first=ROWS, data=st.data())
def test_kendalls_tau_is_scipys(first: list[int], data: st.DataObject) -> None:
    other = data.draw(st.lists(st.integers(-3, 3), min_size=len(first), max_size=len(first)))
    wanted = kendalltau(first, other).statistic
    found = compute_kendall(np.array(first, float), np.array(other, float))
    assert (found is None) == bool(np.isnan(wanted))
    assert found is None or found == pytest.approx(wanted, abs=1e-12)


def test_flips_are_counted_for_the_word_that_is_named_and_for_all_others() -> None:
    pair = ForcedPair([4, 5, 6], [7], [0, 1, 1], [0])  # two words and EOS, two target positions
    ranking = np.array([[0.2, 0.7, 0.1], [0.5, 0.1, 0.4]])
    flips = np.array([[False, True, False], [False, True, True]])
    found = measure_flips([pair], [ranking], [Erasure(np.zeros((2, 3)), flips)], suffix="_x")
    assert found == {"flips_x": 0.5, "flips_x_random": pytest.approx((0.0 + 1.0) / 2)}
    empty = ForcedPair([], [7], [], [0])
    assert measure_flips([empty], [np.ones((2, 1))], [Erasure(np.zeros((2, 1)), np.zeros((2, 1), bool))]) == {}


def probability(model: Seq2Seq, source: list[int], pair: ForcedPair) -> np.ndarray:
    return np.exp(log_probs(model, source, pair))


@pytest.mark.parametrize("name", ["luong", "transformer"])
def test_removals_are_differences_of_probabilities(name: str) -> None:
    model, pair = make_model(name), PAIRS[3]
    ranking = np.zeros((2, 8))
    ranking[0, [2, 7]], ranking[1, [0, 4]] = (1.0, 2.0), (2.0, 1.0)
    found = measure_removals(model, [pair], {"_mine": [ranking]}, words=2, tokens=50)
    whole = probability(model, [*pair.source, EOS], pair)
    without = [[7, 7, 10, 12, 6, 4], [7, 5, 10, 6, 4, EOS]]  # words 2 and 7, which is EOS; words 0 and 4
    kept = [[5, EOS], [7, 12, EOS]]
    for key, sources in (("comprehensiveness", without), ("sufficiency", kept)):
        drops = [whole[t] - probability(model, source, pair)[t] for t, source in enumerate(sources)]
        assert found[f"{key}_mine"] == pytest.approx(np.mean(drops), abs=1e-5)


def test_random_importances_have_the_values_of_random_words() -> None:
    model = make_model("luong")
    draw = np.random.default_rng(0)
    pairs = [ForcedPair(draw.integers(4, 20, 7).tolist(), [5, 9, 6], range(7), [0, 1, 2]) for _ in range(60)]
    found = measure_removals(model, pairs, {"": [draw.random((4, 8)) for _ in pairs]}, words=2, tokens=4000)
    for name in ("comprehensiveness", "sufficiency"):
        assert abs(found[name] - found[f"{name}_random"]) < 0.15 * abs(found[f"{name}_random"]) + 1e-3


def test_equal_weights_can_be_permuted_at_will() -> None:
    for decoder in ("luong", "bahdanau", "conditional"):
        model = build_seq2seq(Plan(decoder, "gru"), attention=Mix("general", "global", (), "uniform", 2))
        for distances in permute_weights(model, PAIRS, permutations=7):
            assert np.allclose(distances, 0.0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("name", ["luong", "sampled", "transformer"])
def test_permuted_weights_are_those_of_one_step(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a step whose attention is made to use the weights in the other order."""
    model, pair = make_model(name), PAIRS[3]
    (found,) = permute_weights(model, [pair], permutations=1)
    order = draw_orders(torch.tensor([8]), 8, 1, torch.Generator().manual_seed(1))[0, 1]
    source = torch.tensor([[*pair.source, EOS]])
    memory, state = model.encode(source, torch.tensor([8]))
    crossing = [
        each
        for place, each in model.decoder.named_modules()
        if isinstance(each, ScoredAttention) and "self_attention" not in place
    ]
    for t, read in enumerate([BOS, *pair.target]):
        clean = model.step(torch.tensor([read]), state, memory)
        with monkeypatch.context() as patch:
            for attention in crossing:
                select = attention.selection.forward

                def permute(weights: Tensor, select: Callable[..., Selected] = select) -> Selected:
                    return select(torch.zeros_like(weights).index_copy(-1, order, weights))

                patch.setattr(attention.selection, "forward", permute)
            changed = model.step(torch.tensor([read]), state, memory)
        distance = (clean.log_probs.exp() - changed.log_probs.exp()).abs().sum() / 2
        assert found[t] == pytest.approx(float(distance), abs=1e-5)
        state = clean.state


def test_orders_are_of_real_positions() -> None:
    orders = draw_orders(torch.tensor([3, 5, 1]), 5, 40, torch.Generator().manual_seed(0))
    assert (orders[:, 0] == torch.arange(5)).all()
    assert (orders.sort(-1).values == torch.arange(5)).all()
    assert (orders[0, :, 3:] == torch.tensor([3, 4])).all()
    assert (orders[2] == torch.arange(5)).all()
    assert len({tuple(each) for each in orders[1].tolist()}) > 20


def test_permuted_is_binned_by_the_largest_weight() -> None:
    distances, largest = [np.array([0.1, 0.3]), np.array([0.8])], [np.array([0.25, 0.3]), np.array([1.0])]
    found = measure_permuted(distances, largest)
    wanted = {"permuted": 0.5, "permuted_0.25": 0.1, "permuted_0.5": 0.3, "permuted_1": 0.8}
    assert found == pytest.approx(wanted)
    assert measure_permuted([], []) == {}


@pytest.mark.parametrize("name", mark_slow_unless(FIRST_NAMES[-2:], NAMES))
def test_every_model_has_every_measure(name: str) -> None:
    found = compute_faithfulness(make_model(name), PAIRS, Measures(permutations=3), tokens=300)
    names = {f"{key}{end}" for key in ("flips", "flips_memory") for end in ("", "_random")}
    names |= {f"{key}{end}" for key in ("comprehensiveness", "sufficiency") for end in ("", "_random", "_gradient")}
    names |= {"permuted", "agreement_gradient", "agreement_erase_input", "agreement_erase_memory"}
    constant = {"agreement_gradient", "agreement_erase_input", "agreement_erase_memory"} if name == "copy" else set()
    assert names - constant <= found.values.keys()  # equal weights have no order
    assert all(np.isfinite(value) for value in found.values.values())
    for pair, each in zip(PAIRS, found.explanations, strict=True):
        assert {matrix.shape for matrix in each} == {(len(pair.target) + 1, pair.words)}


def test_nothing_to_measure_has_no_values() -> None:
    assert compute_faithfulness(make_model("luong"), [], Measures()).values == {}


def test_numbers_below_one_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"measures\.words must be at least 1; got 0"):
        Measures(words=0)
