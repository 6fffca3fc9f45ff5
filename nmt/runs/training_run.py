"""One training run from checked settings to its scores; what `nmt-train` does once and `nmt-compare` many times."""

import json
import logging
import random
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from nmt import build, config
from nmt import model_folder as stored
from nmt.config import ConfigDict
from nmt.data.batching import Batches, BatchSettings
from nmt.data.corpus import Bitext, Corpus
from nmt.data.held_out import select_pairs
from nmt.data.prepare import Filters, PreparedData, prepare
from nmt.data.quality import find_complete, pick
from nmt.errors import CheckpointError
from nmt.evaluation.alignment import parse_pharaoh
from nmt.evaluation.bleu import compute_scores
from nmt.evaluation.bleu_tokens import resolve_tokenizer, warn_unspaced
from nmt.evaluation.explanation import choose_lines, explain_translations
from nmt.evaluation.faithfulness import Measures
from nmt.evaluation.literature import compute_tokenized_scores
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import ValidationResult, Validator, score_forced_alignments
from nmt.kernels import process_setup
from nmt.model.seq2seq import Seq2Seq
from nmt.runs import run_folder
from nmt.runs.earlier import keep_choices
from nmt.runs.explained import explain_probe
from nmt.runs.fingerprint import (
    DATA,
    check_same_text,
    check_same_text_as_run,
    check_same_vocabulary,
    fingerprint,
)
from nmt.runs.initial import adapt_settings, copy_weights, load_initial, make_tokenizer
from nmt.runs.outcome import RunResult as RunResult
from nmt.runs.outcome import read_run_result
from nmt.runs.reading_ahead import warn_reading_ahead
from nmt.runs.report import write_run
from nmt.storage.checkpoints import Checkpoints
from nmt.storage.files import format_json, write_atomically
from nmt.storage.run_lock import lock
from nmt.storage.untrusted_paths import find_model_folder
from nmt.training.average import EmaWeights, average
from nmt.training.averaging import Average, BestCheckpoints, ExponentialMovingAverage, LastCheckpoints
from nmt.training.interruption import Handler, Interruption, TrainingInterrupt, handle_signals
from nmt.training.length import count_updates, log_length
from nmt.training.loop import INTERRUPTED, Loop, compute_selection_score
from nmt.training.metrics_logger import MetricsLogger
from nmt.training.settings import Training
from nmt.training.state import TrainingProgress, TrainingState, get_weights, load_weights
from nmt.translation.translator import BatchTranslator

logger = logging.getLogger(__name__)

AVERAGE = "average.json"
"""Names the steps that a checkpoint is the mean of; one without it is no mean."""


def run(
    settings: ConfigDict, folder: Path, *, command: str | None = None, on_signal: Handler | None = signal.SIG_DFL
) -> RunResult:
    """Trains as `settings` say, into `folder`; goes on where an earlier run with the same settings stopped.

    A run that is finished is left as it is; its outcome is returned.

    While a model is trained, a signal lets it be saved first; before and after, there is nothing to lose, and signals
    end the process as the kernel does: even the learning of a vocabulary, which is one long call of C++. `on_signal`
    answers them then, and a second SIGINT too; None leaves them to the handlers of the process. `command` is what
    run.json says to give again; None takes it from the command line.
    """
    command = format_command() if command is None else command
    settings = keep_choices(folder, settings)
    build.dry_run(settings)
    initial = load_initial(settings, folder)
    if initial is not None:
        settings = adapt_settings(settings, initial)
    device = build.build_training_device(settings)
    corpus = build.build_corpus(settings)
    corpus.check()
    run_folder.check(folder, settings)
    with nullcontext() if on_signal is None else handle_signals(on_signal), lock(folder):
        check_same_text_as_run(folder / run_folder.CHECKPOINTS, corpus)
        if (outcome := read_run_result(folder, settings)) is not None:
            return outcome
        run_folder.initialize(folder, settings, command)
        handlers = run_folder.open_log(folder)
        try:
            process_setup.configure(settings["threads"], settings["kernels"])
            filters = config.build(Filters, settings["filters"])
            tokenizer = build.build_tokenizer(settings) if initial is None else make_tokenizer(settings, initial)
            data = prepare(corpus, tokenizer, filters, settings["cache"], build.choose_links(settings))
            references, language = data.validation_text.target, corpus.target_language
            warn_unspaced(references, settings["bleu"]["tokenize"], language, "data.target_language")
            warn_reading_ahead(settings)
            seed_everything(settings["seed"])
            interruption = Interruption(second=signal.default_int_handler if on_signal is None else on_signal)
            return TrainingRun(settings, folder, device, corpus, data, interruption, initial, command).execute()
        finally:
            run_folder.close_log(handlers)


