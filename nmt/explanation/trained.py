"""What a trained model computes where it translates: its attention is asked again, its parts apart."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import torch
from torch import nn

from nmt.attention.attention import Attention
from nmt.attention.scored import ScoredAttention
from nmt.data.batching import pad
from nmt.data.sources.reader import SourceItem
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError, ModelError
from nmt.explanation.explain import check_place, explain
from nmt.explanation.look import Question, look_at_all
from nmt.explanation.scene import Scene
from nmt.kernels.switch import KERNELS, disable_kernels
from nmt.model.decoders.recurrent import RecurrentDecoder
from nmt.model.seq2seq import Seq2Seq
from nmt.report.explanation import Explanation, shorten_explanation
from nmt.special_tokens import BOS
from nmt.translation.attention_maps import find_map
from nmt.trees import tree_map

Kind = Literal["source", "decoder", "encoder"]
"""source: from the translation to the source. decoder, encoder: between the words of one side."""

BOS_WORD, EOS_WORD = "<s>", "</s>"


class Translated(NamedTuple):
    """A source and its translation as pieces, neither with EOS, and the text of the translation."""

    source: SourceItem
    target: Sequence[int]
    text: str


class Choice(NamedTuple):
    """What is explained. query: the decoder step from 0, or its piece; of the encoder, a source position. layer: from
    1; None for the one whose alignment is shown. head: from 1."""

    query: int | str
    head: int = 1
    layer: int | None = None
    kind: Kind = "source"


@torch.inference_mode()
def explain_translation(
    model: Seq2Seq, tokenizers: Tokenizers, translated: Translated, choice: Choice, *, max_columns: int = 8
) -> Explanation:
    """One step of a model that is made to produce its translation. All is computed without fast kernels.

    Raises ModelError where the model has no such attention, and ConfigError for a position, head or layer that is not
    there.
    """
    attention, layer = find_attention(model, choice)
    source = [*tokenizers.source.label(translated.source), EOS_WORD]
    target = [*tokenizers.target.convert_ids_to_pieces(translated.target), EOS_WORD]
    asks = source if choice.kind == "encoder" else target
    read = [BOS_WORD, *target[:-1]] if choice.kind == "decoder" else source
    query = find_query(choice.query, asks)
    check_place("head", choice.head, attention.heads, first=1)
    with disable_kernels(*KERNELS), record_questions(attention) as questions:
        force(model, translated)
        seen = look_at_all(attention, questions)
    scene = Scene(
        attention=attention,
        look=seen,
        head=choice.head - 1,
        source=read,
        target=asks,
        query=query,
        max_columns=max_columns,
    )
    facts = [
        ("word", asks[query]),
        ("position", f"{query} of 0 to {len(asks) - 1}"),
        *([("layer", f"{layer} of 1 to {len(list_attentions(model, choice.kind))}")] if layer is not None else []),
        ("head", f"{choice.head} of 1 to {attention.heads}"),
    ]
    found = explain(scene, title=TITLES[choice.kind], facts=facts, translation=translated.text)
    return shorten_explanation(found)


TITLES: dict[Kind, str] = {
    "source": "Attention to the source, number by number",
    "decoder": "Attention to the words before, number by number",
    "encoder": "Attention between source words, number by number",
}


def force(model: Seq2Seq, translated: Translated) -> None:
    """Has the model produce a translation, position by position."""
    source, lengths = (each.to(model.device) for each in pad([translated.source]))
    target_input = torch.tensor([[BOS, *translated.target]], device=model.device)
    model(source, lengths, target_input)


def find_query(wanted: int | str, pieces: Sequence[str]) -> int:
    """The position that is meant: a number, or the first piece that is, or begins, this word. Raises ConfigError."""
    if isinstance(wanted, int):
        check_place("position", wanted, len(pieces))
        return wanted
    for candidate in (wanted, f"▁{wanted}"):
        if candidate in pieces:
            return pieces.index(candidate)
    begun = [place for place, piece in enumerate(pieces) if len(piece) > 1 and f"▁{wanted}".startswith(piece)]
    if begun:
        return begun[-1]
    listed = ", ".join(f"{place} {piece}" for place, piece in enumerate(pieces))
    raise ConfigError(f"position={wanted} is no piece of these, nor a number of one: {listed}.")


# Where attention is -----------------------------------------------------------------------------------------------


def find_attention(model: Seq2Seq, choice: Choice) -> tuple[ScoredAttention, int | None]:
    """The attention that is meant, and its layer from 1 where there are several. Raises ModelError and ConfigError."""
    if choice.kind == "source" and not model.has_attention:
        raise ModelError("This model has no attention (attention=none), so there is nothing to explain.")
    attentions = list_attentions(model, choice.kind)
    if not attentions:
        raise ModelError(
            f"kind={choice.kind} explains attention between the words of one side, and the {choice.kind} of this model "
            "has none. Leave kind= out."
        )
    if choice.kind == "source" and isinstance(model.decoder, RecurrentDecoder):
        if choice.layer not in (None, 1):
            raise ConfigError(f"layer={choice.layer} is not there: this decoder has one attention. Leave layer= out.")
        return check_scored(model.decoder.attention), None
    shown = len(attentions) if choice.kind == "encoder" else model.decoder.aligned_layer + 1
    layer = shown if choice.layer is None else choice.layer
    check_place("layer", layer, len(attentions), first=1)
    return check_scored(attentions[layer - 1]), layer


def list_attentions(model: Seq2Seq, kind: Kind) -> list[Attention]:
    """The attentions of a kind, that of the first layer first."""
    modules = model.named_modules()
    return [module for name, module in modules if isinstance(module, Attention) and find_map(name) == kind]


def check_scored(attention: nn.Module) -> ScoredAttention:
    """The attention, where it has parts. Raises ModelError."""
    if not isinstance(attention, ScoredAttention):
        raise ModelError(
            f"{type(attention).__name__} has no parts that could be explained. nmt-align "
            "heatmaps.maps=true draws where it looked."
        )
    return attention


@contextmanager
def record_questions(attention: ScoredAttention) -> Iterator[list[Question]]:
    """Inside, the list fills with what the attention is asked."""
    questions: list[Question] = []

    def record(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        question = Question(*arguments, **{key: value for key, value in named.items() if key in Question._fields})
        questions.append(tree_map(question, torch.clone))

    handle = attention.register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield questions
    finally:
        handle.remove()
