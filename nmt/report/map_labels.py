"""What maps of attention, and their rows and columns, are called."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

Weights = Float[np.ndarray, "layer head row column"]

TITLES = {
    "encoder": "self-attention of the encoder",
    "decoder": "self-attention of the decoder",
    "source": "attention to the source",
    "read": "where the memory was read",
    "written": "where the memory was written",
}


def label_maps(
    source: Sequence[str], target: Sequence[str], maps: Mapping[str, Weights]
) -> dict[str, tuple[list[str], list[str]]]:
    """The words of rows and of columns of each map, for pieces of both sides without control symbols."""
    read, over, predicted = ["<s>", *target], [*source, "</s>"], [*target, "</s>"]
    labels = {"encoder": (over, over), "decoder": (read, read), "source": (predicted, over)}
    for name in maps.keys() & {"read", "written"}:
        labels[name] = label_machine(over, predicted, *maps[name].shape[2:])
    return labels


def label_machine(over: list[str], predicted: list[str], steps: int, slots: int) -> tuple[list[str], list[str]]:
    """The words of the steps of a memory machine, and of its slots: numbers of those that no source piece lies in."""
    if steps > len(predicted):  # the source was read in steps
        return [*over, *predicted], [str(slot + 1) for slot in range(slots)]
    return predicted, [*(str(slot + 1) for slot in range(slots - len(over))), *over]
