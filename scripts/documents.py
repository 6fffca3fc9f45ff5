"""Sentences joined to documents, for models that read several at once, and documents cut into sentences again.

    python scripts/documents.py join 4 train.en train.de --output documents
    python scripts/documents.py split test.en.documents translated.documents > translated

`join` writes files of the same names into a folder; line n of one file belongs to line n of another, so all need as
many lines. A separator stands between sentences, which the model learns to translate as itself. `split` gives as many
lines as the first file has sentences: a document of the second that has fewer gets empty ones, and what is too much
joins the last one. It tells how many documents had another number.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder's file names would hide modules of the same name

from nmt.data import lines as text_lines  # noqa: E402
from nmt.errors import DataError  # noqa: E402
from scripts.command import run_script  # noqa: E402

SEPARATOR = "¶"
"""A sign that stands between sentences, and nowhere else."""


def read_lines(path: Path) -> list[str]:
    """The lines of a text file, which may be a pipe: it is read once. Raises DataError as `nmt.data.lines` does."""
    return text_lines.read(path)


def join_sentences(lines: Sequence[str], count: int) -> Iterator[str]:
    """Documents of so many sentences after one another; the last may have fewer."""
    for start in range(0, len(lines), count):
        yield f" {SEPARATOR} ".join(line.strip() for line in lines[start : start + count])


def split_document(text: str, count: int) -> list[str]:
    """So many sentences of a document, whatever it has."""
    found = [part.strip() for part in text.split(SEPARATOR)]
    kept, rest = found[:count], found[count:]
    if rest:
        kept[-1] = " ".join([kept[-1], *rest])
    return kept + [""] * (count - len(kept))


def count_sentences(text: str) -> int:
    """How many a document has."""
    return text.count(SEPARATOR) + 1


def join(files: Sequence[Path], count: int, output: Path) -> None:
    """Writes the documents of each file into the folder. Raises DataError where files have different numbers of lines,
    or would be written over others; nothing is written then."""
    if len({path.name for path in files}) < len(files):
        raise DataError("Files need different names, since they are written into one folder.")
    texts = {path: read_lines(path) for path in files}
    if len(sizes := {len(lines) for lines in texts.values()}) > 1:
        raise DataError(f"Files of one text need as many lines; these have {' and '.join(map(str, sorted(sizes)))}.")
    for path, lines in texts.items():
        if not lines:
            raise DataError(f"{path} is empty; it should hold one sentence a line.")
        for number, line in enumerate(lines, 1):
            if SEPARATOR in line:
                raise DataError(f"{path}:{number} has {SEPARATOR}, which is to stand between sentences. Replace it.")
        if (output / path.name).exists():
            raise DataError(f"{output / path.name} exists already. Choose another --output.")
    output.mkdir(parents=True, exist_ok=True)
    for path, lines in texts.items():
        written = "".join(f"{text}\n" for text in join_sentences(lines, count))
        (output / path.name).write_text(written, encoding="utf-8")


def split(source: Path, translated: Path) -> None:
    """Prints the sentences of translated documents. Raises DataError where there are not as many as of the source."""
    pairs = read_lines(source), read_lines(translated)
    if len(pairs[0]) != len(pairs[1]):
        raise DataError(f"{source} has {len(pairs[0])} documents, and {translated} {len(pairs[1])}.")
    other = 0
    for before, after in zip(*pairs, strict=True):
        count = count_sentences(before)
        other += count_sentences(after) != count
        print("\n".join(split_document(after, count)))
    print(f"{other} of {len(pairs[0])} documents had another number of sentences", file=sys.stderr)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    joined = commands.add_parser("join", help="sentences to documents")
    joined.add_argument("count", type=int, help="sentences of a document")
    joined.add_argument("files", type=Path, nargs="+")
    joined.add_argument("--output", type=Path, required=True, help="a folder")
    cut = commands.add_parser("split", help="documents to sentences")
    cut.add_argument("source", type=Path, help="the documents that were translated")
    cut.add_argument("translated", type=Path, help="their translations")
    options = parser.parse_args()
    if options.command == "split":
        return split(options.source, options.translated)
    if options.count < 1:
        parser.error(f"a document has at least 1 sentence; got {options.count}")
    return join(options.files, options.count, options.output)


if __name__ == "__main__":
    run_script(main)
