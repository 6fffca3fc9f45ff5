"""Laws of segmentation: text survives, sampling repeats, and no text becomes a control symbol."""

import random
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis.strategies import characters, integers, lists, sampled_from, text

from nmt.data.lines import replace_line_ends
from nmt.data.tokenizer import TOKENIZERS, Tokenizer, Tokenizers
from nmt.errors import ConfigError, DataError
from nmt.special_tokens import BOS, EOS, PAD, UNK

SYLLABLES = {
    "en": ["the", "cat", "dog", "on", "sat", "un", "der", "ing", "est"],
    "de": ["die", "kat", "grün", "auf", "saß"],
}
SYMBOLS = ["</s>", "<unk>", "…", ".", ","]


def words(language: str) -> list[str]:
    draw = random.Random(language)
    return ["".join(draw.choices(SYLLABLES[language], k=draw.randint(1, 4))) for _ in range(100)]


def sentences(language: str) -> list[str]:
    draw = random.Random(language)
    return [" ".join(draw.choices([*words(language), *SYMBOLS], k=draw.randint(3, 9))) for _ in range(200)]


ENGLISH, GERMAN = sentences("en"), sentences("de")
MODELS: dict[str, Tokenizers] = {
    kind: TOKENIZERS[kind](vocab_size=150, sampling=0.3).train(GERMAN, ENGLISH) for kind in TOKENIZERS
}
KINDS = pytest.mark.parametrize("kind", TOKENIZERS)
# Words that normalization leaves as they are, and characters that no model here has seen
PLAIN = lists(sampled_from([*words("en"), *words("de"), "</s>", "<unk>", "日本", "☃☃"]), max_size=8)


@KINDS
def test_training_repeats_byte_for_byte(kind: str) -> None:
    again = TOKENIZERS[kind](vocab_size=150).train(GERMAN, ENGLISH)
    assert again.source.serialized == MODELS[kind].source.serialized


@KINDS
def test_joint_is_one_tokenizer_and_otherwise_each_side_has_its_own(kind: str) -> None:
    assert MODELS[kind].source is MODELS[kind].target
    apart = TOKENIZERS[kind](vocab_size=80, joint=False).train(GERMAN, ENGLISH)
    assert [side.vocab_size for side in apart] == [80, 80]
    assert UNK not in apart.source.encode(["grünen"])[0]
    assert UNK in apart.target.encode(["grünen"])[0]


