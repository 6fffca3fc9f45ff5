"""A model so small that all translations can be listed, whose every distribution depends on the whole prefix."""

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from nmt.masks import mask

CODES = 997


class Toy:
    """A step over random tables, one for each sentence: prefix -> code -> log_probs and weights.

    `memory` is the table's rows, so a search that pairs a row with the wrong sentence gets other numbers.
    """

    def __init__(self, seed: int, *, vocab: int = 6, lengths: tuple[int, ...] = (3,), sharpness: float = 1.5) -> None:
        generator = torch.Generator().manual_seed(seed)
        sentences, self.vocab = len(lengths), vocab
        self.lengths = torch.tensor(lengths)
        scores = sharpness * torch.randn(sentences, CODES, vocab, generator=generator)
        looks = 2 * torch.randn(sentences, CODES, max(lengths), generator=generator)
        looks = looks.masked_fill(~mask(self.lengths, max(lengths)).unsqueeze(1), -1e9)
        self.memory: Any = (scores.log_softmax(-1), (looks.softmax(-1), ()))
        self.state: Any = (torch.zeros(sentences, dtype=torch.long), None)
        self.calls: list[int] = []

    def __call__(self, tokens: Tensor, state: Any, memory: Any) -> tuple[Tensor, Any, Tensor | None]:
        self.calls.append(len(tokens))
        log_probs, (weights, _) = memory
        assert len(tokens) % len(log_probs) == 0
        assert len(tokens) == len(state[0])
        code = (state[0] * self.vocab + tokens) % CODES
        sentence = torch.arange(len(tokens)) // (len(tokens) // len(log_probs))
        return log_probs[sentence, code], (code, None), weights[sentence, code]

    def after(self, sentence: int, prefix: list[int]) -> tuple[list[float], list[float]]:
        """log_probs and weights after BOS and these tokens: what oracles ask, without a search or a batch."""
        code = 0
        for token in [2, *prefix]:
            code = (code * self.vocab + token) % CODES
        log_probs, (weights, _) = self.memory
        return log_probs[sentence, code].tolist(), weights[sentence, code, : self.lengths[sentence]].tolist()

    def search(self, search: Any, sentences: list[int] | None = None) -> Any:
        """What the search finds for a choice of the sentences, in this order."""
        rows = torch.arange(len(self.lengths)) if sentences is None else torch.tensor(sentences)
        log_probs, (weights, _) = self.memory
        return search(self, (self.state[0][rows], None), (log_probs[rows], (weights[rows], ())), self.lengths[rows])


@pytest.fixture
def toy() -> Callable[..., Toy]:
    return Toy


@pytest.fixture
def lengths_of() -> Callable[[int], tuple[int, ...]]:
    """Source lengths, EOS counted, that a seed stands for."""

    def draw(seed: int) -> tuple[int, ...]:
        chance = random.Random(seed)
        return tuple(chance.randint(1, 7) for _ in range(chance.randint(1, 5)))

    return draw
