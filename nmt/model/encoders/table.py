"""The encoders that `model/encoder` chooses from."""

from nmt.model.encoders.cascade import CascadeEncoder
from nmt.model.encoders.embedding import EmbeddingEncoder
from nmt.model.encoders.encoder import Encoder
from nmt.model.encoders.recurrent import RecurrentEncoder
from nmt.model.encoders.snail import SnailEncoder
from nmt.model.encoders.transformer import TransformerEncoder

ENCODERS: dict[str, type[Encoder]] = {
    "recurrent": RecurrentEncoder,
    "transformer": TransformerEncoder,
    "cascade": CascadeEncoder,
    "embedding": EmbeddingEncoder,
    "snail": SnailEncoder,
}
