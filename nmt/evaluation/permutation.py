"""Would a translation be the same with other weights? Distributions with the weights of one step permuted."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy import ndarray
from torch import Tensor

from nmt.attention.memory import Memory, map_memories, reorder_values
from nmt.evaluation.forced import ForcedPair, iterate_batches, iterate_steps
from nmt.model.seq2seq import Seq2Seq, SourceMemory

SEED = 1
"""Of the permutations, the same always."""

BINS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
"""Of the largest weight of a target position, for `permuted`."""


@torch.inference_mode()
def permute_weights(
    model: Seq2Seq, pairs: Sequence[ForcedPair], *, permutations: int = 100, tokens: int = 4096
) -> list[Float[ndarray, " _"]]:
    """The median over permutations of sum_v |p_t(v) - p'_t(v)| / 2, where p' has the weights of step t permuted

    (Jain and Wallace 2019.) All heads and layers have the same permutation, of all source positions; what the decoder
    knows of earlier steps is as it was. A head that copies copies what it then looks at.
    """
    found = [np.zeros(len(pair.output)) for pair in pairs]
    sources, outputs = [pair.complete_source for pair in pairs], [pair.output for pair in pairs]
    draw = torch.Generator().manual_seed(SEED)
    budget, doing = max(tokens // permutations, 1), "permuting weights"
    for batch in iterate_batches(sources, outputs, tokens=budget, device=model.device, doing=doing):
        order = draw_orders(batch.lengths.cpu(), batch.source.shape[1], permutations, draw).to(model.device)
        for t, log_probs in enumerate(iterate_steps(model, batch, make_reordering(order), permutations + 1)):
            probs = log_probs.exp_()
            distances = ((probs[:, 1:] - probs[:, :1]).abs_().sum(-1) / 2).double().cpu().numpy()
            for place, row in enumerate(batch.rows):
                if t < len(outputs[row]):
                    found[row][t] = np.median(distances[place])
    return found


def draw_orders(
    lengths: Int[Tensor, " row"], source: int, permutations: int, draw: torch.Generator
) -> Int[Tensor, "row order source"]:
    """For each row first the order as it is, then random orders of its real positions; padding stays where it is."""
    places = torch.arange(source)
    keys = torch.rand(len(lengths), permutations + 1, source, generator=draw)
    keys = torch.where(places < lengths[:, None, None], keys, places + 1.0)
    keys[:, 0] = places.float()
    return keys.argsort(-1)


def make_reordering(order: Int[Tensor, "row order source"]) -> Callable[[SourceMemory], SourceMemory]:
    """What gives each row of a memory the values, and the words to copy, of another order."""
    flat = order.flatten(0, 1)

    def reorder(memory: Memory) -> Memory:
        return reorder_values(memory, flat)

    def change(memory: SourceMemory) -> SourceMemory:
        rows = torch.arange(len(flat), device=flat.device).unsqueeze(1)
        return memory._replace(memory=map_memories(memory.memory, reorder), tokens=memory.tokens[rows, flat])

    return change


def measure_permuted(
    distances: Sequence[Float[ndarray, " _"]], largest: Sequence[Float[ndarray, " _"]]
) -> dict[str, float]:
    """`permuted`, and `permuted_0.25`, ..., `permuted_1`: the mean over all positions whose largest weight is in a bin
    that ends there, for equal weights must have 0 and sharp ones need not."""
    if not distances:
        return {}
    values = {"permuted": float(np.mean([each.mean() for each in distances]))}
    joined, weight = np.concatenate(list(distances)), np.concatenate(list(largest))
    for low, high in BINS:
        inside = (weight > low) & (weight <= high + 1e-6 * (high == 1.0))
        values |= {f"permuted_{high:g}": float(joined[inside].mean())} if inside.any() else {}
    return values
