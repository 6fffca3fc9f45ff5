"""report.html and the figures beside it, from finished run folders alone."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nmt.report.comparison import Comparison
from nmt.report.explanation import Explanation
from nmt.report.html import render_page
from nmt.runs import run_folder
from nmt.runs.comparison_report import build_comparison_report
from nmt.runs.heatmaps import render_for_papers
from nmt.runs.run_report import build_run_report
from nmt.storage.files import explain_disk_errors, write_atomically

logger = logging.getLogger(__name__)


def write_run(
    folder: Path,
    scores: Sequence[Mapping[str, Any]],
    alignment: Mapping[str, float],
    reason: str | None = None,
    faithfulness: Mapping[str, float] = MappingProxyType({}),
    explanation: Explanation | None = None,
) -> None:
    """The report of a run and its figures, as `write` does; `scores` and `alignment` are those of the test set,
    `reason` is why training ended, `faithfulness` are measures of the validation set, and `explanation` is that of one
    word."""
    best = folder / run_folder.CHECKPOINTS / "best"

    def read_report() -> Mapping[str, Any]:
        report = build_run_report(folder, scores, alignment, reason, faithfulness)
        return {**report, "explanation": explanation}

    write(folder, read_report, lambda: render_for_papers(best))


def write_comparison(comparison: Comparison, folder: Path) -> None:
    """The report of a comparison and its figures, as `write` does."""
    write(folder, lambda: build_comparison_report(comparison, folder.resolve().name, folder))


def write(
    folder: Path,
    read_report: Callable[[], Mapping[str, Any]],
    draw_heatmaps: Callable[[], Iterable[tuple[str, bytes]]] = tuple,
) -> None:
    """Writes report.html and figures/; what cannot be drawn is missing, with a warning, and the runs are as good.

    `read_report` reads what the report tells; `draw_heatmaps` draws further figures. Raises CheckpointError if a file
    cannot be written.
    """
    try:
        report = read_report()
        content = render_page(report)
    except Exception as problem:
        logger.warning("%s could not be drawn: %r", run_folder.REPORT, problem)
        return
    write_atomically(folder / run_folder.REPORT, content)
    try:
        pictures = dict([*draw_figures(report), *draw_heatmaps()])
    except Exception as problem:
        logger.warning("%s could not be drawn: %r", run_folder.FIGURES, problem)
        return
    place = folder / run_folder.FIGURES
    with explain_disk_errors("write", place):
        place.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        write_atomically(place / name, picture)


def draw_figures(report: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Every figure as PNG and PDF, and every panel as PDF: the names of the files and what is in them."""
    from nmt.report.figures import build_figures, build_panel_figures
    from nmt.report.formats import encode

    for name, figure in build_figures(report).items():
        yield f"{name}.png", encode(figure, "png")
        yield f"{name}.pdf", encode(figure, "pdf")
    for name, figure in build_panel_figures(report).items():
        yield f"{name}.pdf", encode(figure, "pdf")
