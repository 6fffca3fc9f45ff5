"""Does training cost more than guessing? A uniform guess costs ln V nats a target token, V being the vocabulary's size.

With label smoothing e the objective of a uniform guess is (1 - e) ln V + e ln V, which is ln V again. What is compared
with it is the negative log-likelihood, without smoothing, as in the log.
"""

import math
from dataclasses import dataclass

PERIOD = 25
"""Optimizer steps whose mean loss is compared; a whole number of them is above guessing or not."""

WARNING_STEPS = 2 * PERIOD
"""Optimizer steps above guessing, in a row, after which a person is warned."""

INITIAL_STEPS = 200
"""Optimizer steps in which a model may still be as its weights were drawn, however short the warm-up is."""

INITIAL_MARGIN = 1.0
"""Nats above ln V that drawn weights may cost: logits of variance v cost v / 2, and v is at most about one."""


@dataclass
class Excess:
    """How long training has cost more than guessing.

    steps: in a row, in whole periods. cost: the mean loss of the last period, in nats per target token; None before
    the first. nll, words, updates: of the period that has begun.
    """

    steps: int = 0
    cost: float | None = None
    nll: float = 0.0
    words: int = 0
    updates: int = 0

    @property
    def is_divergence(self) -> bool:
        """Whether it has lasted long enough to be no chance."""
        return self.steps >= WARNING_STEPS

    def add(self, nll: float, words: int, *, limit: float) -> bool:
        """Takes in an optimizer step, `nll` nats over `words` tokens; whether it makes a divergence of the excess."""
        self.nll, self.words, self.updates = self.nll + nll, self.words + words, self.updates + 1
        if self.updates < PERIOD:
            return False
        self.cost = self.nll / max(self.words, 1)
        self.steps = self.steps + PERIOD if self.cost > limit else 0
        self.nll, self.words, self.updates = 0.0, 0, 0
        return self.steps == WARNING_STEPS


def compute_guess_cost(vocabulary: int) -> float:
    """What a uniform guess costs: ln V nats a target token."""
    return math.log(vocabulary)


def compute_cost_limit(step: int, *, vocabulary: int, warmup: int) -> float:
    """The highest loss at this optimizer step that is no sign of divergence, in nats per target token."""
    is_settled = step > max(warmup, INITIAL_STEPS)
    return compute_guess_cost(vocabulary) + (0.0 if is_settled else INITIAL_MARGIN)


def describe_excess(loss: float, vocabulary: int) -> str:
    """What is said of one loss, in nats per target token, that is above that of guessing; empty where it is not."""
    if loss <= compute_guess_cost(vocabulary):
        return ""
    if not math.isfinite(loss):
        return "no finite loss"
    return f"the loss is above that of a guess: guessing costs {compute_guess_cost(vocabulary):.4g}"


def describe_divergence(excess: Excess, *, vocabulary: int, learning_rate: float, clip_norm: float | None) -> str:
    """What a person is told of a divergence, with what to do; empty where there is none."""
    if not excess.is_divergence:
        return ""
    clip = "set training.clip_norm, now null" if clip_norm is None else f"lower training.clip_norm, now {clip_norm:g}"
    return (
        f"the training loss has been above that of guessing for {excess.steps} steps: {excess.cost:.4g} nats per "
        f"target token, where guessing costs {compute_guess_cost(vocabulary):.4g} (ln {vocabulary}). Lower "
        f"optimizer.learning_rate, now {learning_rate:g}, {clip}, or raise schedule.warmup_steps, for a run in another "
        "output. training.stop.divergence can end such a run."
    )
