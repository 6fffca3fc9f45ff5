"""Trained models in Python: they translate lines, score given translations, and align words."""

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch

from nmt import build, config
from nmt.arguments import check_choice, check_count, check_lines, check_pairs, check_text, describe
from nmt.data.line_errors import locate_lines
from nmt.data.mix.tags import put_tags
from nmt.data.sources.reader import SourceItem
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError, ModelError
from nmt.evaluation.alignment import reverse as reverse_links
from nmt.evaluation.alignment import symmetrize as symmetrize_links
from nmt.evaluation.extraction import Extraction
from nmt.inference.alignment_method import READS_ATTENTION, AlignmentMethod, check_direction, check_method
from nmt.inference.alignments import (
    align_hypothesis,
    average_attention,
    average_importances,
    build_extraction,
    make_alignment,
)
from nmt.inference.inference import InferenceSettings, build_translator, merge_search
from nmt.inference.parts import truncate
from nmt.inference.prefixes import encode_prefixes
from nmt.inference.results import END_PIECE, Alignment, Translation, TranslationHypothesis, TranslationScore
from nmt.inference.tags import choose_tags
from nmt.kernels.quantized_linear import Precision
from nmt.model_folder import LoadedModel
from nmt.progress import make_bar
from nmt.search.protocols import Hypothesis
from nmt.translation.scoring import PairScore, score_pairs
from nmt.translation.translator import BatchTranslator, Position

CHUNK_LINES = 2000
"""Lines that are sorted by length and translated together."""

Symmetrization = Literal["grow_diag_final_and", "intersection", "union"]


