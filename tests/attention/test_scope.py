"""Windows against loops over rows, heads, target and source positions."""

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.scope import (
    SCOPES,
    Alibi,
    Causal,
    CausalWithin,
    Global,
    LocalMonotonic,
    LocalPredictive,
    Scope,
    WindowScope,
)
from nmt.errors import ConfigError
from tests.builders import HEAD_COUNTS, QUERY_SIZE, draw_normal

POSITIONS = torch.tensor([[0, 1, 2], [3, 4, 5], [9, 99, 999]])
LENGTHS = [4, 11, 1]


def queries(scale: float = 1.0) -> Tensor:
    return draw_normal(3, 3, QUERY_SIZE, seed=7, scale=scale).double()


def centre_of(scope: LocalPredictive, query: Tensor, head: int, length: int) -> float:
    """(S - 1) sigmoid(v . tanh(W q)), in plain Python."""
    hidden = [
        math.tanh(sum(w * q for w, q in zip(row, query.tolist(), strict=True))) for row in scope.hidden.weight.tolist()
    ]
    raised = sum(v * h for v, h in zip(scope.centre.weight[head].tolist(), hidden, strict=True))
    return (length - 1) / (1 + math.exp(-raised))


def test_global_lets_everything_be_seen() -> None:
    window = Global(query_size=QUERY_SIZE, heads=1)(queries(), POSITIONS, torch.tensor(LENGTHS), 11)
    assert window.bias is None
    assert window.factor is None


@given(half_width=st.integers(1, 6), source=st.integers(11, 14))
def test_local_m_opens_a_window_around_the_target_position(half_width: int, source: int) -> None:
    scope = LocalMonotonic(query_size=QUERY_SIZE, heads=1, half_width=half_width)
    bias, gain, *_ = scope(queries(), POSITIONS, torch.tensor(LENGTHS), source)
    assert gain is None
    assert bias is not None
    for row, length in enumerate(LENGTHS):
        for t in range(3):
            centre = min(int(POSITIONS[row, t]), length - 1)
            for s in range(source):
                assert bias[row, 0, t, s].item() == (0.0 if abs(s - centre) <= half_width else -math.inf)


def test_a_scaled_centre_is_that_of_a_smaller_vector() -> None:
    paper, scaled = (
        LocalPredictive(query_size=QUERY_SIZE, heads=2, scaled=scaled).double() for scaled in (False, True)
    )
    scaled.load_state_dict(paper.state_dict())
    paper.centre.weight.data /= QUERY_SIZE**0.5
    windows = [scope(queries(3.0), POSITIONS, torch.tensor(LENGTHS), 11) for scope in (paper, scaled)]
    assert_close(windows[0], windows[1])


@given(half_width=st.integers(1, 6), globals=st.integers(0, 12))
def test_a_window_has_the_first_positions_besides_which_see_everything(half_width: int, globals: int) -> None:
    scope = WindowScope(query_size=QUERY_SIZE, heads=1, half_width=half_width, globals=globals)
    bias, factor, *_ = scope(queries(), POSITIONS, torch.tensor(LENGTHS), 12)
    assert factor is None
    assert bias is not None
    for row, length in enumerate(LENGTHS):
        for t in range(3):
            centre = min(int(POSITIONS[row, t]), length - 1)
            for s in range(12):
                seen = abs(s - centre) <= half_width or s < globals or POSITIONS[row, t] < globals
                assert bias[row, 0, t, s].item() == (0.0 if seen else -math.inf)


@pytest.mark.parametrize("heads", [1, 3, 8])
def test_alibi_falls_with_the_distance_at_a_rate_of_each_head(heads: int) -> None:
    bias, factor, *_ = Alibi(query_size=QUERY_SIZE, heads=heads)(queries(), POSITIONS, torch.tensor(LENGTHS), 12)
    assert factor is None
    assert bias is not None
    for row, length in enumerate(LENGTHS):
        for head in range(heads):
            for t in range(3):
                centre = min(int(POSITIONS[row, t]), length - 1)
                for s in range(12):
                    wanted = -abs(s - centre) / 2 ** (8 * (head + 1) / heads)
                    assert bias[row, head, t, s].item() == pytest.approx(wanted)


