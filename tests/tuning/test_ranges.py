"""What is searched: every way to write a range, and what is wrong with one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import ConfigError
from nmt.tuning.halving import choose_survivors, count_survivors, plan_rungs
from nmt.tuning.ranges import SearchAxis, parse_space
from nmt.tuning.settings import Budget, split_arguments


def parse(word: str) -> SearchAxis:
    return parse_space([word]).axes[0]


@pytest.mark.parametrize(
    ("word", "axis"),
    [
        ("optimizer.learning_rate=log(1e-4,1e-2)", SearchAxis("optimizer.learning_rate", "log", 1e-4, 1e-2)),
        ("a.b=uniform(0, 0.5)", SearchAxis("a.b", "uniform", 0.0, 0.5)),
        ("a.b=interval(-1,1)", SearchAxis("a.b", "uniform", -1.0, 1.0)),
        ("a.b=int(1,8)", SearchAxis("a.b", "int", 1, 8)),
        ("a.b=int(64,500,64)", SearchAxis("a.b", "int", 64, 448, 64)),
        ("a.b=log_int(64,1024)", SearchAxis("a.b", "log_int", 64, 1024)),
        ("attention=dot,additive", SearchAxis("attention", "choice", choices=("dot", "additive"))),
        ("a.b=range(1,4)", SearchAxis("a.b", "choice", choices=("1", "2", "3"))),
        ("a.b=choice(x,y)", SearchAxis("a.b", "choice", choices=("x", "y"))),
    ],
)
def test_ranges_are_read(word: str, axis: SearchAxis) -> None:
    assert parse(word) == axis
    assert all(axis.format_word(value).startswith(f"{axis.key}=") for value in axis.probes)


def test_words_with_one_value_are_common_to_all_trials() -> None:
    words = ["attention=dot", "a.b=int(3.7)", "c=[1,2]", "a.e=log(1,2)"]
    space = parse_space(words)
    assert space.words == words[:3]
    assert [axis.key for axis in space.axes] == ["a.e"]
    assert space.size == math.inf
    assert parse_space(["a=x,y,z", "b=int(1,9,4)"]).size == 9


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("a.b=log(0,1e-2)", "needs numbers above 0.*uniform"),
        ("a.b=log(1e-2,1e-4)", "1e-2 is not below 1e-4"),
        ("a.b=log(x,y)", "two numbers"),
        ("a.b=uniform(1)", "two numbers"),
        ("a.b=uniform(0,inf)", "two numbers"),
        ("a.b=int(1,2.5)", "whole numbers"),
        ("a.b=int(1,8,9)", "the step must"),
        ("a.b=unifrom(0,1)", "unifrom is no range. Did you mean uniform"),
        ("a.b=range(0.1,0.5)", r"has one value.*uniform"),
        ("a.b=range(1,100000)", "99,999 values"),
        ("a.b=x,x", "value twice"),
        ("a.b=3", "nothing is searched"),
        ("seed=1,2", "seed cannot be searched"),
        ("training.stop.steps=int(3,9)", "cannot be searched"),
        ("training.validation.metric=bleu,chrf", "cannot be searched"),
    ],
)
def test_what_is_no_range_is_told_in_a_sentence(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_space([word])


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as told:
        parse_space(["a=log(0,1)", "b=int(2,1)", "c=1,2", "c=3,4"])
    assert len(told.value.args) == 3


@given(st.floats(1e-6, 1.0), st.floats(1.0, 1e3), st.floats(0, 1))
def test_drawn_numbers_stay_in_their_range(low: float, width: float, share: float) -> None:
    axis = SearchAxis("a", "uniform", low, low + width)
    rounded = axis.round(low + share * width)
    assert isinstance(rounded, float)
    assert axis.low <= rounded <= axis.high
    assert abs(rounded - (low + share * width)) <= 1e-5 * axis.high


def test_the_command_line_is_divided() -> None:
    own, words = split_arguments(["tune.rungs=3,9", "jobs=2", "output=a=b", "a=log(1,2)", "--help", "~probes"])
    assert own == ["tune.rungs=[3,9]", "jobs=2", "output='a=b'", "--help"]
    assert words == ["a=log(1,2)", "~probes"]


@pytest.mark.parametrize("wrong", [{"trials": 0}, {"keep": 1}, {"seed": -1}, {"rungs": []}, {"rungs": [3, 3]}])
def test_a_budget_that_is_none_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=f"tune.{next(iter(wrong))}"):
        Budget(**wrong)  # type: ignore[arg-type]


# Halving -----------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30), st.integers(2, 5))
def test_the_best_go_on(scores: list[float], keep: int) -> None:
    chosen = choose_survivors(dict(enumerate(scores)), keep)
    assert len(chosen) == count_survivors(len(scores), keep) == max(1, len(scores) // keep)
    others = set(range(len(scores))) - set(chosen)
    assert all(scores[one] >= scores[other] for one in chosen for other in others)


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=30), st.integers(2, 5), st.data())
def test_a_kill_in_between_changes_nothing(scores: list[float], keep: int, data: st.DataObject) -> None:
    chosen = choose_survivors(dict(enumerate(scores)), keep)
    promoted = data.draw(st.sets(st.sampled_from(chosen)))
    rest = sorted(set(range(len(scores))) - set(chosen))
    closed = data.draw(st.sets(st.sampled_from(rest))) if rest else set()
    again = choose_survivors(dict(enumerate(scores)), keep, promoted=frozenset(promoted), closed=frozenset(closed))
    assert again == chosen


@given(st.integers(1, 5000), st.integers(2, 5), st.none() | st.integers(1, 300))
def test_rungs_are_multiples_of_the_validations(steps: int, keep: int, every: int | None) -> None:
    rungs, unit = plan_rungs(None, keep, steps, every)
    assert sorted(set(rungs)) == rungs
    assert all(rung % unit == 0 for rung in rungs)
    assert steps <= rungs[-1] < steps + unit
    assert every in (None, unit)


def test_rungs_between_validations_are_refused() -> None:
    assert plan_rungs([300, 900, 2700], 3, None, None) == ([300, 900, 2700], 300)
    with pytest.raises(ConfigError, match="every_steps=320; got 300, 900"):
        plan_rungs([300, 900], 3, 1600, 320)
    with pytest.raises(ConfigError, match=r"tune\.rungs"):
        plan_rungs(None, 3, None, 320)
