"""A corpus of corpora."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from nmt.config import inspect_parameters
from nmt.data.corpus import Bitext, Corpus, Split, stream_chunks
from nmt.data.corpus_table import CORPORA, TEXT_CORPORA
from nmt.data.held_out import join_chunks, select_pairs
from nmt.data.mix.shares import CorpusMixture, compute_shares, count_pairs
from nmt.data.mix.tags import Tags, check_tags, name_target_tag, put_tags, shift_links
from nmt.errors import ConfigError, DataError
from nmt.variants import Variants

MULTIPLE_LANGUAGES = "mul"
"""The code of ISO 639-2 for text in several languages."""

NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, kw_only=True)
class MixedCorpus:
    """A corpus of a mixture.

    weight: its part in an epoch, beside the weights of the others. tag: a symbol in front of each of its source lines.
    held_out: whether its validation and test sets are among those of the mixture.
    """

    choice: Corpus
    weight: float | None = None
    tag: str | None = None
    held_out: bool = True


class Mix:
    """Named corpora of text, each of a kind of its own, as one corpus.

    temperature: without weights, a corpus of n pairs has a share of an epoch in proportion to n^(1 / temperature): 1
    leaves sizes as they are, and more makes the shares more alike. All corpora have a weight, or none.
    target_tags: "auto" puts the tag of the target language, such as <2de>, in front of source lines where corpora have
    several target languages; "always" does where they have one, too. The tag of a corpus follows it. links: "em" where
    training needs links between words.

    Pairs of the training text, and of the test set, are in the order of the names of their corpora; those of the
    validation set take turns, so that its first pairs are of all of them. The constructor raises ConfigError; the
    methods raise DataError as those of the corpora do, and their messages name the corpus.
    """

    def __init__(
        self,
        *,
        corpora: dict[str, Annotated[Callable[[], MixedCorpus], Variants(CORPORA, wrapper=MixedCorpus)]],
        temperature: float = 1.0,
        target_tags: Literal["auto", "always"] = "auto",
        links: Literal["em"] | None = None,
    ) -> None:
        if not corpora:
            raise ConfigError("data.corpora names no corpus. Give some: data.corpora.NAME.name=files, and so on.")
        self.parts: dict[str, MixedCorpus] = {}
        for name in sorted(corpora):
            if not NAME.fullmatch(name):
                raise ConfigError(f"data.corpora: {name!r} cannot be a name. It has letters, digits, _ and - alone.")
            with name_corpus(name, None):
                self.parts[name] = corpora[name]()
        self.temperature = temperature
        self.target_tags = target_tags
        self.links = links
        self._check_parts()
        corpora_made = [part.choice for part in self.parts.values()]
        self.source_language = join_languages([each.source_language for each in corpora_made])
        self.target_language = join_languages([each.target_language for each in corpora_made])
        self.tags = self._find_tags()
        check_tags(self.tags.symbols, setting="data.corpora")

    def _check_parts(self) -> None:
        """Raises ConfigError for settings that do not go together."""
        for name, part in self.parts.items():
            kind = next(kind for kind, cls in CORPORA.items() if type(part.choice) is cls)
            if kind not in TEXT_CORPORA:
                raise ConfigError(
                    f"data.corpora.{name}.name={kind} cannot be mixed: a mixture has corpora of text, "
                    f"{', '.join(TEXT_CORPORA)}. Train on it alone, with data={kind}."
                )
            if part.weight is not None and not part.weight > 0:
                raise ConfigError(f"data.corpora.{name}.weight={part.weight:g} must be above 0. Leave the corpus out.")
        if not self.temperature > 0:
            raise ConfigError(f"data.temperature={self.temperature:g} must be above 0.")
        unweighted = [name for name, part in self.parts.items() if part.weight is None]
        if 0 < len(unweighted) < len(self.parts):
            raise ConfigError(
                f"data.corpora.{unweighted[0]}.weight is not given, and other corpora have weights. Give all of them a "
                "weight, or none."
            )
        if not unweighted and self.temperature != 1.0:
            raise ConfigError(
                f"data.temperature={self.temperature:g} makes shares of the sizes of corpora, and "
                "data.corpora.*.weight gives them. Leave one of the two out."
            )
        if not any(part.held_out for part in self.parts.values()):
            raise ConfigError("data.corpora.*.held_out is false for all corpora, so that none has validation pairs.")

    def _find_tags(self) -> Tags:
        """The tags of all corpora."""
        languages = sorted({part.choice.target_language for part in self.parts.values()})
        tagged = languages if len(languages) > 1 or self.target_tags == "always" else []
        others = dict.fromkeys(part.tag for part in self.parts.values() if part.tag is not None)
        return Tags({language: name_target_tag(language) for language in tagged}, list(others))

    def list_tags(self, name: str) -> list[str]:
        """The tags in front of the source lines of a corpus."""
        part = self.parts[name]
        target = self.tags.targets.get(part.choice.target_language)
        return [tag for tag in (target, part.tag) if tag is not None]

    def list_prefixes(self) -> list[str]:
        """What source lines may begin with, the longest first."""
        found = {"".join(f"{tag} " for tag in self.list_tags(name)) for name in self.parts}
        return sorted(found - {""}, key=lambda prefix: (-len(prefix), prefix))

    def check(self) -> None:
        for name, part in self.parts.items():
            with name_corpus(name, part):
                part.choice.check()

    def get_identity(self) -> dict[str, Any]:
        found: dict[str, Any] = {"corpus": "mix"}
        for name, part in self.parts.items():
            with name_corpus(name, part):
                found[f"corpora.{name}"] = [part.choice.get_identity(), self.list_tags(name), part.held_out]
        return found

    def load(self, split: Split) -> Bitext | None:
        found: dict[str, Bitext] = {}
        for name in self._list_parts(split):
            chunks = list(self._stream(name, split))
            if chunks:
                found[name] = join_chunks(chunks)
        if not found:
            return None
        joined = join_texts(found)
        return take_turns(joined) if split == "validation" else joined

    def stream(self, split: Split) -> Iterator[Bitext] | None:
        """The same, in chunks, those of the training text without links."""
        if split != "train":
            text = self.load(split)
            return None if text is None else iter([text])
        chunks = itertools.chain.from_iterable(self._stream(name, split) for name in self._list_parts(split))
        return (chunk._replace(alignments=None) for chunk in chunks)

    def _list_parts(self, split: Split) -> list[str]:
        """The corpora that have a part in a split."""
        return [name for name, part in self.parts.items() if split == "train" or part.held_out]

    def _stream(self, name: str, split: Split) -> Iterator[Bitext]:
        """The text of a corpus as the mixture has it, in chunks."""
        with name_corpus(name, self.parts[name]):
            for chunk in stream_chunks(self.parts[name].choice, split):
                yield self._tag(name, chunk)._replace(corpora=[name] * len(chunk.source))

    def _tag(self, name: str, text: Bitext) -> Bitext:
        tags = self.list_tags(name)
        links = None if text.alignments is None else shift_links(text.alignments, len(tags))
        return text._replace(source=put_tags(text.source, tags), alignments=links)

    def make_mixture(self, sizes: Mapping[str, int]) -> CorpusMixture:
        """The mixture of training pairs, of which so many are left of each corpus."""
        counts = [sizes.get(name, 0) for name in self.parts]
        weights = [part.weight for part in self.parts.values()]
        given = None if None in weights else [weight if n else 0.0 for weight, n in zip(weights, counts, strict=True)]
        shares = compute_shares(counts, weights=given, temperature=self.temperature)  # type: ignore[arg-type]
        return CorpusMixture(counts, count_pairs(counts, shares.tolist()))


def join_languages(languages: Sequence[str]) -> str:
    """The one language, or the code for several."""
    return languages[0] if len(set(languages)) == 1 else MULTIPLE_LANGUAGES


def join_texts(texts: Mapping[str, Bitext]) -> Bitext:
    """Texts one after another, with the names of their corpora. Links are kept where all texts have them."""
    parts = list(texts.values())
    linked = all(part.alignments is not None for part in parts)
    return Bitext(
        list(itertools.chain.from_iterable(part.source for part in parts)),
        list(itertools.chain.from_iterable(part.target for part in parts)),
        list(itertools.chain.from_iterable(part.alignments or () for part in parts)) if linked else None,
        corpora=[name for name, part in texts.items() for _ in part.source],
    )


def number_corpora(text: Bitext) -> NDArray[np.int64]:
    """The number of the corpus of each pair, in the order of their names, from 0."""
    assert text.corpora is not None
    numbers = {name: number for number, name in enumerate(sorted(set(text.corpora)))}
    return np.fromiter((numbers[name] for name in text.corpora), np.int64, len(text.corpora))


def take_turns(text: Bitext) -> Bitext:
    """The pairs of a text with the first of each corpus before all others, then the second of each, and so on."""
    names = number_corpora(text)
    turns = np.zeros(len(names), dtype=np.int64)
    for number in range(int(names.max(initial=-1)) + 1):
        turns[names == number] = np.arange(int((names == number).sum()))
    return select_pairs(text, np.lexsort((names, turns)))


@contextmanager
def name_corpus(name: str, part: MixedCorpus | None) -> Iterator[None]:
    """Inside, what is wrong with a corpus is said with its name, and with the settings that it has in a mixture."""
    try:
        yield
    except (ConfigError, DataError) as problem:
        keys = "|".join(map(re.escape, inspect_parameters(type(part.choice)))) if part is not None else r"\w+"
        lines = [re.sub(rf"\bdata\.(?=({keys})\b)", f"data.corpora.{name}.", str(line)) for line in problem.args]
        raise type(problem)(
            *(line if f"corpora.{name}" in line else f"corpus {name}: {line}" for line in lines)
        ) from problem
