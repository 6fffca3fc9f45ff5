"""A figure that notebooks show, whether or not they have been told to show figures."""

from matplotlib.figure import Figure

from nmt.report.formats import encode


class InlineFigure(Figure):
    """A matplotlib figure that is shown where it is the last value of a notebook's cell."""

    def _repr_png_(self) -> bytes:
        return encode(self, "png", dpi=120)
