"""The Python API gives what the commands give, and leaves the process as it was."""

import doctest
import json
import logging
import os
import random
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from matplotlib.figure import Figure
from safetensors.torch import load_file, save_file

import nmt
from nmt import api, attention_layer, build
from nmt.attention.attention import Attention
from nmt.cli import align, evaluate, score, train, translate
from nmt.comparison.local import LocalLauncher
from nmt.config import check
from nmt.errors import ConfigError, DataError, ModelError
from nmt.kernels.process_state import is_flushing_denormals, preserve_process
from nmt.runs.training_run import run
from nmt.training.loop import Loop
from tests.builders import make_positions
from tests.commands import ROOT, build_environment, compose_command, read_lines, write_lines
from tests.synthetic_light import lighten
from tests.trained import TINY_OVERRIDES, TrainedRun

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

CHANGED = {
    **{"data.test": 2, "data.validation": 2, "probes.sentences": 0, "search.max_ratio": 0.1},
    **{"training.stop.epochs": 2, "training.validation.every_epochs": 2},
}
SHORT = (
    *(word for word in TINY_OVERRIDES if word.split("=")[0] not in CHANGED),
    *(f"{key}={value}" for key, value in CHANGED.items()),
)
"""A run of two steps."""

BRIEF = (0, 2, 3)
"""Short pairs of the training set."""


@pytest.fixture(scope="module")
def model(trained: TrainedRun) -> api.Translator:
    return nmt.load(trained.folder, device="cpu")


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    lighten(monkeypatch)


# Names ------------------------------------------------------------------------------------------------------------


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, nmt; assert nmt.__version__; assert set(nmt.__all__) == set(dir(nmt)), dir(nmt); nmt.ConfigError\n"
        "print(*{'torch', 'numpy', 'hydra', 'omegaconf', 'matplotlib', 'tqdm', 'yaml', 'nmt.api'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], env=build_environment(), capture_output=True, check=True)
    assert done.stdout.decode().strip() == ""


def test_every_public_name_is_there() -> None:
    names: dict[str, Any] = {}
    exec("from nmt import *", names)
    assert set(nmt.__all__) <= set(names)
    assert names["ConfigError"] is ConfigError
    assert names["Translator"] is api.Translator
    with pytest.raises(AttributeError, match="no attribute 'tranlate'"):
        nmt.tranlate  # noqa: B018
    assert {"load", "train", "compare", "evaluate", "Attention", "Translator"} <= set(dir(nmt))


# Translating ------------------------------------------------------------------------------------------------------


def run_translate(trained: TrainedRun, folder: Path, *words: str) -> list[str]:
    """What nmt-translate writes for the training sources, with an empty line among them."""
    source = write_lines(folder / "in.txt", *read_sources(trained))
    out = folder / "out.txt"
    given = (f"model={trained.folder}", f"input={source}", f"output={out}", *words)
    translate.run_task(compose_command("translate", *given))
    return read_lines(out)


def read_sources(trained: TrainedRun) -> list[str]:
    """Short lines, an empty one among them."""
    return ["", *(trained.text.source[place] for place in BRIEF)]


def test_translations_are_those_of_the_command(model: api.Translator, trained: TrainedRun, tmp_path: Path) -> None:
    rows = run_translate(trained, tmp_path, "format=json", "weights=true", "search.size=4", "search.nbest=3")
    found = model.translate(read_sources(trained), search={"size": 4, "nbest": 3})
    for row, translation in zip(map(json.loads, rows), found, strict=True):
        assert translation.text == row["text"]
        assert len(translation.hypotheses) == len(row["hypotheses"])
        for hypothesis, theirs in zip(translation.hypotheses, row["hypotheses"], strict=True):
            assert (hypothesis.text, hypothesis.pieces) == (theirs["text"], theirs["pieces"])
            assert hypothesis.score == pytest.approx(theirs["score"], abs=1e-5)
            assert hypothesis.log_prob == pytest.approx(theirs["log_prob"], abs=1e-5)
            assert hypothesis.log_probs == pytest.approx(theirs["log_probs"], abs=1e-5)
        if translation.hypotheses:
            assert translation.alignment is not None
            assert translation.alignment.source_pieces == row["source"]
            assert translation.alignment.piece_weights is not None
            assert np.allclose(translation.alignment.piece_weights, row["hypotheses"][0]["weights"], atol=1e-5)
            assert translation.pieces == translation.hypotheses[0].pieces == translation.alignment.target_pieces
            assert translation.score == translation.hypotheses[0].score
        else:
            assert translation[:5] == ("", 0.0, [], None, [])
        assert translation.seconds > 0
    assert [translation.text for translation in found[1:]] == [trained.text.target[place] for place in BRIEF]


