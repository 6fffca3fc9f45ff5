"""Every renamed setting and value of the table, at every door: the old spelling does what the new one does."""

import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import nmt
from nmt import build, config, renames
from nmt.cli import application, compare, train, translate
from nmt.comparison.compare import split_arguments
from nmt.composition import compose
from nmt.composition.compose import compose_training
from nmt.composition.recipes import name_recipe_in_errors, read_recipe_text
from nmt.composition.spelling import find_old_word, rename_word, use_new_names
from nmt.composition.unknown_keys import explain_unknown_key, find_renamed_settings
from nmt.errors import ConfigError
from tests.cli.test_train import run_train
from tests.old_words import LINES, MODEL, SAMPLES, TRAIN_WORDS, WORDS, list_warnings, translate_words, write_recipe

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


line_of_words = pytest.mark.parametrize("line", LINES, ids=" ".join)

# The table and words -----------------------------------------------------------------------------------------------


def test_a_renamed_setting_stays_in_its_group_and_is_one() -> None:
    """So that files can be renamed without moving what they hold, and no name leads to another old one."""
    known = {*config.list_paths(build.TRAIN), "shortlist.name"}
    for old, new in renames.SETTINGS.items():
        assert old.rpartition(".")[0] == new.rpartition(".")[0] != ""
        assert new in known
        assert old not in known
    for key, values in renames.VALUES.items():
        assert key in known
        assert not set(values) & set(values.values())
    assert set(renames.SETTINGS.values()) <= {*SAMPLES, *renames.VALUES}


@pytest.mark.parametrize("old", WORDS)
def test_a_word_is_renamed_in_every_form(old: str) -> None:
    key, value = old.split("=")
    new_key, new_value = WORDS[old].split("=")
    for begin in ("", "+", "++", "~"):
        assert rename_word(begin + old).word == begin + WORDS[old]
    for form in ("{}", "'{}'", "choice({},{})", "{},other", "other, {}"):
        before, after = form.format(value, value), form.format(new_value, new_value)
        assert rename_word(f"{key}={before}").word == f"{new_key}={after}"
    assert rename_word(WORDS[old]) == (WORDS[old], [], [])
    assert find_old_word(WORDS[old]) == old
    group, _, name = key.replace("/", ".").rpartition(".")
    if group:
        new_name = new_key.rpartition(".")[2]
        together = rename_word(f"{group}={{{name}: {value}, a: 'b c'}}").word
        assert together == f"{group}={{{new_name}:{new_value},a:b\\ c}}"
        swept = rename_word(f"++{group}={{{name}: {value}}},{{a: 1}}").word
        assert swept == f"++{group}={{{new_name}:{new_value}}},{{a:1}}"


def test_other_words_are_left_alone() -> None:
    words = ["seed=1", "--help", "data.train=3", "data=files", "model=eager", "training={}", "x={", "=", "training={a"]
    words += ["input=grammar", "training.compile=${oc.env:eager}", "output='training.recurrence=eager'", "a b"]
    assert use_new_names(words) == words
    assert rename_word("training.recurrence=${oc.env:WAY}").word == "training.compile=${oc.env:WAY}"


# Both spellings at once --------------------------------------------------------------------------------------------

CONFLICTS = [
    ["training.recurrence=eager", "training.compile=inductor"],
    ["filters.overfit=3", "++filters.by_heart=4"],
    ["filters={by_heart: 4}", "filters.overfit=3"],
    ["training.recurrence=eager,compiled", "training.compile=off"],
]


