"""Every kind of local data that `datasets` reads gives the same text; nothing here touches a network."""

import json
import logging
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
    assert corpus.identity() == hub(kinds["json"]).identity()


def test_languages_can_be_exchanged_and_identity_follows(kinds: dict[str, Kind]) -> None:
    there, back = hub(kinds["json"]), hub(kinds["json"], source="en", target="de")
    forth = there.load("train")
    assert forth is not None
    assert back.load("train") == Bitext(forth.target, forth.source)
    assert there.identity() != back.identity()


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
            corpus.identity()
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
        hub(kinds["flat.json"], target="fr").load("train")
    numbers = tmp_path / "numbers.json"
    numbers.write_text('{"en": 1, "de": "a"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"no column of text called en; its columns are en \(int64\)"):
        hub({"path": "json", "data_files": {"train": str(numbers)}}).load("train")


@pytest.mark.parametrize("name", ["saved", "slices", "json", "folder"])
def test_a_test_split_that_nobody_named_may_be_absent(
    kinds: dict[str, Kind], name: str, caplog: pytest.LogCaptureFixture
) -> None:
    named = kinds[name].get("splits", Splits())
    corpus = hub(kinds[name] | {"splits": Splits(train=named.train, validation=named.validation)})
    with caplog.at_level(logging.INFO):
        assert corpus.load("test") is None
        assert corpus.identity() == hub(kinds[name]).identity()
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
        {"path": "csv", "data_files": {"train": "hf://datasets/a/b/c.csv", "validation": str(tmp_path / "*.csv")}}
    ).check()
    with pytest.raises(DataError, match=r"no file .*gone\.csv"):
        hub({"path": "csv", "data_files": {"train": str(tmp_path / "gone.csv")}}).check()
    with pytest.raises(DataError, match="neither a folder"):
        hub({"path": str(tmp_path / "gone")}).check()
    with pytest.raises(ConfigError, match="data_files must say where"):
        hub({"path": "csv"})
    with pytest.raises(ConfigError, match="go together"):
        hub({"path": "a/b", "source_column": "en"})