@KINDS
def test_a_serialized_model_is_the_same_model(kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("models") / "spm.model"
    model = MODELS[kind].source
    path.write_bytes(model.serialized)
    for again in (Tokenizer.load(model.serialized), Tokenizer.load(path), Tokenizer.load(str(path))):
        assert again.vocab_size == model.vocab_size == 150
        assert again.encode(GERMAN) == model.encode(GERMAN)


@KINDS
def test_known_text_survives(kind: str) -> None:
    known = [line for line in (*ENGLISH, *GERMAN) if not set(line) & set("…<")]
    assert known
    model = MODELS[kind].source
    assert model.decode(model.encode(known)) == known
    assert model.decode(model.sample(known, seed=3)) == known


@KINDS
@given(line=text())
def test_no_text_becomes_a_control_symbol_or_more_than_a_line(kind: str, line: str) -> None:
    line = line.encode(errors="ignore").decode()
    model = MODELS[kind].source
    for ids in (model.encode([line])[0], model.sample([line], seed=1)[0]):
        assert not {PAD, BOS, EOS} & set(ids)
        assert model.decode([ids]) == [replace_line_ends(model.decode([ids])[0])]


@KINDS
def test_symbols_as_text_are_text_and_symbols_as_ids_are_silent(kind: str) -> None:
    model = MODELS[kind].source
    for symbol in ("</s>", "<s>", "<pad>", "<unk>", "<0x0A>"):
        ids = model.encode([symbol])[0]
        assert len(ids) > 1
        assert not {PAD, BOS, EOS} & set(ids)
    cat = model.encode(["cat"])[0]
    assert model.decode([[BOS, *cat, EOS, PAD, PAD], [], [EOS]]) == ["cat", "", ""]
    assert model.decode([]) == []
    assert model.encode(["", " ", "\u3000"]) == [[], [], []]


def test_bytes_do_not_break_a_line() -> None:
    model = TOKENIZERS["bpe"](vocab_size=400, byte_fallback=True).train(GERMAN, ENGLISH).source
    assert model.decode(model.encode(["日本 cat"])) == ["日本 cat"]
    every_byte = [id for id in range(model.vocab_size) if model.convert_ids_to_pieces([id])[0].startswith("<0x")]
    assert len(every_byte) == 256
    assert len(model.decode([every_byte])[0].splitlines()) == 1


@KINDS
@given(seed=integers(-(2**70), 2**70), others=lists(integers(0, 9), max_size=3))
def test_samples_repeat_whatever_was_drawn_before(kind: str, seed: int, others: list[int]) -> None:
    model = MODELS[kind].source
    first = model.sample(GERMAN, seed=seed)
    for other in others:
        model.sample(ENGLISH, seed=other)
    assert model.sample(GERMAN, seed=seed) == first
    assert model.sample(GERMAN, seed=seed + 1) != first
    assert first != model.encode(GERMAN)


@KINDS
def test_large_and_negative_seeds_are_seeds_like_others(kind: str) -> None:
    model = MODELS[kind].source
    drawn = [model.sample(GERMAN, seed=seed) for seed in (1, -1, 2**32 - 2, 2**32 - 1, 2**64 + 1)]
    assert all(one != other for place, one in enumerate(drawn) for other in drawn[:place])


def test_sampling_can_be_off() -> None:
    model = Tokenizer.load(MODELS["bpe"].source.serialized)
    assert model.sample(GERMAN, seed=1) == model.encode(GERMAN)


@KINDS
@given(words=PLAIN, gaps=lists(sampled_from([" ", "  ", "\t", "\u00a0", "\u3000", " \u2009"]), min_size=9, max_size=9))
def test_pieces_of_a_word_spell_it(kind: str, words: list[str], gaps: list[str]) -> None:
    model = MODELS[kind].source
    line = gaps[0] + "".join(word + gap for word, gap in zip(words, gaps[1:], strict=False))
    ids, owners = model.encode_with_words(line)
    assert ids == model.encode([line])[0]
    assert owners == sorted(owners)
    assert set(owners) == set(range(len(words)))
    pieces = model.convert_ids_to_pieces(ids)
    for index, word in enumerate(words):
        spelled = "".join(piece for piece, owner in zip(pieces, owners, strict=True) if owner == index)
        pattern = "".join("(.+)" if part == "<unk>" else re.escape(part) for part in re.split("(<unk>)", spelled))
        assert re.fullmatch(pattern.removeprefix("▁"), word)


@KINDS
@pytest.mark.parametrize("line", ["a … cat", "…", "ﬁn ½x cat", "e\u0301a the", "ｃａｔ\u00a0㎞ mat", "the\u3000①②"])
def test_pieces_find_their_words_where_normalization_changes_them(kind: str, line: str) -> None:
    model = MODELS[kind].source
    ids, owners = model.encode_with_words(line)
    assert ids == model.encode([line])[0]
    for index, word in enumerate(line.split()):
        own = [id for id, owner in zip(ids, owners, strict=True) if owner == index]
        # In another place the same word may be cut otherwise, but it is as long in normal form.
        normal = unicodedata.normalize("NFKC", word)
        spelled = "".join(model.convert_ids_to_pieces(own)).replace("▁", "")
        assert len(normal) == len(spelled) or UNK in own


@given(line=text(characters(exclude_categories=("Cs",)), max_size=30))
def test_owners_are_words_of_the_line(line: str) -> None:
    ids, owners = MODELS["bpe"].source.encode_with_words(line)
    assert len(ids) == len(owners)
    assert owners == sorted(owners)
    assert all(0 <= owner < len(line.split()) for owner in owners)


@KINDS
@pytest.mark.parametrize(("asked", "word"), [(20, "smallest"), (50_000, "largest")])
def test_the_possible_size_that_an_error_names_is_possible(kind: str, asked: int, word: str) -> None:
    with pytest.raises(DataError, match=rf"tokenizer\.vocab_size={asked}.* {word} possible size") as raised:
        TOKENIZERS[kind](vocab_size=asked).train(GERMAN, ENGLISH)
    bound = next(int(number) for number in re.findall(r"\d+", str(raised.value)) if int(number) not in (asked, 400))
    assert TOKENIZERS[kind](vocab_size=bound).train(GERMAN, ENGLISH).source.vocab_size == bound
    with pytest.raises(DataError):
        TOKENIZERS[kind](vocab_size=bound + (1 if word == "largest" else -1)).train(GERMAN, ENGLISH)


@KINDS
def test_nothing_to_learn_from_is_told(kind: str) -> None:
    with pytest.raises(DataError, match="of 3 lines 3 are blank"):
        TOKENIZERS[kind](vocab_size=20).train(["", ""], [""])


@pytest.mark.parametrize("wrong", [{"vocab_size": 4}, {"character_coverage": 0.5}, {"sampling": -0.1}])
def test_impossible_settings_are_told_before_training(wrong: dict[str, float]) -> None:
    for kind in TOKENIZERS.values():
        with pytest.raises(ConfigError, match=f"tokenizer.{next(iter(wrong))}="):
            kind(**wrong)  # type: ignore[arg-type]


def test_models_of_others_are_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    import io

    import sentencepiece

    path = tmp_path_factory.mktemp("models")
    with pytest.raises(DataError, match="not a SentencePiece model"):
        Tokenizer.load(b"nonsense")
    with pytest.raises(DataError, match="cannot be read"):
        Tokenizer.load(path / "gone")
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(GERMAN), model_writer=written, vocab_size=80, minloglevel=2
    )
    with pytest.raises(DataError, match=r"ids \[-1, 0, 1, 2\].*--pad_id=0"):
        Tokenizer.load(written.getvalue())


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["", " ", "\t"], "of 6 lines 6 are blank"),
        (["a " * 5000, ""], "of 4 lines 2 are blank and 2 have more than 4192 bytes"),
        (["\x01\x02", "\u200b"], "4 have nothing but characters that normalization deletes"),
    ],
)
def test_text_with_nothing_to_learn_from_is_told_without_the_words_of_sentencepiece(
    kind: str, lines: list[str], reason: str
) -> None:
    with pytest.raises(DataError, match="There is nothing to learn a vocabulary from") as told:
        TOKENIZERS[kind]().train(lines, lines)
    assert reason in str(told.value)
    assert "INTERNAL" not in str(told.value)
