"""How much arithmetic a model is: the multiply-adds of its matrix products, counted while it runs without data.

The model runs on torch's meta device, where tensors have shapes and no numbers, under torch's own counter. Nothing is
counted by hand, so that every score, cell and decoder is counted as it is computed, and new ones by themselves.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from nmt import build

FLOPS_PER_MULTIPLY_ADD = 2
"""Floating-point operations of a multiply-add, as in the GFLOP/s of matrix products."""

TRAINING_PASSES = 3
"""A training step is a forward pass and, for each product in it, two backward: one for each of its factors."""


class OperationCount(NamedTuple):
    """Multiply-adds of one sentence, forward.

    encoder: with keys and bridge, once a source token. attention: score and context, with the scope. recurrence: the
    decoder without its attention. vocabulary: the projection to it.
    """

    encoder: float
    recurrence: float
    attention: float
    vocabulary: float

    @property
    def forward(self) -> float:
        """All of them."""
        return sum(self)

    @property
    def training_flops(self) -> float:
        """Floating-point operations of a training step."""
        return FLOPS_PER_MULTIPLY_ADD * TRAINING_PASSES * self.forward

    def divide_by(self, tokens: float) -> "OperationCount":
        """The same for each of so many tokens."""
        return OperationCount(*(part / tokens for part in self))


def count_multiply_adds(settings: Mapping[str, Any], *, vocab_size: int, source: int, target: int) -> OperationCount:
    """One sentence of `source` and `target` tokens, </s> counted, without padding."""
    model = build.build_on_meta(settings, source_vocab=vocab_size, target_vocab=vocab_size, joint=True).eval()
    with torch.device("meta"):
        tokens, lengths = torch.zeros(1, source, dtype=torch.long), torch.full((1,), source)
        read = torch.zeros(1, target, dtype=torch.long)
        encoder = _count_by_module(lambda: model.encode(tokens, lengths))["Global"]
        inputs = model(tokens, lengths, read)
        whole = _count_by_module(lambda: model.head.log_probs(model(tokens, lengths, read)))
        vocabulary = _count_by_module(lambda: model.head.log_probs(inputs))
        memory = model.encode(tokens, lengths)[0].memory
        queries = memory.bias.new_empty(1, target, model.decoder.hidden_size)
        places = torch.arange(target).unsqueeze(0)
        attention = _count_by_module(lambda: model.decoder.attention(queries, memory, places))
    parts = encoder, attention["Global"], vocabulary["Global"]
    return OperationCount(parts[0], whole["Global"] - sum(parts), *parts[1:])


def _count_by_module(call: Any) -> dict[str, float]:
    """Multiply-adds of a call by the module that they happen in, all of them under `Global`."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        call()
    return {name: sum(found.values()) / FLOPS_PER_MULTIPLY_ADD for name, found in counter.get_flop_counts().items()}
