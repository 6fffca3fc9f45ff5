"""How many optimizer steps a run makes, known before the first: for schedules, and for a word about short runs."""

import logging

from nmt.training.settings import Stop, Training

SMALL_BATCH_TOKENS = 1024
"""The batches of experiment=small."""

MIN_USEFUL_UPDATES = 2_000
"""Fewer optimizer steps teach little of real text, however many pairs are in a batch."""

logger = logging.getLogger(__name__)


def count_updates(stop: Stop, batches: int, accumulate: int) -> int | None:
    """The most optimizer steps that `stop` allows, with `batches` an epoch; None where only time or patience end it.

    An epoch's last step may have fewer than `accumulate` batches.
    """
    limits = [] if stop.steps is None else [stop.steps]
    if stop.epochs is not None:
        limits.append(stop.epochs * -(-batches // accumulate))
    return min(limits, default=None)


def is_open(stop: Stop) -> bool:
    """Whether neither steps nor epochs end the run, so that its length is unknown."""
    return stop.steps is None and stop.epochs is None


def log_length(
    training: Training, updates: int | None, batches: int, warmup: int, *, embedded: bool, small: bool, decays: bool
) -> None:
    """Logs how long a run will be, and what to do where that is short.

    embedded: it learns the embedded corpus. small: its batches are as small as those of experiment=small. decays: its
    learning rate ends with the last of these updates.
    """
    if updates is None:
        logger.info("%d batches an epoch", batches)
        return
    logger.info("%d batches an epoch, %d updates at most (training.stop)", batches, updates)
    if warmup >= updates:
        logger.warning(
            "schedule.warmup_steps=%d is not over after %d updates, so that the learning rate never reaches its peak: "
            "choose fewer, or train longer.",
            *(warmup, updates),
        )
    if decays and training.stop.minutes is not None:
        logger.warning(
            "the learning rate falls until update %d, and training.stop.minutes=%g may end training before, while it "
            "is still high: set schedule.steps to as many updates as fit into that time.",
            *(updates, training.stop.minutes),
        )
    if updates < MIN_USEFUL_UPDATES:
        ways = ["raise training.stop.steps" if training.stop.steps == updates else "raise training.stop.epochs"]
        ways += [] if training.stop.steps == updates else ["lower batching.tokens"]
        ways += [] if small else ["try experiment=small"]
        logger.info(
            "fewer than %d updates%s: for more, %s.",
            *(
                MIN_USEFUL_UPDATES,
                " can be enough for the embedded corpus (some 1,000 are), but not for real text"
                if embedded
                else " teach little",
            ),
            " or ".join(filter(None, [", ".join(ways[:-1]), ways[-1]])),
        )


def log_shares(processes: int, accumulate: int, tokens: int) -> None:
    """Logs what of a step each of several processes has."""
    if processes > 1:
        logger.info("%d processes share every step of %d batches (training.accumulate)", processes, accumulate)
    if accumulate % processes:
        logger.info(
            "batches of up to %d positions (batching.tokens) are divided among several processes; "
            "training.accumulate=%d, or a multiple of it, gives each whole ones",
            *(tokens, processes),
        )
