"""Histories beside loops over positions, one row and one number at a time."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.history import Coverage, CoverageGRU, Fertility, History, LocationAware, LocationCumulative
from nmt.attention.memory import Memory
from nmt.errors import ConfigError
from tests.builders import draw_normal, make_mask

LENGTHS = [6, 3]
HEADS, KEY, VALUE, QUERY, STEPS = 2, 3, 4, 5, 4
SIZES = {"key_size": KEY, "value_size": VALUE, "query_size": QUERY, "heads": HEADS}


class Unroll:
    """A history over some steps of weights and queries: the features before each step."""

    def __init__(self, history: History) -> None:
        torch.manual_seed(3)
        for parameter in history.parameters():
            torch.nn.init.normal_(parameter)
        mask = make_mask(LENGTHS)
        self.history = history
        self.values = draw_normal(2, HEADS, max(LENGTHS), VALUE, seed=1)
        self.queries = draw_normal(2, STEPS, QUERY, seed=2)
        scores = draw_normal(2, HEADS, STEPS, max(LENGTHS), seed=4).masked_fill(~mask[:, None, None, :], -math.inf)
        self.weights = scores.softmax(-1)
        bias = torch.zeros(2, max(LENGTHS)).masked_fill(~mask, -math.inf)
        self.memory = Memory(torch.zeros(0), self.values, bias, torch.tensor(LENGTHS))

    def run(self) -> list[Tensor]:
        past, found = self.history.start(self.memory, HEADS), []
        for t in range(STEPS):
            features = self.history(past)
            assert features is not None
            found.append(features[:, :, 0])
            past = self.history.advance(past, self.weights[:, :, t : t + 1], self.queries[:, t : t + 1])
        return found


def list_positions() -> list[tuple[int, int, int, int]]:
    """Every row, head, step and real source position."""
    return [
        (row, head, t, s)
        for row, length in enumerate(LENGTHS)
        for head in range(HEADS)
        for t in range(STEPS)
        for s in range(length)
    ]


@torch.no_grad()
def test_fertility_counts_in_shares_of_what_is_expected() -> None:
    history = Fertility(**SIZES, largest=3.0)
    unroll = Unroll(history)
    found = unroll.run()
    for row, head, t, s in list_positions():
        logit = sum(
            float(a) * float(b) for a, b in zip(unroll.values[row, head, s], history.fertility[head], strict=True)
        )
        expected = 3.0 / (1 + math.exp(-logit))
        covered = sum(float(unroll.weights[row, head, u, s]) for u in range(t)) / expected
        assert_close(found[t][row, head, s], covered * history.projection[head])


def test_fertility_begins_as_coverage_does() -> None:
    torch.manual_seed(0)
    fertility, coverage = Fertility(**SIZES), Coverage(**SIZES)
    coverage.projection = fertility.projection
    unroll = Unroll(coverage)
    wanted = unroll.run()
    unroll.history = fertility
    torch.nn.init.zeros_(fertility.fertility)
    assert_close(unroll.run(), wanted)


@torch.no_grad()
def test_coverage_gru_is_a_gru_for_every_position() -> None:
    """torch's GRU cell over [w; v; q], with the weights of ours side by side."""
    history = CoverageGRU(**SIZES, size=3)
    unroll = Unroll(history)
    found = unroll.run()
    cell = torch.nn.GRUCell(1 + VALUE + QUERY, 3)
    cell.weight_ih.copy_(torch.cat([history.weight.weight, history.value.weight, history.query.weight], 1))
    cell.bias_ih.copy_(history.value.bias)
    cell.weight_hh.copy_(history.state.weight)
    cell.bias_hh.copy_(history.state.bias)
    for row, length in enumerate(LENGTHS):
        for head in range(HEADS):
            for s in range(length):
                state = torch.zeros(3)
                for t in range(STEPS):
                    assert_close(found[t][row, head, s], state @ history.projection[head])
                    weight = unroll.weights[row, head, t, s].view(1)
                    state = cell(torch.cat([weight, unroll.values[row, head, s], unroll.queries[row, t]]), state)


@torch.no_grad()
@pytest.mark.parametrize("history_class", [LocationAware, LocationCumulative])
def test_filters_slide_over_the_weights_of_each_head(history_class: type[LocationAware]) -> None:
    """torch's convolution over one row of one head without its padding."""
    history = history_class(**SIZES, filters=2, width=5)
    unroll = Unroll(history)
    found = unroll.run()
    for row, length in enumerate(LENGTHS):
        for head in range(HEADS):
            filters = history.convolution.weight[2 * head : 2 * head + 2]
            weights = torch.zeros(STEPS + 1, length + 1)  # of the place before the sentence, and of its words
            weights[0, 0] = 1.0
            weights[1:, 1:] = unroll.weights[row, head, :, :length]
            for t in range(STEPS):
                seen = torch.stack([weights[t], weights[: t + 1].sum(0)][: history.channels])
                features = F.conv1d(seen.unsqueeze(0), filters, padding=2)[0, :, 1:]
                assert_close(found[t][row, head, :length], features.T @ history.projection[head])


def test_location_aware_tells_equal_keys_apart() -> None:
    """Where all states are equal, features differ by where attention was, and coverage's by how much it read there."""
    unroll = Unroll(LocationAware(**SIZES))
    unroll.weights = torch.zeros_like(unroll.weights)
    unroll.weights[:, :, :, 1] = 1.0
    after = unroll.run()[1][0, 0]
    assert len({tuple(features.tolist()) for features in after}) == len(after)


@pytest.mark.parametrize(
    ("make", "setting"),
    [
        (lambda: LocationAware(**SIZES, width=4), "history.width must be an odd .* Try 5"),
        (lambda: LocationAware(**SIZES, width=0), "history.width must be an odd .* Try 1"),
        (lambda: LocationCumulative(**SIZES, filters=0), "history.filters must be at least 1"),
        (lambda: CoverageGRU(**SIZES, size=0), "history.size must be at least 1"),
        (lambda: Fertility(**SIZES, largest=0.0), "history.largest must be a number above 0"),
    ],
)
def test_sizes_are_checked(make: object, setting: str) -> None:
    assert callable(make)
    with pytest.raises(ConfigError, match=setting):
        make()
