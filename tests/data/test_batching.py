"""Laws of batches: every pair once, within the budget, and a pure function of (seed, epoch)."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.strategies import integers, lists, none, tuples

from nmt.data.batching import (
    LONG_WIDTH,
    Batch,
    Batches,
    BatchSettings,
    Epoch,
    bucket_by_length,
    collate,
    iterate_validation_batches,
    pad,
)
from nmt.data.encoded import RaggedIds, TokenizedBitext, tokenize
from nmt.data.tokenizer import Bpe, Tokenizer, Tokenizers
from nmt.errors import ConfigError
from nmt.special_tokens import BOS, EOS, PAD
from nmt.training.memory_check import find_largest_batch

LETTERS = [" ".join("abcdefghij"[n % 10 :]) for n in range(20)]
TOKENIZERS: Tokenizers = Bpe(vocab_size=15).train(LETTERS, LETTERS)


def pairs(sizes: list[tuple[int, int]], seed: int = 0) -> TokenizedBitext:
    """Pairs of sentences of random ids, of the given sizes."""
    draw = random.Random(seed)
    source, target = ([[draw.randint(4, 99) for _ in range(size[side])] for size in sizes] for side in (0, 1))
    return TokenizedBitext(
        RaggedIds.from_sentences(source),
        RaggedIds.from_sentences(target),
        [""] * len(sizes),
        [""] * len(sizes),
        np.arange(len(sizes)),
    )


def batches(train: TokenizedBitext, seed: int = 1, **settings: int | None) -> Batches:
    return Batches(train, TOKENIZERS, BatchSettings(**settings), seed=seed)  # type: ignore[arg-type]


def all_of(found: Batches, number: int) -> list[Batch]:
    epoch = found.make_epoch(number)
    return [epoch.get_batch(index) for index in range(len(epoch))]


def same(first: list[Batch], second: list[Batch]) -> bool:
    return len(first) == len(second) and all(
        torch.equal(a, b)
        for one, other in zip(first, second, strict=True)
        for a, b in zip(one, other, strict=True)
        if a is not None and b is not None
    )


SIZES = lists(tuples(integers(1, 12), integers(1, 12)), min_size=1, max_size=40)


@given(
    sizes=SIZES,
    tokens=integers(16, 60),
    most=none() | integers(1, 5),
    pool=integers(1, 50),
    multiple=integers(1, 4),
    number=integers(0, 3),
)
def test_every_pair_once_and_within_the_budget(
    sizes: list[tuple[int, int]], tokens: int, most: int | None, pool: int, multiple: int, number: int
) -> None:
    train = pairs(sizes)
    found = all_of(batches(train, tokens=tokens, max_sentences=most, pool=pool, width_multiple=multiple), number)
    assert sorted(torch.cat([batch.lines for batch in found]).tolist()) == list(range(len(sizes)))
    for batch in found:
        rows = len(batch.lines)
        assert rows * max(batch.source.shape[1], batch.target_output.shape[1]) <= tokens
        assert rows <= (most or rows)
        assert batch.source.shape[1] % multiple == batch.target_output.shape[1] % multiple == 0
        for row, line in enumerate(batch.lines.tolist()):
            source, target = train.source.get_sentence(line), train.target.get_sentence(line)
            padding = [PAD] * (batch.target_output.shape[1] - len(target) - 1)
            assert batch.source[row].tolist() == [*source, EOS] + [PAD] * (batch.source.shape[1] - len(source) - 1)
            assert batch.target_input[row].tolist() == [BOS, *target, *padding]
            assert batch.target_output[row].tolist() == [*target, EOS, *padding]
            assert batch.source_lengths[row] == len(source) + 1
        assert {tensor.dtype for tensor in batch if tensor is not None} == {torch.int64}


@given(sizes=SIZES, seed=integers(0, 2**40), number=integers(0, 2**20))
def test_an_epoch_is_a_pure_function_of_seed_and_number(sizes: list[tuple[int, int]], seed: int, number: int) -> None:
    train = pairs(sizes)
    fresh = batches(train, seed=seed, tokens=40)
    used = batches(train, seed=seed, tokens=40)
    used.make_epoch(number + 1)
    assert same(all_of(fresh, number), all_of(used, number))


def test_epochs_and_seeds_differ() -> None:
    train = pairs([(n % 11 + 1, n % 7 + 1) for n in range(300)])
    drawn = [all_of(batches(train, seed=seed, tokens=50), number) for seed, number in ((1, 0), (1, 1), (2, 0), (0, 1))]
    assert not any(same(drawn[a], drawn[b]) for a in range(4) for b in range(a))


def test_neighbours_in_length_meet() -> None:
    draw = random.Random(3)
    targets = [max(1, round(draw.gauss(14, 5))) for _ in range(4000)]
    train = pairs([(max(1, size + draw.randint(-3, 3)), size) for size in targets])

    def padding(pool: int) -> float:
        found = all_of(batches(train, tokens=512, pool=pool), 0)
        sizes = sum(batch.source.numel() + batch.target_output.numel() for batch in found)
        real = sum(int((side != PAD).sum()) for batch in found for side in (batch.source, batch.target_output))
        return 1 - real / sizes

    assert padding(4000) < padding(400) < padding(40)
    assert padding(4000) < 0.05


def test_sampling_gives_each_epoch_its_own_pieces_of_the_same_text() -> None:
    draw = random.Random(4)
    words = ["".join(draw.choices("abcdefgh", k=draw.randint(2, 6))) for _ in range(50)]
    source, target = ([" ".join(draw.choices(words, k=draw.randint(1, 9))) for _ in range(80)] for _ in range(2))
    plain = Bpe(vocab_size=60).train(source, target).source
    sampling = Tokenizer.load(plain.serialized, sampling=0.3)
    tokenizers = Tokenizers(sampling, sampling)
    train = tokenize(tokenizers, source, target)
    found = [all_of(Batches(train, tokenizers, BatchSettings(tokens=200), seed=5), number) for number in (0, 1, 0)]
    assert same(found[0], found[2])
    assert not same(found[0], found[1])
    for epoch in found:
        for batch in epoch:
            lines = batch.lines.tolist()
            assert plain.decode(batch.source.tolist()) == [source[line] for line in lines]
            assert plain.decode(batch.target_output.tolist()) == [target[line] for line in lines]
            assert len(lines) * max(batch.source.shape[1], batch.target_output.shape[1]) <= 200


@given(sizes=lists(tuples(integers(0, 12), integers(0, 12)), max_size=30), tokens=integers(1, 60))
def test_in_order_reads_every_pair_once_even_empty_ones(sizes: list[tuple[int, int]], tokens: int) -> None:
    validation = pairs(sizes)
    found = list(iterate_validation_batches(validation, tokens))
    assert sorted(line for batch in found for line in batch.lines.tolist()) == list(range(len(sizes)))
    for batch in found:
        assert (
            len(batch.lines) == 1
            or len(batch.lines) * max(batch.source.shape[1], batch.target_output.shape[1]) <= tokens
        )
        assert same([batch], [collate(validation, batch.lines.numpy())])


@given(lengths=lists(integers(0, 30), max_size=40), tokens=integers(1, 90))
def test_by_length_is_a_partition_within_the_budget(lengths: list[int], tokens: int) -> None:
    groups = bucket_by_length(lengths, tokens)
    assert sorted(index for group in groups for index in group.tolist()) == list(range(len(lengths)))
    sizes = [[lengths[index] for index in group] for group in groups]
    assert all(len(group) == 1 or len(group) * max(group) <= tokens for group in sizes)
    assert [size for group in sizes for size in group] == sorted(lengths, reverse=True)


@given(sentences=lists(lists(integers(4, 99), max_size=6), max_size=6))
def test_pad_ends_every_sentence(sentences: list[list[int]]) -> None:
    source, lengths = pad(sentences)
    widest = max((len(sentence) for sentence in sentences), default=0) + 1
    assert source.tolist() == [[*ids, EOS] + [PAD] * (widest - len(ids) - 1) for ids in sentences]
    assert lengths.tolist() == [len(ids) + 1 for ids in sentences]


@given(lengths=lists(integers(1, 600), max_size=40), tokens=integers(128, 2000))
def test_with_self_attention_pairs_of_positions_have_a_budget_too(lengths: list[int], tokens: int) -> None:
    groups = bucket_by_length(lengths, tokens, is_quadratic=True)
    assert sorted(index for group in groups for index in group.tolist()) == list(range(len(lengths)))
    for group in groups:
        rows, widest = len(group), max(lengths[index] for index in group)
        assert rows == 1 or (rows * widest <= tokens and rows * widest**2 <= LONG_WIDTH * tokens)
    if max(lengths, default=0) <= LONG_WIDTH:
        plain = bucket_by_length(lengths, tokens)
        assert [group.tolist() for group in groups] == [group.tolist() for group in plain]


def test_long_pairs_of_a_model_with_self_attention_have_fewer_rows() -> None:
    train = pairs([(size, size + 3) for size in (20, 300) for _ in range(60)])
    settings = BatchSettings(tokens=2000)
    for is_quadratic in (False, True):
        found = all_of(Batches(train, TOKENIZERS, settings, seed=1, is_quadratic=is_quadratic), 0)
        assert sorted(torch.cat([batch.lines for batch in found]).tolist()) == list(range(120))
        squares = [len(batch.lines) * batch.target_output.shape[1] ** 2 for batch in found]
        assert (max(squares) <= LONG_WIDTH * settings.tokens) == is_quadratic


def test_the_largest_batch_is_that_of_most_pairs_of_positions() -> None:
    train = pairs([(40, 1)] * 10 + [(12, 12)] * 8)
    rows = [np.arange(10), np.arange(10, 18)]
    assert find_largest_batch(Epoch(train, rows, 1, is_quadratic=False)) == 1
    assert find_largest_batch(Epoch(train, rows, 1, is_quadratic=True)) == 0


def test_a_budget_without_room_is_told_at_once() -> None:
    train = pairs([(3, 9), (2, 2)])
    assert len(batches(train, tokens=10).make_epoch(0)) == 2
    with pytest.raises(ConfigError, match=r"batching\.tokens=9 .* 10 tokens"):
        batches(train, tokens=9)
    for wrong in ({"tokens": 0}, {"pool": 0}, {"width_multiple": 0}, {"max_sentences": 0}):
        with pytest.raises(ConfigError, match=f"batching.{next(iter(wrong))}=0"):
            BatchSettings(**wrong)  # type: ignore[arg-type]
