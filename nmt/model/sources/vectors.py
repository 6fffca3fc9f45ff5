"""Sources that are sequences of vectors: frames of speech, readings of a sensor, points."""

from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.model.sources.features import FeatureFrontend


class Vectors(FeatureFrontend):
    """x_s = W v_s + b   (v: `features` numbers at each position)"""

    def __init__(self, *, features: int, embedding_size: int, dropout: float, word_dropout: float) -> None:
        super().__init__(embedding_size=embedding_size, dropout=dropout, word_dropout=word_dropout)
        self.linear = nn.Linear(features, embedding_size)

    def embed(
        self, source: Float[Tensor, "row source features"], lengths: Int[Tensor, " row"]
    ) -> Float[Tensor, "row source embedding"]:
        embedded: Tensor = self.linear(source)
        return embedded
