"""Small attentions and models for every entry of the tables, so that whatever is listed is under test."""

import inspect
import itertools
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from nmt import masks
from nmt.attention.attention import Attention
from nmt.attention.history import HISTORIES
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.score import SCORES, Score
from nmt.attention.scored import ScoredAttention
from nmt.attention.selection import SELECTIONS, Selection
from nmt.errors import ConfigError
from nmt.model.bridge import BRIDGES, Bridge
from nmt.model.cells import CELLS
from nmt.model.decoders.recurrent import RecurrentDecoder
from nmt.model.decoders.table import DECODERS
from nmt.model.embedding import Embedding, build_embedding_table
from nmt.model.encoders.recurrent import RecurrentEncoder
from nmt.model.heads.softmax import SoftmaxHead
from nmt.model.heads.table import HEADS, wrap_head
from nmt.model.seq2seq import DropoutRates, Seq2Seq
from nmt.model.sources.tokens import Tokens

HEAD_COUNTS = (1, 2, 4)
QUERY_SIZE, MEMORY_SIZE, EMBEDDING_SIZE = 8, 12, 5
SMALL_SETTINGS = {"hidden_size": 24, "positions": 6, "half_width": 2}
"""Settings of whatever takes them; `positions` is below the longest source, `half_width` within it, and a head has
an even number of `hidden_size`."""


def select_accepted(cls: type, settings: dict[str, Any]) -> dict[str, Any]:
    """Those of `settings` that the constructor of `cls` takes."""
    accepted = inspect.signature(cls).parameters
    return {name: value for name, value in settings.items() if name in accepted}


class Mix(NamedTuple):
    """One choice on each axis of attention; `settings` are the scope's."""

    score: str
    scope: str
    settings: tuple[tuple[str, Any], ...]
    normalizer: str
    heads: int
    history: str = "none"
    selection: str = "expected"

    def __str__(self) -> str:
        names = [self.score, self.scope, *(name for name, _ in self.settings), self.normalizer, str(self.heads)]
        rest = [self.history] * (self.history != "none") + [self.selection] * (self.selection != "expected")
        return "-".join([*names, *rest])


STATELESS = [name for name, cls in NORMALIZERS.items() if not cls.has_past]
SCOPE_SETTINGS = [
    *((name, ()) for name, cls in SCOPES.items() if not cls.has_past),
    ("local_p", (("renormalize", True),)),
]
MIXES = [
    Mix(score, scope, settings, normalizer, heads)
    for score, (scope, settings), normalizer, heads in itertools.product(SCORES, SCOPE_SETTINGS, STATELESS, HEAD_COUNTS)
]


def cover_pairs(choices: Sequence[tuple[Any, ...]], size: int = 2) -> list[int]:
    """Which of all combinations hold every pair of values of two axes at least once: the greedy choice, in order. size:
    the axes whose values must meet; 1 for every value alone."""
    pairs = [set(itertools.combinations(enumerate(choice), size)) for choice in choices]
    missing, chosen = set[Any]().union(*pairs), []
    while missing:
        chosen.append(max(range(len(choices)), key=lambda index: len(pairs[index] & missing)))
        missing -= pairs[chosen[-1]]
    return sorted(chosen)


AXES = [(each.score, (each.scope, each.settings), each.normalizer, each.heads) for each in MIXES]
PAIRWISE_MIXES = [MIXES[index] for index in cover_pairs(AXES)]
"""Mixes among which any two values of two axes meet: a tenth of all, for the default tests."""


def mark_slow_unless(chosen: Sequence[Any], every: Sequence[Any]) -> list[Any]:
    """Parameters of a test: those that are chosen, and all others marked slow."""
    return [
        each if each in chosen else pytest.param(*(each if type(each) is tuple else [each]), marks=pytest.mark.slow)
        for each in every
    ]


def build_score(
    name: str, heads: int, query_size: int = QUERY_SIZE, memory_size: int = MEMORY_SIZE
) -> tuple[Score, int]:
    """A score and the query size that it was made for: that of the memory if it allows no other."""
    cls = SCORES[name]
    for size in (query_size, memory_size):
        try:
            return cls(
                query_size=size, memory_size=memory_size, heads=heads, **select_accepted(cls, SMALL_SETTINGS)
            ), size
        except ConfigError:
            continue
    raise AssertionError(f"{name} cannot be made from query size {query_size} and memory size {memory_size}")


def build_attention(
    mix: Mix, seed: int = 0, query_size: int = QUERY_SIZE, memory_size: int = MEMORY_SIZE
) -> tuple[Attention, int]:
    """An attention with weights from `seed`, and its query size."""
    torch.manual_seed(seed)
    score, size = build_score(mix.score, mix.heads, query_size, memory_size)
    scope = SCOPES[mix.scope]
    sizes = select_accepted(scope, {"query_size": size, "memory_size": memory_size, "heads": mix.heads})
    window = scope(**sizes, **select_accepted(scope, SMALL_SETTINGS), **dict(mix.settings))
    attention = ScoredAttention(
        score=score,
        scope=window,
        normalizer=NORMALIZERS[mix.normalizer](),
        history=HISTORIES[mix.history](
            key_size=score.key_size, value_size=memory_size // mix.heads, query_size=size, heads=mix.heads
        ),
        selection=SELECTIONS[mix.selection](),
        memory_size=memory_size,
        heads=mix.heads,
    )
    return attention, size


