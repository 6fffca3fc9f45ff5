"""The training state: what a checkpoint holds, so that an interrupted run goes on as if nothing had happened."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nmt.errors import CheckpointError
from nmt.model.parameter_names import update_names
from nmt.ranks import ALONE, Ranks
from nmt.storage.files import Entry, load_tensors, read_json, save_tensors, write_json
from nmt.training.average import WEIGHT_PREFIX, EmaWeights
from nmt.training.divergence import Excess
from nmt.training.interruption import TrainingInterrupt
from nmt.training.objective import Counts, Sums
from nmt.training.schedule import Schedule

MODEL = "model.safetensors"
TENSORS = "state.safetensors"
JSON_STATE = "state.json"
WINDOW_PREFIX = "window.alignment."


@dataclass
class TrainingProgress:
    """Where a run is. `epoch` and `batch` name the next batch; counts are of what is behind, `validated` is a step.

    skipped: steps that were not taken because their numbers were not finite; failing: those of them since the last
    one that was taken.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    words: int = 0
    seconds: float = 0.0
    best: float | None = None
    stale: int = 0
    skipped: int = 0
    failing: int = 0
    validated: int = 0


def _make_zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


@dataclass
class RunningSums:
    """Sums since the last line of the log; losses are tensors, so that nothing waits for a device before a line."""

    objective: Tensor = field(default_factory=_make_zero)
    nll: Tensor = field(default_factory=_make_zero)
    alignment: dict[str, Tensor] = field(default_factory=dict)
    words: int = 0
    seconds: float = 0.0
    alignment_counts: dict[str, int] = field(default_factory=dict)

    def add(self, sums: Sums, counts: Counts) -> None:
        """Adds those of a step."""
        self.objective, self.nll = self.objective + sums.objective, self.nll + sums.nll
        self.words += counts.words
        for name, value in sums.alignment.items():
            self.alignment[name] = self.alignment.get(name, _make_zero()) + value
            self.alignment_counts[name] = self.alignment_counts.get(name, 0) + counts.alignment[name]

    def compute_alignment_means(self) -> dict[str, float]:
        """Each alignment loss as lines of the log have it; one that nothing was counted for is left out."""
        counts = self.alignment_counts
        return {f"{name}_loss": float(value) / counts[name] for name, value in self.alignment.items() if counts[name]}


