"""Laws of an epoch's order: what numpy's own permutation gives, cut as lists of arrays would be."""

import random

import numpy as np
from hypothesis import given
from hypothesis.strategies import integers, lists

from nmt.data.batching import Batches, BatchSettings, _slice_by_budget
from nmt.data.encoded import RaggedIds, TokenizedBitext
from nmt.data.ordered_rows import OrderedRows, draw_order
from nmt.data.tokenizer import Bpe

TOKENIZERS = Bpe(vocab_size=15).train(["a b c d e f g h i j"] * 3, ["a b"] * 3)


@given(pairs=integers(0, 500), seed=integers(0, 2**32))
def test_an_order_is_the_permutation_of_wider_numbers(pairs: int, seed: int) -> None:
    found, wanted = (np.random.default_rng(seed) for _ in range(2))
    order = draw_order(pairs, found)
    assert order.tolist() == wanted.permutation(pairs).tolist()
    assert order.itemsize == 4
    assert found.random() == wanted.random()


@given(sizes=lists(integers(1, 9), min_size=1, max_size=20), seed=integers(0, 99))
def test_rows_are_what_a_list_of_arrays_would_be(sizes: list[int], seed: int) -> None:
    draw = np.random.default_rng(seed)
    flat, order = draw.permutation(sum(sizes)).astype(np.int32), draw.permutation(len(sizes))
    bounds = np.cumsum([0, *sizes])
    wanted = [flat[bounds[place] : bounds[place + 1]].tolist() for place in order]
    rows = OrderedRows(flat, bounds, order)
    assert [each.tolist() for each in rows] == wanted
    assert [each.tolist() for each in rows[2:-1]] == wanted[2:-1]
    assert rows[-1].tolist() == wanted[-1]
    assert rows[0].dtype == np.int64


def test_batches_are_those_of_whole_arrays() -> None:
    """As they are cut where the lengths of all pairs lie in arrays of their own."""
    draw = random.Random(5)
    sides = [RaggedIds.from_sentences([[7] * draw.randint(1, 30) for _ in range(997)]) for _ in range(2)]
    train = TokenizedBitext(*sides, [""] * 997, [""] * 997, np.arange(997))
    settings = BatchSettings(tokens=211, pool=301, width_multiple=3)
    epoch = Batches(train, TOKENIZERS, settings, seed=11).make_epoch(2)
    chance = np.random.default_rng([11, 2])
    order, wanted = chance.permutation(997), []
    source, target = (side.lengths for side in sides)
    widths = -(-(np.maximum(source, target) + 1) // 3) * 3
    for start in range(0, 997, 301):
        pool = order[start : start + 301]
        pool = pool[np.lexsort((np.where(target[pool] % 2, source[pool], -source[pool]), target[pool]))]
        wanted += [pool[cut].tolist() for cut in _slice_by_budget(widths[pool], 211, None)]
    assert [rows.tolist() for rows in epoch.rows] == [wanted[place] for place in chance.permutation(len(wanted))]
