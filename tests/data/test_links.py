"""Links stay with their pairs and words, whatever is filtered, shuffled, cut into pieces or read from a cache."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import integers, lists, tuples

from nmt.data.batching import Batches, BatchSettings, collate
from nmt.data.corpus import Files, OptionalSplitFiles, SplitFiles
from nmt.data.encoded import RaggedIds
from nmt.data.filters import Filters
from nmt.data.links import LinkSource, WordLinks, follow_words, learn_links, parse_links
from nmt.data.prepare import PreparedData, prepare
from nmt.data.synthetic import Grammar
from nmt.data.tokenizer import Bpe, SentencePieceTrainer, Unigram
from nmt.errors import ConfigError, DataError
from tests.commands import write_lines

GRAMMAR = Grammar(train=120, validation=3, test=2)
TOKENIZERS: dict[str, SentencePieceTrainer] = {
    "bpe": Bpe(vocab_size=150),
    "bpe-dropout": Bpe(vocab_size=150, sampling=0.3),
    "unigram-sampling": Unigram(vocab_size=150, sampling=0.5),
    "two vocabularies": Bpe(vocab_size=100, joint=False, sampling=0.1),
}
FILTERS = Filters(max_length=60, max_ratio=1.6)


def prepare_grammar(folder: Path, trainer: SentencePieceTrainer, links: LinkSource | None = "given") -> PreparedData:
    return prepare(GRAMMAR, trainer, FILTERS, folder, links)


def choose_sure(line: str) -> set[tuple[int, int]]:
    """The links that a Pharaoh line teaches: of each target word the sure ones, or else the possible ones."""
    found = [(int(i), kind, int(j)) for i, kind, j in re.findall(r"(\d+)([-p])(\d+)", line)]
    sure = {j for _, kind, j in found if kind == "-"}
    return {(i, j) for i, kind, j in found if kind == "-" or j not in sure}


@pytest.mark.parametrize("name", TOKENIZERS)
def test_pieces_of_linked_words_are_linked(name: str, tmp_path: Path) -> None:
    """Every batch of two epochs: its links, told by the text of the words that its pieces spell."""
    trainer = TOKENIZERS[name]
    data = prepare_grammar(tmp_path, trainer)
    gold = GRAMMAR.load("train")
    assert gold.alignments is not None
    batches = Batches(data.train, data.tokenizers, BatchSettings(tokens=400, width_multiple=3), seed=5)
    assert 0 < data.train.pairs < len(gold.source)
    seen = 0
    for epoch in (batches.make_epoch(0), batches.make_epoch(1)):
        for batch in epoch.iterate_batches(0):
            assert batch.links is not None
            for row, line in enumerate(batch.lines.tolist()):
                ids = batch.source[row, : int(batch.source_lengths[row]) - 1].tolist()
                target = batch.target_input[row, 1:].tolist()
                target = target[: target.index(0)] if 0 in target else target
                sides = zip(data.tokenizers, (ids, target), strict=True)
                source_words, target_words = (tokenizer.get_word_indices(side) for tokenizer, side in sides)
                assert data.tokenizers.source.decode([ids]) == [gold.source[line]]
                wanted = np.zeros(batch.links[row].shape, bool)
                links = choose_sure(gold.alignments[line])
                for t, j in enumerate(target_words):
                    for s, i in enumerate(source_words):
                        wanted[t, s] = (i, j) in links
                assert np.array_equal(batch.links[row].numpy(), wanted)
                seen += 1
    assert seen == 2 * data.train.pairs


def test_the_cache_gives_the_same_links_and_knows_where_they_come_from(tmp_path: Path) -> None:
    trainer = TOKENIZERS["bpe"]
    found = {way: prepare_grammar(tmp_path, trainer, way) for way in (None, "given", "em")}
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 3
    assert found[None].train.links is None
    for way in ("given", "em"):
        again, before = prepare_grammar(tmp_path, trainer, way).train.links, found[way].train.links
        assert again is not None
        assert before is not None
        assert all(np.array_equal(one, other) for one, other in zip(again, before, strict=True))
    given, em = (found[way].train.links for way in ("given", "em"))
    assert given is not None
    assert em is not None
    assert np.array_equal(given.source_words, em.source_words)
    assert not np.array_equal(given.source, em.source)


@pytest.mark.usefixtures("unchecked_shapes")
def test_learnt_links_are_about_the_gold_ones() -> None:
    text = Grammar(train=250, validation=1, test=1).load("train")
    links = learn_links(text.source, text.target)
    right = total = 0
    for place, line in enumerate(text.alignments or ()):
        inside = slice(links.offsets[place], links.offsets[place + 1])
        found = set(zip(links.source[inside].tolist(), links.target[inside].tolist(), strict=True))
        right += len(found & {(int(i), int(j)) for i, j in re.findall(r"(\d+)[-p](\d+)", line)})
        total += len(found)
    assert right / total > 0.65


def test_links_are_sure_ones_where_a_word_has_any() -> None:
    links = parse_links(["0-0 1p0 2p1 3p1", "", "1-1"])
    assert links.offsets.tolist() == [0, 3, 3, 4]
    assert list(zip(links.source.tolist(), links.target.tolist(), strict=True)) == [(0, 0), (2, 1), (3, 1), (1, 1)]


@given(sentences=lists(lists(tuples(integers(1, 3), integers(1, 3)), max_size=4), max_size=5))
def test_words_follow_another_segmentation(sentences: list[list[tuple[int, int]]]) -> None:
    """Words of 1 to 3 pieces each way; id 1 begins a word, id 0 does not."""
    begins = np.array([False, True])
    best, drawn = (
        RaggedIds.from_sentences(
            [[piece for word in line for piece in [1] + [0] * (word[way] - 1)] for line in sentences]
        )
        for way in (0, 1)
    )
    words, wanted = (
        np.array([n for line in sentences for n, word in enumerate(line) for _ in range(word[way])], np.int32)
        for way in (0, 1)
    )
    assert follow_words(best, words, drawn, begins).tolist() == wanted.tolist()


def make_files(folder: Path, *links: str) -> dict[str, str]:
    paths = {name: str(folder / name) for name in ("source", "target", "links")}
    write_lines(Path(paths["source"]), "a b c", "", "b c", "a \u00a0 b\u2026 c")
    write_lines(Path(paths["target"]), "x y", "z", "y x", "x y z")
    write_lines(Path(paths["links"]), *links)
    return paths


def build_corpus(paths: dict[str, str], **validation: str) -> Files:
    sides = {side: paths[side] for side in ("source", "target")}
    return Files(
        source_language="en",
        target_language="de",
        train=SplitFiles(**paths),
        validation=SplitFiles(**sides, **validation),
    )


def test_links_of_a_file_stay_with_their_lines(tmp_path: Path) -> None:
    corpus = build_corpus(make_files(tmp_path, "0-0 2-1", "", "0-0", "0-0 1-1 2-2"))
    data = prepare(corpus, Bpe(vocab_size=20), Filters(), tmp_path / "cache", "given")
    assert data.train.lines.tolist() == [0, 2, 3]
    batch = collate(data.train, np.array([2, 0]))
    assert batch.links is not None
    words = data.tokenizers.source.encode_with_words("a \u00a0 b\u2026 c")[1]
    for t, word in enumerate(data.tokenizers.target.encode_with_words("x y z")[1]):
        assert batch.links[0, t, : len(words)].tolist() == [each == word for each in words]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0-2", r"links \(data\.train\.links\), line 3: link 0-2 lies outside its sentence pair of 2 source and 2"),
        ("0:1", r"links \(data\.train\.links\), line 3: a link is written i-j"),
    ],
)
def test_a_link_that_cannot_be_is_told_by_file_and_line(line: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        build_corpus(make_files(tmp_path, "", "", line, "")).load("train")


def test_em_is_for_training_text_only(tmp_path: Path) -> None:
    paths = make_files(tmp_path, "", "", "", "")
    corpus = build_corpus({**paths, "links": "em"})
    corpus.check()
    text = corpus.load("train")
    assert text is not None
    assert text.alignments is None
    with pytest.raises(ConfigError, match=r"data\.validation\.links=em: links that judge"):
        build_corpus(paths, links="em")
    with pytest.raises(ConfigError, match=r"data\.test\.links=em"):
        Files(
            source_language="en",
            target_language="de",
            train=SplitFiles(**paths),
            validation=1,
            test=OptionalSplitFiles(**{**paths, "links": "em"}),
        )


def test_links_of_no_pairs() -> None:
    assert WordLinks.from_sets([]).offsets.tolist() == [0]
    assert learn_links(["", ""], ["a", ""]).offsets.tolist() == [0, 0, 0]
