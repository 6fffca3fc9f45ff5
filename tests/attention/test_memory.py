"""Heads are cut and joined without loss, and a memory holds its sentence and nothing of its padding."""

import pytest
import torch
from torch.testing import assert_close

from nmt.attention.memory import join_heads, split_heads
from tests.builders import HEAD_COUNTS, MEMORY_SIZE, build_attention, draw_normal, make_mask, make_mix


@pytest.mark.parametrize("heads", HEAD_COUNTS)
def test_joining_heads_undoes_splitting_them(heads: int) -> None:
    states = draw_normal(3, 5, MEMORY_SIZE)
    split = split_heads(states, heads)
    assert_close(join_heads(split), states, rtol=0, atol=0)
    for head in range(heads):
        size = MEMORY_SIZE // heads
        assert_close(split[:, head], states[..., head * size : (head + 1) * size], rtol=0, atol=0)


def test_a_memory_holds_lengths_and_hides_padding() -> None:
    lengths = [2, 5, 1]
    attention, _ = build_attention(make_mix())
    memory = attention.remember(draw_normal(3, 5, MEMORY_SIZE), make_mask(lengths))
    assert memory.lengths.tolist() == lengths
    assert torch.equal(memory.bias.isfinite(), make_mask(lengths))
    assert not memory.bias[make_mask(lengths)].any()
