"""Telephone tones: energies are those of the frequencies that sound, and the digits can be heard."""

import numpy as np
import pytest

from nmt.data.sources.vectors import VectorReader
from nmt.data.tones import FRAME_SAMPLES, HIGH, KEYS, LOW, RATE, Tones, compute_energies, synthesize
from nmt.errors import ConfigError

SMALL = {"train": 20, "validation": 5, "test": 4}


def test_energies_are_those_of_a_discrete_fourier_sum() -> None:
    samples = np.random.default_rng(1).standard_normal((3, FRAME_SAMPLES))
    found = compute_energies(samples)
    for frame in range(3):
        for column, hertz in enumerate((*LOW, *HIGH)):
            angles = 2 * np.pi * hertz / RATE * np.arange(FRAME_SAMPLES)
            power = (samples[frame] @ np.cos(angles)) ** 2 + (samples[frame] @ np.sin(angles)) ** 2
            assert found[frame, column] == pytest.approx(np.log10(1e-3 + power * (2 / FRAME_SAMPLES) ** 2))


def test_a_tone_has_its_two_frequencies() -> None:
    assert len(set(KEYS)) == 10
    frames = compute_energies(synthesize([*range(10), None], 0.0, np.random.default_rng(1)))
    for digit, (low, high) in enumerate(KEYS):
        loudest = np.argsort(-frames[digit])[:2].tolist()
        assert sorted(loudest) == [LOW.index(low), len(LOW) + HIGH.index(high)]
    assert frames[10] == pytest.approx(-3)


def test_digits_can_be_heard_where_their_links_are() -> None:
    text = Tones(noise=0.1, **SMALL).load("train")
    assert text.alignments is not None
    reader = VectorReader(features=Tones.features)
    for item, target, links in zip(reader.encode(text.source), text.target, text.alignments, strict=True):
        digits = target.split()
        assert 3 <= len(digits) <= 7
        frames = np.asarray(item)
        for link in links.split():
            frame, place = map(int, link.split("-"))
            low, high = KEYS[int(digits[place])]
            assert frames[frame, : len(LOW)].argmax() == LOW.index(low)
            assert frames[frame, len(LOW) :].argmax() == HIGH.index(high)
        silent = sorted({*range(len(frames))} - {int(link.split("-")[0]) for link in links.split()})
        assert frames[silent].max() < -0.5


def test_the_text_is_that_of_the_settings() -> None:
    assert Tones(**SMALL).load("train") == Tones(**SMALL).load("train")
    assert Tones(**SMALL, seed=2).load("train") != Tones(**SMALL).load("train")
    assert Tones(**{**SMALL, "train": 30}).load("test") == Tones(**SMALL).load("test")
    for settings in ({"shortest": 0}, {"noise": -1.0}, {"longest": 101}, {"train": 0}):
        with pytest.raises(ConfigError):
            Tones(**{**SMALL, **settings})  # type: ignore[arg-type]
