"""What each line adds to BLEU, and sums of it, are sacreBLEU's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sacrebleu.metrics.bleu import BLEU

from nmt.evaluation import resampling
from nmt.evaluation.bleu import bleu
from nmt.evaluation.resampling import (
    compute_statistics,
    corpus_bleu,
    draw_bootstrap_counts,
    draw_swap_coins,
    resample_systems,
)

LINES = st.lists(
    st.lists(st.sampled_from(["a", "b", "c,", "d.", "e"]), max_size=9).map(" ".join), min_size=3, max_size=3
)


@given(hypotheses=LINES, references=LINES)
def test_lines_are_counted_as_the_scores_of_sentences_count_them(hypotheses: list[str], references: list[str]) -> None:
    (found,) = compute_statistics([hypotheses], references)
    for counts, *pair in zip(found, hypotheses, references, strict=True):
        score = BLEU(effective_order=True).sentence_score(pair[0], [pair[1]])
        assert counts.tolist() == [score.sys_len, score.ref_len, *score.counts, *score.totals]


@given(hypotheses=LINES, references=LINES)
def test_bleu_of_sums_is_the_bleu_of_the_text(hypotheses: list[str], references: list[str]) -> None:
    (found,) = compute_statistics([hypotheses], references)
    assert float(corpus_bleu(found.sum(0))) == pytest.approx(bleu(hypotheses, references).value)


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 6), min_size=1, max_size=5), st.integers(0, 30))
def test_bleu_is_smoothed_as_sacrebleu_smooths(rows: list[tuple[int, ...]], reference: int) -> None:
    """Many test sets at once, with all that can be zero."""
    sets = []
    for length, *hits, extra in rows:
        words = length * (1 + extra)
        grams = [max(words - n, 0) for n in range(4)]
        sets.append([words, reference, *(min(pair) for pair in zip(hits, grams, strict=True)), *grams])
    expected = [BLEU.compute_bleu(row[2:6], row[6:], row[0], row[1], smooth_method="exp").score for row in sets]
    assert corpus_bleu(np.array(sets)).tolist() == pytest.approx(expected)


def test_samples_are_test_sets_of_as_many_lines_and_the_same_for_all() -> None:
    counted = [np.arange(30).reshape(3, 10) + offset for offset in (1, 5)]
    one, two = resample_systems(counted, samples=7, seed=3)
    for drawn, heads, (place, found) in zip(
        next(draw_bootstrap_counts(7, 3, 3)),
        next(draw_swap_coins(7, 3, 3)),
        enumerate(zip(one.swap_statistics, two.swap_statistics, strict=True)),
        strict=True,
    ):
        assert drawn.sum() == 3
        for system, counts, chosen in zip((one, two), counted, found, strict=True):
            assert chosen.tolist() == (heads[:, None] * counts).sum(0).tolist()
            assert system.bootstrap_bleu[place] == pytest.approx(float(corpus_bleu((drawn[:, None] * counts).sum(0))))
            assert system.total.tolist() == counts.sum(0).tolist()
    assert resample_systems([], samples=7, seed=3) == []


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = [np.concatenate(list(make(150, 7, 11))) for make in (draw_bootstrap_counts, draw_swap_coins)]
    monkeypatch.setattr(resampling, "SAMPLES_PER_BLOCK", 32)
    for before, make in zip(whole, (draw_bootstrap_counts, draw_swap_coins), strict=True):
        np.testing.assert_array_equal(np.concatenate(list(make(150, 7, 11))), before)
