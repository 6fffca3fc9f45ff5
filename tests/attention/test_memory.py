"""Heads are cut and joined without loss, and a memory holds its sentence and nothing of its padding."""

import pytest
import torch
from torch.testing import assert_close

from nmt.attention.memory import join_heads, split_heads
from tests.builders import HEADS, MEMORY, attention_of, mask_of, mix, numbers


@pytest.mark.parametrize("heads", HEADS)
def test_joining_heads_undoes_splitting_them(heads: int) -> None:
    states = numbers(3, 5, MEMORY)
    split = split_heads(states, heads)
    assert_close(join_heads(split), states, rtol=0, atol=0)
    for head in range(heads):
        size = MEMORY // heads
        assert_close(split[:, head], states[..., head * size : (head + 1) * size], rtol=0, atol=0)


def test_a_memory_holds_lengths_and_hides_padding() -> None:
    lengths = [2, 5, 1]
    attention, _ = attention_of(mix())
    memory = attention.remember(numbers(3, 5, MEMORY), mask_of(lengths))
    assert memory.lengths.tolist() == lengths
    assert torch.equal(memory.bias.isfinite(), mask_of(lengths))
    assert not memory.bias[mask_of(lengths)].any()