@pytest.mark.parametrize(
    ("words", "search"),
    [
        pytest.param(["search=greedy"], "greedy", marks=pytest.mark.slow),
        pytest.param(
            ["search=diverse_beam", "search.nbest=2"], {"name": "diverse_beam", "nbest": 2}, marks=pytest.mark.slow
        ),
        (["search=sampling", "search.seed=3", "search.top_p=0.9"], {"name": "sampling", "seed": 3, "top_p": 0.9}),
        pytest.param(
            ["search.max_ratio=0.2", "search.max_extra=0"], {"max_ratio": 0.2, "max_extra": 0}, marks=pytest.mark.slow
        ),
    ],
)
def test_searches_are_those_of_the_command(
    model: api.Translator, trained: TrainedRun, tmp_path: Path, words: list[str], search: Any
) -> None:
    texts = [translation.text for translation in model.translate(read_sources(trained), search=search)]
    assert texts == run_translate(trained, tmp_path, *words)


def test_prefixes_begin_translations_as_those_of_the_command(
    model: api.Translator, trained: TrainedRun, tmp_path: Path
) -> None:
    prefixes = ["Emma", "", "Ein", ""]
    file = write_lines(tmp_path / "prefixes.txt", *prefixes)
    found = model.translate(read_sources(trained), prefixes=prefixes, alignments=False)
    assert [translation.text for translation in found] == run_translate(trained, tmp_path, f"prefix={file}")
    assert found[2].text.startswith("Ein")
    assert all(translation.alignment is None for translation in found)


def test_long_lines_are_cut_with_a_warning(model: api.Translator, caplog: pytest.LogCaptureFixture) -> None:
    (found,) = model.translate(["In the hospital there is a sofa."], max_source=4)
    assert "pieces; only the first 4 are read (max_source)" in caplog.text
    assert found.alignment is not None
    assert len(found.alignment.source_pieces) == 5
    assert found.alignment.weights.shape == (len(found.alignment.target), len(found.alignment.source))
    assert len(found.alignment.source) < 7


def test_the_words_of_a_translation_are_aligned(model: api.Translator, trained: TrainedRun) -> None:
    (found,) = model.translate(trained.text.source[:1])
    alignment = found.alignment
    assert alignment is not None
    assert (alignment.source, alignment.target) == (trained.text.source[0].split(), found.text.split())
    assert alignment.links == {(int(row.argmax()), place) for place, row in enumerate(alignment.weights)}
    assert "weights" not in repr(alignment)
    figure = alignment.heatmap(title="attention", gold="0-0 1p1")
    assert isinstance(figure, Figure)
    assert figure._repr_png_()[:4] == alignment._repr_png_()[:4] == b"\x89PNG"  # type: ignore[attr-defined]
    assert alignment.heatmap(pieces=True).get_size_inches()[0] > figure.get_size_inches()[0]
    with pytest.raises(DataError, match="gold"):
        alignment.heatmap(gold="0:0")


def test_an_ensemble_is_that_of_the_command(trained: TrainedRun, tmp_path: Path) -> None:
    other = perturb(trained, tmp_path / "other")
    both = nmt.load([trained.folder, other], device="cpu")
    lines = read_sources(trained)
    source = write_lines(tmp_path / "in.txt", *lines)
    out = tmp_path / "out.txt"
    given = (f"model=[{trained.folder},{other}]", f"input={source}", f"output={out}", "format=nbest")
    translate.run_task(compose_command("translate", *given))
    found = both.translate(lines)
    assert [f"{n} ||| {t.text} ||| {t.score:.4f}" for n, t in enumerate(found)] == [
        f"{line.rpartition(' ')[0]} {float(line.rpartition(' ')[2]):.4f}" for line in read_lines(out)
    ]
    alone = [nmt.load(folder).align(trained.text.source[:2], trained.text.target[:2]) for folder in both.folders]
    together = both.align(trained.text.source[:2], trained.text.target[:2])
    for one, two, mean in zip(*alone, together, strict=True):
        assert np.allclose((one.piece_weights + two.piece_weights) / 2, mean.piece_weights, atol=1e-6)


