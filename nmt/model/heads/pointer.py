"""A head whose words are positions of the source: attention weights are the distribution."""

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.errors import ConfigError
from nmt.kernels.cross_entropy import Loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.masks import NEG_INF, safe_log
from nmt.model.decoders.decoder import Decoded
from nmt.model.embedding import TokenTable, build_embedding_table
from nmt.model.heads.head import Head, HeadInputs, PreparedHead, forbid_padding
from nmt.model.pointing import name_positions
from nmt.special_tokens import EOS


class PointerHead(Head):
    """p(y_t = s) = w[t, s],  p(y_t = </s>) = w[t, n + 1]

    (Vinyals, Fortunato and Jaitly 2015, equation 3.) w are the weights of the decoder's attention, the mean over heads,
    so that every score and normalizer points; the context has no part in it, but where the decoder feeds it to itself.
    Position n + 1 is the end of the source, whose key is that of a learnt vector. The decoder reads the vector of the
    position that was pointed at. With `once`, positions that were pointed at are hidden from attention, before it
    normalizes; the end never is. Label smoothing is spread over the positions that can be pointed at. What a
    normalizer with exact zeros points by are its weights; it is trained by the softmax of the same scores.
    """

    reads_attention = True
    points = True

    def __init__(
        self,
        *,
        readout_size: int,
        vocabulary_size: int,
        embedding_size: int,
        context_size: int,
        embedding: TokenTable | None,
        once: bool = True,
    ) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.once = once

    @classmethod
    def build_table(cls, vocabulary_size: int, embedding_size: int) -> TokenTable:
        """Words that point have the vectors of their positions; the control symbols have vectors of their own."""
        return build_embedding_table(EOS + 1, embedding_size)

    def name_source(
        self, source: Shaped[Tensor, "sentence source *feature"], lengths: Int[Tensor, " sentence"]
    ) -> Int[Tensor, "sentence source"]:
        return name_positions(lengths, source.shape[1])

    def gather_inputs(
        self,
        decoded: Decoded,
        embedded: Float[Tensor, "row target embedding"],
        source: Shaped[Tensor, "sentence source *feature"],
    ) -> HeadInputs:
        """`weights` are their logarithms."""
        attended = decoded.attended
        assert attended is not None
        assert attended.weights is not None
        rows, target, _ = embedded.shape
        tokens = source.repeat_interleave(rows // len(source), 0).unsqueeze(1).expand(-1, target, -1)
        if attended.log_weights is None:
            log_weights = safe_log(attended.weights.mean(1))
        else:
            log_weights = attended.log_weights
            log_weights = log_weights.squeeze(1) if log_weights.shape[1] == 1 else log_mean(log_weights)
        return HeadInputs(decoded.readout, weights=log_weights, source=tokens)

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return forbid_padding(self.log_probs_of_all(inputs))

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        assert inputs.weights is not None
        assert inputs.source is not None
        log_weights = inputs.weights.to(torch.promote_types(inputs.weights.dtype, torch.float32))
        size = self.vocabulary_size
        inside = inputs.source < size
        words = torch.where(inside, inputs.source, 0)
        found = log_weights.new_full((*log_weights.shape[:-1], size), NEG_INF)
        return found.scatter(-1, words, torch.where(inside & (words > 0), log_weights, NEG_INF))

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        log_probs = self.log_probs_of_all(inputs)
        nll = -log_probs.gather(1, target_output.unsqueeze(1)).squeeze(1)
        objective = nll.sum()
        if smoothing:
            possible = log_probs > NEG_INF
            mean = torch.where(possible, log_probs, 0.0).sum(-1) / possible.sum(-1)
            objective = ((1 - smoothing) * nll - smoothing * mean).sum()
        word_nll = nll.detach()
        return Loss(objective, word_nll.sum(), word_nll)

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        return PreparedPointer(self)


def log_mean(log_weights: Float[Tensor, "row head target source"]) -> Float[Tensor, "row target source"]:
    """The logarithm of the mean over heads."""
    hidden = (log_weights == NEG_INF).all(1)
    # Where nothing can be looked at, the gradient of a logarithm of 0 would be NaN.
    safe = log_weights.masked_fill(hidden.unsqueeze(1), 0.0)
    mean = safe.logsumexp(1) - torch.tensor(float(log_weights.shape[1])).log()
    return mean.masked_fill(hidden, NEG_INF)


class PreparedPointer(PreparedHead):
    """The same for search."""

    def __init__(self, head: PointerHead) -> None:
        self.head = head

    def restrict(self, words: Int[Tensor, " word"]) -> "PreparedPointer":
        raise ConfigError("A shortlist is of words, and model/head=pointer points at positions. Set shortlist=none.")

    def __call__(
        self, inputs: HeadInputs, allowed: Float[Tensor, "sentence word"] | None = None
    ) -> Float[Tensor, "row word"]:
        return self.head.log_probs(inputs)
