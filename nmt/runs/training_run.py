"""One training run from checked settings to its scores; what `nmt-train` does once and `nmt-compare` many times."""

import json
import logging
import random
import shlex
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from nmt import build, config
from nmt import model_folder as stored
from nmt.config import Plain
from nmt.data.batching import Batches, Batching
from nmt.data.corpus import Bitext, Corpus
from nmt.data.held_out import choose
from nmt.data.prepare import Filters, Prepared, prepare
from nmt.data.quality import complete, pick
from nmt.errors import CheckpointError
from nmt.evaluation.alignment import parse
from nmt.evaluation.bleu import scores
from nmt.evaluation.bleu_tokens import settled, warn_unspaced
from nmt.evaluation.literature import literature_scores
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import Report, Validator, alignment_scores
from nmt.kernels import process_setup
from nmt.model.seq2seq import Seq2Seq
from nmt.runs import run_folder
from nmt.runs.earlier import keep_choices
from nmt.runs.fingerprint import DATA, fingerprint, same_text, same_vocabulary
from nmt.runs.initial import adapt_settings, begin_with, load_initial, make_tokenizer
from nmt.runs.outcome import Outcome as Outcome
from nmt.runs.outcome import read_outcome
from nmt.runs.report import write_run
from nmt.storage.checkpoints import Checkpoints
from nmt.storage.files import as_json, replace
from nmt.storage.run_lock import lock
from nmt.storage.untrusted_paths import model_folder
from nmt.training.average import Ema, average
from nmt.training.averaging import Average, BestCheckpoints, LastCheckpoints, Moving
from nmt.training.interruption import Interrupted, Interruption, answered
from nmt.training.length import count_updates, tell_length
from nmt.training.loop import INTERRUPTED, Loop, worth
from nmt.training.metrics_logger import Journal
from nmt.training.settings import Training
from nmt.training.state import Progress, TrainingState, put_weights, weights
from nmt.translation.translator import Translator

logger = logging.getLogger(__name__)

AVERAGE = "average.json"
"""Names the steps that a checkpoint is the mean of; one without it is no mean."""


def run(settings: Plain, folder: Path) -> Outcome:
    """Trains as `settings` say, into `folder`; goes on where an earlier run with the same settings stopped.

    A run that is finished is left as it is; its outcome is returned.

    While a model is trained, a signal lets it be saved first; before and after, there is nothing to lose, and signals
    end the process as the kernel does: even the learning of a vocabulary, which is one long call of C++.
    """
    settings = keep_choices(folder, settings)
    build.rehearse(settings)
    initial = load_initial(settings, folder)
    if initial is not None:
        settings = adapt_settings(settings, initial)
    device = build.training_device(settings)
    corpus = build.corpus(settings)
    corpus.check()
    run_folder.check(folder, settings)
    with answered(signal.SIG_DFL), lock(folder):
        same_text(folder / run_folder.CHECKPOINTS / "last", corpus)
        if (outcome := read_outcome(folder, settings)) is not None:
            return outcome
        run_folder.claim(folder, settings, command())
        handlers = run_folder.open_log(folder)
        try:
            process_setup.prepare(settings["threads"])
            filters = config.build(Filters, settings["filters"])
            tokenizer = build.tokenizer(settings) if initial is None else make_tokenizer(settings, initial)
            data = prepare(corpus, tokenizer, filters, settings["cache"])
            references, language = data.validation_text.target, corpus.target_language
            warn_unspaced(references, settings["bleu"]["tokenize"], language, "data.target_language")
            seed_everything(settings["seed"])
            return Run(settings, folder, device, corpus, data, Interruption(), initial).outcome()
        finally:
            run_folder.close_log(handlers)


def command() -> str:
    """The command line that made this run, to be given again."""
    return shlex.join(["nmt-train", *sys.argv[1:]])


