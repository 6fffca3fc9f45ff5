"""The parts of an attention called apart give what the attention gives."""

import pytest
import torch
from torch.testing import assert_close

from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import SELECTIONS
from nmt.explanation.look import ask, look_at_all
from tests.attention.test_past import STEPWISE
from tests.builders import (
    MEMORY_SIZE,
    PAIRWISE_MIXES,
    Mix,
    build_attention,
    cover_pairs,
    draw_normal,
    make_mask,
    make_mix,
    mark_slow_unless,
)

MIXES = [
    *PAIRWISE_MIXES,
    *(STEPWISE[index] for index in cover_pairs(STEPWISE)),
    *(make_mix(heads=1)._replace(selection=selection) for selection in SELECTIONS if selection != "expected"),
]
FIRST_MIXES = [MIXES[index] for index in cover_pairs(MIXES, 1)]
"""Those of the default tests, which have every value of every axis; all others are slow."""

SOURCE, TARGET, PADDING = 7, 5, 2


@pytest.mark.parametrize("mix", mark_slow_unless(FIRST_MIXES, MIXES), ids=str)
def test_the_parts_give_what_the_whole_gives(mix: Mix) -> None:
    attention, query_size = build_attention(mix)
    assert isinstance(attention, ScoredAttention)
    attention.eval()
    states, queries = draw_normal(1, SOURCE + PADDING, MEMORY_SIZE), draw_normal(1, TARGET, query_size, seed=1)
    memory = attention.remember(states, make_mask([SOURCE, SOURCE + PADDING])[:1])
    with torch.inference_mode():
        questions = ask(attention, queries, memory)
        steps = [attention(*question, keep_weights=True) for question in questions]
        seen = look_at_all(attention, questions)
    assert_close(seen.weights, torch.cat([step.weights for step in steps], 2)[0])
    contexts = torch.cat([step.context for step in steps], 1)[0]
    assert_close(seen.context.transpose(0, 1).flatten(1), contexts)
    assert not seen.weights[..., SOURCE:].any()
    assert len(questions) == (TARGET if attention.is_stepwise else 1)
