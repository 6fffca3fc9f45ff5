"""The copy task of the Neural Turing Machine: sequences of random bits, and the same sequences."""

from collections.abc import Sequence
from functools import cached_property
from random import Random
from typing import Any, ClassVar

from nmt.data.corpus import Bitext, Split
from nmt.data.tasks import MAX_LENGTH, MAX_PAIRS, NO_LANGUAGE, check_seed
from nmt.errors import ConfigError

MAX_WIDTH = 12


class Bits:
    """Source lines are bits as numbers, "1,0,1 0,0,1", for model/source=vectors; target lines the same positions as
    numbers that have these bits, the highest first, "5 1", for tokenizer=numbers and model/head=bernoulli.

    Bits are drawn alike and independently (Graves, Wayne and Danihelka 2014, section 4.1), `width` of them at each
    position; lengths from `shortest` to `longest`, or `test_length` in the test split, to see whether a model goes on
    where training has ended. train, validation and test are numbers of pairs. Those of test and
    validation are drawn first. Raises ConfigError for a number that is out of range.
    """

    metrics: ClassVar[tuple[str, ...]] = ("wrong_bits",)

    def __init__(
        self,
        *,
        width: int = 8,
        shortest: int = 1,
        longest: int = 10,
        test_length: int | None = None,
        seed: int = 1,
        train: int = 40000,
        validation: int = 200,
        test: int = 200,
    ) -> None:
        check_seed(seed)
        if not 1 <= width <= MAX_WIDTH:
            raise ConfigError(f"data.width must be from 1 to {MAX_WIDTH} bits; got {width}.")
        if not 1 <= shortest <= longest <= MAX_LENGTH:
            raise ConfigError(
                f"data.shortest and data.longest must be from 1 to {MAX_LENGTH}, the longest not below the shortest; "
                f"got {shortest} and {longest}."
            )
        if test_length is not None and not 1 <= test_length <= MAX_LENGTH:
            raise ConfigError(f"data.test_length must be from 1 to {MAX_LENGTH}, or null; got {test_length}.")
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if not 1 <= size <= MAX_PAIRS:
                raise ConfigError(f"data.{split} is a number of pairs, from 1 to {MAX_PAIRS}; got {size}.")
        self.width, self.shortest, self.longest, self.seed = width, shortest, longest, seed
        self.test_length = test_length
        self.target_numbers = 2**width
        self.source_language = self.target_language = NO_LANGUAGE

    def measure(self, source: Sequence[str], hypotheses: Sequence[str], references: Sequence[str]) -> dict[str, float]:
        """`wrong_bits` of a sequence."""
        return {"wrong_bits": count_wrong_bits(hypotheses, references, self.width)}

    def check(self) -> None:
        """Nothing can be missing: the task is code."""
        return None

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text."""
        settings = {"width": self.width, "shortest": self.shortest, "longest": self.longest, "seed": self.seed}
        settings |= {} if self.test_length is None else {"test_length": self.test_length}
        return {"corpus": "bits", "version": 1} | settings | {str(split): size for split, size in self.sizes.items()}

    def load(self, split: Split) -> Bitext:
        """The pairs of a split; the first call draws all."""
        sizes = list(self.sizes.items())
        place = [name for name, _ in sizes].index(split)
        start = sum(size for _, size in sizes[:place])
        drawn = self._sequences[start : start + self.sizes[split]]
        links = [" ".join(f"{s}-{s}" for s in range(len(symbols))) for symbols in drawn]
        return Bitext(
            [" ".join(write_bits(symbol, self.width) for symbol in symbols) for symbols in drawn],
            [" ".join(map(str, symbols)) for symbols in drawn],
            links,
        )

    @cached_property
    def _sequences(self) -> list[list[int]]:
        random, drawn = Random(self.seed), []
        for split, size in self.sizes.items():
            for _ in range(size):
                length = self.test_length if split == "test" else None
                length = random.randint(self.shortest, self.longest) if length is None else length
                drawn.append([random.getrandbits(self.width) for _ in range(length)])
        return drawn


def write_bits(symbol: int, width: int) -> str:
    """The bits of a symbol, the highest first: 5 -> "1,0,1"."""
    return ",".join(f"{symbol:0{width}b}")


def count_wrong_bits(hypotheses: Sequence[str], references: Sequence[str], width: int) -> float:
    """Bits in which symbols of a hypothesis differ from those of its reference, position by position: the mean over
    sequences. All bits are wrong of a symbol that is missing or too much, or is no number of so many bits."""
    wrong = sum(
        compare_bits(hypothesis.split(), reference.split(), width)
        for hypothesis, reference in zip(hypotheses, references, strict=True)
    )
    return wrong / max(len(references), 1)


def compare_bits(hypothesis: Sequence[str], reference: Sequence[str], width: int) -> int:
    """Wrong bits of one sequence."""
    both = zip(hypothesis, reference, strict=False)
    return abs(len(hypothesis) - len(reference)) * width + sum(
        (int(one) ^ int(other)).bit_count() if is_symbol(one, width) and is_symbol(other, width) else width
        for one, other in both
    )


def is_symbol(word: str, width: int) -> bool:
    """Whether a word is a number of so many bits."""
    return word.isascii() and word.isdecimal() and len(word) <= MAX_WIDTH and int(word) < 2**width
