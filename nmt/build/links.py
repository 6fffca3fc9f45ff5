"""Losses of attention, and the links that they learn from."""

from nmt.build.schema import NONE
from nmt.config import ConfigDict
from nmt.data.corpus import EM
from nmt.data.links import LinkSource
from nmt.data.sources.table import READERS
from nmt.errors import ConfigError
from nmt.training.alignment_losses import needs_links, select_active


def choose_links(settings: ConfigDict) -> LinkSource | None:
    """Where the links of the training text come from; None where training needs none.

    Raises ConfigError where it needs some and there are none.
    """
    losses = settings["training"].get("alignment_losses", {})
    if not needs_links(losses):
        return None
    data = settings["data"]
    key = "data.train.links" if data["name"] == "files" else "data.links"
    found = data["train"].get("links") if data["name"] == "files" else data.get("links")
    if found == EM and settings["model"]["source"]["name"] in READERS:
        raise ConfigError(f"{key}=em aligns words of text, and this source has none (model/source). Give a file.")
    if found is None and data["name"] != "synthetic":
        way = f"{key}=FILE, or {key}=em" if data["name"] == "files" else f"{key}=em"
        raise ConfigError(
            f"training.alignment_losses.guided={losses['guided']:g} learns from links of the training text, and there "
            f"are none. Give {way}, which makes them, or set the loss to 0."
        )
    return "em" if found == EM else "given"


def check_alignment_losses(settings: ConfigDict) -> None:
    """Raises ConfigError where losses of attention are asked for and there is none, or no links to learn from."""
    active = select_active(settings["training"].get("alignment_losses", {}))
    if active and settings["attention"]["score"]["name"] == NONE:
        raise ConfigError(
            f"training.alignment_losses.{next(iter(active))} is about attention weights, and attention=none has none. "
            "Set it to 0, or choose another attention."
        )
    choose_links(settings)
