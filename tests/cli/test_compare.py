"""nmt-compare: from a command line with commas to finished runs and their table, whatever becomes of single runs."""

import csv
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

import nmt
from nmt.cli import compare
from nmt.comparison import local, plan, results, variants
from nmt.comparison.compare import COMPARE_SETTINGS, check_output_is_free
from nmt.composition import unknown_keys
from nmt.composition.overrides import quote
from nmt.composition.paths import find_config_folder
from nmt.errors import CheckpointError, ConfigError
from nmt.evaluation.bleu import bleu
from nmt.evaluation.bleu_by_length import score_by_length
from nmt.evaluation.significance import SAMPLES, TESTS, adjust_holm, run_paired_bootstrap
from nmt.report.comparison import Comparison, RunScores
from nmt.report.significance_table import VariantPair
from nmt.runs import run_folder
from tests.commands import compose_command as found

TINY = [
    *("data.train=60", "data.validation=6", "data.test=20", "model.embedding_size=8", "model.encoder.hidden_size=8"),
    *("model.decoder.hidden_size=8", "training.stop.epochs=null", "training.stop.steps=2", "training.log_every=1"),
    *("training.validation.every_steps=2", "threads=1", "search=greedy"),
    *("search.max_ratio=0.5", "probes.sentences=1"),
]


def make_settings(output: Path, **settings: Any) -> dict[str, Any]:
    """configs/compare.yaml as Hydra composes it."""
    return {"output": str(output), "seeds": 2, "baseline": None, "jobs": 1} | settings


def make_overrides(folder: Path, *more: str) -> list[str]:
    return [*TINY, f"cache={quote(str(folder / 'cache'))}", *more]


def expand_variants(*given: str) -> list[variants.VariantOverrides]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        return variants.expand_variants(given)


# The command line --------------------------------------------------------------------------------------------------


def test_the_command_line_is_divided_between_the_comparison_and_its_runs() -> None:
    given = [
        "attention=a,b",
        "seeds=[5,6]",
        "--cfg",
        "job",
        "output=x",
        "~probes",
        "+data.x=1",
        "jobs=2",
        "-m",
        "seed=3",
    ]
    own, rest = compare.split_arguments([*given, "comparison=heads", "launcher=submitit", "launcher.options={a: b=c}"])
    assert own[:5] == ["seeds=[5,6]", "--cfg", "job", "output=x", "jobs=2"]
    assert own[5:] == ["comparison=heads", "launcher=submitit", "launcher.options={a: b=c}"]
    assert rest == ["attention=a,b", "~probes", "+data.x=1", "seed=3"]


def test_labels_and_seeds_can_be_written_without_quotes_and_brackets() -> None:
    assert compare.split_arguments(["seeds=5,6"])[0] == ["seeds=[5,6]"]
    assert compare.split_arguments(["baseline=attention=dot,heads=2"])[0] == ["baseline='attention=dot,heads=2'"]
    assert compare.split_arguments(["baseline='attention=dot'"])[0] == ["baseline='attention=dot'"]


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]) | st.sampled_from("'\\äß=")))
def test_quoted_texts_are_read_back_by_hydra(value: str) -> None:
    assert OverridesParser.create().parse_override(f"output={quote(value)}").value() == value


def test_every_setting_of_the_comparison_is_in_its_config() -> None:
    assert {key.split(".")[0] for key in unknown_keys.compose_config("compare", []).keys} == COMPARE_SETTINGS
    settings = compare.CompareSettings(output="x", seeds=1, baseline=None, jobs=1)
    assert {"comparison": settings.comparison, "launcher": settings.launcher}.items() <= found("compare").items()


@pytest.mark.parametrize("seeds", [0, -1, [], [1, 1], [-1], 10**9])
def test_seeds_must_name_different_seeds(tmp_path: Path, seeds: Any) -> None:
    with pytest.raises(ConfigError, match="seeds"):
        compare.run_task(make_settings(tmp_path, seeds=seeds), [], "")


