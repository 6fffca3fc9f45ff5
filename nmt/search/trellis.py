"""Where every row of a search came from, so that only hypotheses that are returned are ever written out."""

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nmt.masks import NEG_INF
from nmt.search.protocols import Hypothesis

ROOT = -1


class FinishedHypotheses(NamedTuple):
    """Hypotheses that have ended: what they are ranked by, and the trellis row that EOS followed.

    A place that is not taken yet has the score NEG_INF and a row of its sentence's first step.
    """

    score: Float[Tensor, "sentence best"]
    log_prob: Float[Tensor, "sentence best"]
    row: Int[Tensor, "sentence best"]


class Trellis:
    """All rows of all steps, numbered as they are added; each knows the token that it read, the row it grew from, and
    the log-probability of all that was read on the way to it.

    Nothing is copied to the host before `read_hypotheses`.
    """

    def __init__(self) -> None:
        self._rows = 0
        self._tokens: list[Tensor] = []
        self._parents: list[Tensor] = []
        self._log_probs: list[Tensor] = []
        self._weights: list[Tensor] = []

    def add(
        self,
        tokens: Int[Tensor, " row"],
        parents: Int[Tensor, " row"],
        log_probs: Float[Tensor, " row"],
        weights: Float[Tensor, "row source"] | None,
    ) -> Int[Tensor, " row"]:
        """The numbers of these new rows; `parents` are numbers of older ones, or ROOT."""
        self._tokens.append(tokens)
        self._parents.append(parents)
        self._log_probs.append(log_probs)
        if weights is not None:
            self._weights.append(weights)
        first, self._rows = self._rows, self._rows + len(tokens)
        return torch.arange(first, self._rows, device=tokens.device)

    def read_hypotheses(self, finished: FinishedHypotheses, lengths: list[int]) -> list[list[Hypothesis]]:
        """What ended in each sentence, best first, with weights as wide as the sentence's source is long.

        A sentence with places that were not taken has a shorter list; one with none taken has the empty hypothesis.
        """
        order = finished.score.sort(dim=-1, descending=True, stable=True).indices
        ranked = [part.gather(1, order).tolist() for part in finished]
        slots = [
            (sentence, *place)
            for sentence, columns in enumerate(zip(*ranked, strict=True))
            for rank, place in enumerate(zip(*columns, strict=True))
            if rank == 0 or place[0] != NEG_INF
        ]
        parents = torch.cat(self._parents).tolist()
        paths = [_trace_path(parents, end) for *_, end in slots]
        tokens, sums = torch.cat(self._tokens).tolist(), torch.cat(self._log_probs).float().cpu().numpy()
        weights = self._read_weights(paths, [lengths[sentence] for sentence, *_ in slots])
        hypotheses: list[list[Hypothesis]] = [[] for _ in lengths]
        for (sentence, score, log_prob, _), path, row_weights in zip(slots, paths, weights, strict=True):
            with np.errstate(invalid="ignore"):  # a hypothesis without probability
                log_probs = np.diff(sums[path], append=np.float32(log_prob))
            hypotheses[sentence].append(
                Hypothesis([tokens[row] for row in path[1:]], score, log_prob, row_weights, log_probs)
            )
        return hypotheses

    def _read_weights(
        self, paths: list[list[int]], lengths: list[int]
    ) -> list[Float[ndarray, "target source"]] | list[None]:
        """For each path of rows, its weights, as wide as the source is long."""
        if not self._weights:
            return [None] * len(paths)
        rows = torch.tensor([row for path in paths for row in path], device=self._weights[0].device)
        weights = torch.cat(self._weights)[rows].float().cpu().numpy()
        parts = np.split(weights, np.cumsum([len(path) for path in paths])[:-1])
        return [part[:, :length].copy() for part, length in zip(parts, lengths, strict=True)]


def _trace_path(parents: list[int], end: int) -> list[int]:
    path = []
    while end != ROOT:
        path.append(end)
        end = parents[end]
    return path[::-1]
