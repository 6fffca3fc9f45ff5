from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nmt.search.greedy import Greedy
from nmt.special_tokens import BOS, EOS, PAD


@pytest.mark.parametrize("seed", range(8))
def test_every_token_is_the_most_probable_one(seed: int, toy: Callable[..., Any], lengths_of: Any) -> None:
    made = toy(seed, vocab=13, lengths=lengths_of(seed))
    for sentence, (found,) in enumerate(made.search(Greedy(max_ratio=1.0, max_extra=3))):
        tokens: list[int] = []
        total, looks = 0.0, []
        while True:
            log_probs, weights = made.after(sentence, tokens)
            full = len(tokens) == int(made.lengths[sentence]) - 1 + 3
            allowed = [EOS] if full else [token for token in range(13) if token not in (PAD, BOS)]
            token = max(allowed, key=log_probs.__getitem__)
            total, looks = total + log_probs[token], [*looks, weights]
            if token == EOS:
                break
            tokens.append(token)
        assert found.tokens == tokens
        assert found.score == found.log_prob == pytest.approx(total, abs=1e-4)
        np.testing.assert_allclose(found.weights, np.array(looks), rtol=1e-5)


def test_finished_sentences_leave_the_batch(toy: Callable[..., Any]) -> None:
    made = toy(3, lengths=(1, 2, 4, 6))
    found = made.search(Greedy(min_ratio=1.0, max_ratio=1.0, max_extra=0))
    assert [len(hypothesis.tokens) for (hypothesis,) in found] == [0, 1, 3, 5]
    assert made.calls == [4, 3, 2, 2, 1, 1]


def test_a_tie_goes_to_the_first_token() -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.zeros(len(tokens), 700).log_softmax(-1), state, None

    ((found,),) = Greedy(min_ratio=1.0, max_ratio=1.0, max_extra=0, unknown=False)(step, (), (), torch.tensor([4]))
    assert found.tokens == [4, 4, 4]
    assert found.weights is None
