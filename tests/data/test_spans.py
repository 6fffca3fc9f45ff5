"""Spans that a vocabulary lacks: text survives, both sides agree on ids, and nothing else changes."""

import pickle

import numpy as np
import pytest

from nmt.data.encoded import encode_pairs, resegment, tokenize
from nmt.data.spans import LineIds, SpanTokenizer, SpanTrainer, drop_spans, match_spans
from nmt.data.tokenizer import TOKENIZERS, Tokenizer, Tokenizers
from nmt.special_tokens import BOS, EOS, UNK

TEXT = ["the cat sat on a mat", "un der ing est", "a dog is on the mat .", "one , two , three"] * 20
LINE = "the Жук sat on 東京 ( Жук )"
KINDS = pytest.mark.parametrize("kind", TOKENIZERS)


def train(kind: str, sampling: float = 0.0) -> Tokenizers:
    trainer = TOKENIZERS[kind](vocab_size="auto", sampling=sampling, symbols=["<keep>"])
    return SpanTrainer(trainer).train(TEXT, TEXT)


@KINDS
def test_each_distinct_span_has_an_id_and_the_text_survives(kind: str) -> None:
    tokenizer = train(kind).source
    assert isinstance(tokenizer, SpanTokenizer)
    (ids,) = tokenizer.encode([LINE])
    assert isinstance(ids, LineIds)
    first = tokenizer.vocab_size
    spans = [ids.spans[id - first] for id in ids if id >= first]
    assert [span.strip("()") for span in spans if span.strip("()")] == ["Жук", "東京", "Жук"]
    assert len(set(ids.spans)) == len(ids.spans)
    assert UNK not in ids
    assert tokenizer.decode([ids, LineIds([BOS, *ids, EOS], ids.spans, first), []]) == [LINE, LINE, ""]
    assert Tokenizer(tokenizer.serialized).decode([drop_spans(ids)])[0].count("⁇") == len(spans)


@KINDS
def test_a_line_that_the_vocabulary_has_is_as_ever(kind: str) -> None:
    tokenizer = train(kind).source
    plain = Tokenizer(tokenizer.serialized)
    assert tokenizer.encode(TEXT[:4]) == plain.encode(TEXT[:4])
    assert not any(isinstance(ids, LineIds) for ids in tokenizer.encode(TEXT[:4]))
    assert drop_spans(tokenizer.encode([LINE])[0]) == plain.encode([LINE])[0]


@KINDS
def test_pieces_and_words_of_spans_are_theirs(kind: str) -> None:
    tokenizer = train(kind).target
    ids, words = tokenizer.encode_with_words(LINE)
    assert ids == tokenizer.encode([LINE])[0]
    assert words == Tokenizer(tokenizer.serialized).encode_with_words(LINE)[1]
    assert tokenizer.get_word_indices(ids) == words
    assert "".join(tokenizer.convert_ids_to_pieces(ids)).replace("▁", " ").strip() == LINE


@KINDS
def test_samples_keep_spans(kind: str) -> None:
    tokenizer = train(kind, sampling=0.3).source
    for seed in range(5):
        (ids,) = tokenizer.sample([LINE], seed=seed)
        assert isinstance(ids, LineIds)
        assert tokenizer.decode([ids]) == [LINE]


@KINDS
def test_a_span_has_the_id_that_the_source_gives_it(kind: str) -> None:
    tokenizers = train(kind)
    source, target = ["東京 sat on Жук", "a cat"], ["Жук is 東京 ☃☃", "a 東京"]
    sides = tokenize(tokenizers, source, target)
    first = tokenizers.target.vocab_size
    spans = tokenizers.source.encode(source[:1])[0].spans
    assert spans == ["東京", "Жук"]
    assert [id for id in sides.target.get_sentence(0) if id >= first or id == UNK] == [first + 1, first, UNK]
    assert [id for id in sides.target.get_sentence(1) if id >= first or id == UNK] == [UNK]
    again = resegment(sides, tokenizers, [1])
    assert np.array_equal(again.target.flat, sides.target.flat)
    for side, wanted in zip(encode_pairs(tokenizers, source, target), (sides.source, sides.target), strict=True):
        assert np.array_equal(side.flat, wanted.flat)


def test_ids_that_are_matched_twice_stay() -> None:
    source, target = LineIds([5, 61, 60], ["a", "b"], 60), LineIds([60, 7, 61], ["b", "c"], 60)
    once = match_spans(source, target)
    assert once == [61, 7, UNK]
    assert match_spans(source, once) == once
    assert match_spans([4, 5], target) == [UNK, 7, UNK]
    assert match_spans(source, [4, 5]) == [4, 5]


def test_ids_know_their_spans_in_another_process() -> None:
    ids = pickle.loads(pickle.dumps(LineIds([5, 60, 4], ["x"], 60)))
    assert (ids, ids.spans, ids.first) == ([5, 60, 4], ["x"], 60)
    assert ids[1:].spans == ["x"]


def test_a_symbol_is_one_piece_on_both_sides() -> None:
    tokenizer = train("bpe").source
    (ids,) = tokenizer.encode(["a <keep> mat"])
    assert tokenizer.convert_ids_to_pieces(ids).count("<keep>") == 1
    assert tokenizer.decode([ids]) == ["a <keep> mat"]
