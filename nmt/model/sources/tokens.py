"""Sources that are text: a position is a token of the vocabulary."""

from jaxtyping import Int
from torch import Tensor

from nmt import masks
from nmt.model.embedding import Embedding
from nmt.model.sources.frontend import Frontend, FrontendOutput


class Tokens(Frontend):
    """x_s = E[token s]"""

    def __init__(self, *, embedding: Embedding) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, source: Int[Tensor, "row source"], lengths: Int[Tensor, " row"]) -> FrontendOutput:
        return FrontendOutput(self.embedding(source), lengths, masks.mask(lengths, source.shape[1]))
