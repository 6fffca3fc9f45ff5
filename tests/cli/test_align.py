"""nmt-align writes the links that attention draws between the words of given pairs, and judges them."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.cli import align
from nmt.cli.align import SCHEMA, AlignSettings, run_task
from nmt.config import build, check
from nmt.errors import ConfigError, DataError
from nmt.evaluation.alignment import Link, extract_argmax_links, parse_pharaoh_line
from nmt.evaluation.explanation import compute_word_importances
from nmt.evaluation.extraction import Threshold
from nmt.evaluation.validation import compute_word_alignments
from nmt.inference import inference
from nmt.translation.translator import BatchTranslator, force_decode
from tests.commands import compose_command, read_lines, run_process, write_lines
from tests.trained import TrainedRun


@pytest.fixture(scope="module")
def pairs(trained: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The words of a command that aligns three pairs, two empty sides among them."""
    folder = tmp_path_factory.mktemp("pairs")
    source = write_lines(folder / "source.txt", trained.text.source[0], "", trained.text.source[1], "only a source", "")
    target = write_lines(folder / "target.txt", trained.text.target[0], "", trained.text.target[1], "", "nur ein Ziel")
    return f"model={trained.folder}", f"source={source}", f"target={target}"


@pytest.fixture(scope="module")
def reversed_run(trained: TrainedRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says of itself that it translates in the other direction."""
    folder = tmp_path_factory.mktemp("reversed")
    best = trained.folder / "checkpoints" / "best"
    for name in ("model.safetensors", "spm.model"):
        (folder / name).write_bytes((best / name).read_bytes())
    stored = json.loads((best / "config.json").read_text())
    stored["source_language"], stored["target_language"] = stored["target_language"], stored["source_language"]
    (folder / "config.json").write_text(json.dumps(stored))
    return folder


def align_links(folder: Path, *given: str) -> list[frozenset[Link]]:
    """The links that the task writes."""
    out = folder / "links.txt"
    run_task(compose_command("align", *given, f"output={out}"))
    return [parse_pharaoh_line(line, where="links.txt").sure for line in read_lines(out)]


def score_links(capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, object]:
    """What the task prints as JSON, and nothing else."""
    run_task(compose_command("align", *given, "format=json"))
    found: dict[str, object] = json.loads(capsys.readouterr().out)
    return found


def load_translator(trained: TrainedRun) -> BatchTranslator:
    """The tiny model."""
    settings = inference.InferenceSettings(device="cpu", threads=None, tokens=100)
    return inference.build_translator(inference.load(str(trained.folder), settings), settings, {})


def test_the_command_prints_a_line_of_links_for_every_pair(pairs: tuple[str, ...], trained: TrainedRun) -> None:
    done = run_process("align", *pairs)
    assert (done.returncode, done.stderr) == (0, b"")
    rows = done.stdout.decode().split("\n")
    assert len(rows) == 6
    assert (rows[1], rows[3], rows[4], rows[5]) == ("", "", "", "")
    for row, number in ((rows[0], 0), (rows[2], 1)):
        found = parse_pharaoh_line(row, where="standard output").sure
        sizes = len(trained.text.source[number].split()), len(trained.text.target[number].split())
        assert sorted(j for _, j in found) == list(range(sizes[1]))
        assert all(i < sizes[0] for i, _ in found)


def test_links_are_the_largest_weights(pairs: tuple[str, ...], trained: TrainedRun, tmp_path: Path) -> None:
    found = align_links(tmp_path, *pairs)
    weights = compute_word_alignments(
        load_translator(trained), trained.text.source[:2], trained.text.target[:2], position="predicted"
    )
    assert [found[0], found[2]] == [extract_argmax_links(each) for each in weights]
    more = align_links(tmp_path, *pairs, "extract=threshold", "extract.threshold=0.05")
    assert [more[0], more[2]] == [Threshold(threshold=0.05)(each) for each in weights]


def test_scores_are_those_of_a_hand_made_example(
    pairs: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = align_links(tmp_path, *pairs)
    sure, possible = sorted(found[0])[:2], sorted(found[2])[:1]
    gold = write_lines(
        tmp_path / "gold.txt", " ".join(f"{i}-{j}" for i, j in sure), "", f"{possible[0][0]}p{possible[0][1]}", "", ""
    )
    printed = score_links(capsys, *pairs, f"gold={gold}")
    claimed = len(found[0]) + len(found[2])
    assert printed["links"] == claimed
    assert printed["precision"] == pytest.approx(3 / claimed)  # two that are sure and one that is possible
    assert printed["recall"] == 1
    assert printed["aer"] == pytest.approx(1 - (2 + 3) / (claimed + 2))
    assert printed["signature"] == "position:predicted|extract:argmax"


def test_against_its_own_links_nothing_is_wrong(
    pairs: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    align_links(tmp_path, *pairs, "position=read")
    gold = (tmp_path / "links.txt").rename(tmp_path / "gold.txt")
    out = tmp_path / "again.txt"
    printed = score_links(capsys, *pairs, "position=read", f"gold={gold}", f"output={out}")
    assert (printed["aer"], printed["precision"], printed["recall"]) == (0, 1, 1)
    assert read_lines(out) == read_lines(gold)
    run_task(compose_command("align", *pairs, "position=read", f"gold={gold}"))
    rows = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == ["AER", "precision", "recall", "links", "pairs"]


def test_a_word_is_read_one_step_after_it_is_predicted(trained: TrainedRun) -> None:
    model = load_translator(trained)
    pair = model.tokenizers.source.encode(["a b"])[0], model.tokenizers.target.encode(["x y z"])[0]
    predicted, read = (force_decode(model.model, [pair], position=position)[0] for position in ("predicted", "read"))
    assert np.allclose(predicted[1:], read, atol=1e-6)


def test_two_directions_are_joined(pairs: tuple[str, ...], reversed_run: Path, tmp_path: Path) -> None:
    one = align_links(tmp_path, *pairs)
    both = {
        method: align_links(tmp_path, *pairs, f"reverse={reversed_run}", f"symmetrize={method}")
        for method in ("intersection", "grow_diag_final_and", "union")
    }
    for number, forward in enumerate(one):
        assert both["intersection"][number] <= forward <= both["union"][number]
        assert both["intersection"][number] <= both["grow_diag_final_and"][number] <= both["union"][number]
    assert both["union"] != one


def test_a_model_of_the_same_direction_is_no_reverse(pairs: tuple[str, ...], trained: TrainedRun) -> None:
    with pytest.raises(ConfigError, match="from en, as model does"):
        run_task(compose_command("align", *pairs, f"reverse={trained.folder}"))


def test_heatmaps_are_drawn_of_the_first_pairs(pairs: tuple[str, ...], tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    align_links(tmp_path, *pairs, f"heatmaps.folder={pictures}", "heatmaps.limit=2")
    assert sorted(path.name for path in pictures.iterdir()) == ["001.png", "002.png"]
    vectors = tmp_path / "vectors"
    align_links(tmp_path, *pairs, f"heatmaps.folder={vectors}", "heatmaps.limit=1", "heatmaps.formats=[pdf,svg]")
    assert (vectors / "001.pdf").read_bytes().startswith(b"%PDF")
    assert b"<svg" in (vectors / "001.svg").read_bytes()
    assert len(list(vectors.iterdir())) == 2


def test_formats_of_heatmaps_are_those_that_can_be_written(pairs: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"heatmaps\.formats\[0\]='jpeg' is not one of its values"):
        run_task(compose_command("align", *pairs, "heatmaps.formats=[jpeg]"))


def test_what_cannot_be_drawn_or_scored_is_refused_at_once(tmp_path: Path) -> None:
    one, fifo = write_lines(tmp_path / "one", "a"), tmp_path / "fifo"
    os.mkfifo(fifo)
    words = ("model=none", f"source={one}", f"target={one}")
    with pytest.raises(ConfigError, match=r"heatmaps\.limit .* must be 1 or more; got -1"):
        run_task(compose_command("align", *words, "heatmaps.limit=-1"))
    with pytest.raises(DataError, match=r"fifo \(gold\) is a pipe, socket or device; a regular file is needed"):
        run_task(compose_command("align", *words, f"gold={fifo}"))
    with pytest.raises(ConfigError, match=r"output= is empty; it must be text, or null\."):
        run_task(compose_command("align", *words, "output="))


def test_unequal_texts_and_gold_are_told(pairs: tuple[str, ...], tmp_path: Path) -> None:
    short, wrong = (
        write_lines(tmp_path / "short.txt", "one"),
        write_lines(tmp_path / "wrong.txt", "99-0", "", "", "", ""),
    )
    with pytest.raises(DataError, match=r"5 lines and .*short\.txt 1"):
        run_task(compose_command("align", *pairs[:2], f"target={short}"))
    with pytest.raises(DataError, match="aligns 1 sentence pairs, but the text has 5"):
        run_task(compose_command("align", *pairs, f"gold={write_lines(tmp_path / 'gold.txt', '0-0')}"))
    with pytest.raises(DataError, match=r"wrong\.txt, line 1: link 99-0 lies outside"):
        run_task(compose_command("align", *pairs, f"gold={wrong}"))


@pytest.mark.parametrize("word", ["extract.threshold=1", "extract.threshold=-0.1"])
def test_a_threshold_lies_between_0_and_1(word: str) -> None:
    with pytest.raises(ConfigError, match=r"extract\.threshold must be at least 0 and below 1"):
        run_task(compose_command("align", "model=run", "source=a", "target=b", "extract=threshold", word))


def test_the_signature_says_what_shapes_the_links() -> None:
    given = ("model=run", "source=a", "target=b", "extract=threshold", "extract.threshold=0.5", "reverse=other")
    checked = check(compose_command("align", *given), SCHEMA)
    del checked["extract"]
    settings = build(AlignSettings, checked, extract=Threshold(threshold=0.5))
    assert settings.format_signature() == "position:predicted|extract:threshold:0.5|symmetrize:grow_diag_final_and"
    settings = replace(settings, method="em", model={"folder": None}, reverse=None)
    assert settings.format_signature() == "method:em|extract:threshold:0.5|symmetrize:grow_diag_final_and"


def test_a_picture_that_would_be_too_large_is_left_out_with_a_warning(
    pairs: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nmt.report import heatmap

    monkeypatch.setattr(heatmap, "MAX_WORDS", 3)
    text, pictures = write_lines(tmp_path / "text.txt", "a b", "a b c d", "c"), tmp_path / "pictures"
    words = [pairs[0], f"source={text}", f"target={text}", f"heatmaps.folder={pictures}"]
    links = align_links(tmp_path, *words)
    assert len(links) == 3
    assert sorted(path.name for path in pictures.iterdir()) == ["001.png", "003.png"]
    assert (
        "line 2 is not drawn (heatmaps.folder): 4 source and 4 target words make a picture of 16 cells" in caplog.text
    )


def test_a_picture_that_cannot_be_drawn_is_left_out_with_a_warning(
    pairs: tuple[str, ...], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise RuntimeError("no ink")

    monkeypatch.setattr("nmt.report.picture_maps.draw_alignment", fail)
    assert align_links(tmp_path, *pairs, f"heatmaps.folder={tmp_path / 'pictures'}", "heatmaps.limit=1")
    assert "line 1 is not drawn (heatmaps.folder): RuntimeError('no ink')" in caplog.text


def test_a_line_over_the_limit_is_refused(pairs: tuple[str, ...], tmp_path: Path) -> None:
    long = write_lines(tmp_path / "long.txt", "a", "b", "c", "a " * 300_000, "d")
    for words in ([pairs[1], f"target={long}"], [f"source={long}", pairs[2]]):
        with pytest.raises(DataError, match=r"long\.txt, line 4 has more than 1000 pieces, the limit \(max_length\)"):
            align_links(tmp_path, pairs[0], *words)
    assert align_links(tmp_path, *pairs, "max_length=null") == align_links(tmp_path, *pairs)


def test_chunks_hold_as_many_weights_as_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(align, "CHUNK_PAIRS", 3)
    monkeypatch.setattr(align, "CHUNK_WEIGHTS", 20)
    parts = list(align.split_pairs([0, 0, 0, 0, 9, 3, 1], [0, 0, 0, 0, 9, 3, 0]))
    assert parts == [slice(0, 3), slice(3, 4), slice(4, 5), slice(5, 7)]
    assert list(align.split_pairs([], [])) == []


@pytest.mark.parametrize("method", ["gradient", "erase_input", "erase_memory"])
def test_links_by_importance_are_its_largest_shares(
    pairs: tuple[str, ...], trained: TrainedRun, tmp_path: Path, method: Any
) -> None:
    found = align_links(tmp_path, *pairs, f"method={method}", f"heatmaps.folder={tmp_path / 'pictures'}")
    texts = trained.text.source[:2], trained.text.target[:2]
    shares = compute_word_importances(load_translator(trained), *texts, method)
    assert [found[0], found[2]] == [extract_argmax_links(each) for each in shares]
    assert all(np.allclose(each.sum(-1)[each.any(-1)], 1.0) for each in shares)
    assert (found[1], found[3], found[4]) == (set(), set(), set())
    assert (tmp_path / "pictures" / "001.png").exists()


def test_the_signature_names_a_method_that_is_not_attention() -> None:
    checked = check(
        compose_command("align", "model=run", "source=a", "target=b", "method=gradient", "copies=10"), SCHEMA
    )
    del checked["extract"]
    settings = build(AlignSettings, checked, extract=Threshold(threshold=0.5))
    assert settings.format_signature() == "method:gradient|copies:10|position:predicted|extract:threshold:0.5"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["method=erase_input", "position=read"], r"position=read reads .* method=erase_input"),
        (["method=erase_memory", "copies=3"], r"copies=3 with method=erase_memory"),
        (["copies=-1", "method=gradient"], r"got copies=-1"),
        (["copies=1001", "method=gradient"], r"at most 1000, 0 for none; got copies=1001"),
        *(
            (
                [f"method={method}", "heatmaps.folder=f", word],
                rf"head choose .* method={method} draws",
            )
            for method in ("gradient", "erase_input", "erase_memory")
            for word in ("heatmaps.layer=1", "heatmaps.head=1")
        ),
        (["heatmaps.maps=true"], r"heatmaps\.maps says what is drawn, and without heatmaps\.folder nothing is"),
        (["heatmaps.layer=1", "heatmaps.head=1"], r"heatmaps\.layer, heatmaps\.head says what is drawn"),
        (["heatmaps.folder=pictures", "heatmaps.limit=0"], r"heatmaps\.limit .* must be 1 or more; got 0"),
    ],
)
def test_settings_of_another_method_are_refused(words: list[str], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        run_task(compose_command("align", "model=run", "source=a", "target=b", *words))


def test_every_layer_and_head_is_drawn_on_request(pairs: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    given = (*pairs, f"heatmaps.folder={folder}", "heatmaps.limit=1", "heatmaps.layer=1", "heatmaps.head=1")
    align_links(tmp_path, *given, "heatmaps.maps=true")
    names = {"001.png", "001-source.png", "001-maps.json", "001-maps.html"}
    assert {path.name for path in folder.iterdir()} == names
    weights = np.array(json.loads((folder / "001-maps.json").read_text())["maps"]["source"])
    np.testing.assert_allclose(weights.sum(-1), 1.0, atol=1e-4)
    with pytest.raises(ConfigError, match=r"heatmaps\.head counts from 1; got 0"):
        align_links(tmp_path, *pairs, "heatmaps.head=0")


@pytest.mark.parametrize("part", ["layer", "head"])
def test_a_layer_or_head_that_there_is_not_is_refused_before_the_work(
    part: str, pairs: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(align, "compute_pair_weights", lambda *given, **more: pytest.fail("the work was begun"))
    with pytest.raises(ConfigError, match=rf"no {part} 9: attention to the source has 1"):
        align_links(tmp_path, *pairs, f"heatmaps.folder={tmp_path / 'pictures'}", f"heatmaps.{part}=9")
    assert not any(tmp_path.iterdir())


EM_PAIRS = (
    *(("the house", "das Haus"), ("the book", "das Buch"), ("a book", "ein Buch"), ("a red house", "ein rotes Haus")),
    *(("", "nichts"), ("the red book .", "das rote Buch .")),
)


def test_em_aligns_without_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = (
        write_lines(tmp_path / name, *side) for name, side in zip("st", zip(*EM_PAIRS, strict=True), strict=True)
    )
    found = align_links(tmp_path, "method=em", f"source={source}", f"target={target}")
    assert [sorted(links) for links in found[:4]] == [[(i, i) for i in range(n)] for n in (2, 2, 2, 3)]
    assert found[4] == set()
    printed = score_links(capsys, "method=em", f"source={source}", f"target={target}", f"gold={tmp_path / 'links.txt'}")
    assert (printed["aer"], printed["signature"]) == (0, "method:em|extract:argmax|symmetrize:grow_diag_final_and")


def test_em_and_models_exclude_each_other(tmp_path: Path) -> None:
    one = write_lines(tmp_path / "one", "a b c")
    text = (f"source={one}", f"target={one}")
    with pytest.raises(ConfigError, match=r"method=em aligns without a model, in both directions; got model=run"):
        run_task(compose_command("align", *text, "method=em", "model=run"))
    with pytest.raises(ConfigError, match=r"model must be given: write model=\.\.\., or method=em"):
        run_task(compose_command("align", *text))
    with pytest.raises(ConfigError, match=r"position=read reads the attention .* method=em"):
        run_task(compose_command("align", *text, "method=em", "position=read"))
    with pytest.raises(DataError, match=r"one, line 1 has more than 2 words, the limit \(max_length\)"):
        run_task(compose_command("align", *text, "method=em", "max_length=2"))
