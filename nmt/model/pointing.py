"""Target words that are positions of the source: what the decoder reads of them, and where no word may point again."""

from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.attention.memory import Hidden, Memory, map_memories
from nmt.special_tokens import EOS, PAD

FIRST = EOS + 1
"""The id of position 0."""


class PointerState(NamedTuple):
    """decoder: the decoder's state. used: where the words so far have pointed. position: how many words there were."""

    decoder: Any
    used: Bool[Tensor, "row source"]
    position: Int[Tensor, " row"]


def start_pointing(state: Any, mask: Bool[Tensor, "row source"]) -> PointerState:
    """The state before the first word, of the decoder's."""
    return PointerState(state, torch.zeros_like(mask), torch.zeros_like(mask[:, 0], dtype=torch.long))


def name_positions(lengths: Int[Tensor, " row"], source: int) -> Int[Tensor, "row {source}"]:
    """The word that points at each source position: 4 + position, EOS at the end, and PAD on padding."""
    places = torch.arange(source, device=lengths.device)
    last = lengths.unsqueeze(1) - 1
    return torch.where(places < last, places + FIRST, torch.where(places == last, EOS, PAD))


def embed_pointed(
    tokens: Int[Tensor, "row target"],
    symbols: Float[Tensor, "row target embedding"],
    source: Float[Tensor, "sentence source embedding"],
) -> Float[Tensor, "row target embedding"]:
    """The vector of the source position that a word points at; of BOS, PAD and EOS, their own, which is in `symbols`.

    Rows may be a multiple of the sentences. A word that points beyond the source is PAD to the decoder.
    """
    sentences, positions, size = source.shape
    places = (tokens - FIRST).view(sentences, -1)
    inside = (places >= 0) & (places < positions)
    index = places.clamp(0, positions - 1).unsqueeze(-1).expand(-1, -1, size)
    pointed = source.gather(1, index).view(*tokens.shape, size)
    return torch.where(inside.view(*tokens.shape, 1), pointed.to(symbols.dtype), symbols)


def mark_used(tokens: Int[Tensor, "row target"], used: Bool[Tensor, "row source"]) -> Bool[Tensor, "row target source"]:
    """Where each word and those before it have pointed; the end of a source is never used."""
    places = torch.arange(used.shape[1], device=used.device)
    hits = (tokens.unsqueeze(-1) - FIRST == places).cumsum(1) > 0
    return hits | used.unsqueeze(1)


def hide_used(memory: Any, used: Bool[Tensor, "row target source"], first: Int[Tensor, " row"]) -> Any:
    """What a decoder remembers, with positions hidden from the queries at positions first, first + 1, ..."""

    def hide(each: Memory) -> Memory:
        return each._replace(hidden=Hidden(used, first))

    return map_memories(memory, hide)
