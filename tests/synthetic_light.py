"""Runs without TensorBoard and the report's figures, which take longer than all else, and have tests of their own."""

import pytest
from matplotlib.figure import Figure

from nmt.report import figures
from nmt.runs import report
from nmt.training import metrics_logger


def lighten(patch: pytest.MonkeyPatch) -> None:
    """The report is written all the same, with one figure that shows nothing."""
    patch.setattr(metrics_logger, "_open_tensorboard", lambda folder, step: None)
    patch.setattr(figures, "build_figures", lambda report: {"nothing": Figure(figsize=(1, 1))})
    patch.setattr(figures, "build_panel_figures", lambda report: {})
    patch.setattr(report, "render_for_papers", lambda folder: ())
