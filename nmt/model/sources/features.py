"""Sources that are sequences of features, and what their frontends have in common."""

from abc import abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt import masks
from nmt.kernels.dropout import Dropout
from nmt.model.sources.frontend import Frontend, FrontendOutput


class FeatureFrontend(Frontend):
    """x_s = embed(item)_s,  x_(n+1) = e

    e is learnt, and the end of every source, as </s> is that of a sentence. dropout: of features of x; word_dropout: of
    whole positions.
    """

    def __init__(self, *, embedding_size: int, dropout: float, word_dropout: float) -> None:
        super().__init__()
        self.end = nn.Parameter(torch.empty(embedding_size))
        nn.init.normal_(self.end, std=embedding_size**-0.5)
        self.dropout = Dropout(dropout)
        self.word_dropout = Dropout(word_dropout)

    @abstractmethod
    def embed(
        self, source: Float[Tensor, "row source *feature"], lengths: Int[Tensor, " row"]
    ) -> Float[Tensor, "row source embedding"]:
        """A vector for each position; those of a source's end and of padding are not used."""

    def forward(self, source: Float[Tensor, "row source *feature"], lengths: Int[Tensor, " row"]) -> FrontendOutput:
        embedded = self.embed(source, lengths)
        places = torch.arange(source.shape[1], device=source.device)
        is_end = (places == lengths.unsqueeze(1) - 1).unsqueeze(-1)
        embedded = torch.where(is_end, self.end.to(embedded.dtype), embedded)
        if self.training and self.word_dropout.p:
            embedded = embedded * self.word_dropout(embedded.new_ones(*source.shape[:2], 1))
        return FrontendOutput(self.dropout(embedded), lengths, masks.mask(lengths, source.shape[1]))
