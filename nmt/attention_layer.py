"""Attention as a module for models of your own, by the names of its parts."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import build, config
from nmt.arguments import check_count, check_text, describe
from nmt.attention.attention import Attended, Attention
from nmt.config import Variants
from nmt.errors import ConfigError, DataError

MAX_SIZE = 2**16
"""Of a query, a memory and heads: a matrix from one to another has 16 GB."""

MAX_POSITION = 2**24
"""Beyond it floats do not tell neighbours apart."""


class AttentionOutput(NamedTuple):
    """context: what was read, as wide as the memory. weights: of every source position, in each head."""

    context: Float[Tensor, "row target memory"]
    weights: Float[Tensor, "row head target source"]


class AttentionLayer(nn.Module):
    """weights = normalizer(score(query, keys + history) + mask + scope),  context = selection(weights) . values

    >>> attention = AttentionLayer.of(score="additive", scope="local_p", heads=4, query_size=12, memory_size=8)
    >>> query, states = torch.randn(2, 3, 12), torch.randn(2, 5, 8)
    >>> mask = torch.tensor([[True] * 5, [True] * 4 + [False]])
    >>> context, weights = attention(query, states, mask)
    >>> context.shape, weights.shape
    (torch.Size([2, 3, 8]), torch.Size([2, 4, 3, 5]))
    """

    def __init__(self, attention: Attention, *, query_size: int | None = None) -> None:
        """query_size: the features of a query; None where it is not known, and so not checked."""
        super().__init__()
        self.attention = attention
        self.query_size = query_size

    @classmethod
    def of(
        cls,
        *,
        score: str = "additive",
        scope: str = "global",
        normalizer: str = "softmax",
        history: str = "none",
        selection: str = "expected",
        heads: int = 1,
        query_size: int,
        memory_size: int,
        **settings: Any,
    ) -> "AttentionLayer":
        """An attention made of its parts, by the names that `attention/score=` and the others have.

        settings: of the parts, such as half_width=5 of a local scope; `hidden_size` is that of the query unless given,
        and all others have the defaults of the parts. Raises ConfigError for what is wrong.
        """
        for name, size in {"query_size": query_size, "memory_size": memory_size, "heads": heads}.items():
            check_count(name, size, most=MAX_SIZE)
        if score == build.NONE:
            raise ConfigError("score='none' is no attention: it has no weights. Choose another score.")
        names = {"score": score, "scope": scope, "normalizer": normalizer, "history": history, "selection": selection}
        for axis, name in names.items():
            check_text(axis, name)
        chosen: dict[str, Any] = {axis: {"name": name} for axis, name in names.items()}
        owners = find_owners(names)
        for key, value in {"hidden_size": query_size, **settings}.items():
            for axis in owners.get(key, []):
                chosen[axis][key] = value
        if unknown := [key for key in settings if key not in owners]:
            raise ConfigError(f"{unknown[0]} is not a setting of these parts. {config.suggest(unknown[0], owners)}")
        checked = config.check({"heads": heads, **chosen}, build.ATTENTION)
        made = build.build_attention(checked, query_size=query_size, memory_size=memory_size, directions=1)
        return cls(made, query_size=query_size)

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        states: Float[Tensor, "row source memory"],
        mask: Bool[Tensor, "row source"] | None = None,
        positions: Int[Tensor, "row target"] | None = None,
    ) -> AttentionOutput:
        """Every query looks at the states where the mask is True, at all of them unless it is given.

        query: floats [row, target, query_size]. states: floats [row, source, memory_size], one sentence a row. mask:
        booleans [row, source]. positions: whole numbers [row, target], those of the queries from 0; 0, 1, ... unless
        given. Raises DataError, which names the argument, for any other shape or kind.

        Where attention depends on its earlier steps, the queries of a row are such steps, in their order. A row whose
        mask is False everywhere has nothing to look at: its weights are NaN, and other rows are as without it.
        """
        self._check(query, states, mask, positions)
        rows, target = query.shape[:2]
        if mask is None:
            mask = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        if positions is None:
            positions = torch.arange(target, device=query.device).expand(rows, target)
        memory = self.attention.remember(states, mask)
        past = self.attention.start(memory)
        size = 1 if self.attention.is_stepwise else max(target, 1)
        steps: list[Attended] = []
        for part, places in zip(torch.split(query, size, 1), torch.split(positions, size, 1), strict=True):
            steps.append(self.attention(part, memory, places, past, keep_weights=True))
            past = steps[-1].past
        weights = [step.weights for step in steps if step.weights is not None]
        return AttentionOutput(torch.cat([step.context for step in steps], 1), torch.cat(weights, 2))

    def _check(self, query: Any, states: Any, mask: Any, positions: Any) -> None:
        """Raises DataError for the first argument that is not as `forward` says."""
        check_tensor("query", query, {"row": None, "target": None, "query_size": self.query_size}, "floats")
        rows, target = query.shape[:2]
        memory_size = self.attention.context_size
        check_tensor("states", states, {"row": rows, "source": None, "memory_size": memory_size}, "floats")
        source = states.shape[1]
        if not source:
            raise DataError("states have no source position, so there is nothing to look at. Leave empty sources out.")
        known = next(self.parameters(), query)
        for name, tensor in (("query", query), ("states", states)):
            if tensor.dtype != known.dtype and not torch.is_autocast_enabled(tensor.device.type):
                raise DataError(
                    f"{name} must be {known.dtype}, as what they meet is; got {tensor.dtype}. Write "
                    f"{name}.to({known.dtype})."
                )
        if mask is not None:
            check_tensor("mask", mask, {"row": rows, "source": source}, "booleans", hint="Write mask.bool().")
        if positions is not None:
            hint = "Of a vector, write positions.expand(rows, -1)."
            check_tensor("positions", positions, {"row": rows, "target": target}, "whole numbers", hint=hint)
            if positions.numel() and not torch.compiler.is_compiling():
                least, most = map(int, positions.aminmax())
                if least < 0 or most > MAX_POSITION:
                    raise DataError(f"positions must be from 0 to {MAX_POSITION}; got {least} to {most}.")


KINDS: dict[str, Callable[[torch.dtype], bool]] = {
    "floats": lambda dtype: dtype.is_floating_point,
    "booleans": lambda dtype: dtype == torch.bool,
    "whole numbers": lambda dtype: dtype in (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
}
"""What a tensor may hold."""


def check_tensor(name: str, value: Any, sizes: Mapping[str, int | None], kind: str, *, hint: str = "") -> None:
    """Raises DataError unless the value is a tensor of this kind and of these sizes, None of which are any."""
    wanted = f"{name} must be a tensor of {kind}, [{', '.join(sizes)}]"
    if not isinstance(value, Tensor):
        raise DataError(f"{wanted}; got {describe(value)}.")
    known = [size is None or size == found for size, found in zip(sizes.values(), value.shape, strict=False)]
    if value.ndim != len(sizes) or not all(known):
        shape = ", ".join("any" if size is None else str(size) for size in sizes.values())
        raise DataError(f"{wanted}, here [{shape}]; its shape is {list(value.shape)}. {hint}".rstrip())
    if not KINDS[kind](value.dtype):
        raise DataError(f"{wanted}; got {value.dtype}. {hint}".rstrip())


def find_owners(names: Mapping[str, str]) -> dict[str, list[str]]:
    """The settings of the parts of an attention, each with the axes whose part has it."""
    owners: dict[str, list[str]] = {}
    for axis, name in names.items():
        variants = build.ATTENTION[axis]
        assert isinstance(variants, Variants)
        if name in variants.table:
            for key in config.inspect_parameters(variants.table[name]):
                if key not in variants.injected:
                    owners.setdefault(key, []).append(axis)
    return owners
