"""The model that a config describes."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from nmt import config
from nmt.attention.attention import Attention
from nmt.attention.selection import Sampled
from nmt.build.attention import build_attention
from nmt.build.pointer import check_pointer
from nmt.build.schema import BRIDGE, DECODER, ENCODER, HEAD, SELECTION, SOURCE, get_default
from nmt.data.sources.table import READERS
from nmt.errors import ConfigError
from nmt.model.decoders.decoder import Decoder
from nmt.model.decoders.recurrent import RecurrentDecoder
from nmt.model.decoders.table import DECODERS
from nmt.model.embedding import Embedding, TokenTable, build_embedding_table
from nmt.model.encoders.encoder import Encoder
from nmt.model.heads.head import Head
from nmt.model.heads.table import HEADS, wrap_head
from nmt.model.reinforce import Reinforce
from nmt.model.seq2seq import DropoutRates, Seq2Seq
from nmt.model.sources.frontend import Frontend

MAX_LAYERS = 256
"""The most layers: each costs time to make, even where it takes no memory."""


def build_model(settings: Mapping[str, Any], *, source_vocab: int, target_vocab: int, joint: bool) -> Seq2Seq:
    """The model that `model` and `attention` describe. Raises ConfigError where its parts do not fit together."""
    chosen = settings["model"]
    reads_text = chosen["source"]["name"] not in READERS
    if chosen["tied"] == "all" and reads_text and not joint:
        raise ConfigError(
            "model.tied=all shares one table between source and target, so it needs one vocabulary; tokenizer.joint is "
            "false. Set tokenizer.joint=true or model.tied=target."
        )
    check_sizes(chosen)
    dropout = config.build(DropoutRates, chosen["dropout"])
    embedding_size = chosen["embedding_size"]
    encoder = config.build_variant(ENCODER, chosen["encoder"], embedding_size=embedding_size)
    decoder = build_decoder(settings, encoder, readout_dropout=dropout.readout)
    check_pointer(settings, decoder)
    check_head(HEADS[chosen["head"]["name"]], decoder.attention, joint=joint, reads_text=reads_text)
    target_table = HEADS[chosen["head"]["name"]].build_table(target_vocab, embedding_size)
    source_table = None
    if reads_text:
        is_shared = chosen["tied"] == "all" and not HEADS[chosen["head"]["name"]].points
        source_table = target_table if is_shared else build_embedding_table(source_vocab, embedding_size)
    head = config.build_variant(
        HEAD,
        chosen["head"],
        readout_size=decoder.readout_size,
        vocabulary_size=target_vocab,
        embedding_size=embedding_size,
        context_size=decoder.attention.context_size,
        embedding=None if chosen["tied"] == "none" else target_table,
    )
    selection = config.build_variant(SELECTION, settings["attention"]["selection"])
    return Seq2Seq(
        source=build_frontend(chosen, dropout, source_table),
        target=Embedding(target_table, word_dropout=dropout.target_words, dropout=dropout.embedding),
        encoder=encoder,
        decoder=decoder,
        head=wrap_head(head, selection),
        reinforce=Reinforce.of(selection) if isinstance(selection, Sampled) else None,
    )


def build_frontend(chosen: Mapping[str, Any], dropout: DropoutRates, table: TokenTable | None) -> Frontend:
    """What takes in the source: tokens by their `table`, or features without one."""
    rates = {"word_dropout": dropout.source_words, "dropout": dropout.embedding}
    given = (
        {**rates, "embedding_size": chosen["embedding_size"]}
        if table is None
        else {"embedding": Embedding(table, **rates)}
    )
    frontend: Frontend = config.build_variant(SOURCE, chosen["source"], **given)
    return frontend


def check_sizes(chosen: Mapping[str, Any]) -> None:
    """Raises ConfigError where a size or a number of layers of `model` is out of range."""
    hidden = get_hidden_size(chosen["decoder"])
    for name, size in (("embedding_size", chosen["embedding_size"]), ("decoder.hidden_size", hidden)):
        if size < 1:
            raise ConfigError(f"model.{name} must be at least 1; got {size}.")
    for side, name in (("encoder", "layers"), ("encoder", "blocks"), ("decoder", "layers")):
        if isinstance(layers := chosen[side].get(name, 1), int) and layers > MAX_LAYERS:
            raise ConfigError(f"model.{side}.{name} must be at most {MAX_LAYERS}; got {layers}.")


def get_hidden_size(chosen: Mapping[str, Any]) -> int:
    """That of the decoder that `model.decoder` describes."""
    size: int = chosen.get("hidden_size", get_default(DECODER, chosen, "hidden_size"))
    return size


def build_decoder(settings: Mapping[str, Any], encoder: Encoder, *, readout_dropout: float) -> Decoder:
    """The decoder with its attention, for what this encoder gives; a recurrent one with its bridge."""
    chosen = settings["model"]
    make_attention = partial(
        build_attention,
        settings["attention"],
        query_size=get_hidden_size(chosen["decoder"]),
        memory_size=encoder.memory_size,
        directions=encoder.directions,
    )
    make_bridge = partial(
        config.build_variant,
        BRIDGE,
        chosen["bridge"],
        memory_size=encoder.memory_size,
        encoder_layers=encoder.final_layers,
        encoder_parts=encoder.final_parts,
    )
    decoder: Decoder = config.build_variant(
        DECODER,
        chosen["decoder"],
        embedding_size=chosen["embedding_size"],
        memory_size=encoder.memory_size,
        make_attention=make_attention,
        readout_dropout=readout_dropout,
        **({"bridge": make_bridge} if issubclass(DECODERS[chosen["decoder"]["name"]], RecurrentDecoder) else {}),
    )
    return decoder


def check_head(head: type[Head], attention: Attention, *, joint: bool, reads_text: bool) -> None:
    """Raises ConfigError where a head reads what there is not."""
    if head.points:
        return
    if head.reads_attention and not reads_text:
        raise ConfigError(
            "model/head=copy copies pieces of the source into the target, and this source has none (model/source). "
            "Choose model/head=softmax, or model/source=tokens."
        )
    if head.reads_attention and not attention.has_weights:
        raise ConfigError(
            "model/head=copy copies what attention looks at, and attention=none looks at nothing. Choose another "
            "attention, or model/head=softmax."
        )
    if head.reads_attention and not joint:
        raise ConfigError(
            "model/head=copy copies pieces of the source into the target, so it needs one vocabulary; tokenizer.joint "
            "is false. Set tokenizer.joint=true or model/head=softmax."
        )
