"""Every kind of local data that `datasets` reads gives the same text; nothing here touches a network."""

import json
import logging
import struct
from pathlib import Path
from typing import Any

import pytest

from nmt.data.corpus import Bitext
from nmt.data.hub import Hub, Splits
from nmt.errors import ConfigError, DataError

Kind = dict[str, Any]

ROWS = [{"en": f"a {n}", "de": f"ein {n}"} for n in range(10)]
ROWS[3] = {"en": 'a lone " quote, and a comma', "de": "NA"}
ROWS[4] = {"en": "null", "de": "None"}
TRAIN, VALIDATION = ROWS[:7], ROWS[7:]


@pytest.fixture(autouse=True)
def offline(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets
    import huggingface_hub.constants

    cache = tmp_path_factory.mktemp("hub")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", str(cache))


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Kind]:
    """The arguments for each kind of data, all with the same text."""
    from datasets import Dataset, DatasetDict, Translation, disable_progress_bars
    from datasets import Features as Columns

    disable_progress_bars()
    folder = tmp_path_factory.mktemp("data")
    found: dict[str, Kind] = {}
    for split, rows in (("train", TRAIN), ("validation", VALIDATION)):
        nested = [{"translation": row} for row in rows]
        flat = Dataset.from_list(rows)
        written = {
            "json": "".join(json.dumps(row) + "\n" for row in nested),
            "flat.json": "".join(json.dumps(row) + "\n" for row in rows),
            "tsv": "en\tde\n" + "".join(f"{row['en']}\t{row['de']}\n" for row in rows),
        }
        for ending, content in written.items():
            (folder / f"{split}.{ending}").write_text(content, encoding="utf-8")
        flat.to_csv(folder / f"{split}.csv", index=False)
        flat.to_parquet(folder / f"{split}.flat.parquet")
        Dataset.from_list(nested, features=Columns({"translation": Translation(languages=["en", "de"])})).to_parquet(
            folder / f"{split}.parquet"
        )
    for ending in ("json", "flat.json", "tsv", "csv", "flat.parquet", "parquet"):
        files = {split: str(folder / f"{split}.{ending}") for split in ("train", "validation")}
        path = {"tsv": "csv"}.get(ending, ending.split(".")[-1])
        found[ending] = {"path": path, "data_files": files}
    named = found["csv"] | {"source_column": "de", "target_column": "en"}
    found["named columns"] = named
    both = DatasetDict(train=Dataset.from_list(TRAIN), validation=Dataset.from_list(VALIDATION))
    both.save_to_disk(folder / "saved")
    found["saved"] = {"path": str(folder / "saved")}
    Dataset.from_list(ROWS).save_to_disk(folder / "saved-one")
    found["slices"] = {
        "path": str(folder / "saved-one"),
        "splits": Splits(train="train[:70%]", validation="train[70%:]", test=None),
    }
    repository = folder / "repository"
    repository.mkdir()
    for split in ("train", "validation"):
        (repository / f"{split}.jsonl").write_bytes((folder / f"{split}.json").read_bytes())
    found["folder"] = {"path": str(repository)}
    return found


KINDS = ["json", "flat.json", "tsv", "csv", "flat.parquet", "parquet", "named columns", "saved", "slices", "folder"]


def hub(kind: Kind, source: str = "de", target: str = "en") -> Hub:
    return Hub(source_language=source, target_language=target, **{"splits": Splits(test=None)} | kind)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_gives_the_same_text_and_identity(kinds: dict[str, Kind], name: str) -> None:
    corpus = hub(kinds[name])
    corpus.check()
    for split, rows in (("train", TRAIN), ("validation", VALIDATION)):
        assert corpus.load(split) == Bitext([row["de"] for row in rows], [row["en"] for row in rows])  # type: ignore[arg-type]
    assert corpus.load("test") is None
    assert corpus.get_identity() == hub(kinds["json"]).get_identity()


def test_languages_can_be_exchanged_and_identity_follows(kinds: dict[str, Kind]) -> None:
    there, back = hub(kinds["json"]), hub(kinds["json"], source="en", target="de")
    forth = there.load("train")
    assert forth is not None
    assert back.load("train") == Bitext(forth.target, forth.source)
    assert there.get_identity() != back.get_identity()