def perturb(trained: TrainedRun, folder: Path) -> Path:
    """A copy of the model with other weights."""
    folder.mkdir()
    best = trained.folder / "checkpoints" / "best"
    for name in ("config.json", "spm.model"):
        (folder / name).write_bytes((best / name).read_bytes())
    generator = torch.Generator().manual_seed(7)
    tensors = load_file(best / "model.safetensors")
    noisy = {name: part + 0.02 * torch.randn(part.shape, generator=generator) for name, part in tensors.items()}
    save_file(noisy, folder / "model.safetensors")
    return folder


def test_threads_take_turns(model: api.Translator, trained: TrainedRun) -> None:
    lines = read_sources(trained)
    wanted = [translation.text for translation in model.translate(lines)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda shift: model.translate(lines[shift:]), range(4)))
    assert [[translation.text for translation in each] for each in found] == [wanted[shift:] for shift in range(4)]


# Given translations -----------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_command(model: api.Translator, trained: TrainedRun, tmp_path: Path) -> None:
    source, target = [*trained.text.source[:3], "a source", ""], [*trained.text.target[:3], "", "ein Ziel"]
    paths = write_lines(tmp_path / "source.txt", *source), write_lines(tmp_path / "target.txt", *target)
    out = tmp_path / "scores.jsonl"
    given = (f"model={trained.folder}", f"source={paths[0]}", f"target={paths[1]}", f"output={out}", "format=json")
    score.run_task(compose_command("score", *given))
    for row, found in zip(map(json.loads, read_lines(out)), model.score(source, target), strict=True):
        assert (found.text, found.tokens, found.pieces) == (row["text"], row["tokens"], row["pieces"])
        for name in ("log_prob", "per_token", "perplexity"):
            assert getattr(found, name) == pytest.approx(row[name], rel=1e-4)
        assert found.log_probs == pytest.approx(row["log_probs"], rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ([], {}),
        (["position=read"], {"position": "read"}),
        (
            ["extract=threshold", "extract.threshold=0.1"],
            {"extract": {"name": "threshold", "threshold": 0.1}},
        ),
        (["method=gradient", "copies=2"], {"method": "gradient", "copies": 2}),
        (["method=erase_input"], {"method": "erase_input"}),
        (["method=erase_memory"], {"method": "erase_memory"}),
    ],
)
def test_links_are_those_of_the_command(
    model: api.Translator, trained: TrainedRun, tmp_path: Path, words: list[str], settings: dict[str, Any]
) -> None:
    source, target = [*trained.text.source[:3], "a source", ""], [*trained.text.target[:3], "", "ein Ziel"]
    paths = write_lines(tmp_path / "source.txt", *source), write_lines(tmp_path / "target.txt", *target)
    out = tmp_path / "links.txt"
    given = (f"model={trained.folder}", f"source={paths[0]}", f"target={paths[1]}", f"output={out}", *words)
    align.run_task(compose_command("align", *given))
    assert [alignment.format_pharaoh() for alignment in model.align(source, target, **settings)] == read_lines(out)


def test_importances_have_weights_between_words_alone(model: api.Translator, trained: TrainedRun) -> None:
    (found,) = model.align(trained.text.source[:1], trained.text.target[:1], method="erase_input")
    assert found.piece_weights is None
    assert found.weights.shape == (len(found.target), len(found.source))
    assert np.allclose(found.weights.sum(-1), 1)
    assert (found.weights >= 0).all()
    assert found.heatmap()._repr_png_()[:4] == b"\x89PNG"  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="importances are those of whole source words"):
        found.heatmap(pieces=True)
    with pytest.raises(ConfigError, match=r"position=read reads the attention .* method=erase_input"):
        model.align(["a"], ["b"], method="erase_input", position="read")
    with pytest.raises(ConfigError, match=r"copies are noisy copies for method=gradient.* got copies=3"):
        model.align(["a"], ["b"], copies=3)
    with pytest.raises(ConfigError, match=r"method='em' is not one of its values\. Choose from: attention"):
        model.align(["a"], ["b"], method="em")  # type: ignore[arg-type]