def seed_everything(seed: int) -> None:
    """Seeds every generator that the program draws from."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def peak_memory() -> float | None:
    """The most main memory that this process has held at once, in MiB; what is on a GPU is not counted.

    None where the system does not tell, as Windows does not.
    """
    try:
        import resource
    except ImportError:
        return None
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * bytes_a_unit / 2**20


def scored(
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
    places = complete(source, references)
    hypotheses, references = pick(hypotheses, places), pick(references, places)
    found = [*scores(hypotheses, references, tokenize=tokenize).values()]
    found += literature_scores(hypotheses, references, language=language)
    return [{**score.as_dict(), "name": f"{name} {score.name}"} for score in found]


class Run:
    """The parts of one run, put together."""

    def __init__(
        self,
        settings: Plain,
        folder: Path,
        device: torch.device,
        corpus: Corpus,
        data: Prepared,
        interruption: Interruption,
        initial: stored.Loaded | None = None,
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.data = data
        self.corpus = corpus
        self.interruption = interruption
        self.divergence = ""
        self.training = config.build(Training, settings["training"])
        self.average: Average = config.make(build.AVERAGE, settings["average"])
        tokenizers = data.tokenizers
        self.model: Seq2Seq = build.model(
            settings,
            source_vocab=tokenizers.source.vocab_size,
            target_vocab=tokenizers.target.vocab_size,
            joint=tokenizers.source is tokenizers.target,
        ).to(device)
        if initial is not None:
            begin_with(self.model, initial, settings["init"])
        ema = Ema(self.model, decay=self.average.decay) if isinstance(self.average, Moving) else None
        optimizer = config.make(build.OPTIMIZER, settings["optimizer"]).optimizer(self.model)
        self.state = TrainingState(self.model, optimizer, build.schedule(settings), ema, Progress())
        # One more than are averaged, because an average that was made before may be among them.
        averaged = {type(self.average): getattr(self.average, "count", 0)}
        self.checkpoints = Checkpoints(
            folder / "checkpoints",
            keep_last=max(self.training.keep.last, averaged.get(LastCheckpoints, 0) + 1),
            keep_best=max(self.training.keep.best, averaged.get(BestCheckpoints, 0) + 1),
        )
        self.translator = Translator(self.model, tokenizers, build.search(settings), heed=interruption.heed)
        self.validator = Validator(
            self.translator,
            data.validation,
            data.validation_text,
            config.build(Probes, settings["probes"]),
            self.training.validation.sentences,
            tokenize=settled(settings),
        )

    def outcome(self) -> Outcome:
        """Trains, averages, scores the test set, and writes the report."""
        try:
            with self.interruption.noted():
                reason = self.train()
                self.interruption.heed()
                self.hand_on()
        except Interrupted:
            number = self.interruption.caught
            logger.warning("%s: the same command goes on from here", signal.Signals(number).name)
            with suppress(CheckpointError):  # what this process took is not worth another way to end
                run_folder.spend(self.folder, memory_mib=peak_memory())
            return Outcome(self.folder, INTERRUPTED, [], {}, 128 + number)
        found, alignment, speed = self.test()
        run_folder.spend(self.folder, memory_mib=peak_memory(), sentences_per_second=speed)
        write_run(self.folder, found, alignment, reason)
        # Last, because it says that the run is finished.
        scores = {"reason": reason, "test": found, "alignment": alignment, "divergence": self.divergence}
        replace(self.folder / run_folder.SCORES, as_json(scores))
        return Outcome(self.folder, reason, found, alignment, divergence=self.divergence)

    def train(self) -> str:
        """Runs the loop from the newest sound checkpoint, or from the start."""
        self.checkpoints.tidy()
        newest = self.checkpoints.newest()
        if newest is not None:
            same_text(newest, self.corpus)
            same_vocabulary(newest, stored.files(self.settings, self.corpus, self.data.tokenizers))
            self.state.load(newest)
            self.checkpoints.settle(newest)
            logger.info("going on from %s", newest)
        parameters = build.parameter_count(self.model)
        logger.info("%d parameters, on %s", parameters, self.model.output.weight.device)
        facts = {"parameters": parameters, "device": str(self.model.output.weight.device), "data": self.data.report}
        run_folder.describe(self.folder, self.settings, command(), facts)
        progress = self.state.progress
        journal = Journal(self.folder, step=progress.step, validated=progress.validated)
        batching = config.build(Batching, self.settings["batching"])
        batches = Batches(self.data.train, self.data.tokenizers, batching, seed=self.settings["seed"])
        self.set_length(batches.count())
        loop = Loop(
            model=self.model,
            state=self.state,
            batches=batches,
            settings=self.training,
            journal=journal,
            validate=self.validate,
            save=self.saver(),
            interrupted=lambda: bool(self.interruption.caught),
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
        embedded = self.settings["data"]["name"] == "grammar"
        tell_length(self.training, updates, batches, warmup, embedded=embedded)

    def validate(self) -> Report:
        """Looks at the model as it is now; may be left by a signal."""
        with self.interruption.heeded(self.model.decoder):
            return self.validator()

    def saver(self, more: Mapping[str, bytes] = MappingProxyType({})) -> Callable[[Report | None], None]:
        """A function that writes checkpoints, with `more` files in them."""
        model = stored.files(self.settings, self.corpus, self.data.tokenizers)
        files = {**model, DATA: fingerprint(self.corpus), **more}
        metric = self.training.validation.metric
        heed = self.interruption.heed
        return run_folder.saver(self.checkpoints, self.state, files, lambda report: worth(report, metric), heed)

    def hand_on(self) -> None:
        """Puts the weights that the run hands on into the model: the best checkpoint's, or a better average."""
        best = model_folder(self.checkpoints.folder)
        if isinstance(self.average, LastCheckpoints | BestCheckpoints):
            best = self.averaged()
        loaded = stored.load(best, device=self.model.output.weight.device)
        put_weights(self.model, weights(loaded.model), best)
        self.model.eval()

    def averaged(self) -> Path:
        """Writes the mean of several checkpoints as one more, if it is better than all; returns the best there is.

        It holds the training state of the last step, so that training can still go on from there.
        """
        kept = self.checkpoints.kept()
        if (kept[-1].folder / AVERAGE).exists():  # nothing was trained since an earlier call made it
            return model_folder(self.checkpoints.folder)
        trained = [checkpoint for checkpoint in kept if not (checkpoint.folder / AVERAGE).exists()]
        # One that was never measured was saved by an interruption, and none should be felt in what comes out.
        chosen = [checkpoint for checkpoint in trained if checkpoint.value is not None] or trained
        if isinstance(self.average, BestCheckpoints):
            chosen = sorted(chosen, key=lambda c: -(c.value or 0.0))[: self.average.count]
        elif isinstance(self.average, LastCheckpoints):
            chosen = chosen[-self.average.count :]
        steps = [checkpoint.step for checkpoint in chosen]
        self.state.handed_on = average([checkpoint.folder for checkpoint in chosen])
        with self.state.as_saved():
            report = self.validate()
        metric = self.training.validation.metric
        logger.info("average of steps %s: %s %.4g", steps, metric, report.values[metric])
        best = max((checkpoint.value for checkpoint in kept if checkpoint.value is not None), default=None)
        if best is None or worth(report, metric) > best:
            self.saver({AVERAGE: json.dumps({"steps": steps}).encode()})(report)
        return model_folder(self.checkpoints.folder)

    def test(self) -> tuple[list[dict[str, Any]], dict[str, float], float]:
        """Scores on the test split, or on the validation split where there is no other, said in their names; those of
        alignment; and how many sentences a second were translated."""
        text, name = (self.data.test, "test") if self.data.test else (self.data.validation_text, "validation")
        start = time.perf_counter()
        hypotheses = [translation.text for translation in self.translator.translate(text.source, progress=True)]
        speed = len(hypotheses) / (time.perf_counter() - start)
        for kind, lines in (("source", text.source), ("hypotheses", hypotheses), ("references", text.target)):
            replace(self.folder / f"{name}.{kind}.txt", "".join(line.replace("\n", " ") + "\n" for line in lines))
        settings = {"language": self.corpus.target_language, "tokenize": settled(self.settings)}
        found = scored(text.source, hypotheses, text.target, name=name, **settings)
        return found, self.alignment(choose(text, complete(text.source, text.target))), speed

    def alignment(self, text: Bitext) -> dict[str, float]:
        """AER, precision and recall of links on the pairs of a split, where it has gold ones and there is attention."""
        if text.links is None or not self.model.has_attention:
            return {}
        gold = parse(text.links, name="the gold links")
        found = alignment_scores(self.translator, text.source, text.target, gold, position="predicted")
        return {"AER": found.aer, "precision": found.precision, "recall": found.recall}
