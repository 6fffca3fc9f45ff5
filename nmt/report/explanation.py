"""What an explanation of attention is: a computation cut into stages, each a matrix of numbers with its equation."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float


class Stage(NamedTuple):
    """One matrix of a computation.

    name: the same for the same stage of another explanation. equation: how it is made of those before. rows, columns:
    what each stands for. hidden: cells that attention may not look at. is_share: rows that are divided among columns,
    so that a printed row has its printed sum. by_query: rows are target positions. by_source: columns are source
    positions. omitted: columns that are left out at the end. note: what else a reader should know. `values` is None
    where there is nothing to compute.
    """

    name: str
    title: str
    equation: str
    values: Float[np.ndarray, "row column"] | None = None
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    hidden: Bool[np.ndarray, "row column"] | None = None
    is_share: bool = False
    by_query: bool = False
    by_source: bool = False
    omitted: int = 0
    note: str = ""


class Axis(NamedTuple):
    """A choice on an axis of attention, with its settings and its equation."""

    axis: str
    name: str
    equation: str


class Explanation(NamedTuple):
    """One attention at work. weights, hidden: those of one head, and where it may
    not look. query: the target position that is looked at closely."""

    title: str
    facts: Sequence[tuple[str, str]]
    axes: Sequence[Axis]
    stages: Sequence[Stage]
    source: Sequence[str]
    target: Sequence[str]
    weights: Float[np.ndarray, "target source"]
    hidden: Bool[np.ndarray, "target source"]
    query: int
    translation: str | None = None
    """What a trained model made of the source; None for the example."""


def find_stage(explanation: Explanation, name: str) -> Stage | None:
    """The stage by this name."""
    return next((stage for stage in explanation.stages if stage.name == name), None)


def select_query(stage: Stage, query: int) -> Stage:
    """A stage by queries for one of them; any other stage as it is."""
    if not stage.by_query or stage.values is None or len(stage.rows) == 1:
        return stage
    hidden = None if stage.hidden is None else stage.hidden[query : query + 1]
    return stage._replace(values=stage.values[query : query + 1], rows=[stage.rows[query]], hidden=hidden)


def is_look(stage: Stage) -> bool:
    """Whether a stage has a number for each source position, for one query."""
    return stage.by_source and stage.values is not None and len(stage.rows) == 1


def is_scalar(stage: Stage) -> bool:
    """Whether a stage is one number."""
    return stage.values is not None and stage.values.shape == (1, 1) and not stage.columns[0]


def group_looks(stages: Sequence[Stage]) -> list[list[Stage]]:
    """The stages in their order; those with a number for each source position, one after another, in one group, with
    what is one number between them."""
    groups: list[list[Stage]] = []
    for stage in stages:
        if groups and (is_look(stage) or is_scalar(stage)) and is_look(groups[-1][0]):
            groups[-1].append(stage)
        else:
            groups.append([stage])
    return groups


def shorten_explanation(explanation: Explanation) -> Explanation:
    """The explanation of the query alone, where all queries would make no page to read."""
    return explanation._replace(stages=[select_query(stage, explanation.query) for stage in explanation.stages])


# Two explanations -----------------------------------------------------------------------------------------------------


def is_same(first: Stage, other: Stage) -> bool:
    """Whether two stages are made in one way and have the same numbers."""
    if first.equation != other.equation or list(first.columns) != list(other.columns):
        return False
    if first.values is None or other.values is None:
        return first.values is other.values
    return np.array_equal(first.values, other.values) and np.array_equal(find_hidden(first), find_hidden(other))


def find_hidden(stage: Stage) -> Bool[np.ndarray, "row column"]:
    """Where attention may not look, which is nowhere unless the stage says so."""
    assert stage.values is not None
    return np.zeros(stage.values.shape, dtype=bool) if stage.hidden is None else stage.hidden


def list_changed_axes(first: Explanation, other: Explanation) -> list[tuple[Axis, Axis]]:
    """The axes on which something else is chosen, or by other settings."""
    return [pair for pair in zip(first.axes, other.axes, strict=True) if pair[0].name != pair[1].name]


def pair_groups(
    first: Sequence[list[Stage]], other: Sequence[list[Stage]]
) -> list[tuple[list[Stage] | None, list[Stage] | None]]:
    """Groups of stages side by side, those with one name together, each explanation in its own order."""
    mine, theirs = ([group[0].name for group in groups] for groups in (first, other))
    pairs: list[tuple[list[Stage] | None, list[Stage] | None]] = []
    for tag, i, end_i, j, end_j in SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += zip(first[i:end_i], other[j:end_j], strict=True)
        else:
            pairs += zip_longest(first[i:end_i], other[j:end_j])
    return pairs
