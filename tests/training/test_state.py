"""A run that is interrupted, and goes on in a new state, ends as if nothing had happened: to the bit."""

import itertools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES
from nmt.errors import CheckpointError
from nmt.model.decoders.table import DECODERS
from nmt.storage.files import load_tensors, read_json, write_json
from nmt.training import state as state_module
from nmt.training.average import EmaWeights
from nmt.training.schedule import Plateau
from nmt.training.state import TrainingProgress, TrainingState, check_shapes, get_weights, load_weights
from tests import tiny_runs
from tests.builders import RECURRENT_DECODERS, mark_slow_unless
from tests.run_files import find_differences, read_run_files

pytestmark = pytest.mark.usefixtures("unchecked_shapes")

PLATEAU = ("schedule=plateau", "schedule.patience=0", "schedule.threshold=100", "training.validation.metric=loss")
"""The learning rate is halved after every validation but the first."""
COSINE = ("schedule=cosine", "schedule.steps=9", "schedule.warmup_steps=3")
EMA = ("average=ema", "average.decay=0.7")
RHYTHM = ("training.stop.steps=11", "training.validation.every_steps=3", "training.log_every=4")

FAVOR = (
    *("model.encoder.self_attention.score.name=favor", "+model.encoder.self_attention.score.redraw_every=4"),
    *("model.decoder.self_attention.score.name=favor", "+model.decoder.self_attention.score.redraw_every=5"),
    "model.decoder.attention_dropout=0.1",
)
"""Random features that are drawn anew before a resume and after it, before and after a validation."""

CASES: dict[str, tuple[str, ...]] = {
    "luong": ("model/decoder=luong", *PLATEAU),
    "bahdanau": ("model/decoder=bahdanau", *COSINE, *EMA),
    "conditional": ("model/decoder=conditional", *PLATEAU, *EMA, "tokenizer=unigram", "tokenizer.sampling=0.3"),
    "transformer": (*tiny_runs.TRANSFORMER, *COSINE),
    "rotary": (*tiny_runs.TRANSFORMER, *tiny_runs.OTHER_POSITIONS, *EMA),
    "cascade": (*tiny_runs.CASCADE, *COSINE),
    "favor": (*tiny_runs.TRANSFORMER, *FAVOR, *EMA),
    "ntm": ("model/decoder=ntm", "attention=cosine", "model.decoder.free_slots=3", *EMA),
    "snail": (*tiny_runs.SNAIL_ENCODER, *tiny_runs.SNAIL_DECODER, "model.encoder.attention_dropout=0.1", *COSINE),
}
STOPS = {
    "luong": (2, 3, 11),
    "bahdanau": (1, 7),
    "conditional": (6,),
    "transformer": (4,),
    "rotary": (5,),
    "cascade": (5,),
    "favor": (5,),
    "ntm": (4,),
    "snail": (5,),
}
"""Optimizer steps: within an epoch, at its end, on a validation and on none, and the very last."""


def chosen(folder: Path, *overrides: str) -> dict[str, Any]:
    return tiny_runs.build_settings(folder, *tiny_runs.RANDOM_OVERRIDES, *RHYTHM, *overrides)


def trained(folder: Path, settings: dict[str, Any], stops: Sequence[int] = ()) -> dict[str, Any]:
    """What a run leaves that was interrupted after each of these steps; each part begins with other random numbers."""
    for number, stop in enumerate(stops):
        seed = 1000 + stop if number else None
        assert (
            tiny_runs.build_run(settings, folder, tiny_runs.DelayedInterruption(stop), seed=seed).train()
            == "interrupted"
        )
    run = tiny_runs.build_run(settings, folder, seed=999 if stops else None)
    assert run.train() == "steps (11)"
    return read_run_files(folder)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def whole(home: Path) -> Callable[[str], dict[str, Any]]:
    """What each case leaves that nothing interrupted."""
    found: dict[str, dict[str, Any]] = {}

    def of(case: str) -> dict[str, Any]:
        if case not in found:
            found[case] = trained(home / case, chosen(home / case, *CASES[case]))
        return found[case]

    return of


@pytest.fixture(autouse=True)
def _no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    """TensorBoard takes longer to import than a run takes here."""
    monkeypatch.setattr("nmt.training.metrics_logger._open_tensorboard", lambda folder, step: None)


def test_every_decoder_is_under_test() -> None:
    assert CASES.keys() >= DECODERS.keys()