def test_both_directions_are_joined(model: api.Translator, trained: TrainedRun, tmp_path: Path) -> None:
    reverse = perturb(trained, tmp_path / "reverse")
    settings = json.loads((reverse / "config.json").read_text())
    settings["source_language"], settings["target_language"] = "de", "en"
    (reverse / "config.json").write_text(json.dumps(settings))
    pairs = trained.text.source[:2], trained.text.target[:2]
    paths = [write_lines(tmp_path / f"{place}.txt", *lines) for place, lines in enumerate(pairs)]
    given = (f"model={trained.folder}", f"source={paths[0]}", f"target={paths[1]}", f"reverse={reverse}")
    align.run_task(compose_command("align", *given, f"output={tmp_path / 'links.txt'}"))
    found = model.align(*pairs, reverse=nmt.load(reverse))
    assert [alignment.format_pharaoh() for alignment in found] == read_lines(tmp_path / "links.txt")
    with pytest.raises(ConfigError, match="reverse translates from en, as this model does"):
        model.align(*pairs, reverse=model)


# Mistakes ---------------------------------------------------------------------------------------------------------


def test_what_is_wrong_is_said(model: api.Translator, trained: TrainedRun, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        nmt.load(tmp_path / "none")
    with pytest.raises(ConfigError, match="no folder was given"):
        nmt.load([])
    with pytest.raises(ConfigError, match="device='gpu' is not one of its values"):
        nmt.load(trained.folder, device="gpu")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="tokens must be at least 1"):
        nmt.load(trained.folder, tokens=0)
    with pytest.raises(ConfigError, match=r"search.sice is not a setting of beam. Did you mean size\?"):
        model.translate(["a"], search={"sice": 3})
    with pytest.raises(ConfigError, match=r"search.name='beem' is not one of its variants. Did you mean beam\?"):
        model.translate(["a"], search="beem")
    with pytest.raises(ConfigError, match="nbest"):
        model.translate(["a"], search={"nbest": 100, "size": 3})
    with pytest.raises(DataError, match=r"lines must be a list of lines; got one text. Write \[text\]"):
        model.translate("a")
    with pytest.raises(DataError, match="source has 1 lines and target 2"):
        model.score(["a"], ["b", "c"])
    with pytest.raises(DataError, match="lines has 2 lines and prefixes 1"):
        model.translate(["a", "b"], prefixes=["c"])
    with pytest.raises(ConfigError, match="position='reed'"):
        model.align(["a"], ["b"], position="reed")  # type: ignore[arg-type]


WRONG = (
    ["attention.scoop=local_p"],
    ["experiment=nowhere/mine.yaml"],
    ["from=/nowhere"],
    ["seed 2"],
    ["search=sampling", "search.size=8"],
    ["attention=luong"],
    ["attention=bahdanau,luong_dot"],
    ["optimizer.learning_rate=fast", "data=synthetic", "seed=no"],
)
"""The first are for the default tests."""


@pytest.mark.parametrize("words", [*WRONG[:4], *(pytest.param(words, marks=pytest.mark.slow) for words in WRONG[4:])])
def test_wrong_overrides_have_the_message_of_the_command(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as caught:
        nmt.train(*words)
    monkeypatch.setattr(sys, "argv", ["nmt-train", *words])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(SystemExit):
        train.main()
    GlobalHydra.instance().clear()
    assert capsys.readouterr().err == f"nmt-train: {caught.value}\n"


def test_nothing_and_an_output_twice_are_refused(tmp_path: Path) -> None:
    for ask in (nmt.train, nmt.compare):
        with pytest.raises(ConfigError, match="nothing was asked for"):
            ask()
    with pytest.raises(ConfigError, match="output is given twice"):
        nmt.train("output=here", output=tmp_path)
    with pytest.raises(ConfigError, match=r"A setting is text, such as 'seed=2'; got 3\."):
        nmt.train(3)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="-m is an option of the command line"):
        nmt.train("-m")
    with pytest.raises(ConfigError, match=r"attention=nix:\n  attention has no option 'nix'|has no option 'nix'"):
        nmt.compare("attention=nix,bahdanau", output=tmp_path)
    with pytest.raises(ConfigError, match="jobs"):
        nmt.compare("attention=bahdanau", jobs=0)
    for call in (nmt.train, nmt.compare):
        with pytest.raises(ConfigError, match="attention=bahdanau and attention=luong_dot choose from one group"):
            call("attention=bahdanau", "attention=luong_dot")


