"""Options of Hydra that would choose another program's config, and words that take settings away or give several."""

import pytest

from nmt.composition.options import REPLACED_OPTIONS, explain_sweep, find_foreign_option


@pytest.mark.parametrize("option", [word for pair in REPLACED_OPTIONS.items() for word in pair if word])
@pytest.mark.parametrize("value", ["", "=train"])
def test_what_chooses_another_config_is_named_with_what_to_do(option: str, value: str) -> None:
    problem = find_foreign_option(["seed=2", f"{option}{value}"])
    assert problem is not None
    assert problem.startswith(f"{option}{value} is an option of Hydra")
    assert "experiment=path/to/mine.yaml" in problem
    assert "experiment=" not in (find_foreign_option([f"{option}{value}"], "explain") or "experiment=")


def test_a_setting_cannot_be_taken_away() -> None:
    assert (find_foreign_option(["~seed"]) or "").startswith("~seed takes a setting away")
    assert find_foreign_option(["~search.size"]) == (
        "~search.size takes a setting away, and each has to have a value. Give it another: search.size=..."
    )


@pytest.mark.parametrize(
    "word",
    ["--help", "--cfg", "-c", "--config-dir=x", "~debug", "~model.encoder.self_attention.score.hidden_size", "a=b", ""],
)
def test_other_words_are_left_alone(word: str) -> None:
    assert find_foreign_option([word]) is None


def test_several_values_name_the_command_that_takes_them() -> None:
    problem = explain_sweep("Sweep parameters 'search.size=choice(1,2)' requires --multirun")
    assert problem is not None
    assert problem.startswith("search.size=choice(1,2) has several values")
    assert "nmt-compare" in problem
    assert explain_sweep("Could not override 'x'") is None
