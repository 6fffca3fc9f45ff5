"""A head whose distribution is a sum over the source positions that attention chooses from."""

import math
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from nmt.attention.attention import Attended
from nmt.kernels import cross_entropy
from nmt.kernels.cross_entropy import Loss
from nmt.kernels.mixture_loss import mixture_loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.model.decoders.decoder import Decoded
from nmt.model.heads.head import Head, HeadInputs, PreparedHead, condition
from nmt.model.heads.softmax import SoftmaxHead
from nmt.trees import tree_map

S = TypeVar("S")


class MixtureHead(Head):
    """p(v) = sum over k of w_k p_k(v), with p_k what another head makes of the k-th choice

    (Deng et al. 2018, section 3; Wu et al. 2018.) The other head is given the readout and the value of one source
    position, and all weight on it. The last axis of the places is that of choices. Label smoothing acts on p.
    """

    reads_attention = True

    def __init__(self, head: Head) -> None:
        super().__init__()
        self.head = head
        self.vocabulary_size = head.vocabulary_size

    def gather_inputs(
        self, decoded: Decoded, embedded: Float[Tensor, "row target embedding"], source: Int[Tensor, "sentence source"]
    ) -> HeadInputs:
        assert decoded.choices is not None
        values, log_weights, positions = decoded.choices.given
        count = positions.shape[2]
        one_hot = torch.nn.functional.one_hot(positions, source.shape[1]).to(values.dtype)
        apart = Decoded(
            decoded.choices.readout.flatten(1, 2),
            decoded.state,
            Attended(values.flatten(1, 2), one_hot.flatten(1, 2).unsqueeze(1)),
        )
        repeated = embedded.unsqueeze(2).expand(-1, -1, count, -1).flatten(1, 2)
        inputs = self.head.gather_inputs(apart, repeated, source)
        apart_inputs = tree_map(inputs, lambda tensor: tensor.view(len(tensor), -1, count, *tensor.shape[2:]))
        return apart_inputs._replace(log_weights=log_weights)

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.compute_in_chunks(lambda part: mix(part, self.head.log_probs(part)), inputs, inputs)

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.compute_in_chunks(lambda part: mix(part, self.head.log_probs_of_all(part)), inputs, inputs)

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        assert inputs.log_weights is not None
        if type(self.head) is SoftmaxHead:
            output, readout = self.head.output, self.head.readout(inputs.readout)
            return mixture_loss(readout, inputs.log_weights, output.weight, output.bias, target_output, smoothing)

        def compute(given: tuple[HeadInputs, Tensor]) -> Tensor:
            part, words = given
            log_probs = mix(part, self.head.log_probs_of_all(part))
            return torch.stack([-log_probs.gather(1, words.unsqueeze(1)).squeeze(1), -log_probs.mean(-1)], 1)

        nll, uniform = self.compute_in_chunks(compute, inputs, (inputs, target_output)).unbind(1)
        objective = ((1 - smoothing) * nll + smoothing * uniform).sum()
        return Loss(objective, nll.detach().sum(), nll.detach())

    def compute_posterior(
        self, inputs: HeadInputs, target_output: Int[Tensor, "row target"]
    ) -> Float[Tensor, "row target choice"]:
        """w_k p_k(y) / sum over j of w_j p_j(y): which choice a word came from, once it is known."""
        assert inputs.log_weights is not None

        def compute(given: tuple[HeadInputs, Tensor]) -> Tensor:
            part, words = given
            assert part.log_weights is not None
            targets = words[..., None, None].expand(*part.log_weights.shape, 1)
            return part.log_weights + self.head.log_probs_of_all(part).gather(-1, targets).squeeze(-1)

        return self.compute_in_chunks(compute, inputs, (inputs, target_output)).softmax(-1)

    def compute_in_chunks(self, compute: Callable[[S], Float[Tensor, "..."]], inputs: HeadInputs, given: S) -> Tensor:
        """What `compute` makes of `given`, which has the places of the inputs, some places at a time, so that no more
        than MAX_LOGITS logits are kept; for a gradient, those of a chunk are made once more."""
        assert inputs.log_weights is not None
        *places, choices = inputs.log_weights.shape
        size = max(1, cross_entropy.MAX_LOGITS // (self.vocabulary_size * choices))
        if math.prod(places) <= size:
            return compute(given)
        flat = tree_map(given, lambda tensor: tensor.flatten(0, len(places) - 1))
        parts = list[Tensor]()
        for start in range(0, math.prod(places), size):
            part = tree_map(flat, partial(take_places, start=start, size=size))
            parts.append(checkpoint(compute, part, use_reentrant=False) if torch.is_grad_enabled() else compute(part))
        joined = torch.cat(parts)
        return joined.view(*places, *joined.shape[1:])

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        return PreparedMixture(self.head.prepare(linear_class, readout_bounded=readout_bounded), None)


def take_places(tensor: Tensor, start: int, size: int) -> Tensor:
    """Some rows, from `start`."""
    return tensor[start : start + size]


def mix(inputs: HeadInputs, log_probs: Float[Tensor, "*place choice word"]) -> Float[Tensor, "*place word"]:
    """log of the sum over choices of w_k p_k(v)."""
    assert inputs.log_weights is not None
    return (log_probs + inputs.log_weights.unsqueeze(-1)).logsumexp(-2)


class PreparedMixture(PreparedHead):
    """The same for search. Over some words it still computes all of p, whose sum the mixture needs."""

    def __init__(self, head: PreparedHead, words: Int[Tensor, " word"] | None) -> None:
        self.head, self.words = head, words

    def restrict(self, words: Int[Tensor, " word"]) -> "PreparedMixture":
        return PreparedMixture(self.head, words)

    def __call__(
        self, inputs: HeadInputs, allowed: Float[Tensor, "sentence word"] | None = None
    ) -> Float[Tensor, "row word"]:
        assert inputs.log_weights is not None
        apart = self.head(tree_map(inputs, lambda tensor: tensor.flatten(0, 1)))
        return condition(mix(inputs, apart.view(*inputs.log_weights.shape, -1)), self.words, allowed)