# Training ---------------------------------------------------------------------------------------------------------


def describe_process() -> list[Any]:
    """What of the process a run could change."""
    logger = logging.getLogger("nmt")
    return [
        random.getstate(),
        np.random.get_state()[1].tolist(),  # type: ignore[index, union-attr]
        torch.get_rng_state().tolist(),
        torch.get_num_threads(),
        torch.backends.mkldnn.matmul.fp32_precision,  # type: ignore[attr-defined]
        is_flushing_denormals(),
        (logger.level, logger.propagate, list(logger.handlers)),
        dict(os.environ),
        GlobalHydra.instance().hydra,
        list(sys.argv),
        os.getcwd(),
    ]


@pytest.mark.usefixtures("light")
def test_training_twice_gives_what_the_command_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cache = f"cache={tmp_path / 'cache'}"
    before = describe_process()
    first = nmt.train(*SHORT, cache, "threads=1", output=tmp_path / "first")
    results = []
    thread = threading.Thread(
        target=lambda: results.append(nmt.train(*SHORT, cache, "threads=1", output=tmp_path / "second"))
    )
    thread.start()
    thread.join()
    assert describe_process() == before
    capsys.readouterr()
    train.run_task(compose_command("train", *SHORT, cache, "threads=1", f"output={tmp_path / 'third'}"))
    weights = [
        (tmp_path / name / "checkpoints" / "best" / "model.safetensors").read_bytes()
        for name in ("first", "second", "third")
    ]
    assert weights[0] == weights[1] == weights[2]
    assert str(first).replace("first", "third") == capsys.readouterr().out.rstrip("\n")
    (second,) = results
    assert first.values == second.values
    assert first.reason == "epochs (2)"
    assert {score.name for score in first.scores} >= {"test BLEU", "test chrF2"}
    assert set(first.values) >= {"test BLEU", "AER"}
    about = json.loads((first.folder / "run.json").read_text())
    assert about["command"].startswith("nmt-train data.train=8")
    assert f"output={tmp_path / 'first'}" in about["command"].replace("'", "").replace('"', "")
    assert nmt.train(*SHORT, cache, "threads=1", output=tmp_path / "first").values == first.values
    assert first.model(device="cpu").translate(["Emma sells letters."])[0].hypotheses


def test_a_hydra_application_keeps_its_own(trained: TrainedRun) -> None:
    outer = SimpleNamespace()
    GlobalHydra.instance().hydra = outer  # type: ignore[assignment]
    try:
        with pytest.raises(ConfigError):
            nmt.train("attention=nix")
        assert GlobalHydra.instance().hydra is outer
    finally:
        GlobalHydra.instance().clear()


@pytest.mark.slow
def test_an_interrupted_run_is_gone_on_with(tmp_path: Path, light: None, monkeypatch: pytest.MonkeyPatch) -> None:
    real, seen = Loop._step, []

    def step(self: Loop, *given: Any) -> Any:
        if not seen:
            seen.append(signal.getsignal(signal.SIGINT))
            signal.raise_signal(signal.SIGINT)
        return real(self, *given)

    monkeypatch.setattr(Loop, "_step", step)
    before = signal.getsignal(signal.SIGINT)
    given = (*SHORT, f"cache={tmp_path / 'cache'}")
    with pytest.raises(KeyboardInterrupt):
        nmt.train(*given, output=tmp_path / "run")
    assert signal.getsignal(signal.SIGINT) == before != seen[0]
    assert nmt.train(*given, output=tmp_path / "run").reason == "epochs (2)"


