"""What additive attention's comparison promises beside the laws of kernels (test_laws.py)."""

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.kernels import additive as module
from nmt.kernels.additive import additive_scores
from tests.builders import draw_normal

ROW, SOURCE, SIZE = 3, 7, 5


def draw(heads: int = 2, positions: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and v."""
    queries = draw_normal(ROW, heads, positions, SIZE, seed=2).double().requires_grad_()
    keys = draw_normal(ROW, heads, SOURCE, SIZE, seed=1).double().requires_grad_()
    return queries, keys, draw_normal(heads, SIZE, seed=3).double().requires_grad_()


def written(queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    return (v[:, None, None] * torch.tanh(queries[:, :, :, None] + keys[:, :, None])).sum(-1)


@pytest.mark.parametrize("entries", [1, SOURCE * SIZE, 5 * SOURCE * SIZE])
def test_it_may_be_cut_anywhere(monkeypatch: pytest.MonkeyPatch, entries: int) -> None:
    inputs = draw()
    expected = written(*inputs)
    monkeypatch.setattr(module, "BLOCK_ENTRIES", entries)
    found = additive_scores(*inputs)
    parts = [part for _, _, part in module._iterate_sigmoids(*(each.detach() for each in inputs[:2]))]
    assert max(part.numel() for part in parts) <= max(entries, 2 * SOURCE * SIZE)  # one query of two heads at least
    assert sum(part.numel() for part in parts) == expected.numel() * SIZE
    assert all(part.is_contiguous() for part in parts)  # so that no product copies them
    assert_close(found, expected)
    assert_close(*(torch.autograd.grad(each.square().sum(), inputs) for each in (found, expected)))


def test_in_single_precision_it_holds_to_the_ends_of_its_range() -> None:
    places = 40 * torch.tensor([-1.0, -0.95, -0.01, 0.0, 0.9, 1.0])
    found = additive_scores(places.view(1, 1, -1, 1), places.view(1, 1, -1, 1), torch.ones(1, 1))
    expected = torch.tanh(places.double().unsqueeze(1) + places.double()).float()
    assert_close(found[0, 0], expected, atol=3e-7, rtol=0)


def test_features_are_added_to_the_keys() -> None:
    queries, keys, v = draw()
    features = draw_normal(ROW, 2, 4, SOURCE, SIZE, seed=4).double()
    expected = (v[:, None, None] * torch.tanh(queries[:, :, :, None] + keys[:, :, None] + features)).sum(-1)
    assert_close(additive_scores(queries, keys, v, features), expected)
    assert_close(additive_scores(queries, keys, v, torch.zeros_like(features)), additive_scores(queries, keys, v))


def test_a_change_in_between_is_noticed() -> None:
    queries, keys, v = (tensor.clone() for tensor in draw(heads=1))
    loss = additive_scores(queries, keys, v).sum()
    with torch.no_grad():
        keys.add_(1)
    with pytest.raises(RuntimeError, match="modified"):
        loss.backward()


def test_short_keys_and_queries_are_compared_in_single_precision() -> None:
    """As `torch.autocast` leaves them: what is lost is only their own rounding."""
    queries, keys, v = (tensor.detach().to(torch.bfloat16) for tensor in draw())
    precise = [tensor.float().requires_grad_() for tensor in (queries, keys, v)]
    short = [queries.requires_grad_(), keys.requires_grad_(), precise[2].detach().clone().requires_grad_()]
    with torch.autocast("cpu", torch.bfloat16):
        found = additive_scores(*short)
    expected = written(*precise)
    assert found.dtype == torch.float32
    assert_close(found, expected, atol=1e-4, rtol=1e-4)
    pairs = ((found, short), (expected, precise))
    ours, theirs = (torch.autograd.grad(result.square().sum(), inputs) for result, inputs in pairs)
    assert [grad.dtype for grad in ours] == [tensor.dtype for tensor in short]
    assert_close([grad.float() for grad in ours[:2]], list(theirs[:2]), atol=2e-2, rtol=1e-2)
    assert_close(ours[2], theirs[2], atol=1e-3, rtol=1e-4)


def test_no_queries_have_no_gradient() -> None:
    queries, keys, v = draw(positions=0)
    found = additive_scores(queries, keys, v)
    assert found.shape == (ROW, 2, 0, SOURCE)
    to_queries, to_v = torch.autograd.grad(found.sum(), (queries, v))
    assert to_queries.shape == queries.shape
    assert_close(to_v, torch.zeros_like(v))


def test_what_is_no_number_stays_none() -> None:
    queries, keys, v = draw()
    with torch.no_grad():
        queries[0, 0, 0, 0] = float("nan")
        assert additive_scores(queries, keys, v)[0, 0, 0].isnan().all()
