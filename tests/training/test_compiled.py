"""The compiled recurrence: the numbers and gradients of the plain one, for every decoder and attention."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from nmt.errors import ConfigError
from nmt.model.seq2seq import Seq2Seq
from nmt.training.compiled import CompiledForward, make_forward_fn
from nmt.training.settings import CompileMode, Stop
from tests.builders import Plan, build_seq2seq, make_mix
from tests.commands import run_process
from tests.tiny_runs import BASE_OVERRIDES
from tests.training.compiling import CASES, LUONG, batch
from tests.training.fake_training import FakeTraining

PLAINEST = CASES.index((LUONG, make_mix()))


def compared(backend: str, cases: range, *, number_format: str = "float64", within: float = 1e-12) -> None:
    """Fails unless the cases have the numbers of the plain recurrence, by one program for batches of all sizes."""
    asked = [sys.executable, "-m", "tests.training.compiling", backend, "2", number_format, *map(str, cases)]
    found = subprocess.run(asked, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert found.returncode == 0, found.stderr
    rows = [line.split() for line in found.stdout.splitlines()]
    assert [int(number) for number, _, _ in rows] == list(cases)
    for number, distance, programs in rows:
        assert float(distance) < within, CASES[int(number)]
        assert programs == "1", CASES[int(number)]


def test_it_is_the_plain_recurrence() -> None:
    """The one that is captured soonest, with torch's own gradients; others, and compiled gradients, are below."""
    compared("eager", range(PLAINEST, PLAINEST + 1))


@pytest.mark.slow
def test_it_is_the_plain_recurrence_for_all_decoders_and_attentions() -> None:
    compared("aot_eager", range(len(CASES)))


@pytest.mark.slow
def test_it_is_the_plain_recurrence_in_machine_code() -> None:
    compared("inductor", range(3))


@pytest.mark.slow
def test_it_is_the_plain_recurrence_under_autocast() -> None:
    compared("aot_eager", range(2), number_format="bfloat16", within=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_dropout_drops_its_share(backend: str) -> None:
    compared(backend, range(1), number_format="dropout", within=0.05)


@pytest.mark.slow
def test_runs_with_either_learn_the_same(tmp_path: Path) -> None:
    losses = []
    for mode in ("off", "inductor"):
        folder = tmp_path / mode
        chosen = [f"training.compile={mode}", "model.dropout.embedding=0", "model.dropout.readout=0"]
        ended = run_process("train", *BASE_OVERRIDES, *chosen, f"output={folder}", f"cache={tmp_path / 'cache'}")
        assert ended.returncode == 0, ended.stderr.decode()
        rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        losses.append([row["loss"] for row in rows if row["kind"] in ("train", "validation")])
    assert losses[0] == pytest.approx(losses[1], abs=1e-3)
    assert len(losses[0]) >= 4


def test_what_is_compiled() -> None:
    model, whole = build_seq2seq(LUONG), build_seq2seq(Plan("luong", "lstm", (("input_feeding", False),)))
    assert make_forward_fn(model, "off") is model
    assert isinstance(make_forward_fn(model, "inductor"), CompiledForward)
    assert make_forward_fn(whole, "inductor") is whole  # torch's own layer reads all positions


def test_a_loop_reads_in_the_way_that_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batches = []

    def chosen(model: Seq2Seq, mode: CompileMode, *, keep_weights: bool) -> Callable[..., Tensor]:
        def forward(source: Tensor, lengths: Tensor, read: Tensor) -> Tensor:
            batches.append(mode)
            return model(source, lengths, read)

        return forward

    monkeypatch.setattr("nmt.training.objective.make_forward_fn", chosen)
    FakeTraining(tmp_path, compile="inductor", stop=Stop(steps=3)).train()
    assert batches == ["inductor"] * 4  # and the one that is rehearsed


def test_graphs_are_captured_on_a_gpu_only() -> None:
    with pytest.raises(ConfigError, match="captures CUDA graphs, and this model is to be trained on the cpu"):
        make_forward_fn(build_seq2seq(LUONG), "cuda_graphs")


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import BackendCompilerFailed
    from torch._inductor.exc import TritonMissing

    forward = CompiledForward(build_seq2seq(LUONG), is_captured=False)
    problems = [BackendCompilerFailed(torch.compile, FileNotFoundError("no triton here."), None), TritonMissing(None)]

    def failing(*given: object, keep_weights: bool) -> None:
        raise problems.pop()

    monkeypatch.setattr(forward, "block", failing)
    while problems:
        with pytest.raises(ConfigError, match=r"could not compile .*triton.* It needs a C\+\+ compiler"):
            forward(*batch(2, 3, 4))
