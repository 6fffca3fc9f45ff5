"""What a head is: it makes the next word's distribution, and the loss, of what a decoder gives. Nothing else does."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from nmt.kernels import cross_entropy
from nmt.kernels.cross_entropy import Loss, select
from nmt.kernels.quantized_linear import PreparedLinear
from nmt.model.decoders.decoder import Decoded
from nmt.model.embedding import TokenTable, build_embedding_table
from nmt.special_tokens import PAD, UNK
from nmt.trees import tree_map

S = TypeVar("S")


class HeadInputs(NamedTuple):
    """What a head is given of every place where a word is predicted; all tensors have the same axes `*place`.

    These are rows and target positions, rows alone in a step of a search, or words in a loss. Only the readout is there
    for heads that read no attention. source: the source's tokens. log_prob: of what attention drew, if it draws.
    log_weights: where a distribution is a sum over choices, which are then the last axis of the places, that of each.
    head_weights, head_log_weights: of attention, for losses that are about it, which no head reads.
    """

    readout: Float[Tensor, "*place readout"]
    embedded: Float[Tensor, "*place embedding"] | None = None
    context: Float[Tensor, "*place value"] | None = None
    weights: Float[Tensor, "*place source"] | None = None
    source: Int[Tensor, "*place source"] | None = None
    log_prob: Float[Tensor, "*place"] | None = None
    log_weights: Float[Tensor, "*place"] | None = None
    head_weights: Float[Tensor, "*place head source"] | None = None
    head_log_weights: Float[Tensor, "*place head source"] | None = None


def select_words(inputs: HeadInputs, indices: Int[Tensor, " word"] | None) -> HeadInputs:
    """What a head reads of real words alone: from axes (row, target) to one axis. `indices`: see `word_indices`."""
    return tree_map(inputs._replace(head_weights=None, head_log_weights=None), lambda tensor: select(tensor, indices))


def add_attention(inputs: HeadInputs, decoded: Decoded) -> HeadInputs:
    """The inputs with the weights of every head, and their logarithms where there are any."""
    assert decoded.attended is not None
    weights, log_weights = decoded.attended.weights, decoded.attended.log_weights
    return inputs._replace(
        head_weights=None if weights is None else weights.transpose(1, 2),
        head_log_weights=None if log_weights is None else log_weights.transpose(1, 2),
    )


class PreparedHead(ABC):
    """A head made ready for search: a picture of its weights as they were, over all words or some."""

    @abstractmethod
    def restrict(self, words: Int[Tensor, " word"]) -> "PreparedHead":
        """The same over some words, which are places in what it then gives."""

    @abstractmethod
    def __call__(
        self, inputs: HeadInputs, allowed: Float[Tensor, "sentence word"] | None = None
    ) -> Float[Tensor, "row word"]:
        """log p of every word given that it is an allowed one, PAD never being one. The tensor is the caller's.

        allowed: 0 for the words that a sentence may be translated to, minus infinity for others; None for all of them.
        """


class Head(nn.Module, ABC):
    """Makes the distribution of the next word of what a decoder gives. vocabulary_size: how many words there are."""

    vocabulary_size: int
    copies = False
    """Whether it may copy tokens of the source, so that those beyond the vocabulary have probabilities too."""
    reads_attention = False
    """Whether it reads what attention gave and the source's tokens, which are then kept for it."""
    points = False
    """Whether its words are source positions, whose vectors the decoder reads."""
    once = False
    """Whether a word that points may not come twice."""

    @classmethod
    def build_table(cls, vocabulary_size: int, embedding_size: int) -> TokenTable:
        """The vectors of target words, as the decoder reads them."""
        return build_embedding_table(vocabulary_size, embedding_size)

    def name_source(
        self, source: Shaped[Tensor, "sentence source *feature"], lengths: Int[Tensor, " sentence"]
    ) -> Shaped[Tensor, "sentence source *feature"]:
        """What it is given as the source's tokens."""
        return source

    def gather_inputs(
        self,
        decoded: Decoded,
        embedded: Float[Tensor, "row target embedding"],
        source: Shaped[Tensor, "sentence source *feature"],
    ) -> HeadInputs:
        """Its inputs at all positions that were decoded; rows may be a multiple of the sentences (a beam)."""
        return HeadInputs(decoded.readout, log_prob=None if decoded.attended is None else decoded.attended.log_prob)

    @abstractmethod
    def log_probs(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        """log p of every word at every place; PAD, which is never a word, has the lowest number there is."""

    @abstractmethod
    def log_probs_of_all(self, inputs: HeadInputs) -> Float[Tensor, "*place word"]:
        """log p of every word at every place, PAD being one as any other: what the loss is made of."""

    @abstractmethod
    def loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        """What training minimizes, and the sum of -log p(word), in nats, over real words alone."""

    def mixture_loss(self, inputs: HeadInputs, target_output: Int[Tensor, " word"], smoothing: float) -> Loss:
        """The same of p(v) = sum over k of w_k p_k(v), with k the last axis of the places. Smoothing acts on p."""

        def compute(given: tuple[HeadInputs, Tensor]) -> Tensor:
            part, words = given
            log_probs = mix_choices(part, self.log_probs_of_all(part))
            nll = -gather_words(log_probs, words, self.vocabulary_size)
            return torch.stack([nll, self.compute_uniform(log_probs)], 1)

        given = (inputs, target_output)
        nll, uniform = compute_in_chunks(compute, inputs, given, self.vocabulary_size).unbind(1)
        objective = ((1 - smoothing) * nll + smoothing * uniform).sum()
        return Loss(objective, nll.detach().sum(), nll.detach())

    def compute_uniform(self, log_probs: Float[Tensor, "*place word"]) -> Float[Tensor, "*place"]:
        """The mean of -log p over all words that may be predicted: what label smoothing adds."""
        return -log_probs[..., : self.vocabulary_size].mean(-1)

    def align(
        self, inputs: HeadInputs, decoded: Decoded, target_output: Int[Tensor, "row target"]
    ) -> Float[Tensor, "row target source"]:
        """Where each given word came from: the weights of attention, unless the words themselves say more."""
        assert decoded.weights is not None
        return decoded.weights

    @abstractmethod
    def prepare(self, linear_class: type[PreparedLinear], *, readout_bounded: bool) -> PreparedHead:
        """The head for search, with its products by `linear_class`. readout_bounded: no entry is above 1 in size."""


def forbid_padding(logits: Float[Tensor, "*place word"]) -> Float[Tensor, "*place word"]:
    """The logits, in their place, with PAD below all others: a wide beam must not choose it."""
    logits[..., PAD] = torch.finfo(logits.dtype).min
    return logits


def condition(
    log_probs: Float[Tensor, "row word"],
    words: Int[Tensor, " chosen"] | None,
    allowed: Float[Tensor, "sentence chosen"] | None,
) -> Float[Tensor, "row chosen"]:
    """log p of some words, of log p of all that is a sum in log space, given that the word is one of these and allowed.

    words: which; None for all of them. allowed: as in `PreparedHead`. The tensor is changed.
    """
    log_probs = log_probs.clamp_(max=0.0)  # rounding can lift a sum of all above 1
    if words is None and allowed is None:
        return log_probs
    if words is not None:
        log_probs = log_probs.index_select(1, words)
    if allowed is not None:
        log_probs.view(len(allowed), -1, log_probs.shape[1]).add_(allowed.unsqueeze(1))
    return torch.log_softmax(log_probs, -1)


def gather_words(
    log_probs: Float[Tensor, "word vocab"], words: Int[Tensor, " word"], vocabulary_size: int | None = None
) -> Float[Tensor, " word"]:
    """log p of each word, and the lowest number there is for one beyond the distribution.

    vocabulary_size: where words from it on, which can only be copied, count as UNK where nothing copies them.
    """
    width = log_probs.shape[1]
    known = words.clamp(max=width - 1)
    found = log_probs.gather(1, known.unsqueeze(1)).squeeze(1)
    lowest = torch.finfo(log_probs.dtype).min
    if vocabulary_size is None:
        return torch.where(words < width, found, lowest)
    is_missing = (words >= width) | ((words >= vocabulary_size) & (found < lowest / 4))
    return torch.where(is_missing, log_probs[:, UNK], found)


def mix_choices(inputs: HeadInputs, log_probs: Float[Tensor, "*place choice word"]) -> Float[Tensor, "*place word"]:
    """log of the sum over choices of w_k p_k(v)."""
    assert inputs.log_weights is not None
    return (log_probs + inputs.log_weights.unsqueeze(-1)).logsumexp(-2)


def compute_in_chunks(
    compute: Callable[[S], Float[Tensor, "..."]], inputs: HeadInputs, given: S, vocabulary_size: int
) -> Tensor:
    """What `compute` makes of `given`, which has the places of the inputs, some places at a time, so that no more than
    MAX_LOGITS logits are kept; for a gradient, those of a chunk are made once more."""
    assert inputs.log_weights is not None
    *places, choices = inputs.log_weights.shape
    size = max(1, cross_entropy.MAX_LOGITS // (vocabulary_size * choices))
    if math.prod(places) <= size:
        return compute(given)
    flat = tree_map(given, lambda tensor: tensor.flatten(0, len(places) - 1))
    parts = list[Tensor]()
    for start in range(0, math.prod(places), size):
        part = tree_map(flat, partial(take_places, start=start, size=size))
        parts.append(checkpoint(compute, part, use_reentrant=False) if torch.is_grad_enabled() else compute(part))
    joined = torch.cat(parts)
    return joined.view(*places, *joined.shape[1:])


def take_places(tensor: Tensor, start: int, size: int) -> Tensor:
    """Some rows, from `start`."""
    return tensor[start : start + size]