@pytest.mark.parametrize("words", CONFLICTS, ids=" ".join)
def test_both_spellings_at_once_are_an_error_in_a_sentence(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = "are two spellings of one setting, .* with different values. Leave one of them away."
    for door in (use_new_names, split_arguments, compose_training):
        with pytest.raises(ConfigError, match=wanted) as caught:
            door(words)
        assert len(caught.value.args) == 1
    for name, main in (("train", train.main), ("compare", compare.main), ("translate", translate.main)):
        monkeypatch.setattr(sys, "argv", [f"nmt-{name}", *words])
        with pytest.raises(SystemExit) as exit:
            main()
        assert exit.value.code == application.USAGE_STATUS
        assert capsys.readouterr().err.count("are two spellings of one setting") == 1


def test_both_spellings_may_agree() -> None:
    words = ["training.recurrence=eager", "training.compile='off'", "filters={by_heart: 4}", "filters.overfit=4"]
    assert use_new_names(words) == [words[1].replace("'", ""), words[1], "filters={overfit:4}", words[3]]
    assert use_new_names(["training.recurrence=eager,compiled", "training.compile=off,inductor"]) == [
        "training.compile=off,inductor"
    ]


# nmt-train and nmt.train -------------------------------------------------------------------------------------------


@line_of_words
def test_a_command_takes_the_old_spelling_with_one_warning(
    line: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(application, "run_hydra", lambda name, task: given.append(sys.argv[1:]) or [])
    assert run_train(monkeypatch, capsys, *line, "output=out")[0] == 0
    assert given == [[*translate_words(line), "output=out"]]
    (warning,) = list_warnings(caplog)
    for word in line:
        has_new_value = TRAIN_WORDS[word].split("=")[0] not in SAMPLES
        assert f"{word if has_new_value else word.split('=')[0]} is called " in warning


def test_a_command_begins_with_the_new_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(train, "run_task", given.append)
    assert run_train(monkeypatch, capsys, *LINES[0], "output=out")[0] == 0
    assert given == [compose_training([*translate_words(LINES[0]), "output=out"])]
    config.check(given[0], build.TRAIN)


@line_of_words
def test_the_python_api_takes_the_old_spelling(
    line: list[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[list[str]] = []
    monkeypatch.setattr(compose, "compose_settings", given.append)
    compose.compose_training([*line, "output=out"])
    assert given == [[*translate_words(line), "output=out"]]
    assert len(list_warnings(caplog)) == 1


@line_of_words
def test_recipes_take_the_old_spelling(line: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text(write_recipe(line))
    found = yaml.safe_load(read_recipe_text(recipe))
    assert found == yaml.safe_load(write_recipe(translate_words(line)))
    (warning,) = list_warnings(caplog)
    assert warning.startswith(f"{recipe}: ")


def test_a_recipe_is_composed(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(write_recipe(LINES[0]))
    found = compose_training([f"experiment={tmp_path / 'mine.yaml'}", "output=out"])
    assert found == compose_training([*translate_words(LINES[0]), "output=out"])


def test_a_recipe_with_both_names_and_one_with_a_mistake_are_named(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("training: {recurrence: eager, compile: inductor}")
    with pytest.raises(ConfigError, match=r"mine.yaml: training.recurrence and training.compile are two spellings"):
        compose_training([f"experiment={recipe}"])
    recipe.write_text("filters: {by_heart: x}")
    with (
        pytest.raises(ConfigError, match=r"mine.yaml: filters.overfit='x' must"),
        name_recipe_in_errors([f"experiment={recipe}"]),
    ):
        config.check(compose_training([f"experiment={recipe}"]), build.TRAIN)


def test_off_needs_no_quotes_in_yaml(tmp_path: Path) -> None:
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("training: {compile: off}")
    checked = config.check(compose_training([f"experiment={recipe}", "output=out"]), build.TRAIN)
    assert checked["training"]["compile"] == "off"


# Translating -------------------------------------------------------------------------------------------------------


def test_nmt_translate_takes_the_old_spelling(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given: list[dict[str, Any]] = []
    monkeypatch.setattr(translate, "run_task", given.append)
    monkeypatch.setattr(sys, "argv", ["nmt-translate", "model=x", "shortlist=whole"])
    translate.main()
    assert given[0]["shortlist"] == {"name": "none"}
    assert list_warnings(caplog) == ["shortlist=whole is called shortlist=none now; the old spelling still works"]
    caplog.clear()
    for choice in ("whole", {"name": "whole"}):
        nmt.load(MODEL, shortlist=choice)
    assert len(list_warnings(caplog)) == 2


# Mistakes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("old", renames.SETTINGS)
def test_what_is_nearly_an_old_name_is_answered_with_the_new_one(old: str) -> None:
    new, (group, name) = renames.SETTINGS[old], old.split(".")
    for nearly in (name, f"{old}s", f"x{old}"):
        assert find_renamed_settings(nearly, {new}) == [new]
        assert find_renamed_settings(nearly, {"seed"}) == []
    with pytest.raises(ConfigError, match=f"{old} is not a setting. It is called {new.split('.')[1]} now."):
        config.check({group: {name: None}}, {group: build.TRAIN[group]})


def test_a_command_says_so() -> None:
    assert "by_heart is not a setting. Here it is filters.overfit (train on" in explain_unknown_key(
        "by_heart", "train", []
    )
