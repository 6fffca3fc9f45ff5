"""The log-probability of given translations, token by token."""

import math
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from nmt.data.batching import bucket_by_length, pad
from nmt.data.sources.reader import SourceItem
from nmt.data.spans import match_spans
from nmt.model.heads.head import gather_words, select_words
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS, EOS, PAD
from nmt.trees import tree_map

MAX_POSITIONS = 1024
"""Target positions whose logits are in memory at once."""


class PairScore(NamedTuple):
    """log p(token) in nats of each target token, EOS last: n tokens have n + 1 numbers."""

    log_probs: Float[np.ndarray, " target"]

    @property
    def log_prob(self) -> float:
        """The sum: the log-probability of the translation."""
        return math.fsum(self.log_probs)

    @property
    def tokens(self) -> int:
        """How many tokens were scored, EOS counted."""
        return len(self.log_probs)

    @property
    def per_token(self) -> float:
        """log_prob / tokens."""
        return self.log_prob / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(-per_token)"""
        return perplexity(self.per_token)


def perplexity(per_token: float) -> float:
    """exp(-per_token), which is infinite where a double has no room for it."""
    return math.inf if per_token <= -700 else math.exp(-per_token)


@torch.inference_mode()
def score_pairs(
    models: Sequence[Seq2Seq],
    pairs: Sequence[tuple[SourceItem, Sequence[int]]],
    *,
    tokens: int = 2048,
    report: Callable[[int], object] | None = None,
) -> list[PairScore]:
    """The score of each pair of source and target ids, neither with EOS, in their order.

    log p(y | x) = sum_t log p(y_t | y_1 .. y_(t-1), x), with the distribution that search uses: PAD is never a token.
    Of several models it is the mean of their distributions, as in an ensemble. An empty target has the log-probability
    of EOS at once, and an empty source is EOS alone. `tokens` are positions a batch, padding counted. `report` gets how
    many more pairs are scored.
    """
    pairs = [(source, match_spans(source, target)) for source, target in pairs]
    scores: list[PairScore] = [PairScore(np.zeros(0, np.float32))] * len(pairs)
    device = models[0].device
    widths = [max(len(source), len(target)) + 1 for source, target in pairs]
    is_quadratic = any(model.is_quadratic for model in models)
    for rows in bucket_by_length(widths, tokens, is_quadratic=is_quadratic):
        source, source_lengths = (part.to(device) for part in pad([pairs[row][0] for row in rows]))
        target_output, target_lengths = (part.to(device) for part in pad([pairs[row][1] for row in rows]))
        found = torch.stack([score_batch(model, source, source_lengths, target_output) for model in models])
        mean = (found.logsumexp(0) - math.log(len(models))).clamp(max=0.0) if len(models) > 1 else found[0]
        for row, length, log_probs in zip(rows, target_lengths.tolist(), mean.cpu().numpy(), strict=True):
            scores[row] = PairScore(log_probs[:length].copy())
        if report is not None:
            report(len(rows))
    return scores


def score_batch(
    model: Seq2Seq,
    source: Shaped[Tensor, "row source *feature"],
    lengths: Int[Tensor, " row"],
    target_output: Int[Tensor, "row target"],
) -> Float[Tensor, "row target"]:
    """log p of every target token, with EOS and then padding at the end; 0 on padding."""
    target_input = torch.full_like(target_output, BOS)
    target_input[:, 1:] = target_output[:, :-1].masked_fill(target_output[:, :-1] == EOS, PAD)
    real = (target_output != PAD).flatten().nonzero().squeeze(1)
    inputs, wanted = select_words(model(source, lengths, target_input), real), target_output.flatten()[real]
    parts = []
    for first in range(0, len(wanted), MAX_POSITIONS):
        places = slice(first, first + MAX_POSITIONS)
        log_probs = model.head.log_probs(tree_map(inputs, itemgetter(places)))
        parts.append(gather_words(log_probs, wanted[places]))
    scores = torch.zeros(target_output.numel(), device=source.device)
    scores[real] = torch.cat(parts)
    return scores.view(target_output.shape)
