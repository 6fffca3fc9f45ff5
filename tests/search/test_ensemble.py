from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nmt.errors import ConfigError
from nmt.search.beam import Beam
from nmt.search.ensemble import build_ensemble
from nmt.search.greedy import Greedy

SEARCH = Beam(size=4, nbest=3)


def searched(*models: Any, search: Any = SEARCH) -> Any:
    states, memories = tuple(one.state for one in models), tuple(one.memory for one in models)
    return search(build_ensemble(models), states, memories, models[0].lengths)


def test_a_model_with_itself_is_itself(toy: Callable[..., Any]) -> None:
    made = toy(0, vocab=17, lengths=(3, 5))
    for copies in (1, 3):
        for found, expected in zip(searched(*[made] * copies), made.search(SEARCH), strict=True):
            assert [one.tokens for one in found] == [one.tokens for one in expected]
            for one, other in zip(found, expected, strict=True):
                assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4)
                np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)


def test_probabilities_and_weights_are_averaged(toy: Callable[..., Any]) -> None:
    first, second, third = (toy(seed, vocab=17, lengths=(3, 5)) for seed in (1, 2, 3))
    for sentence, (found,) in enumerate(searched(first, second, third, search=Greedy())):
        parts = [one.after(sentence, []) for one in (first, second, third)]
        probs = np.exp([log_probs for log_probs, _ in parts]).mean(0)
        probs[[0, 2]] = 0  # never produced
        assert (found.tokens or [3])[0] == probs.argmax()
        np.testing.assert_allclose(found.weights[0], np.mean([weights for _, weights in parts], 0), rtol=1e-5)


def test_the_order_of_the_models_does_not_matter(toy: Callable[..., Any]) -> None:
    first, second = (toy(seed, vocab=17, lengths=(3, 5)) for seed in (1, 2))
    for found, other in zip(searched(first, second), searched(second, first), strict=True):
        assert [one.tokens for one in found] == [one.tokens for one in other]


def test_models_without_weights_do_not_take_part_in_the_mean(toy: Callable[..., Any]) -> None:
    made = toy(0, lengths=(3,))

    def blind(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.zeros(len(tokens), 6).log_softmax(-1), state, None

    tokens, lengths = torch.tensor([2]), made.lengths
    seen = build_ensemble([made, blind])(tokens, (made.state, ()), (made.memory, ()))[2]
    assert torch.equal(seen, made(tokens, made.state, made.memory)[2])
    ((found,),) = Greedy()(build_ensemble([blind]), ((),), ((),), lengths)
    assert found.weights is None


def test_certainty_is_never_more_than_certain() -> None:
    def sure(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        return torch.tensor([[0.0, -1e4, -1e4]]), state, None

    for copies in range(1, 12):
        log_probs, _, _ = build_ensemble([sure] * copies)(torch.tensor([2]), ((),) * copies, ((),) * copies)
        assert log_probs.max() <= 0


def test_an_ensemble_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least one"):
        build_ensemble([])
