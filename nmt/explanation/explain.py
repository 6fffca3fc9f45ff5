"""From one attention at work to its explanation."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from nmt.attention.history import HISTORIES
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES, CausalWithin, Global
from nmt.attention.score import SCORES
from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import SELECTIONS
from nmt.errors import ConfigError
from nmt.explanation.axis_stages import explain_context, explain_history, explain_normalizer, explain_scope
from nmt.explanation.scene import Scene, describe, to_numbers
from nmt.explanation.score_stages import explain_score
from nmt.report.explanation import Axis, Explanation, Stage

TABLES: Mapping[str, Mapping[str, Any]] = {
    "score": SCORES,
    "scope": SCOPES,
    "normalizer": NORMALIZERS,
    "history": HISTORIES,
    "selection": SELECTIONS,
}
"""The axes, and what may be chosen on each."""


def explain(
    scene: Scene, *, title: str, facts: Sequence[tuple[str, str]], translation: str | None = None
) -> Explanation:
    """The whole computation of one head, stage by stage. Raises ConfigError for a query that is not there."""
    check_place("position", scene.query, len(scene.target))
    stages = [
        *make_inputs(scene),
        *explain_history(scene),
        *explain_score(scene),
        *explain_scope(scene),
        *explain_normalizer(scene),
        *explain_context(scene),
    ]
    return Explanation(
        title=title,
        facts=facts,
        axes=describe_axes(scene.attention, scene.head),
        stages=stages,
        source=scene.source,
        target=scene.target,
        weights=to_numbers(scene.look.weights[scene.head]),
        hidden=scene.hidden,
        query=scene.query,
        translation=translation,
    )


def check_place(name: str, place: int, size: int, *, first: int = 0) -> None:
    """Raises ConfigError unless the place is one of so many, which count from `first`: positions from 0, layers and
    heads from 1."""
    last = size + first - 1
    if not first <= place <= last:
        limit = f"from {first} to {last}, as there are {size}" if size > 1 else f"{first}, as there is only one"
        raise ConfigError(f"{name} must be {limit}; got {place}.")


def make_inputs(scene: Scene) -> list[Stage]:
    """Queries, and the memory where it is known."""
    queries = scene.make_queries("queries", "Queries q", "one for each target position", scene.look.query)
    if scene.states is None:
        return [queries]
    return [queries, scene.make_sources("memory", "Memory h", "one for each source position", scene.states)]


def describe_axes(attention: ScoredAttention, head: int) -> list[Axis]:
    """What is chosen on each axis, heads last. head: the one that is explained, from 0."""
    axes = []
    for axis, table in TABLES.items():
        part = getattr(attention, axis)
        axes.append(Axis(axis, name_part(part, table), describe(part)))
    if attention.heads == 1:
        return [*axes, Axis("heads", "1", "which has all queries, keys and values")]
    parts = f"each with its part of queries, keys and values; this is head {head + 1}"
    return [*axes, Axis("heads", str(attention.heads), parts)]


def name_part(part: nn.Module, table: Mapping[str, Any]) -> str:
    """The name of a part in its table, with its settings."""
    if isinstance(part, CausalWithin):
        return "causal" if isinstance(part.scope, Global) else f"causal and {name_part(part.scope, table)}"
    name = next((name for name, cls in table.items() if cls is type(part)), type(part).__name__)
    settings = ", ".join(f"{key}={value}" for key, value in list_settings(part).items())
    return f"{name} ({settings})" if settings else name


def list_settings(part: nn.Module) -> dict[str, str]:
    """The settings of a part that it keeps by their names; sizes of the model are none."""
    names = [name for name in inspect.signature(type(part)).parameters if name not in ("query_size", "heads")]
    found = {name: getattr(part, name) for name in names if isinstance(getattr(part, name, None), int | float)}
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in found.items()}