@pytest.mark.parametrize("name", ["saved", "json"])
def test_splits_may_be_slices(kinds: dict[str, Kind], name: str) -> None:
    corpus = hub(kinds[name] | {"splits": Splits(train="train[:2]+validation[1:]", validation="train[-1:]", test=None)})
    train, validation = corpus.load("train"), corpus.load("validation")
    assert train is not None
    assert validation is not None
    assert train.source == [row["de"] for row in TRAIN[:2] + VALIDATION[1:]]
    assert validation.source == [TRAIN[-1]["de"]]


def test_line_ends_become_spaces_and_missing_texts_empty_both_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [{"en": "a\nb", "de": "c"}, {"en": None, "de": "d\u2028e\r"}, {"en": "f", "de": ""}]
    nested, flat = tmp_path / "nested.json", tmp_path / "flat.json"
    nested.write_text("".join(json.dumps({"translation": row}) + "\n" for row in rows), encoding="utf-8")
    flat.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for file in (nested, flat):
        corpus = hub({"path": "json", "data_files": {"train": str(file), "validation": str(file)}})
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            assert corpus.load("train") == Bitext(["c", "d e ", ""], ["a b", "", "f"])
            corpus.get_identity()
        assert [record.message.split(": ")[1] for record in caplog.records if "split train" in record.message] == [
            "2 texts had line ends inside, now spaces; 1 were missing, now empty"
        ]


