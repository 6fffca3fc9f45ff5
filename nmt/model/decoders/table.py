"""The decoders that `model/decoder` chooses from; the recurrent ones differ in when they ask attention."""

from nmt.model.decoders.bahdanau import Bahdanau
from nmt.model.decoders.conditional import Conditional
from nmt.model.decoders.decoder import Decoder
from nmt.model.decoders.luong import Luong
from nmt.model.decoders.ntm import Ntm
from nmt.model.decoders.snail import SnailDecoder
from nmt.model.decoders.transformer import TransformerDecoder

DECODERS: dict[str, type[Decoder]] = {
    "luong": Luong,
    "bahdanau": Bahdanau,
    "conditional": Conditional,
    "ntm": Ntm,
    "transformer": TransformerDecoder,
    "snail": SnailDecoder,
}
