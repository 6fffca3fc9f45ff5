"""One training run from checked settings to its scores; what `nmt-train` does once and `nmt-compare` many times."""

import logging
import signal
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path
from types import MappingProxyType

import torch

from nmt import build, config
from nmt import model_folder as stored
from nmt.config import ConfigDict
from nmt.data.batching import Batches, BatchSettings
from nmt.data.corpus import Corpus, get_measure, get_trace
from nmt.data.filters import Filters
from nmt.data.mix.report import find_mixture, log_mixture
from nmt.data.prepare import PreparedData, prepare
from nmt.errors import CheckpointError
from nmt.evaluation.bleu_tokens import resolve_tokenizer, warn_unspaced
from nmt.evaluation.by_corpus import find_languages
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import ValidationResult, Validator
from nmt.kernels import process_setup
from nmt.launch import read_launch
from nmt.ranks import ALONE, Ranks, join
from nmt.runs import run_folder, run_log, shared_run
from nmt.runs.checks import check_run, read_outcome
from nmt.runs.final_scores import FinalScores, score_translations
from nmt.runs.final_weights import load_best_weights, open_checkpoints, save_average
from nmt.runs.fingerprint import DATA, check_same_text, check_same_vocabulary, fingerprint
from nmt.runs.initial import make_tokenizer
from nmt.runs.outcome import RunResult as RunResult
from nmt.runs.process import format_command, measure_peak_memory, seed_everything
from nmt.runs.reading_ahead import warn_reading_ahead
from nmt.runs.results import warn_unexplained, write_results
from nmt.runs.start import build_run_model, start_state
from nmt.storage.run_lock import lock
from nmt.training.averaging import Average, BestCheckpoints, LastCheckpoints
from nmt.training.interruption import Handler, Interruption, TrainingInterrupt, handle_signals
from nmt.training.length import SMALL_BATCH_TOKENS, count_updates, log_length, log_shares
from nmt.training.loop import INTERRUPTED, Loop, compute_selection_score
from nmt.training.metrics_logger import MetricsLogger, SilentMetricsLogger
from nmt.training.settings import Training
from nmt.training.state import seed_rank
from nmt.translation.translator import BatchTranslator

logger = logging.getLogger(__name__)


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
    shared_run.check_launch(settings, read_launch())
    with join(settings["device"]) as ranks:
        return run_rank(settings, folder, command, on_signal, ranks)


