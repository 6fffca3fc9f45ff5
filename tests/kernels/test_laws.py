"""What every kernel obeys: it is its reference, in values and in every gradient, and padding changes nothing.

A law calls one function with the kernel on and with it off, so that it holds for the switch too.
"""

from collections.abc import Callable
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt import masks
from nmt.kernels import additive, cross_entropy, feature_attention, window_attention
from nmt.kernels.additive import additive_scores
from nmt.kernels.cross_entropy import select, vocabulary_loss, word_indices
from nmt.kernels.dot_attention import attend_by_dot
from nmt.kernels.feature_attention import attend_by_features
from nmt.kernels.mixture_loss import mixture_loss
from nmt.kernels.quantized_linear import Float32
from nmt.kernels.switch import KERNELS, Kernel, disable_kernels
from nmt.kernels.topk import stable_topk_sums
from nmt.kernels.window_attention import attend_in_windows
from nmt.special_tokens import PAD
from tests.builders import draw_normal
from tests.shapes import without_checks

ROW, HEAD, TARGET, SOURCE, SIZE, VOCAB = 3, 2, 5, 7, 11, 13
FILLER = 1e3
"""What stands on padding."""


class Case(NamedTuple):
    """compute: what is the same with the kernel and without. draw: its inputs, with so many places of padding more."""

    compute: Callable[..., Tensor]
    draw: Callable[[int], tuple[Tensor, ...]]
    is_learned: bool
    """Whether it has gradients."""


def pad(tensor: Tensor, axis: int, extra: int, filler: float = FILLER) -> Tensor:
    shape = list(tensor.shape)
    shape[axis] = extra
    return torch.cat([tensor, tensor.new_full(shape, filler)], axis)


def draw_comparison(extra: int) -> tuple[Tensor, ...]:
    """Queries, keys whose heads lie side by side as projections leave them, and v."""
    keys = draw_normal(ROW, SOURCE, HEAD, SIZE, seed=1)
    return (
        draw_normal(ROW, HEAD, TARGET, SIZE, seed=2),
        pad(keys, 1, extra).transpose(1, 2),
        draw_normal(HEAD, SIZE, seed=3),
    )


def compare(queries: Tensor, keys: Tensor, v: Tensor) -> Tensor:
    return additive_scores(queries, keys, v)[..., :SOURCE]


def draw_lookup(extra: int) -> tuple[Tensor, ...]:
    """Queries, keys and values whose heads lie side by side as projections leave them."""
    keys, values = draw_normal(ROW, SOURCE, HEAD, SIZE, seed=15), draw_normal(ROW, SOURCE, HEAD, SIZE, seed=16)
    return (
        draw_normal(ROW, HEAD, TARGET, SIZE, seed=17),
        pad(keys, 1, extra).transpose(1, 2),
        pad(values, 1, extra).transpose(1, 2),
    )


