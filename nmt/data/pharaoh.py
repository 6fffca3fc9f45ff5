"""Links between the words of a sentence pair in the Pharaoh format: one line a pair, words counted from 0."""

import re
from collections.abc import Iterable, Sequence, Set
from typing import NamedTuple

from nmt.errors import DataError

LINK = re.compile(r"([0-9]{1,9})([-p])([0-9]{1,9})", re.ASCII)
Link = tuple[int, int]


class Gold(NamedTuple):
    """The links that annotators gave one sentence pair. Every sure link is also possible."""

    sure: frozenset[Link]
    possible: frozenset[Link]


def read_gold(lines: Iterable[str], source: Iterable[str], target: Iterable[str], *, name: str) -> list[Gold]:
    """Gold alignments from Pharaoh lines, which lie inside their sentence pairs. Raises DataError."""
    gold = parse_pharaoh(lines, name=name)
    check_sizes(gold, [(len(s.split()), len(t.split())) for s, t in zip(source, target, strict=True)], name=name)
    return gold


def parse_pharaoh(lines: Iterable[str], *, name: str) -> list[Gold]:
    """Gold alignments from Pharaoh lines: `i-j` is a sure link, `ipj` a possible one; i source, j target, from 0.

    An empty line is a sentence pair without links. Raises DataError with `name` (the file), line number and token.
    """
    return [parse_pharaoh_line(line, where=f"{name}, line {number}") for number, line in enumerate(lines, start=1)]


def parse_pharaoh_line(line: str, *, where: str) -> Gold:
    """The gold alignment of one sentence pair; `where` begins the message of a DataError."""
    links: dict[str, set[Link]] = {"-": set(), "p": set()}
    for token in line.split():
        match = LINK.fullmatch(token)
        if match is None:
            raise DataError(
                f"{where}: a link is written i-j (sure) or ipj (possible), with i the source word and j the target "
                f"word from 0, as in 0-0 1p2; got {token[:60]!r}."
            )
        links[match[2]].add((int(match[1]), int(match[3])))
    return Gold(sure=frozenset(links["-"]), possible=frozenset(links["-"] | links["p"]))


def check_sizes(gold: Sequence[Gold], sizes: Sequence[tuple[int, int]], *, name: str) -> None:
    """Raise DataError unless every link lies inside its sentence pair; `sizes` are its (source, target) word counts."""
    if len(gold) != len(sizes):
        raise DataError(
            f"{name} aligns {len(gold)} sentence pairs, but the text has {len(sizes)}. "
            "Line n must align sentence pair n."
        )
    for number, (links, (source, target)) in enumerate(zip(gold, sizes, strict=True), start=1):
        outside = sorted((i, j) for i, j in links.possible if i >= source or j >= target)
        if outside:
            i, j = outside[0]
            raise DataError(
                f"{name}, line {number}: link {i}-{j} lies outside its sentence pair of {source} source and {target} "
                "target words (counted from 0). Check that line n aligns sentence pair n, and that the source word "
                "comes first in a link."
            )


def shift_gold(gold: Gold, words: int) -> Gold:
    """The same links where so many more words stand in front of the source."""
    return Gold(*(frozenset((i + words, j) for i, j in links) for links in gold))


def format_pharaoh(links: Set[Link] | Gold) -> str:
    """The Pharaoh line of some links, sorted; those of a Gold that are only possible are written ipj."""
    sure, possible = (links.sure, links.possible) if isinstance(links, Gold) else (links, links)
    return " ".join(f"{i}{'-' if (i, j) in sure else 'p'}{j}" for i, j in sorted(possible | sure))