@dataclass
class TrainingState:
    """Model, optimizer, schedule, averaged weights, position in the data, sums for the log, how long the loss has been
    above guessing, and the random state.

    `final_weights` are weights that are saved as the model in place of its own, once training is over.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    ema: EmaWeights | None
    progress: TrainingProgress
    running_sums: RunningSums = field(default_factory=RunningSums)
    excess: Excess = field(default_factory=Excess)
    final_weights: Mapping[str, Tensor] | None = None

    @contextmanager
    def swap_in_saved_weights(self) -> Iterator[None]:
        """Inside, the model has the weights that a checkpoint's model folder has: averaged ones, if there are any."""
        if self.final_weights is not None:
            swap: AbstractContextManager[None] = _swap_weights(self.model, self.final_weights)
        else:
            swap = self.ema.swap_in(self.model) if self.ema else nullcontext()
        with swap:
            yield

    @contextmanager
    def rollback_on_interrupt(self) -> Iterator[None]:
        """Whatever a block does to all but the weights is undone if Interrupted comes out of it."""
        before = dict(vars(self.progress)), self.schedule.state_dict(), get_rng_state()
        try:
            yield
        except TrainingInterrupt:
            vars(self.progress).update(before[0])
            self.schedule.load_state_dict(before[1])
            set_rng_state(before[2])
            raise

    def save(self, folder: Path, random: Mapping[str, Tensor] | None = None) -> None:
        """Writes the model and all else that an exact resume needs; nothing is pickled.

        random: where the random numbers of all processes are, as `gather_rng_states` gives it; None for those of this
        process. Raises CheckpointError if a number is not finite, or if something cannot be written.
        """
        random = get_rng_state() if random is None else random
        with self.swap_in_saved_weights():
            _write(folder / MODEL, get_weights(self.model))
        tensors = {f"optimizer.{name}": tensor for name, tensor in self._optimizer_tensors().items()}
        if self.ema:
            tensors |= {f"ema.{name}": tensor for name, tensor in self.ema.state_dict().items()}
        if self.ema or self.final_weights is not None:
            tensors |= {f"model.{name}": tensor for name, tensor in get_weights(self.model).items()}
        tensors |= {"window.smoothed": self.running_sums.objective, "window.nll": self.running_sums.nll}
        tensors |= {f"{WINDOW_PREFIX}{name}": value for name, value in self.running_sums.alignment.items()}
        tensors |= {f"random.{device}": tensor for device, tensor in random.items()}
        _write(folder / TENSORS, tensors)
        window: dict[str, Any] = {"words": self.running_sums.words, "seconds": self.running_sums.seconds}
        if self.running_sums.alignment_counts:
            window["alignment_counts"] = self.running_sums.alignment_counts
        rest = {"progress": asdict(self.progress), "schedule": self.schedule.state_dict(), "window": window}
        rest["excess"] = asdict(self.excess)
        write_json(folder / JSON_STATE, rest)

    def load(self, folder: Path, ranks: Ranks = ALONE) -> None:
        """Goes on from a checkpoint of the same model and settings, which may be of another number of processes.

        Raises CheckpointError if it is of others.
        """
        tensors = load_tensors(folder / TENSORS)
        rest = read_json(folder / JSON_STATE)
        # Where the model that was saved is an average, the weights that training goes on from lie beside it.
        weights = filter_by_prefix(tensors, "model.") or load_tensors(folder / MODEL)
        load_weights(self.model, update_names(weights), folder)
        if self.ema:
            self.ema.load_state_dict(update_names(filter_by_prefix(tensors, "ema."), prefix=WEIGHT_PREFIX))
        self._load_optimizer(update_names(filter_by_prefix(tensors, "optimizer.")), folder)
        try:
            self.schedule.load_state_dict(rest["schedule"])
            self.progress = TrainingProgress(**rest["progress"])
            self.running_sums = RunningSums(
                tensors["window.smoothed"],
                tensors["window.nll"],
                filter_by_prefix(tensors, WINDOW_PREFIX),
                **rest["window"],
            )
            self.excess = Excess(**rest.get("excess", {}))  # runs of earlier versions have none
            load_rng_state(filter_by_prefix(tensors, "random."), self.progress.step, ranks)
        except (KeyError, TypeError) as problem:
            raise CheckpointError(
                f"{folder} holds a training state of another version of this program ({problem}). Its model can be "
                "used, but training cannot go on from it: choose another output."
            ) from problem

    def _optimizer_tensors(self) -> dict[str, Tensor]:
        names = {id(parameter): name for name, parameter in self.model.named_parameters()}
        return {
            f"{names[id(parameter)]}.{key}": value
            for parameter, entries in self.optimizer.state.items()
            for key, value in entries.items()
        }

    def _load_optimizer(self, tensors: Mapping[str, Tensor], folder: Path) -> None:
        parameters = dict(self.model.named_parameters())
        for name, tensor in tensors.items():
            owner, _, key = name.rpartition(".")
            if owner not in parameters:
                raise CheckpointError(
                    f"{folder / TENSORS} has optimizer state of {owner}, which this model does not have."
                )
            # The step count too: fused kernels read it where the parameter is.
            self.optimizer.state[parameters[owner]][key] = tensor.to(parameters[owner].device)


def get_rng_state() -> dict[str, Tensor]:
    """Where torch's random numbers are, for each kind of device that there is."""
    found = {"cpu": torch.get_rng_state()}
    return {**found, "cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else found


def set_rng_state(state: Mapping[str, Tensor]) -> None:
    """Goes on from where they were; that of a device which is not there is left out."""
    torch.set_rng_state(state["cpu"])
    if torch.cuda.is_available() and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])


