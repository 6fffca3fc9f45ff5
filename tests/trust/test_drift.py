"""A run goes on only as what it was: other settings, other text or another vocabulary end it at once, by name."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from nmt import build, config
from nmt.errors import CheckpointError
from nmt.runs import fingerprint, run_folder, training_run
from nmt.runs.earlier import keep_choices
from nmt.runs.fingerprint import check_same_vocabulary
from nmt.runs.training_run import run
from tests import tiny_runs

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus in files, and a finished run of it."""
    home = tmp_path_factory.mktemp("drift")
    grammar = build.build_corpus(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES))
    for split in ("train", "validation"):
        text = grammar.load(split)
        assert text is not None
        for side in ("source", "target"):
            (home / f"{split}.{side}").write_text("".join(f"{line}\n" for line in getattr(text, side)))
    run(chosen(home), home / "run")
    return home


def chosen(home: Path, *overrides: str, train: str = "train") -> dict[str, Any]:
    small = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("data.")]
    names = {"train": train, "validation": "validation"}
    files = [f"data.{split}.{side}={home / names[split]}.{side}" for split in names for side in ("source", "target")]
    languages = ("data=files", "data.source_language=en", "data.target_language=de")
    composed = tiny_runs.compose_config(*small, *languages, *files, *overrides)
    return config.check({**composed, "output": str(home / "run"), "cache": str(home / "cache")}, build.TRAIN)


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        (["model.embedding_size=6"], "model.embedding_size: was 8, now 6"),
        (["attention/score=additive", "optimizer.learning_rate=0.5"], "optimizer.learning_rate: was 0.01, now 0.5"),
        (["tokenizer.vocab_size=120"], "tokenizer.vocab_size: was 130, now 120"),
        (["tokenizer=unigram", "tokenizer.vocab_size=130"], "tokenizer.name: was bpe, now unigram"),
        (["seed=2"], "seed: was 1, now 2"),
        (["filters.max_length=50"], "filters.max_length: was 100, now 50"),
    ],
)
def test_other_settings_fail_before_any_data_are_read(
    overrides: list[str], told: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_run, "prepare", lambda *arguments: pytest.fail("no data are to be prepared"))
    before = tiny_runs.snapshot(home / "run")
    with pytest.raises(CheckpointError, match="cannot go on with these") as caught:
        run(chosen(home, *overrides), home / "run")
    assert told in str(caught.value)
    assert tiny_runs.snapshot(home / "run") == before


def test_a_run_with_a_number_goes_on_where_the_command_leaves_it_open(home: Path) -> None:
    """As a run of version 0.1, whose default was a number, given the same command now."""
    left_open = chosen(home, "tokenizer.vocab_size=auto")
    assert run(left_open, home / "run").reason == "steps (8)"
    assert keep_choices(home / "run", left_open) == chosen(home)
    assert keep_choices(home / "gone", left_open) == left_open


def test_a_run_without_tokens_of_bleu_may_be_given_some(home: Path, tmp_path: Path) -> None:
    now, later = chosen(home), chosen(home, "bleu.tokenize=char")
    folder = tmp_path / "run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "run.json").write_text('{"format": 1}')
    (folder / "config.yaml").write_text(yaml.safe_dump({key: value for key, value in now.items() if key != "bleu"}))
    run_folder.check(folder, later)
    (folder / "config.yaml").write_text(yaml.safe_dump(now))
    run_folder.check(folder, chosen(home, "bleu.tokenize=13a"))  # what auto comes to for German
    with pytest.raises(CheckpointError, match=r"bleu\.tokenize: was 13a, now char"):
        run_folder.check(folder, later)


@pytest.mark.parametrize("kept", [b"[]", b'{"corpuw": "0"}', b'{"corpus": "0", "parts": 3}', b'{"corpus": "0"}'])
def test_a_mark_of_other_text_may_be_damaged_or_of_an_earlier_version(home: Path, tmp_path: Path, kept: bytes) -> None:
    corpus = build.build_corpus(chosen(home))
    checkpoint = tmp_path / "checkpoints" / "step-000003"
    checkpoint.mkdir(parents=True)
    (checkpoint / fingerprint.DATA).write_bytes(kept)
    with pytest.raises(CheckpointError, match=r"made from other text\. Changed since step-000003: the data\."):
        fingerprint.check_same_text(checkpoint, corpus)
    whole = json.loads(fingerprint.fingerprint(corpus))
    (checkpoint / fingerprint.DATA).write_text(json.dumps({"corpus": whole["corpus"]}))
    fingerprint.check_same_text(checkpoint, corpus)


def test_other_text_fails_before_any_data_are_prepared(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_run, "prepare", lambda *arguments: pytest.fail("no data are to be prepared"))
    content = (home / "train.source").read_bytes()
    before = tiny_runs.snapshot(home / "run")
    (home / "train.source").write_bytes(content.replace(b"e", b"i", 1))
    try:
        with pytest.raises(
            CheckpointError,
            match=r"made from other text\. Changed since step-000008: train\. Files count by their bytes",
        ):
            run(chosen(home), home / "run")
    finally:
        (home / "train.source").write_bytes(content)
    assert tiny_runs.snapshot(home / "run") == before


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    (tmp_path / "spm.model").write_bytes(b"pieces")
    check_same_vocabulary(tmp_path, {"spm.model": b"pieces", "config.json": b"{}"})
    with pytest.raises(CheckpointError, match=r"spm\.model differs"):
        check_same_vocabulary(tmp_path, {"spm.model": b"others", "config.json": b"{}"})