# Comparing --------------------------------------------------------------------------------------------------------


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Comparisons train in this process."""

    def work(self: LocalLauncher, jobs: Any, *, at_once: int) -> int:
        with preserve_process():
            for job in jobs:
                run(job.settings, job.folder)
        return 0

    monkeypatch.setattr(LocalLauncher, "work", work)


@pytest.mark.usefixtures("light", "here")
def test_a_comparison_is_that_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = describe_process()
    words = ("attention=luong_general", *SHORT, f"cache={tmp_path / 'cache'}")
    result = nmt.compare(*words, seeds=[5], output=tmp_path / "compared", baseline="default")
    assert describe_process() == before
    assert capsys.readouterr().out == ""
    assert result.table == (tmp_path / "compared" / "comparison.txt").read_text()
    assert result.as_dict() == json.loads((tmp_path / "compared" / "comparison.json").read_text())
    assert result._repr_markdown_() == (tmp_path / "compared" / "comparison.md").read_text()
    assert [(run.seed, run.failure) for run in result.runs] == [(5, None)]
    assert result.comparison.baseline == "default"
    assert nmt.load(result.runs[0].folder).source_language == "en"


@pytest.mark.slow
def test_a_comparison_can_be_made_in_a_thread(tmp_path: Path) -> None:
    words = ("attention=bahdanau,luong_general", *SHORT, f"cache={tmp_path / 'cache'}")
    with ThreadPoolExecutor(1) as pool:
        result = pool.submit(nmt.compare, *words, seeds=1, output=tmp_path / "compared", jobs=2).result()
    assert [run.failure for run in result.runs] == [None, None]
    assert "attention=luong_general" in str(result)


# Scores -----------------------------------------------------------------------------------------------------------


def test_corpus_scores_are_those_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hypotheses, references = (
        ["Der Hund schläft.", "Sie singt laut.", "x"],
        ["Der Hund schläft.", "Sie singt leise.", ""],
    )
    others = ["Ein Hund schläft.", "Sie singt laut.", ""]
    sets = references, others
    texts = {"hypotheses": hypotheses, "one": references, "two": others}
    paths = {name: write_lines(tmp_path / f"{name}.txt", *lines) for name, lines in texts.items()}
    given = (f"hypotheses={paths['hypotheses']}", f"references=[{paths['one']},{paths['two']}]", "language=de")
    evaluate.run_task(compose_command("evaluate", *given, "format=json"))
    wanted = json.loads(capsys.readouterr().out)["scores"]
    assert [found.as_dict() for found in nmt.evaluate(hypotheses, sets, language="de")] == wanted
    single = nmt.evaluate(hypotheses, references, source=["The dog sleeps.", "", "x"], tokenize="char")
    assert single[0].value == pytest.approx(100)
    assert "tok:char" in single[0].signature
    with pytest.raises(ConfigError, match=r"tokenize='chars' is not one of its values. Did you mean char\?"):
        nmt.evaluate(hypotheses, references, tokenize="chars")
    with pytest.raises(DataError, match="references must be a list of lines"):
        nmt.evaluate(hypotheses, "Der Hund")
    with pytest.raises(DataError, match="hypotheses has 1 lines and references 3"):
        nmt.evaluate(hypotheses[:1], references)


# Attention --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{"history": "coverage"}, {"normalizer": "monotonic", "noise": 0.0}])
def test_queries_are_steps_where_attention_depends_on_its_earlier_steps(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    layer = nmt.Attention.of(score="additive", heads=2, query_size=6, memory_size=8, **settings).eval()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    query, states = torch.randn(2, 3, 6), torch.randn(2, 5, 8)
    context, weights = layer(query, states)
    assert (context.shape, weights.shape) == ((2, 3, 8), (2, 2, 3, 5))
    first_context, first_weights = layer(query[:, :1], states)
    assert torch.allclose(context[:, :1], first_context)
    assert torch.allclose(weights[:, :, :1], first_weights)
    assert not torch.allclose(weights[:, :, 1:], layer(query[:, 1:], states).weights)


def test_attention_is_made_by_the_names_of_its_parts() -> None:
    torch.manual_seed(0)
    layer = nmt.Attention.of(
        score="additive", scope="local_p", normalizer="entmax15", heads=4, query_size=12, memory_size=8, half_width=2
    )
    query, states = torch.randn(2, 3, 12, requires_grad=True), torch.randn(2, 7, 8)
    mask = torch.tensor([[True] * 7, [True] * 5 + [False] * 2])
    context, weights = layer(query, states, mask)
    assert (context.shape, weights.shape) == ((2, 3, 8), (2, 4, 3, 7))
    assert (weights[1, :, :, 5:] == 0).all()
    torch.manual_seed(0)
    chosen = {
        "heads": 4,
        "score": {"name": "additive", "hidden_size": 12},
        "scope": {"name": "local_p", "half_width": 2},
        "normalizer": {"name": "entmax15"},
        "history": {"name": "none"},
        "selection": {"name": "expected"},
    }
    same = build.build_attention(check(chosen, build.ATTENTION), query_size=12, memory_size=8, directions=1)
    assert isinstance(same, Attention)
    attended = same(query, same.remember(states, mask), make_positions(2, 3))
    assert torch.equal(context, attended.context)
    context.sum().backward()
    assert all(parameter.grad is not None for parameter in layer.parameters())
    whole = nmt.Attention.of(score="dot", query_size=8, memory_size=8)
    assert whole(states, states)[1].sum(-1).allclose(torch.ones(2, 1, 7))


def test_wrong_parts_of_attention_are_refused() -> None:
    sizes = {"query_size": 6, "memory_size": 4}
    with pytest.raises(ConfigError, match=r"half_with is not a setting of these parts. Did you mean half_width\?"):
        nmt.Attention.of(scope="local_m", half_with=3, **sizes)
    with pytest.raises(ConfigError, match=r"score.name='addative' is not one of its variants. Did you mean additive\?"):
        nmt.Attention.of(score="addative", **sizes)
    with pytest.raises(ConfigError, match="score='none' is no attention"):
        nmt.Attention.of(score="none", **sizes)
    with pytest.raises(ConfigError, match="their sizes must agree"):
        nmt.Attention.of(score="dot", **sizes)


# Documents --------------------------------------------------------------------------------------------------------


def test_examples_in_docstrings_are_true(trained: TrainedRun) -> None:
    for module in (api, attention_layer):
        names = {**vars(module), "folder": trained.folder}
        for test in doctest.DocTestFinder().find(module, module.__name__, globs=names):
            assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test).failed == 0, test.name


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process looks like the kernel of a notebook without ipywidgets."""
    shell = SimpleNamespace(config={"IPKernelApp": {}})
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]


