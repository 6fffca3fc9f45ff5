"""A vocabulary for the target alone, where source lines are no text."""

from collections.abc import Sequence
from typing import Any

from nmt.data.sources.reader import FeatureReader
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizer, Tokenizers


class TargetOnly(SentencePieceTrainer):
    """Learns the target's vocabulary as `trainer` does, and has `reader` read the source."""

    def __init__(self, reader: FeatureReader, trainer: SentencePieceTrainer) -> None:
        self.reader = reader
        self.trainer = trainer
        self.joint = False
        self.sampling = trainer.sampling

    def get_identity(self) -> dict[str, Any]:
        return {**self.trainer.get_identity(), "joint": False, "source": self.reader.serialized.decode()}

    def train(self, source: Sequence[str], target: Sequence[str]) -> Tokenizers:
        """Raises LineError first for sources that cannot be read, as far as that can be told fast."""
        self.reader.check(source)
        return Tokenizers(self.reader, self.trainer.train_target(target))

    def load(self, source: bytes | None, target: bytes | None) -> Tokenizers:
        assert target is not None
        return Tokenizers(self.reader, Tokenizer.load(target, sampling=self.sampling))
