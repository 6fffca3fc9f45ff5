"""Links: their file format, their extraction from weights, their symmetrization, and their judgement."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import frozensets, integers, lists, tuples

from nmt.errors import DataError
from nmt.evaluation.alignment import (
    SYMMETRIZATIONS,
    Gold,
    Link,
    check_sizes,
    extract_argmax_links,
    extract_threshold_links,
    format_pharaoh,
    grow_diag_final_and,
    parse_pharaoh,
    reverse,
    score_alignments,
    symmetrize,
    to_words,
)

SOURCE, TARGET = 5, 7
links = frozensets(tuples(integers(0, SOURCE - 1), integers(0, TARGET - 1)), max_size=14)


# Format


def test_a_sure_link_is_also_possible() -> None:
    assert parse_pharaoh(["0-0 1p2 1-2 3p1\n", "", " 2-10 "], name="x") == [
        Gold(frozenset({(0, 0), (1, 2)}), frozenset({(0, 0), (1, 2), (3, 1)})),
        Gold(frozenset(), frozenset()),
        Gold(frozenset({(2, 10)}), frozenset({(2, 10)})),
    ]


@pytest.mark.parametrize("token", ["1", "1-", "-1-2", "1_2", "1-2-3", "a-b", "1P2", "1:2", "²-1", "0.5-1"])
def test_an_unreadable_link_is_named_with_its_place(token: str) -> None:
    with pytest.raises(DataError, match=r"gold\.align, line 2: .*got ") as caught:
        parse_pharaoh(["0-0", f"0-0 {token}"], name="gold.align")
    assert repr(token) in str(caught.value)


@given(sure=links, possible=links)
def test_what_is_written_is_read_again(sure: frozenset[Link], possible: frozenset[Link]) -> None:
    gold = Gold(sure, sure | possible)
    assert parse_pharaoh([format_pharaoh(gold), format_pharaoh(sure)], name="x") == [gold, Gold(sure, sure)]


def test_links_are_written_in_order() -> None:
    assert format_pharaoh({(10, 0), (2, 1), (2, 0)}) == "2-0 2-1 10-0"


def test_a_link_outside_its_sentences_is_refused() -> None:
    gold = parse_pharaoh(["0-0", "0-3"], name="x")
    assert check_sizes(gold, [(1, 1), (1, 4)], name="x") is None
    with pytest.raises(DataError, match=r"x, line 2: link 0-3 lies outside .* 4 source and 1 target"):
        check_sizes(gold, [(1, 1), (4, 1)], name="x")
    with pytest.raises(DataError, match="aligns 2 sentence pairs, but the text has 1"):
        check_sizes(gold, [(1, 1)], name="x")


# Weights


def test_words_sum_over_source_pieces_and_average_over_target_pieces() -> None:
    target_words, source_words = [0, 0, 1, 3], [0, 1, 1, 1, 2]
    weights = np.random.default_rng(0).random((5, 6))  # the last row and column are EOS's
    words = to_words(weights, target_words, source_words)
    assert words.shape == (4, 3)
    for target, source in product(range(4), range(3)):
        rows = [row for row, word in enumerate(target_words) if word == target]
        columns = [column for column, word in enumerate(source_words) if word == source]
        sums = [sum(weights[row, column] for column in columns) for row in rows]
        assert words[target, source] == pytest.approx(sum(sums) / len(sums) if sums else 0.0)


def test_words_of_one_piece_keep_their_weights() -> None:
    weights = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    assert np.array_equal(to_words(weights, range(4), range(3)), weights)
    assert np.array_equal(to_words(weights, range(3), range(2)), weights[:3, :2])
    assert to_words(weights, [], []).shape == (0, 0)


def test_more_pieces_than_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"3 target and 2 source pieces .* \(2, 2\)"):
        to_words(np.zeros((2, 2)), [0, 1, 2], [0, 1])


def test_every_target_word_links_to_its_heaviest_source_word() -> None:
    weights = np.array([[0.1, 0.9, 0.0], [0.4, 0.2, 0.4], [0.0, 0.0, 0.0]])
    assert extract_argmax_links(weights) == {(1, 0), (0, 1)}
    assert extract_argmax_links(np.zeros((0, 3))) == extract_argmax_links(np.zeros((3, 0))) == set()


def test_links_above_a_threshold() -> None:
    weights = np.array([[0.0, 0.75, 0.25], [1.0, 0.0, 0.0]])
    assert extract_threshold_links(weights, threshold=0.0) == {(1, 0), (2, 0), (0, 1)}
    assert extract_threshold_links(weights, threshold=0.25) == {(1, 0), (0, 1)}


# Symmetrization


def symal(forward: frozenset[Link], backward: frozenset[Link]) -> set[Link]:
    """What Moses' symal does with -alignment=grow -diagonal=yes -final=yes -both=yes, over the whole (target, source)
    table of words, row by row, asking the table every time."""
    around = [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    direct, inverse, table = (np.zeros((TARGET, SOURCE), dtype=bool) for _ in range(3))
    for direction, links in ((direct, forward), (inverse, backward)):
        for source, target in links:
            direction[target, source] = True
    table |= direct & inverse
    added = True
    while added:
        added = False
        for row, column in product(range(TARGET), range(SOURCE)):
            for down, right in around if table[row, column] else []:
                y, x = row + down, column + right
                if not (0 <= y < TARGET and 0 <= x < SOURCE) or not (direct[y, x] or inverse[y, x]):
                    continue
                if not (table[y].any() and table[:, x].any()):
                    table[y, x] = added = True
    for direction in (direct, inverse):
        for y, x in product(range(TARGET), range(SOURCE)):
            if direction[y, x] and not table[y].any() and not table[:, x].any():
                table[y, x] = True
    return {(int(x), int(y)) for y, x in np.argwhere(table)}


@given(forward=links, backward=links)
def test_grow_diag_final_and_is_that_of_symal(forward: frozenset[Link], backward: frozenset[Link]) -> None:
    assert grow_diag_final_and(forward, backward) == symal(forward, backward)


def test_of_two_links_that_exclude_each_other_the_first_in_order_of_target_words_is_grown() -> None:
    forward, backward = {(0, 2), (1, 1), (2, 0), (3, 3)}, {(0, 2), (1, 0), (2, 2), (3, 3)}
    found = grow_diag_final_and(forward, backward)
    assert (2, 2) in found
    assert (2, 0) not in found


@given(forward=links, backward=links)
def test_symmetrizations_lie_between_intersection_and_union(
    forward: frozenset[Link], backward: frozenset[Link]
) -> None:
    for method in SYMMETRIZATIONS:
        found = symmetrize(forward, backward, method)
        assert forward & backward <= found <= forward | backward
        assert symmetrize(forward, forward, method) == forward


def test_growing_takes_diagonal_neighbours_and_final_only_free_words() -> None:
    forward, backward = {(0, 0), (1, 1), (4, 4)}, {(0, 0), (3, 0), (1, 4)}
    # (1, 1) is a neighbour; (4, 4) has two free words; (3, 0) has a free source word, but its target word is taken.
    assert grow_diag_final_and(forward, backward) == {(0, 0), (1, 1), (4, 4)}


@given(found=links)
def test_reversing_twice_changes_nothing(found: frozenset[Link]) -> None:
    assert reverse(reverse(found)) == found
    assert {(j, i) for i, j in reverse(found)} == found


# Judgement


def test_error_rate_of_a_worked_example() -> None:
    gold = parse_pharaoh(["0-0 1p1 2-2", "0-1"], name="x")
    scores = score_alignments([{(0, 0), (1, 1), (2, 1)}, {(0, 0), (0, 1)}], gold)
    # 5 links, 3 of them possible, 2 of them sure; 3 sure links in the gold
    assert scores == pytest.approx((1 - (2 + 3) / (5 + 3), 3 / 5, 2 / 3, 5))


@given(hypotheses=lists(links, min_size=2, max_size=2), sure=lists(links, min_size=2, max_size=2), extra=links)
def test_error_rate_is_a_fraction_and_f1_without_possible_links(
    hypotheses: list[frozenset[Link]], sure: list[frozenset[Link]], extra: frozenset[Link]
) -> None:
    loose = score_alignments(hypotheses, [Gold(some, some | extra) for some in sure])
    strict = score_alignments(hypotheses, [Gold(some, some) for some in sure])
    assert 0.0 <= loose.aer <= strict.aer <= 1.0
    if loose.links and any(sure) and strict.precision + strict.recall > 0:
        f1 = 2 * strict.precision * strict.recall / (strict.precision + strict.recall)
        assert strict.aer == pytest.approx(1 - f1)


@given(sure=links, possible=links)
def test_anything_between_sure_and_possible_is_without_error(sure: frozenset[Link], possible: frozenset[Link]) -> None:
    gold = Gold(sure, sure | possible)
    for links_found in gold:
        assert score_alignments([links_found], [gold])[:3] == (0.0, 1.0, 1.0)


def test_silence_is_an_error_where_something_is_sure() -> None:
    assert score_alignments([set()], parse_pharaoh(["0-0"], name="x")) == (1.0, 1.0, 0.0, 0)


def test_every_sentence_pair_needs_its_gold() -> None:
    with pytest.raises(DataError, match="2 were aligned and the gold has 1"):
        score_alignments([set(), set()], parse_pharaoh(["0-0"], name="x"))