def make_mix(score: str = "general", scope: str = "global", normalizer: str = "softmax", heads: int = 1) -> Mix:
    """A combination with the scope's default settings."""
    return Mix(score, scope, (), normalizer, heads)


def draw_normal(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Normal numbers, the same for the same seed whatever was drawn before."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * scale


def draw_parameters(module: nn.Module) -> None:
    """Normal numbers for all parameters, other ones for each."""
    for number, parameter in enumerate(module.parameters()):
        parameter.data = draw_normal(*parameter.shape, seed=number, scale=0.4)


def make_mask(lengths: list[int]) -> Tensor:
    """The mask of a batch whose longest row has no padding."""
    return masks.mask(torch.tensor(lengths), max(lengths))


def make_positions(rows: int, target: int, first: int = 0) -> Tensor:
    """Target positions first, first + 1, ..., the same in every row."""
    return torch.arange(first, first + target).expand(rows, target)


def take_row(tensor: Tensor, row: int, length: int) -> Tensor:
    """One row of a batch without its padding."""
    return tensor[row : row + 1, :length]


class Plan(NamedTuple):
    """A decoder in one of its forms. `settings` are the constructor's."""

    decoder: str
    cell: str
    settings: tuple[tuple[str, Any], ...] = ()

    def __str__(self) -> str:
        return "-".join([self.decoder, self.cell, *(f"{name}={value}" for name, value in self.settings)])


RECURRENT_DECODERS = [name for name, cls in DECODERS.items() if issubclass(cls, RecurrentDecoder) and name != "ntm"]
DECODER_FORMS = [
    *((name, ()) for name in RECURRENT_DECODERS),
    ("luong", (("input_feeding", False),)),
    ("bahdanau", (("context_gate", True),)),
]
PLANS = [
    *(Plan(name, cell, settings) for name, settings in DECODER_FORMS for cell in CELLS),
    *(Plan(name, "lstm", (("layers", 2), ("residual", True), *settings)) for name, settings in DECODER_FORMS),
]

SOURCE_VOCAB, TARGET_VOCAB = 23, 19


def build_seq2seq(
    plan: Plan,
    *,
    attention: Mix | None = None,
    tied: str = "none",
    bridge: str = "dense",
    head: str = "softmax",
    dropout: DropoutRates | None = None,
    seed: int = 0,
    memory_size: int = MEMORY_SIZE,
    embedding_size: int = EMBEDDING_SIZE,
) -> Seq2Seq:
    """A whole model of tiny sizes, in evaluation mode."""
    dropout = dropout or DropoutRates()
    chosen, hidden_size = build_attention(attention or make_mix(), seed, memory_size=memory_size)
    encoder = RecurrentEncoder(embedding_size=embedding_size, cell=plan.cell, hidden_size=memory_size // 2)
    decoder = DECODERS[plan.decoder](
        embedding_size=embedding_size,
        memory_size=memory_size,
        make_attention=lambda: chosen,
        bridge=partial(
            BRIDGES[bridge],
            memory_size=memory_size,
            encoder_layers=encoder.final_layers,
            encoder_parts=encoder.final_parts,
        ),
        readout_dropout=dropout.readout,
        cell=plan.cell,
        hidden_size=hidden_size,
        **dict(plan.settings),
    )
    target_table = build_embedding_table(TARGET_VOCAB, embedding_size)
    source_vocab = TARGET_VOCAB if tied == "all" else SOURCE_VOCAB
    source_table = target_table if tied == "all" else build_embedding_table(source_vocab, embedding_size)
    made_head = HEADS[head](
        readout_size=decoder.readout_size,
        vocabulary_size=TARGET_VOCAB,
        embedding_size=embedding_size,
        context_size=memory_size,
        embedding=None if tied == "none" else target_table,
    )
    return Seq2Seq(
        source=Tokens(embedding=Embedding(source_table, word_dropout=dropout.source_words, dropout=dropout.embedding)),
        target=Embedding(target_table, word_dropout=dropout.target_words, dropout=dropout.embedding),
        encoder=encoder,
        decoder=decoder,
        head=wrap_head(made_head, getattr(chosen, "selection", Selection())),
    ).eval()


def compute_logits(model: Seq2Seq, source: Tensor, lengths: Tensor, target_input: Tensor) -> Tensor:
    """The logits of a model whose head is a softmax, PAD as it comes."""
    assert isinstance(model.head, SoftmaxHead)
    return model.head.compute_logits(model(source, lengths, target_input))


def make_zero_bridge(*, hidden_size: int, layers: int, parts: int) -> Bridge:
    """A bridge from no encoder, for decoders whose first carries a test chooses itself."""
    sizes = {"hidden_size": hidden_size, "layers": layers, "parts": parts}
    return BRIDGES["zero"](memory_size=MEMORY_SIZE, encoder_layers=0, encoder_parts=0, **sizes)


def find_missing_gradients(module: nn.Module) -> list[str]:
    """Names of the parameters that are learnt and whose gradient is missing, not finite, or zero everywhere."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
        and (parameter.grad is None or not parameter.grad.isfinite().all() or not parameter.grad.any())
    ]
