"""Which numbers of metrics.jsonl are drawn, and what a reader is told of them: for the page and for figures."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple


class PanelLine(NamedTuple):
    """One number of the rows of one kind."""

    label: str
    kind: Literal["train", "validation"]
    key: str


class Panel(NamedTuple):
    """One chart. `best` marks a line's best point; `zero` makes the scale begin at 0. Where variants are compared only
    the first line is drawn, or the one that the reader asks for."""

    title: str
    note: str
    lines: tuple[PanelLine, ...]
    best: Literal["min", "max"] | None = None
    digits: int = 2
    zero: bool = False


ALIGNMENT_LOSS_NOTES = {
    "guided": "nats per linked target piece, against the links of the training text",
    "coverage": "how much a target piece looks where others have looked before",
    "doubly_stochastic": "how far totals of source pieces stray from one, squared, per sentence",
    "entropy": "of the weights in training, in nats",
}
"""What a reader is told of each alignment loss of training."""

TASK_PANELS: tuple[tuple[str, str, Literal["min", "max"]], ...] = (
    ("valid", "answers of the task, good or bad, in percent of the validation lines", "max"),
    ("area", "of the polygon, in percent of the hull's, a mean over the validation lines", "max"),
    ("ratio", "length of a tour by that of the shortest; lower is better", "min"),
)
"""What tasks of points measure."""

LEARNING_PANELS = (
    Panel(
        "loss",
        "nats per target piece; lower is better",
        (PanelLine("validation", "validation", "loss"), PanelLine("training", "train", "nll")),
        best="min",
        digits=3,
    ),
    *(
        Panel(f"{name} loss".replace("_", " "), note, (PanelLine(name, "train", f"{name}_loss"),), "min", 3)
        for name, note in ALIGNMENT_LOSS_NOTES.items()
    ),
    Panel("BLEU", "of the validation sentences", (PanelLine("BLEU", "validation", "bleu"),), "max", 1, True),
    Panel("chrF", "of the validation sentences", (PanelLine("chrF", "validation", "chrf"),), "max", 1, True),
    Panel("learning rate", "", (PanelLine("learning rate", "train", "learning_rate"),), digits=5, zero=True),
    *(
        Panel(name, note, (PanelLine(name, "validation", name),), best, 3 if best == "min" else 1, best == "max")
        for name, note, best in TASK_PANELS
    ),
    Panel(
        "wrong bits",
        "of each validation sequence; lower is better",
        (PanelLine("wrong bits", "validation", "wrong_bits"),),
        "min",
        2,
        True,
    ),
    Panel(
        "speed",
        "target pieces per second of training",
        (PanelLine("speed", "train", "tokens_per_second"),),
        None,
        0,
        True,
    ),
)
"""How training went."""


def make_attention_panel(title: str, note: str, key: str, digits: int = 2, zero: bool = True) -> Panel:
    """The panel of a measure of attention."""
    lines = (
        PanelLine("forced", "validation", f"attention.forced.{key}"),
        PanelLine("free", "validation", f"attention.free.{key}"),
    )
    return Panel(title, note, lines, None, digits, zero)


MEASURE_PANELS = (
    Panel(
        "pointing",
        "share of a word's weights in the box of what it names, in a picture",
        (
            PanelLine("attention", "validation", "attention.forced.pointing"),
            PanelLine("equal weights", "validation", "attention.forced.pointing_uniform"),
        ),
        "max",
        zero=True,
    ),
    Panel(
        "alignment error (AER)",
        "against gold links, by the step that predicts a word, or the next one, which reads it",
        (PanelLine("predicted", "validation", "aer"), PanelLine("read", "validation", "attention.forced.aer_read")),
        "min",
        3,
        True,
    ),
    make_attention_panel("entropy", "nats; 0 looks at one place, more is more spread", "entropy"),
    make_attention_panel("effective positions", "how many places a target piece looks at", "effective"),
    make_attention_panel("largest weight", "what the most looked-at place gets", "largest"),
    make_attention_panel("coverage error", "how far a source word's total strays from one", "coverage"),
    make_attention_panel(
        "monotonicity", "1 follows the order of the source, −1 reverses it", "monotonicity", zero=False
    ),
    make_attention_panel("distance from the diagonal", "as a share of the sentence", "diagonal"),
    make_attention_panel("average lagging", "source pieces; 1 keeps pace, more looks further ahead", "lagging"),
    make_attention_panel("mass on </s>", "share of attention parked on the end", "end", 3),
    make_attention_panel(
        "mass on punctuation", "share of attention on commas, full stops and the like", "punctuation", 3
    ),
    make_attention_panel("exact zeros", "share of weights that are 0; softmax has them by underflow only", "zeros"),
)
"""What attention did."""


def select_points(metrics: Sequence[Mapping[str, Any]], line: PanelLine) -> tuple[list[int], list[float]]:
    """Steps and finite numbers of one line, in the order of the rows."""
    found = [
        (row["step"], float(row[line.key]))
        for row in metrics
        if row.get("kind") == line.kind and "step" in row and row.get(line.key) is not None
    ]
    finite = [(step, number) for step, number in found if math.isfinite(number)]
    return [step for step, _ in finite], [number for _, number in finite]
