"""What is left out of the training text while it is read, before a vocabulary is learnt of it."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nmt.data.corpus import Bitext, Corpus
from nmt.data.filters import MAX_EXAMPLES, Filters, describe_pairs, split_by_reason
from nmt.data.held_out import hash_lines, select_pairs
from nmt.data.mix.corpus import Mix
from nmt.data.mix.tags import remove_tags
from nmt.data.scripts import choose_scripts, compute_shares
from nmt.errors import DataError


class UntaggedText(NamedTuple):
    """A text without tags: its lines, the corpus of each pair, if there are several, and its target language."""

    source: Sequence[str]
    target: Sequence[str]
    corpora: Sequence[str | None]
    languages: Sequence[str]

    @classmethod
    def from_text(cls, text: Bitext, corpus: Corpus) -> "UntaggedText":
        if not isinstance(corpus, Mix) or text.corpora is None:
            size = len(text.source)
            return cls(text.source, text.target, [None] * size, [corpus.target_language] * size)
        languages = [corpus.parts[name].choice.target_language for name in text.corpora]
        return cls(remove_tags(text.source, list_prefixes(corpus)), text.target, text.corpora, languages)

    def hash_pairs(self) -> NDArray[np.uint64]:
        """64 bits for each pair and its target language."""
        return hash_lines(self.source, self.target, self.languages)


def list_prefixes(corpus: Corpus) -> list[str]:
    """The tags that source lines of a corpus may begin with, the longest first."""
    return corpus.list_prefixes() if isinstance(corpus, Mix) else []


def list_corpora(corpus: Corpus) -> dict[str | None, Corpus]:
    """The corpora of a mixture by their names, or the one that there is."""
    return {name: part.choice for name, part in corpus.parts.items()} if isinstance(corpus, Mix) else {None: corpus}


def find_scripts(filters: Filters, corpus: Corpus) -> dict[str, frozenset[str]]:
    """The scripts that either side of a corpus may have, where it is said. Raises ConfigError where a script is to be
    that of a language whose script is not known."""
    given = {"source": filters.source_script, "target": filters.target_script}
    return {
        side: choose_scripts(script, getattr(corpus, f"{side}_language"), setting=f"filters.{side}_script")
        for side, script in given.items()
        if script is not None
    }


def check_cleaning(filters: Filters, corpus: Corpus) -> None:
    """Raises ConfigError where a script is to be that of a language whose script is not known."""
    for each in list_corpora(corpus).values():
        find_scripts(filters, each)


class Cleaner:
    """Leaves pairs out of the training text of a corpus as it is read, by the rules of `filters` for text.

    held_out: the validation and the test set. Equal pairs are those with the same words on both sides and, in a
    mixture, the same target language; tags make no difference. Blank pairs are left to `Filters.keep`.

    counts: how many pairs were left out, by reason, the first that holds for a pair. examples: the first of these, as
    `describe_pairs` has them. corpora: how many pairs of each corpus of a mixture were read. read: how many in all.
    """

    def __init__(self, corpus: Corpus, filters: Filters, held_out: Sequence[Bitext]) -> None:
        self.corpus = corpus
        self.filters = filters
        self.has_rules = bool(filters.drop) or filters.source_script is not None or filters.target_script is not None
        self.scripts = {name: find_scripts(filters, each) for name, each in list_corpora(corpus).items()}
        others = [UntaggedText.from_text(text, corpus) for text in held_out]
        none = [np.zeros(0, np.uint64)]
        self.held_pairs, self.held_sources = none[0], none[0]
        if "held_out" in filters.drop:
            self.held_pairs = np.concatenate(none + [each.hash_pairs() for each in others])
        if "held_out_sources" in filters.drop:
            self.held_sources = np.concatenate(none + [hash_lines(each.source) for each in others])
        self.seen = none[0]
        self.read = 0
        self.counts: dict[str, int] = {}
        self.examples: dict[str, list[list[Any]]] = {}
        self.corpora: dict[str, int] = {}
        self._places: list[NDArray[np.int64]] = []

    @property
    def places(self) -> NDArray[np.int64] | None:
        """Where the pairs stood that were not left out; None where there is no rule."""
        return np.concatenate(self._places) if self.has_rules else None

    def clean(self, chunks: Iterable[Bitext]) -> Iterator[Bitext]:
        """The chunks of a text, without what is left out. Raises DataError where nothing is left."""
        for chunk in chunks:
            for name in set(chunk.corpora or ()):
                assert chunk.corpora is not None
                self.corpora[name] = self.corpora.get(name, 0) + chunk.corpora.count(name)
            cleaned = self._clean(chunk) if self.has_rules else chunk
            self.read += len(chunk.source)
            if cleaned.source:
                yield cleaned
        if self.has_rules and self.read and not sum(map(len, self._places)):
            found = ", ".join(f"{count} {reason}" for reason, count in self.counts.items())
            raise DataError(
                f"No training pair is left of {self.read} by filters.drop and the scripts of filters ({found})."
            )

    def _clean(self, chunk: Bitext) -> Bitext:
        plain = UntaggedText.from_text(chunk, self.corpus)
        full = np.array([bool(a.strip() and b.strip()) for a, b in zip(*chunk[:2], strict=True)], dtype=bool)
        reasons = {reason: holds & full for reason, holds in self._find_reasons(plain)}
        kept, dropped = split_by_reason(reasons)
        for reason, places in dropped.items():
            self.counts[reason] = self.counts.get(reason, 0) + len(places)
            known = self.examples.setdefault(reason, [])
            shown = describe_pairs(chunk, places[: MAX_EXAMPLES - len(known)].tolist())
            known += [[self.read + line, *pair] for line, *pair in shown]
        rows = np.flatnonzero(kept)
        self._places.append(rows + self.read)
        return chunk if len(rows) == len(kept) else select_pairs(chunk, rows)

    def _find_reasons(self, plain: UntaggedText) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Each rule that is on, by what it leaves out, with the pairs for which it holds."""
        drop = self.filters.drop
        if "held_out" in drop:
            yield "held_out", np.isin(plain.hash_pairs(), self.held_pairs)
        if "held_out_sources" in drop:
            yield "held_out_source", np.isin(hash_lines(plain.source), self.held_sources)
        if "identical" in drop:
            yield "identical", hash_lines(plain.source) == hash_lines(plain.target)
        for side, lines in (("source", plain.source), ("target", plain.target)):
            if getattr(self.filters, f"{side}_script") is not None:
                yield f"{side}_script", self._compute_shares(lines, plain, side) < self.filters.script_share
        if "duplicates" in drop:
            yield "duplicate", self._find_repeated(plain.hash_pairs())

    def _compute_shares(self, lines: Sequence[str], plain: UntaggedText, side: str) -> NDArray[np.float64]:
        """The share of letters of each line that are of a script which its language may have."""
        found = np.ones(len(lines))
        for name in set(plain.corpora):
            mine = [place for place, other in enumerate(plain.corpora) if other == name]
            found[mine] = compute_shares([lines[place] for place in mine], self.scripts[name][side])
        return found

    def _find_repeated(self, keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
        """Which pairs were there before, in this chunk or an earlier one."""
        repeated = np.ones(len(keys), dtype=bool)
        distinct, firsts = np.unique(keys, return_index=True)
        places = np.minimum(np.searchsorted(self.seen, distinct), max(0, len(self.seen) - 1))
        is_new = self.seen[places] != distinct if len(self.seen) else np.ones(len(distinct), dtype=bool)
        repeated[firsts[is_new]] = False
        new = distinct[is_new]
        self.seen = np.insert(self.seen, np.searchsorted(self.seen, new), new)
        return repeated