class Translator:
    """One trained model, or an ensemble of several, that translates, scores and aligns; `nmt.load` makes it.

    models: the torch modules. tokenizers: of source and target. source_language, target_language: as the model was
    trained with. Several threads may use it; they take turns. It has no effect on the process: number of threads,
    random numbers and floating-point settings of torch stay as they are.
    """

    def __init__(
        self,
        loaded: Sequence[LoadedModel],
        *,
        work: InferenceSettings,
        precision: Precision = "float32",
        shortlist: Mapping[str, Any],
    ) -> None:
        first, *others = loaded
        self.folders = [each.folder for each in loaded]
        self.models = [each.model for each in loaded]
        self.tokenizers: Tokenizers = first.tokenizers
        self.source_language: str = first.settings["source_language"]
        self.target_language: str = first.settings["target_language"]
        self._first = first
        self._translator = build_translator(first, work, {}, others=others, precision=precision, shortlist=shortlist)
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        folders = ", ".join(str(folder) for folder in self.folders)
        return f"<translation model {self.source_language}-{self.target_language}: {folders}>"

    @property
    def device(self) -> torch.device:
        """Where the model computes."""
        return next(self.models[0].parameters()).device

    # Translating ------------------------------------------------------------------------------------------------------

    def translate(
        self,
        lines: Iterable[str],
        *,
        target: str | None = None,
        tag: str | None = None,
        search: str | Mapping[str, Any] | None = None,
        prefixes: Iterable[str] | None = None,
        alignments: bool = True,
        max_source: int | None = 500,
        progress: bool = False,
    ) -> list[Translation]:
        """A translation of each line, in their order.

        target: the language to translate to, of `targets` where the model has several. tag: another of its tags. Among
        the source pieces of alignments they come first; words are those of the line. search: settings that differ from
        the model's own search, {"size": 8, "nbest": 8}; or another search, by its name or with its name, {"name":
        "sampling", "top_p": 0.9}, whose other settings have their defaults. They are those of the command line.
        prefixes: how each translation must begin, "" where it may begin with anything. alignments: whether translations
        have their attention, which takes memory and some time. max_source: pieces; of a longer line the beginning is
        translated, with a warning in the log. progress: shows a bar.

        Raises ConfigError for a language, a tag or a setting of the search that is wrong, and DataError for what is no
        text, and for prefixes that do not fit.
        """
        lines = check_lines("lines", lines)
        if prefixes is not None:
            lines, prefixes = check_pairs(lines, prefixes, "lines", "prefixes")
        check_count("max_source", max_source, optional=True)
        tags = self._choose_tags(target, tag)
        lines = put_tags(lines, tags)
        has_weights = alignments and any(model.has_attention for model in self.models)
        worker = replace(self._translator, search=self._build_search(search), weights=has_weights)
        translations: list[Translation] = []
        with (
            self._lock,
            make_bar(total=len(lines), desc="translating", unit=" lines", disable=None if progress else True) as bar,
        ):
            for first in range(0, len(lines), CHUNK_LINES):
                part = slice(first, first + CHUNK_LINES)
                start = time.perf_counter()
                with locate_lines("lines", first):
                    ids = truncate(self.tokenizers.source.encode(lines[part]), max_source, first=first)
                begun = None if prefixes is None else prefixes[part]
                encoded = encode_prefixes(self.tokenizers.target, begun, first=first, max_pieces=max_source)
                found = worker.search_all(ids, prefixes=encoded, done=bar.update)
                seconds = (time.perf_counter() - start) / len(ids)
                translations += [
                    self._make_translation(*row, seconds=seconds, tags=len(tags))
                    for row in zip(lines[part], ids, found, strict=True)
                ]
        return translations

    @property
    def targets(self) -> list[str]:
        """The languages that it translates to."""
        return sorted(self._first.settings["tags"].get("targets", {})) or [self.target_language]

    def _choose_tags(self, target: str | None, tag: str | None, *, key: str = "target") -> list[str]:
        """The tags in front of lines. Raises ConfigError."""
        check_text(key, target)
        check_text("tag", tag)
        return choose_tags(self._first.settings, target=target, tag=tag, key=key)

    def _build_search(self, search: str | Mapping[str, Any] | None) -> Any:
        """The model's own search with these settings, or another one. Raises ConfigError."""
        chosen = merge_search(self._first, check_choice("search", search))
        return build.build_search(config.check({"search": chosen}, {"search": build.SEARCH}))

    def _make_translation(
        self, line: str, ids: SourceItem, hypotheses: Sequence[Hypothesis], *, seconds: float, tags: int
    ) -> Translation:
        """The public form of what a search found."""
        if not hypotheses:
            return Translation("", 0.0, [], None, [], seconds)
        target = self.tokenizers.target
        texts = target.decode([hypothesis.tokens for hypothesis in hypotheses])
        nbest = [
            TranslationHypothesis(
                text,
                hypothesis.score,
                hypothesis.log_prob,
                [*target.convert_ids_to_pieces(hypothesis.tokens), END_PIECE],
                hypothesis.log_probs.tolist(),
            )
            for text, hypothesis in zip(texts, hypotheses, strict=True)
        ]
        alignment = align_hypothesis(self.tokenizers, line, ids, texts[0], hypotheses[0], tags=tags)
        return Translation(texts[0], nbest[0].score, nbest, alignment, nbest[0].pieces, seconds)

    # Given translations -----------------------------------------------------------------------------------------------

    def score(
        self,
        source: Iterable[str],
        target: Iterable[str],
        *,
        target_language: str | None = None,
        tag: str | None = None,
        max_source: int | None = 500,
    ) -> list[TranslationScore]:
        """How probable each target line is as a translation of the source line of the same number.

        The text is cut into pieces anew, so the numbers may differ from those of a search that put other pieces
        together to the same text. target_language: that of `target`, where the model translates to several. tag,
        max_source: as in `translate`. Raises DataError unless there are as many lines of both.
        """
        source, target = check_pairs(source, target, "source", "target")
        check_count("max_source", max_source, optional=True)
        source = put_tags(source, self._choose_tags(target_language, tag, key="target_language"))
        with locate_lines("source"):
            sources = truncate(self.tokenizers.source.encode(source), max_source, first=0)
        targets = self.tokenizers.target.encode(target)
        with self._lock:
            scores = score_pairs(self.models, list(zip(sources, targets, strict=True)), tokens=self._pair_tokens)
        return [self._make_score(*row) for row in zip(target, targets, scores, strict=True)]

    def _make_score(self, text: str, ids: Sequence[int], score: PairScore) -> TranslationScore:
        """The public form of a score."""
        pieces = [*self.tokenizers.target.convert_ids_to_pieces(ids), END_PIECE]
        numbers = score.log_prob, score.tokens, score.per_token, score.perplexity
        return TranslationScore(text, *numbers, pieces, score.log_probs.tolist())

    def align(
        self,
        source: Iterable[str],
        target: Iterable[str],
        *,
        target_language: str | None = None,
        tag: str | None = None,
        extract: str | Mapping[str, Any] = "argmax",
        method: AlignmentMethod = "attention",
        copies: int = 0,
        position: Position = "predicted",
        reverse: "Translator | None" = None,
        symmetrize: Symmetrization = "grow_diag_final_and",
    ) -> list[Alignment]:
        """Links between the words of each pair, from the attention of the model when it must produce the target, or
        from how much each source word matters to it.

        extract: `argmax` links each target word to the source word with the highest weight; {"name": "threshold",
        "threshold": 0.1} links words with a greater weight. method: `attention`; or `gradient`, `erase_input` or
        `erase_memory`, importances between words, whose alignments have no `piece_weights`; they are those of
        nmt-align. copies: of `gradient`, the mean over so many noisy copies of the source; 0 for none. position: where
        the weights of a word are read, at the step that predicts it or at the next, which reads it. reverse: a model
        for the other direction, whose links are joined with these as `symmetrize` says. The weights of an ensemble are
        the mean over its models, of attention and `erase_memory` over those with attention.

        target_language, tag: as in `score`; a reverse model has none. Raises DataError unless there are as many lines
        of both, ModelError where there is no attention and the method needs it, and ConfigError.
        """
        source, target = check_pairs(source, target, "source", "target")
        extraction = build_extraction(check_choice("extract", extract))
        if reverse is not None and not isinstance(reverse, Translator):
            raise ConfigError(f"reverse must be a model that nmt.load has loaded, or None; got {describe(reverse)}.")
        checked = config.check(
            {"position": position, "symmetrize": symmetrize, "method": method, "copies": copies},
            {"position": Position, "symmetrize": Symmetrization, "method": AlignmentMethod, "copies": int},
        )
        check_method(method, position=position, copies=checked["copies"])
        if reverse is not None and self.source_language != self.target_language:
            check_direction(self.source_language, self.target_language, reverse.source_language)
        tags = self._choose_tags(target_language, tag, key="target_language")
        ways: dict[str, Any] = {"copies": checked["copies"], "position": position, "tags": len(tags)}
        found = self._link_pairs(put_tags(source, tags), target, extraction, method, **ways)
        if reverse is None:
            return found
        others = reverse.align(target, source, extract=extract, method=method, copies=copies, position=position)
        return [
            replace(
                one,
                links=frozenset(symmetrize_links(one.links, reverse_links(other.links), checked["symmetrize"])),
            )
            for one, other in zip(found, others, strict=True)
        ]

    def _link_pairs(
        self,
        source: Sequence[str],
        target: Sequence[str],
        extract: Extraction,
        method: AlignmentMethod,
        *,
        copies: int,
        position: Position,
        tags: int,
    ) -> list[Alignment]:
        """The alignments of pairs in this direction, whose sources begin with so many tags."""
        workers = self._make_pair_workers(method)
        with self._lock:
            if method == "attention":
                weights = average_attention(workers, source, target, position=position)
            else:
                weights = average_importances(workers, source, target, method, copies=copies)
        return [
            make_alignment(
                self.tokenizers,
                *matrices,
                source=self.tokenizers.source.split_words(s),
                target=t.split(),
                pieces=(self.tokenizers.source.encode_with_words(s)[0], self.tokenizers.target.encode_with_words(t)[0]),
                extract=extract,
                tags=tags,
            )
            for s, t, matrices in zip(source, target, weights, strict=True)
        ]

    def _make_pair_workers(self, method: AlignmentMethod) -> list[BatchTranslator]:
        """The models that a method can ask, ready for pairs. Raises ModelError where there is none."""
        able = [model for model in self.models if model.has_attention or method not in READS_ATTENTION]
        if not able:
            raise ModelError(
                f"{', '.join(map(str, self.folders))} holds a model without attention (attention=none), so it has no "
                "weights to link words by. Choose a model that was trained with attention, or method='gradient' or "
                "method='erase_input', which need none."
            )
        search = self._translator.search
        return [BatchTranslator(model, self.tokenizers, search, tokens=self._pair_tokens) for model in able]

    @property
    def _pair_tokens(self) -> int:
        """Positions a batch of pairs, which has two sides."""
        return max(1, self._translator.tokens // 2)
