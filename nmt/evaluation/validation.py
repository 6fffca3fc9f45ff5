"""How good a model is on held-out pairs: loss, scores of translations, and alignment error where gold links exist."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from nmt.data.batching import in_order
from nmt.data.corpus import Bitext
from nmt.data.encoded import Tokenized
from nmt.evaluation.alignment import AlignmentScores, Gold, error_rate, extract, parse, to_words
from nmt.evaluation.bleu import Score, bleu, chrf
from nmt.evaluation.bleu_tokens import DEFAULT
from nmt.evaluation.measures import Aligned, is_punctuation, measure
from nmt.evaluation.probes import Probes, picture
from nmt.special_tokens import PAD
from nmt.translation.translator import Position, Translation, Translator, forced
from nmt.trees import to_device


@dataclass(frozen=True)
class Report:
    """What one validation found. `values`: metric -> number; `scores`: those with a signature; `measures`: those of
    attention, by names such as `attention.forced.entropy`."""

    values: dict[str, float]
    scores: dict[str, Score]
    hypotheses: list[str]
    pictures: list[dict[str, Any]]
    measures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Validator:
    """Held-out pairs and how to look at them; the same sentences every time. tokenize: that of BLEU."""

    translator: Translator
    pairs: Tokenized
    text: Bitext
    probes: Probes
    sentences: int | None = None
    tokens: int = 4096
    tokenize: str = DEFAULT

    def __call__(self) -> Report:
        """Validates the translator's model as it is now, without dropout; leaves it in the mode in which it was."""
        model = self.translator.model
        training = model.training
        model.eval()
        try:
            return self._report()
        finally:
            model.train(training)

    def _report(self) -> Report:
        nll = self.nll()
        source, target = self.text.source[: self.sentences], self.text.target[: self.sentences]
        translations = self.translator.translate(source, progress=True)
        hypotheses = [translation.text for translation in translations]
        scores = {"bleu": bleu(hypotheses, target, tokenize=self.tokenize), "chrf": chrf(hypotheses, target)}
        values = {"loss": nll, "perplexity": perplexity(nll)}
        values |= {name: score.value for name, score in scores.items()}
        if not self.translator.model.has_attention:
            return Report(values, scores, hypotheses, [])
        attention = given(self.translator, source, target)
        measures = measured("forced", attention)
        measures |= measured("free", chosen(self.translator, source, translations))
        gold = None if self.text.links is None else parse(self.text.links[: self.sentences], name="the gold links")
        if gold:
            values["aer"] = linked(attention, gold, position="predicted").aer
            measures["attention.forced.aer_read"] = linked(attention, gold, position="read").aer
        shown = self.probes.choose(source)
        pictures = [
            picture(
                self.translator.tokenizers,
                source[i],
                translations[i],
                target[i],
                attention[i],
                None if gold is None else gold[i],
            )
            for i in shown
        ]
        return Report(values, scores, hypotheses, [found for found in pictures if found], measures)

    @torch.inference_mode()
    def nll(self) -> float:
        """-log p(word) in nats, averaged over target words, END included; not smoothed."""
        model = self.translator.model
        total, words = torch.zeros((), dtype=torch.float64), 0
        for batch in in_order(self.pairs, self.tokens):
            on_device = to_device(batch, model.output.weight.device)
            real = on_device.wanted != PAD
            readout = model(on_device.source, on_device.source_lengths, on_device.read)[real]
            logits = model.output(readout)
            found = torch.nn.functional.cross_entropy(logits, on_device.wanted[real], reduction="sum")
            total += found.cpu().double()
            words += int(real.sum())
        return float(total) / words


def perplexity(nll: float) -> float:
    """exp(nll): as many words, all alike, would be as hard to guess. Infinity where no number is so large."""
    try:
        return math.exp(nll)
    except OverflowError:
        return math.inf


# Attention --------------------------------------------------------------------------------------------------------


def given(translator: Translator, source: Sequence[str], target: Sequence[str]) -> list[Aligned]:
    """The attention of a model that is made to produce given translations, in their order."""
    tokenizers = translator.tokenizers
    sources, targets = ([t.words(line) for line in side] for t, side in zip(tokenizers, (source, target), strict=True))
    pairs = [(s[0], t[0]) for s, t in zip(sources, targets, strict=True)]
    weights = forced(translator.model, pairs, position="predicted", tokens=translator.tokens)
    return [Aligned(w, s[1], t[1], marks(translator, s[0])) for w, s, t in zip(weights, sources, targets, strict=True)]


def chosen(translator: Translator, source: Sequence[str], translations: Sequence[Translation]) -> list[Aligned]:
    """The attention of the translations that the search chose, as it was when they were searched; those of empty lines
    and of searches that keep no weights are left out."""
    found = []
    for line, translation in zip(source, translations, strict=True):
        best = translation.hypotheses[0] if translation.hypotheses else None
        if best is not None and best.weights is not None:
            ids, words = translator.tokenizers.source.words(line)
            target_words = translator.tokenizers.target.words_of(best.tokens)
            found.append(Aligned(best.weights, words, target_words, marks(translator, ids)))
    return found


def marks(translator: Translator, ids: Sequence[int]) -> list[bool]:
    """Which of a source's pieces are punctuation."""
    return [is_punctuation(piece) for piece in translator.tokenizers.source.pieces(ids)]


def measured(way: str, attention: Sequence[Aligned]) -> dict[str, float]:
    """The measures of attention, named for how the translations came about: `forced` or `free`."""
    return {f"attention.{way}.{name}": value for name, value in measure(attention).items()}


def between_words(pair: Aligned, *, position: Position) -> Float[ndarray, "target source"]:
    """The weights between words, END left out, read where a piece is predicted or one step later, where it is read."""
    first = 0 if position == "predicted" else 1
    return to_words(pair.weights[first : len(pair.target_words) + first], pair.target_words, pair.source_words)


def word_alignments(
    translator: Translator, source: Sequence[str], target: Sequence[str], *, position: Position
) -> list[Float[ndarray, "target source"]]:
    """Weights between the whitespace words of given pairs, in their order."""
    return [between_words(pair, position=position) for pair in given(translator, source, target)]


def linked(attention: Sequence[Aligned], gold: Sequence[Gold], *, position: Position) -> AlignmentScores:
    """How good the links from each target word to the source word with the highest weight are."""
    return error_rate([extract(between_words(pair, position=position)) for pair in attention], gold)


def alignment_scores(
    translator: Translator, source: Sequence[str], target: Sequence[str], gold: Sequence[Gold], *, position: Position
) -> AlignmentScores:
    """How good the links of given pairs are, which are force-decoded."""
    return linked(given(translator, source, target), gold, position=position)
