"""What stages are made of: one head of one look, with the words that its positions stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor, nn

from nmt.attention.memory import split_heads
from nmt.attention.scope import CausalWithin, Global
from nmt.attention.scored import ScoredAttention
from nmt.explanation.look import Look
from nmt.masks import NEG_INF
from nmt.report.explanation import Stage


@dataclass(frozen=True, kw_only=True)
class Scene:
    """query: the target position that is looked at closely. states: what was remembered, where it is known; then all
    that is computed from it is shown, with the parameters. max_columns: so many features of a vector are shown."""

    attention: ScoredAttention
    look: Look
    head: int
    source: Sequence[str]
    target: Sequence[str]
    query: int
    states: Float[Tensor, "source memory"] | None = None
    max_columns: int = 8

    @property
    def heads(self) -> int:
        """How many heads the attention has."""
        return self.attention.heads

    @property
    def hidden(self) -> Bool[np.ndarray, "target source"]:
        """Where attention may not look: where there is no energy."""
        hidden: np.ndarray = to_numbers(self.look.energies[self.head]) == NEG_INF
        return hidden

    def take_head(self, projected: Float[Tensor, "time size"]) -> Float[Tensor, "time part"]:
        """The part of a projection that is this head's."""
        return split_heads(projected.unsqueeze(0), self.heads)[0, self.head]

    def make_parameter(self, name: str, weight: Tensor, note: str, *, is_split: bool = True) -> list[Stage]:
        """The rows of a matrix that are this head's; only where states are known, as those of models are too large."""
        if self.states is None:
            return []
        rows = weight.view(self.heads, -1, weight.shape[1])[self.head] if is_split else weight
        return [self.make_matrix(f"parameter {name}", name, note, rows, count(len(rows)))]

    def make_queries(self, name: str, title: str, equation: str, values: Tensor, **flags: Any) -> Stage:
        """A row for each target position."""
        return self.make_matrix(name, title, equation, values, self.target, by_query=True, **flags)

    def make_scalars(self, name: str, title: str, equation: str, values: Tensor) -> Stage:
        """A number for each target position."""
        return Stage(name, title, equation, to_numbers(values), self.target, [""], by_query=True)

    def make_sources(self, name: str, title: str, equation: str, values: Tensor, **flags: Any) -> Stage:
        """A row for each source position."""
        return self.make_matrix(name, title, equation, values, self.source, **flags)

    def make_look(self, name: str, title: str, equation: str, values: Tensor, **flags: Any) -> Stage:
        """A row for each target position and a column for each source position; `hidden` where there is no energy."""
        places = (self.target, self.source, self.hidden)
        return Stage(name, title, equation, to_numbers(values), *places, by_query=True, by_source=True, **flags)

    def make_matrix(
        self, name: str, title: str, equation: str, values: Tensor, rows: Sequence[str], **flags: Any
    ) -> Stage:
        """Vectors of which so many features are shown as there is room for."""
        shown = to_numbers(values[:, : self.max_columns])
        omitted = values.shape[1] - shown.shape[1]
        return Stage(name, title, equation, shown, rows, count(shown.shape[1]), omitted=omitted, **flags)

    def make_row(self, values: Tensor) -> Tensor:
        """A vector as a matrix of one row."""
        return values.unsqueeze(0)


def count(size: int) -> list[str]:
    """The numbers of features, from 1."""
    return [str(number) for number in range(1, size + 1)]


def to_numbers(values: Tensor) -> np.ndarray:
    """A tensor as numbers in double precision."""
    numbers: np.ndarray = values.detach().double().cpu().numpy()
    return numbers


def describe(part: nn.Module) -> str:
    """The equation of a part: the first line of its docstring, without the name of the setting."""
    if isinstance(part, CausalWithin):
        inner = "" if isinstance(part.scope, Global) else f"; {describe(part.scope)}"
        return f"{describe(part.causal)}{inner}"
    first = (type(part).__doc__ or type(part).__name__).strip().split("\n\n")[0]
    line = " ".join(first.split())
    return line.split(": ", 1)[1] if "=" in line.split(": ", 1)[0] and " " not in line.split(": ", 1)[0] else line
