"""Which weights a run hands on: those of a step as they are, or a mean that is better than any of its members."""

from dataclasses import dataclass

from nmt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class NoAverage:
    """The weights of the best checkpoint as they are."""


@dataclass(frozen=True, kw_only=True)
class ExponentialMovingAverage:
    """An exponential moving average over optimizer steps; it is what is validated and saved as the model."""

    decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0.0 <= self.decay < 1.0:
            raise ConfigError(f"average.decay must be at least 0 and below 1; got {self.decay}.")


@dataclass(frozen=True, kw_only=True)
class LastCheckpoints:
    """After training, the mean of the `count` newest checkpoints, validated as a checkpoint of its own."""

    count: int = 5

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"average.count must be at least 1; got {self.count}.")


@dataclass(frozen=True, kw_only=True)
class BestCheckpoints:
    """After training, the mean of the `count` best checkpoints, validated as a checkpoint of its own."""

    count: int = 5

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ConfigError(f"average.count must be at least 1; got {self.count}.")


Average = NoAverage | ExponentialMovingAverage | LastCheckpoints | BestCheckpoints

AVERAGES: dict[str, type] = {
    "none": NoAverage,
    "ema": ExponentialMovingAverage,
    "last": LastCheckpoints,
    "best": BestCheckpoints,
}
