"""nmt-align: word links of given translations, from the attention of a model that is made to produce them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nmt import config
from nmt.cli.door import APPLIED, open_door
from nmt.cli.text import chunks, outgoing, pairs
from nmt.cli.work import Work, load, translator
from nmt.data import lines
from nmt.errors import ConfigError, DataError

if TYPE_CHECKING:
    from nmt.evaluation.alignment import AlignmentScores, Gold, Link
    from nmt.evaluation.translation import Translator

CHUNK = 1000


@dataclass(frozen=True, kw_only=True)
class Argmax:
    """Each target word is linked to the source word with the highest weight."""

    def __call__(self, weights: Any) -> "set[Link]":
        from nmt.evaluation.alignment import extract

        return extract(weights)


@dataclass(frozen=True, kw_only=True)
class Threshold:
    """Words are linked wherever the weight is greater than `threshold`."""

    threshold: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold < 1.0:
            raise ConfigError(f"extract.threshold must be at least 0 and below 1; got {self.threshold}.")

    def __call__(self, weights: Any) -> "set[Link]":
        from nmt.evaluation.alignment import extract_above

        return extract_above(weights, threshold=self.threshold)


EXTRACTIONS = {"argmax": Argmax, "threshold": Threshold}
EXTRACT = config.Variants(EXTRACTIONS)


@dataclass(frozen=True, kw_only=True)
class Heatmaps:
    """Pictures of the weights of the first `limit` pairs, in `folder`; None for no pictures."""

    folder: str | None
    limit: int


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/align.yaml` says beside the way of extraction."""

    model: dict[str, str]
    source: str
    target: str
    gold: str | None
    output: str | None
    position: Literal["predicted", "read"]
    reverse: str | None
    symmetrize: Literal["grow_diag_final_and", "intersection", "union"]
    heatmaps: Heatmaps
    errors: lines.Errors


def main() -> None:
    """The command line: see `nmt-align --help`."""
    open_door("align", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Aligns the pairs; writes links, and scores where there is gold."""
    rest = {key: value for key, value in composed.items() if key != "extract"}
    schema = {**{key: p.annotation for key, p in config.parameters(Settings).items()}, "extract": EXTRACT}
    checked = config.check(composed, schema)
    extract = config.make(EXTRACT, checked.pop("extract"))
    settings = config.build(Settings, checked)
    ...
