"""BLEU by source length: every sentence once, in bounds that follow from the sources alone."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import DataError
from nmt.evaluation.bleu import bleu
from nmt.evaluation.bleu_by_length import score_by_length


@given(sizes=st.lists(st.integers(0, 12), min_size=1, max_size=40), buckets=st.integers(1, 7))
def test_every_sentence_with_words_is_in_one_bucket(sizes: list[int], buckets: int) -> None:
    source = [" ".join(["w"] * size) for size in sizes]
    found = score_by_length(source, ["a b c d"] * len(sizes), ["a b c d"] * len(sizes), buckets=buckets)
    assert sum(bucket.sentences for bucket in found) == sum(size > 0 for size in sizes)
    assert len(found) <= buckets
    for bucket in found:
        assert bucket.sentences == sum(bucket.first <= size <= bucket.last for size in sizes)
        assert {bucket.first, bucket.last} <= set(sizes)
        assert bucket.bleu == pytest.approx(100.0)
    assert all(one.last < other.first for one, other in itertools.pairwise(found))


def test_each_bucket_has_the_corpus_bleu_of_its_own_sentences() -> None:
    source = ["a", "a b c d e f", "b", "f e d c b a"]
    references = [
        "the first one here",
        "a long one that is said twice",
        "the third one here",
        "another long line of it",
    ]
    hypotheses = ["the first one here", "a long one that is said once", "the third thing here", "another long line of"]
    short, long = score_by_length(source, hypotheses, references, buckets=2)
    assert (short.first, short.last, long.first, long.last) == (1, 1, 6, 6)
    assert short.bleu == pytest.approx(bleu(hypotheses[::2], references[::2]).value)
    assert long.bleu == pytest.approx(bleu(hypotheses[1::2], references[1::2]).value)


def test_texts_of_other_lengths_are_refused() -> None:
    with pytest.raises(DataError, match="1 lines and the references 2"):
        score_by_length(["a"], ["a"], ["a", "b"][:1] * 2)
    with pytest.raises(DataError, match="for these sources"):
        score_by_length(["a", "b"], ["a"], ["a"])
