"""Source lines that are sequences of vectors: numbers in the line, or the name of a file that NumPy has saved."""

import re

import numpy as np

from nmt.data.sources.npy import check_npy, read_npy
from nmt.data.sources.reader import FeatureReader, Features, SourceItem
from nmt.errors import ConfigError, DataError

MAX_FEATURES = 65_536
MAX_LABEL_FEATURES = 3
"""Features that the label of a position shows; with more of them it is the number of the position alone."""

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class VectorReader(FeatureReader):
    """`0.12,0.55 0.3,0.4` are two positions with two features; a line that ends in `.npy` names a file with an array
    [position, feature], relative to the working directory.

    features: those of each position; ConfigError where there can be no so many.
    """

    def __init__(self, *, features: int) -> None:
        if not 1 <= features <= MAX_FEATURES:
            raise ConfigError(f"model.source.features must be from 1 to {MAX_FEATURES}; got {features}.")
        super().__init__(features=features)
        self.features = features
        self.feature_shape = (features,)

    def check_line(self, line: str) -> None:
        if line.strip().endswith(".npy"):
            check_npy(line.strip(), self.features)

    def read(self, line: str) -> Features:
        line = line.strip()
        if line.endswith(".npy"):
            return read_npy(line, self.features)
        positions = line.split()
        rows = [position.split(",") for position in positions]
        for number, row in enumerate(rows, start=1):
            if len(row) != self.features:
                raise DataError(
                    f"position {number} has {len(row)} features, {positions[number - 1][:60]!r}, and "
                    f"model.source.features is {self.features}. Positions are separated by blanks, features by commas."
                )
            if wrong := next((text for text in row if not NUMBER.fullmatch(text)), None):
                raise DataError(
                    f"position {number} has {wrong[:60]!r}, which is no finite number. Write numbers such as 0.12, or "
                    "the name of a file that ends in .npy."
                )
            if "" in row:
                raise DataError(f"position {number}, {positions[number - 1][:60]!r}, has a feature without a number.")
        with np.errstate(over="ignore"):
            found = np.array(rows, np.float64).astype(np.float32)
        if not np.isfinite(found).all():
            raise DataError("a number is too large for single precision, which ends at 3.4e38.")
        return found

    def label(self, item: SourceItem) -> list[str]:
        if self.features > MAX_LABEL_FEATURES:
            return super().label(item)
        rows = np.asarray(item).reshape(-1, self.features)
        return [f"{place}:{','.join(f'{value:.3g}' for value in row)}" for place, row in enumerate(rows)]
