"""How good a model is on held-out pairs: loss, scores of translations, and alignment error where gold links exist."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from jaxtyping import Float
from numpy import ndarray

from nmt.data.batching import iterate_validation_batches
from nmt.data.corpus import Bitext, Measure, Trace
from nmt.data.encoded import TokenizedBitext
from nmt.data.sources.reader import SourceItem
from nmt.evaluation.alignment import (
    AlignmentScores,
    Gold,
    extract_argmax_links,
    parse_pharaoh,
    score_alignments,
    to_words,
)
from nmt.evaluation.bleu import CorpusScore, bleu, chrf
from nmt.evaluation.bleu_tokens import DEFAULT_TOKENIZER
from nmt.evaluation.by_corpus import TargetLanguage, group_by_corpus, score_corpora
from nmt.evaluation.copies import compute_copied, find_copies
from nmt.evaluation.measures import PairAttention, compute_measures, is_punctuation
from nmt.evaluation.pointing import measure_pointing
from nmt.evaluation.probes import Probes, make_probe_record
from nmt.kernels.cross_entropy import word_indices
from nmt.translation.attention_maps import AttentionMaps, compute_attention_maps
from nmt.translation.translator import BatchTranslator, Position, SearchResult, force_decode
from nmt.trees import to_device


@dataclass(frozen=True)
class ValidationResult:
    """What one validation found. `values`: metric -> number; `scores`: those with a signature; `measures`: those of
    attention, by names such as `attention.forced.entropy`; `maps`: all weights of each probe, where they are wanted."""

    values: dict[str, float]
    scores: dict[str, CorpusScore]
    hypotheses: list[str]
    probe_records: list[dict[str, Any]]
    measures: dict[str, float] = field(default_factory=dict)
    maps: list[AttentionMaps] = field(default_factory=list)


@dataclass(frozen=True)
class Validator:
    """Held-out pairs and how to look at them; the same sentences every time. tokenize: that of BLEU."""

    translator: BatchTranslator
    pairs: TokenizedBitext
    text: Bitext
    probes: Probes
    sentences: int | None = None
    tokens: int = 4096
    tokenize: str = DEFAULT_TOKENIZER
    measure: Measure | None = None
    """What the task measures of its hypotheses, where it is one."""
    trace: Trace | None = None
    """What the task has drawn of a hypothesis."""
    languages: Mapping[str, TargetLanguage] = field(default_factory=dict)
    """Of the corpora of a mixture, whose scores are computed for each as well."""

    def __call__(self) -> ValidationResult:
        """Validates the translator's model as it is now, without dropout; leaves it in the mode in which it was."""
        model = self.translator.model
        training = model.training
        model.eval()
        try:
            return self._validate()
        finally:
            model.train(training)

    def _validate(self) -> ValidationResult:
        losses = self.compute_losses()
        source, target = self.text.source[: self.sentences], self.text.target[: self.sentences]
        translations = self.translator.translate(source, progress=True)
        attention = None
        if self.translator.model.has_attention:
            attention = compute_forced_attention(self.translator, source, target)
        # All processes have the same translations and weights; what is decided by them is to be the same to the bit.
        ranks = self.translator.ranks
        result = ranks.work(lambda: self._judge(losses, translations, attention))
        return replace(result, values=ranks.take_first(result.values))

    def _judge(
        self,
        losses: Mapping[str, float],
        translations: Sequence[SearchResult],
        attention: Sequence[PairAttention] | None,
    ) -> ValidationResult:
        """The scores of the translations, and the measures of attention."""
        source, target = self.text.source[: self.sentences], self.text.target[: self.sentences]
        hypotheses = [translation.text for translation in translations]
        scores = {"bleu": bleu(hypotheses, target, tokenize=self.tokenize), "chrf": chrf(hypotheses, target)}
        corpora = None if self.text.corpora is None else self.text.corpora[: self.sentences]
        scores |= score_corpora(hypotheses, target, corpora, self.languages)
        values = {"loss": losses["loss"], "perplexity": perplexity(losses["loss"]), **losses}
        values |= {name: score.value for name, score in scores.items()} | {"exact": compute_exact(hypotheses, target)}
        if self.measure is not None:
            values |= self.measure(source, hypotheses, target)
        if all(copies := find_copies(source, target)):
            values["copied"] = compute_copied(hypotheses, copies)
        if attention is None:
            return ValidationResult(values, scores, hypotheses, [])
        measures = compute_named_measures("forced", attention)
        measures |= compute_named_measures("free", collect_search_attention(self.translator, source, translations))
        gold = (
            None
            if self.text.alignments is None
            else parse_pharaoh(self.text.alignments[: self.sentences], name="the gold links")
        )
        if gold:
            values["aer"] = score_attention_links(attention, gold, position="predicted").aer
            measures["attention.forced.aer_read"] = score_attention_links(attention, gold, position="read").aer
        measures |= {f"attention.forced.{name}": value for name, value in self._point(source, attention).items()}
        probes, maps = self._make_probes(source, translations, target, attention, gold)
        return ValidationResult(values, scores, hypotheses, probes, measures, maps)

    def _make_probes(
        self,
        source: Sequence[str],
        translations: Sequence[SearchResult],
        target: Sequence[str],
        attention: Sequence[PairAttention],
        gold: Sequence[Gold] | None,
    ) -> tuple[list[dict[str, Any]], list[AttentionMaps]]:
        """What the pictures of the chosen sentences show, and the weights of every layer and head, where asked for."""
        shown = self.probes.choose(source, self.translator.tokenizers.source)
        marks = {"monotonic": True} if self.translator.model.decoder.attention.is_monotonic else {}
        pictures = [
            make_probe_record(
                self.translator.tokenizers,
                source[i],
                translations[i],
                target[i],
                attention[i],
                None if gold is None else gold[i],
                None if self.text.boxes is None else self.text.boxes[i],
            )
            for i in shown
        ]
        maps = [
            self._compute_maps(source[i], translations[i])
            for i, found in zip(shown, pictures, strict=True)
            if found and self.probes.maps
        ]
        traces = [
            {} if self.trace is None else self.trace(source[i], translations[i].text, target[i])
            for i, found in zip(shown, pictures, strict=True)
            if found
        ]
        return [found | marks | traced for found, traced in zip(filter(None, pictures), traces, strict=True)], maps

    def _point(self, source: Sequence[str], attention: Sequence[PairAttention]) -> dict[str, float]:
        """Whether attention to pictures lies on what words name, where that is known."""
        boxes = None if self.text.boxes is None else self.text.boxes[: self.sentences]
        weights = [get_word_weights(pair, position="predicted") for pair in attention]
        return measure_pointing(self.translator.tokenizers.source, source, boxes, weights)

    def _compute_maps(self, source: str, translation: SearchResult) -> AttentionMaps:
        """The weights of every layer and head when a translation is produced once more."""
        ids = self.translator.tokenizers.source.encode_with_words(source)[0]
        return compute_attention_maps(self.translator.model, ids, translation.hypotheses[0].tokens)

    def compute_losses(self) -> dict[str, float]:
        """-log p(word) in nats, averaged over target words, EOS included; not smoothed. loss: of all pairs; loss.NAME:
        of those of each corpus, where there are several."""
        groups = group_by_corpus(self.text.corpora)
        if not groups:
            return {"loss": self.compute_nll()}
        sums = {name: self._sum_losses(self.pairs.take(places)) for name, places in groups.items()}
        total, words = (sum(each) for each in zip(*sums.values(), strict=True))
        return {"loss": total / words} | {f"loss.{name}": nll / count for name, (nll, count) in sums.items()}

    def compute_nll(self) -> float:
        """That of all pairs."""
        total, words = self._sum_losses(self.pairs)
        return total / words

    @torch.inference_mode()
    def _sum_losses(self, pairs: TokenizedBitext) -> tuple[float, int]:
        """-log p of some pairs, summed over words, and how many words they have."""
        ranks = self.translator.ranks
        own = ranks.work(lambda: list(self._compute_batch_losses(pairs, ranks.part)))
        shares = [found for found, _ in ranks.gather(own)]
        # In the order of the batches, so that the sum does not depend on the number of processes.
        losses = [loss for turn in itertools.zip_longest(*shares) for loss in turn if loss is not None]
        total, words = 0.0, 0
        for nll, count in losses:
            total, words = total + nll, words + count
        return total, words

    def _compute_batch_losses(self, pairs: TokenizedBitext, part: slice) -> Iterator[tuple[float, int]]:
        """-log p of a part of all batches, summed over words, and how many words each has."""
        model = self.translator.model
        for batch in iterate_validation_batches(pairs, self.tokens, is_quadratic=model.is_quadratic, part=part):
            indices = word_indices(batch.target_output)
            on_device = to_device(batch, model.device)
            inputs = model(on_device.source, on_device.source_lengths, on_device.target_input)
            loss = model.compute_loss(inputs, on_device.target_output, indices=to_device(indices, model.device))
            yield float(loss.nll), len(loss.word_nll)


