"""Telephone tones: the sound of digits that are dialled, as frames of energies, and the digits."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.data.corpus import Bitext, Split
from nmt.data.tasks import MAX_PAIRS, NO_LANGUAGE, check_seed
from nmt.errors import ConfigError

LOW, HIGH = (697, 770, 852, 941), (1209, 1336, 1477)
"""Hertz: each key of a telephone sounds one of either   (ITU-T Q.23)."""

KEYS = ((941, 1336), *((low, high) for low in LOW[:3] for high in HIGH))
"""The tones of the digits 0 to 9."""

RATE, FRAME_SAMPLES = 8000, 200
"""Samples a second, and in a frame, which is 25 ms."""

TONE_FRAMES, PAUSE_FRAMES = (2, 4), (1, 2)
"""The fewest and the most frames of a tone, and of the pause after it."""

MAX_DIGITS = 100
DECIMALS = 2


class Tones:
    """Source lines are frames, each the log energies at the seven frequencies of a telephone's keys; target lines are
    the digits.

    Tones and pauses last some frames, drawn alike and independently, and `noise` is the standard deviation of white
    noise beside a tone of amplitude 1. Lines have `shortest` to `longest` digits. train, validation and test are
    numbers of pairs. Those of test and validation are drawn first. Raises ConfigError for a number out of range.
    """

    features = len(LOW) + len(HIGH)
    target_numbers = len(KEYS)

    def __init__(
        self,
        *,
        shortest: int = 3,
        longest: int = 7,
        noise: float = 0.5,
        seed: int = 1,
        train: int = 8000,
        validation: int = 300,
        test: int = 500,
    ) -> None:
        check_seed(seed)
        if not 1 <= shortest <= longest <= MAX_DIGITS:
            raise ConfigError(
                f"data.shortest and data.longest must be from 1 to {MAX_DIGITS}, the longest not below the shortest; "
                f"got {shortest} and {longest}."
            )
        if not 0.0 <= noise <= 100.0:
            raise ConfigError(f"data.noise must be from 0 to 100, of a tone of amplitude 1; got {noise}.")
        self.sizes: dict[Split, int] = {"test": test, "validation": validation, "train": train}
        for split, size in self.sizes.items():
            if not 1 <= size <= MAX_PAIRS:
                raise ConfigError(f"data.{split} is a number of pairs, from 1 to {MAX_PAIRS}; got {size}.")
        self.shortest, self.longest, self.noise, self.seed = shortest, longest, noise, seed
        self.source_language = self.target_language = NO_LANGUAGE

    def check(self) -> None:
        """Nothing can be missing: the task is code."""
        return None

    def get_identity(self) -> dict[str, Any]:
        """All that shapes the text."""
        settings = {"shortest": self.shortest, "longest": self.longest, "noise": self.noise, "seed": self.seed}
        sizes = {str(split): size for split, size in self.sizes.items()}
        return {"corpus": "tones", "version": 1} | settings | sizes

    def load(self, split: Split) -> Bitext:
        """The pairs of a split; the first call draws all. Each digit is linked with the frames of its tone."""
        start = 0
        for name, size in self.sizes.items():
            if name == split:
                break
            start += size
        found = self._pairs[start : start + self.sizes[split]]
        return Bitext(*map(list, zip(*found, strict=True)))

    @cached_property
    def _pairs(self) -> list[tuple[str, str, str]]:
        draw = np.random.default_rng(self.seed)
        return [self._draw_pair(draw) for _ in range(sum(self.sizes.values()))]

    def _draw_pair(self, draw: np.random.Generator) -> tuple[str, str, str]:
        """A source line, a target line, and their links."""
        digits = draw.integers(0, 10, draw.integers(self.shortest, self.longest + 1)).tolist()
        frames: list[int | None] = [None] * int(draw.integers(*PAUSE_FRAMES, endpoint=True))
        links = []
        for place, digit in enumerate(digits):
            tone = int(draw.integers(*TONE_FRAMES, endpoint=True))
            links += [f"{len(frames) + number}-{place}" for number in range(tone)]
            frames += [digit] * tone + [None] * int(draw.integers(*PAUSE_FRAMES, endpoint=True))
        energies = compute_energies(synthesize(frames, self.noise, draw))
        source = " ".join(",".join(f"{value:.{DECIMALS}f}" for value in frame) for frame in energies.tolist())
        return source, " ".join(map(str, digits)), " ".join(links)


def synthesize(frames: Sequence[int | None], noise: float, draw: np.random.Generator) -> Float[ndarray, "frame sample"]:
    """The samples of frames that each have the tone of a digit, or none."""
    times = np.arange(len(frames) * FRAME_SAMPLES).reshape(len(frames), FRAME_SAMPLES) / RATE
    found = noise * draw.standard_normal(times.shape)
    for place, digit in enumerate(frames):
        if digit is not None:
            found[place] += sum(np.sin(2 * np.pi * hertz * times[place]) for hertz in KEYS[digit])
    return found


def compute_energies(samples: Float[ndarray, "frame sample"]) -> Float[ndarray, "frame frequency"]:
    """log10 of 1e-3 + |2 / n sum over k of x_k exp(-2 pi i f k / rate)|^2 for each key frequency f: Goertzel's."""
    count = samples.shape[1]
    phases = -2j * np.pi * np.array([*LOW, *HIGH]) / RATE
    waves = np.exp(np.arange(count)[:, None] * phases)
    found: ndarray = np.log10(1e-3 + np.abs(2 / count * samples @ waves) ** 2)
    return found
