"""Flat arrays behave as the lists that they stand for."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import characters, integers, lists, text

from nmt.data import encoded
from nmt.data.encoded import PackedLines, RaggedIds, resegment, tokenize
from nmt.data.tokenizer import Bpe, Tokenizers

SENTENCES = lists(lists(integers(4, 999), max_size=5), max_size=7)
LINES = lists(text(characters(exclude_characters="\n", exclude_categories=("Cs",)), max_size=5), max_size=7)


def as_lists(ids: RaggedIds) -> list[list[int]]:
    return [ids.get_sentence(n) for n in range(ids.sentences)]


@given(parts=lists(SENTENCES, min_size=1, max_size=3))
def test_ids_are_lists_of_ids(parts: list[list[list[int]]]) -> None:
    wanted = [sentence for part in parts for sentence in part]
    ids = RaggedIds.concatenate([RaggedIds.from_sentences(part) for part in parts])
    assert as_lists(ids) == wanted
    assert ids.lengths.tolist() == [len(sentence) for sentence in wanted]
    mask = np.array([len(sentence) % 2 == 0 for sentence in wanted], dtype=bool)
    assert as_lists(ids.select(mask)) == [sentence for sentence in wanted if len(sentence) % 2 == 0]


@given(lines=LINES, start=integers(-9, 9), stop=integers(-9, 9), step=integers(1, 3))
def test_text_is_a_list_of_lines(lines: list[str], start: int, stop: int, step: int) -> None:
    kept = PackedLines.from_lines(iter(lines))
    assert list(kept) == lines
    assert len(kept) == len(lines)
    assert kept[start:stop:step] == lines[start:stop:step]
    assert kept[:] == lines
    with pytest.raises(IndexError):
        kept[len(lines)]


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[str]]:
    draw = random.Random(5)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 6))) for _ in range(90)]
    source, target = ([" ".join(draw.choices(words, k=draw.randint(0, 12))) for _ in range(101)] for _ in range(2))
    return source, target


def test_chunks_do_not_show(texts: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizers = Bpe(vocab_size=60).train(*texts)
    whole = tokenize(tokenizers, *texts)
    monkeypatch.setattr(encoded, "LINES_PER_CHUNK", 17)
    assert list(PackedLines.from_lines(texts[0])) == texts[0]
    parts = tokenize(tokenizers, *texts)
    assert as_lists(whole.source) == as_lists(parts.source) == tokenizers.source.encode(texts[0])
    assert as_lists(whole.target) == as_lists(parts.target) == tokenizers.target.encode(texts[1])
    assert tokenize(tokenizers, [], []).pairs == 0


def test_resampling_repeats_keeps_the_text_and_never_grows_past_the_longest(
    texts: tuple[list[str], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoded, "LINES_PER_SEED", 17)  # the seeds of chunks must differ and repeat
    tokenizers: Tokenizers = Bpe(vocab_size=60, sampling=0.4).train(*texts)
    best = tokenize(tokenizers, *texts)
    first, again, other = (resegment(best, tokenizers, [3, epoch]) for epoch in (1, 1, 2))
    for side in ("source", "target"):
        one, same, unlike, plain = (getattr(each, side) for each in (first, again, other, best))
        assert as_lists(one) == as_lists(same) != as_lists(unlike)
        assert one.lengths.max() <= plain.lengths.max()
        assert (one.lengths > plain.lengths).any()
    assert tokenizers.source.decode(as_lists(first.source)) == texts[0]
    assert tokenizers.target.decode(as_lists(first.target)) == texts[1]


def test_equal_chunks_are_sampled_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["abcd efgh abcdefgh", "abcd efgh " * 9] * 8  # the longest leaves room for every sample of the other
    tokenizers = Bpe(vocab_size=25, sampling=0.5).train(lines, lines)
    monkeypatch.setattr(encoded, "LINES_PER_SEED", 8)
    drawn = resegment(tokenize(tokenizers, lines, lines), tokenizers, [0, 0])
    halves = as_lists(drawn.source)
    assert halves[:8] != halves[8:]
    assert halves != as_lists(drawn.target)
