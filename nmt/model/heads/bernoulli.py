"""A head that predicts the bits of a symbol, each for itself."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.kernels.cross_entropy import Loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.model.bits import BitEmbedding, find_width, list_bits
from nmt.model.embedding import TokenTable
from nmt.model.heads.head import Head, HeadInputs, PreparedHead, condition
from nmt.special_tokens import EOS


class BernoulliHead(Head):
    """p(</s>) = sigmoid(l_0);  p(v) = sigmoid(-l_0) prod over bits k of sigmoid(l_k)^v_k sigmoid(-l_k)^(1 - v_k)

    l = W r + b, with r the decoder's readout. What ends a sequence is one more bit, so that it is a distribution over
    the symbols 0 ... 2^width - 1 and </s>: search and scores need not know of bits. Graves, Wayne and Danihelka (2014)
    have the same loss without an end; there the length of an answer is given. Symbols are read through a linear map of
    their bits. Raises ConfigError for other numbers of symbols, and where the embedding is to be the output as well.
    """

    def __init__(
        self,
        *,
        readout_size: int,
        vocabulary_size: int,
        embedding_size: int,
        context_size: int,
        embedding: nn.Module | None,
    ) -> None:
        super().__init__()
        self.vocabulary_size = vocabulary_size
        self.width = find_width(vocabulary_size)
        if embedding is not None:
            raise ConfigError(
                "model/head=bernoulli has no row for each symbol that could be its embedding too. Set model.tied=none."
            )
        self.output = nn.Linear(readout_size, 1 + self.width)
        nn.init.zeros_(self.output.bias)

    @classmethod
    def build_table(cls, vocabulary_size: int, embedding_size: int) -> TokenTable:
        return BitEmbedding(vocabulary_size, embedding_size)

    def compute_log_probs(self, logits: Float[Tensor, "*place bit"]) -> Float[Tensor, "*place word"]:
        """log p of every token: control tokens but </s> have the lowest number there is."""
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        end, bits = logits[..., :1], logits[..., 1:]
        none = torch.full_like(end, torch.finfo(end.dtype).min).expand(*end.shape[:-1], EOS)
        # log sigmoid(l) = l + log sigmoid(-l), so a bit that is set adds l to what all bits unset have.
        unset = F.logsigmoid(-logits).sum(-1, keepdim=True)
        symbols = bits @ list_bits(self.width, bits.device).to(bits.dtype).T + unset
        return torch.cat([none, F.logsigmoid(end), symbols], -1)

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.compute_log_probs(self.output(inputs.readout))

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.log_probs(inputs)

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        log_probs = self.log_probs(inputs)
        nll = -log_probs.gather(1, target_output.unsqueeze(1)).squeeze(1)
        objective = ((1 - smoothing) * nll + smoothing * self.compute_uniform(log_probs)).sum()
        word_nll = nll.detach()
        return Loss(objective, word_nll.sum(), word_nll)

    def compute_uniform(self, log_probs: Float[Tensor, "*place word"]) -> Float[Tensor, "*place"]:
        return -log_probs[..., EOS:].mean(-1)

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        output = linear_class(self.output.weight.detach(), self.output.bias.detach(), inputs_bounded=readout_bounded)
        return PreparedBernoulli(self, output, None)


class PreparedBernoulli(PreparedHead):
    """The same for search, over all tokens or some."""

    def __init__(self, head: BernoulliHead, output: PreparedLinear, words: Int[Tensor, " word"] | None) -> None:
        self.head, self.output, self.words = head, output, words

    def restrict(self, words: Int[Tensor, " word"]) -> "PreparedBernoulli":
        return PreparedBernoulli(self.head, self.output, words)

    def __call__(
        self, inputs: HeadInputs, allowed: Float[Tensor, "sentence word"] | None = None
    ) -> Float[Tensor, "row word"]:
        return condition(self.head.compute_log_probs(self.output(inputs.readout)), self.words, allowed)
