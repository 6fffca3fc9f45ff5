"""The weights that a run hands on: those of its best checkpoint, or the mean of several where that is better."""

import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from nmt import model_folder as stored
from nmt.evaluation.validation import ValidationResult
from nmt.model.seq2seq import Seq2Seq
from nmt.ranks import ALONE, Ranks
from nmt.storage.checkpoints import CheckpointInfo, Checkpoints
from nmt.storage.untrusted_paths import find_model_folder
from nmt.training.average import average
from nmt.training.averaging import Average, BestCheckpoints, LastCheckpoints
from nmt.training.state import TrainingState, get_weights, load_weights

logger = logging.getLogger(__name__)

AVERAGE = "average.json"
"""Names the steps that a checkpoint is the mean of; one without it is no mean."""


def open_checkpoints(folder: Path, last: int, best: int, chosen: Average) -> Checkpoints:
    """The checkpoints of a run, which keeps the `last` and the `best`, and as many as its average is made of."""
    # One more than are averaged, because an average that was made before may be among them.
    averaged = {type(chosen): getattr(chosen, "count", 0)}
    return Checkpoints(
        folder,
        keep_last=max(last, averaged.get(LastCheckpoints, 0) + 1),
        keep_best=max(best, averaged.get(BestCheckpoints, 0) + 1),
    )


def load_best_weights(checkpoints: Checkpoints, model: Seq2Seq, ranks: Ranks = ALONE) -> None:
    """Puts the weights of the best checkpoint into the model, which is then ready for use."""
    best = Path(ranks.take_first(str(find_model_folder(checkpoints.folder))))
    loaded = stored.load(best, device=model.device)
    load_weights(model, get_weights(loaded.model), best)
    model.eval()


def save_average(
    checkpoints: Checkpoints,
    state: TrainingState,
    chosen: LastCheckpoints | BestCheckpoints,
    *,
    metric: str,
    validate: Callable[[], ValidationResult],
    score: Callable[[ValidationResult], float],
    save: Callable[[dict[str, bytes], ValidationResult], None],
    ranks: Ranks = ALONE,
) -> None:
    """Saves the mean of several checkpoints as one more, if it is better than all; `metric` is said of it.

    It holds the training state of the last step, so that training can still go on from there.
    """
    steps, folders, best = ranks.take_first(plan_average(checkpoints, chosen))
    if not folders:
        return
    state.final_weights = average([Path(folder) for folder in folders])
    with state.swap_in_saved_weights():
        report = validate()
    logger.info("average of steps %s: %s %.4g", steps, metric, report.values[metric])
    if best is None or score(report) > best:
        save({AVERAGE: json.dumps({"steps": steps}).encode()}, report)


def plan_average(
    checkpoints: Checkpoints, chosen: LastCheckpoints | BestCheckpoints
) -> tuple[list[int], list[str], float | None]:
    """Steps and folders of the checkpoints that an average is made of, and the value of the best that there is; no
    folders where nothing was trained since an earlier call made it."""
    complete = checkpoints.list_complete()
    if (complete[-1].folder / AVERAGE).exists():
        return [], [], None
    members = choose_members(complete, chosen)
    best = max((checkpoint.value for checkpoint in complete if checkpoint.value is not None), default=None)
    return [member.step for member in members], [str(member.folder) for member in members], best


def choose_members(
    complete: Sequence[CheckpointInfo], chosen: LastCheckpoints | BestCheckpoints
) -> list[CheckpointInfo]:
    """The checkpoints that an average is made of."""
    candidates = [checkpoint for checkpoint in complete if not (checkpoint.folder / AVERAGE).exists()]
    # One that was never measured was saved by an interruption, and none should be felt in what comes out.
    members = [checkpoint for checkpoint in candidates if checkpoint.value is not None] or candidates
    if isinstance(chosen, BestCheckpoints):
        return sorted(members, key=lambda checkpoint: -(checkpoint.value or 0.0))[: chosen.count]
    return members[-chosen.count :]
