"""Few-shot episodes: lines say what was drawn, labels stand where the delay puts them, and neighbours are found."""

import math

import numpy as np
import pytest

from nmt.data.fewshot import Fewshot, label_by_nearest
from nmt.errors import ConfigError

SMALL = {"train": 300, "validation": 20, "test": 30}


def read(line: str) -> np.ndarray:
    return np.array([[float(number) for number in place.split(",")] for place in line.split()])


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("shots", [1, 3])
def test_a_line_has_each_vector_and_its_label_where_the_delay_says(delay: int, shots: int) -> None:
    task = Fewshot(ways=3, shots=shots, features=2, label_delay=delay, **SMALL)
    text, episodes = task.load("test"), task.draw("test")
    assert len(text.source) == len(text.target) == 30
    for n, (source, target) in enumerate(zip(text.source, text.target, strict=True)):
        numbers = read(source)
        assert numbers.shape == (3 * shots + 1, 2 + 3)
        np.testing.assert_allclose(numbers[:, :2], episodes.vectors[n], atol=1e-9)
        labels = [place.argmax() if place.any() else None for place in numbers[:, 2:]]
        empty = labels.pop(0 if delay else -1)
        assert empty is None
        assert labels == episodes.labels[n].tolist()
        assert sorted(labels) == sorted([0, 1, 2] * shots)
        assert target == "abc"[episodes.answers[n]]


def test_vectors_scatter_around_their_prototypes_as_the_noise_says() -> None:
    episodes = Fewshot(ways=4, shots=5, features=7, noise=0.6, train=2000, validation=1, test=1).draw("train")
    same = np.stack([episodes.vectors[:, :-1][episodes.labels == c].reshape(2000, 5, 7) for c in range(4)])
    assert math.isclose(same.var(2, ddof=1).mean(), 0.36, rel_tol=0.03)
    assert math.isclose(episodes.vectors.var(), 1.36, rel_tol=0.03)
    assert np.bincount(episodes.answers).min() > 400


def test_the_nearest_example_is_that_of_a_loop_and_mostly_right() -> None:
    episodes = Fewshot(train=1, validation=1, test=400).draw("test")
    found = label_by_nearest(episodes)
    for vectors, labels, label in zip(episodes.vectors, episodes.labels, found, strict=True):
        distances = {math.dist(example, vectors[-1]): name for example, name in zip(vectors[:-1], labels, strict=True)}
        assert distances[min(distances)] == label
    assert (found == episodes.answers).mean() > 0.95


def test_the_text_is_that_of_the_settings() -> None:
    task, other, more = Fewshot(**SMALL), Fewshot(**SMALL, seed=2), Fewshot(**{**SMALL, "train": 400})
    assert Fewshot(**SMALL).load("train") == task.load("train")
    assert other.load("train") != task.load("train")
    assert other.get_identity() != task.get_identity()
    assert (more.load("test"), more.load("validation")) == (task.load("test"), task.load("validation"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ways": 1}, r"data\.ways must be from 2 to 26; got 1"),
        ({"shots": 0}, r"data\.shots must be from 1 to 20; got 0"),
        ({"label_delay": 2}, r"data\.label_delay must be from 0 to 1; got 2"),
        ({"noise": -1.0}, r"data\.noise .* got -1"),
        ({"train": 0}, r"data\.train is a number of episodes"),
    ],
)
def test_numbers_are_checked(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Fewshot(**settings)  # type: ignore[arg-type]
