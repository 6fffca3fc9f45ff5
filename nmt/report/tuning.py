"""A search for settings as a table and as JSON. Pure functions from numbers to text."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nmt.report.significance_table import EMPTY_CELL
from nmt.report.text_table import align_columns

State = Literal["complete", "closed", "failed"]

MAX_ROWS = 20
"""Trials of the table on the terminal; the files have all."""


@dataclass(frozen=True)
class TrialRow:
    """One trial. values: what was chosen, by setting, and words, as it is written. scores: the metric by rung.

    state: complete, at the last rung; closed, not gone on with; or failed, and failure says why. test: the scores of
    the test split at the end.
    """

    number: int
    values: dict[str, str | float | int]
    words: list[str]
    scores: dict[int, float]
    state: State
    folder: str
    failure: str | None = None
    test: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Tuning:
    """What a search came to. trials: the best first. axes: the kind of each setting's range, by setting.

    importances: by setting, its share of what made trials differ at the first rung; empty where there are too few.
    """

    command: str
    folder: str
    metric: str
    direction: Literal["maximize", "minimize"]
    rungs: list[int]
    axes: dict[str, str]
    trials: list[TrialRow]
    importances: dict[str, float] = field(default_factory=dict)
    created: str = ""

    @property
    def best(self) -> TrialRow:
        """The best trial of the last rung that any has reached."""
        return self.trials[0]


def format_text(tuning: Tuning) -> str:
    """The table for a terminal, and below it what it means and where the best is."""
    notes = [*list_notes(tuning), f"best settings: {tuning.folder}/best.yaml"]
    lines = [*align_columns(build_cells(tuning, MAX_ROWS), "  ", ""), "", *notes]
    return "\n".join([*lines, "", tuning.command]) + "\n"


def build_cells(tuning: Tuning, limit: int | None = None) -> list[list[str]]:
    """Head and rows: trial, metric at each rung, and the values; those that could not be trained are left out."""
    shown = [trial for trial in tuning.trials if trial.scores or not is_illegal(trial)][:limit]
    head = ["trial", *(f"{tuning.metric}@{rung}" for rung in tuning.rungs), *shorten_keys(list(tuning.axes))]
    return [head, *(build_row(trial, tuning) for trial in shown)]


def build_row(trial: TrialRow, tuning: Tuning) -> list[str]:
    """The cells of a trial."""
    scores = [format_score(trial.scores[rung]) if rung in trial.scores else EMPTY_CELL for rung in tuning.rungs]
    return [str(trial.number), *scores, *(format_value(trial.values[key]) for key in tuning.axes)]


def list_notes(tuning: Tuning) -> list[str]:
    """What the table's numbers are, and what has failed."""
    rungs = [sum(rung in trial.scores for trial in tuning.trials) for rung in tuning.rungs]
    better = "more" if tuning.direction == "maximize" else "less"
    ladder = ", ".join(f"{count} to step {rung}" for count, rung in zip(rungs, tuning.rungs, strict=True))
    notes = [f"{tuning.metric}: the best validation up to that step, {better} is better. Trained: {ladder}."]
    if tuning.importances:
        shares = ", ".join(f"{key} {share:.0%}" for key, share in tuning.importances.items())
        notes.append(f"what mattered at step {tuning.rungs[0]}: {shares}")
    illegal = sum(is_illegal(trial) for trial in tuning.trials)
    if illegal:
        notes.append(f"{illegal} combinations were drawn that cannot be trained; tune.json says why")
    notes += [f"FAILED trial {t.number}: {t.failure}" for t in tuning.trials if t.failure and not is_illegal(t)]
    return notes


def is_illegal(trial: TrialRow) -> bool:
    """Whether a trial's settings do not go together, so that it never began."""
    return bool(trial.failure and trial.failure.startswith("illegal: "))


def format_score(value: float) -> str:
    """A score of any scale with as many digits as tell trials apart."""
    text = f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"
    return text.removeprefix("-") if float(text) == 0 else text


def format_value(value: str | float | int) -> str:
    """A value as a person reads it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def shorten_keys(keys: list[str]) -> list[str]:
    """Each setting by its last parts, as many as tell it from the others."""
    parts = {key: key.replace("/", ".").split(".") for key in keys}
    found = []
    for key in keys:
        size = next(
            size
            for size in range(1, len(parts[key]) + 1)
            if size == len(parts[key])
            or not any(other != key and parts[other][-size:] == parts[key][-size:] for other in keys)
        )
        found.append(".".join(parts[key][-size:]))
    return found


def format_json(tuning: Tuning) -> str:
    """All that is known, for programs."""
    content: Mapping[str, Any] = {
        "command": tuning.command,
        "metric": tuning.metric,
        "direction": tuning.direction,
        "rungs": tuning.rungs,
        "axes": tuning.axes,
        "best": tuning.best.number,
        "importances": tuning.importances,
        "trials": [
            {
                "number": trial.number,
                "state": trial.state,
                "values": trial.values,
                "words": trial.words,
                tuning.metric: {str(step): score for step, score in trial.scores.items()},
                "test": trial.test,
                "folder": trial.folder,
                "failure": trial.failure,
            }
            for trial in tuning.trials
        ],
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
