"""What every command that puts a trained model to work has in common."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError
from nmt.training.places import Device, model_folder

if TYPE_CHECKING:
    from nmt.build import Loaded
    from nmt.evaluation.translation import Translator
    from nmt.model.product import Precision


@dataclass(frozen=True, kw_only=True)
class Work:
    """Where a model works, and how much at once.

    device: auto takes the GPU if there is one. threads: of the CPU; None leaves the choice to torch. tokens: source
    positions a batch, padding counted.
    """

    device: Device
    threads: int | None
    tokens: int

    def __post_init__(self) -> None:
        for name in ("threads", "tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; got {value}.")


def load(model: str, work: Work) -> "Loaded":
    """The model of a run or model folder, where it is to work. Raises ModelError."""
    folder = model_folder(Path(model).expanduser())  # asked before what takes a second to import
    from nmt import build, processor

    device = build.device(work.device)
    processor.prepare(work.threads)
    return build.load(folder, device=device)


def translator(
    loaded: "Loaded",
    work: Work,
    search: Mapping[str, Any],
    *,
    weights: bool = True,
    precision: "Precision" = "float32",
    shortlist: Mapping[str, Any] = MappingProxyType({"name": "whole"}),
) -> "Translator":
    """The model with a search: the stored one with the settings of `search`, or the one that `search` names."""
    from nmt import build, config
    from nmt.data.lexicon import Lexical
    from nmt.evaluation.translation import Listing, Translator
    from nmt.model.engine import Engine
    from nmt.training import lexicon_file

    chosen = {**({} if "name" in search else loaded.settings["search"]), **search}
    schema = {"search": build.SEARCH, "shortlist": build.SHORTLIST}
    checked = config.check({"search": chosen, "shortlist": shortlist}, schema)
    choice = config.make(build.SHORTLIST, checked["shortlist"])
    return Translator(
        loaded.model,
        loaded.tokenizers,
        build.search(checked),
        work.tokens,
        weights,
        engine=Engine(loaded.model, precision),
        listing=Listing(lexicon_file.load(loaded.folder, loaded.tokenizers), choice)
        if isinstance(choice, Lexical)
        else None,
    )
