"""Compares the compiled recurrence with the plain one; a process of its own, since no shape may be checked in it.

    python -m tests.training.compiling BACKEND POSITIONS FORMAT NUMBER ...

FORMAT is float64, or bfloat16 for products under autocast; with `dropout` the distance is that of the share of zeros in
the readouts from the probability, which is 1 / 2. For each number of a case, a line with the largest distance
between the readouts and gradients of both, relative to their norm, and how often was compiled.
"""

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from nmt.model.heads.head import HeadInputs
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import PAD
from nmt.training import compiled
from tests.builders import PLANS, SOURCE_VOCAB, TARGET_VOCAB, Mix, Plan, build_seq2seq, draw_normal, make_mix

Forward = Callable[[Tensor, Tensor, Tensor], HeadInputs]

LUONG = Plan("luong", "lstm")
CASES = [
    (LUONG, make_mix("additive", "local_p", "entmax15", 2)),
    (Plan("bahdanau", "gru"), make_mix("location", "local_m", "sparsemax")),
    (Plan("conditional", "layer_norm_lstm"), make_mix("cosine", heads=2)),
    *((plan, make_mix()) for plan in PLANS),
    (LUONG, make_mix("dot", "local_m", "sparsemax")),
    (LUONG, make_mix("scaled_dot", "local_p", heads=4)),
    (LUONG, make_mix("concat", "local_m", "entmax15", 2)),
    (LUONG, Mix("general", "local_p", (("renormalize", True),), "softmax", 1)),
    (LUONG, Mix("additive", "global", (), "softmax", 2, "coverage"), "copy"),
    (Plan("conditional", "gru"), Mix("general", "local_p", (), "softmax", 1, "coverage"), "copy"),
]
"""Plan, attention and head. The first few have every decoder, scope and normalizer among them."""

BATCHES = [(7, 11, 17), (13, 10, 8), (3, 9, 4)]
"""Rows, source and target positions. In the first no product of any is a size of a model, which torch would confuse."""


def batch(rows: int, source: int, target: int) -> tuple[Tensor, Tensor, Tensor]:
    """Sentences of any length, the first the longest, and a target."""
    generator = torch.Generator().manual_seed(rows)
    lengths = torch.randint(1, source + 1, (rows,), generator=generator)
    lengths[0] = source
    ids = torch.randint(4, min(SOURCE_VOCAB, TARGET_VOCAB), (rows, source), generator=generator)
    ids[torch.arange(source) >= lengths.unsqueeze(1)] = PAD
    return ids, lengths, torch.randint(4, TARGET_VOCAB, (rows, target), generator=generator)


def outcome(model: Seq2Seq, forward: Forward, given: tuple[Tensor, Tensor, Tensor], *, is_low: bool) -> Tensor:
    """The readouts, and the gradients of a weighted sum of them over two batches alike, as one vector."""
    model.zero_grad(set_to_none=True)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16, enabled=is_low):
            inputs = forward(*given)
        if inputs.weights is not None:  # a captured source is padded
            inputs = inputs._replace(weights=inputs.weights[..., : given[0].shape[1]])
        read = [part for part in inputs if part is not None and part.is_floating_point()]
        sum((part * draw_normal(*part.shape).to(part.dtype)).sum() for part in read).backward()
    gradients = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return torch.cat([part.detach().double().flatten() for part in (*read, *gradients)])


def main() -> None:
    """See above."""
    from torch._dynamo.utils import counters

    backend, positions, format_, *chosen = sys.argv[1:]
    compiled.BLOCK = int(positions)
    is_low = format_ == "bfloat16"
    for number in map(int, chosen):
        plan, attention, *head = CASES[number]
        is_copying = head == ["copy"]
        model = build_seq2seq(
            plan, attention=attention, head="copy" if is_copying else "softmax", tied="all" if is_copying else "none"
        )
        model = model if is_low else model.double()
        forward = compiled.CompiledForward(model, is_captured=False, backend=backend)
        distances = []
        if format_ == "dropout":
            model.decoder.readout_dropout.p = 0.5
            model.train()
            readout = forward(*batch(50, 9, 20)).readout
            distances.append((readout == 0).double().mean() - 0.5)
        for sizes in () if distances else BATCHES:
            plain = outcome(model, model, batch(*sizes), is_low=is_low)
            for forward.is_captured in (False, True):  # which on a CPU pads the batch, and no more
                found = outcome(model, forward, batch(*sizes), is_low=is_low)
                distances.append((plain - found).norm() / plain.norm())
        print(number, float(torch.stack(distances).abs().amax()), counters["stats"]["unique_graphs"])
        torch._dynamo.reset()
        counters.clear()


if __name__ == "__main__":
    main()