QUICK = ("luong", "bahdanau", "favor", "ntm")
"""Every schedule, averages and none, one and several interruptions, and what draws random numbers of its own."""


@pytest.mark.parametrize("case", mark_slow_unless(QUICK, list(CASES)))
def test_an_interrupted_run_is_an_uninterrupted_one(
    case: str, tmp_path: Path, home: Path, whole: Callable[[str], dict[str, Any]]
) -> None:
    wanted = whole(case)
    assert [row["step"] for row in wanted["metrics"] if row["kind"] == "validation"] == [3, 6, 9, 11]
    folder = home / f"{case}-interrupted"
    found = trained(folder, chosen(folder, *CASES[case]), STOPS[case])
    assert find_differences(found, wanted) == []


def test_the_limit_on_steps_can_be_raised_after_a_validation(
    home: Path, whole: Callable[[str], dict[str, Any]]
) -> None:
    folder = home / "raised"
    for steps in (3, 9):
        early = chosen(folder, *CASES["bahdanau"], f"training.stop.steps={steps}")
        assert tiny_runs.build_run(early, folder).train() == f"steps ({steps})"
    found = trained(folder, chosen(folder, *CASES["bahdanau"]))
    assert find_differences(found, whole("bahdanau")) == []


def test_random_features_are_drawn_anew_in_training_when_it_is_due(tmp_path: Path) -> None:
    trained(tmp_path, chosen(tmp_path, *CASES["favor"], "training.keep.last=9"))
    files = [tmp_path / "checkpoints" / f"step-{step:06d}" / "model.safetensors" for step in (3, 6, 9, 11)]
    drawn = [
        {name: tensor for name, tensor in load_tensors(file).items() if name.endswith("directions")} for file in files
    ]
    for side, changes in (("encoder", [True, True, False]), ("decoder", [True, False, True])):
        for name in (name for name in drawn[0] if name.startswith(side)):
            pairs = itertools.pairwise(drawn)
            assert [not torch.equal(one[name], other[name]) for one, other in pairs] == changes