def gather_rng_states(ranks: Ranks) -> dict[str, Tensor]:
    """Where the random numbers of all processes are: those of rank 0 by the names of `get_rng_state`, those of another
    after its rank and a dot."""
    own = get_rng_state()
    found = ranks.gather(list(own), [state.numpy() for state in own.values()])
    return {
        name if rank == 0 else f"{rank}.{name}": torch.from_numpy(array)
        for rank, (names, arrays) in enumerate(found)
        for name, array in zip(names, arrays, strict=True)
    }


def load_rng_state(states: Mapping[str, Tensor], step: int, ranks: Ranks) -> None:
    """Goes on from where the random numbers of this process were; one that there was not begins a row of its own."""
    own = states if ranks.is_first else filter_by_prefix(states, f"{ranks.rank}.")
    if "cpu" in own:
        set_rng_state(own)
    else:
        seed_rank(step, ranks)


def seed_rank(step: int, ranks: Ranks) -> None:
    """Seeds torch's random numbers in all processes but the first, each in its own way, so that no two drop the same.

    step: how many steps are behind, so that numbers that were used before do not come again.
    """
    if not ranks.is_first:
        entropy = [torch.initial_seed() % 2**64, step, ranks.rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0]))


def get_weights(model: nn.Module) -> dict[str, Tensor]:
    """A model's parameters by name; one that several modules share is there once, under its first name."""
    return {name: parameter.detach() for name, parameter in model.named_parameters()}


def filter_by_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix`, which is taken off."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def check_shapes(model: nn.Module, tensors: Mapping[str, Tensor] | Mapping[str, Entry], folder: Path) -> None:
    """Raises CheckpointError unless the tensors have the names and shapes of the model's parameters."""
    shapes = {name: tuple(tensor.shape) for name, tensor in get_weights(model).items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if shapes != found:
        wrong = sorted(name for name in {*shapes, *found} if shapes.get(name) != found.get(name))
        listed = "; ".join(f"{n}: wanted {shapes.get(n, 'none')}, found {found.get(n, 'none')}" for n in wrong[:5])
        raise CheckpointError(
            f"The weights in {folder} are not those of the configured model: {listed}. Use the settings that they were "
            "made with."
        )


def check_finite(model: nn.Module, file: Path) -> None:
    """Raises CheckpointError where weights are NaN or infinite: nothing that is made with them has a meaning."""
    broken = [name for name, tensor in get_weights(model).items() if not tensor.isfinite().all()]
    if broken:
        raise CheckpointError(
            f"The weights in {file} hold NaN or infinity: {'; '.join(broken[:5])}. Choose another checkpoint."
        )


@torch.no_grad()
def load_weights(model: nn.Module, tensors: Mapping[str, Tensor], folder: Path) -> None:
    """Copies tensors into a model's parameters. Raises CheckpointError as `check_shapes` does."""
    check_shapes(model, tensors, folder)
    own = get_weights(model)
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    infinite = [name for name, tensor in tensors.items() if not tensor.isfinite().all()]
    if infinite:
        raise CheckpointError(
            f"{path.parent.name} is not saved, because numbers in it are not finite: {', '.join(infinite[:5])}"
            f"{f' and {len(infinite) - 5} more' if len(infinite) > 5 else ''}. Earlier checkpoints are as they were. "
            "Lower optimizer.learning_rate, or set training.clip_norm, for a run in another output."
        )
    save_tensors(path, tensors)


@contextmanager
def _swap_weights(model: nn.Module, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    own = {name: tensor.clone() for name, tensor in get_weights(model).items()}
    try:
        load_weights(model, tensors, Path(MODEL))
        yield
    finally:
        load_weights(model, own, Path(MODEL))
