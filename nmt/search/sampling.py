"""Sampling from the model's distribution, or from its upper part."""

import math
import secrets
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.errors import ConfigError
from nmt.kernels.topk import stable_topk
from nmt.search.constraints import Constraints
from nmt.search.loop import SearchState, SelectedTokens, advance_independently, run_search
from nmt.search.protocols import NO_REQUEST, Hypothesis, Request, Step

MIN_TEMPERATURE = 1e-30
"""With less, log-probabilities are divided to what no float32 can hold, and all are alike."""


@dataclass(frozen=True, kw_only=True)
class Sampling(Constraints):
    """`samples` independent draws for each sentence, best first, score = log_prob.

    Tokens are drawn from p ** (1 / temperature), normalized over what the constraints allow; `top_k` keeps its k most
    probable tokens (Fan, Lewis and Dauphin 2018), and `top_p` of those, normalized again, the fewest most probable
    that sum to top_p or more (Holtzman et al. 2020). log_prob is the model's own, at temperature 1 and over all tokens.

    The random numbers of a sentence come from a generator of its own, seeded with (seed, place in the batch). So its
    samples do not depend on the other sentences of a batch, nor on the device but for rounding, and the same place in
    two calls draws the same numbers. Without a seed every call draws new ones.

    Raises ConfigError for a setting out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    samples: int = 1
    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not MIN_TEMPERATURE <= self.temperature < math.inf:
            raise ConfigError(
                f"temperature is a finite number of at least {MIN_TEMPERATURE:g}; got {self.temperature}. "
                "For the most probable token at every step choose search=greedy."
            )
        if self.top_k is not None and self.top_k < 1:
            raise ConfigError(f"top_k keeps 1 token or more; got {self.top_k}. To keep all, set it to null.")
        if self.top_p is not None and not 0 < self.top_p <= 1:
            raise ConfigError(f"top_p is a probability above 0; got {self.top_p}. To keep all tokens, set it to null.")
        if self.samples < 1:
            raise ConfigError(f"samples is 1 or more for each sentence; got {self.samples}.")
        if self.seed is not None and self.seed < 0:
            raise ConfigError(f"seed is 0 or more; got {self.seed}.")

    def __call__(
        self,
        step: Step,
        state: Any,
        memory: Any,
        lengths: Int[Tensor, " sentence"],
        request: Request = NO_REQUEST,
    ) -> list[list[Hypothesis]]:
        return run_search(
            step,
            state,
            memory,
            lengths,
            request,
            constraints=self,
            beams=self.samples,
            slots=self.samples,
            choose=partial(self._choose, self._draw_uniforms(lengths, request)),
        )

    def _draw_uniforms(
        self, lengths: Int[Tensor, " sentence"], request: Request
    ) -> Float[Tensor, "target sentence copy"]:
        """The numbers in [0, 1) that settle every choice, each sentence's in the order in which it needs them."""
        seed = secrets.randbits(64) if self.seed is None else self.seed
        maxima = self.compute_limits(lengths, request).maximum.tolist()
        uniforms = np.zeros((max(maxima, default=0) + 1, len(maxima), self.samples), np.float32)
        for sentence, maximum in enumerate(maxima):
            generator = np.random.default_rng((seed, sentence))
            uniforms[: maximum + 1, sentence] = generator.random((maximum + 1, self.samples), np.float32)
        return torch.from_numpy(uniforms).to(lengths.device)

    def _choose(
        self,
        uniforms: Float[Tensor, "target all_sentences copy"],
        frontier: SearchState,
        log_probs: Float[Tensor, "sentence copy vocab"],
        rows: Int[Tensor, "sentence copy"],
        weights: Float[Tensor, "row source"] | None,
    ) -> SelectedTokens:
        uniform = uniforms[frontier.produced.shape[-1]][frontier.sentence]
        token = draw_tokens(log_probs / self.temperature, uniform, top_k=self.top_k, top_p=self.top_p)
        return advance_independently(frontier, log_probs, rows, token)


def draw_tokens(
    log_probs: Float[Tensor, "*row vocab"],
    uniform: Float[Tensor, "*row"],
    *,
    top_k: int | None,
    top_p: float | None,
) -> Int[Tensor, "*row"]:
    """One token a row by inversion: the first at which the cumulative probability exceeds `uniform`, from [0, 1).

    `log_probs` need not be normalized. Where only some tokens are kept, the most probable come first.
    """
    order: Tensor | None = None
    if top_k is not None:
        log_probs, order = stable_topk(log_probs, top_k)
    elif top_p is not None:
        log_probs, order = log_probs.sort(dim=-1, descending=True, stable=True)
    probs = log_probs.softmax(-1)
    if top_p is not None:
        probs = probs.masked_fill(probs.cumsum(-1) - probs >= top_p, 0.0)
    cumulative = probs.cumsum(-1)
    # In single precision `uniform` is at most 1 - 2 ** -24, and its product with the total rounds to less than that.
    token = torch.searchsorted(cumulative, uniform.unsqueeze(-1) * cumulative[..., -1:], right=True)
    token = token.clamp(max=cumulative.shape[-1] - 1)  # a row without a distribution exceeds nothing either
    return (token if order is None else order.gather(-1, token)).squeeze(-1)
