"""A run with several corpora: it resumes exactly, tells of each corpus, and its model asks for a language."""

import json
from pathlib import Path
from typing import Any

import pytest

import nmt
from nmt import build, config
from nmt.cli import align, evaluate, score, translate
from nmt.composition.compose import compose_command, compose_training
from nmt.composition.overrides import MODEL_ALIASES
from nmt.errors import ConfigError, ModelError
from nmt.runs.outcome import RunResult
from nmt.runs.training_run import run
from tests import tiny_runs

CORPORA = {"de": ("en", "de", 50), "en": ("de", "en", 12)}
WORDS = (
    *(word for word in tiny_runs.BASE_OVERRIDES if not word.startswith("data.")),
    *("data=mix", "data.temperature=3", "tokenizer.vocab_size=140", "data.corpora.en.tag=<x>", "training.stop.steps=6"),
    *("training.validation.every_steps=3", "training.accumulate=2", "probes.sentences=2"),
    *(
        word
        for name, (source, target, size) in CORPORA.items()
        for word in (
            f"data.corpora.{name}.name=synthetic",
            f"data.corpora.{name}.source_language={source}",
            f"data.corpora.{name}.target_language={target}",
            f"data.corpora.{name}.train={size}",
            f"data.corpora.{name}.validation=4",
            f"data.corpora.{name}.test=3",
        )
    ),
)

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def build_settings(folder: Path) -> dict[str, Any]:
    composed = compose_training(WORDS)
    return config.check({**composed, "output": str(folder), "cache": str(folder.parent / "cache")}, build.TRAIN)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mixed")


@pytest.fixture(scope="module")
def whole(home: Path) -> RunResult:
    return run(build_settings(home / "whole"), home / "whole")


@pytest.fixture
def lines(whole: RunResult, tmp_path: Path) -> Path:
    """Source lines of the test set without their tags."""
    tagged = (whole.folder / "test.source.txt").read_text().splitlines()
    path = tmp_path / "lines"
    path.write_text("".join(line.split("> ")[-1] + "\n" for line in tagged))
    return path


def test_a_resumed_run_ends_as_one_that_was_not_stopped(whole: RunResult, home: Path) -> None:
    chosen = build_settings(home / "stopped")
    stopped = tiny_runs.build_run(chosen, home / "stopped", tiny_runs.DelayedInterruption(4))
    assert stopped.train() == "interrupted"
    assert tiny_runs.build_run(chosen, home / "stopped", seed=99).train() == "steps (6)"
    for name in ("model.safetensors", "state.safetensors"):
        last = [home / folder / "checkpoints" / "last" / name for folder in ("stopped", "whole")]
        assert last[0].read_bytes() == last[1].read_bytes()


def test_scores_are_those_of_all_and_of_each_corpus(whole: RunResult) -> None:
    names = {score["name"] for score in whole.scores}
    assert {f"test BLEU{name}" for name in ("", " de", " en")} <= names
    assert "test literature BLEU" not in names, "Moses has no rules for two languages at once"
    rows = [json.loads(line) for line in (whole.folder / "metrics.jsonl").read_text().splitlines()]
    found = next(row for row in rows if row["kind"] == "validation")
    assert {f"{metric}.{name}" for metric in ("loss", "bleu", "chrf") for name in CORPORA} <= found.keys()
    assert min(found["loss.de"], found["loss.en"]) <= found["loss"] <= max(found["loss.de"], found["loss.en"])
    log = (whole.folder / "train.log").read_text()
    assert "corpus en: 12 pairs, seen" in log
    assert "tagged <2en> <x>" in log


def test_a_model_for_several_languages_translates_to_the_one_that_is_asked_for(whole: RunResult, lines: Path) -> None:
    model = nmt.load(whole.folder, device="cpu")
    text = lines.read_text().splitlines()
    assert model.targets == ["de", "en"]
    with pytest.raises(ConfigError, match=r"translates to de, en\. Choose one of them: target=de"):
        model.translate(text)
    with pytest.raises(ConfigError, match="target=fr: this model translates to de, en"):
        model.translate(text, target="fr")
    with pytest.raises(ConfigError, match="tag=<y> is no tag of this model: its tags are <x>"):
        model.translate(text, target="de", tag="<y>")
    hypotheses = (whole.folder / "test.hypotheses.txt").read_text().splitlines()
    german, english = model.translate(text[:3], target="de"), model.translate(text[3:], target="en", tag="<x>")
    assert [each.text for each in (*german, *english)] == hypotheses
    assert english[0].alignment is not None
    assert english[0].alignment.source == text[3].split()
    assert english[0].alignment.source_pieces[1] == "<2en>"


def test_all_commands_take_a_language(whole: RunResult, lines: Path, tmp_path: Path) -> None:
    model, out = nmt.load(whole.folder, device="cpu"), tmp_path / "out"
    text = lines.read_text().splitlines()
    target = tmp_path / "target"
    target.write_text("".join(f"{each.text or 'a'} b\n" for each in model.translate(text, target="de")))
    given = (f"model={whole.folder}", "device=cpu")
    pairs = (f"source={lines}", f"target={target}", f"output={out}")

    def call(name: str, task: Any, *words: str) -> list[str]:
        task(compose_command(name, [*given, *words], MODEL_ALIASES))
        return out.read_text().splitlines()

    with pytest.raises(ConfigError, match="Choose one of them: target=de"):
        call("translate", translate.run_task, f"input={lines}", f"output={out}")
    found = call("translate", translate.run_task, f"input={lines}", f"output={out}", "target=de")
    assert found == [each.text for each in model.translate(text, target="de")]
    with pytest.raises(ConfigError, match="target_language=de"):
        call("score", score.run_task, *pairs)
    found = call("score", score.run_task, *pairs, "target_language=de")
    scores = model.score(text, target.read_text().splitlines(), target_language="de")
    assert [float(line.split()[0]) for line in found] == pytest.approx([each.log_prob for each in scores], abs=1e-4)
    found = call("align", align.run_task, *pairs, "target_language=de")
    alignments = model.align(text, target.read_text().splitlines(), target_language="de")
    assert found == [each.format_pharaoh() for each in alignments]
    for line, each in zip(text, found, strict=True):
        assert all(int(link.split("-")[0]) < len(line.split()) for link in each.split())
    evaluate.run_task(
        compose_command("evaluate", [*given, f"source={lines}", f"references={target}", "language=de"], MODEL_ALIASES)
    )


def test_a_model_folder_whose_tags_are_no_symbols_is_refused(whole: RunResult, tmp_path: Path) -> None:
    best = whole.folder / "checkpoints" / "best"
    for path in best.iterdir():
        if path.is_file() and path.name != "MANIFEST.json":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    content = json.loads((tmp_path / "config.json").read_text())
    assert content["tags"] == {"targets": {"de": "<2de>", "en": "<2en>"}, "others": ["<x>"]}
    content["tags"]["targets"]["fr"] = "<2fr>"
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="no symbols for: <2fr>"):
        nmt.load(tmp_path, device="cpu")
