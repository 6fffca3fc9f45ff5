"""Whether a model that stops at one source position after another has read what comes after them."""

import logging
from collections.abc import Mapping
from typing import Any

from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.model.decoders.recurrent import RecurrentDecoder
from nmt.model.decoders.table import DECODERS
from nmt.model.encoders.recurrent import RecurrentEncoder
from nmt.model.encoders.table import ENCODERS

logger = logging.getLogger(__name__)


def find_monotonic_part(attention: Mapping[str, Any]) -> str | None:
    """The choice that makes attention monotonic; None where nothing does."""
    chosen = {axis: attention[axis]["name"] for axis in ("normalizer", "scope")}
    has_past = {
        "normalizer": NORMALIZERS[chosen["normalizer"]].has_past,
        "scope": SCOPES[chosen["scope"]].has_past,
    }
    return next((f"attention/{axis}={name}" for axis, name in chosen.items() if has_past[axis]), None)


def list_readers_ahead(model: Mapping[str, Any]) -> list[str]:
    """What has read the whole sentence before the first word is written, and what to choose instead."""
    encoder, bridge, found = model["encoder"], model["bridge"]["name"], []
    if issubclass(ENCODERS[encoder["name"]], RecurrentEncoder) and encoder.get("bidirectional", True):
        found.append("an encoder of two directions (model.encoder.bidirectional=false has one)")
    if ENCODERS[encoder["name"]].has_self_attention:
        scope = (encoder.get("self_attention") or {}).get("scope") or {"name": "global"}
        if scope["name"] != "causal":
            found.append(f"self-attention of scope {scope['name']} (model.encoder.self_attention.scope.name=causal)")
    if issubclass(DECODERS[model["decoder"]["name"]], RecurrentDecoder) and bridge != "zero":
        found.append(f"model/bridge={bridge} (zero reads nothing)")
    return found


def warn_reading_ahead(settings: Mapping[str, Any]) -> None:
    """Warns where attention is monotonic in a model that has read the whole sentence all the same."""
    part, readers = find_monotonic_part(settings["attention"]), list_readers_ahead(settings["model"])
    if part is not None and readers:
        logger.warning(
            "%s stops at one source position after another, but the whole sentence is read before by %s. lagging is "
            "then that of attention alone: such a model cannot translate while it listens.",
            *(part, " and by ".join(readers)),
        )