# Variants ----------------------------------------------------------------------------------------------------------


def test_all_that_is_swept_is_combined_and_named() -> None:
    found = expand_variants(
        "attention=dot,additive", "seed_of_nothing=1", "a.b=range(1,3)", "attention/score=glob(co*)"
    )
    assert [variant.label for variant in found] == [
        f"attention={attention},a.b={b},attention.score={score}"
        for attention in ("dot", "additive")
        for b in (1, 2)
        for score in ("concat", "cosine")
    ]
    assert found[0].overrides == ["attention=dot", "seed_of_nothing=1", "a.b=1", "attention/score=concat"]


def test_without_a_sweep_there_is_one_variant() -> None:
    assert expand_variants("attention=dot") == [variants.VariantOverrides("default", ["attention=dot"])]


@given(st.lists(st.text(min_size=1), min_size=1))
def test_labels_are_names_for_every_file_system(swept: list[str]) -> None:
    label = variants.make_label([f"key={value}" for value in swept])
    assert len(label.encode()) <= variants.MAX_LABEL_BYTES
    assert not set(label) & set("/\\:*?\"<>|' \n\0")


def test_long_labels_stay_different() -> None:
    one, two = (variants.make_label([f"data.train.source={'very/long/' * 20}{name}"]) for name in "ab")
    assert one != two


@pytest.mark.parametrize(
    ("override", "message"),
    [
        *(("seed=1,2", "seeds=3"), ("a=x,X", "share"), ("a=[", r"a=\[ cannot be read")),
        *((f"a={sweep}", "no end") for sweep in ("interval(0,1)", "range(1,9,0)", "range(0,1e400)")),
        ("a=range(9,1)", "no values"),
        ("a=range(1,1000000000)", r"999,999,999 runs \(999999999 of a, times 1 seed\)"),
    ],
)
def test_sweeps_that_cannot_be_run_are_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        plan.plan_jobs([override], seeds=[1], output=tmp_path, at_once=1)


def test_the_number_of_runs_is_bounded_before_any_is_expanded() -> None:
    for words, seeds in (
        (["a=range(1,102)", "b=range(0,1,0.1)", "c=1"], 2),
        (["a=range(2002,1,-2)"], 1),
        (["a=1,2"], 5001),
    ):
        with pytest.raises(ConfigError, match="at most"):
            variants.check_run_count(words, [variants.count_sweep_values(parse(word)) for word in words], 1, seeds)
        variants.check_run_count(words[1:], [variants.count_sweep_values(parse(word)) for word in words[1:]], 3, 2)


def parse(word: str) -> Any:
    return OverridesParser.create().parse_override(word)


@given(st.integers(-50, 50), st.integers(-50, 50), st.sampled_from([-7, -1, 0.5, 1, 3]))
def test_values_of_a_range_are_counted_as_they_are_listed(start: int, stop: int, step: float) -> None:
    override = parse(f"a=range({start},{stop},{step})")
    if not (listed := variants.list_sweep_values(override)):
        with pytest.raises(ConfigError, match="no values"):
            variants.count_sweep_values(override)
    else:
        assert variants.count_sweep_values(override) == len(listed)


def test_runs_go_seed_by_seed_over_the_variants_and_the_table_by_variants(tmp_path: Path) -> None:
    given = make_overrides(tmp_path, "optimizer=adamw,adam")
    planned = plan.plan_jobs(given, seeds=[7, 3], output=tmp_path, at_once=1)
    labels = ["optimizer=adamw", "optimizer=adam"]
    assert [(job.seed, job.variant) for job in planned] == [(seed, label) for seed in (7, 3) for label in labels]
    rows = results.collect_runs(planned)
    assert {label: [run.seed for run in runs] for label, runs in rows.items()} == {label: [7, 3] for label in labels}
    assert list(rows) == labels
    assert variants.choose_baseline([job.variant for job in planned], None) == labels[0]


