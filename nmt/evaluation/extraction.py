"""Which weights become word links: the extraction axis. Known before torch is imported."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from nmt import config
from nmt.errors import ConfigError

if TYPE_CHECKING:
    from nmt.evaluation.alignment import Link


@dataclass(frozen=True, kw_only=True)
class Argmax:
    """Each target word is linked to the source word with the highest weight."""

    def __call__(self, weights: Any) -> "set[Link]":
        from nmt.evaluation.alignment import extract_argmax_links

        return extract_argmax_links(weights)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Words are linked wherever the weight is greater than `threshold`."""

    threshold: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold < 1.0:
            raise ConfigError(f"extract.threshold must be at least 0 and below 1; got {self.threshold}.")

    def __call__(self, weights: Any) -> "set[Link]":
        from nmt.evaluation.alignment import extract_threshold_links

        return extract_threshold_links(weights, threshold=self.threshold)


Extraction = Argmax | Threshold
EXTRACTIONS = config.Variants({"argmax": Argmax, "threshold": Threshold})
