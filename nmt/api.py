"""What the commands do, for Python: load, train, compare, evaluate; and attention for other models.

Settings are written as on the command line, such as "attention=luong_general" or "training.stop.minutes=40". Mistakes
raise the exceptions of `nmt.errors` with the messages of the commands.
"""

import json
import shlex
import signal
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

from nmt import build, config, model_folder, renames
from nmt.arguments import check_choice, check_folder, check_folders, check_pairs, check_sets, check_text
from nmt.attention_layer import AttentionLayer
from nmt.comparison.compare import (
    COMPARISON_ALIAS,
    CompareSettings,
    ComparisonInterrupt,
    compare_variants,
    split_arguments,
)
from nmt.composition.compose import check_words, compose_comparison, compose_training
from nmt.composition.overrides import format_word, quote
from nmt.composition.recipes import name_recipe_in_errors
from nmt.errors import ConfigError
from nmt.evaluation.bleu import CorpusScore
from nmt.evaluation.bleu_tokens import BleuSettings, check_tokenizer
from nmt.evaluation.corpus_scores import ScoringInput, drop_blank_lines, score_texts
from nmt.evaluation.languages import check_language
from nmt.inference.inference import InferenceSettings, check_same_vocabulary
from nmt.inference.results import Alignment, Translation, TranslationHypothesis, TranslationScore
from nmt.inference.translator import Translator
from nmt.kernels.process_state import preserve_arithmetic, preserve_process, preserve_variables
from nmt.kernels.quantized_linear import Precision
from nmt.report.comparison import Comparison, RunScores, format_json, format_markdown, format_text
from nmt.runs.outcome import RunResult
from nmt.runs.summary import find_finished_run, format_outcome, get_output_folder
from nmt.runs.training_run import run
from nmt.storage.untrusted_paths import Device, find_model_folder
from nmt.tuning.python import TuningResult, tune

__all__ = [
    "Alignment",
    "AttentionLayer",
    "ComparisonResult",
    "TrainingResult",
    "Translation",
    "TranslationHypothesis",
    "TranslationScore",
    "Translator",
    "TuningResult",
    "compare",
    "evaluate",
    "load",
    "train",
    "tune",
]

_TRAINING = threading.Lock()
"""A run seeds the generators of the process and logs to its log, so that a second one waits."""


# Trained models ----------------------------------------------------------------------------------------------------


def load(
    folder: str | PathLike[str] | Sequence[str | PathLike[str]],
    *,
    device: Device = "auto",
    precision: Precision = "float32",
    shortlist: str | Mapping[str, Any] = "none",
    tokens: int = 4096,
) -> Translator:
    """The model of a run folder (its best checkpoint) or a model folder; several folders are an ensemble.

    >>> model = load(folder)
    >>> model.translate(["Emma often sells many letters."])[0].text
    'Emma verkauft oft viele Briefe.'

    device: auto is the GPU if it is CUDA's, else the CPU. precision: of the products of a step of search: float32, or
    bfloat16 or int8 where the processor has them. shortlist: none, or lexical, the words that a sentence is likely to
    be translated to (see nmt-shortlist). tokens: source positions a batch, padding counted. Models of an ensemble share
    their vocabulary, and the first gives the search.

    Nothing in the folder is run or unpickled. Raises ModelError for a folder that holds no sound model, and ConfigError
    for settings that are wrong and for models that cannot be an ensemble.
    """
    schema = {"device": Device, "precision": Precision, "tokens": int}
    settings = config.check({"device": device, "precision": precision, "tokens": tokens}, schema)
    work = InferenceSettings(device=settings["device"], threads=None, tokens=settings["tokens"])
    names = [str(name) for name in check_folders("folder", folder)]
    if not names:
        raise ConfigError("no folder was given. Write nmt.load('outputs/mine'), or a list of folders for an ensemble.")
    notes: list[str] = []
    choice = check_choice("shortlist", shortlist)
    choice = renames.rename_settings(choice, "shortlist.", notes)
    renames.warn(notes)
    found = [find_model_folder(Path(name).expanduser()) for name in names]
    target_device = build.build_device(work.device)
    loaded = [model_folder.load(path, device=target_device) for path in found]
    check_same_vocabulary(loaded, names)
    return Translator(loaded, work=work, precision=settings["precision"], shortlist=choice)


