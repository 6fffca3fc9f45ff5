"""The largest batch first: a lack of memory shows before anything is trained, not hours later."""

import torch
from torch import nn

from nmt.data.batching import BatchSettings, Epoch
from nmt.errors import ConfigError
from nmt.training.objective import Objective
from nmt.training.state import get_rng_state, set_rng_state


def check_largest_batch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    epoch: Epoch,
    batching: BatchSettings,
    objective: Objective,
    sharers: int = 1,
) -> None:
    """Runs the objective backward on the largest batch of an epoch, and leaves everything as it was.

    sharers: among how many processes every batch is divided. Raises ConfigError if memory does not suffice, with the
    settings that would change that.
    """
    batch = epoch.get_batch(find_largest_batch(epoch), slice(None, None, sharers))
    before = get_rng_state()
    kept = [(weight, weight.detach().clone()) for weight in model.parameters() if not weight.requires_grad]
    try:
        # Beside two moments of every weight, which the first step will make if it has not been taken yet.
        count = 0 if optimizer.state else 2
        moments = [torch.empty_like(weight) for weight in model.parameters() for _ in range(count)]
        objective.backward(batch, objective.count([batch]))
        del moments
    except (MemoryError, RuntimeError) as problem:
        if not is_out_of_memory(problem):
            raise
        rows, source, target = len(batch.lines), batch.source.shape[1], batch.target_output.shape[1]
        raise ConfigError(
            f"The largest batch ({rows} pairs of up to {source} source and {target} target pieces) does not fit into "
            f"memory: {str(problem).splitlines()[0] if str(problem) else type(problem).__name__}. Lower "
            f"batching.tokens, now {batching.tokens} (training.accumulate makes up for it), filters.max_length, or the "
            "sizes of the model."
        ) from problem
    finally:
        model.zero_grad(set_to_none=True)
        set_rng_state(before)
        with torch.no_grad():
            for weight, value in kept:  # which the objective moves by itself
                weight.copy_(value)


def find_largest_batch(epoch: Epoch) -> int:
    """The index of the batch with the most pairs of positions, which is what attention's memory is: source x target,
    and those of each side with itself where there is self-attention."""
    sides = epoch.tokenized.source, epoch.tokenized.target
    sizes = []
    for rows in epoch.rows:
        source, target = (int(ids.measure(rows).max()) + 1 for ids in sides)
        pairs = source * target + (source**2 + target**2 if epoch.is_quadratic else 0)
        sizes.append(len(rows) * pairs)
    return sizes.index(max(sizes))


def is_out_of_memory(problem: Exception) -> bool:
    """Whether an error says that there is not enough memory; on the CPU, torch has no class of its own for that."""
    return isinstance(problem, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(problem)