def test_what_is_not_there_is_told(kinds: dict[str, Kind], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.path=no/such, config x, revision y, split train.*Without a network"):
        hub({"path": "no/such", "config": "x", "revision": "y"}).load("train")
    for name in ("saved", "slices", "json", "folder"):
        for splits in (Splits(test="test"), Splits(validation="test")):
            with pytest.raises(DataError, match=r"split test could not be loaded.*Set data\.splits\.(test|validation)"):
                asked = hub(kinds[name] | {"splits": splits})
                assert asked.load("test") == asked.load("validation")
    with pytest.raises(DataError, match=r"translations in de, en; asked for were de and fr"):
        hub(kinds["parquet"], target="fr").load("train")
    with pytest.raises(DataError, match=r"no column of text called fr; its columns are .*en \(string\)"):
        hub(kinds["flat.parquet"], target="fr").load("train")
    with pytest.raises(DataError, match=r"flat\.json, line 1 has no 'fr'; it has en, de\. Every row"):
        hub(kinds["flat.json"], target="fr").check()
    with pytest.raises(DataError, match=r"No file matches .*\*\.json"):
        hub({"path": "json", "data_files": {"train": str(tmp_path / "*.json")}}).check()


@pytest.mark.parametrize("name", ["saved", "slices", "json", "folder"])
def test_a_test_split_that_nobody_named_may_be_absent(
    kinds: dict[str, Kind], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    named = kinds[name].get("splits", Splits())
    corpus = hub(kinds[name] | {"splits": Splits(train=named.train, validation=named.validation)})
    with caplog.at_level(logging.INFO):
        assert corpus.load("test") is None
        assert corpus.get_identity() == hub(kinds[name]).get_identity()
    assert caplog.text.count("has no split called test, so there is no test set") == 1
    with pytest.raises(DataError, match=r"split train could not be loaded"):
        hub({"path": "no/such", "splits": Splits()}).load("test")


def test_a_test_split_that_is_there_is_taken_unless_it_is_not_wanted(kinds: dict[str, Kind]) -> None:
    files = {**kinds["json"]["data_files"], "test": kinds["json"]["data_files"]["validation"]}
    kind = {"path": "json", "data_files": files}
    assert hub(kind | {"splits": Splits()}).load("test") == hub(kind).load("validation")
    assert hub(kind | {"splits": Splits(test=None)}).load("test") is None


def test_check_needs_no_library_and_no_network(kinds: dict[str, Kind], tmp_path: Path) -> None:
    hub({"path": "wmt/wmt14", "config": "de-en"}).check()
    hub(
        {"path": "csv", "data_files": {"train": "hf://datasets/a/b/c.csv", "validation": "https://example.org/*.csv"}}
    ).check()
    with pytest.raises(DataError, match=r"gone\.parquet .*is not a Parquet file"):
        (tmp_path / "gone.parquet").write_text("a\n")
        hub({"path": "parquet", "data_files": {"train": str(tmp_path / "gone.parquet")}}).check()
    with pytest.raises(DataError, match=r"no file .*gone\.csv"):
        hub({"path": "csv", "data_files": {"train": str(tmp_path / "gone.csv")}}).check()
    with pytest.raises(DataError, match="neither a folder"):
        hub({"path": str(tmp_path / "gone")}).check()
    with pytest.raises(ConfigError, match="data_files must say where"):
        hub({"path": "csv"})
    with pytest.raises(ConfigError, match="go together"):
        hub({"path": "a/b", "source_column": "en"})


def table(tmp_path: Path, content: str, name: str = "t.tsv", **options: Any) -> Hub:
    (tmp_path / name).write_text(content, encoding="utf-8")
    kind = {"path": "json" if "json" in name else "csv", "data_files": {"train": str(tmp_path / name)}}
    return hub(kind | options, source="en", target="de")


@pytest.mark.parametrize(
    ("first", "options", "skipped"),
    [
        ("en\tx\tde\n", {}, True),
        ("x\tde\ten\n", {}, True),
        ("en\tx\tde\n", {"source_column": 1, "target_column": 3}, True),
        ("en\tx\tde\n", {"source_column": 1, "target_column": 3, "header": False}, False),
        ("one\tx\teins\n", {"source_column": 1, "target_column": 3}, False),
        ("one\tx\teins\n", {"source_column": 1, "target_column": 3, "header": True}, True),
        ("one\tx\teins\n", {"source_column": "one", "target_column": 3}, True),
        ("one\tx\teins\n", {"source_column": "one", "target_column": "eins"}, True),
    ],
)
@pytest.mark.parametrize("name", ["t.tsv", "t.txt", "t.csv"])
def test_columns_have_numbers_or_names(
    tmp_path: Path, first: str, options: dict[str, Any], skipped: bool, name: str
) -> None:
    content = first + 'a\t"b" c\td\n\ne\t\tf\n'
    if name == "t.csv":
        content = content.replace('"b" c', '"b, ""c"""').replace("\t", ",")
    cells = [line.split("\t") for line in [first.rstrip("\n"), 'a\t"b" c\td', "e\t\tf"]]
    if name == "t.csv":
        cells[1][1] = 'b, "c"'
    places = (first.split().index("en"), first.split().index("de")) if "de" in first else (0, 2)
    corpus = table(tmp_path, content, name, **options)
    corpus.check()
    rows = cells[1:] if skipped else cells
    assert corpus.load("train") == Bitext(*([row[place] for row in rows] for place in places))


ROW = '{"translation": {"en": "a", "de": "b"}}\n'


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.jsonl", ROW * 2 + '{"translation": {"en": "x"}}\n', r"line 3: translation has no 'de'; it has en"),
        ("t.jsonl", ROW + '\n{"en": "x", "de": ["y"]}', r"line 3: de is \['y'\], where a text was expected"),
        ("t.jsonl", ROW + '{"translation": {"en": 5, "de": "y"}}', r"line 2: translation: en is 5, where a text"),
        ("t.jsonl", '{"translation": "a b"}\n', r"line 1: translation is 'a b', where one text a language"),
        ("t.jsonl", ROW + '{"translation": {"en": true, "de": "y"}}', r"line 2: translation: en is true"),
        ("t.jsonl", ROW + "{}\n", r"line 2 has no 'en'; it is empty"),
        ("t.jsonl", ROW + "[1]\n", r"line 2 is \[1\], where an object was expected"),
        ("t.jsonl", ROW + '{"en": "a"\n', r"line 2 is not JSON"),
        ("t.jsonl", ROW + "[" * 99_999 + "\n", r"line 2 is not JSON"),
        ("t.jsonl", '{"en": "\\ud800", "de": "a"}\n', r"line 1: en has half of a surrogate pair"),
        ("t.json", '[\n{"en": "a", "de": "b"},\n{"en": "a"}\n]', r"row 2 has no 'de'"),
        ("t.tsv", "en\tde\na\tb\n\nc\tmore\td\n", r"line 4 has 3 columns, where line 1 has 2: 1: 'c', 2: 'more'"),
        ("t.tsv", "en\tde\na\tb\nc\n", r"line 3 has 1 column, where line 1 has 2: 1: 'c'"),
        ("t.tsv", "a b\tc d\tCC-BY\n", r"no column called en. Its first line has 3 columns: 1: 'a b', 2: .*=1 .*=2"),
        ("t.csv", 'en,de\na,b\n"c,d\ne,f\n', r"not valid CSV .*Mend its quotes"),
        ("t.csv", "%PDF-1.4\n", r"is a PDF document"),
    ],
)
def test_a_row_that_is_not_what_it_should_be_is_told_with_file_and_line(
    tmp_path: Path, name: str, content: str, message: str
) -> None:
    with pytest.raises(DataError, match=rf"^{tmp_path / name}.*{message}"):
        table(tmp_path, content, name).load("train")


