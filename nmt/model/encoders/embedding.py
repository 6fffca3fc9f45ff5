"""No encoder: the decoder looks at embeddings, which know nothing of their neighbours or of their place."""

from jaxtyping import Bool, Float, Int
from torch import Tensor

from nmt.model.encoders.encoder import Encoded, Encoder
from nmt.model.stack import make_dropout


class EmbeddingEncoder(Encoder):
    """states[s] = dropout(E[x_s])

    A control: equal words have equal states, so what a model knows of order and context comes from its decoder and its
    attention alone. There is no recurrence, so a decoder begins with the mean of the states (model/bridge=mean), or
    with zero.
    """

    def __init__(self, *, embedding_size: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.memory_size = embedding_size
        self.dropout = make_dropout("model.encoder.dropout", dropout)

    def forward(
        self,
        embedded: Float[Tensor, "row source embedding"],
        lengths: Int[Tensor, " row"],
        mask: Bool[Tensor, "row source"],
    ) -> Encoded:
        return Encoded(self.dropout(embedded) * mask.unsqueeze(-1), mask)
