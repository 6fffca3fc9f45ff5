"""Sampled segmentations: the distributions of the papers, SentencePiece's own at the limits, the same everywhere."""

import itertools
import math
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from nmt.data import subword_regularization
from nmt.data.subword_regularization import BpeSampler, ScoredPiece, SubwordSampler, UnigramSampler
from nmt.data.synthetic import Grammar
from nmt.data.tokenizer import TOKENIZERS, Tokenizer

CORPUS = Grammar(train=80, validation=1, test=1).load("train")
MODELS = {kind: cls(vocab_size=150).train(CORPUS.source, CORPUS.target).source for kind, cls in TOKENIZERS.items()}
PIECES = {
    piece: ScoredPiece(10 + number, score)
    for number, (piece, score) in enumerate(
        {"a": -2.0, "b": -1.5, "c": -2.5, "ab": -0.5, "bc": -0.9, "abc": -3.0, "ca": -1.1, "bca": -2.0}.items()
    )
}
NAMES = {entry.id: piece for piece, entry in PIECES.items()}
WORD = "abcabc"
DRAWS = 20_000


def segmentations(word: str) -> Iterator[tuple[str, ...]]:
    """All ways to spell a word with PIECES."""
    if not word:
        yield ()
    for end in range(1, len(word) + 1):
        if word[:end] in PIECES:
            yield from ((word[:end], *rest) for rest in segmentations(word[end:]))


def dropped(parts: tuple[str, ...], strength: float) -> dict[tuple[str, ...], float]:
    """The distribution of BPE-dropout, by trying every subset of left-out merges at every step."""
    order = sorted(
        (-PIECES[left + right].score, place)
        for place, (left, right) in enumerate(itertools.pairwise(parts))
        if left + right in PIECES
    )
    found: Counter[tuple[str, ...]] = Counter()
    for kept in itertools.product([True, False], repeat=len(order)):
        share = math.prod(1 - strength if keep else strength for keep in kept)
        first = next((place for keep, (_, place) in zip(kept, order, strict=True) if keep), None)
        if first is None:
            found[parts] += share  # type: ignore[assignment]
        else:
            merged = (*parts[:first], parts[first] + parts[first + 1], *parts[first + 2 :])
            for result, rest in dropped(merged, strength).items():
                found[result] += share * rest  # type: ignore[assignment]
    return dict(found)


def drawn(sampler: SubwordSampler, words: list[str], seed: int = 7) -> list[tuple[int, ...]]:
    flat, counts = sampler.draw(words, np.random.default_rng(seed))
    assert len(counts) == len(words)
    assert counts.sum() == len(flat)
    ids = iter(flat.tolist())
    return [tuple(itertools.islice(ids, count)) for count in counts.tolist()]


def frequencies(sampler: SubwordSampler) -> dict[tuple[str, ...], float]:
    """Of the segmentations of WORD, among words of other lengths and some that cannot be spelled."""
    words = ["ab", WORD, "x", "bcabcabca", WORD, "c", "abxab"] * (DRAWS // 2)
    found = Counter(ids for ids, word in zip(drawn(sampler, words), words, strict=True) if word == WORD)
    return {tuple(NAMES[id] for id in ids): count / DRAWS for ids, count in found.items()}


def otherwise(word: str) -> list[int]:
    return [1000 + len(word)] * len(word)


def close(found: dict[tuple[str, ...], float], wanted: dict[tuple[str, ...], float]) -> bool:
    """Within five standard deviations of a share, everywhere."""
    return found.keys() <= wanted.keys() and all(
        abs(found.get(result, 0.0) - share) <= 5 * math.sqrt(share * (1 - share) / DRAWS) + 1e-12
        for result, share in wanted.items()
    )


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
def test_unigram_draws_each_segmentation_by_its_probability(strength: float) -> None:
    weights = {s: math.exp(strength * sum(PIECES[piece].score for piece in s)) for s in segmentations(WORD)}
    wanted = {s: weight / sum(weights.values()) for s, weight in weights.items()}
    assert len(wanted) > 10
    assert close(frequencies(UnigramSampler(PIECES, strength, otherwise)), wanted)


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0])
def test_bpe_leaves_out_merges_as_often_as_it_should(strength: float) -> None:
    assert close(frequencies(BpeSampler(PIECES, strength, otherwise)), dropped(tuple(WORD), strength))


@pytest.mark.parametrize("kind", [UnigramSampler, BpeSampler])
def test_a_word_that_cannot_be_spelled_is_left_to_others(kind: type[SubwordSampler]) -> None:
    found = drawn(kind(PIECES, 0.3, otherwise), ["abxab", WORD, "xx"])
    assert [found[0], found[2]] == [(1005,) * 5, (1002,) * 2]
    assert "".join(NAMES[id] for id in found[1]) == WORD
    assert drawn(kind(PIECES, 0.3, lambda word: []), ["x"]) == [()]
    assert drawn(kind(PIECES, 0.3, otherwise), []) == []


@pytest.mark.parametrize("kind", [UnigramSampler, BpeSampler])
def test_what_was_drawn_before_does_not_show(kind: type[SubwordSampler], monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(2)
    words = ["".join(draw.choices("abcx", [9, 9, 9, 1], k=draw.randint(1, 11))) for _ in range(300)]
    fresh, used = (kind(PIECES, 0.3, otherwise) for _ in range(2))
    wanted = drawn(fresh, words)
    drawn(used, words[:100:-1])
    assert drawn(used, words) == wanted
    monkeypatch.setattr(subword_regularization, "MAX_TABLE_BYTES", 0)  # every call begins with an empty table
    assert drawn(used, words) == wanted
    assert drawn(used, words, seed=8) != wanted


@pytest.mark.parametrize(("kind", "strength"), [("unigram", 1e6), ("bpe", 1e-12)])
def test_at_the_limit_it_is_the_best_segmentation_of_sentencepiece(kind: str, strength: float) -> None:
    model = Tokenizer.load(MODELS[kind].serialized, sampling=strength)
    lines = [*CORPUS.source, *CORPUS.target, "日本 the unseen ☃ word", "  two   spaces ", ""]
    assert model.sample(lines, seed=3) == model.encode(lines)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_another_process_draws_the_same(kind: str) -> None:
    model = Tokenizer.load(MODELS[kind].serialized, sampling=0.2)
    lines = list(CORPUS.source[:20])
    code = (
        "import sys, ast; from nmt.data.tokenizer import Tokenizer\n"
        "model, lines = ast.literal_eval(sys.stdin.read())\n"
        "print(Tokenizer.load(model, sampling=0.2).sample(lines, seed=5))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        input=repr((model.serialized, lines)),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "17"},
    )
    assert found.stdout.strip() == str(model.sample(lines, seed=5))
    assert model.sample(lines, seed=5) != model.encode(lines)
