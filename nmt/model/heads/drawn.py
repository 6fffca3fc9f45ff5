"""A head that predicts the word from one source position, which attention has drawn."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.kernels.cross_entropy import Loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.model.decoders.decoder import Decoded
from nmt.model.heads.choices import gather_choices
from nmt.model.heads.head import Head, HeadInputs, PreparedHead
from nmt.trees import tree_map


class DrawnHead(Head):
    """p(v) = p_s(v), with p_s what another head makes of the value of one source position s, which was drawn

    (Xu et al. 2015; Deng et al. 2018, section 4.) Outside training s is the likeliest. compares: in training the loss
    also says what the other head makes of the expected value, without a gradient; the last axis of the places then is
    that of both, the drawn one first.
    """

    reads_attention = True

    def __init__(self, head: Head, *, compares: bool) -> None:
        super().__init__()
        self.head = head
        self.compares = compares
        self.vocabulary_size = head.vocabulary_size
        self.copies = head.copies

    def gather_inputs(
        self,
        decoded: Decoded,
        embedded: Float[Tensor, "row target embedding"],
        source: Shaped[Tensor, "sentence source *feature"],
    ) -> HeadInputs:
        assert decoded.choices is not None
        chosen = gather_choices(self.head, decoded, embedded, source)._replace(log_weights=None)
        drawn = tree_map(chosen, lambda tensor: tensor.squeeze(2))
        log_prob = decoded.choices.given.log_prob
        if log_prob is None or not self.compares:
            return drawn._replace(log_prob=log_prob)
        soft = self.head.gather_inputs(decoded, embedded, source)
        both = [None if a is None or b is None else torch.stack([a, b], 2) for a, b in zip(drawn, soft, strict=True)]
        return HeadInputs._make(both)._replace(log_prob=log_prob)

    def read_drawn(self, inputs: HeadInputs) -> HeadInputs:
        """The inputs of what was drawn."""
        return read_choice(inputs, 0) if self.compares and inputs.log_prob is not None else inputs

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.head.log_probs(self.read_drawn(inputs))

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.head.log_probs_of_all(self.read_drawn(inputs))

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        loss = self.head.loss(self.read_drawn(inputs), target_output, smoothing)
        if not self.compares or inputs.log_prob is None:
            return loss
        with torch.no_grad():
            expected = self.head.loss(read_choice(inputs, 1), target_output, 0.0)
        return loss._replace(expected_nll=expected.word_nll)

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        return self.head.prepare(linear_class, readout_bounded=readout_bounded)


def read_choice(inputs: HeadInputs, choice: int) -> HeadInputs:
    """What a head reads of one choice, whose axis is the one after those of the places that something was drawn for."""
    assert inputs.log_prob is not None
    places = inputs.log_prob.ndim
    apart = inputs._replace(log_prob=None, head_weights=None, head_log_weights=None)
    return tree_map(apart, lambda tensor: tensor.select(places, choice))
