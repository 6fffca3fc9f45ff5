"""What a search may produce: how long, which symbols, and whether it may repeat itself."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from nmt.errors import ConfigError
from nmt.masks import NEG_INF, log_mask
from nmt.search.protocols import NO_REQUEST, Request
from nmt.special_tokens import BOS, EOS, PAD, UNK

ANY_TOKEN = -1
"""In a prefix: any token may stand here."""


class Limits(NamedTuple):
    """The fewest and the most tokens that each sentence's hypotheses may have, EOS not counted.

    At `min_active_until` tokens or more no minimum of the batch binds, and below `max_active_from` no maximum does. The
    host knows both, so steps at which no limit binds need not look.

    `prefix` has the tokens that hypotheses begin with, ANY_TOKEN where they may be any; None where there are none;
    `exempt` has the tokens that may repeat.
    """

    minimum: Int[Tensor, " sentence"]
    maximum: Int[Tensor, " sentence"]
    min_active_until: int
    max_active_from: int
    prefix: Int[Tensor, "sentence prefix"] | None = None
    exempt: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """What every search obeys. For a source of n tokens, EOS counted neither in n nor in the hypothesis,

        min_ratio * n  <=  tokens  <=  max_ratio * n + max_extra        (rounded up, rounded down)

    and where both cannot hold the maximum does. PAD and BOS are never produced, and UNK only with `unknown`. With
    `no_repeat_ngram` = k no k tokens in a row occur twice in a hypothesis (Paulus, Xiong and Socher 2018, section 2.5),
    but for those that contain a token of `no_repeat_exempt` (as with ignore_when_blocking of OpenNMT-py). It has pieces
    and words as text; whoever has the vocabulary says in the request which tokens they are.
    A hypothesis at the maximum ends there, whatever EOS costs: its log_prob is counted, so every hypothesis that
    a search returns is a complete one. A hypothesis that may neither end nor go on ends too.

    A sentence with a prefix has hypotheses that begin with it, whatever the rules above say of its tokens, and its
    maximum is at least the length of the prefix. Their log_prob counts the prefix.

    Raises ConfigError for a setting out of its range.
    """

    min_ratio: float = 0.0
    max_ratio: float = 2.0
    max_extra: int = 10
    no_repeat_ngram: int | None = None
    no_repeat_exempt: list[str] | None = None
    unknown: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.min_ratio <= self.max_ratio < math.inf:
            raise ConfigError(
                "a search needs 0 <= min_ratio <= max_ratio, both finite; "
                f"got min_ratio {self.min_ratio} and max_ratio {self.max_ratio}."
            )
        if self.max_extra < 0:
            raise ConfigError(f"max_extra is a number of tokens, 0 or more; got {self.max_extra}.")
        if self.no_repeat_ngram is not None and self.no_repeat_ngram < 1:
            raise ConfigError(
                f"no_repeat_ngram is the length of an n-gram, 1 or more; got {self.no_repeat_ngram}. "
                "To allow repeats, set it to null."
            )

    def compute_limits(self, lengths: Int[Tensor, " sentence"], request: Request = NO_REQUEST) -> Limits:
        """The limits of sentences whose sources have these lengths, EOS counted."""
        sizes = [length - 1 for length in lengths.tolist()]
        prefixes = request.prefixes or [()] * len(sizes)
        maxima = [
            max(math.floor(self.max_ratio * size + self.max_extra), len(prefix))
            for size, prefix in zip(sizes, prefixes, strict=True)
        ]
        minima = [min(math.ceil(self.min_ratio * size), limit) for size, limit in zip(sizes, maxima, strict=True)]
        minimum, maximum = (torch.tensor(limit, dtype=torch.long, device=lengths.device) for limit in (minima, maxima))
        return Limits(
            minimum,
            maximum,
            min_active_until=max(minima, default=0),
            max_active_from=min(maxima, default=0),
            prefix=_pad_prefixes(prefixes).to(lengths.device) if any(prefixes) else None,
            exempt=tuple(request.exempt),
        )

    def apply(
        self,
        log_probs: Float[Tensor, "sentence copy vocab"],
        produced: Int[Tensor, "sentence copy target"],
        limits: Limits,
    ) -> None:
        """Writes minus infinity over the log-probability of every token that may not follow `produced`."""
        length = produced.shape[-1]
        forced = None
        if limits.prefix is not None and length < limits.prefix.shape[1]:
            forced = limits.prefix[:, length, None].expand(log_probs.shape[:2])
            prefix_log_probs = log_probs.gather(-1, forced.clamp(min=0).unsqueeze(-1))
        self._apply_rules(log_probs, produced, limits)
        if forced is not None:
            log_probs += log_mask(forced == ANY_TOKEN).unsqueeze(-1)
            token = forced.clamp(min=0).unsqueeze(-1)
            log_probs.scatter_(
                -1, token, prefix_log_probs.where(forced.unsqueeze(-1) != ANY_TOKEN, log_probs.gather(-1, token))
            )

    def _apply_rules(
        self,
        log_probs: Float[Tensor, "sentence copy vocab"],
        produced: Int[Tensor, "sentence copy target"],
        limits: Limits,
    ) -> None:
        length = produced.shape[-1]
        end = log_probs[..., EOS].clone()
        for symbol in (PAD, BOS) if self.unknown else (PAD, BOS, UNK):
            log_probs[..., symbol] = NEG_INF
        if self.no_repeat_ngram is not None and length >= self.no_repeat_ngram:
            log_probs.scatter_(-1, _find_repeats(produced, self.no_repeat_ngram, limits.exempt), NEG_INF)
        if length >= limits.max_active_from:
            log_probs += log_mask(length < limits.maximum)[:, None, None]
        if length < limits.min_active_until:
            log_probs[..., EOS] = NEG_INF
            stuck = log_probs.amax(-1) == NEG_INF
            end += log_mask(stuck | (length >= limits.minimum).unsqueeze(-1))
        log_probs[..., EOS] = end


def _find_repeats(
    produced: Int[Tensor, "sentence copy target"], size: int, exempt: tuple[int, ...]
) -> Int[Tensor, "sentence copy ngram"]:
    """For every n-gram produced, the token that would produce it again now, or PAD where none would or it may."""
    ngrams = produced.unfold(-1, size, 1)
    last = produced[..., produced.shape[-1] - size + 1 :].unsqueeze(-2)
    banned = (ngrams[..., :-1] == last).all(-1)
    if exempt:
        banned &= ~torch.isin(ngrams, torch.tensor(exempt, device=ngrams.device)).any(-1)
    return ngrams[..., -1].where(banned, PAD)


def _pad_prefixes(prefixes: Sequence[Sequence[int]]) -> Int[Tensor, "sentence prefix"]:
    """Prefixes side by side, with ANY_TOKEN behind each."""
    longest = max(map(len, prefixes))
    return torch.tensor([[*prefix, *[ANY_TOKEN] * (longest - len(prefix))] for prefix in prefixes])
