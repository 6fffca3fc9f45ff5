"""Several models as one."""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from nmt import masks
from nmt.errors import ConfigError
from nmt.search.protocols import Step


def build_ensemble(steps: Sequence[Step]) -> Step:
    """The step whose distribution is the arithmetic mean of those of `steps`, over one vocabulary.

    p(token) = 1/n sum_i p_i(token). State and memory are tuples with one entry a step. The weights are the mean of
    those that the steps give, None where none does.

    Raises ConfigError where there is no step.
    """
    if not steps:
        raise ConfigError("an ensemble needs at least one model; got none.")

    def step(
        tokens: Int[Tensor, " row"], state: Any, memory: Any
    ) -> tuple[Float[Tensor, "row vocab"], Any, Float[Tensor, "row source"] | None]:
        parts = [one(tokens, own, read) for one, own, read in zip(steps, state, memory, strict=True)]
        log_probs, states, weights = zip(*parts, strict=True)
        width = max(part.shape[-1] for part in log_probs)  # some may copy what others do not have
        padded = [F.pad(part, (0, width - part.shape[-1]), value=masks.NEG_INF) for part in log_probs]
        # Rounding can lift a mean of certainties above 0, and exact stopping needs log-probabilities that are not.
        mean = (torch.stack(padded).logsumexp(0) - math.log(len(steps))).clamp(max=0.0)
        step_weights = [some for some in weights if some is not None]
        return mean, states, torch.stack(step_weights).mean(0) if step_weights else None

    return step
