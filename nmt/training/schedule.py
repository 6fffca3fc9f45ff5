"""Learning-rate schedules: by what share of the peak rate each optimizer step is taken.

All begin with the same linear warm-up over `warmup_steps` optimizer steps, which are counted from 1. With t the step
and w the last step of the warm-up (1 if there is none), factor(t) = min(1, t / w) * decay(t), and factor(w) = 1.
"""

import math
from abc import ABC, abstractmethod
from typing import Any

from nmt.errors import CheckpointError, ConfigError


class Schedule(ABC):
    """factor(t) = min(1, t / w) * decay(t)"""

    def __init__(self, *, warmup_steps: int = 0) -> None:
        _require(warmup_steps >= 0, f"warmup_steps must be 0 or more; got {warmup_steps}.")
        self.peak_step = max(1, warmup_steps)

    def compute_factor(self, step: int) -> float:
        """By what the peak learning rate is multiplied at this optimizer step, the first being 1."""
        return min(1.0, step / self.peak_step) * self._compute_decay(step)

    def set_length(self, updates: int | None) -> None:
        """Takes note of how many optimizer steps training makes at most; None where nobody can know. `cosine` does."""
        return None

    def observe(self, value: float) -> None:
        """Takes note of a validation result, larger being better. Only `plateau` does."""
        return None

    def state_dict(self) -> dict[str, Any]:
        """What an exact resume needs beyond the step, as JSON."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a state. Raises CheckpointError if it is that of another schedule."""
        if state.keys() != self.state_dict().keys():
            raise CheckpointError(
                f"The schedule {type(self).__name__} keeps {sorted(self.state_dict())}, but the checkpoint holds "
                f"{sorted(state)}. Resume with the schedule that the run began with."
            )
        vars(self).update(state)

    @abstractmethod
    def _compute_decay(self, step: int) -> float:
        """decay(t)"""


class Constant(Schedule):
    """decay(t) = 1"""

    def __init__(self, *, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps=warmup_steps)

    def _compute_decay(self, step: int) -> float:
        return 1.0


class InverseSquareRoot(Schedule):
    """decay(t) = sqrt(w / t) from t = w on   (Vaswani et al. 2017, section 5.3)

    The paper's rate is this factor times hidden_size^-0.5 * w^-0.5, which is the peak.
    """

    def __init__(self, *, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps=warmup_steps)

    def _compute_decay(self, step: int) -> float:
        return math.sqrt(self.peak_step / max(self.peak_step, step))


class CosineAnnealing(Schedule):
    """decay(t) = floor + (1 - floor) * (1 + cos(pi * p)) / 2, p = min(1, (t - w) / steps)

    Loshchilov and Hutter 2017, without restarts. The decay takes `steps` steps after the warm-up; from then on the
    factor stays at `floor`, a share of the peak. Where `steps` is None, the decay ends with training: see `set_length`.
    """

    def __init__(self, *, steps: int | None = None, floor: float = 0.0, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps=warmup_steps)
        _require(
            steps is None or steps >= 1,
            f"steps, the length of the decay, must be at least 1, or null for that of training; got {steps}.",
        )
        _require(0 <= floor <= 1, f"floor is a share of the peak, from 0 to 1; got {floor}.")
        self.steps = steps
        self.floor = floor

    def set_length(self, updates: int | None) -> None:
        if self.steps is None:
            _require(
                updates is not None,
                "schedule=cosine ends with training, but neither training.stop.steps nor training.stop.epochs says "
                "when that is. Give one of them, or the length of the decay: schedule.steps=...",
            )
            assert updates is not None
            self.steps = max(1, updates - self.peak_step)

    def _compute_decay(self, step: int) -> float:
        if self.steps is None:
            raise ConfigError("The length of a cosine schedule without steps comes from set_length.")
        progress = min(1.0, max(0, step - self.peak_step) / self.steps)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * progress)) / 2


class Halving(Schedule):
    """decay(t) = 2^-k,  k = ceil((t - start) / every) from t = start on, and 0 before   (as in Luong et al. 2015)

    The peak lasts until step `start`; then the rate is halved, and again after every further `every` steps. Luong et
    al. count in epochs: with N steps an epoch, their 5 epochs and then every one are start = 5 N and every = N.
    """

    def __init__(self, *, start: int, every: int, warmup_steps: int = 0) -> None:
        super().__init__(warmup_steps=warmup_steps)
        _require(start >= warmup_steps, f"start must not come before the end of the warm-up; got start {start}.")
        _require(every >= 1, f"every, the steps between two halvings, must be at least 1; got {every}.")
        self.start = max(start, self.peak_step)
        self.every = every

    def _compute_decay(self, step: int) -> float:
        return math.ldexp(1.0, -max(0, -(-(step - self.start) // self.every)))


class Plateau(Schedule):
    """decay = max(floor, shrink^k), k = how often validation stood still

    It stands still when `patience` + 1 results in a row are not better than the best so far by more than `threshold`
    (in the units of the result); the count then starts again. A result that is not finite is never better.
    """

    def __init__(
        self,
        *,
        shrink: float = 0.5,
        patience: int = 2,
        threshold: float = 0.0,
        floor: float = 0.0,
        warmup_steps: int = 0,
    ) -> None:
        super().__init__(warmup_steps=warmup_steps)
        _require(0 < shrink < 1, f"shrink multiplies the rate and must lie between 0 and 1; got {shrink}.")
        _require(patience >= 0, f"patience must be 0 or more; got {patience}.")
        _require(threshold >= 0, f"threshold must be 0 or more; got {threshold}.")
        _require(0 <= floor <= 1, f"floor is a share of the peak, from 0 to 1; got {floor}.")
        self.shrink = shrink
        self.patience = patience
        self.threshold = threshold
        self.floor = floor
        self.best: float | None = None
        self.waited = 0
        self.cuts = 0

    def set_length(self, updates: int | None) -> None:
        """Takes note of how many optimizer steps training makes at most; None where nobody can know. `cosine` does."""
        return None

    def observe(self, value: float) -> None:
        better = self.best is None or value > self.best + self.threshold
        if better and math.isfinite(value):
            self.best, self.waited = float(value), 0
            return
        self.waited += 1
        if self.waited > self.patience:
            self.cuts, self.waited = self.cuts + 1, 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "cuts": self.cuts}

    def _compute_decay(self, step: int) -> float:
        return max(self.floor, self.shrink**self.cuts)


SCHEDULES: dict[str, type[Schedule]] = {
    "constant": Constant,
    "inverse_sqrt": InverseSquareRoot,
    "cosine": CosineAnnealing,
    "halving": Halving,
    "plateau": Plateau,
}


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)