def test_alibi_beyond_the_source_gives_the_weights_of_the_distance_itself() -> None:
    """-m |s - t| and -m |s - min(t, S - 1)| differ by what is the same for all s."""
    bias, *_ = Alibi(query_size=QUERY_SIZE, heads=2)(queries(), torch.tensor([[30] * 3] * 3), torch.tensor([6] * 3), 6)
    slopes = torch.tensor([2.0**-4, 2.0**-8]).double()
    wanted = torch.softmax(-slopes[:, None] * (torch.arange(6) - 30).abs(), -1)
    assert bias is not None
    assert_close(torch.softmax(bias[0, :, 0], -1), wanted)


@pytest.mark.parametrize("scope", [Global, Causal, partial(WindowScope, half_width=2, globals=1), Alibi])
def test_causal_holds_beside_another_scope(scope: Callable[..., Scope]) -> None:
    other, positions = scope(query_size=QUERY_SIZE, heads=2), torch.arange(7).expand(3, 7)
    given = (draw_normal(3, 7, QUERY_SIZE), positions, torch.tensor([7] * 3), 7)
    bias, alone = CausalWithin(other)(*given).bias, other(*given).bias
    assert bias is not None
    ahead = torch.ones(7, 7, dtype=torch.bool).triu(1)
    assert (bias[..., ahead] == -math.inf).all()
    assert_close(bias[..., ~ahead], torch.zeros_like(bias[..., ~ahead]) if alone is None else alone[..., ~ahead])
    assert bias.diagonal(dim1=2, dim2=3).isfinite().all()


@pytest.mark.parametrize("renormalize", [False, True])
@pytest.mark.parametrize("half_width", [1, 3])
@pytest.mark.parametrize("heads", HEAD_COUNTS)
def test_local_p_draws_a_gaussian_around_a_learned_centre(heads: int, half_width: int, renormalize: bool) -> None:
    torch.manual_seed(heads)
    scope = LocalPredictive(query_size=QUERY_SIZE, heads=heads, half_width=half_width, renormalize=renormalize).double()
    query, sigma = queries(2.0), half_width / 2
    bias, gain, *_ = scope(query, POSITIONS, torch.tensor(LENGTHS), 12)
    assert bias is not None
    assert (gain is None) == renormalize
    for row, length in enumerate(LENGTHS):
        for head in range(heads):
            for t in range(3):
                centre = centre_of(scope, query[row, t], head, length)
                for s in range(12):
                    inside = abs(s - centre) <= half_width
                    log_gaussian = -((s - centre) ** 2) / (2 * sigma**2)
                    added = log_gaussian if gain is None else 0.0
                    wanted = added if inside else -math.inf
                    if gain is not None and inside:
                        assert gain[row, head, t, s].item() == pytest.approx(math.exp(log_gaussian))
                    assert bias[row, head, t, s].item() == pytest.approx(wanted)


@given(lengths=st.lists(st.integers(1, 60), min_size=3, max_size=3), scale=st.floats(0, 1e4))
def test_no_window_is_empty_however_far_the_prediction(lengths: list[int], scale: float) -> None:
    scope = LocalPredictive(query_size=QUERY_SIZE, heads=2, half_width=1).double()
    bias, *_ = scope(queries(scale), POSITIONS, torch.tensor(lengths), max(lengths))
    assert bias is not None
    for row, length in enumerate(lengths):
        assert bias[row, :, :, :length].isfinite().any(-1).all()


@pytest.mark.parametrize("name", ["local_m", "local_p", "window"])
@pytest.mark.parametrize("half_width", [0, -3])
def test_a_window_without_width_is_refused(name: str, half_width: int) -> None:
    with pytest.raises(ConfigError, match=rf"attention\.scope\.half_width must be at least 1.*got {half_width}"):
        SCOPES[name](query_size=QUERY_SIZE, heads=1, half_width=half_width)


def test_a_number_of_globals_below_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"attention\.scope\.globals must be 0 or more source pieces; got -1"):
        WindowScope(query_size=QUERY_SIZE, heads=1, globals=-1)
