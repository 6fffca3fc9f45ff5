"""Tables of columns that tabs separate, without quoting: a quotation mark is a character as others are."""

from collections import Counter
from collections.abc import Iterator

from nmt.data import lines
from nmt.data.pair_files.reading import PairRequest
from nmt.errors import DataError
from nmt.printable import shorten


def read_tsv(path: str, asked: PairRequest, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """Two columns of each line. Raises DataError for a line with too few columns, as `lines.stream` does, too."""
    source, target = asked.columns
    for number, line in enumerate(lines.stream(path, asked.errors, setting="data.errors", tables=True), 1):
        cells = line.split("\t")
        if len(cells) < max(asked.columns):
            raise DataError(
                f"{path}, line {number} has {len(cells)} column{'s' * (len(cells) > 1)}, and data.columns="
                f"[{source},{target}] asks for number {max(asked.columns)}: {shorten(line, 80)}."
            )
        yield cells[source - 1], cells[target - 1]