def look_up(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Contexts under a causal bias, of which the padding beyond SOURCE has no part."""
    places = torch.arange(keys.shape[2])
    allowed = (places < SOURCE) & (places <= torch.arange(TARGET).unsqueeze(1))
    bias = masks.log_mask(allowed, queries.dtype).expand(ROW, 1, -1, -1)
    return attend_by_dot(queries, keys, values, bias)


def draw_readouts(extra: int) -> tuple[Tensor, ...]:
    readout = pad(draw_normal(ROW, TARGET, SIZE, seed=4), 1, extra)
    return readout, draw_normal(VOCAB, SIZE, seed=5), draw_normal(VOCAB, seed=6)


def compute_loss(readout: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Objective, nll and that of every word, with three words that are padding whatever is padded more."""
    target = torch.randint(PAD + 1, VOCAB, (ROW, TARGET), generator=torch.Generator().manual_seed(7))
    target[1, 2:] = PAD
    target = pad(target, 1, readout.shape[1] - TARGET, PAD)
    indices = word_indices(target)
    loss = vocabulary_loss(select(readout, indices), weight, bias, select(target, indices), 0.1)
    return torch.cat([torch.stack([loss.objective, loss.nll]), loss.word_nll])


def draw_sums(extra: int) -> tuple[Tensor, ...]:
    """Numbers with many ties."""
    added = torch.randint(40, (ROW, HEAD, 600), generator=torch.Generator().manual_seed(8)).float()
    return draw_normal(ROW, HEAD, seed=9).round(), pad(added, -1, extra, -torch.inf)


def find_top(base: Tensor, added: Tensor) -> Tensor:
    top = stable_topk_sums(base, added, 10)
    return torch.stack([top.value, top.group.float(), top.position.float()])


def draw_product(extra: int) -> tuple[Tensor, ...]:
    return (
        pad(draw_normal(ROW, SIZE, seed=11), 0, extra),
        draw_normal(VOCAB, SIZE, seed=12),
        draw_normal(VOCAB, seed=13),
    )


def draw_choices(extra: int) -> tuple[Tensor, ...]:
    """Readouts of three choices of each word, of which padding has none, and scores of the choices."""
    readout = pad(draw_normal(ROW, 3, SIZE, seed=21), 1, extra)
    return readout, draw_normal(ROW, 3, seed=22), draw_normal(VOCAB, SIZE, seed=23), draw_normal(VOCAB, seed=24)


def compute_mixture(readout: Tensor, scores: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The objective with and without smoothing; choices that are padding have no weight."""
    log_weights = torch.nn.functional.pad(scores.log_softmax(1), (0, readout.shape[1] - 3), value=masks.NEG_INF)
    target = torch.tensor([4, 2, VOCAB - 1])
    losses = [mixture_loss(readout, log_weights, weight, bias, target, smoothing) for smoothing in (0.0, 0.1)]
    return torch.cat([torch.stack([loss.objective, loss.nll]) for loss in losses] + [losses[0].word_nll])


def draw_sequence(extra: int) -> tuple[Tensor, ...]:
    """Queries, keys and values of one sequence whose end is padding."""
    return tuple(pad(draw_normal(ROW, 1, SOURCE, 2, seed=seed), 2, extra, 1.0) for seed in (31, 32, 33))


def make_bias(keys: Tensor) -> Tensor:
    """Two rows without padding but that beyond SOURCE, and one with more."""
    return masks.log_mask(masks.mask(torch.tensor([SOURCE, 3, SOURCE]), keys.shape[2]), keys.dtype)


def look_around(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Contexts of windows, with first positions and without, looking ahead and not, with weights dropped and kept."""
    found = []
    for first, is_causal in ((0, False), (2, False), (1, True)):
        windows = window_attention.Windows(half_width=1, globals=first, is_causal=is_causal)
        for dropout in (None, half_of):
            found.append(attend_in_windows(queries, keys, values, make_bias(keys), windows, dropout))
    real = masks.mask(torch.tensor([SOURCE, 3, SOURCE]), SOURCE)[:, None, :, None]
    return torch.cat(found, 1)[:, :, :SOURCE] * real


def half_of(weights: Tensor) -> Tensor:
    """Dropout that is the same for the same place of a query, however many there are."""
    places = torch.meshgrid(*map(torch.arange, weights.shape[2:]), indexing="ij")
    return weights * (sum(places) % 3 > 0) / 0.5


def sum_features(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Contexts of positions that see all, and of those that see none after them."""
    found = [attend_by_features(queries, keys, values, make_bias(keys), is_causal=each) for each in (False, True)]
    return torch.cat(found, 1)[:, :, :SOURCE]


CASES: dict[Kernel, Case] = {
    "additive": Case(compare, draw_comparison, True),
    "cross_entropy": Case(compute_loss, draw_readouts, True),
    "dot_attention": Case(look_up, draw_lookup, True),
    "mixture_loss": Case(compute_mixture, draw_choices, True),
    "packed_linear": Case(lambda x, weight, bias: Float32(weight, bias)(x)[:ROW], draw_product, False),
    "feature_attention": Case(sum_features, draw_sequence, True),
    "window_attention": Case(look_around, draw_sequence, True),
    "topk": Case(find_top, draw_sums, False),
}
LEARNED = [kernel for kernel, case in CASES.items() if case.is_learned]
ELSEWHERE = {"fused_step"}
"""A decoder's step, held against the decoder's own in tests/translation/test_stepper.py."""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(additive, "BLOCK_ENTRIES", 3 * HEAD * SOURCE * SIZE)
    monkeypatch.setattr(window_attention, "LEAST_BLOCK", 2)
    monkeypatch.setattr(feature_attention, "CHUNK", 3)
    monkeypatch.setattr(cross_entropy, "MAX_LOGITS", 4 * VOCAB)


def draw(kernel: Kernel, extra: int = 0) -> list[Tensor]:
    """A case's inputs; those of a kernel with gradients are in double precision, and ask for them."""
    case = CASES[kernel]
    return [each.double().requires_grad_() if case.is_learned else each for each in case.draw(extra)]


def differentiate(kernel: Kernel, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """The gradient of what tells all outputs apart."""
    found = CASES[kernel].compute(*inputs)
    weights = draw_normal(*found.shape, seed=14).double()
    return torch.autograd.grad((found * weights + found.square()).sum(), inputs)


def test_every_kernel_has_laws() -> None:
    assert {*CASES, *ELSEWHERE} == set(KERNELS)


@pytest.mark.parametrize("kernel", CASES)
def test_values_are_those_of_the_reference(kernel: Kernel) -> None:
    inputs = draw(kernel)
    found = CASES[kernel].compute(*inputs)
    with disable_kernels(kernel):
        assert_close(found, CASES[kernel].compute(*inputs))


@pytest.mark.parametrize("kernel", CASES)
@pytest.mark.parametrize("extra", [1, 5])
def test_padding_changes_nothing(kernel: Kernel, extra: int) -> None:
    assert_close(CASES[kernel].compute(*draw(kernel, extra)), CASES[kernel].compute(*draw(kernel)))


@pytest.mark.parametrize("kernel", LEARNED)
def test_gradients_are_those_of_the_reference(kernel: Kernel) -> None:
    inputs = draw(kernel)
    found = differentiate(kernel, inputs)
    with disable_kernels(kernel):
        assert_close(found, differentiate(kernel, inputs))


@pytest.mark.parametrize("kernel", LEARNED)
def test_gradients_are_those_of_finite_differences(kernel: Kernel) -> None:
    with without_checks():  # of thousands of equal calls
        assert torch.autograd.gradcheck(lambda *inputs: CASES[kernel].compute(*inputs)[0], draw(kernel))


@pytest.mark.parametrize("kernel", LEARNED)
def test_a_second_backward_counts_once_more_and_no_more(kernel: Kernel) -> None:
    inputs = draw(kernel)
    loss = CASES[kernel].compute(*inputs)[0].sum()
    first = torch.autograd.grad(loss, inputs, retain_graph=True)
    assert_close(torch.autograd.grad(loss, inputs), first)


@pytest.mark.parametrize("kernel", LEARNED)
def test_what_is_frozen_needs_no_gradient(kernel: Kernel) -> None:
    for frozen in range(3):
        inputs = draw(kernel)
        inputs[frozen].requires_grad_(False)
        learned = [each for each in inputs if each.requires_grad]
        found = torch.autograd.grad(CASES[kernel].compute(*inputs)[0].sum(), learned)
        with disable_kernels(kernel):
            assert_close(found, torch.autograd.grad(CASES[kernel].compute(*inputs)[0].sum(), learned))


@pytest.mark.parametrize("kernel", LEARNED)
def test_without_gradients_the_values_are_the_same_and_nothing_is_kept(kernel: Kernel) -> None:
    inputs = draw(kernel)
    with torch.no_grad():
        found = CASES[kernel].compute(*inputs)
    assert found.grad_fn is None
    assert_close(found, CASES[kernel].compute(*inputs).detach())
