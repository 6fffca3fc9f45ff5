"""What an attention of the Python API is called with: shapes and kinds, and rows with nothing to look at."""

from typing import Any

import pytest
import torch

from nmt.attention.selection import SELECTIONS
from nmt.attention_layer import MAX_POSITION, AttentionLayer
from nmt.errors import DataError

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

ROWS, TARGET, SOURCE, QUERY, MEMORY = 2, 7, 5, 3, 11

WRONG: list[tuple[dict[str, Any], str]] = [
    ({"query": torch.zeros(ROWS, QUERY)}, r"query must be a tensor of floats, \[row, target, query_size\], here"),
    ({"query": torch.zeros(ROWS, TARGET, 2)}, r"query .* here \[any, any, 3\]; its shape is \[2, 7, 2\]"),
    ({"query": [[1.0]]}, r"query must be a tensor .*; got \[\[1.0\]\] \(list\)"),
    ({"query": torch.zeros(ROWS, TARGET, QUERY).long()}, "query .* floats.*; got torch.int64"),
    ({"query": torch.zeros(ROWS, TARGET, QUERY).double()}, r"query must be torch.float32.*Write query.to"),
    ({"states": torch.zeros(ROWS, SOURCE, 2)}, r"states .* here \[2, any, 11\]; its shape is \[2, 5, 2\]"),
    ({"states": torch.zeros(1, SOURCE, MEMORY)}, r"states .* its shape is \[1, 5, 11\]"),
    ({"states": torch.zeros(ROWS, SOURCE, MEMORY).half()}, "states must be torch.float32"),
    ({"states": torch.zeros(ROWS, 0, MEMORY)}, "states have no source position"),
    ({"mask": torch.ones(ROWS, SOURCE).long()}, r"mask must be a tensor of booleans.*torch.int64. Write mask.bool\(\)"),
    ({"mask": torch.ones(ROWS, SOURCE)}, "mask .*torch.float32"),
    ({"mask": torch.ones(ROWS, 6).bool()}, r"mask .* here \[2, 5\]; its shape is \[2, 6\]"),
    ({"positions": torch.arange(TARGET)}, r"positions .* here \[2, 7\]; its shape is \[7\]. .*positions.expand"),
    ({"positions": torch.zeros(ROWS, 3).long()}, r"positions .* its shape is \[2, 3\]"),
    ({"positions": torch.zeros(1, TARGET).long()}, r"positions .* its shape is \[1, 7\]"),
    ({"positions": torch.zeros(ROWS, TARGET)}, "positions must be a tensor of whole numbers.*torch.float32"),
    ({"positions": torch.full((ROWS, TARGET), -1)}, "positions must be from 0 to .*; got -1 to -1"),
    ({"positions": torch.full((ROWS, TARGET), 10**12)}, f"positions must be from 0 to {MAX_POSITION}"),
]


@pytest.mark.parametrize("parts", [{"score": "general"}, {"score": "rotary", "hidden_size": 4}, {"scope": "local_p"}])
def test_tensors_of_another_shape_or_kind_are_refused_by_their_names(parts: dict[str, Any]) -> None:
    layer = AttentionLayer.of(query_size=QUERY, memory_size=MEMORY, **parts)
    given = {"query": torch.zeros(ROWS, TARGET, QUERY), "states": torch.zeros(ROWS, SOURCE, MEMORY)}
    positions = torch.arange(TARGET).expand(ROWS, -1)
    layer(**given, mask=torch.ones(ROWS, SOURCE).bool(), positions=positions)
    for wrong, problem in WRONG:
        with pytest.raises(DataError, match=problem):
            layer(**{**given, **wrong})


def test_precision_may_differ_where_autocast_settles_it() -> None:
    layer = AttentionLayer.of(query_size=QUERY, memory_size=MEMORY)
    with torch.autocast("cpu", torch.bfloat16):
        layer(torch.zeros(ROWS, TARGET, QUERY), torch.zeros(ROWS, SOURCE, MEMORY).bfloat16())


@pytest.mark.parametrize("selection", sorted(SELECTIONS))
def test_a_row_without_a_source_changes_no_other(selection: str) -> None:
    layer = AttentionLayer.of(selection=selection, query_size=QUERY, memory_size=MEMORY)
    query, states = torch.randn(ROWS, TARGET, QUERY), torch.randn(ROWS, SOURCE, MEMORY)
    mask = torch.tensor([[True, True, False, False, False], [False] * SOURCE])
    for is_training in (True, False):
        context, weights = layer.train(is_training)(query, states, mask)
        assert context[0].isfinite().all()
        assert weights[0].sum(-1).allclose(torch.ones(()))
        assert weights[1].isnan().all()


@pytest.mark.parametrize("selection", sorted(SELECTIONS))
def test_queries_that_are_no_numbers_end_no_training(selection: str) -> None:
    layer = AttentionLayer.of(selection=selection, query_size=QUERY, memory_size=MEMORY)
    query = torch.randn(ROWS, TARGET, QUERY)
    query[1] = torch.nan
    assert layer(query, torch.randn(ROWS, SOURCE, MEMORY)).context[0].isfinite().all()
