"""The words of other toolkits lead to settings that there are, and to no word that is a setting already."""

import pytest

from nmt.composition.unknown_keys import compose_config, list_settings_of_other_options
from nmt.synonyms import ANSWERS, SYNONYMS, VALUES, find_settings, find_value, normalize

COMMANDS = ("train", "translate", "evaluate", "align", "compare")


@pytest.fixture(scope="module")
def known() -> dict[str, set[str]]:
    """Every setting and group that a command has, with whichever options of its groups."""
    found = {}
    for command in COMMANDS:
        own = compose_config(command, [])
        found[command] = {*own.keys, *own.options, *dict(list_settings_of_other_options(own))}
    return found


def test_every_answer_is_a_setting_of_some_command(known: dict[str, set[str]]) -> None:
    everything = set().union(*known.values())
    assert {ours for answer in SYNONYMS.values() for ours in answer} <= everything


def test_what_a_synonym_is_for_is_written_as_the_tables_look_it_up() -> None:
    for word in (*SYNONYMS, *ANSWERS):
        assert word == normalize(word)
    assert all(word == word.lower() for word in VALUES)


@pytest.mark.parametrize(
    ("command", "key", "ours"),
    [
        ("train", "lr", ["optimizer.learning_rate"]),
        ("train", "--LR".lstrip("-"), ["optimizer.learning_rate"]),
        ("train", "batch-size", ["batching.tokens", "batching.max_sentences"]),
        ("train", "training.batch_size", ["batching.tokens", "batching.max_sentences"]),
        ("train", "patience", ["training.stop.patience", "schedule.patience"]),
        ("train", "gpus", ["device"]),
        ("translate", "beam_size", ["search.size"]),
        ("translate", "batch_size", ["tokens"]),
        ("translate", "src", ["input"]),
        ("evaluate", "ref", ["references"]),
        ("train", "zzz", []),
    ],
)
def test_a_command_names_the_settings_that_it_has(
    known: dict[str, set[str]], command: str, key: str, ours: list[str]
) -> None:
    assert find_settings(key, known[command]) == ours


def test_a_value_is_answered_only_where_the_setting_has_it() -> None:
    assert find_value("gpu", ("auto", "cpu", "cuda")) == "cuda"
    assert find_value("GPU", ("auto", "cpu", "cuda")) == "cuda"
    assert find_value("gpu", ("float32", "bfloat16")) is None
    assert find_value("fp16", ("float32", "bfloat16")) == "bfloat16"
