"""Paired tests: what they find, what they do not, and that they are repeatable; p-values of several."""

import itertools
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nmt.errors import ConfigError, DataError
from nmt.evaluation.bleu import bleu
from nmt.evaluation.resampling import compute_statistics, resample_systems
from nmt.evaluation.significance import (
    SEED_VARIABLE,
    TESTS,
    PValues,
    adjust_holm,
    compute_p_values,
    run_paired_bootstrap,
)

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
    first, second = run_paired_bootstrap(REFERENCES, {"one": system, "same": system}, samples=50).values()
    assert first.p_value is None
    assert second.p_value == 1.0
    assert second[:3] == pytest.approx(first[:3])


def test_a_much_better_system_is_found_and_a_draw_of_noise_is_not() -> None:
    systems = {"base": noisy(0.4, 1), "better": noisy(0.1, 2), "as good": noisy(0.4, 3)}
    found = run_paired_bootstrap(REFERENCES, systems, samples=200)
    assert list(found) == list(systems)
    assert found["better"].p_value is not None
    assert found["as good"].p_value is not None
    assert found["better"].p_value < 0.01 < 0.1 < found["as good"].p_value
    for name, system in systems.items():
        assert found[name].bleu == pytest.approx(bleu(system, REFERENCES).value)
        assert abs(found[name].mean - found[name].bleu) < found[name].ci


def test_the_order_of_two_systems_does_not_matter() -> None:
    one, two = noisy(0.30, 1), noisy(0.26, 2)
    forward = run_paired_bootstrap(REFERENCES, {"one": one, "two": two}, samples=100)
    backward = run_paired_bootstrap(REFERENCES, {"two": two, "one": one}, samples=100)
    assert forward["two"].p_value == backward["one"].p_value
    assert forward["one"][:3] == backward["one"][:3]


def test_the_seed_decides_and_the_environment_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    systems = {"one": noisy(0.3, 1), "two": noisy(0.25, 2)}
    monkeypatch.setenv(SEED_VARIABLE, "none")
    once, again = (run_paired_bootstrap(REFERENCES, systems, samples=50, seed=3) for _ in range(2))
    other = run_paired_bootstrap(REFERENCES, systems, samples=50, seed=4)
    assert os.environ[SEED_VARIABLE] == "none"
    monkeypatch.delenv(SEED_VARIABLE)
    bare = run_paired_bootstrap(REFERENCES, systems, samples=50, seed=3)
    assert SEED_VARIABLE not in os.environ
    assert once == again == bare
    assert once["two"].mean != other["two"].mean


