"""What a search works on and what it returns."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor


class Hypothesis(NamedTuple):
    """One complete translation.

    `tokens` leaves out BOS and EOS; `score` is what the search ranked by (higher is better); `log_prob` is the sum
    over the tokens and EOS, in nats, and `log_probs` are those of each; `weights` has one row for each token and one
    for EOS, float32, and one column for each source token, EOS included. It is None where the step gives no weights.

    Where a model gives no translation a probability above 0, the hypothesis is empty and its log_prob minus infinity.
    """

    tokens: list[int]
    score: float
    log_prob: float
    weights: Float[ndarray, "target source"] | None
    log_probs: Float[ndarray, " target"] = np.zeros(0, np.float32)


@runtime_checkable
class Step(Protocol):
    """The next token's distribution: all that a search knows of a model.

    Rows are sentence-major, row = sentence x copies + copy. `state` is a nested tuple of tensors with one entry a row;
    `memory` has one entry a sentence, and the step itself finds the rows // sentences queries of each. The state that
    comes back has read `tokens`. `log_probs` are at most 0, and the search's to write into; `weights` are zero past the
    end of a source.
    """

    def __call__(
        self, tokens: Int[Tensor, " row"], state: Any, memory: Any
    ) -> tuple[Float[Tensor, "row vocab"], Any, Float[Tensor, "row source"] | None]: ...


class Request(NamedTuple):
    """What a batch asks of a search, in tokens of the step's vocabulary.

    prefixes: for each sentence, the tokens that its hypotheses begin with; None for no prefixes. exempt: tokens that
    `no_repeat_ngram` does not look at.
    """

    prefixes: Sequence[Sequence[int]] | None = None
    exempt: Sequence[int] = ()


NO_REQUEST = Request()


@runtime_checkable
class Search(Protocol):
    """From a step to complete hypotheses, a list for each sentence, best first.

    `state` and `memory` have one entry a sentence; `lengths` are those of the sources, EOS counted.
    """

    def __call__(
        self,
        step: Step,
        state: Any,
        memory: Any,
        lengths: Int[Tensor, " sentence"],
        request: Request = NO_REQUEST,
    ) -> list[list[Hypothesis]]: ...
