"""Averages of weights: over checkpoints after training, and over steps while training."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from nmt.errors import CheckpointError, ConfigError
from nmt.model.parameter_names import is_drawn, update_names
from nmt.storage.files import load_tensors

UPDATES = "updates"
WEIGHT_PREFIX = "weight."


def average(folders: Sequence[Path]) -> dict[str, Tensor]:
    """mean[name] = 1/n * sum of model.safetensors[name] over n checkpoints   (Junczys-Dowmunt et al. 2016)

    Sums are taken in float64. Tensors that are not floating point must be the same everywhere. Raises CheckpointError
    if the checkpoints differ in names, shapes or types, or cannot be read. What is drawn and not learnt, which has no
    mean, is that of the first.
    """
    if not folders:
        raise CheckpointError("There is no checkpoint to average. Name at least one.")
    first = update_names(load_tensors(folders[0] / "model.safetensors"))
    sums = {name: tensor.to(torch.float64) for name, tensor in first.items() if has_mean(name, tensor)}
    for folder in folders[1:]:
        other = update_names(load_tensors(folder / "model.safetensors"))
        _check_alike(first, folders[0], other, folder)
        for name, total in sums.items():
            total.add_(other[name])
    return {
        name: (sums[name] / len(folders)).to(tensor.dtype) if name in sums else tensor for name, tensor in first.items()
    }


def has_mean(name: str, tensor: Tensor) -> bool:
    """Whether a tensor of this name is a number or numbers that training has changed little by little."""
    return tensor.is_floating_point() and not is_drawn(name)


class EmaWeights:
    """average <- d * average + (1 - d) * weights, with d = min(decay, (1 + n) / (10 + n)) after n earlier updates

    The growing d lets go of the initial weights, of which a fixed d would still hold the share d^n after n updates.
    Weights that are not learnt have no average: the model keeps its own.
    """

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"The decay of the average must be at least 0 and less than 1; got {decay}.")
        self.decay = decay
        self.updates = 0
        self._weights = {
            name: weight.detach().clone() for name, weight in model.named_parameters() if weight.requires_grad
        }

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes the model's present weights into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        averages, weights = self._list_pairs(model)
        torch._foreach_lerp_(averages, weights, 1 - decay)
        self.updates += 1

    @contextmanager
    def swap_in(self, model: nn.Module) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again, to the bit."""
        averages, weights = self._list_pairs(model)
        own = [weight.detach().clone() for weight in weights]
        try:
            _copy(weights, averages)
            yield
        finally:
            _copy(weights, own)

    def state_dict(self) -> dict[str, Tensor]:
        """All that an exact resume needs, as tensors for a safetensors file."""
        return {
            UPDATES: torch.tensor(self.updates),
            **{WEIGHT_PREFIX + name: tensor for name, tensor in self._weights.items()},
        }

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Goes on from a state. Raises CheckpointError if it is that of another model."""
        own = self.state_dict()
        if {name: tensor.shape for name, tensor in state.items()} != {name: own[name].shape for name in own}:
            raise CheckpointError(
                "The averaged weights in the checkpoint are those of a model of another shape. "
                "Resume with the settings that the run began with."
            )
        self.updates = int(state[UPDATES])
        for name, tensor in self._weights.items():
            tensor.copy_(state[WEIGHT_PREFIX + name])

    def _list_pairs(self, model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        weights = dict(model.named_parameters())
        return list(self._weights.values()), [weights[name] for name in self._weights]


@torch.no_grad()
def _copy(target: list[Tensor], source: list[Tensor]) -> None:
    torch._foreach_copy_(target, source)


def _check_alike(first: dict[str, Tensor], first_folder: Path, other: dict[str, Tensor], folder: Path) -> None:
    def differs(name: str) -> bool:
        if name not in first or name not in other:
            return True
        one, two = first[name], other[name]
        same_kind = one.shape == two.shape and one.dtype == two.dtype
        return not same_kind or not (is_drawn(name) or one.is_floating_point() or torch.equal(one, two))

    if different := [name for name in sorted({*first, *other}) if differs(name)]:
        raise CheckpointError(
            f"Only checkpoints of one model can be averaged; {first_folder} and {folder} differ in "
            f"{', '.join(different[:5])}"
            f"{f' and {len(different) - 5} more' if len(different) > 5 else ''}. Choose steps of one run."
        )