def command_line(folder: Path, systems: dict[str, list[str]], test: str, *, samples: int, seed: int) -> Any:
    """What the sacrebleu command says of every system."""
    for name, lines in {"references": REFERENCES, **systems}.items():
        (folder / name).write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    options = [f"--paired-{test}", f"--paired-{test}-n", str(samples), "--metrics", "bleu", "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-m", "sacrebleu", "references", "--input", *systems, *options, "--width", "6"],
        cwd=folder,
        env={**os.environ, SEED_VARIABLE: str(seed)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    return [system["BLEU"] for system in json.loads(done.stdout)]


def test_p_is_that_of_the_command_line(tmp_path: Path) -> None:
    systems = {"one": noisy(0.3, 1), "two": noisy(0.24, 2)}
    theirs = command_line(tmp_path, systems, "bs", samples=100, seed=5)[1]
    ours = run_paired_bootstrap(REFERENCES, systems, samples=100, seed=5)["two"]
    assert ours == pytest.approx((theirs["score"], theirs["mean"], theirs["ci"], theirs["p_value"]), abs=1e-5)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(DataError, match=r"hypotheses of two have 1 lines"):
        run_paired_bootstrap(REFERENCES, {"one": REFERENCES, "two": ["a"]})
    for wrong in ({"samples": 0}, {"seed": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            run_paired_bootstrap(REFERENCES, {"one": REFERENCES}, **wrong)


# Several trainings ----------------------------------------------------------------------------------------------------


def paired(
    first: Sequence[Sequence[str]],
    other: Sequence[Sequence[str]],
    *,
    samples: int = 100,
    seed: int = 12345,
    references: Sequence[str] = REFERENCES,
) -> PValues:
    """Both tests of two kinds of system, resampled together."""
    found = resample_systems(compute_statistics([*first, *other], references), samples=samples, seed=seed)
    return compute_p_values(list(zip(found[: len(first)], found[len(first) :], strict=True)))


@pytest.mark.parametrize(("name", "option"), [("bootstrap", "bs"), ("randomization", "ar")])
def test_with_one_training_of_each_kind_a_test_is_that_of_the_command_line(
    tmp_path: Path, name: str, option: str
) -> None:
    systems = {"one": noisy(0.3, 1), **{f"two-{share}": noisy(share, 2) for share in (0.24, 0.26, 0.3)}}
    theirs = command_line(tmp_path, systems, option, samples=1100, seed=5)  # more than one block
    found = set()
    for (label, system), result in zip(list(systems.items())[1:], theirs[1:], strict=True):
        ours = paired([systems["one"]], [system], samples=1100, seed=5)
        assert ours.overall[name] == pytest.approx(result["p_value"], abs=1e-5), label
        assert ours.per_seed == [ours.overall]
        found.add(ours.overall[name])
    assert len(found) == 3  # not all at the end of the scale


@given(seed=st.integers(0, 10**6), lines=st.integers(1, 7), trainings=st.integers(1, 3))
@settings(max_examples=25, deadline=None)
def test_randomization_comes_near_what_all_exchanges_give(seed: int, lines: int, trainings: int) -> None:
    chance = random.Random(seed)
    few = REFERENCES[:lines]
    one, two = ([noisy(share, chance.randrange(10**6))[:lines] for _ in range(trainings)] for share in (0.4, 0.25))

    def difference(swaps: Sequence[bool]) -> float:
        """By sacreBLEU, of the texts themselves."""
        sides: list[list[float]] = [[], []]
        for a, b in zip(one, two, strict=True):
            for side, (keep, give) in zip(sides, ((a, b), (b, a)), strict=True):
                mixed = [y if swap else x for x, y, swap in zip(keep, give, swaps, strict=True)]
                side.append(bleu(mixed, few).value)
        return float(np.mean(sides[1]) - np.mean(sides[0]))

    found = difference([False] * lines)
    every = [difference(swaps) for swaps in itertools.product([False, True], repeat=lines)]
    exact = np.mean([abs(each) >= abs(found) - 1e-9 for each in every])
    ours = paired(one, two, samples=4000, references=few).overall["randomization"]
    assert ours == pytest.approx(exact, abs=4.5 * np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000)


def test_a_training_repeated_word_for_word_is_no_further_evidence() -> None:
    one, two = noisy(0.30, 1), noisy(0.27, 2)
    once = paired([one], [two]).overall
    assert paired([one] * 5, [two] * 5).overall == pytest.approx(once)
    concatenated = paired([one * 5], [two * 5], references=REFERENCES * 5).overall
    for name in TESTS:  # what it would cost to take the trainings for one long test set
        assert concatenated[name] < once[name]


def test_over_seeds_a_kind_is_not_different_from_itself_and_a_much_better_one_is_found() -> None:
    base, better = [noisy(0.4, seed) for seed in (1, 2)], [noisy(0.1, seed) for seed in (3, 4)]
    assert set(paired(base, list(base)).overall.values()) == {1.0}
    assert max(paired(base, better).overall.values()) < 0.02


def test_the_order_of_two_kinds_does_not_matter() -> None:
    one, two = [noisy(0.30, seed) for seed in (1, 2)], [noisy(0.27, seed) for seed in (3, 4)]
    assert paired(one, two) == paired(two, one)


def test_few_different_sentences_are_never_significant() -> None:
    """Only their own exchanges can be told from the result: of three, a quarter of all."""
    other = [line.replace(line.split()[0], "x") if place < 3 else line for place, line in enumerate(REFERENCES)]
    assert paired([REFERENCES], [other], samples=2000).overall["randomization"] == pytest.approx(0.25, abs=0.05)


def test_of_systems_that_are_noise_alike_randomization_finds_as_many_different_as_it_says() -> None:
    """And the bootstrap more than twice as many: the reason why another test is reported beside it."""
    counted = compute_statistics([noisy(0.3, seed) for seed in range(300)], REFERENCES)
    found = resample_systems(counted, samples=200, seed=1)
    tests = [compute_p_values([pair]).overall for pair in zip(found[::2], found[1::2], strict=True)]
    small = {name: sum(test[name] < 0.1 for test in tests) for name in TESTS}
    assert 5 <= small["randomization"] <= 26  # binomial, 150 x 0.1: both ends have a probability below 0.004
    assert small["bootstrap"] > 26


def test_over_seeds_too_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one pair"):
        compute_p_values([])
    with pytest.raises(DataError, match="hypotheses"):
        paired([REFERENCES], [["a"]])
    for wrong in ({"samples": 0}, {"seed": 0}):
        with pytest.raises(ConfigError, match="at least 1"):
            paired([REFERENCES], [REFERENCES], **wrong)


# Several differences --------------------------------------------------------------------------------------------------

SHARES = st.lists(st.floats(0, 1) | st.sampled_from([0.01, 0.02, 0.05]), min_size=1, max_size=7)


@given(SHARES)
def test_holm_is_the_closed_test_with_bonferroni(found: list[float]) -> None:
    """What is rejected is in no family that Bonferroni does not reject   (Marcus, Peritz and Gabriel 1976)"""
    places = range(len(found))
    for place, adjusted in enumerate(adjust_holm(found)):
        others = [each for each in places if each != place]
        families = [(place, *more) for size in places for more in itertools.combinations(others, size)]
        closed = max(min(1.0, len(family) * min(found[each] for each in family)) for family in families)
        assert adjusted == pytest.approx(closed)


@given(SHARES, st.randoms(use_true_random=False))
def test_adjusting_keeps_the_order_and_makes_no_p_smaller_nor_more_than_bonferroni(
    found: list[float], chance: random.Random
) -> None:
    adjusted = adjust_holm(found)
    for p, q in zip(found, adjusted, strict=True):
        assert p <= q <= min(1.0, len(found) * p)
    ordered = sorted(zip(found, adjusted, strict=True))
    assert [q for _, q in ordered] == sorted(adjusted)
    shuffled = chance.sample(range(len(found)), len(found))
    assert adjust_holm([found[place] for place in shuffled]) == [adjusted[place] for place in shuffled]


def test_of_one_and_of_none_nothing_is_adjusted() -> None:
    assert (adjust_holm([]), adjust_holm([0.03])) == ([], [0.03])
