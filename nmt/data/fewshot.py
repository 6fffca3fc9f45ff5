"""Learning from examples that are shown once: `data=fewshot`, a task on vectors that needs no files."""

import string
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from nmt.data.corpus import Bitext, Split
from nmt.data.tasks import MAX_PAIRS, NO_LANGUAGE
from nmt.errors import ConfigError

MAX_WAYS = len(string.ascii_lowercase)
MAX_SHOTS, MAX_FEATURES, MAX_NOISE = 20, 1000, 100.0


class Episodes(NamedTuple):
    """Many episodes side by side.

    vectors: the examples, and the query last. labels: of the examples. answers: the labels of the queries.
    """

    vectors: Float[np.ndarray, "episode place feature"]
    labels: Int[np.ndarray, "episode example"]
    answers: Int[np.ndarray, " episode"]


class Fewshot:
    """Which of the classes whose examples were just shown does the last vector belong to?

    In each episode there are `ways` classes, and m_c is the prototype of class c: `features` independent normal numbers
    of variance 1. A vector of the class is m_c + noise e, with e like m_c. The source has `shots` vectors of each class
    in random order, each with its label, and at last one vector more, the query; the target is the query's label. So
    nothing that is learnt of one episode holds in another, but for how to compare.

    A source line has one position a vector: its features, and after them `ways` numbers of which that of a label is 1.
    label_delay: how many positions after its vector a label is shown, 0 or 1. With 1, as in the task of Santoro et al.
    2016, the query stands beside the label of the vector before it, and what belongs together must first be joined.

    train, validation and test are numbers of episodes, which are a function of the settings; those of test and
    validation are drawn first. Raises ConfigError for a number that is out of range.
    """

    def __init__(
        self,
        *,
        ways: int = 5,
        shots: int = 1,
        features: int = 16,
        noise: float = 0.6,
        label_delay: int = 0,
        seed: int = 1,
        train: int = 40000,
        validation: int = 500,
        test: int = 1000,
    ) -> None:
        for name, value, low, high in (
            ("ways", ways, 2, MAX_WAYS),
            ("shots", shots, 1, MAX_SHOTS),
            ("features", features, 1, MAX_FEATURES),
            ("label_delay", label_delay, 0, 1),
            ("seed", seed, 0, 2**32 - 1),
        ):
            if not low <= value <= high:
                raise ConfigError(f"data.{name} must be from {low} to {high}; got {value}.")
        if not 0.0 <= noise <= MAX_NOISE:
            raise ConfigError(
                f"data.noise must be from 0 to {MAX_NOISE:g}, where a prototype's deviation is 1; got {noise}."
            )
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if not 1 <= size <= MAX_PAIRS:
                raise ConfigError(f"data.{split} is a number of episodes, from 1 to {MAX_PAIRS}; got {size}.")
        self.ways, self.shots, self.features, self.noise = ways, shots, features, noise
        self.label_delay, self.seed = label_delay, seed
        self.source_language = self.target_language = NO_LANGUAGE

    def check(self) -> None:
        """Nothing can be missing: the task is code."""
        return None

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text."""
        names = ("ways", "shots", "features", "noise", "label_delay", "seed")
        sizes = {str(split): size for split, size in self.sizes.items()}
        return {"corpus": "fewshot", "version": 1} | {name: getattr(self, name) for name in names} | sizes

    def load(self, split: Split) -> Bitext:
        """The episodes of a split; the first call draws all."""
        episodes = self.draw(split)
        shown = self._show_labels(episodes.labels)
        pattern = ",".join(["%.2f"] * self.features + ["%d"] * self.ways)
        line = " ".join([pattern] * episodes.vectors.shape[1])
        numbers = np.concatenate([episodes.vectors, shown], -1).reshape(len(shown), -1)
        return Bitext(
            [line % tuple(row) for row in numbers.tolist()], [get_word(each) for each in episodes.answers.tolist()]
        )

    def draw(self, split: Split) -> Episodes:
        """The episodes of a split as numbers, with vectors as exact as the text has them."""
        start = 0
        for name, size in self.sizes.items():
            if name == split:
                break
            start += size
        return Episodes(*(part[start : start + self.sizes[split]] for part in self._episodes))

    @cached_property
    def _episodes(self) -> Episodes:
        random = np.random.RandomState(self.seed)  # whose sequence is the same in all versions of numpy
        drawn = [self._draw_one(random) for _ in range(sum(self.sizes.values()))]
        vectors, labels, answers = (np.stack(part) for part in zip(*drawn, strict=True))
        return Episodes(vectors.round(2), labels, answers)

    def _draw_one(self, random: np.random.RandomState) -> tuple[NDArray[np.float64], NDArray[np.int64], np.int64]:
        prototypes = random.standard_normal((self.ways, self.features))
        labels = random.permutation(np.repeat(np.arange(self.ways), self.shots))
        answer = random.randint(self.ways)
        classes = np.append(labels, answer)
        noise = self.noise * random.standard_normal((len(classes), self.features))
        return prototypes[classes] + noise, labels, np.int64(answer)

    def _show_labels(self, labels: Int[np.ndarray, "episode example"]) -> Float[np.ndarray, "episode place way"]:
        """A 1 for the label that is shown at each place, zeros for none."""
        shown = np.zeros((len(labels), labels.shape[1] + 1, self.ways))
        places = np.arange(labels.shape[1]) + self.label_delay
        shown[np.arange(len(labels))[:, None], places, labels] = 1.0
        return shown


def get_word(label: int) -> str:
    """The target word of a label, which counts from 0: a letter."""
    return string.ascii_lowercase[label]


def label_by_nearest(episodes: Episodes) -> Int[np.ndarray, " episode"]:
    """For each query, the label of the example that is nearest to it, by Euclidean distance: what a learner can hope
    to learn."""
    examples, queries = episodes.vectors[:, :-1], episodes.vectors[:, -1:]
    nearest = np.square(examples - queries).sum(-1).argmin(-1)
    return np.take_along_axis(episodes.labels, nearest[:, None], 1)[:, 0]
