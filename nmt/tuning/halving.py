"""Successive halving: many short runs, of which the best go on   (Jamieson and Talwalkar 2016; Karnin et al. 2013)

With rungs r1 < r2 < ... and a factor k, n trials train to r1; the best n // k of them go on to r2, the best of those
to r3, and so on; at least one goes on. A trial that goes on keeps all that it has learnt.
"""

import itertools
import math
from collections.abc import Mapping, Sequence

from nmt.errors import ConfigError


def count_survivors(trials: int, keep: int) -> int:
    """How many of so many trials go on: one in `keep`, and at least one where there is any."""
    return min(trials, max(1, trials // keep))


def choose_survivors(
    scores: Mapping[int, float],
    keep: int,
    *,
    promoted: frozenset[int] = frozenset(),
    closed: frozenset[int] = frozenset(),
) -> list[int]:
    """The numbers of the trials that go on, in order: those with the largest scores, of equals the earlier.

    promoted, closed: those that went on before, which have a place, and those that did not, which have none: a search
    may be killed in between, or get further trials when it has ended.
    """
    places = max(0, count_survivors(len(scores), keep) - len(promoted))
    others = [number for number in scores if number not in promoted | closed]
    best = sorted(others, key=lambda number: (-scores[number], number))[:places]
    return sorted([*promoted, *best])


def check_rungs(rungs: Sequence[int]) -> None:
    """Raises ConfigError where the rungs are no ladder."""
    if not rungs or rungs[0] < 1 or any(low >= high for low, high in itertools.pairwise(rungs)):
        raise ConfigError(
            "tune.rungs are optimizer steps, each more than the one before, such as tune.rungs=[300,900,2700]; "
            f"got [{','.join(map(str, rungs))}]."
        )


def plan_rungs(rungs: Sequence[int] | None, keep: int, steps: int | None, every: int | None) -> tuple[list[int], int]:
    """The rungs and the steps from one validation to the next, which each rung is a multiple of.

    A run is validated where it ends. A trial that goes on would have a validation that a whole run has not, and with
    schedule=plateau another learning rate, if a rung lay between two validations. steps, every: what the settings say
    about `training.stop.steps` and `training.validation.every_steps`. Raises ConfigError where they do not fit.
    """
    if rungs is not None:
        check_rungs(rungs)
        if every is None:
            return list(rungs), math.gcd(*rungs)
        if misfits := [rung for rung in rungs if rung % every]:
            raise ConfigError(
                "Rungs are compared by their validations, so each must be a multiple of "
                f"training.validation.every_steps={every}; got {', '.join(map(str, misfits))}. Choose other "
                f"tune.rungs, or training.validation.every_steps={math.gcd(*rungs)}."
            )
        return list(rungs), every
    if steps is None:
        raise ConfigError(
            "How long trials train is not known: training ends by epochs, minutes or patience. Give the optimizer "
            "steps after which the best go on: tune.rungs=[300,900,2700]."
        )
    unit = every or math.ceil(steps / keep**2)
    last = max(1, math.ceil(steps / unit))
    return sorted({unit * max(1, round(last / keep**power)) for power in (2, 1, 0)}), unit
