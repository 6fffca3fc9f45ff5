"""How good a model is on held-out pairs: loss, scores of translations, and alignment error where gold links exist."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from nmt.data.batching import in_order
from nmt.data.corpus import Bitext
from nmt.data.tokenized import Tokenized
from nmt.evaluation.alignment import Gold, error_rate, extract, parse, to_words
from nmt.evaluation.bleu import Score, bleu, chrf
from nmt.evaluation.probes import Probes, picture
from nmt.evaluation.translation import Position, Translator, forced
from nmt.model.state import to_device
from nmt.symbols import PAD


@dataclass(frozen=True)
class Report:
    """What one validation found. `values`: metric -> number; `scores`: those with a signature."""

    values: dict[str, float]
    scores: dict[str, Score]
    hypotheses: list[str]
    pictures: list[dict[str, Any]]
    gold: list[Gold | None]


@dataclass(frozen=True)
class Validator:
    """Held-out pairs and how to look at them; the same sentences every time."""

    translator: Translator
    pairs: Tokenized
    text: Bitext
    probes: Probes
    sentences: int | None = None
    tokens: int = 4096

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
        scores = {"bleu": bleu(hypotheses, target), "chrf": chrf(hypotheses, target)}
        values = {"loss": nll, "perplexity": math.exp(min(nll, 700.0))}
        values |= {name: score.value for name, score in scores.items()}
        gold = None if self.text.links is None else parse(self.text.links[: self.sentences], name="the gold links")
        if gold:
            values["aer"] = alignment_error(self.translator, source, target, gold, position="predicted")
        shown = self.probes.choose(source)
        pictures = [picture(self.translator.tokenizers, source[i], translations[i], target[i]) for i in shown]
        return Report(
            values,
            scores,
            hypotheses,
            [found for found in pictures if found],
            [gold[i] if gold else None for i, found in zip(shown, pictures, strict=True) if found],
        )

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
            total += found.double().cpu()
            words += int(real.sum())
        return float(total) / words


def word_alignments(
    translator: Translator, source: Sequence[str], target: Sequence[str], *, position: Position
) -> list[Any]:
    """Weights between the whitespace words of given pairs [target word, source word], in their order."""
    tokenizers = translator.tokenizers
    sources, targets = ([t.words(line) for line in side] for t, side in zip(tokenizers, (source, target), strict=True))
    pairs = [(s[0], t[0]) for s, t in zip(sources, targets, strict=True)]
    weights = forced(translator.model, pairs, position=position, tokens=translator.tokens)
    return [to_words(w, t[1], s[1]) for w, s, t in zip(weights, sources, targets, strict=True)]


def alignment_error(
    translator: Translator, source: Sequence[str], target: Sequence[str], gold: Sequence[Gold], *, position: Position
) -> float:
    """AER of the links from each target word to the source word with the highest weight, pairs being force-decoded."""
    found = word_alignments(translator, source, target, position=position)
    return error_rate([extract(weights) for weights in found], gold).aer
