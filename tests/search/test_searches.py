import inspect
from typing import Any, get_args, get_type_hints

import pytest
import torch

from nmt.search.beam import Beam
from nmt.search.penalties import LENGTH_PENALTIES
from nmt.search.protocols import Search
from nmt.search.searches import SEARCHES

EVERY = pytest.mark.parametrize("name", SEARCHES)


@EVERY
def test_a_search_is_made_from_keyword_arguments_that_all_have_defaults(name: str) -> None:
    parameters = inspect.signature(SEARCHES[name]).parameters.values()
    assert all(one.kind is one.KEYWORD_ONLY and one.default is not one.empty for one in parameters)
    assert isinstance(SEARCHES[name](), Search)


def test_the_length_penalties_that_a_beam_takes_are_those_of_the_table() -> None:
    assert set(get_args(get_type_hints(Beam)["length_penalty"])) == LENGTH_PENALTIES.keys()


@EVERY
def test_hypotheses_do_not_hold_the_batch_in_memory(name: str) -> None:
    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        weights = torch.rand(len(tokens), 5).softmax(-1)
        return torch.randn(len(tokens), 9).log_softmax(-1), state, weights

    for sentence, (hypothesis,) in enumerate(SEARCHES[name]()(step, (), (), torch.tensor([5, 3]))):
        assert hypothesis.weights is not None
        assert hypothesis.weights.base is None
        assert hypothesis.weights.shape == (len(hypothesis.tokens) + 1, [5, 3][sentence])


@EVERY
def test_nothing_that_was_given_is_written(name: str) -> None:
    table = torch.randn(3, 9, 9).log_softmax(-1)
    state, memory = (torch.randn(3, 4),), (table, ())
    kept = table.clone(), state[0].clone()

    def step(tokens: torch.Tensor, state: Any, memory: Any) -> Any:
        sentence = torch.arange(len(tokens)) // (len(tokens) // len(memory[0]))
        return memory[0][sentence, tokens], (state[0] + 1,), None

    SEARCHES[name]()(step, state, memory, torch.tensor([5, 3, 2]))
    assert torch.equal(table, kept[0])
    assert torch.equal(state[0], kept[1])