def format_command() -> str:
    """The command line that made this run, to be given again."""
    return shlex.join(["nmt-train", *sys.argv[1:]])


def seed_everything(seed: int) -> None:
    """Seeds every generator that the program draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def measure_peak_memory() -> float | None:
    """The most main memory that this process has held at once, in MiB; what is on a GPU is not counted.

    None where the system does not tell, as Windows does not.
    """
    try:
        import resource
    except ImportError:
        return None
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_a_unit / 2**20


def score_split(
    source: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    name: str,
    language: str,
    tokenize: str,
) -> list[dict[str, Any]]:
    """All scores of the translations of a split, as scores.json has them, with its name before their own.

    Pairs whose source or reference is blank are left out.
    """
    places = find_complete(source, references)
    hypotheses, references = pick(hypotheses, places), pick(references, places)
    found = [*compute_scores(hypotheses, references, tokenize=tokenize).values()]
    found += compute_tokenized_scores(hypotheses, references, language=language)
    return [{**score.as_dict(), "name": f"{name} {score.name}"} for score in found]


class TrainingRun:
    """The parts of one run, put together."""

    def __init__(
        self,
        settings: ConfigDict,
        folder: Path,
        device: torch.device,
        corpus: Corpus,
        data: PreparedData,
        interruption: Interruption,
        initial: stored.LoadedModel | None = None,
        command: str | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.data = data
        self.corpus = corpus
        self.interruption = interruption
        self.command = format_command() if command is None else command
        self.divergence = ""
        self.training = config.build(Training, settings["training"])
        self.average: Average = config.build_variant(build.AVERAGE, settings["average"])
        tokenizers = data.tokenizers
        self.model: Seq2Seq = build.build_model(
            settings,
            source_vocab=tokenizers.source.vocab_size,
            target_vocab=tokenizers.target.vocab_size,
            joint=tokenizers.source is tokenizers.target,
        ).to(device)
        if initial is not None:
            copy_weights(self.model, initial, settings["init"])
        ema = (
            EmaWeights(self.model, decay=self.average.decay)
            if isinstance(self.average, ExponentialMovingAverage)
            else None
        )
        optimizer = config.build_variant(build.OPTIMIZER, settings["optimizer"]).build_optimizer(self.model)
        self.state = TrainingState(self.model, optimizer, build.build_schedule(settings), ema, TrainingProgress())
        # One more than are averaged, because an average that was made before may be among them.
        averaged = {type(self.average): getattr(self.average, "count", 0)}
        self.checkpoints = Checkpoints(
            folder / "checkpoints",
            keep_last=max(self.training.keep.last, averaged.get(LastCheckpoints, 0) + 1),
            keep_best=max(self.training.keep.best, averaged.get(BestCheckpoints, 0) + 1),
        )
        self.translator = BatchTranslator(
            self.model, tokenizers, build.build_search(settings), on_step=interruption.raise_if_interrupted
        )
        self.validator = Validator(
            self.translator,
            data.validation,
            data.validation_text,
            config.build(Probes, settings["probes"]),
            self.training.validation.sentences,
            tokenize=resolve_tokenizer(settings),
        )

    def execute(self) -> RunResult:
        """Trains, averages, scores the test set, and writes the report."""
        try:
            with self.interruption.defer_signals():
                reason = self.train()
                self.interruption.raise_if_interrupted()
                self.select_final_weights()
        except TrainingInterrupt:
            number = self.interruption.signal_number
            logger.warning("%s: the same command goes on from here", signal.Signals(number).name)
            with suppress(CheckpointError):  # what this process took is not worth another way to end
                run_folder.record_costs(self.folder, memory_mib=measure_peak_memory())
            return RunResult(self.folder, INTERRUPTED, [], {}, 128 + number)
        found, alignment, speed = self.test()
        faithfulness = self.explain()
        run_folder.record_costs(self.folder, memory_mib=measure_peak_memory(), sentences_per_second=speed)
        explanation = explain_probe(self.validator)
        write_run(self.folder, found, alignment, reason, faithfulness, explanation)
        # Last, because it says that the run is finished.
        scores = {"reason": reason, "test": found, "alignment": alignment, "divergence": self.divergence}
        scores |= {"faithfulness": faithfulness} if faithfulness else {}
        write_atomically(self.folder / run_folder.SCORES, format_json(scores))
        return RunResult(self.folder, reason, found, alignment, 0, self.divergence, faithfulness)

    def train(self) -> str:
        """Runs the loop from the newest sound checkpoint, or from the start."""
        self.checkpoints.recover()
        newest = self.checkpoints.find_newest()
        if newest is not None:
            check_same_text(newest, self.corpus)
            check_same_vocabulary(newest, stored.build_model_files(self.settings, self.corpus, self.data.tokenizers))
            self.state.load(newest)
            self.checkpoints.repair_pointers(newest)
            logger.info("going on from %s", newest)
        if self.settings["measures"]["faithfulness"] and not self.model.has_attention:
            logger.warning(
                "measures.faithfulness: this model has no attention (attention=none), so nothing is measured of it"
            )
        parameters = build.count_parameters(self.model)
        logger.info("%d parameters, on %s", parameters, self.model.device)
        facts = {"parameters": parameters, "device": str(self.model.device), "data": self.data.report}
        run_folder.write_run_json(self.folder, self.settings, self.command, facts)
        progress = self.state.progress
        journal = MetricsLogger(self.folder, step=progress.step, validated=progress.validated)
        batching = config.build(BatchSettings, self.settings["batching"])
        batches = Batches(
            self.data.train,
            self.data.tokenizers,
            batching,
            seed=self.settings["seed"],
            is_quadratic=self.model.has_self_attention,
        )
        self.set_length(batches.count())
        loop = Loop(
            model=self.model,
            state=self.state,
            batches=batches,
            settings=self.training,
            metrics_logger=journal,
            validate=self.validate,
            save=self.make_checkpoint_writer(),
            is_interrupted=lambda: bool(self.interruption.signal_number),
        )
        try:
            reason = loop.run()
            self.divergence = loop.describe_divergence()
            return reason
        finally:
            journal.close()

    def set_length(self, batches: int) -> None:
        """Tells the schedule, and the log, how long training is, with `batches` an epoch."""
        updates = count_updates(self.training.stop, batches, self.training.accumulate)
        self.state.schedule.set_length(updates)
        warmup = self.settings["schedule"].get("warmup_steps", 0)
        embedded = self.settings["data"]["name"] == "synthetic"
        log_length(self.training, updates, batches, warmup, embedded=embedded)

    def validate(self) -> ValidationResult:
        """Looks at the model as it is now; may be left by a signal."""
        with self.interruption.check_on_forward(self.model.decoder):
            return self.validator()

    def make_checkpoint_writer(
        self, extra_files: Mapping[str, bytes] = MappingProxyType({})
    ) -> Callable[[ValidationResult | None], None]:
        """A function that writes checkpoints, with `extra_files` files in them."""
        model = stored.build_model_files(self.settings, self.corpus, self.data.tokenizers)
        files = {**model, DATA: fingerprint(self.corpus), **extra_files}
        metric = self.training.validation.metric
        on_heatmap = self.interruption.raise_if_interrupted
        return run_folder.make_checkpoint_writer(
            self.checkpoints, self.state, files, lambda report: compute_selection_score(report, metric), on_heatmap
        )

    def select_final_weights(self) -> None:
        """Puts the weights that the run hands on into the model: the best checkpoint's, or a better average."""
        best = find_model_folder(self.checkpoints.folder)
        if isinstance(self.average, LastCheckpoints | BestCheckpoints):
            best = self.average_checkpoints()
        loaded = stored.load(best, device=self.model.device)
        load_weights(self.model, get_weights(loaded.model), best)
        self.model.eval()

    def average_checkpoints(self) -> Path:
        """Writes the mean of several checkpoints as one more, if it is better than all; returns the best there is.

        It holds the training state of the last step, so that training can still go on from there.
        """
        complete_checkpoints = self.checkpoints.list_complete()
        if (complete_checkpoints[-1].folder / AVERAGE).exists():  # nothing was trained since an earlier call made it
            return find_model_folder(self.checkpoints.folder)
        candidates = [checkpoint for checkpoint in complete_checkpoints if not (checkpoint.folder / AVERAGE).exists()]
        # One that was never measured was saved by an interruption, and none should be felt in what comes out.
        members = [checkpoint for checkpoint in candidates if checkpoint.value is not None] or candidates
        if isinstance(self.average, BestCheckpoints):
            members = sorted(members, key=lambda c: -(c.value or 0.0))[: self.average.count]
        elif isinstance(self.average, LastCheckpoints):
            members = members[-self.average.count :]
        steps = [checkpoint.step for checkpoint in members]
        self.state.final_weights = average([checkpoint.folder for checkpoint in members])
        with self.state.swap_in_saved_weights():
            report = self.validate()
        metric = self.training.validation.metric
        logger.info("average of steps %s: %s %.4g", steps, metric, report.values[metric])
        best = max(
            (checkpoint.value for checkpoint in complete_checkpoints if checkpoint.value is not None), default=None
        )
        if best is None or compute_selection_score(report, metric) > best:
            self.make_checkpoint_writer({AVERAGE: json.dumps({"steps": steps}).encode()})(report)
        return find_model_folder(self.checkpoints.folder)

    def test(self) -> tuple[list[dict[str, Any]], dict[str, float], float]:
        """Scores on the test split, or on the validation split where there is no other, said in their names; those of
        alignment; and how many sentences a second were translated."""
        text, name = (self.data.test, "test") if self.data.test else (self.data.validation_text, "validation")
        start = time.perf_counter()
        hypotheses = [translation.text for translation in self.translator.translate(text.source, progress=True)]
        speed = len(hypotheses) / (time.perf_counter() - start)
        for kind, lines in (("source", text.source), ("hypotheses", hypotheses), ("references", text.target)):
            write_atomically(
                self.folder / f"{name}.{kind}.txt", "".join(line.replace("\n", " ") + "\n" for line in lines)
            )
        settings = {"language": self.corpus.target_language, "tokenize": resolve_tokenizer(self.settings)}
        found = score_split(text.source, hypotheses, text.target, name=name, **settings)
        return found, self.score_alignment(select_pairs(text, find_complete(text.source, text.target))), speed

    def explain(self) -> dict[str, float]:
        """Whether attention explains the translations of the validation set, where that is asked for and there is
        attention; the maps of the probe sentences go into the run folder."""
        settings = config.build(Measures, self.settings["measures"])
        path = self.folder / run_folder.EXPLANATIONS
        path.unlink(missing_ok=True)
        if not settings.faithfulness:
            return {}
        if not self.model.has_attention:
            return {}
        probes = config.build(Probes, self.settings["probes"])
        source = self.data.validation_text.source
        count = len(choose_lines(source, settings))
        logger.info("measuring whether attention explains the translations of %d sentences", count)
        found = explain_translations(self.translator, source, settings, probes)
        write_atomically(path, format_json({"sentences": found.records}))
        return found.values

    def score_alignment(self, text: Bitext) -> dict[str, float]:
        """AER, precision and recall of links on the pairs of a split, where it has gold ones and there is attention."""
        if text.alignments is None or not self.model.has_attention:
            return {}
        gold = parse_pharaoh(text.alignments, name="the gold links")
        found = score_forced_alignments(self.translator, text.source, text.target, gold, position="predicted")
        return {"AER": found.aer, "precision": found.precision, "recall": found.recall}
