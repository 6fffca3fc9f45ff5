"""Models of others keep their segmentation while their symbols move, and symbols stay whole in every segmentation."""

import contextlib
import io
import random
from pathlib import Path
from typing import Any

import pytest
import sentencepiece

from nmt.data.model_proto import read_pieces
from nmt.data.own_model import MAX_MODEL_BYTES, move_symbols, read_pretrained, read_tokenizer
from nmt.data.tokenizer import TOKENIZERS, Tokenizer
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import BOS, EOS, PAD, UNK

LINES = ["the small cat sat on the mat .", "a dog sees the cat", "dogs and cats sit on mats"] * 10
KINDS = pytest.mark.parametrize("kind", TOKENIZERS)
MADE = {
    "as SentencePiece does by itself": {},
    "with pad at the end": {"pad_id": 3},
    "without bos and eos": {"bos_id": -1, "eos_id": -1},
    "as others name them": {
        "pad_id": 0,
        "unk_id": 3,
        "bos_id": 1,
        "eos_id": 2,
        "unk_piece": "[UNK]",
        "pad_piece": "[PAD]",
    },
}


def learn(kind: str, **options: Any) -> bytes:
    written = io.BytesIO()
    chosen = {"vocab_size": 50, "hard_vocab_limit": False, "minloglevel": 2, **options}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=written, model_type=kind, **chosen
    )
    return written.getvalue()


@KINDS
@pytest.mark.parametrize("options", MADE.values(), ids=MADE)
def test_moving_symbols_changes_no_segmentation(kind: str, options: dict[str, Any]) -> None:
    theirs = learn(kind, **options)
    oracle = sentencepiece.SentencePieceProcessor(model_proto=theirs)
    model = Tokenizer.load(move_symbols(theirs))
    assert [model._model.pad_id(), model._model.unk_id()] == [PAD, UNK]
    assert [model._model.bos_id(), model._model.eos_id()] == [BOS, EOS]
    for line in LINES[:3]:
        ids = model.encode([line])[0]
        assert model.convert_ids_to_pieces(ids) == oracle.encode(line, out_type=str)
        assert model.decode([[BOS, *ids, EOS, PAD]]) == [line]
    assert model.encode(["☃"])[0][-1] == UNK
    assert move_symbols(move_symbols(theirs)) == move_symbols(theirs)


@KINDS
def test_pieces_are_read_as_protobuf_reads_them(kind: str) -> None:
    pytest.importorskip("google.protobuf")
    from sentencepiece import sentencepiece_model_pb2

    for model in (
        learn(kind, user_defined_symbols=["<ph>"]),
        move_symbols(learn(kind, byte_fallback=True, vocab_size=320)),
    ):
        oracle: Any = sentencepiece_model_pb2
        parsed = oracle.ModelProto.FromString(model)
        assert [(p.text, p.type) for p in read_pieces(model)] == [(p.piece, p.type) for p in parsed.pieces]
    parsed = oracle.ModelProto.FromString(move_symbols(learn(kind))).trainer_spec
    assert [parsed.pad_id, parsed.unk_id, parsed.bos_id, parsed.eos_id] == [PAD, UNK, BOS, EOS]
    assert parsed.model_type == {"unigram": 1, "bpe": 2}[kind]


def test_damaged_models_are_refused_or_read(tmp_path: Path) -> None:
    sound, draw, path = learn("bpe"), random.Random(1), tmp_path / "mine.model"
    for _ in range(60):
        damaged = bytearray(sound[: draw.randrange(1, len(sound))] if draw.random() < 0.5 else sound)
        damaged[draw.randrange(len(damaged))] ^= 1 << draw.randrange(8)
        path.write_bytes(bytes(damaged))
        with contextlib.suppress(DataError):
            read_tokenizer(str(path), "tokenizer.model").encode(LINES[:2])


def test_a_file_is_read_and_one_that_is_none_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.model"
    path.write_bytes(learn("bpe"))
    joint = read_pretrained(str(path), None, joint=True, sampling=0.1)
    assert joint.train(LINES, LINES) is joint.tokenizers
    assert joint.tokenizers.source is joint.tokenizers.target
    assert joint.tokenizers.source.sampling == 0.1
    apart = read_pretrained(str(path), str(path), joint=False, sampling=0.0)
    assert apart.tokenizers.source is not apart.tokenizers.target
    assert apart.get_identity() != joint.get_identity()
    with pytest.raises(ConfigError, match="target_model"):
        read_pretrained(str(path), None, joint=False, sampling=0.0)
    for content, told in (
        (b"nonsense", "not a SentencePiece model"),
        (b"", "not a"),
        (b"0" * (MAX_MODEL_BYTES + 1), "at most"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=told):
            read_tokenizer(str(path), "tokenizer.model")
    with pytest.raises(DataError, match="no regular file"):
        read_tokenizer("/dev/zero", "tokenizer.model")
    with pytest.raises(DataError, match="no such file"):
        read_tokenizer(str(tmp_path / "gone"), "tokenizer.model")


@KINDS
def test_symbols_are_never_cut(kind: str) -> None:
    symbols = ["<ph>", "{0}", "the#cat"]
    lines = [f"the {symbols[n % 3]} cat{symbols[n % 3]}sat <ph>." for n in range(30)]
    # their characters are pieces as well, so that nothing but the rule keeps a symbol whole
    text = [*LINES, *lines, "< p h > { 0 } the cat #"]
    model = TOKENIZERS[kind](symbols=symbols, sampling=0.5 if kind == "bpe" else 0.1).train(text, text).source
    ids = {symbol: model._model.piece_to_id(symbol) for symbol in symbols}
    for found in (model.encode(lines), model.sample(lines, seed=1), model.sample(lines, seed=2)):
        assert model.decode(found) == lines
        for line, pieces in zip(lines, found, strict=True):
            for symbol in symbols:
                assert pieces.count(ids[symbol]) == line.count(symbol)
    assert model.sample(lines, seed=1) == model.sample(lines, seed=1) != model.sample(lines, seed=2)


@pytest.mark.parametrize("symbols", [["a b"], [""], ["</s>"], ["<a>", "<a>"]])
def test_what_cannot_be_a_symbol_is_refused(symbols: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.symbols"):
        TOKENIZERS["bpe"](symbols=symbols)


def test_a_model_of_ones_own_is_learnt_by_nobody() -> None:
    for options in ({"vocab_size": 100}, {"symbols": ["<ph>"]}):
        with pytest.raises(ConfigError, match=r"tokenizer\.model has its pieces"):
            TOKENIZERS["bpe"](model="mine.model", **options)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="target_model"):
        TOKENIZERS["bpe"](target_model="mine.model")
