"""The paired bootstrap: what it finds, what it does not, and that it is repeatable."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from nmt.errors import ConfigError, DataError
from nmt.evaluation.bleu import bleu
from nmt.evaluation.significance import SEED_VARIABLE, paired_bootstrap, seeds_bootstrap

WORDS = ["a", "the", "man", "woman", "dog", "red", "small", "runs", "sings", "in", "on", "with", "street", "park"]
CHANCE = random.Random(7)
REFERENCES = [" ".join(CHANCE.choices(WORDS, k=9)) for _ in range(60)]


def noisy(share: float, seed: int) -> list[str]:
    """The references with a share of their words replaced."""
    chance = random.Random(seed)
    return [
        " ".join(chance.choice(WORDS) if chance.random() < share else word for word in line.split())
        for line in REFERENCES
    ]


def test_a_system_is_not_different_from_itself() -> None:
    system = noisy(0.3, 1)
    first, second = paired_bootstrap(REFERENCES, {"one": system, "same": system}, samples=50).values()
    assert first.p_value is None
    assert second.p_value == 1.0
    assert second[:3] == pytest.approx(first[:3])


def test_a_much_better_system_is_found_and_a_draw_of_noise_is_not() -> None:
    systems = {"base": noisy(0.4, 1), "better": noisy(0.1, 2), "as good": noisy(0.4, 3)}
    found = paired_bootstrap(REFERENCES, systems, samples=200)
    assert list(found) == list(systems)
    assert found["better"].p_value is not None
    assert found["as good"].p_value is not None
    assert found["better"].p_value < 0.01 < 0.1 < found["as good"].p_value
    for name, system in systems.items():
        assert found[name].bleu == pytest.approx(bleu(system, REFERENCES).value)
        assert abs(found[name].mean - found[name].bleu) < found[name].ci


def test_the_order_of_two_systems_does_not_matter() -> None:
    one, two = noisy(0.30, 1), noisy(0.26, 2)
    forward = paired_bootstrap(REFERENCES, {"one": one, "two": two}, samples=100)
    backward = paired_bootstrap(REFERENCES, {"two": two, "one": one}, samples=100)
    assert forward["two"].p_value == backward["one"].p_value
    assert forward["one"][:3] == backward["one"][:3]


def test_the_seed_decides_and_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = {"one": noisy(0.3, 1), "two": noisy(0.25, 2)}
    monkeypatch.setenv(SEED_VARIABLE, "none")
    once, again = (paired_bootstrap(REFERENCES, systems, samples=50, seed=3) for _ in range(2))
    other = paired_bootstrap(REFERENCES, systems, samples=50, seed=4)
    assert os.environ[SEED_VARIABLE] == "none"
    monkeypatch.delenv(SEED_VARIABLE)
    bare = paired_bootstrap(REFERENCES, systems, samples=50, seed=3)
    assert SEED_VARIABLE not in os.environ
    assert once == again == bare
    assert once["two"].mean != other["two"].mean


def test_p_is_that_of_the_command_line(tmp_path: Path) -> None:
    systems = {"one": noisy(0.3, 1), "two": noisy(0.24, 2)}
    for name, lines in {"references": REFERENCES, **systems}.items():
        (tmp_path / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    options = ["--paired-bs", "--paired-bs-n", "100", "--metrics", "bleu", "--format", "json", "--width", "6"]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", "references", "--input", "one", "two", *options],
        cwd=tmp_path,
        env={**os.environ, SEED_VARIABLE: "5"},
        capture_output=True,
        check=True,
        text=True,
    )
    theirs = json.loads(done.stdout)[1]["BLEU"]
    ours = paired_bootstrap(REFERENCES, systems, samples=100, seed=5)["two"]
    assert ours == pytest.approx((theirs["score"], theirs["mean"], theirs["ci"], theirs["p_value"]), abs=1e-5)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(DataError, match=r"hypotheses of two have 1 lines"):
        paired_bootstrap(REFERENCES, {"one": REFERENCES, "two": ["a"]})
    for wrong in ({"samples": 0}, {"seed": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            paired_bootstrap(REFERENCES, {"one": REFERENCES}, **wrong)


def test_with_one_training_of_each_kind_the_test_over_seeds_is_the_paired_bootstrap() -> None:
    for share in (0.26, 0.28, 0.3):
        one, two = noisy(0.3, 1), noisy(share, 2)
        alone = paired_bootstrap(REFERENCES, {"one": one, "two": two}, samples=100, seed=3)["two"].p_value
        assert seeds_bootstrap(REFERENCES, [one], [two], samples=100, seed=3) == pytest.approx(alone)


def test_a_training_repeated_word_for_word_is_no_further_evidence() -> None:
    one, two = noisy(0.30, 1), noisy(0.27, 2)
    once = seeds_bootstrap(REFERENCES, [one], [two], samples=100)
    assert seeds_bootstrap(REFERENCES, [one] * 5, [two] * 5, samples=100) == once
    concatenated = paired_bootstrap(REFERENCES * 5, {"one": one * 5, "two": two * 5}, samples=100)["two"].p_value
    assert concatenated is not None
    assert concatenated < once  # what it would cost to take the trainings for one long test set


def test_over_seeds_a_kind_is_not_different_from_itself_and_a_much_better_one_is_found() -> None:
    base, better = [noisy(0.4, seed) for seed in (1, 2)], [noisy(0.1, seed) for seed in (3, 4, 5)]
    assert seeds_bootstrap(REFERENCES, base, list(base), samples=100) == 1.0
    assert seeds_bootstrap(REFERENCES, base, better, samples=100) < 0.02


def test_over_seeds_too_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="trainings"):
        seeds_bootstrap(REFERENCES, [], [REFERENCES])
    with pytest.raises(DataError, match="hypotheses"):
        seeds_bootstrap(REFERENCES, [REFERENCES], [["a"]])
