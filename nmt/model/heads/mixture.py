"""A head whose distribution is a sum over the source positions that attention chooses from."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.kernels.cross_entropy import Loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.model.decoders.decoder import Decoded
from nmt.model.heads.choices import gather_choices
from nmt.model.heads.head import Head, HeadInputs, PreparedHead, compute_in_chunks, condition, mix_choices
from nmt.trees import tree_map


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
        self.copies = head.copies

    def gather_inputs(
        self,
        decoded: Decoded,
        embedded: Float[Tensor, "row target embedding"],
        source: Shaped[Tensor, "sentence source *feature"],
    ) -> HeadInputs:
        return gather_choices(self.head, decoded, embedded, source)

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return compute_in_chunks(
            lambda part: mix_choices(part, self.head.log_probs(part)), inputs, inputs, self.vocabulary_size
        )

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return compute_in_chunks(
            lambda part: mix_choices(part, self.head.log_probs_of_all(part)), inputs, inputs, self.vocabulary_size
        )

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        return self.head.mixture_loss(inputs, target_output, smoothing)

    def align(
        self, inputs: HeadInputs, decoded: Decoded, target_output: Int[Tensor, "row target"]
    ) -> Float[Tensor, "row target source"]:
        """How much of each word's probability came from each source position."""
        assert decoded.choices is not None
        posterior = self.compute_posterior(inputs, target_output)
        weights = torch.zeros_like(super().align(inputs, decoded, target_output))
        return weights.scatter(-1, decoded.choices.given.positions, posterior)

    def compute_posterior(
        self, inputs: HeadInputs, target_output: Int[Tensor, "row target"]
    ) -> Float[Tensor, "row target choice"]:
        """w_k p_k(y) / sum over j of w_j p_j(y): which choice a word came from, once it is known."""

        def compute(given: tuple[HeadInputs, Tensor]) -> Tensor:
            part, words = given
            assert part.log_weights is not None
            targets = words[..., None, None].expand(*part.log_weights.shape, 1)
            return part.log_weights + self.head.log_probs_of_all(part).gather(-1, targets).squeeze(-1)

        return compute_in_chunks(compute, inputs, (inputs, target_output), self.vocabulary_size).softmax(-1)

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        return PreparedMixture(self.head.prepare(linear_class, readout_bounded=readout_bounded), None)


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
        return condition(mix_choices(inputs, apart.view(*inputs.log_weights.shape, -1)), self.words, allowed)
