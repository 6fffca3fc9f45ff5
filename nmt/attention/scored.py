"""Attention = history x score x scope x normalizer x selection x heads: each chosen alone, every combination legal."""

from typing import NamedTuple, TypeVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.attention.attention import Attended, Attention, Choices, Past
from nmt.attention.history import History
from nmt.attention.linear import LinearForm, find_linear_form
from nmt.attention.memory import Memory, join_heads, split_heads
from nmt.attention.normalizer import Normalizer, Softmax, compute_log_expected
from nmt.attention.score import Rotary, ScaledDot, Score, head_size
from nmt.attention.selection import Selection
from nmt.attention.window import Scope, Window, normalize_within
from nmt.kernels.dot_attention import attend_by_dot
from nmt.kernels.dropout import Dropout
from nmt.kernels.precision import multiply_memory
from nmt.trees import tree_map

S = TypeVar("S")


PLAIN: tuple[type[nn.Module], ...] = (Softmax, History, Selection)
"""Normalizer, history and selection that one function computes together with a score and a scope, without weights."""


class ScoredPast(NamedTuple):
    """What the axes remember of earlier steps; () for those that remember nothing."""

    history: Past
    normalizer: Past
    scope: Past = ()


class ScoredAttention(Attention):
    """features = history(past),  energies = score(query, keys + features) + mask + scope

    weights = normalizer(energies, past),  context = selection(weights) . values

    With one head the values are the encoder states themselves (Bahdanau et al. 2015, Luong et al. 2015); with more each
    head reads its own learned projection of them (Vaswani et al. 2017), and the contexts of all heads stand side by
    side. The size of the context is that of the memory, or `value_size`, to which values are then projected with one
    head too. dropout: of weights where they meet the values, in training; weights that are kept, and what a history
    remembers, are as they were before it. is_self: whether queries are those of the memory's own positions, in their
    order, where there are as many of them; then what a query on padding gets is finite, and no more.
    """

    def __init__(
        self,
        *,
        score: Score,
        scope: Scope,
        normalizer: Normalizer,
        history: History | None = None,
        selection: Selection | None = None,
        memory_size: int,
        heads: int,
        dropout: float = 0.0,
        is_self: bool = False,
        value_size: int | None = None,
    ) -> None:
        super().__init__()
        self.context_size = memory_size if value_size is None else value_size
        head_size("the memory", self.context_size, heads)
        self.score = score
        self.scope = scope
        self.normalizer = normalizer
        self.history = history or History()
        self.selection = selection or Selection()
        self.heads = heads
        self.selection.check_heads(heads)
        self.predicts_from = self.selection.predicts_from
        self.is_stepwise = self.history.has_past or normalizer.has_past or scope.has_past
        self.is_monotonic = normalizer.has_past or scope.has_past
        self.dropout = Dropout(dropout)
        parts = (normalizer, self.history, self.selection)
        is_plain = all(type(part) is kind for part, kind in zip(parts, PLAIN, strict=True)) and not scope.has_past
        self.is_plain = is_plain and type(score) in (ScaledDot, Rotary)
        self.is_self = is_self
        self.linear_form = find_linear_form(score, scope, is_self=is_self) if is_plain else None
        is_projected = heads > 1 or value_size is not None
        self.value = nn.Linear(memory_size, self.context_size, bias=False) if is_projected else nn.Identity()

    @property
    def is_quadratic(self) -> bool:
        """Whether its time and memory in training grow with queries times keys."""
        return self.linear_form is None or (self.dropout.p > 0 and not self.linear_form.drops_weights)

    def remember(
        self,
        states: Float[Tensor, "row source memory"],
        mask: Bool[Tensor, "row source"],
        positions: Int[Tensor, "row source"] | None = None,
    ) -> Memory:
        """All that depends on no query. positions: of the states, where they do not begin at 0."""
        return Memory(
            keys=self.score.remember_at(states, positions),
            values=split_heads(self.value(states), self.heads),
            bias=masks.log_mask(mask, states.dtype),
            lengths=mask.sum(-1),
            scope_keys=self.scope.remember(states),
        )

    def start(self, memory: Memory) -> Past:
        if not self.is_stepwise:
            return ()
        return ScoredPast(*(part.start(memory, self.heads) for part in (self.history, self.normalizer, self.scope)))

    def choose(self, weights: Float[Tensor, "row head target source"], memory: Memory) -> Choices | None:
        found = self.selection.choose(weights)
        if found is None:
            return None
        positions, log_weights, log_prob = found
        sentences, (rows, target, choices) = len(memory.bias), positions.shape
        (values,) = memory.values.unbind(1)
        index = positions.reshape(sentences, -1, 1).expand(-1, -1, values.shape[-1])
        chosen = values.gather(1, index).view(rows, target, choices, -1)
        return Choices(chosen, log_weights, positions, log_prob)

    def forward(
        self,
        query: Float[Tensor, "row target query"],
        memory: Memory,
        positions: Int[Tensor, "row target"],
        past: Past = (),
        *,
        keep_weights: bool = False,
    ) -> Attended:
        rows, sentences = len(query), len(memory.bias)
        hidden = None if memory.hidden is None else regroup_rows(memory.hidden.look_up(positions), sentences)
        # Rows that share a sentence, a beam, become its target positions.
        query, positions = regroup_rows(query, sentences), regroup_rows(positions, sentences)
        before = ScoredPast(*regroup_rows(past, sentences)) if self.is_stepwise else ScoredPast((), ())
        drops = self.training and self.dropout.p > 0
        may_be_linear = not keep_weights and hidden is None
        if may_be_linear and (form := self._find_linear_form(query.shape[1], memory, drops)):
            contexts = form.attend(self.score, query, positions, memory, self.dropout if drops else None)
            return Attended(regroup_rows(join_heads(contexts), rows))
        window = self.scope.find_window(query, positions, memory, before.scope)
        if self.is_plain and window.factor is None and hidden is None and not keep_weights and not drops:
            return Attended(regroup_rows(self._attend_by_dot(query, positions, memory, window), rows))
        energies = self.score.compare_at(query, positions, memory.keys, self.history(before.history))
        energies = energies + memory.bias[:, None, None, :]
        if window.bias is not None:
            energies = energies + window.bias
        if hidden is not None:
            energies = energies + masks.log_mask(~hidden, energies.dtype).unsqueeze(1)
        normalized = normalize_within(window, self.normalizer, energies, before.normalizer)
        weights = normalized if window.factor is None else normalized * window.factor
        selected = self.selection(weights)
        log_weights = (
            self._compute_log_weights(energies, normalized, window) if keep_weights and self.training else None
        )
        return Attended(
            regroup_rows(join_heads(multiply_memory(self.dropout(selected.weights), memory.values)), rows),
            regroup_rows(weights, rows, axis=2) if keep_weights else None,
            regroup_rows(self._advance(before, query, normalized, selected.weights, window.past), rows),
            regroup_rows(selected.log_prob, rows),
            regroup_rows(log_weights, rows, axis=2),
        )

    def _find_linear_form(self, targets: int, memory: Memory, drops: bool) -> LinearForm | None:
        """What computes contexts in linear time, where there is such a thing and it saves something."""
        form, sizes = self.linear_form, (memory.values.shape[2], memory.values.shape[3])
        return form if form and form.serves(targets, *sizes) and (form.drops_weights or not drops) else None

    def _attend_by_dot(
        self,
        query: Float[Tensor, "row target query"],
        positions: Int[Tensor, "row target"],
        memory: Memory,
        window: Window,
    ) -> Float[Tensor, "row target value"]:
        """The contexts of plain parts."""
        assert isinstance(self.score, ScaledDot)
        bias = memory.bias[:, None, None, :] if window.bias is None else memory.bias[:, None, None, :] + window.bias
        return join_heads(attend_by_dot(self.score.project_query(query, positions), memory.keys, memory.values, bias))

    def _compute_log_weights(self, energies: Tensor, normalized: Tensor, window: Window) -> Tensor:
        """The logarithms of the weights, for losses; those of a factor of zero have no gradient."""
        if window.mixture is not None:
            return compute_log_expected(energies, normalized)
        log_weights = self.normalizer.compute_log_weights(energies, normalized)
        if window.factor is None:
            return log_weights
        return log_weights + torch.where(window.factor > 0, window.factor, 1.0).log()

    def _advance(self, past: ScoredPast, query: Tensor, normalized: Tensor, weights: Tensor, scope: Past) -> Past:
        """The past after a step; a normalizer remembers weights as it made them, a history as they were used."""
        if not self.is_stepwise:
            return ()
        history = self.history.advance(past.history, weights, query)
        return ScoredPast(history, self.normalizer.advance(past.normalizer, normalized), scope)


def regroup_rows(state: S, rows: int, axis: int = 1) -> S:
    """The same tensors [row .. target ..] with so many rows, and as many target positions as that leaves to each.

    Hypotheses of one sentence, rows side by side, become positions of one row, and back. `axis` is that of target.
    """

    def change(tensor: Tensor) -> Tensor:
        if tensor.shape[0] == rows:
            return tensor
        moved = tensor.movedim(axis, 1)
        return moved.reshape(rows, -1, *moved.shape[2:]).movedim(1, axis)

    return tree_map(state, change)