def compute_exact(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """The share of hypotheses that have the words of their reference, in percent."""
    same = sum(a.split() == b.split() for a, b in zip(hypotheses, references, strict=True))
    return 100 * same / max(len(references), 1)


def perplexity(nll: float) -> float:
    """exp(nll): as many words, all alike, would be as hard to guess. Infinity where no number is so large."""
    try:
        return math.exp(nll)
    except OverflowError:
        return math.inf


# Attention --------------------------------------------------------------------------------------------------------


def compute_forced_attention(
    translator: BatchTranslator, source: Sequence[str], target: Sequence[str]
) -> list[PairAttention]:
    """The attention of a model that is made to produce given translations, in their order."""
    tokenizers = translator.tokenizers
    sources = [tokenizers.source.encode_with_words(line) for line in source]
    targets = [tokenizers.target.encode_with_words(line) for line in target]
    pairs = [(s[0], t[0]) for s, t in zip(sources, targets, strict=True)]
    weights = force_decode(
        translator.model, pairs, position="predicted", tokens=translator.tokens, ranks=translator.ranks
    )
    return [
        PairAttention(w, s[1], t[1], mask_punctuation(translator, s[0]))
        for w, s, t in zip(weights, sources, targets, strict=True)
    ]


def collect_search_attention(
    translator: BatchTranslator, source: Sequence[str], translations: Sequence[SearchResult]
) -> list[PairAttention]:
    """The attention of the translations that the search chose, as it was when they were searched; those of empty lines
    and of searches that keep no weights are left out."""
    found = []
    for line, translation in zip(source, translations, strict=True):
        best = translation.hypotheses[0] if translation.hypotheses else None
        if best is not None and best.weights is not None:
            ids, words = translator.tokenizers.source.encode_with_words(line)
            target_words = translator.tokenizers.target.get_word_indices(best.tokens)
            found.append(PairAttention(best.weights, words, target_words, mask_punctuation(translator, ids)))
    return found


def mask_punctuation(translator: BatchTranslator, ids: SourceItem) -> list[bool]:
    """Which of a source's pieces are punctuation."""
    source = translator.tokenizers.source
    return [source.reads_text and is_punctuation(piece) for piece in source.label(ids)]


def compute_named_measures(way: str, attention: Sequence[PairAttention]) -> dict[str, float]:
    """The measures of attention, named for how the translations came about: `forced` or `free`."""
    return {f"attention.{way}.{name}": value for name, value in compute_measures(attention).items()}


def get_word_weights(pair: PairAttention, *, position: Position) -> Float[ndarray, "target source"]:
    """The weights between words, EOS left out, read where a piece is predicted or one step later, where it is read."""
    first = 0 if position == "predicted" else 1
    return to_words(pair.weights[first : len(pair.target_words) + first], pair.target_words, pair.source_words)


def compute_word_alignments(
    translator: BatchTranslator, source: Sequence[str], target: Sequence[str], *, position: Position
) -> list[Float[ndarray, "target source"]]:
    """Weights between the whitespace words of given pairs, in their order."""
    return [get_word_weights(pair, position=position) for pair in compute_forced_attention(translator, source, target)]


def score_attention_links(
    attention: Sequence[PairAttention], gold: Sequence[Gold], *, position: Position
) -> AlignmentScores:
    """How good the links from each target word to the source word with the highest weight are."""
    return score_alignments(
        [extract_argmax_links(get_word_weights(pair, position=position)) for pair in attention], gold
    )


def score_forced_alignments(
    translator: BatchTranslator,
    source: Sequence[str],
    target: Sequence[str],
    gold: Sequence[Gold],
    *,
    position: Position,
) -> AlignmentScores:
    """How good the links of given pairs are, which are force-decoded."""
    return score_attention_links(compute_forced_attention(translator, source, target), gold, position=position)
