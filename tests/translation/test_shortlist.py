"""A lexicon is what expectation maximization over every pair of positions makes of a bitext."""

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, tuples

from nmt.data import lexicon
from nmt.data.encoded import RaggedIds
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import EOS, PAD
from nmt.translation import shortlist
from nmt.translation.shortlist import LexicalShortlist, Lexicon, select_short, train_ibm1

SENTENCES = lists(integers(4, 8), max_size=4)


def slowly(pairs: list[tuple[list[int], list[int]]]) -> dict[int, dict[int, float]]:
    """IBM model 1 by the book."""
    probability: dict[tuple[int, int], float] = defaultdict(lambda: 1.0)
    for _ in range(shortlist.ROUNDS):
        count: dict[int, Counter[int]] = defaultdict(Counter)
        for source, target in pairs:
            for word in target:
                total = sum(probability[each, word] for each in source)
                for each in source:
                    count[each][word] += probability[each, word] / total
        probability = defaultdict(
            float, {(e, f): c / sum(of.values()) for e, of in count.items() for f, c in of.items()}
        )
    found: dict[int, dict[int, float]] = defaultdict(dict)
    for (each, word), value in probability.items():
        found[each][word] = value
    return found


@given(pairs=lists(tuples(SENTENCES, SENTENCES), min_size=1, max_size=6))
def test_translations_are_those_of_model_1(pairs: list[tuple[list[int], list[int]]]) -> None:
    real = [(source, target) for source, target in pairs if source and target]
    sides = [RaggedIds.from_sentences(side) for side in zip(*pairs, strict=True)]
    if not real:
        with pytest.raises(DataError, match="not empty"):
            train_ibm1(sides[0], sides[1], source_vocab=11, target_vocab=13, max_translations=3)
        return
    found = train_ibm1(sides[0], sides[1], source_vocab=11, target_vocab=13, max_translations=3)
    wanted = slowly(real)
    for each in range(11):
        kept = [word for word in found.translations[each].tolist() if word != PAD]
        assert len(kept) == min(3, len(wanted[each]))
        ranked = sorted(wanted[each].values(), reverse=True)
        assert [wanted[each][word] for word in kept] == pytest.approx(ranked[:3])
    counts = Counter(itertools.chain(*(target for _, target in pairs)))
    assert [counts[word] for word in found.frequent.tolist()] == sorted(counts.values(), reverse=True)


def test_of_a_large_bitext_evenly_spaced_pairs_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortlist, "MAX_CELLS", 50)
    source, target = (
        RaggedIds.from_sentences([[4 + n % 3] for n in range(100)]),
        RaggedIds.from_sentences([[7 + n % 3] for n in range(100)]),
    )
    found = train_ibm1(source, target, source_vocab=11, target_vocab=13, max_translations=2)
    assert found.translations[4:7].tolist() == [[7, PAD], [8, PAD], [9, PAD]]


@given(sentences=lists(lists(integers(4, 10), min_size=1, max_size=5), min_size=1, max_size=5), joint=integers(0, 1))
def test_what_a_sentence_may_be_made_of_depends_on_nothing_else(sentences: list[list[int]], joint: int) -> None:
    made = Lexicon(np.random.default_rng(1).integers(0, 13, (11, 5), np.int32), np.array([9, 4, 12], np.int32))
    choice = LexicalShortlist(translations=2, frequent=1)
    words, allowed = choice.shortlist(made, sentences, joint=bool(joint))
    assert words.tolist() == sorted(set(words.tolist()))
    assert words[: EOS + 1].tolist() == list(range(EOS + 1))
    for sentence, row in zip(sentences, allowed, strict=True):
        wanted = {*range(EOS + 1), 9, *made.translations[sentence, :2].ravel().tolist(), *(sentence if joint else ())}
        assert set(words[row].tolist()) == wanted


@pytest.mark.parametrize("wrong", [{"translations": 0}, {"frequent": -1}])
def test_what_is_out_of_range_is_an_error(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="shortlist"):
        LexicalShortlist(**wrong)


def test_blocks_of_a_bitext_make_the_lexicon_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = np.random.default_rng(3)
    source, target = (
        RaggedIds.from_sentences([draw.integers(4, 11, draw.integers(0, 7)).tolist() for _ in range(50)])
        for _ in range(2)
    )
    sizes = {"source_vocab": 11, "target_vocab": 13, "max_translations": 3}
    whole = train_ibm1(source, target, **sizes)
    monkeypatch.setattr(lexicon, "BLOCK_CELLS", 17)
    for one, other in zip(train_ibm1(source, target, **sizes), whole, strict=True):
        assert one.tolist() == other.tolist()


def test_pairs_that_are_too_long_are_left_out_and_named() -> None:
    source = RaggedIds.from_sentences([[4], [5] * 8, [6], []])
    target = RaggedIds.from_sentences([[7], [8], [9] * 8, []])
    kept_source, kept_target, left_out = select_short(source, target, 7)
    assert left_out == [1, 2]
    assert kept_source.flat.tolist() == [4]
    assert kept_target.flat.tolist() == [7]
    assert kept_source.sentences == kept_target.sentences == 2
