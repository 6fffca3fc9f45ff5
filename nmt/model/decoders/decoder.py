"""What all decoders share: a state, and one interface for target positions at once and one after another.

`forward` takes the embedded target of any length and the state before it, so training (all positions, given) and search
(one position, chosen) run the same code.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.attention.attention import Attended, Attention, Choices, Past
from nmt.attention.memory import Memory
from nmt.model.encoders.encoder import Encoded

AttentionFactory = Callable[..., Attention]
"""Makes an attention to the source; a decoder calls it as often as it has layers that look there. It may give
`dropout`, that of the weights."""


class ReadoutChoices(NamedTuple):
    """The readout that each source position makes which attention chooses."""

    readout: Float[Tensor, "row target choice readout"]
    given: Choices


class Decoded(NamedTuple):
    """readout: what the next words are predicted from. attended: what attention gave at every target position, where
    weights are asked for, or where attention has drawn. choices: where weights are asked for and words are predicted
    from chosen source positions."""

    readout: Float[Tensor, "row target readout"]
    state: Any
    attended: Attended | None
    choices: ReadoutChoices | None = None

    @property
    def weights(self) -> Float[Tensor, "row target source"] | None:
        """The mean over heads, where weights are asked for and where there is attention."""
        return None if self.attended is None or self.attended.weights is None else self.attended.weights.mean(1)


class Decoder(nn.Module, ABC):
    """Reads target words, with attention to the source.

    readout_size: that of what it hands to the head. readout_bounded: whether no entry of the readout is above 1 in
    size. attention: what looks at the source, and says where. is_stepwise: whether it reads target positions one after
    another, rather than all at once by a layer of torch's. has_self_attention: whether they look
    at each other. aligned_layer: which of its attentions to the source, from 0, `attention` is.
    """

    attention: Attention
    readout_size: int
    readout_bounded = False
    is_stepwise = True
    aligned_layer = 0
    has_self_attention = False

    def remember(self, encoded: Encoded) -> Any:
        """All that does not depend on the target, computed once a sentence: what every step is given."""
        return self.attention.remember(encoded.states, encoded.mask)

    @abstractmethod
    def start(self, encoded: Encoded, memory: Any) -> Any:
        """The state before the first target position: nested tuples of tensors, rows first."""

    @abstractmethod
    def forward(
        self,
        embedded: Float[Tensor, "row target embedding"],
        state: Any,
        memory: Any,
        keep_weights: bool = False,
    ) -> Decoded:
        """Read `embedded` after `state`. keep_weights: also return what attention gave, which costs memory."""


def join_steps(steps: list[Attended], keep_weights: bool) -> Attended | None:
    """What attention gave at one target position after another, as one; None unless weights are kept or were drawn."""
    log_probs = [step.log_prob for step in steps if step.log_prob is not None]
    if not keep_weights and not log_probs:
        return None
    weights = [step.weights for step in steps if step.weights is not None]
    log_weights = [step.log_weights for step in steps if step.log_weights is not None]
    contexts = torch.cat([step.context for step in steps], 1)
    return Attended(
        contexts,
        torch.cat(weights, 2) if weights else None,
        steps[-1].past,
        torch.cat(log_probs, 1) if log_probs else None,
        torch.cat(log_weights, 2) if log_weights else None,
    )


def attend_all(
    attention: Attention,
    queries: Float[Tensor, "row target query"],
    memory: Memory,
    positions: Int[Tensor, "row target"],
    past: Past,
    keep_weights: bool,
) -> Attended:
    """All target positions in one product, or one after another where attention depends on its earlier steps."""
    if not attention.is_stepwise:
        attended: Attended = attention(queries, memory, positions, past, keep_weights=keep_weights)
        return attended
    steps: list[Attended] = []
    for t in range(queries.shape[1]):
        query, position = queries[:, t : t + 1], positions[:, t : t + 1]
        steps.append(attention(query, memory, position, past, keep_weights=keep_weights))
        past = steps[-1].past
    joined = join_steps(steps, keep_weights=True)
    assert joined is not None
    return joined
