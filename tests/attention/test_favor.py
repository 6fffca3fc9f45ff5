"""FAVOR+: random features whose products are, in the mean, those of softmax."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.favor import Favor, draw_directions
from nmt.attention.score import ScaledDot
from nmt.errors import ConfigError
from tests.builders import draw_normal

SIZE = 8


def make_favor(features: int = 32, size: int = SIZE, **settings: int | None) -> Favor:
    """One whose projections leave what they get."""
    made = Favor(query_size=size, memory_size=size, heads=1, hidden_size=size, features=features, **settings)
    for linear in (made.query, made.key):
        linear.weight.data = torch.eye(size)
    return made


def exact_scores(queries: Tensor, keys: Tensor) -> Tensor:
    """Those of scaled dot product attention."""
    score = ScaledDot(query_size=SIZE, memory_size=SIZE, heads=1, hidden_size=SIZE)
    for linear in (score.query, score.key):
        linear.weight.data = torch.eye(SIZE)
    return score(queries, score.remember(keys))


def test_the_mean_over_draws_is_the_kernel_of_softmax() -> None:
    torch.manual_seed(0)
    queries, keys = draw_normal(1, 3, SIZE, seed=1), draw_normal(1, 4, SIZE, seed=2)
    score, draws = make_favor(), []
    with torch.no_grad():
        for _ in range(400):
            score.redraw()
            draws.append(score(queries, score.remember(keys)).exp())
        found, wanted = torch.stack(draws), exact_scores(queries, keys).exp()
    assert ((found.mean(0) - wanted).abs() < 4 * found.std(0) / 400**0.5).all()


def test_directions_are_orthogonal_in_blocks_and_as_long_as_normal_vectors() -> None:
    torch.manual_seed(0)
    directions = draw_directions(20, SIZE)
    assert directions.shape == (20, SIZE)
    for start in (0, 8, 16):
        block = directions[start : start + SIZE]
        products = block @ block.mT
        assert_close(products, torch.diag(products.diagonal()), atol=1e-4, rtol=0)
    squares = draw_directions(4000, SIZE).square().sum(1)
    assert squares.mean().item() == pytest.approx(SIZE, rel=0.05)
    assert squares.var().item() == pytest.approx(2 * SIZE, rel=0.15)
    each = draw_directions(4000, SIZE)
    assert (each.mean(0).abs() < 4 / 4000**0.5).all()
    assert_close(each.mT @ each / 4000, torch.eye(SIZE), atol=0.1, rtol=0)


@pytest.mark.slow
def test_sixteen_times_the_features_have_at_most_half_the_error() -> None:
    """Relative error of the contexts of 200 positions, with numbers of deviation 0.5."""
    torch.manual_seed(0)
    size = 32
    queries, keys, values = (0.5 * draw_normal(1, 200, size, seed=seed) for seed in (1, 2, 3))
    exact = torch.softmax((queries @ keys.mT) / math.sqrt(size), -1) @ values
    errors = []
    for features in (64, 1024):
        score = make_favor(features, size)
        found = []
        with torch.no_grad():
            for _ in range(5):
                score.redraw()
                contexts = torch.softmax(score(queries, score.remember(keys))[0, 0], -1) @ values
                found.append(((contexts - exact).norm() / exact.norm()).item())
        errors.append(sum(found) / len(found))
    assert errors[1] <= errors[0] / 2


@pytest.mark.parametrize(("every", "due"), [(3, [3, 6]), (1, [1, 2, 3, 4, 5, 6]), (None, [])])
def test_directions_are_drawn_anew_when_it_is_due(every: int | None, due: list[int]) -> None:
    score, found = make_favor(redraw_every=every), []
    for step in range(7):
        before = score.directions.clone()
        score.redraw_at(step)
        found += [step] * (not torch.equal(before, score.directions))
    assert found == due


def test_directions_are_not_learnt() -> None:
    score = make_favor()
    score(draw_normal(1, 2, SIZE), score.remember(draw_normal(1, 3, SIZE))).sum().backward()
    assert score.directions.grad is None
    assert "directions" in dict(score.named_parameters())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"features": 0}, r"attention\.score\.features must be at least 1; got 0"),
        ({"redraw_every": 0}, r"attention\.score\.redraw_every must be at least 1 step, or null .* got 0"),
    ],
)
def test_what_is_out_of_range_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_favor(**settings)
