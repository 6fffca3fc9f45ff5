"""Comparisons that have a name: what comes with the program can be run, and a file that is wrong is told so at once."""

import functools
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from nmt.cli import compare
from nmt.comparison import catalog, plan, variants
from nmt.comparison.compare import COMPARE_SETTINGS
from nmt.composition.paths import find_config_folder
from nmt.errors import ConfigError
from tests.builders import RECURRENT_DECODERS, mark_slow_unless
from tests.commands import compose_command, run_process, write_lines

FILES = sorted(path.stem for path in (Path(find_config_folder()) / catalog.GROUP).glob("*.yaml"))
BASES = ([], ["experiment=quickstart"], ["attention/score=cosine", "attention.heads=2"])
"""Settings beside which a comparison is asked for; all have a decoder as wide as the encoder's memory."""

WRITTEN = """
baseline: large
variants:
  small: [model.decoder.hidden_size=64, attention=luong_general]
  large: [model.decoder.hidden_size=128, attention=luong_general]
"""


def read_variants(path: Path, text: str = WRITTEN) -> catalog.NamedComparison:
    return catalog.read_comparison(str(write_lines(path / "mine.yaml", *text.split("\n"))), COMPARE_SETTINGS)


def expand_variants(given: Sequence[str], found: catalog.NamedComparison) -> list[variants.VariantOverrides]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        return variants.expand_variants(given, found)


# What comes with the program ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_comparison_is_found_by_its_name_and_says_what_it_is(name: str) -> None:
    found = catalog.read_comparison(name, COMPARE_SETTINGS)
    text = found.path.read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert len(found.variants) > 1
    assert found.baseline is not None
    assert len(set(map(tuple, found.variants.values()))) == len(found.variants)
    assert {"variants": found.variants, "baseline": found.baseline} == yaml.safe_load(text)


@pytest.mark.parametrize("base", mark_slow_unless(BASES[:1], BASES), ids=" ".join)
@pytest.mark.parametrize("name", FILES)
def test_every_variant_passes_the_check_of_nmt_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, base: list[str]
) -> None:
    found = catalog.read_comparison(name, COMPARE_SETTINGS)
    if {re.split("[./=]", text)[0] for own in found.variants.values() for text in own} & {"attention"}:
        base = [text for text in base if not text.startswith("attention")]
    planned = plan.plan_jobs(base, seeds=[7], output=tmp_path / "out", at_once=1, named=found)
    assert [job.variant for job in planned] == list(found.variants)
    assert len({repr({**job.settings, "output": ""}) for job in planned}) == len(planned), "two variants are one"
    assert variants.choose_baseline([job.variant for job in planned], found.baseline) == found.baseline
    assert not (tmp_path / "out").exists()


@functools.cache
def compose_attention(name: str) -> dict[str, tuple[str, str, str, int]]:
    """Score, scope, normalizer and heads of a comparison's variants, as nmt-train composes them."""
    found = {}
    for label, own in catalog.read_comparison(name, COMPARE_SETTINGS).variants.items():
        chosen = compose_command("train", *own)["attention"]
        found[label] = (*(chosen[axis]["name"] for axis in ("score", "scope", "normalizer")), chosen["heads"])
    return found  # type: ignore[return-value]


def test_names_say_what_the_variants_are() -> None:
    table4 = {
        label: (f"{scope}-{score}", *rest) for label, (score, scope, *rest) in compose_attention("luong_table4").items()
    }
    assert table4 == {label: (label, "softmax", 1) for label in table4}
    assert {label: found[0] for label, found in compose_attention("bahdanau_britz").items()} == {
        label: label.split("-")[0] for label in compose_attention("bahdanau_britz")
    }
    assert all(label == found[2] for label, found in compose_attention("normalizers").items())
    assert all(label == f"heads-{found[3]}" for label, found in compose_attention("heads").items())


