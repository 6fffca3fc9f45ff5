"""Several models made ready as one: what differs between them stays with each."""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Int, Shaped
from torch import Tensor

from nmt.errors import ConfigError
from nmt.search.ensemble import build_ensemble
from nmt.search.protocols import Step
from nmt.translation.decoder_step import Vocabulary
from nmt.translation.stepper import InferenceModel, StepInputs


class Ensemble:
    """Engines over one vocabulary, as `BatchTranslator` uses an engine: the steps' distribution is the mean of theirs.

    Memory and state are tuples with one entry an engine, of whatever kind and size each has. Raises ConfigError where
    there is no engine.
    """

    def __init__(self, engines: Sequence[InferenceModel]) -> None:
        if not engines:
            raise ConfigError("an ensemble needs at least one model; got none.")
        self.engines = tuple(engines)

    @property
    def is_quadratic(self) -> bool:
        """Whether any of the models is."""
        return any(engine.is_quadratic for engine in self.engines)

    def encode(
        self, source: Shaped[Tensor, "row source *feature"], lengths: Int[Tensor, " row"], vocabulary: Vocabulary
    ) -> tuple[tuple[StepInputs, ...], tuple[Any, ...]]:
        """What each is given to its steps, and the state of each before the first."""
        read = [engine.encode(source, lengths, vocabulary) for engine in self.engines]
        return tuple(given for given, _ in read), tuple(state for _, state in read)

    def stepper(self, vocabulary: Vocabulary, *, keep_weights: bool = True) -> Step:
        """The mean of all steps over a vocabulary, each renormalized to it before it is averaged.

        With keep_weights, the mean of their weights too.
        """
        return build_ensemble([engine.stepper(vocabulary, keep_weights=keep_weights) for engine in self.engines])
