"""Products in bfloat16 change little, carries and gradients stay in single precision, and every part goes along.

Tensors of the shorter format, the way of a GPU, are tried on a CPU too.
"""

from contextlib import nullcontext

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.score import SCORES
from nmt.errors import ConfigError
from nmt.kernels import precision
from nmt.kernels.precision import amx_bfloat16, has_amx, is_onednn, mkldnn_matmul, multiply_matrices, to_autocast_dtype
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS, EOS
from tests.builders import PLANS, SOURCE_VOCAB, TARGET_VOCAB, Mix, Plan, build_seq2seq, make_mix

LENGTHS = torch.tensor([7, 5, 3])
NEAR = 0.99
"""Cosine between gradients; rounding to 8 binary digits leaves far more in models as small as these."""


def outcome(model: Seq2Seq, low: bool) -> tuple[Tensor, Tensor]:
    """The loss and the gradient of all parameters, one after another."""
    source = torch.arange(21).view(3, 7) % (SOURCE_VOCAB - 4) + 4
    source[torch.arange(3), LENGTHS - 1] = EOS
    read = torch.arange(12).view(3, 4) % (TARGET_VOCAB - 4) + 4
    read[:, 0] = BOS
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=low):
        loss = model.compute_loss(model(source, LENGTHS, read), read, smoothing=0.1).objective
    loss.backward()
    grads = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert {loss.dtype, *(grad.dtype for grad in grads)} == {torch.float32}
    return loss.detach(), torch.cat([grad.flatten() for grad in grads])


def same_direction(model: Seq2Seq) -> None:
    (full, gradient), (low, rounded) = outcome(model, False), outcome(model, True)
    assert low != full  # otherwise nothing was rounded
    assert abs(low - full) < 0.01 * full
    assert F.cosine_similarity(gradient, rounded, dim=0) > NEAR


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_every_decoder_learns_the_same(plan: Plan) -> None:
    same_direction(build_seq2seq(plan))


@pytest.mark.parametrize(
    "attention", [*(make_mix(score=name) for name in SCORES), make_mix(scope="local_p", heads=2)], ids=str
)
def test_every_attention_learns_the_same(attention: Mix) -> None:
    same_direction(build_seq2seq(Plan("luong", "lstm"), attention=attention))


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_what_is_carried_from_step_to_step_stays_precise(plan: Plan) -> None:
    model = build_seq2seq(plan)
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        memory, state = model.encode(torch.full((3, 7), 4), LENGTHS)
        after = model.decoder(model.target(torch.full((3, 2), 5)), state, memory.memory).state
    carried = [part for carry in (*state.carries, *after.carries) for part in carry]
    if getattr(model.decoder, "feed", None) is None:  # the whole recurrence ran in one library call
        carried = [part for carry in state.carries for part in carry]
    assert {part.dtype for part in carried} == {torch.float32}


def test_nothing_is_lowered_outside() -> None:
    tensor = torch.ones(2)
    assert to_autocast_dtype(tensor) is tensor
    with torch.autocast("cpu", torch.bfloat16):
        assert to_autocast_dtype(tensor).dtype == torch.bfloat16


ROUNDS = pytest.mark.skipif(not has_amx("cpu"), reason="needs a CPU with AMX")


def rounded(tensor: Tensor) -> Tensor:
    return tensor.bfloat16().float()


@ROUNDS
def test_a_cpu_rounds_factors_and_sums_in_single_precision() -> None:
    torch.manual_seed(1)
    left, right = torch.randn(64, 256, requires_grad=True), torch.randn(256, 128, requires_grad=True)
    with amx_bfloat16():
        found = left @ right
        found.backward(torch.ones_like(found))
    expected = rounded(left) @ rounded(right)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-4)
    assert (found - left @ right).abs().max() > 1e-2
    assert left.grad is not None
    torch.testing.assert_close(left.grad, rounded(right).sum(1).expand_as(left), rtol=1e-5, atol=1e-4)


def test_rounding_ends_with_its_block_whatever_happens_there() -> None:
    before = mkldnn_matmul.fp32_precision
    with pytest.raises(ZeroDivisionError), amx_bfloat16():
        assert is_onednn()
        with amx_bfloat16(False):  # asks for nothing
            assert is_onednn()
        raise ZeroDivisionError
    assert mkldnn_matmul.fp32_precision == before


def test_batches_of_products_are_not_rounded() -> None:
    torch.manual_seed(2)
    left, right = torch.randn(5, 32, 64), torch.randn(5, 64, 32)
    plain = left @ right
    with amx_bfloat16():
        assert torch.equal(multiply_matrices(left, right), plain)


@pytest.mark.parametrize(
    ("kind", "has", "refuses"), [("cpu", False, True), ("cpu", True, False), ("cuda", False, False)]
)
def test_training_in_bfloat16_is_refused_where_products_of_it_would_take_for_ever(
    kind: str, has: bool, refuses: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: has)
    precision.check_precision("float32", kind)
    with pytest.raises(ConfigError, match="precision=float32") if refuses else nullcontext():
        precision.check_precision("bfloat16", kind)
