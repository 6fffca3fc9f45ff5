"""What processes that train together send each other, as far as one shows it; tests/trust/test_ranks.py has more."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra.numpy import array_shapes, arrays
from hypothesis.strategies import integers, lists, sampled_from, text
from torch import nn

from nmt.errors import ConfigError, NmtError, RankError
from nmt.launch import VARIABLES, Launch, read_launch
from nmt.ranks import ALONE, Ranks, cut_buckets, explain_loss, join, pack, unpack
from nmt.runs.shared_run import check_launch

KINDS = sampled_from(["<f4", "<f8", "<i8", "|u1", "|b1"])
ARRAYS = KINDS.flatmap(lambda kind: arrays(kind, array_shapes(min_dims=0, min_side=0, max_side=5)))


@given(value=lists(text() | integers()), given_arrays=lists(ARRAYS, max_size=4))
def test_a_message_comes_back_as_it_was(value: list[Any], given_arrays: list[np.ndarray]) -> None:
    found, found_arrays = unpack(pack(value, given_arrays))
    assert found == value
    assert len(found_arrays) == len(given_arrays)
    for one, other in zip(found_arrays, given_arrays, strict=True):
        assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The environment of the second of two processes."""
    given_values = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
    for name, value in given_values.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_environment_tells_how_a_process_was_started(launched: pytest.MonkeyPatch) -> None:
    assert read_launch() == Launch(rank=1, processes=2, local_rank=1, restarts=0)
    launched.setenv("TORCHELASTIC_MAX_RESTARTS", "3")
    assert read_launch().restarts == 3
    launched.setenv("TORCHELASTIC_RESTART_COUNT", "2")
    assert read_launch().start == 0, "other machines may count differently"
    launched.setenv("LOCAL_WORLD_SIZE", "2")
    assert read_launch().start == 2
    for name in VARIABLES:
        with launched.context() as patch:
            patch.delenv(name)
            assert read_launch() == Launch()


@pytest.mark.parametrize("values", [{"RANK": "2"}, {"RANK": "-1"}, {"WORLD_SIZE": "two"}, {"LOCAL_RANK": "x"}])
def test_an_environment_that_makes_no_sense_is_refused(launched: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    for name, value in values.items():
        launched.setenv(name, value)
    with pytest.raises(ConfigError, match="environment must be"):
        read_launch()


def test_what_does_not_go_with_several_processes_is_refused(launched: pytest.MonkeyPatch) -> None:
    settings = {"output": "outputs/mine", "resume": "auto"}
    check_launch(settings, Launch(processes=2, restarts=1))
    unnamed = {**settings, "output": "outputs/2026-11-30-120000"}
    check_launch(unnamed, Launch())
    with pytest.raises(ConfigError, match="need one run folder"):
        check_launch(unnamed, Launch(processes=2))
    check_launch({**settings, "resume": "never"}, Launch(processes=2))
    with pytest.raises(ConfigError, match="may restart"):
        check_launch({**settings, "resume": "never"}, Launch(processes=2, restarts=1))
    with pytest.raises(ConfigError, match="device=mps trains in one process"), join("mps"):
        pass


def test_one_process_sends_nothing() -> None:
    with join("cpu") as ranks:
        assert ranks is ALONE
    assert ALONE.sum([1, 2.5]) == [1, 2.5]
    assert ALONE.find_largest([False, 3.0]) == [False, 3.0]
    assert ALONE.gather("a", [np.ones(2)])[0][0] == "a"
    assert [1, 2, 3][ALONE.part] == [1, 2, 3]
    assert ALONE.work(lambda: 5) == ALONE.work_on_first(lambda: 5) == ALONE.work_in_turn(lambda: 5) == 5
    with pytest.raises(NmtError, match="mine"):
        ALONE.check(lambda: (_ for _ in ()).throw(NmtError("mine")))


@given(sizes=lists(integers(1, 40), max_size=12))
def test_buckets_hold_all_gradients_in_order(sizes: list[int]) -> None:
    gradients = [torch.zeros(size) for size in sizes]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nmt.ranks.BUCKET", 50)
        buckets = list(cut_buckets(gradients))
    assert [id(each) for bucket in buckets for each in bucket] == [id(each) for each in gradients]
    assert all(len(bucket) == 1 or sum(each.numel() for each in bucket) <= 50 for bucket in buckets)
    neighbours = itertools.pairwise(buckets)
    assert all(sum(each.numel() for each in (*one, other[0])) > 50 for one, other in neighbours)


def test_a_lost_process_is_told_from_a_lack_of_memory() -> None:
    with pytest.raises(RankError, match="Process 1 of 2 ends"), explain_loss(Ranks(rank=1, count=2)):
        raise RuntimeError("Connection closed by peer")
    with pytest.raises(RuntimeError, match="allocate"), explain_loss(ALONE):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


def test_weights_that_are_alike_are_left_alone() -> None:
    model = nn.Linear(3, 2)
    assert not ALONE.share_drifted_weights(model)
