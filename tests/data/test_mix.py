"""Laws of mixtures: how much of an epoch each corpus has, which of its pairs, and what stands in front of its lines."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis.strategies import floats, integers, lists
from numpy.typing import NDArray
from scipy.stats import chisquare

from nmt import build, config
from nmt.data.batching import Batches, BatchSettings
from nmt.data.corpus import Bitext
from nmt.data.encoded import RaggedIds, TokenizedBitext
from nmt.data.filters import Filters
from nmt.data.held_out import select_pairs
from nmt.data.mix.corpus import Mix, join_texts, take_turns
from nmt.data.mix.report import find_mixture, get_tags
from nmt.data.mix.shares import CorpusMixture, compute_shares, count_pairs
from nmt.data.mix.tags import find_missing, put_tags, shift_links
from nmt.data.pharaoh import parse_pharaoh_line, shift_gold
from nmt.data.prepare import PreparedData, prepare
from nmt.data.tokenizer import Bpe, Tokenizers
from nmt.errors import ConfigError, DataError

SIZES = lists(integers(1, 60), min_size=1, max_size=4)
LETTERS = Bpe(vocab_size=15).train([" ".join("abcdefghij")] * 20, [" ".join("abcdefghij")] * 20)


# Shares ---------------------------------------------------------------------------------------------------------------


@given(sizes=lists(integers(1, 10**7), min_size=1, max_size=5), temperature=floats(0.5, 20.0))
def test_shares_are_powers_of_sizes(sizes: list[int], temperature: float) -> None:
    powers = [size ** (1 / temperature) for size in sizes]
    assert compute_shares(sizes, temperature=temperature) == pytest.approx([p / sum(powers) for p in powers])
    assert compute_shares(sizes, weights=[float(n) for n in sizes]) == pytest.approx([n / sum(sizes) for n in sizes])


@given(sizes=SIZES)
def test_at_temperature_one_an_epoch_has_every_pair_once(sizes: list[int]) -> None:
    counts = count_pairs(sizes, compute_shares(sizes).tolist())
    assert counts == sizes
    order = CorpusMixture(sizes, counts).draw_order(np.random.default_rng(1))
    assert sorted(order.tolist()) == list(range(sum(sizes)))


@given(sizes=SIZES, temperature=floats(0.5, 20.0), seed=integers(0, 9))
def test_a_pair_is_seen_as_often_as_all_of_its_corpus_or_once_more(
    sizes: list[int], temperature: float, seed: int
) -> None:
    counts = count_pairs(sizes, compute_shares(sizes, temperature=temperature).tolist())
    seen = Counter(CorpusMixture(sizes, counts).draw_order(np.random.default_rng(seed)).tolist())
    start = 0
    for size, count in zip(sizes, counts, strict=True):
        each = [seen[row] for row in range(start, start + size)]
        assert sum(each) == count
        assert set(each) <= {count // size, count // size + 1}
        start += size


def pairs(count: int) -> TokenizedBitext:
    ids = RaggedIds.from_sentences([[4 + n % 9] * (1 + n % 5) for n in range(count)])
    return TokenizedBitext(ids, ids, [""] * count, [""] * count, np.arange(count))


def read_epoch(batches: Batches, number: int) -> NDArray[np.int64]:
    epoch = batches.make_epoch(number)
    return np.concatenate([epoch.get_batch(index).lines.numpy() for index in range(len(epoch))])


def test_corpora_nine_to_one_in_size_are_seen_in_the_computed_proportions() -> None:
    sizes = [900, 100]
    shares = compute_shares(sizes, temperature=5.0)
    assert shares[0] == pytest.approx(9**0.2 / (9**0.2 + 1))
    mixture = CorpusMixture(sizes, count_pairs(sizes, shares.tolist()))
    batches = Batches(pairs(1000), LETTERS, BatchSettings(tokens=64), seed=3, mixture=mixture)
    seen = np.concatenate([read_epoch(batches, number) for number in range(8)])
    of_corpora = [int((seen < 900).sum()), int((seen >= 900).sum())]
    assert sum(of_corpora) == 8 * 1000
    assert chisquare(of_corpora, shares * sum(of_corpora)).pvalue > 0.9
    # Within a corpus, which pairs an epoch has, or has once more, is left to chance.
    for part in (seen[seen < 900], seen[seen >= 900] - 900):
        each = np.bincount(part)
        assert chisquare(each).pvalue > 0.01
    # Without a mixture, the proportions are those of the sizes, and the test can tell.
    plain = read_epoch(Batches(pairs(1000), LETTERS, BatchSettings(tokens=64), seed=3), 0)
    counts = [int((plain < 900).sum()), int((plain >= 900).sum())]
    assert chisquare(counts, shares * sum(counts)).pvalue < 1e-9


def test_an_epoch_is_a_pure_function_of_seed_and_number() -> None:
    mixture = CorpusMixture([40, 7], [20, 30])

    def make(seed: int) -> Batches:
        return Batches(pairs(47), LETTERS, BatchSettings(tokens=30), seed=seed, mixture=mixture)

    used = make(1)
    read_epoch(used, 4)
    found = [read_epoch(used, 2), read_epoch(make(1), 2), read_epoch(used, 3), read_epoch(make(2), 2)]
    assert found[0].tolist() == found[1].tolist()
    assert not any(np.array_equal(found[0], other) for other in found[2:])
    assert set(found[0].tolist()) != set(found[2].tolist()), "the remainder changes with the epoch"


# Corpora --------------------------------------------------------------------------------------------------------------


def write(folder: Path, name: str, source: list[str], target: list[str]) -> dict[str, Any]:
    paths = {side: folder / f"{name}.{side}" for side in ("source", "target")}
    for path, lines in zip(paths.values(), (source, target), strict=True):
        path.write_text("".join(f"{line}\n" for line in lines))
    return {side: str(path) for side, path in paths.items()}


def make_files(folder: Path, name: str, language: str, size: int = 5, **more: Any) -> dict[str, Any]:
    """The settings of a corpus of files, whose words have its name."""
    splits = {
        split: write(
            folder, f"{name}.{split}", [f"{split} {name} {n}" for n in range(count)], [f"{language} {n}"] * count
        )
        for split, count in (("train", size), ("validation", 3), ("test", 2))
        for n in (0,)
    }
    return {"name": "files", "source_language": "en", "target_language": language, **splits, **more}


def build_mix(corpora: dict[str, Any], **settings: Any) -> Mix:
    data = config.check({"data": {"name": "mix", "corpora": corpora, **settings}}, {"data": build.DATA})
    made = build.build_corpus(data)
    assert isinstance(made, Mix)
    return made


def test_source_lines_have_the_tag_of_their_target_and_then_that_of_their_corpus(tmp_path: Path) -> None:
    mix = build_mix(
        {
            "news": make_files(tmp_path, "news", "fr"),
            "back": make_files(tmp_path, "back", "de", tag="<bt>", held_out=False),
            "own": make_files(tmp_path, "own", "de"),
        }
    )
    train, validation, test = (mix.load(split) for split in ("train", "validation", "test"))
    assert train is not None
    assert validation is not None
    assert test is not None
    assert train.corpora == ["back"] * 5 + ["news"] * 5 + ["own"] * 5
    assert train.source[0] == "<2de> <bt> train back 0"
    assert train.source[5] == "<2fr> train news 0"
    assert train.target[5:7] == ["fr 0", "fr 0"]
    assert validation.corpora == ["news", "own"] * 3, "corpora take turns"
    assert [line.split()[-1] for line in validation.source] == ["0", "0", "1", "1", "2", "2"]
    assert test.corpora == ["news"] * 2 + ["own"] * 2
    assert mix.tags.symbols == ["<2de>", "<2fr>", "<bt>"] == get_tags(mix).symbols
    assert (mix.source_language, mix.target_language) == ("en", "mul")


def test_one_target_language_needs_no_tag(tmp_path: Path) -> None:
    corpora = {name: make_files(tmp_path, name, "de") for name in "ab"}
    assert build_mix(corpora).tags.symbols == []
    assert build_mix(corpora).target_language == "de"
    assert build_mix(corpora, target_tags="always").tags.targets == {"de": "<2de>"}
    text = build_mix(corpora).load("train")
    assert text is not None
    assert text.source[0] == "train a 0"


def test_blank_lines_get_no_tag_and_links_follow_their_words() -> None:
    assert put_tags(["a b", "", " "], ["<2de>", "<bt>"]) == ["<2de> <bt> a b", "", " "]
    assert put_tags(["a b"], []) == ["a b"]
    assert shift_links(["0-0 11p2", ""], 2) == ["2-0 13p2", ""]
    gold = parse_pharaoh_line("0-0 11p2", where="here")
    assert shift_gold(gold, 2) == parse_pharaoh_line("2-0 13p2", where="here")


def test_selected_pairs_keep_their_corpora() -> None:
    text = join_texts({"b": Bitext(["1", "2", "3"], ["4", "5", "6"]), "a": Bitext(["7"], ["8"])})
    assert text.corpora == ["b", "b", "b", "a"]
    assert take_turns(text).source == ["7", "1", "2", "3"]
    assert select_pairs(text, [3, 0]) == Bitext(["7", "1"], ["8", "4"], corpora=["a", "b"])


def test_what_a_corpus_is_changes_the_identity_of_the_mixture(tmp_path: Path) -> None:
    corpora = {name: make_files(tmp_path, name, "de") for name in "ab"}
    first = build_mix(corpora).get_identity()
    assert build_mix(corpora, temperature=3.0).get_identity() == first, "which pairs an epoch has is no text"
    assert build_mix({**corpora, "b": {**corpora["b"], "tag": "<x>"}}).get_identity() != first
    assert build_mix({**corpora, "b": {**corpora["b"], "held_out": False}}).get_identity() != first
    Path(corpora["a"]["train"]["source"]).write_text("other\n" * 5)
    changed = build_mix(corpora).get_identity()
    assert {key for key in first if changed[key] != first[key]} == {"corpora.a"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": 2.0}, "data.corpora.b.weight is not given"),
        ({"tag": "two words"}, "cannot be a symbol"),
        ({"held_out": "maybe"}, "data.corpora.a.held_out='maybe' must be true or false"),
        ({"wait": 2.0}, r"data.corpora.a.wait is not a setting.*weight"),
        ({"name": "mix"}, "data.corpora.a.name='mix' is not one of its variants"),
        ({"validation": 0}, "data.corpora.a.validation=0 must be at least 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    corpora = {name: make_files(tmp_path, name, "de") for name in "ab"}
    with pytest.raises(ConfigError, match=message):
        build_mix({**corpora, "a": {**corpora["a"], **change}})


def test_a_mixture_is_of_text_with_shares_that_can_be(tmp_path: Path) -> None:
    files = make_files(tmp_path, "a", "de")
    with pytest.raises(ConfigError, match=r"data.corpora.b.name=copying cannot be mixed: .* files, hub, pairs"):
        build_mix({"a": files, "b": {"name": "copying"}})
    with pytest.raises(ConfigError, match="names no corpus"):
        build_mix({})
    with pytest.raises(ConfigError, match="cannot be a name"):
        build_mix({"a.b": files})
    with pytest.raises(ConfigError, match="Leave one of the two out"):
        build_mix({"a": {**files, "weight": 1.0}}, temperature=2.0)
    with pytest.raises(ConfigError, match="must be above 0"):
        build_mix({"a": files}, temperature=0.0)
    with pytest.raises(ConfigError, match="none has validation pairs"):
        build_mix({"a": {**files, "held_out": False}})


def test_what_is_wrong_with_a_corpus_is_said_with_its_name(tmp_path: Path) -> None:
    corpora = {name: make_files(tmp_path, name, "de") for name in "ab"}
    Path(corpora["b"]["train"]["target"]).write_text("one\n")
    with pytest.raises(DataError, match=r"^corpus b: .*has 5 lines and .*has 1"):
        build_mix(corpora).load("train")
    Path(corpora["b"]["train"]["target"]).unlink()
    with pytest.raises(DataError, match=r"data\.corpora\.b\.train\.target"):
        build_mix(corpora).check()


# Prepared data --------------------------------------------------------------------------------------------------------


def prepare_mix(mix: Mix, folder: Path, tokenizer: Bpe | None = None) -> PreparedData:
    return prepare(mix, tokenizer or Bpe(symbols=mix.tags.symbols), Filters(), folder / "cache")


def test_prepared_pairs_know_their_corpora_and_tags_are_pieces(tmp_path: Path) -> None:
    mix = build_mix({"a": make_files(tmp_path, "a", "de", 9), "b": make_files(tmp_path, "b", "fr", 3)}, temperature=2.0)
    for _ in ("made", "from the cache"):
        data = prepare_mix(mix, tmp_path)
        assert data.report["corpora"] == {"a": {"read": 9, "kept": 9}, "b": {"read": 3, "kept": 3}}
        mixture = find_mixture(mix, data.report)
        assert mixture == CorpusMixture([9, 3], [8, 4]), "12 pairs in the proportions of 3 and the square root of 3"
        pieces = data.tokenizers.source.label(data.train.source.get_item(9))
        assert "<2fr>" in pieces
    assert data.report["copies"]["validation"]["pairs"] == 0


def test_a_vocabulary_without_the_tags_is_refused(tmp_path: Path) -> None:
    mix = build_mix({name: make_files(tmp_path, name, name) for name in ("de", "fr")})
    with pytest.raises(DataError, match="no symbol for <2de>, <2fr>"):
        prepare_mix(mix, tmp_path, Bpe())
    vocabulary: Tokenizers = Bpe(symbols=["<2de>"]).train(["ab cd"] * 9, ["abc"])
    assert find_missing(["<2de>", "<2fr>"], vocabulary.target.serialized) == ["<2fr>"]


def test_tags_make_no_difference_to_copies_and_overlaps(tmp_path: Path) -> None:
    corpora = {name: make_files(tmp_path, name, name) for name in ("de", "fr")}
    for path in ("source", "target"):
        Path(corpora["de"]["train"][path]).write_text("same words\nother words\n")
        Path(corpora["de"]["test"][path]).write_text("same words\n")
    corpora["de"]["tag"] = "<x>"
    report = prepare_mix(build_mix(corpora), tmp_path).report
    assert report["copies"]["train"]["pairs"] == 2
    assert (report["overlap"]["test"]["read"], report["overlap"]["test"]["pairs"]) == (3, 1)
