"""What is measured, and how much of it."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

VARIANTS: dict[str, tuple[str, ...]] = {
    "luong, luong_general, input feeding": (),
    "luong, luong_general, input feeding, bfloat16": ("training.precision=bfloat16",),
    "luong, luong_general, no input feeding": ("model.decoder.input_feeding=false",),
    "luong, bahdanau": ("attention=bahdanau",),
    "luong, luong_local_m": ("attention=luong_local_m",),
    "luong, luong_local_p": ("attention=luong_local_p",),
    "luong, multi_head": ("attention=multi_head",),
    "luong, entmax15": ("attention=entmax15",),
    "bahdanau, bahdanau, GRU": ("model/decoder=bahdanau", "attention=bahdanau", "model/bridge=dense"),
    "conditional, bahdanau, GRU": ("model/decoder=conditional", "attention=bahdanau", "model/bridge=dense"),
}
"""Decoder, attention, cell where it is not an LSTM, and precision where it is not float32."""

PEER_VARIANTS = ("luong, luong_general, input feeding", "luong, bahdanau")
"""The variants that peers have: those of `ATTENTIONS`, in that order."""

STAGE_VARIANTS = (*list(VARIANTS)[:4], "bahdanau, bahdanau, GRU")
"""The variants whose time is taken apart."""


class TranslationMode(NamedTuple):
    """One way of translating: settings of nmt-translate. alone: whether also one sentence at a time."""

    search: Mapping[str, Any]
    precision: str = "float32"
    shortlist: str = "none"
    has_latency: bool = True

    @property
    def arguments(self) -> list[str]:
        """The same for a command line."""
        name, *more = self.search.items()
        search = [f"search={name[1]}", *(f"search.{key}={value}" for key, value in more)]
        return [*search, f"precision={self.precision}", f"shortlist={self.shortlist}"]


BEAM = {"name": "beam", "size": 5}

PEER_MODE = "beam 5"
"""The way that peers have too."""

TRANSLATION_MODES: dict[str, TranslationMode] = {
    "greedy": TranslationMode({"name": "greedy"}),
    PEER_MODE: TranslationMode(BEAM),
    "beam 5, bfloat16": TranslationMode(BEAM, precision="bfloat16", has_latency=False),
    "beam 5, int8": TranslationMode(BEAM, precision="int8", has_latency=False),
    "beam 5, shortlist": TranslationMode(BEAM, shortlist="lexical", has_latency=False),
    "beam 5, bfloat16, shortlist": TranslationMode(BEAM, precision="bfloat16", shortlist="lexical", has_latency=False),
    "beam 5, int8, shortlist": TranslationMode(BEAM, precision="int8", shortlist="lexical"),
}


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured. seconds: of training in a turn; learn: of training the models that translate."""

    rounds: int = 2
    seconds: float = 8.0
    learn: float = 150.0
    sentences: int = 1000
    latency_sentences: int = 100
    batches: tuple[int, ...] = (32, 64, 128)
    repeats: int = 3
    growth: Mapping[str, tuple[int, ...]] = dataclasses.field(
        default_factory=lambda: {
            "source": (5, 10, 20, 40, 80),
            "vocabulary": (2000, 4000, 8000, 16000, 32000),
            "hidden": (128, 256, 512, 1024),
            "beam": (1, 2, 5, 10, 20),
            "length": (5, 10, 20, 40, 80),
        }
    )
    variants: tuple[str, ...] = tuple(VARIANTS)
    stage_variants: tuple[str, ...] = STAGE_VARIANTS
    pairs: tuple[int, ...] = (10_000, 40_000, 160_000)

    @classmethod
    def make_quick(cls) -> "Effort":
        """Enough for every table, and for no conclusion."""
        ends = {name: (points[0], points[2]) for name, points in cls().growth.items()}
        return cls(
            rounds=1,
            seconds=0.5,
            learn=10.0,
            sentences=100,
            latency_sentences=10,
            batches=(64,),
            repeats=1,
            growth=ends,
            variants=STAGE_VARIANTS,
            stage_variants=STAGE_VARIANTS[:1],
            pairs=(2_000, 8_000),
        )

    def replace(self, **changed: Any) -> "Effort":
        """The same, but for some of it."""
        return dataclasses.replace(self, **changed)
