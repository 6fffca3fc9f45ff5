"""A head that generates words of the vocabulary, or copies those that attention looks at."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from nmt import masks
from nmt.kernels.cross_entropy import Loss
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.masks import safe_log
from nmt.model.decoders.decoder import Decoded
from nmt.model.embedding import replace_unknown
from nmt.model.heads.head import Head, HeadInputs, PreparedHead, condition
from nmt.model.heads.softmax import PreparedSoftmax, SoftmaxHead

INITIAL_GATE = 2.0
"""The first bias of the gate: a model begins with generating 0.88 of each word."""


class CopyHead(SoftmaxHead):
    """p(v) = g p_vocab(v) + (1 - g) sum over x_s = v of w[s],  g = sigmoid(u . [r; c; y] + b)

    The pointer-generator of See, Liu and Manning (2017, equations 8 and 9): r is the decoder's readout, c the context,
    y the embedded word that was read, w the attention weights (the mean over heads) and x the source's tokens. p_vocab
    is the softmax head's. All of it is computed in log space, so that no gate is too sure for a gradient. Source and
    target have one vocabulary.

    Tokens beyond the vocabulary stand for what it lacks (`nmt.data.spans`): p_vocab is 0 for them, and the distribution
    has a place for each that the batch's sources have. Where attention gives such a word no weight at all, its loss is
    that of UNK. It reads r where See et al. read the decoder's state; label smoothing acts on p_vocab alone.
    """

    copies = True
    reads_attention = True
    mixture_loss = Head.mixture_loss

    def __init__(
        self,
        *,
        readout_size: int,
        vocabulary_size: int,
        embedding_size: int,
        context_size: int,
        embedding: nn.Embedding | None,
    ) -> None:
        super().__init__(
            readout_size=readout_size,
            vocabulary_size=vocabulary_size,
            embedding_size=embedding_size,
            context_size=context_size,
            embedding=embedding,
        )
        self.gate = nn.Linear(readout_size + context_size + embedding_size, 1)
        nn.init.constant_(self.gate.bias, INITIAL_GATE)

    def gather_inputs(
        self,
        decoded: Decoded,
        embedded: Float[Tensor, "row target embedding"],
        source: Shaped[Tensor, "sentence source *feature"],
    ) -> HeadInputs:
        attended, weights = decoded.attended, decoded.weights
        assert attended is not None
        assert weights is not None
        weights = weights / weights.sum(-1, keepdim=True)  # a Gaussian scope leaves less than one
        rows, target, _ = embedded.shape
        tokens = source.repeat_interleave(rows // len(source), 0).unsqueeze(1).expand(-1, target, -1)
        inputs = super().gather_inputs(decoded, embedded, source)
        return inputs._replace(embedded=embedded, context=attended.context, weights=weights, source=tokens)

    def compute_gate(self, inputs: HeadInputs) -> tuple[Float[Tensor, "*place 1"], Float[Tensor, "*place 1"]]:
        """log g and log (1 - g)."""
        assert inputs.context is not None
        assert inputs.embedded is not None
        logit: Tensor = self.gate(torch.cat([inputs.readout, inputs.context, inputs.embedded], -1))
        logit = logit.to(torch.promote_types(logit.dtype, torch.float32))
        return F.logsigmoid(logit), F.logsigmoid(-logit)

    def add_copies(
        self, inputs: HeadInputs, generated: Float[Tensor, "*place word"]
    ) -> Float[Tensor, "*place any_word"]:
        """log p of every word, of the log p_vocab of every word."""
        assert inputs.weights is not None
        assert inputs.source is not None
        gate = self.compute_gate(inputs)
        weights = inputs.weights.to(generated.dtype)
        more = max(0, int(inputs.source.max()) + 1 - generated.shape[-1])
        # Not minus infinity, of whose sum with itself there is no gradient.
        generated = F.pad(generated, (0, more), value=torch.finfo(generated.dtype).min / 2)
        copied = torch.zeros_like(generated).scatter_add(-1, inputs.source, weights)
        return mix(gate, generated, copied)

    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.add_copies(inputs, super().log_probs(inputs))

    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        return self.add_copies(inputs, super().log_probs_of_all(inputs))

    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        assert inputs.weights is not None
        gate = self.compute_gate(inputs)
        generated = self.compute_logits(inputs).log_softmax(-1)
        targets = target_output.unsqueeze(1)
        copied = (inputs.weights * (inputs.source == targets)).sum(-1, keepdim=True).to(generated.dtype)
        known = replace_unknown(targets, self.vocabulary_size)
        wanted = generated.gather(1, known).masked_fill((known != targets) & (copied > 0), masks.NEG_INF)
        nll = -mix(gate, wanted, copied).squeeze(1)
        objective = ((1 - smoothing) * nll - smoothing * generated.mean(-1)).sum()
        word_nll = nll.detach()
        return Loss(objective, word_nll.sum(), word_nll)

    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        return PreparedCopy(self, PreparedSoftmax(self, linear_class, readout_bounded), None)


def mix(
    gate: tuple[Float[Tensor, "*place 1"], Float[Tensor, "*place 1"]],
    generated: Float[Tensor, "*place word"],
    copied: Float[Tensor, "*place word"],
) -> Float[Tensor, "*place word"]:
    """log(g p + (1 - g) c), of log g and log (1 - g), log p = `generated` and c = `copied`."""
    log_generate, log_copy = gate
    return torch.logaddexp(log_generate + generated, log_copy + safe_log(copied))


class PreparedCopy(PreparedHead):
    """The same for search. Over some words it still computes all of p_vocab, whose sum the mixture needs."""

    def __init__(self, head: CopyHead, softmax: PreparedSoftmax, words: Int[Tensor, " word"] | None) -> None:
        self.head, self.softmax, self.words = head, softmax, words

    def restrict(self, words: Int[Tensor, " word"]) -> "PreparedCopy":
        return PreparedCopy(self.head, self.softmax, words)

    def __call__(
        self, inputs: HeadInputs, allowed: Float[Tensor, "sentence word"] | None = None
    ) -> Float[Tensor, "row word"]:
        return condition(self.head.add_copies(inputs, self.softmax(inputs)), self.words, allowed)