def test_the_sizes_of_britz_are_those_of_the_scores() -> None:
    for label, own in catalog.read_comparison("bahdanau_britz", COMPARE_SETTINGS).variants.items():
        score, _, size = label.partition("-")
        found = compose_command("train", *own)["attention"]["score"]
        assert str(found.get("hidden_size", "")) == size, score


def test_recurrent_decoders_differ_in_nothing_but_when_they_ask() -> None:
    found = [
        compose_command("train", *own)["model"]
        for own in catalog.read_comparison("decoders", COMPARE_SETTINGS).variants.values()
    ]
    assert {model["decoder"]["name"] for model in found} == set(RECURRENT_DECODERS)
    for model in found:
        del model["decoder"]["name"]
        model["decoder"].pop("input_feeding", None)
        model["decoder"].pop("context_gate", None)
    assert all(model == found[0] for model in found)


def test_help_names_them_all_and_what_launches() -> None:
    done = run_process("compare", "--help")
    assert (done.returncode, done.stderr) == (0, b"")
    assert [name for name in [*FILES, "launcher=local", "launcher=submitit"] if name not in done.stdout.decode()] == []


# Files of one's own ------------------------------------------------------------------------------------------------


def test_a_file_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read_variants(tmp_path)
    assert found == (tmp_path / "mine.yaml", yaml.safe_load(WRITTEN)["variants"], "large")
    monkeypatch.chdir(tmp_path)
    for asked in ("mine.yaml", "./mine.yaml"):
        assert catalog.read_comparison(asked, COMPARE_SETTINGS).variants == found.variants


def test_names_are_combined_with_what_is_swept(tmp_path: Path) -> None:
    found = expand_variants(["optimizer=adam,adamw", "training.clip_norm=2"], read_variants(tmp_path))
    assert [variant.label for variant in found] == [
        f"{size},optimizer={optimizer}" for size in ("small", "large") for optimizer in ("adam", "adamw")
    ]
    assert found[3].overrides == [
        *("optimizer=adamw", "training.clip_norm=2"),
        *("model.decoder.hidden_size=128", "attention=luong_general"),
    ]


def test_the_baseline_of_a_combination_is_the_first_of_that_name(tmp_path: Path) -> None:
    found = read_variants(tmp_path)
    planned = plan.plan_jobs(["optimizer=adam,adamw"], seeds=[1], output=tmp_path / "out", at_once=1, named=found)
    labels = [job.variant for job in planned]
    assert variants.choose_baseline(labels, found.baseline) == "large,optimizer=adam"
    assert variants.choose_baseline(labels, "small,optimizer=adamw") == "small,optimizer=adamw"
    with pytest.raises(ConfigError, match=re.escape("Did you mean large,optimizer=adam?")):
        variants.choose_baseline(labels, "large,optimizer=adm")


def test_a_variant_may_change_nothing(tmp_path: Path) -> None:
    assert expand_variants([], read_variants(tmp_path, "variants: {plain: []}")) == [
        variants.VariantOverrides("plain", [])
    ]