CELLS = (
    "import nmt\nmodel = nmt.load(folder)",
    "translations = model.translate(lines, search={'nbest': 2}, progress=True)",
    "[translation.text for translation in translations]",
    "translations[0].alignment",
    "translations[0].alignment.heatmap(pieces=True)",
    "model.align(lines[:1], [translations[0].text])[0].links",
)


@pytest.mark.usefixtures("notebook")
def test_cells_of_a_notebook_run_and_show_pictures(trained: TrainedRun, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {"folder": str(trained.folder), "lines": read_sources(trained)[1:]}
    shown = []
    for cell in CELLS:
        try:
            shown.append(eval(cell, names))
        except SyntaxError:
            exec(cell, names)
    texts, alignment, figure, links = shown
    assert texts == [trained.text.target[place] for place in BRIEF]
    assert alignment._repr_png_().startswith(b"\x89PNG")
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert links == alignment.links
    assert "translating: 100%" in capsys.readouterr().err


def read_blocks() -> list[str]:
    """The Python blocks of the tutorial."""
    parts = (ROOT / "docs" / "python.md").read_text(encoding="utf-8").split("```")
    return [part.removeprefix("python\n") for part in parts[1::2] if part.startswith("python\n")]


@pytest.mark.parametrize("trains", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.usefixtures("light", "here")
def test_the_tutorial_runs(trained: TrainedRun, trains: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "outputs").mkdir()
    for name in ("mine", "other"):
        (tmp_path / "outputs" / name).symlink_to(trained.folder)
    names: dict[str, Any] = {"SHORT": (*SHORT, f"cache={tmp_path / 'cache'}")}
    for block in read_blocks():
        if "nmt.tune(" in block:  # as tests/tuning does, in less time
            continue
        if trains or not ("nmt.train(" in block or "nmt.compare(" in block):
            exec(block.replace('"experiment=quickstart"', "*SHORT").replace("seeds=3", "seeds=1"), names)
    assert (tmp_path / "attention.png").is_file()
    assert (tmp_path / "outputs" / "first" / "report.html").is_file() is trains