# Training ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    folder: with the model, the report and the log. reason: what ended training. scores: of the test split, or of the
    validation split where there is no other, said in their names. alignment: AER, precision and recall where there are
    gold links, and pointing where there are boxes. divergence: says so where the loss ended above that of guessing.
    """

    folder: Path
    reason: str
    scores: list[CorpusScore]
    alignment: dict[str, float]
    divergence: str
    _outcome: RunResult = field(repr=False)

    def model(self, **settings: Any) -> Translator:
        """The trained model; `settings` are those of `load`."""
        return load(self.folder, **settings)

    @property
    def values(self) -> dict[str, float]:
        """The numbers by their names, such as "test BLEU", "AER" and "faithfulness.flips"."""
        faithfulness = {f"faithfulness.{name}": value for name, value in self._outcome.faithfulness.items()}
        return {score.name: score.value for score in self.scores} | self.alignment | faithfulness

    def __str__(self) -> str:
        return format_outcome(self._outcome)


def train(*overrides: str, output: str | PathLike[str] | None = None) -> TrainingResult:
    """Trains a model as nmt-train does with the same settings, which are written as on its command line.

    >>> result = train("experiment=quickstart", "seed=2", output=folder)  # doctest: +SKIP
    >>> result.values["test BLEU"]  # doctest: +SKIP

    output: the run folder; without it and without an override `output=...` it is a new one below `outputs/`. A run that
    is there already goes on where it stopped, and a finished one is returned at once.

    The generators of random numbers (`random`, NumPy, torch), the number of threads of torch and how it computes, the
    logger `nmt` and Hydra are afterwards as they were. Meanwhile they are those of the run, so that other threads see
    them; a second call waits for the first. What stays: the allocator of the C library keeps the memory of tensors, and
    torch the threads that it has started. In the main thread, a signal such as that of a notebook's stop button lets
    the run save a checkpoint first, and is raised again then; the same call goes on from there. If a handler of the
    caller answers the signal, the result has no scores.

    Raises ConfigError for settings that are wrong, DataError for text that is, and CheckpointError for a folder that
    holds something else.
    """
    words = add_output(overrides, output)
    composed = compose_training(words)
    with _TRAINING, preserve_process(), name_recipe_in_errors(words):
        outcome = find_finished_run(composed)
        if outcome is None:
            settings = config.check(composed, build.TRAIN)
            command = shlex.join(["nmt-train", *words])
            outcome = run(settings, get_output_folder(settings), command=command, on_signal=None)
    if outcome.status:
        signal.raise_signal(outcome.status - 128)
    scores = [CorpusScore(**score) for score in outcome.scores]
    return TrainingResult(outcome.folder, outcome.reason, scores, outcome.alignment, outcome.divergence, outcome)


def add_output(overrides: Sequence[str], output: str | PathLike[str] | None) -> list[str]:
    """The overrides with the output. Raises ConfigError where nothing is asked for, or the output twice."""
    if not overrides:
        raise ConfigError('nothing was asked for. Try "experiment=quickstart"; nmt-train --help lists all settings.')
    if output is None:
        return list(overrides)
    check_folder("output", output)
    check_words(overrides)
    if given := [word for word in overrides if word.startswith("output=")]:
        raise ConfigError(f"output is given twice, as {given[0]} and output={str(output)!r}. Leave one out.")
    return [*overrides, f"output={quote(str(output))}"]


# Comparing ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ComparisonResult:
    """What a comparison came to: its folder, with the tables and the report, and all numbers."""

    folder: Path
    comparison: Comparison

    @property
    def table(self) -> str:
        """Variants with their scores and significance tests, as nmt-compare prints it."""
        return format_text(self.comparison)

    @property
    def runs(self) -> list[RunScores]:
        """All runs: seed, folder, values, and why a run failed, if it did."""
        return self.comparison.runs

    def as_dict(self) -> dict[str, Any]:
        """All that `comparison.json` has."""
        found: dict[str, Any] = json.loads(format_json(self.comparison))
        return found

    def __str__(self) -> str:
        return self.table

    def _repr_markdown_(self) -> str:
        return format_markdown(self.comparison)


def compare(
    *overrides: str,
    seeds: int | Sequence[int] = 3,
    output: str | PathLike[str] | None = None,
    baseline: str | None = None,
    jobs: int = 1,
) -> ComparisonResult:
    """Trains every variant with every seed as nmt-compare does, and tests whether differences could be chance.

    >>> result = compare("attention=bahdanau,luong_general", "experiment=quickstart", seeds=3)  # doctest: +SKIP
    >>> print(result.table)  # doctest: +SKIP

    Values with commas between them make the variants; "comparison=attentions" takes variants that have names. seeds: a
    number of them, or a list. output: the folder, a new one below `outputs/comparisons` unless given. baseline: the
    label of the variant against which the others are tested, or the first. jobs: runs at once. Runs are processes of
    their own, and what they print goes to files in their folders; the same call goes on where it stopped, and a run
    that failed is among `runs`, with the reason.

    Raises ConfigError for settings that are wrong, with the problems of all variants, before anything is trained.
    """
    if not overrides:
        raise ConfigError('nothing was asked for. Try "comparison=attentions", "experiment=quickstart".')
    check_words(overrides)
    given = {"seeds": seeds, "output": output, "baseline": baseline, "jobs": jobs}
    taken = {word.partition("=")[0] for word in overrides}
    words = [
        *overrides,
        *(f"{name}={format_word(value)}" for name, value in given.items() if value is not None and name not in taken),
    ]
    own, theirs = split_arguments(words)
    composed = compose_comparison(own, COMPARISON_ALIAS)
    settings = config.build(CompareSettings, config.check(composed, CompareSettings))
    try:
        with preserve_arithmetic(), preserve_variables():
            comparison = compare_variants(settings, theirs, shlex.join(["nmt-compare", *words]))
    except ComparisonInterrupt as problem:
        signal.raise_signal(problem.signal_number)
        raise KeyboardInterrupt from None
    return ComparisonResult(Path(settings.output), comparison)


# Scores ------------------------------------------------------------------------------------------------------------


def evaluate(
    hypotheses: Iterable[str],
    references: Iterable[str] | Iterable[Iterable[str]],
    *,
    source: Iterable[str] | None = None,
    language: str | None = None,
    tokenize: str = "auto",
) -> list[CorpusScore]:
    """BLEU, chrF and TER of translations as nmt-evaluate computes them, each with its signature.

    >>> scores = evaluate(["The dog sleeps here ."], ["The dog sleeps there ."], language="en")
    >>> [(score.name, round(score.value, 1)) for score in scores][:2]
    [('BLEU', 42.7), ('chrF2', 76.9)]

    references: the right translation of each line, or several such lists. source: lines whose source is blank are left
    out, as those are whose references are. language: of the references, such as "de"; it chooses the tokens of BLEU
    unless `tokenize` names sacreBLEU's tokenization, and adds BLEU on lowercased Moses tokens.

    Raises DataError for what is no text and for texts of different length, and ConfigError for what is no language and
    for a tokenization that cannot be had.
    """
    sets = check_sets("references", references)
    checked = config.build(BleuSettings, config.check({"tokenize": tokenize}, BleuSettings))
    if language is not None:
        check_text("language", language)
        check_language(language)
    check_tokenizer(checked.tokenize, language)
    hypotheses, first = check_pairs(hypotheses, sets[0], "hypotheses", "references")
    for place, each in enumerate(sets):
        check_pairs(each, first, f"references[{place}]", "references[0]")
    if source is not None:
        source, _ = check_pairs(source, first, "source", "references")
    texts = ScoringInput(source, hypotheses, sets, language)
    return score_texts(drop_blank_lines(texts), tokenize=checked.tokenize)