def test_the_baseline_is_the_first_or_the_one_that_is_named(tmp_path: Path) -> None:
    planned = plan.plan_jobs(make_overrides(tmp_path, "optimizer=adam,adamw"), seeds=[1], output=tmp_path, at_once=1)
    assert variants.choose_baseline([job.variant for job in planned], None) == "optimizer=adam"
    assert variants.choose_baseline([job.variant for job in planned], "optimizer=adamw") == "optimizer=adamw"
    with pytest.raises(ConfigError, match="Did you mean optimizer=adamw"):
        variants.choose_baseline([job.variant for job in planned], "optimizer=adamww")


def test_a_baseline_that_is_no_variant_is_told_before_runs_are_planned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "plan_jobs", lambda *given, **more: pytest.fail("runs are planned"))
    for words in (["optimizer=adam,adamw"], ["comparison=attentions"]):
        with pytest.raises(ConfigError, match="baseline=nosuch is not one of the variants"):
            nmt.compare(*words, baseline="nosuch", output=tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_runs_at_once_share_the_threads(tmp_path: Path) -> None:
    (job,) = plan.plan_jobs(["threads=null"], seeds=[1], output=tmp_path, at_once=4)
    assert job.settings["threads"] == 1  # the tests have one thread in all
    assert "threads=1" in job.overrides


def test_what_a_device_cannot_do_is_told_before_anything_runs(tmp_path: Path) -> None:
    given = make_overrides(tmp_path, "attention=luong_general,luong_dot", "training.compile=cuda_graphs", "device=cpu")
    with pytest.raises(ConfigError, match="compile=cuda_graphs captures CUDA graphs"):
        compare.run_task(make_settings(tmp_path / "out"), given, "")
    assert list(tmp_path.iterdir()) == []


def test_mistakes_in_any_variant_are_told_before_anything_runs(tmp_path: Path) -> None:
    given = make_overrides(tmp_path, "attention=luong_general,bahdnau,luong_dot", "optimizer.learning_rat=1")
    with pytest.raises(ConfigError) as typo:
        compare.run_task(make_settings(tmp_path / "out"), given, "")
    assert "optimizer.learning_rat is not a setting. Did you mean optimizer.learning_rate?" in str(typo.value)
    with pytest.raises(ConfigError) as several:
        compare.run_task(make_settings(tmp_path / "out"), given[:-1], "")
    assert "attention=bahdnau:\n  attention has no option 'bahdnau'. Did you mean bahdanau?" in str(several.value)
    assert "attention=luong_dot:\n  dot compares query and key directly" in str(several.value)
    assert "attention=luong_general" not in str(several.value)
    assert list(tmp_path.iterdir()) == []


# Processes ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def heard() -> Iterator[None]:
    """SIGINT as a terminal's foreground has it; what starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("held", ["report.html", "figures", "comparison.txt", "run.json"])
def test_what_is_not_the_comparisons_own_is_not_overwritten(tmp_path: Path, held: str) -> None:
    if held == "run.json":
        (tmp_path / held).write_text(json.dumps({"format": run_folder.FORMAT}))
    elif held == "figures":
        (tmp_path / held).mkdir()
    else:
        (tmp_path / held).write_text("mine")
    with pytest.raises(ConfigError, match=r"which a comparison would overwrite\. Choose another output"):
        check_output_is_free(tmp_path)


def test_what_is_its_own_or_nobodys_is_gone_on_with(tmp_path: Path) -> None:
    check_output_is_free(tmp_path / "new")
    assert not (tmp_path / "new").exists()  # to ask makes nothing
    (tmp_path / "chapter.tex").write_text("mine")
    check_output_is_free(tmp_path)
    for name in ("comparison.json", "comparison.txt", "report.html"):
        (tmp_path / name).write_text("")
    check_output_is_free(tmp_path)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"chapter.tex": "mine", "comparison.json": "", "comparison.txt": "", "report.html": ""}


@pytest.mark.usefixtures("heard")
def test_a_signal_ends_the_processes_and_starts_no_more(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    crew, status = local.ProcessGroup(), []
    with local.forward_signals(crew):
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        waiting = threading.Thread(target=lambda: status.append(crew.run(command, tmp_path / "log")))
        waiting.start()
        while not crew.children:
            pass
        os.kill(os.getpid(), signal.SIGINT)
        waiting.join()
    assert (crew.signal_number, status) == (signal.SIGINT, [-signal.SIGTERM])
    assert signal.getsignal(signal.SIGINT) == before
    (job,) = plan.plan_jobs(make_overrides(tmp_path), seeds=[1], output=tmp_path / "out", at_once=1)
    local.run_job(crew, job, "[1/1]")
    assert not job.folder.exists()


@pytest.mark.usefixtures("heard")
def test_what_was_to_be_ignored_stays_ignored() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with local.forward_signals(local.ProcessGroup()):
        assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN


def test_an_interrupted_comparison_has_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local.LocalLauncher, "work", lambda self, planned, at_once: signal.SIGTERM)
    with pytest.raises(SystemExit) as left:
        compare.run_task(make_settings(tmp_path / "out"), make_overrides(tmp_path), "")
    assert left.value.code == 143
    assert capsys.readouterr().out == ""


# Significance ------------------------------------------------------------------------------------------------------


def make_run(folder: Path, seed: int, hypotheses: list[str], references: list[str]) -> RunScores:
    """A run folder as far as the test looks at it."""
    folder.mkdir(parents=True)
    for kind, lines in (("hypotheses", hypotheses), ("references", references)):
        (folder / f"test.{kind}.txt").write_text("".join(f"{line}\n" for line in lines), newline="\n")
    return RunScores(seed, str(folder), {"BLEU": bleu(hypotheses, references).value})


REFERENCES = [f"the {noun} sees a {other} in the park ." for noun in ("man", "dog", "child") for other in "abcdefg"]
CLOSE = [line.replace("park", "garden") for line in REFERENCES]
FAR = [line.replace("sees a", "has no") for line in CLOSE]


def make_systems(folder: Path, **variants: list[list[str]]) -> dict[str, list[RunScores]]:
    """Runs of seeds 1, 2, ... for each variant's translations."""
    return {
        label: [make_run(folder / f"{label}{seed}", seed, text, REFERENCES) for seed, text in enumerate(texts, 1)]
        for label, texts in variants.items()
    }


def replace_words(share: float, seed: int) -> list[str]:
    """The references with a share of their words replaced."""
    chance = random.Random(seed)
    return [" ".join("x" if chance.random() < share else word for word in line.split()) for line in REFERENCES]


def compare_to_baseline(runs: dict[str, list[RunScores]], baseline: str = "a") -> Comparison:
    return results.compare_runs(runs, baseline=baseline, command="nmt-compare x=a,b")


def test_runs_of_the_same_seed_are_paired(tmp_path: Path) -> None:
    first = [make_run(tmp_path / f"a{seed}", seed, CLOSE, REFERENCES) for seed in (1, 2)]
    other = [make_run(tmp_path / f"b{seed}", seed, FAR, REFERENCES) for seed in (2, 3)]
    told = compare_to_baseline({"a": [*first, RunScores(3, "", failure="lost")], "b": other})
    found = told.variants[1].significance
    assert found is not None
    theirs = run_paired_bootstrap(REFERENCES, {"first": CLOSE, "other": FAR}, samples=SAMPLES)["other"].p_value
    assert found.seeds.keys() == {2}
    assert found.seeds[2]["bootstrap"] == theirs
    assert found.p_values == found.adjusted == found.seeds[2]  # of one seed and one pair, all are one
    assert found.difference == other[0].values["BLEU"] - first[1].values["BLEU"]
    assert told.pairs == [VariantPair("a", "b", found)]
    assert told.variants[0].significance is None


def test_other_test_sets_are_not_compared(tmp_path: Path) -> None:
    runs = {
        "a": [make_run(tmp_path / "a", 1, CLOSE, REFERENCES)],
        "other text": [make_run(tmp_path / "b", 1, CLOSE, CLOSE)],
        "other seed": [make_run(tmp_path / "c", 2, CLOSE, REFERENCES)],
        "no text": [RunScores(1, str(tmp_path / "d"), {"BLEU": 1.0})],
    }
    told = compare_to_baseline(runs)
    assert [variant.significance for variant in told.variants] == [None] * 4
    assert told.pairs == []


def test_every_pair_is_tested_and_each_family_adjusted_for_itself(tmp_path: Path) -> None:
    shares = {"a": 0.3, "b": 0.25, "c": 0.12}
    texts = {label: [replace_words(share, seed + 7 * ord(label)) for seed in (1, 2)] for label, share in shares.items()}
    told = compare_to_baseline(make_systems(tmp_path, **texts), baseline="b")
    assert [(pair.first, pair.other) for pair in told.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    for test in TESTS:
        pairs = [pair.significance for pair in told.pairs]
        assert [pair.adjusted[test] for pair in pairs] == adjust_holm([pair.p_values[test] for pair in pairs])
        against = {v.label: v.significance for v in told.variants if v.significance is not None}
        assert against.keys() == {"a", "c"}
        expected = adjust_holm([each.p_values[test] for each in against.values()])
        assert [each.adjusted[test] for each in against.values()] == expected
    assert against["a"].difference == -told.pairs[0].significance.difference
    assert against["a"].p_values == told.pairs[0].significance.p_values
    mean = {variant.label: variant.mean("BLEU") or 0.0 for variant in told.variants}
    assert told.pairs[1].significance.difference == pytest.approx(mean["c"] - mean["a"])


def test_seeds_that_differ_are_a_test_of_their_own_adjusted_with_its_like(tmp_path: Path) -> None:
    shares = {"a": (0.3, 0.2), "b": (0.25, 0.35), "c": (0.05, 0.1)}
    texts = {label: [replace_words(share, 7) for share in both] for label, both in shares.items()}
    told = compare_to_baseline(make_systems(tmp_path, **texts))
    pairs = [pair.significance for pair in told.pairs]
    assert [pair.adjusted["seeds"] for pair in pairs] == adjust_holm([pair.p_values["seeds"] for pair in pairs])
    alike = compare_to_baseline(make_systems(tmp_path / "alike", a=texts["a"], b=texts["b"][:1])).pairs[0].significance
    assert "seeds" not in alike.p_values  # one seed in common


def test_an_ensemble_of_seeds_is_one_model_and_has_no_seeds(tmp_path: Path) -> None:
    runs = make_systems(tmp_path, a=[replace_words(0.3, 1), replace_words(0.2, 2)], b=[replace_words(0.1, 3)])
    again = {"b": [replace(runs["b"][0], seed=seed) for seed in (1, 2)]}
    found = results.compare_runs(runs, baseline="a", command="", paired=again).pairs[0].significance
    assert found.seeds.keys() == {1, 2}
    assert found.p_values.keys() == set(TESTS)


@pytest.mark.parametrize(("better", "weaker"), [((0.08, 9.0), (0.01, 8.0)), ((20.0, 40.0), (0.9, 40.0))])
def test_where_a_variant_has_not_learnt_nothing_is_tested(
    tmp_path: Path, better: tuple[float, float], weaker: tuple[float, float]
) -> None:
    runs = make_systems(tmp_path, a=[CLOSE, CLOSE], b=[FAR, FAR], c=[CLOSE, FAR])
    scores = {"a": weaker, "b": better, "c": (25.0, 50.0)}
    weak = {
        label: [replace(run, values=dict(zip(("BLEU", "chrF2"), scores[label], strict=True))) for run in found]
        for label, found in runs.items()
    }
    told = compare_to_baseline(weak)
    pairs = {(pair.first, pair.other): pair.significance for pair in told.pairs}
    first = pairs["a", "b"]
    assert (first.p_values, first.adjusted, first.stars, first.significant_seeds) == ({}, {}, "", 0)
    assert first.difference == pytest.approx(better[0] - weaker[0])
    assert first.untested is not None
    assert f"BLEU {weaker[0]:.2f} and chrF {weaker[1]:.1f} against BLEU {better[0]:.2f}" in first.untested
    assert (pairs["b", "c"].untested is None) == (better[0] > 1)


def test_bleu_by_length_is_told_of_runs_that_kept_their_sources(tmp_path: Path) -> None:
    runs = make_systems(tmp_path, a=[CLOSE], b=[FAR])
    sources = [" ".join(["w"] * (1 + place % 5)) for place in range(len(REFERENCES))]
    (tmp_path / "a1" / "test.source.txt").write_text("".join(f"{line}\n" for line in sources))
    (first,), (second,) = (variant.runs for variant in compare_to_baseline(runs).variants)
    expected = score_by_length(sources, CLOSE, REFERENCES)
    assert first.lengths == expected
    assert len(expected) == 5
    assert second.lengths == []


@pytest.mark.parametrize(
    "more", [{}, {"costs": {"memory_mib": 300.0, "sentences_per_second": 4.0}}], ids=["old", "new"]
)
def test_a_run_that_skipped_a_step_is_measured(tmp_path: Path, more: dict[str, Any]) -> None:
    score = {"name": "test BLEU", "value": 5.0, "signature": "nrefs:1"}
    (tmp_path / "run.json").write_text(json.dumps({"seed": 3, "parameters": 7, **more}))
    (tmp_path / "scores.json").write_text(json.dumps({"test": [score], "alignment": {}}))
    told = [
        {"kind": "train", "step": 1, "tokens_per_second": 9.0, "minutes": 2.0},
        {"kind": "skipped", "step": 2, "epoch": 1, "lines": [1]},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    values = {"BLEU": 5.0, "parameters": 7, "tokens_per_second": 9.0, "minutes": 2.0}
    assert results.read_run(tmp_path).values == values | more.get("costs", {})
    with (tmp_path / "metrics.jsonl").open("a") as file:  # damage
        file.write('null\n{"kind": "train", "step": 3, "tokens_per_second": "fast"}\n{"kind": "train", "step": 4}\n')
    assert results.read_run(tmp_path).values == values | more.get("costs", {})


@pytest.mark.parametrize("measured", [{}, {"attention.free.lagging": 1.5}], ids=["old", "new"])
def test_a_run_that_did_not_measure_its_lagging_goes_without(tmp_path: Path, measured: dict[str, float]) -> None:
    best = tmp_path / "checkpoints" / "best"
    best.mkdir(parents=True)
    (tmp_path / "run.json").write_text(json.dumps({"seed": 3, "parameters": 7}))
    (tmp_path / "scores.json").write_text(json.dumps({"test": [], "alignment": {}}))
    (tmp_path / "metrics.jsonl").write_text("")
    (best / "validation.json").write_text(json.dumps({"values": {"perplexity": 9.0, **measured}}))
    values = results.read_run(tmp_path).values
    assert (values["perplexity"], values.get("lagging")) == (9.0, measured.get("attention.free.lagging"))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("scores.json", "null"),
        ("scores.json", "[]"),
        ("scores.json", '{"test": [3], "alignment": {}}'),
        ("scores.json", '{"test": [{"name": "BLEU", "value": 1.0, "signature": ""}], "alignment": {}}'),
        ("scores.json", '{"test": [{"name": "test BLEU", "value": "x", "signature": ""}], "alignment": {}}'),
        ("scores.json", '{"test": [], "alignment": null}'),
        ("run.json", "[]"),
        ("run.json", '{"seed": 3}'),
    ],
)
def test_a_run_whose_files_are_damaged_is_refused_in_a_sentence(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / "run.json").write_text('{"seed": 3, "parameters": 7}')
    (tmp_path / "scores.json").write_text('{"test": [], "alignment": {}}')
    results.read_run(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(CheckpointError, match=r"is not as this program writes it\. Put back"):
        results.read_run(tmp_path)


def test_a_damaged_run_is_failed_and_the_others_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = [plan.Job(name, 1, tmp_path / name, {}, []) for name in ("sound", "damaged")]
    for job in jobs:
        job.folder.mkdir()
        (job.folder / "run.json").write_text('{"seed": 1, "parameters": 7}')
        (job.folder / "scores.json").write_text('{"test": [], "alignment": {}}')
    (tmp_path / "damaged" / "scores.json").write_text("[")
    (tmp_path / "sound" / "metrics.jsonl").write_text("[\n")
    monkeypatch.setattr(run_folder, "is_finished", lambda folder, settings: True)
    runs = results.collect_runs(jobs)
    assert runs["sound"][0].failure is None
    assert "scores.json" in (runs["damaged"][0].failure or "")
    assert [message for message in caplog.messages if "is damaged" in message] == caplog.messages[:1]


# From end to end ---------------------------------------------------------------------------------------------------


def snapshot_files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file below a folder, when it was written and how long it is."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


@pytest.mark.slow
def test_failures_stay_alone_and_nothing_is_trained_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "out"
    good, bad = output / "tokenizer.vocab_size=120", output / "tokenizer.vocab_size=99999"

    # One variant asks for more pieces than the text has, which nobody can know before its vocabulary is learnt.
    with pytest.raises(SystemExit) as left:
        compare.run_task(
            make_settings(output, seeds=[1]), make_overrides(tmp_path, "tokenizer.vocab_size=99999,120"), "first"
        )
    assert left.value.code == compare.FAILED_RUNS_STATUS
    assert "vocab_size" in (bad / "seed-1" / "FAILED").read_text()
    assert (good / "seed-1" / "scores.json").exists()
    assert "FAILED: tokenizer.vocab_size=99999 seed 1" in capsys.readouterr().out
    before = snapshot_files(good)

    # With more seeds and another second variant, what is finished stays as it is.
    mended = make_overrides(tmp_path, "tokenizer.vocab_size=120,121")
    compare.run_task(make_settings(output), mended, "second")
    told = capsys.readouterr()
    assert "[1/4] tokenizer.vocab_size=120 seed 1: finished before" in told.err
    assert snapshot_files(good / "seed-1") == before
    assert told.out == (output / "comparison.txt").read_text()
    table = json.loads((output / "comparison.json").read_text())
    assert [run["seed"] for variant in table["variants"] for run in variant["runs"]] == [1, 2, 1, 2]
    assert sorted(table["variants"][1]["significance"]["seeds"]) == ["1", "2"]
    assert len(table["pairs"]) == 1
    assert sum(bucket["sentences"] for bucket in table["variants"][0]["lengths"]) == 20
    for run in (run for variant in table["variants"] for run in variant["runs"]):
        values = {"BLEU", "chrF2", "TER", "AER", "perplexity", "parameters", "tokens_per_second", "minutes"}
        values |= {"precision", "recall", "memory_mib", "sentences_per_second"}
        assert values <= run["values"].keys()
        assert all(run["signatures"][name] for name in ("BLEU", "chrF2", "TER"))
    first = next(csv.DictReader((output / "comparison.csv").open()))
    scored = [json.loads((good / f"seed-{seed}/scores.json").read_text())["test"][1]["value"] for seed in (1, 2)]
    assert float(first["chrf2_mean"]) == pytest.approx(sum(scored) / 2)

    # And then nothing is left to do, also with settings that change no result.
    before = snapshot_files(good)
    compare.run_task(make_settings(output), [*mended, "training.log_every=7"], "third")
    assert snapshot_files(good) == before
    assert capsys.readouterr().out.replace("third", "second") == told.out

    # Other settings are never mixed in.
    with pytest.raises(ConfigError, match="other settings"):
        compare.run_task(make_settings(output), [*mended, "model.embedding_size=6"], "fourth")
