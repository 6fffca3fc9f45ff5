"""Vocabularies that are not learnt from the corpus, but come from elsewhere."""

import hashlib
from collections.abc import Sequence
from typing import Any

from nmt.data.tokenizer import SentencePieceTrainer, Tokenizer, Tokenizers


class PretrainedTokenizers(SentencePieceTrainer):
    """Stands where a vocabulary would be learnt, and has these `tokenizers`."""

    def __init__(self, tokenizers: Tokenizers, *, sampling: float) -> None:
        assert isinstance(tokenizers.source, Tokenizer)
        self.joint = tokenizers.source is tokenizers.target
        self.sampling = sampling
        models = [tokenizer.serialized for tokenizer in tokenizers[: 1 if self.joint else 2]]
        made = [Tokenizer(model, sampling=sampling) for model in models]
        self.tokenizers = Tokenizers(made[0], made[-1])

    def get_identity(self) -> dict[str, Any]:
        models = [tokenizer.serialized for tokenizer in self.tokenizers[: 1 if self.joint else 2]]
        return {"given": [hashlib.sha256(model).hexdigest() for model in models]}

    def train(self, source: Sequence[str], target: Sequence[str]) -> Tokenizers:
        return self.tokenizers

    def train_target(self, target: Sequence[str]) -> Tokenizer:
        return self.tokenizers.target
