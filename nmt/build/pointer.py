"""What fits a head that points at source positions."""

from collections.abc import Mapping
from typing import Any

from nmt.build.attention import NEUTRAL_AXES
from nmt.config import ConfigDict
from nmt.errors import ConfigError
from nmt.model.decoders.decoder import Decoder
from nmt.model.decoders.transformer import TransformerDecoder
from nmt.model.heads.table import HEADS


def check_pointer(settings: Mapping[str, Any], decoder: Decoder) -> None:
    """Raises ConfigError where attention weights are no distribution over all positions."""
    head = HEADS[settings["model"]["head"]["name"]]
    if not head.points:
        return
    if isinstance(decoder, TransformerDecoder) and decoder.aligned_layer + 1 != (layers := len(decoder.layers)):
        raise ConfigError(
            "model/head=pointer points by the layer whose attention is shown, so that those above it would do nothing; "
            f"got layer {decoder.aligned_layer + 1} of {layers}. Set model.decoder.aligned_layer={layers}."
        )
    attention = settings["attention"]
    if attention["score"]["name"] == "none":
        raise ConfigError(
            "model/head=pointer points where attention looks, and attention=none looks at nothing. Choose another "
            "attention, or model/head=softmax."
        )
    wrong = {axis: attention[axis]["name"] for axis in ("scope", "selection")}
    for axis, name in wrong.items():
        if name != NEUTRAL_AXES[axis]:
            raise ConfigError(
                f"model/head=pointer may point anywhere, by attention weights as they are; got attention/{axis}="
                f"{name}. Set attention/{axis}={NEUTRAL_AXES[axis]}."
            )
    if attention["normalizer"]["name"] == "monotonic":
        raise ConfigError(
            "model/head=pointer needs weights that sum to 1, and those of attention/normalizer=monotonic may not. "
            "Choose attention/normalizer=softmax."
        )


def check_pointer_vocabulary(settings: ConfigDict) -> None:
    """Raises ConfigError where a run's target words are not numbers, and its head points."""
    name = settings["tokenizer"]["name"]
    if HEADS[settings["model"]["head"]["name"]].points and name != "numbers":
        raise ConfigError(
            f"model/head=pointer has the numbers of source positions as words, and tokenizer={name} has others. Set "
            "tokenizer=numbers."
        )
