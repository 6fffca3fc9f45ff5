"""Laws of all schedules, the equations at their landmarks, and PyTorch's own plateau as an oracle."""

import json
import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.errors import CheckpointError, ConfigError
from nmt.training.schedule import SCHEDULES, Constant, CosineAnnealing, Halving, InverseSquareRoot, Plateau, Schedule

MAKE: dict[str, Callable[[int], Schedule]] = {
    "constant": lambda warmup: Constant(warmup_steps=warmup),
    "inverse_sqrt": lambda warmup: InverseSquareRoot(warmup_steps=warmup),
    "cosine": lambda warmup: CosineAnnealing(steps=23, floor=0.1, warmup_steps=warmup),
    "halving": lambda warmup: Halving(start=19, every=7, warmup_steps=warmup),
    "plateau": lambda warmup: Plateau(warmup_steps=warmup),
}


def test_every_schedule_is_held_to_the_laws() -> None:
    assert MAKE.keys() == SCHEDULES.keys()
    assert all(type(make(1)) is SCHEDULES[name] for name, make in MAKE.items())


@pytest.mark.parametrize("name", MAKE)
@given(warmup=st.integers(0, 17))
def test_warmup_is_linear_and_reaches_the_peak(name: str, warmup: int) -> None:
    schedule = MAKE[name](warmup)
    for step in range(1, warmup + 1):
        assert schedule.compute_factor(step) == pytest.approx(step / warmup)
    assert schedule.compute_factor(max(1, warmup)) == 1.0


@pytest.mark.parametrize("name", MAKE)
@given(warmup=st.integers(0, 17), step=st.integers(1, 200))
def test_after_warmup_no_rate_rises_or_leaves_the_unit_interval(name: str, warmup: int, step: int) -> None:
    schedule = MAKE[name](warmup)
    here, there = schedule.compute_factor(warmup + step), schedule.compute_factor(warmup + step + 1)
    assert 0.0 < there <= here <= 1.0
    assert schedule.compute_factor(warmup + step) == here


@given(warmup=st.integers(1, 1000), times=st.integers(1, 9))
def test_inverse_square_root_falls_to_a_half_at_four_times_the_warmup(warmup: int, times: int) -> None:
    assert InverseSquareRoot(warmup_steps=warmup).compute_factor(warmup * times**2) == pytest.approx(1 / times)


@given(warmup=st.integers(1, 50), half=st.integers(1, 50), floor=st.floats(0, 1))
def test_cosine_is_half_way_down_half_way_and_stays_at_its_floor(warmup: int, half: int, floor: float) -> None:
    schedule = CosineAnnealing(steps=2 * half, floor=floor, warmup_steps=warmup)
    assert schedule.compute_factor(warmup + half) == pytest.approx((1 + floor) / 2)
    assert schedule.compute_factor(warmup + 2 * half) == pytest.approx(floor)
    assert schedule.compute_factor(warmup + 7 * half) == schedule.compute_factor(warmup + 2 * half)


@given(warmup=st.integers(0, 50), updates=st.integers(60, 500))
def test_a_cosine_without_a_length_ends_with_training(warmup: int, updates: int) -> None:
    schedule = CosineAnnealing(floor=0.25, warmup_steps=warmup)
    schedule.set_length(updates)
    assert schedule.compute_factor(updates) == pytest.approx(0.25)
    assert schedule.compute_factor(updates - 1) > 0.25
    given = CosineAnnealing(steps=7, warmup_steps=warmup)
    given.set_length(updates)
    assert given.steps == 7
    with pytest.raises(ConfigError, match=r"training\.stop\.steps"):
        CosineAnnealing().set_length(None)
    CosineAnnealing(steps=7).set_length(None)


@given(start=st.integers(1, 30), every=st.integers(1, 9))
def test_halving_agrees_with_pytorch(start: int, every: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    milestones = [start + every * number for number in range(20)]
    oracle = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones, gamma=0.5)
    schedule = Halving(start=start, every=every)
    for step in range(1, start + 15 * every):
        assert schedule.compute_factor(step) == optimizer.param_groups[0]["lr"]
        optimizer.step()
        oracle.step()


RESULTS = st.lists(st.floats(-5, 5), max_size=30)


@given(
    results=RESULTS,
    patience=st.integers(0, 3),
    threshold=st.sampled_from([0.0, 0.5]),
    floor=st.sampled_from([0.0, 0.2]),
)
def test_plateau_agrees_with_pytorch(results: list[float], patience: int, threshold: float, floor: float) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, "max", 0.5, patience, threshold, threshold_mode="abs", min_lr=floor, eps=0.0
    )
    schedule = Plateau(shrink=0.5, patience=patience, threshold=threshold, floor=floor)
    for result in results:
        oracle.step(result)
        schedule.observe(result)
        assert schedule.compute_factor(100) == pytest.approx(optimizer.param_groups[0]["lr"])


@given(before=RESULTS, after=RESULTS)
def test_a_resumed_plateau_goes_on_as_if_never_stopped(before: list[float], after: list[float]) -> None:
    whole, stopped, resumed = (Plateau(patience=1, threshold=0.25, warmup_steps=3) for _ in range(3))
    for result in before:
        whole.observe(result)
        stopped.observe(result)
    resumed.load_state_dict(json.loads(json.dumps(stopped.state_dict(), allow_nan=False)))
    for result in after:
        whole.observe(result)
        resumed.observe(result)
        assert resumed.compute_factor(9) == whole.compute_factor(9)
    assert resumed.state_dict() == whole.state_dict()


@pytest.mark.parametrize("result", [math.nan, math.inf, -math.inf])
def test_a_result_that_is_not_finite_is_no_improvement(result: float) -> None:
    schedule = Plateau(patience=0)
    schedule.observe(result)
    assert schedule.state_dict() == {"best": None, "waited": 0, "cuts": 1}


@pytest.mark.parametrize("name", sorted(MAKE.keys() - {"plateau"}))
def test_only_the_plateau_listens(name: str) -> None:
    schedule = MAKE[name](3)
    before = [schedule.compute_factor(step) for step in range(1, 40)]
    schedule.observe(-1.0)
    schedule.observe(-2.0)
    assert [schedule.compute_factor(step) for step in range(1, 40)] == before
    assert schedule.state_dict() == {}
    schedule.load_state_dict({})


def test_the_state_of_another_schedule_is_refused() -> None:
    with pytest.raises(CheckpointError, match=r"Constant keeps \[\].*'best'"):
        Constant().load_state_dict(Plateau().state_dict())
    with pytest.raises(CheckpointError, match="Plateau"):
        Plateau().load_state_dict({})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        *((name, {"warmup_steps": -1}) for name in ("constant", "inverse_sqrt", "plateau")),
        ("cosine", {"steps": 5, "warmup_steps": -1}),
        ("cosine", {"steps": 0}),
        ("cosine", {"steps": 5, "floor": 1.5}),
        ("halving", {"every": 5, "start": -1}),
        ("halving", {"every": 5, "warmup_steps": 9, "start": 8}),
        ("halving", {"start": 5, "every": 0}),
        ("plateau", {"shrink": 1.0}),
        ("plateau", {"shrink": 0.0}),
        ("plateau", {"patience": -1}),
        ("plateau", {"threshold": -0.5}),
        ("plateau", {"floor": -0.5}),
    ],
)
def test_values_out_of_range_are_refused_by_name(name: str, arguments: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=list(arguments)[-1]):
        SCHEDULES[name](**arguments)
