"""The weights of every layer and head that a model has, for one pair: made on request, and kept nowhere else."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.attention.attention import Attended, Attention
from nmt.attention.machine import Addressing
from nmt.data.batching import pad
from nmt.data.sources.reader import SourceItem
from nmt.errors import ConfigError
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS

Weights = Float[np.ndarray, "layer head row column"]

ADDRESSING = "addressing"
"""How the name of what addresses a memory machine ends."""

MAPS = ("encoder", "decoder", "source", "read", "written")
"""Self-attention of the encoder, self-attention of the decoder, attention to the source, and where the heads of a
memory machine have read and written."""


class AttentionMaps(NamedTuple):
    """Weights between pieces. None where a model has no such attention.

    encoder: of each source piece and </s>, for each of them. decoder: of <s> and each target piece that is read, for
    those read so far. source: of each target piece that is predicted, and </s>, for the source pieces and </s>.
    read, written: of each step of a memory machine, for its slots. A step predicts a target piece or </s>, after those
    that read the source where it is not in the slots; slots are free ones, then source pieces and </s>, if at all.
    """

    encoder: Weights | None
    decoder: Weights | None
    source: Weights | None
    read: Weights | None = None
    written: Weights | None = None

    def get_present(self) -> dict[str, Weights]:
        """The maps that there are, by name."""
        return {name: weights for name, weights in self._asdict().items() if weights is not None}


@torch.inference_mode()
def compute_attention_maps(model: Seq2Seq, source: SourceItem, target: Sequence[int]) -> AttentionMaps:
    """The maps of a pair of source and target ids, neither with EOS: the model is made to produce the target.

    With an attention that is asked step by step, its steps are put together. Dropout must be off (`eval`).
    """
    tokens, lengths = (tensor.to(model.device) for tensor in pad([source]))
    target_input = torch.tensor([[BOS, *target]], device=model.device)
    with keep_all_weights(model) as kept:
        memory, state = model.encode(tokens, lengths)
        model.decode(target_input, state, memory)
    found: dict[str, list[Tensor]] = {name: [] for name in MAPS}
    for name, steps in kept.items():
        if steps and name.endswith(ADDRESSING):
            for place, part in zip(("read", "written"), split_machine(model, name, torch.cat(steps, 2)), strict=True):
                found[place].append(part[0])
        elif steps:
            found[find_map(name)].append(torch.cat(steps, 2)[0])
    return AttentionMaps(*(torch.stack(found[name]).cpu().numpy() if found[name] else None for name in MAPS))


def find_map(module_name: str) -> str:
    """Which of MAPS an attention of this name belongs to."""
    if module_name.startswith("encoder."):
        return "encoder"
    return "decoder" if module_name.endswith("self_attention") else "source"


def split_machine(
    model: nn.Module, name: str, weights: Float[Tensor, "row head time slot"]
) -> tuple[Float[Tensor, "row read time slot"], Float[Tensor, "row write time slot"]]:
    """The weights of a machine's read heads, and of its write heads."""
    machine = model.get_submodule(name)
    assert isinstance(machine, Addressing)
    return weights[:, : machine.read_heads], weights[:, machine.read_heads :]


@contextmanager
def keep_all_weights(model: nn.Module) -> Iterator[dict[str, list[Float[Tensor, "row head target source"]]]]:
    """Inside, what every attention in a model gives at each call, by the attention's name, in the order of layers; of a
    memory machine also the weights of all heads over all slots."""
    kept: dict[str, list[Tensor]] = {}

    def ask(module: nn.Module, arguments: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return arguments, {**options, "keep_weights": True}

    def make_keep(name: str) -> Any:
        def keep(module: nn.Module, arguments: Any, attended: Attended) -> None:
            assert attended.weights is not None
            kept[name].append(attended.weights)

        return keep

    def make_keep_slots(name: str) -> Any:
        def keep(module: nn.Module, arguments: Any, weights: Float[Tensor, "row head slot"]) -> None:
            kept[name].append(weights.unsqueeze(2))

        return keep

    with ExitStack() as hooks:
        for name, module in model.named_modules():
            if isinstance(module, Attention) and module.has_weights:
                kept[name] = []
                hooks.callback(module.register_forward_pre_hook(ask, with_kwargs=True).remove)
                hooks.callback(module.register_forward_hook(make_keep(name)).remove)
            elif isinstance(module, Addressing):
                kept[name] = []
                hooks.callback(module.register_forward_hook(make_keep_slots(name)).remove)
        yield kept


def choose_map(weights: Weights, layer: int, head: int | None) -> Float[np.ndarray, "row column"]:
    """One map of several: that of a layer and a head, which count from 1; None: the mean over heads.

    Raises ConfigError for what there is not.
    """
    for name, number, count in (("layer", layer, weights.shape[0]), ("head", head, weights.shape[1])):
        if number is not None and not 1 <= number <= count:
            raise ConfigError(f"There is no {name} {number}: attention to the source has {count}, from 1 to {count}.")
    heads = weights[layer - 1]
    chosen: Float[np.ndarray, "row column"] = heads.mean(0) if head is None else heads[head - 1]
    return chosen
