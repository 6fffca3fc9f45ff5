"""Attention from its choices."""

from collections.abc import Mapping
from typing import Any

from nmt import config
from nmt.attention.attention import Attention
from nmt.attention.none import NoAttention
from nmt.attention.scope import SCOPES
from nmt.attention.scored import ScoredAttention
from nmt.build.schema import HISTORY, NONE, NORMALIZER, SCOPE, SCORE, SELECTION
from nmt.errors import ConfigError

NEUTRAL_AXES = {"scope": "global", "normalizer": "softmax", "history": "none", "selection": "expected"}
"""What the axes are where there is no attention."""


def build_attention(
    chosen: Mapping[str, Any], *, query_size: int, memory_size: int, directions: int, dropout: float = 0.0
) -> Attention:
    """Attention put together from its choices, or none. dropout: of weights."""
    heads = chosen["heads"]
    if heads < 1:
        raise ConfigError(f"attention.heads must be at least 1; got {heads}.")
    if chosen["score"]["name"] == NONE:
        others = {axis: chosen[axis]["name"] for axis in NEUTRAL_AXES}
        if heads != 1 or others != NEUTRAL_AXES:
            choices = ", ".join(f"attention/{axis}={name}" for axis, name in others.items())
            raise ConfigError(
                "attention/score=none is no attention, so heads and other axes have nothing to change; got "
                f"attention.heads={heads}, {choices}. Leave them out, or choose attention=none, which sets all."
            )
        return NoAttention(memory_size=memory_size, directions=directions)
    score = config.build_variant(SCORE, chosen["score"], query_size=query_size, memory_size=memory_size, heads=heads)
    scope_sizes = {"memory_size": memory_size} if SCOPES[chosen["scope"]["name"]].has_past else {}
    return ScoredAttention(
        score=score,
        scope=config.build_variant(SCOPE, chosen["scope"], query_size=query_size, heads=heads, **scope_sizes),
        normalizer=config.build_variant(NORMALIZER, chosen["normalizer"]),
        history=config.build_variant(
            HISTORY,
            chosen["history"],
            key_size=score.key_size,
            value_size=memory_size // heads,
            query_size=query_size,
            heads=heads,
        ),
        selection=config.build_variant(SELECTION, chosen["selection"]),
        memory_size=memory_size,
        heads=heads,
        dropout=dropout,
    )