def forget(*path: str, value: Any) -> Callable[[pytest.MonkeyPatch], None]:
    """Makes a resume read a value of its own in place of one in state.json."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        def changed(file: Path) -> Any:
            rest = read_json(file)
            below = rest
            for key in path[:-1]:
                below = below[key]
            below[path[-1]] = value
            return rest

        monkeypatch.setattr(state_module, "read_json", changed)

    return patch


def skip(owner: Any, name: str) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda monkeypatch: monkeypatch.setattr(owner, name, lambda *arguments: None)


FORGOTTEN: dict[str, tuple[str, Callable[[pytest.MonkeyPatch], None], str]] = {
    "random state": ("luong", skip(torch, "set_rng_state"), "model.safetensors"),
    "place in the epoch": ("luong", forget("progress", "batch", value=0), "model.safetensors"),
    "epoch": ("luong", forget("progress", "epoch", value=0), "model.safetensors"),
    "schedule": ("luong", skip(Plateau, "load_state_dict"), "model.safetensors"),
    "optimizer": ("luong", skip(TrainingState, "_load_optimizer"), "model.safetensors"),
    "average": ("bahdanau", skip(EmaWeights, "load_state_dict"), "model.safetensors"),
    "words of the log": ("luong", forget("window", "words", value=0), "metrics"),
    "best so far": ("luong", forget("progress", "best", value=99.0), "state.json"),
}


@pytest.mark.parametrize("part", mark_slow_unless(["optimizer", "random state", "average"], list(FORGOTTEN)))
def test_whatever_a_resume_forgets_is_seen(
    part: str, home: Path, whole: Callable[[str], dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    case, patch, seen = FORGOTTEN[part]
    begun, folder = home / f"{case}-begun", home / f"without {part}"
    settings = chosen(folder, *CASES[case])
    if not begun.exists():
        assert tiny_runs.build_run(settings, begun, tiny_runs.DelayedInterruption(7)).train() == "interrupted"
    shutil.copytree(begun, folder, symlinks=True)
    patch(monkeypatch)
    assert tiny_runs.build_run(settings, folder, seed=999).train() == "steps (11)"
    assert seen in find_differences(read_run_files(folder), whole(case))


def combinations() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for decoder, score in itertools.product(RECURRENT_DECODERS, SCORES):
        found.append((f"model/decoder={decoder}", f"attention/score={score}", "attention.heads=2"))
    for scope, normalizer in itertools.product(SCOPES, NORMALIZERS):
        found.append((f"attention/scope={scope}", f"attention/normalizer={normalizer}", "model.encoder.layers=2"))
    found.append(("model.decoder.input_feeding=false", "model.decoder.layers=2", "search=beam"))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("overrides", combinations(), ids=" ".join)
def test_every_attention_resumes_exactly_from_every_step(overrides: tuple[str, ...], tmp_path: Path) -> None:
    def settings(name: str) -> dict[str, Any]:
        return chosen(tmp_path / name, *COSINE, *overrides)

    wanted = trained(tmp_path / "whole", settings("whole"))
    assert find_differences(trained(tmp_path / "parts", settings("parts"), range(1, 12)), wanted) == []


def a_state(*, ema: bool = False) -> TrainingState:
    torch.manual_seed(3)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    return TrainingState(
        model, optimizer, Plateau(), EmaWeights(model, decay=0.5) if ema else None, TrainingProgress(step=4)
    )


def test_weights_that_are_handed_on_leave_training_as_it_was(tmp_path: Path) -> None:
    state = a_state()
    own = {name: tensor.clone() for name, tensor in get_weights(state.model).items()}
    state.final_weights = {name: tensor + 1 for name, tensor in own.items()}
    state.save(tmp_path)
    assert torch.equal(load_tensors(tmp_path / "model.safetensors")["weight"], own["weight"] + 1)
    assert torch.equal(state.model.get_parameter("weight"), own["weight"])
    again = a_state()
    load_weights(again.model, state.final_weights, tmp_path)
    again.load(tmp_path)
    assert all(torch.equal(tensor, own[name]) for name, tensor in get_weights(again.model).items())


def test_what_is_averaged_is_saved_and_the_model_keeps_its_own(tmp_path: Path) -> None:
    state = a_state(ema=True)
    with torch.no_grad():
        state.model.get_parameter("weight").add_(1.0)
    own = state.model.get_parameter("weight").clone()
    state.save(tmp_path)
    saved = load_tensors(tmp_path / "model.safetensors")["weight"]
    assert torch.equal(state.model.get_parameter("weight"), own)
    assert torch.allclose(saved, own - 1.0)


def poisoned_weight(state: TrainingState) -> None:
    with torch.no_grad():
        state.model.get_parameter("weight")[0, 0] = float("nan")


def poisoned_moment(state: TrainingState) -> None:
    state.optimizer.state[state.model.get_parameter("bias")]["exp_avg_sq"][0] = float("inf")


def poisoned_average(state: TrainingState) -> None:
    assert state.ema is not None
    state.ema._weights["weight"][0, 0] = float("nan")


def poisoned_window(state: TrainingState) -> None:
    state.running_sums.nll = torch.tensor(float("nan"), dtype=torch.float64)


@pytest.mark.parametrize(
    ("poison", "named"),
    [
        (poisoned_weight, "model.weight"),
        (poisoned_moment, "optimizer.bias.exp_avg_sq"),
        (poisoned_average, "not finite: weight"),
        (poisoned_window, "window.nll"),
    ],
)
def test_no_checkpoint_holds_a_number_that_is_not_finite(
    tmp_path: Path, poison: Callable[[TrainingState], None], named: str
) -> None:
    state = a_state(ema=True)
    state.save(tmp_path)
    poison(state)
    with pytest.raises(CheckpointError, match=named):
        state.save(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    with pytest.raises(CheckpointError, match=r"weight: wanted \(2, 3\), found \(3, 3\)"):
        load_weights(model, {"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}, tmp_path)
    with pytest.raises(CheckpointError, match="extra: wanted none"):
        check_shapes(model, {**get_weights(model), "extra": torch.zeros(1)}, tmp_path)
    with pytest.raises(CheckpointError, match="bias"):
        check_shapes(model, {"weight": torch.zeros(2, 3)}, tmp_path)


@pytest.mark.parametrize("part", ["progress", "schedule", "window"])
def test_a_state_of_another_version_is_refused(tmp_path: Path, part: str) -> None:
    a_state().save(tmp_path)
    rest = json.loads((tmp_path / "state.json").read_text())
    rest[part]["from_the_future"] = 1
    write_json(tmp_path / "state.json", rest)
    with pytest.raises(CheckpointError):
        a_state().load(tmp_path)


def test_an_optimizer_of_another_model_is_refused(tmp_path: Path) -> None:
    state = a_state()
    with pytest.raises(CheckpointError, match="other"):
        state._load_optimizer({"other.exp_avg": torch.zeros(1)}, tmp_path)
