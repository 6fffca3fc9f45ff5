"""How much does each source word matter for each word of a translation? Importances beside the attention weights.

All are I[t, s] for target position t, EOS included, and source word s, EOS the last: pure functions of a model in
evaluation mode and pairs that it is made to produce. log p_t is that of the given piece y_t given those before it.
"""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from nmt.attention.memory import Memory, empty_values, hide_positions, map_memories
from nmt.errors import ModelError
from nmt.evaluation.forced import (
    ForcedBatch,
    ForcedPair,
    build_columns,
    iterate_batches,
    iterate_steps,
    predict,
)
from nmt.model.seq2seq import Seq2Seq, SourceMemory
from nmt.model.sources.frontend import FrontendOutput
from nmt.progress import make_bar
from nmt.special_tokens import PAD
from nmt.trees import tree_map

ImportanceMethod = Literal["gradient", "erase_input", "erase_memory"]
Importance = Float[ndarray, "target word"]
AnyImportance = Float[ndarray, "_ _"]
"""One of several, each of its own size."""

SMOOTH_NOISE = 0.15
"""Standard deviation of SmoothGrad's noise, as a share of the range of a sentence's embeddings."""

SMOOTH_SEED = 1
"""Of SmoothGrad's noise, the same always."""


class Erasure(NamedTuple):
    """What the absence of each source word does. importance: log p_t with it less log p_t without it; flips: whether
    another piece is the best at t without it."""

    importance: AnyImportance
    flips: Bool[ndarray, "_ _"]


# Gradients ------------------------------------------------------------------------------------------------------------


def compute_gradients(
    model: Seq2Seq, pairs: Sequence[ForcedPair], *, copies: int = 0, tokens: int = 4096
) -> list[AnyImportance]:
    """I[t, s] = |sum over the pieces i of word s of e_i . d log p_t / d e_i|,  e the source's embeddings

    Gradient times input (Denil, Demiraj and de Freitas 2014; of translation: Ding, Xu and Koehn 2019). Pieces are
    summed before the absolute value is taken. copies: with 1 or more, the gradient is the mean over so many copies of
    the embeddings with normal noise (SmoothGrad: Smilkov et al. 2017). Each t is a row of its own, whose target ends
    there, so one backward pass serves a batch of all t and all sentences. Where attention takes one position alone
    (sampled, monotonic), a gradient knows of the values that were read, not of where else it could have read.
    """
    rows = [(number, t) for number, pair in enumerate(pairs) for t in range(len(pair.output))]
    sources = [pairs[number].complete_source for number, _ in rows]
    outputs = [pairs[number].output[: t + 1] for number, t in rows]
    found = [np.zeros((len(pair.output), pair.words)) for pair in pairs]
    noise = torch.Generator(device=model.device).manual_seed(SMOOTH_SEED)
    for batch in iterate_batches(sources, outputs, tokens=tokens, device=model.device, doing="gradients of pieces"):
        positions = compute_input_gradients(model, batch, copies, noise).double().cpu().numpy()
        for place, row in enumerate(batch.rows):
            number, t = rows[row]
            pair = pairs[number]
            found[number][t] = np.abs(pair.sum_words(positions[place : place + 1, : len(pair.source) + 1])[0])
    return found


def compute_input_gradients(
    model: Seq2Seq, batch: ForcedBatch, copies: int, noise: torch.Generator
) -> Float[Tensor, "row source"]:
    """e . d log p / d e of every source position, for the last piece of each row's output."""
    with torch.no_grad():
        read = model.source(batch.source, batch.lengths)
    embedded = read.embedded
    if embedded.shape[:2] != batch.source.shape[:2]:
        raise ModelError("This model reads its source as something else than pieces, so words have no embeddings.")
    total = torch.zeros_like(embedded)
    for _ in make_bar(iterable=range(max(copies, 1)), desc="noisy copies", leave=False, disable=None, delay=1):
        moved = embedded
        if copies:
            spread = embedded.amax((1, 2), keepdim=True) - embedded.amin((1, 2), keepdim=True)
            drawn = torch.randn(embedded.shape, generator=noise, device=embedded.device, dtype=embedded.dtype)
            moved = embedded + SMOOTH_NOISE * spread * drawn
        leaf = moved.detach().requires_grad_()
        # In evaluation mode cuDNN's recurrences have no backward pass.
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            log_prob = compute_last_log_prob(model, batch, read._replace(embedded=leaf))
            total += torch.autograd.grad(log_prob.sum(), leaf)[0]
    contributions: Tensor = (embedded * total).sum(-1) / max(copies, 1)
    return contributions


def compute_last_log_prob(model: Seq2Seq, batch: ForcedBatch, read: FrontendOutput) -> Float[Tensor, " row"]:
    """log p of the last piece of each row's output."""
    memory, state = model.encode_vectors(read, batch.source)
    _, inputs = model.decode(batch.target_input, state, memory)
    places = torch.arange(len(batch.source), device=batch.source.device)
    last = (batch.target_output != PAD).sum(-1) - 1
    log_probs = model.head.log_probs(tree_map(inputs, lambda tensor: tensor[places, last]))
    return log_probs.gather(-1, batch.target_output[places, last].unsqueeze(-1)).squeeze(-1)


# Erasures -------------------------------------------------------------------------------------------------------------


