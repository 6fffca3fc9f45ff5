"""The embedded corpus: English and German sentences of a synchronous grammar, with exact word alignments."""

from functools import cached_property
from random import Random
from typing import Literal

from nmt.data.corpus import Bitext
from nmt.data.synthetic.names import NAMES_VERSION, Script, draw_named
from nmt.data.synthetic.pair import SentencePair
from nmt.data.synthetic.sentences import draw_sentence
from nmt.data.tasks import check_seed
from nmt.errors import ConfigError

Language = Literal["en", "de"]
Split = Literal["train", "validation", "test"]
MAX_PAIRS = 1_000_000

TEXT_VERSION = "86746a18cebfe113192c3ceaf90dc8ffe749a3a5db30cc297ba2a0abab9e9207"
"""Names the text that the grammar draws: prepared data and runs of another version are of another text. Choose a new
value whenever the text changes; a test holds it against the text. This one is the digest that version 0.1 took of its
code, so that its runs go on."""


class Grammar:
    """A corpus that needs no files: `train`, `validation` and `test` are numbers of sentence pairs.

    The text is a function of the seed and the sizes. No sentence of either language occurs twice in the whole corpus,
    so the splits are disjoint on both sides, and no sentence has two translations. Test and validation are drawn first,
    so they stay the same when only `train` changes.

    Each pair has gold links in Pharaoh format over whitespace words from 0, source word first: `i-j` sure, `ipj`
    possible. Punctuation attaches to the word before it. The linking conventions are in `nmt.data.synthetic.sentences`.

    links: which ones training learns from where it needs some: its own, or "em", those of expectation maximization.
    names: of this script, every sentence has a name, six random letters, the same on both sides and in no other
    pair, so that it can only be copied; None for names as everywhere.

    Raises ConfigError where a size is not positive, the sizes exceed a million in all, or the languages are the same.
    """

    def __init__(
        self,
        *,
        source_language: Language = "en",
        target_language: Language = "de",
        seed: int = 1,
        train: int = 20000,
        validation: int = 500,
        test: int = 1000,
        links: Literal["em"] | None = None,
        names: Script | None = None,
    ) -> None:
        check_seed(seed)
        if {source_language, target_language} != {"en", "de"}:
            raise ConfigError(
                f"the grammar translates between en and de; got source_language={source_language!r} and "
                f"target_language={target_language!r}. Choose en for one side and de for the other."
            )
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if size < 1:
                raise ConfigError(f"data.{split} is a number of sentence pairs and must be at least 1; got {size}.")
        if sum(self.sizes.values()) > MAX_PAIRS:
            raise ConfigError(
                f"the grammar offers {MAX_PAIRS} distinct pairs in all; data.train, data.validation and data.test "
                f"ask for {sum(self.sizes.values())}. Choose smaller sizes."
            )
        self.source_language = source_language
        self.target_language = target_language
        self.seed = seed
        self.links = links
        self.names = names

    def check(self) -> None:
        """Nothing can be missing: the grammar is code."""

    def get_identity(self) -> dict[str, str | int]:
        """All that shapes the text."""
        return {
            "name": "grammar",  # until version 0.1, whose runs and prepared data are of this text
            "source_language": self.source_language,
            "target_language": self.target_language,
            "seed": self.seed,
            "train": self.sizes["train"],
            "validation": self.sizes["validation"],
            "test": self.sizes["test"],
            "code": TEXT_VERSION,
            **({"names": f"{self.names} {NAMES_VERSION}"} if self.names else {}),
        }

    def load(self, split: Split) -> Bitext:
        """The pairs of a split; the first call draws the whole corpus."""
        start = 0
        for name, size in self.sizes.items():
            if name == split:
                break
            start += size
        pairs = self._pairs[start : start + self.sizes[split]]
        forward = self.source_language == "en"
        english, german = [pair.english for pair in pairs], [pair.german for pair in pairs]
        links = [format_pharaoh(pair, forward=forward) for pair in pairs]
        return Bitext(english, german, links) if forward else Bitext(german, english, links)

    @cached_property
    def _pairs(self) -> list[SentencePair]:
        count = sum(self.sizes.values())
        return draw_named(count, self.seed, self.names) if self.names else draw_distinct(count, self.seed)


def draw_distinct(count: int, seed: int) -> list[SentencePair]:
    """The first `count` pairs of a seed in which neither the English nor the German sentence has been seen before."""
    random = Random(seed)
    seen: set[str] = set()
    pairs: list[SentencePair] = []
    while len(pairs) < count:
        drawn = draw_sentence(random)
        # English and German sentences share one set, so that neither language leaks between the splits of a corpus
        if drawn.english not in seen and drawn.german not in seen:
            seen.update((drawn.english, drawn.german))
            pairs.append(drawn)
    return pairs


def format_pharaoh(pair: SentencePair, *, forward: bool) -> str:
    """`0-1 2p3`: English first if forward, otherwise German first; in order of the source."""
    ordered = pair.links if forward else sorted((j, i, sure) for i, j, sure in pair.links)
    return " ".join(f"{i}{'-' if sure else 'p'}{j}" for i, j, sure in ordered)