def test_a_number_is_a_column_that_there_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no column 3\. Its first line has 2 columns"):
        table(tmp_path, "a\tb\n", source_column=1, target_column=3).check()
    with pytest.raises(ConfigError, match=r"data\.target_column=0: columns are numbered from 1"):
        table(tmp_path, "a\tb\n", source_column=1, target_column=0)
    with pytest.raises(ConfigError, match=r"data\.header=false: columns without names are chosen by number"):
        table(tmp_path, "a\tb\n", header=False)


def test_a_whole_row_that_is_null_is_empty_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rows = table(tmp_path, ROW + '{"translation": null}\n{"translation": {"en": null, "de": "c"}}\n', "t.jsonl")
    assert rows.load("train") == Bitext(["a", "", ""], ["b", "", "c"])
    assert "3 were missing, now empty" in caplog.text


def test_rows_of_other_data_sets_are_told_with_their_number(tmp_path: Path) -> None:
    import pyarrow as pa
    from datasets import Dataset
    from pyarrow import parquet

    ends = pa.py_buffer(struct.pack("<4i", 0, 1, 2, 3))
    broken = pa.Array.from_buffers(pa.string(), 3, [None, ends, pa.py_buffer(b"ab\xff")])
    file = str(tmp_path / "t.parquet")
    parquet.write_table(pa.table({"en": broken, "de": ["a", "b", "c"]}), file)
    with pytest.raises(DataError, match=r"t\.parquet\), row 3 cannot be read as text: .*0xff"):
        hub({"path": "parquet", "data_files": {"train": file}}).load("train")
    Dataset.from_list([{"translation": {"en": 1, "de": "a"}}]).save_to_disk(tmp_path / "saved")
    with pytest.raises(DataError, match=r"split train, row 1: translation: en is 1, where a text was expected"):
        hub({"path": str(tmp_path / "saved")}).load("train")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "train.jsonl").write_text(ROW + '{"translation": {"en": "x"}}\n')
    with pytest.raises(DataError, match=r"split train, row 2: translation"):
        hub({"path": str(tmp_path / "folder")}).load("train")


@pytest.mark.parametrize("name", ["json", "saved"])
def test_a_number_of_pairs_is_split_off_for_validation(kinds: dict[str, Kind], name: str) -> None:
    corpus = hub(kinds[name] | {"splits": Splits(validation=2, test=None)})
    train, validation, whole = corpus.load("train"), corpus.load("validation"), hub(kinds[name]).load("train")
    assert train is not None
    assert validation is not None
    assert whole is not None
    assert len(validation.source) == 2
    pairs = [sorted(zip(*text[:2], strict=True)) for text in (train, validation, whole)]
    assert sorted(pairs[0] + pairs[1]) == pairs[2]
    assert corpus.get_identity() != hub(kinds[name] | {"splits": Splits(validation=3, test=None)}).get_identity()
    with pytest.raises(ConfigError, match=r"data\.splits\.validation=0 must be at least 1"):
        hub(kinds[name] | {"splits": Splits(validation=0)})