def erase_from_input(model: Seq2Seq, pairs: Sequence[ForcedPair], *, tokens: int = 4096) -> list[Erasure]:
    """I[t, s] = log p_t(y_t | x) - log p_t(y_t | x without word s): the encoder never sees the word

    (Li, Monroe and Jurafsky 2016; of translation: Alvarez-Melis and Jaakkola 2017 change words.) A source that would
    have nothing left keeps EOS. A word without pieces has importance 0.
    """
    whole = [(number, -1) for number in range(len(pairs))]
    rows = whole + [(number, word) for number, pair in enumerate(pairs) for word in pair.erasable]
    sources = [pairs[number].erase({word}) for number, word in rows]
    outputs = [pairs[number].output for number, _ in rows]
    predicted = predict(model, sources, outputs, tokens=tokens, doing="erasing words")
    found = [make_erasure(pair) for pair in pairs]
    for (number, word), each in zip(rows[len(pairs) :], predicted[len(pairs) :], strict=True):
        found[number].importance[:, word] = predicted[number].log_prob - each.log_prob
        found[number].flips[:, word] = predicted[number].best != each.best
    return found


@torch.inference_mode()
def erase_from_memory(model: Seq2Seq, pairs: Sequence[ForcedPair], *, tokens: int = 4096) -> list[Erasure]:
    """I[t, s] = log p_t(y_t) - log p_t(y_t) where no attention sees word s at step t; the encoder has seen it

    The word is hidden by the mask, in every layer and head, and at step t alone: what the decoder knows of earlier
    steps is as it was, so a word outside the scope has exactly 0 (weights that are removed, with the others normalized
    again: Serrano and Smith 2019). Where the scope leaves nothing but the word, the context is 0. Raises ModelError for
    a model without attention.
    """
    if not model.has_attention:
        raise ModelError("This model has no attention (attention=none), so no word can be hidden from it.")
    found = [make_erasure(pair) for pair in pairs]
    sources, outputs = [pair.complete_source for pair in pairs], [pair.output for pair in pairs]
    budget = max(tokens // max((pair.words + 2 for pair in pairs), default=1), 1)
    for batch in iterate_batches(sources, outputs, tokens=budget, device=model.device, doing="hiding words"):
        most = max(pairs[row].words for row in batch.rows)
        places = torch.arange(most + 2, device=model.device)[:, None]
        hidden = build_columns(pairs, batch)[:, None, :] == places  # the last two changes hide none
        for t, log_probs in enumerate(iterate_steps(model, batch, hide_words(hidden), most + 2)):
            unchanged, emptied = log_probs[:, -2:-1], log_probs[:, -1:]
            # A word that leaves nothing to look at has no weights: the context is 0 in its place.
            log_probs = torch.where(log_probs.isnan().any(-1, keepdim=True), emptied, log_probs)
            given = batch.target_output[:, t, None, None].expand(-1, most + 2, -1)
            log_prob = log_probs.gather(-1, given).squeeze(-1).double()
            importance = (log_prob[:, -2:-1] - log_prob).cpu().numpy()
            flips = (log_probs.argmax(-1) != unchanged.argmax(-1)).cpu().numpy()
            for place, row in enumerate(batch.rows):
                if t < len(outputs[row]):
                    words = pairs[row].words
                    found[row].importance[t], found[row].flips[t] = importance[place, :words], flips[place, :words]
    return found


def hide_words(hidden: Bool[Tensor, "row change source"]) -> Callable[[SourceMemory], SourceMemory]:
    """What hides some positions in each change of a row, and in the last one all values."""
    empty = torch.zeros(hidden.shape[:2], dtype=torch.bool, device=hidden.device)
    empty[:, -1] = True

    def hide(memory: Memory) -> Memory:
        return empty_values(hide_positions(memory, hidden.flatten(0, 1)), empty.flatten())

    def change(memory: SourceMemory) -> SourceMemory:
        rows = empty.view(-1, *(1 for _ in memory.tokens.shape[1:]))
        tokens = memory.tokens.masked_fill(rows, PAD)  # nor is anything copied
        return memory._replace(memory=map_memories(memory.memory, hide), tokens=tokens)

    return change


def make_erasure(pair: ForcedPair) -> Erasure:
    """An erasure that does nothing."""
    size = len(pair.output), pair.words
    return Erasure(np.zeros(size), np.zeros(size, dtype=np.bool_))


# By name --------------------------------------------------------------------------------------------------------------


def compute_importances(
    model: Seq2Seq, pairs: Sequence[ForcedPair], method: ImportanceMethod, *, copies: int = 0, tokens: int = 4096
) -> list[AnyImportance]:
    """The importances of a method, for each pair in its order; `copies` are those of `gradient`."""
    if method == "gradient":
        return compute_gradients(model, pairs, copies=copies, tokens=tokens)
    if model.head.points:
        raise ModelError(
            f"method={method} takes source positions away, and this model's words are source positions "
            "(model/head=pointer), which would have no name. Choose attention or gradient."
        )
    erase = {"erase_input": erase_from_input, "erase_memory": erase_from_memory}[method]
    return [each.importance for each in erase(model, pairs, tokens=tokens)]


def compute_shares(importance: Importance) -> Importance:
    """What is above 0 as shares of each row: comparable with attention weights; 0 in a row where nothing is above 0."""
    positive = np.maximum(importance, 0.0)
    mass = positive.sum(-1, keepdims=True)
    shares: ndarray = positive / np.where(mass > 0, mass, 1.0)
    return shares