# What is wrong is told before anything runs -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("variant: {a: []}", ["variant is not a setting. Did you mean variants?", "variants is missing."]),
        ("- a", ["The config must be a group of settings; got ['a']."]),
        ("", ["The config must be a group of settings; got null."]),
        ("variants: {}", ["variants has none."]),
        ("variants: [a]", ["variants=['a'] must be"]),
        ("variants: {a: [3]}", ["variants.a[0]=3 must be text."]),
        ("variants: {a: heads}", ["variants.a='heads' must be a list."]),
        ("variants: {a: [], b: []}\nbaseline: aa", ["baseline=aa is not one of the variants. Did you mean a?"]),
        ("variants: {a: []}\nbaseline: 1", ["baseline=1 must be text."]),
        (
            "variants:\n  a: []\n  a: []",
            ["variants.a is there twice, on lines 2 and 3. Keep one of them, or give it another name."],
        ),
        ("variants: {a: [], A: []}", ["variants.A would share the folder of another"]),
        ("variants: {1: [], true: []}", ["variants.1 on line 1 must be text: write '1'", "variants.true on line 1"]),
        ("variants: {../a: [], 'b,c': [], .d: []}", ["variants.../a cannot be", "variants.b,c can", "variants..d can"]),
        (f"variants: {{{'a' * 61}: []}}", ["at most 60 characters"]),
        ("variants: {a: [seeds=3]}", ["variants.a: seeds=3 is for the comparison as a whole"]),
        ("variants: {a: [launcher.minutes=3]}", ["variants.a: launcher.minutes=3 is for the comparison as a whole"]),
        ("variants: {a: [dot], b: [--x]}", ["variants.a: dot has no value.", "variants.b: --x is not an option."]),
        ("variants: {a: [", ["mine.yaml cannot be read"]),
    ],
)
def test_a_file_that_is_wrong_is_told_so_with_its_path(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(ConfigError) as raised:
        read_variants(tmp_path, text)
    message = str(raised.value)
    assert [words for words in told if words not in message] == []
    assert message.startswith(str(tmp_path / "mine.yaml"))


@pytest.mark.parametrize(
    ("given", "own", "told"),
    [
        ("", "attention.heads=1,2", "a: attention.heads=1,2 has several values. Write a variant for each."),
        ("attention=luong_dot", "attention=cosine", "a: attention is set by the variant, so it cannot be given beside"),
        ("attention.heads=1,2", "attention.heads=4", "a: attention.heads is set by the variant"),
        ("", "seed=3", "a: seed is set by the comparison"),
        ("", "x=[", "a: x=[ cannot be read"),
    ],
)
def test_a_variant_and_the_command_line_do_not_contradict(tmp_path: Path, given: str, own: str, told: str) -> None:
    found = catalog.NamedComparison(tmp_path / "mine.yaml", {"a": [own]}, None)
    with pytest.raises(ConfigError) as raised:
        expand_variants([given] if given else [], found)
    assert f"{tmp_path / 'mine.yaml'}: {told}" in str(raised.value)


def test_all_variants_are_checked_at_once(tmp_path: Path) -> None:
    wrong = (
        "variants: {one: [attention.heads=7], two: [attentoin=dot], three: [optimizer.learning_rate=fast], four: []}"
    )
    settings = {"output": str(tmp_path / "out"), "seeds": 2, "baseline": None, "jobs": 1}
    read_variants(tmp_path, wrong)
    with pytest.raises(ConfigError) as raised:
        compare.run_task({**settings, "comparison": {"name": str(tmp_path / "mine.yaml")}}, [], "")
    told = str(raised.value).split("\n")
    assert [line for line in told if line.endswith(":")] == ["one:", "two:", "three:"]
    assert "  attentoin is not a setting. Did you mean attention?" in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("comparison=luong_tabel4", "comparison=luong_tabel4 is not there. Did you mean luong_table4?"),
        ("comparison=none/mine.yaml", "comparison=none/mine.yaml: there is no such file."),
        ("comparison=heads,decoders", "comparison=heads,decoders has several values."),
        ("comparison=heads baseline=heads-3", "baseline=heads-3 is not one of the variants. Did you mean heads-"),
        ("comparisn=heads", "comparisn is not a setting. Did you mean comparison?"),
        ("job=2", "job is not a setting. Did you mean jobs?"),
        ("launcher=slurm", "launcher has no option 'slurm'. Its options are local, submitit."),
        ("launcher.minutes=3", "launcher.minutes belongs to launcher=submitit; launcher=local"),
        ("launcher=submitit launcher.minuts=3", "launcher.minuts is not a setting. Did you mean launcher.minutes?"),
    ],
)
def test_wrong_words_are_answered_with_right_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: str, told: str
) -> None:
    monkeypatch.setattr("sys.argv", ["nmt-compare", f"output={tmp_path / 'out'}", *words.split()])
    with pytest.raises(SystemExit) as left:
        compare.main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert told in said
    assert "comparison.name" not in said
    assert list(tmp_path.iterdir()) == []
