"""A softmax over the vocabulary: the output layer of most translation models."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt.kernels.cross_entropy import Loss, vocabulary_loss
from nmt.kernels.mixture_loss import mixture_loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.model.embedding import replace_unknown
from nmt.model.heads.head import Head, HeadInputs, PreparedHead, forbid_padding


class SoftmaxHead(Head):
    """p(v) = softmax(E' r + b)[v], with r the decoder's readout

    embedding: the target embedding where it is E' as well (Press and Wolf 2017), whose rows have `embedding_size`; a
    readout of another size is then first mapped to it. None where E' is a matrix of its own. b begins at zero.
    """

    def __init__(
        self,
        *,
        readout_size: int,
        vocabulary_size: int,
        embedding_size: int,
        context_size: int,
        embedding: nn.Embedding | None,
    ) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        maps = embedding is not None and readout_size != embedding_size
        self.readout = nn.Linear(readout_size, embedding_size, bias=False) if maps else nn.Identity()
        self.output = nn.Linear(readout_size if embedding is None else embedding_size, vocabulary_size)
        nn.init.zeros_(self.output.bias)
        if embedding is not None:
            self.output.weight = embedding.weight

    def compute_logits(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        """E' r + b in single precision or better, for every word."""
        logits: Tensor = self.output(self.readout(inputs.readout))
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return F.log_softmax(forbid_padding(self.compute_logits(inputs)), -1)

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return F.log_softmax(self.compute_logits(inputs), -1)

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        readout: Tensor = self.readout(inputs.readout)
        return vocabulary_loss(readout, self.output.weight, self.output.bias, target_output, smoothing)

    def mixture_loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        assert inputs.log_weights is not None
        output, readout = self.output, self.readout(inputs.readout)
        return mixture_loss(readout, inputs.log_weights, output.weight, output.bias, target_output, smoothing)

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        return PreparedSoftmax(self, linear_class, readout_bounded)


class PreparedSoftmax(PreparedHead):
    """log softmax over all words or some, with products that were made ready once."""

    def __init__(
        self,
        head: SoftmaxHead,
        linear_class: type[PreparedLinear],
        readout_bounded: bool,
        words: Int[Tensor, " word"] | None = None,
    ) -> None:
        self.head, self.linear_class, self.readout_bounded = head, linear_class, readout_bounded
        self.readout: PreparedLinear | None = None
        if isinstance(head.readout, nn.Linear):
            self.readout = linear_class(head.readout.weight, None, inputs_bounded=readout_bounded, may_round=True)
        weight, bias = head.output.weight.detach(), head.output.bias.detach()
        self.is_beyond: Bool[Tensor, " word"] | None = None
        if words is not None:
            known = replace_unknown(words, len(weight))
            weight, bias, is_beyond = weight[known], bias[known], known != words
            self.is_beyond = is_beyond if is_beyond.any() else None
        self.output = linear_class(weight, bias, inputs_bounded=readout_bounded and self.readout is None)

    def restrict(self, words: Int[Tensor, " word"]) -> "PreparedSoftmax":
        return PreparedSoftmax(self.head, self.linear_class, self.readout_bounded, words)

    def __call__(
        self, inputs: HeadInputs, allowed: Float[Tensor, "sentence word"] | None = None
    ) -> Float[Tensor, "row word"]:
        readout = inputs.readout if self.readout is None else self.readout(inputs.readout)
        logits = forbid_padding(self.output(readout))
        if self.is_beyond is not None:  # what other heads of an ensemble copy
            logits.masked_fill_(self.is_beyond, torch.finfo(logits.dtype).min)
        if allowed is not None:
            logits.view(len(allowed), -1, logits.shape[1]).add_(allowed.unsqueeze(1))
        return F.log_softmax(logits, -1)
