"""The fused vocabulary loss against torch's cross-entropy, in value and in every gradient."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.testing import assert_close

from nmt.kernels import cross_entropy
from nmt.kernels.cross_entropy import Loss, vocabulary_loss
from tests.builders import draw_normal

SIZE, VOCAB = 5, 11
SMOOTHINGS = [0.0, 0.1, 0.9]


class Case:
    """Inputs of the loss in double precision, all of which ask for gradients."""

    def __init__(self, words: int) -> None:
        self.readout = draw_normal(words, SIZE, seed=1).double().requires_grad_()
        self.weight = draw_normal(VOCAB, SIZE, seed=2).double().requires_grad_()
        self.bias = draw_normal(VOCAB, seed=3).double().requires_grad_()
        self.wanted = torch.randint(VOCAB, (words,), generator=torch.Generator().manual_seed(words))

    @property
    def learned(self) -> list[Tensor]:
        return [self.readout, self.weight, self.bias]

    def found(self, smoothing: float) -> Loss:
        return vocabulary_loss(self.readout, self.weight, self.bias, self.wanted, smoothing)

    def expected(self, smoothing: float) -> Tensor:
        logits = self.readout @ self.weight.t() + self.bias
        return F.cross_entropy(logits, self.wanted, label_smoothing=smoothing, reduction="sum")


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cross_entropy, "MAX_LOGITS", 4 * VOCAB)


@given(words=st.integers(0, 13), smoothing=st.sampled_from(SMOOTHINGS))
def test_the_loss_is_cross_entropy_in_value_and_gradients(words: int, smoothing: float) -> None:
    case = Case(words)
    found, expected = case.found(smoothing), case.expected(smoothing)
    assert_close(found.objective, expected)
    assert_close(found.nll, case.expected(0.0))
    wanted = torch.autograd.grad(expected, case.learned)
    assert_close(torch.autograd.grad(found.objective, case.learned), wanted)


def test_gradients_are_scaled_by_what_comes_from_above() -> None:
    case = Case(7)
    wanted = torch.autograd.grad(case.expected(0.1) * -0.37, case.learned)
    assert_close(torch.autograd.grad(case.found(0.1).objective * -0.37, case.learned), wanted)


def test_gradients_are_those_of_finite_differences() -> None:
    case = Case(6)
    assert torch.autograd.gradcheck(lambda *given: vocabulary_loss(*given, case.wanted, 0.2)[0], case.learned)


@pytest.mark.parametrize("frozen", range(3))
def test_what_is_frozen_needs_no_gradient(frozen: int) -> None:
    case = Case(5)
    case.learned[frozen].requires_grad_(False)
    learned = [tensor for tensor in case.learned if tensor.requires_grad]
    wanted = torch.autograd.grad(case.expected(0.1), learned)
    assert_close(torch.autograd.grad(case.found(0.1).objective, learned), wanted)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients_the_values_are_the_same(mode: type) -> None:
    case = Case(9)
    with mode():
        found = case.found(0.1)
    assert not found.objective.requires_grad
    assert torch.equal(found.objective, case.found(0.1).objective)
    assert torch.equal(found.nll, case.found(0.1).nll)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad])
def test_gradients_are_formed_only_where_they_are_wanted(mode: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation would otherwise pay for a backward pass that nobody takes."""
    formed = []
    corrected = Tensor.scatter_add_  # the gradient of each chunk's logits is corrected at the right words
    monkeypatch.setattr(Tensor, "scatter_add_", lambda *given: formed.append(given) or corrected(*given))
    with mode():
        Case(9).found(0.1)
    assert len(formed) == (3 if mode is torch.enable_grad else 0)


def test_perplexity_carries_no_gradient() -> None:
    found = Case(3).found(0.1)
    assert found.objective.requires_grad
    assert not found.nll.requires_grad


def test_the_size_of_a_chunk_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    case, results = Case(13), []
    for chunk in (1, 5, 13, 1000):
        monkeypatch.setattr(cross_entropy, "MAX_LOGITS", chunk * VOCAB)
        found = case.found(0.1)
        results.append((found, torch.autograd.grad(found.objective, case.learned)))
    for result in results[1:]:
        assert_close(result, results[0])


@pytest.mark.parametrize("gap", [60.0, 103.9, 300.0])
def test_a_word_too_improbable_for_single_precision_costs_what_it_costs(gap: float) -> None:
    readout = torch.tensor([[1.0], [0.01]])
    weight, wanted = torch.tensor([[0.0], [gap]]), torch.tensor([0, 1])
    found = vocabulary_loss(readout, weight, torch.zeros(2), wanted, 0.0)
    assert_close(found.nll, F.cross_entropy(readout @ weight.t(), wanted, reduction="sum"))