def run_rank(settings: ConfigDict, folder: Path, command: str, on_signal: Handler | None, ranks: Ranks) -> RunResult:
    """`run`, as one of the processes that train together."""
    settings, initial, device, corpus = ranks.check(lambda: check_run(settings, folder))
    ranks.check(lambda: shared_run.check_same_settings(settings, ranks))
    handle = nullcontext() if on_signal is None else handle_signals(on_signal)
    with handle, lock(folder) if ranks.is_first else nullcontext():
        outcome = ranks.work_on_first(lambda: read_outcome(settings, folder, corpus))
        if (outcome := shared_run.share_outcome(folder, outcome, ranks)) is not None:
            return outcome
        ranks.work_on_first(lambda: run_folder.initialize(folder, settings, command))
        ranks.check(lambda: shared_run.check_shared_folder(folder, ranks))
        handlers = run_log.open_log(folder) if ranks.is_first else run_log.silence_log()
        try:
            process_setup.configure(settings["threads"], settings["kernels"])
            filters = config.build(Filters, settings["filters"])
            tokenizer = build.build_tokenizer(settings) if initial is None else make_tokenizer(settings, initial)
            links, processes = build.choose_links(settings), settings["preparation"]["processes"]
            data = ranks.work_in_turn(lambda: prepare(corpus, tokenizer, filters, settings["cache"], links, processes))
            files = stored.build_model_files(settings, corpus, data.tokenizers)
            ranks.check(lambda: shared_run.check_same_data(data.train.pairs, files, ranks))
            references, language = data.validation_text.target, corpus.target_language
            warn_unspaced(references, settings["bleu"]["tokenize"], language, "data.target_language")
            warn_reading_ahead(settings)
            seed_everything(settings["seed"])
            second = signal.default_int_handler if on_signal is None else on_signal
            interruption = Interruption(second=second, ranks=ranks)
            return TrainingRun(settings, folder, device, corpus, data, interruption, initial, command, ranks).execute()
        finally:
            run_log.close_log(handlers)


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
        ranks: Ranks = ALONE,
    ) -> None:
        self.ranks = ranks
        self.settings = settings
        self.folder = folder
        self.data = data
        self.corpus = corpus
        self.interruption = interruption
        self.command = format_command() if command is None else command
        self.divergence = ""
        self.training = config.build(Training, settings["training"])
        self.average: Average = config.build_variant(build.AVERAGE, settings["average"])
        self.model = build_run_model(settings, data.tokenizers, device, initial)
        ranks.share((*self.model.parameters(), *self.model.buffers()))
        self.state = start_state(settings, self.model, self.average)
        keep = self.training.keep
        self.checkpoints = open_checkpoints(folder / "checkpoints", keep.last, keep.best, self.average)
        self.translator = BatchTranslator(
            self.model,
            data.tokenizers,
            build.build_search(settings),
            on_step=interruption.raise_if_interrupted,
            ranks=ranks,
        )
        self.validator = Validator(
            self.translator,
            data.validation,
            data.validation_text,
            config.build(Probes, settings["probes"]),
            self.training.validation.sentences,
            tokenize=resolve_tokenizer(settings),
            measure=get_measure(corpus),
            trace=get_trace(corpus),
            languages=find_languages(self.settings, self.corpus),
        )

    def execute(self) -> RunResult:
        """Trains, averages, scores the test set, and writes the report."""
        try:
            with self.interruption.defer_signals():
                reason = self.train()
                self.interruption.raise_if_any_interrupted()
                self.select_final_weights()
        except TrainingInterrupt as interrupt:
            self.interruption.adopt(interrupt.number)
            return self.end_interrupted()
        found = self.test()
        outcome = self.ranks.work_on_first(
            lambda: write_results(self.settings, self.folder, self.validator, found, reason, self.divergence)
        )
        return shared_run.share_outcome(self.folder, outcome, self.ranks) or RunResult(self.folder, reason, [], {})

    def end_interrupted(self) -> RunResult:
        """Says that the run can go on, and what it took."""
        number = self.interruption.signal_number
        logger.warning("%s: the same command goes on from here", signal.Signals(number).name)
        if self.ranks.is_first:
            with suppress(CheckpointError):  # what this process took is not worth another way to end
                run_folder.record_costs(self.folder, memory_mib=measure_peak_memory())
        return RunResult(self.folder, INTERRUPTED, [], {}, 128 + number)

    def train(self) -> str:
        """Runs the loop from the newest sound checkpoint, or from the start."""
        newest = self.ranks.work_on_first(self.find_newest)
        if (start := self.ranks.take_first(None if newest is None else str(newest))) is not None:
            self.state.load(Path(start), self.ranks)
            self.ranks.work_on_first(lambda: self.checkpoints.repair_pointers(Path(start)))
            logger.info("going on from %s", start)
        else:
            seed_rank(0, self.ranks)
        if self.settings["measures"]["faithfulness"]:
            warn_unexplained(self.model)
        batching = config.build(BatchSettings, self.settings["batching"])
        self.describe(batching)
        progress = self.state.progress
        kind = MetricsLogger if self.ranks.is_first else SilentMetricsLogger
        journal = kind(self.folder, step=progress.step, validated=progress.validated)
        mixture = find_mixture(self.corpus, self.data.report)
        if mixture is not None:
            log_mixture(self.corpus, mixture)
        batches = Batches(
            self.data.train,
            self.data.tokenizers,
            batching,
            seed=self.settings["seed"],
            is_quadratic=self.model.is_quadratic,
            mixture=mixture,
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
            ranks=self.ranks,
        )
        try:
            reason = loop.run()
            self.divergence = loop.describe_divergence()
            return reason
        finally:
            journal.close()

    def find_newest(self) -> Path | None:
        """The newest sound checkpoint, which is of the same text and vocabulary; None where there is none."""
        self.checkpoints.recover()
        newest = self.checkpoints.find_newest()
        if newest is not None:
            check_same_text(newest, self.corpus)
            check_same_vocabulary(newest, stored.build_model_files(self.settings, self.corpus, self.data.tokenizers))
        return newest

    def describe(self, batching: BatchSettings) -> None:
        """Logs what is trained, and writes it to run.json."""
        parameters = build.count_parameters(self.model)
        logger.info("%d parameters, on %s", parameters, self.model.device)
        log_shares(self.ranks.count, self.training.accumulate, batching.tokens)
        facts = {"parameters": parameters, "device": str(self.model.device), "data": self.data.report}
        if self.ranks.count > 1:
            facts["processes"] = self.ranks.count
        if self.ranks.is_first:
            run_folder.write_run_json(self.folder, self.settings, self.command, facts)

    def set_length(self, batches: int) -> None:
        """Tells the schedule, and the log, how long training is, with `batches` an epoch."""
        updates = count_updates(self.training.stop, batches, self.training.accumulate)
        self.state.schedule.set_length(updates)
        schedule = self.settings["schedule"]
        log_length(
            self.training,
            updates,
            batches,
            schedule.get("warmup_steps", 0),
            embedded=self.settings["data"]["name"] == "synthetic",
            small=self.settings["batching"]["tokens"] <= SMALL_BATCH_TOKENS,
            decays=schedule["name"] == "cosine" and schedule.get("steps") is None,
        )

    def validate(self) -> ValidationResult:
        """Looks at the model as it is now; may be left by a signal."""
        if self.ranks.share_drifted_weights(self.model):
            logger.warning(
                "the weights of the processes have come apart in their last digits, as on processors of different "
                "kinds: all go on with those of process 0"
            )
        with self.interruption.check_on_forward(self.model.decoder):
            return self.validator()

    def make_checkpoint_writer(
        self, extra_files: Mapping[str, bytes] = MappingProxyType({})
    ) -> Callable[[ValidationResult | None], None]:
        """A function that writes checkpoints, with `extra_files` files in them."""
        model = stored.build_model_files(self.settings, self.corpus, self.data.tokenizers)
        files = {**model, DATA: fingerprint(self.corpus), **extra_files}
        on_heatmap = self.interruption.raise_if_interrupted
        return run_folder.make_checkpoint_writer(
            self.checkpoints, self.state, files, self.score_validation, on_heatmap, self.ranks
        )

    def score_validation(self, report: ValidationResult) -> float:
        """What checkpoints are ranked by: of two, the better has more."""
        return compute_selection_score(report, self.training.validation.metric)

    def select_final_weights(self) -> None:
        """Puts the weights that the run hands on into the model: the best checkpoint's, or a better average."""
        if isinstance(self.average, LastCheckpoints | BestCheckpoints):
            save_average(
                self.checkpoints,
                self.state,
                self.average,
                metric=self.training.validation.metric,
                validate=self.validate,
                score=self.score_validation,
                save=lambda files, report: self.make_checkpoint_writer(files)(report),
                ranks=self.ranks,
            )
        load_best_weights(self.checkpoints, self.model, self.ranks)

    def test(self) -> FinalScores:
        """Translates and scores the test split, or the validation split where there is no other."""
        text, name = (self.data.test, "test") if self.data.test else (self.data.validation_text, "validation")
        return score_translations(
            self.translator,
            text,
            self.folder,
            name=name,
            language=self.corpus.target_language,
            tokenize=resolve_tokenizer(self.settings),
            measure=get_measure(self.corpus),
            languages=find_languages(self.settings, self.corpus),
        )
