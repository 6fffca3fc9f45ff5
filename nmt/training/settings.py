"""What a person decides about training, apart from the model and the data."""

import math
from dataclasses import dataclass, field
from typing import Literal

from nmt.config import format_value
from nmt.errors import ConfigError
from nmt.training.alignment_losses import ALIGNMENT_LOSSES, AlignmentLossName

Precision = Literal["float32", "bfloat16"]
CompileMode = Literal["off", "inductor", "cuda_graphs"]
Metric = Literal["bleu", "chrf", "exact", "wrong_bits", "valid", "area", "ratio", "loss", "perplexity"]
TaskMetric = Literal["wrong_bits", "valid", "area", "ratio"]
"""Those that a generated task measures: see `nmt.data.points`."""


@dataclass(frozen=True, kw_only=True)
class Stop:
    """When training ends: at whichever limit comes first.

    minutes: wall-clock time of this run, validation included, earlier parts of a resumed run counted.
    patience: validations in a row that bring no new best.
    divergence: optimizer steps in a row in which training costs more than guessing, counted in 25s.
    """

    steps: int | None = None
    epochs: int | None = None
    minutes: float | None = None
    patience: int | None = None
    divergence: int | None = None

    def __post_init__(self) -> None:
        limits = vars(self)
        if all(limit is None for name, limit in limits.items() if name != "divergence"):
            raise ConfigError("Training would never end: give training.stop.steps, .epochs, .minutes or .patience.")
        for name, limit in limits.items():
            if limit is not None and not limit > 0:
                raise ConfigError(f"training.stop.{name} must be above 0, or null for no limit; got {limit}.")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """How often the model is validated and saved, and by what the best is chosen.

    every_steps, every_epochs: one of them; where both are null, every epoch.
    sentences: validate BLEU and chrF on this many sentences from the start of the validation set; null for all.
    """

    every_steps: int | None = None
    every_epochs: int | None = None
    metric: Metric = "bleu"
    sentences: int | None = None

    def __post_init__(self) -> None:
        given = [n for n in (self.every_steps, self.every_epochs) if n is not None]
        if len(given) > 1 or any(n < 1 for n in given):
            raise ConfigError(
                "Give either training.validation.every_steps or training.validation.every_epochs, at least 1, and null "
                f"for the other; got every_steps={format_value(self.every_steps)}, "
                f"every_epochs={format_value(self.every_epochs)}."
            )
        if self.sentences is not None and self.sentences < 1:
            raise ConfigError(f"training.validation.sentences must be at least 1, or null; got {self.sentences}.")


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How many checkpoints stay complete: the `last` newest and the `best` best. The others keep scores and pictures.

    With best=0 the best one stays all the same, because a run hands it on.
    """

    last: int = 1
    best: int = 1

    def __post_init__(self) -> None:
        for name, least in (("last", 1), ("best", 0)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"training.keep.{name} must be {least} or more; got {value}.")


@dataclass(frozen=True, kw_only=True)
class Training:
    """The training loop's own settings.

    precision: of matrix products. bfloat16 rounds what they multiply to 8 binary digits and sums in single precision;
    weights, carries, normalizers, loss and optimizer stay in single precision.

    compile: how a decoder that reads position by position is run: off, operation by operation; inductor, compiled by
    torch.compile; or cuda_graphs, compiled and captured as CUDA graphs.

    alignment_losses: by name, the weight of each in what is minimized; 0 is off. Attention weights are kept in training
    where one is not.

    accumulate: batches whose gradients are summed for one optimizer step. clip_norm: the largest gradient norm, null
    for no clipping. log_every: optimizer steps between two lines of the log.
    """

    precision: Precision = "float32"
    compile: CompileMode = "off"
    label_smoothing: float = 0.1
    alignment_losses: dict[AlignmentLossName, float] = field(
        default_factory=lambda: dict.fromkeys(ALIGNMENT_LOSSES, 0.0)
    )
    clip_norm: float | None = 1.0
    accumulate: int = 1
    log_every: int = 20
    stop: Stop = field(default_factory=lambda: Stop(epochs=20))
    validation: Validation = field(default_factory=Validation)
    keep: Retention = field(default_factory=Retention)

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(f"training.label_smoothing must be at least 0 and below 1; got {self.label_smoothing}.")
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise ConfigError(f"training.clip_norm must be above 0, or null for no clipping; got {self.clip_norm}.")
        for loss, weight in self.alignment_losses.items():
            if not math.isfinite(weight):
                raise ConfigError(f"training.alignment_losses.{loss} must be a finite number, 0 for off; got {weight}.")
        for name in ("accumulate", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"training.{name} must be at least 1; got {getattr(self, name)}.")
