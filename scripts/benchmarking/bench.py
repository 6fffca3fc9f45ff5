"""Every system has its turn in every round, so that a machine that drifts drifts for all of them."""

import json
import logging
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tqdm import tqdm

from nmt import build
from nmt.errors import ConfigError
from nmt.evaluation.bleu import bleu
from nmt.kernels import precision
from nmt.kernels.quantized_linear import PRECISIONS
from scripts.benchmarking import texts
from scripts.benchmarking.counting import count_multiply_adds
from scripts.benchmarking.measures import build_environment, measure_ceiling, run_case, run_watched
from scripts.benchmarking.peers import ATTENTIONS, LABELS, Peer
from scripts.benchmarking.plan import PEER_MODE, PEER_VARIANTS, TRANSLATION_MODES, VARIANTS, Effort, TranslationMode
from scripts.benchmarking.settings import compose_settings

logger = logging.getLogger(__name__)

SIDES = ("source", "target")
REFERENCES = "text/test.target"
"""Under the work folder: what the test lines should become."""


class Turn(NamedTuple):
    """What one system does once a round. counted: the overrides whose arithmetic it does; batch: None as shipped."""

    system: str
    variant: str
    run: Callable[[], dict[str, Any]]
    overrides: Sequence[str] = ()
    batch: int | None = None


class Benchmark:
    """Measures with `overrides` of the setting, beside `peers` (name -> interpreter), and writes into `work`."""

    def __init__(
        self,
        overrides: Sequence[str],
        work: Path,
        threads: int,
        effort: Effort,
        peers: Mapping[str, str],
        model: Path | None,
    ) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self.work = work.resolve()
        self.threads = threads
        self.effort = effort
        self.model = model
        given = list(overrides)
        if not any(word.startswith("data") for word in given):
            given = [*texts.write_bitext_files(self.work / "made-up", lines=20_000), *given]
        self.overrides = [*given, f"threads={threads}", f"cache={self.work / 'cache'}", "device=cpu"]
        torch.set_num_threads(threads)
        self.settings = compose_settings(self.overrides)
        build.dry_run(self.settings)
        self.lengths = self._run_case("lengths", overrides=self.overrides)
        data = self.work / "text"
        self.peers = {name: Peer(name, python, data, self.work, threads) for name, python in peers.items()}
        serialized = bytes.fromhex(self.lengths.pop("source_model"))
        texts.write_texts(
            build.build_corpus(self.settings), serialized, self.work / "text", effort.sentences, bool(peers)
        )
        self.started = time.monotonic()
        self.probes: list[dict[str, Any]] = []

    def run(self, sections: Sequence[str]) -> dict[str, Any]:
        """All that was asked for: section -> results; in results.json as soon as a section is done."""
        jobs: dict[str, Callable[[], dict[str, Any]]] = {
            "training": self.measure_training,
            "stages": self.measure_stages,
            "translation": self.measure_translation,
            "growth": self.measure_growth,
        }
        found: dict[str, Any] = {}
        for name in (name for name in jobs if name in sections):
            self._probe_machine(name)
            found |= jobs[name]()
            self._save_results(found)
        self._probe_machine("the end")
        return self._save_results(found)

    def measure_training(self) -> dict[str, Any]:
        """Target tokens/s of every variant and every peer."""
        turns: list[Turn] = []
        for variant in self.effort.variants:
            more = VARIANTS[variant]
            chosen = compose_settings([*self.overrides, *more])
            if problem := explain_refusal(
                partial(precision.check_precision, chosen["training"]["precision"], chosen["device"])
            ):
                logger.warning("not measured: %s. %s", variant, problem)
                continue
            request = {"overrides": [*self.overrides, *more], "seconds": self.effort.seconds}
            turns.append(Turn("nmt", variant, partial(self._run_case, "train", **request), overrides=more))
            for name, peer in self.peers.items() if variant in PEER_VARIANTS else ():
                attention = ATTENTIONS[name][PEER_VARIANTS.index(variant)]
                run = partial(self._measure_with_ceiling, partial(peer.train, attention, self.effort.seconds))
                turns.append(Turn(LABELS[name], attention, run, overrides=more))
        rows = []
        for turn, rounds in zip(turns, self._run_rounds("training", turns), strict=True):
            rates = [rate for found in rounds for rate in found["rates"]]
            median, machine = statistics.median(rates), statistics.mean(found["ceiling"] for found in rounds)
            work = self._count_multiply_adds(turn.overrides)
            rows.append(
                {
                    "who": turn.system,
                    "what": turn.variant,
                    "rates": rates,
                    "median": median,
                    "peak_mib": max(found["peak_mib"] for found in rounds),
                    "ceiling": machine,
                    "multiply_adds": work.forward,
                    "share": median * work.training_flops / (1e9 * machine),
                }
            )
        return {"training": rows}

    def measure_stages(self) -> dict[str, Any]:
        """Where the time of a step goes."""
        rows = []
        for what in tqdm(self.effort.stage_variants, desc="stages", disable=None):
            request = {"overrides": [*self.overrides, *VARIANTS[what]], "seconds": self.effort.seconds}
            rows.append({"what": what, **self._run_case("where", **request)})
        return {"stages": rows}

    def measure_translation(self) -> dict[str, Any]:
        """Sentences/s and latency, ours and the peers' in turn."""
        folder = self._prepare_model()
        turns: list[Turn] = []
        lines, alone = self.work / "text" / "test.source", self._write_latency_text()
        for name, way in TRANSLATION_MODES.items():
            if problem := explain_refusal(partial(PRECISIONS[way.precision], torch.zeros(16, 16), None)):
                logger.warning("not measured: %s. %s", name, problem)
                continue
            for batch in (None, *self.effort.batches, 1) if way.has_latency else (None, *self.effort.batches):
                run = partial(self._measure_own_translation, folder, alone if batch == 1 else lines, way, batch)
                turns.append(Turn("nmt", name, run, batch=batch))
                for peer, toolkit in self.peers.items() if batch is not None and name == PEER_MODE else ():
                    turns.append(
                        Turn(LABELS[peer], name, partial(self._measure_peer_translation, toolkit, batch), batch=batch)
                    )
        speeds, latencies = [], []
        for turn, rounds in zip(turns, self._run_rounds("translation", turns), strict=True):
            row = {"who": turn.system, "search": turn.variant, "batch": turn.batch or "as shipped"}
            if turn.batch == 1:
                latencies.append(row | _summarize_latency(rounds))
            else:
                speeds.append(row | _summarize_speed(rounds))
        return {"translation": speeds, "latency": latencies}

    def measure_growth(self) -> dict[str, Any]:
        """Cost against one size at a time."""
        found: dict[str, Any] = {}
        for axis, points in tqdm(self.effort.growth.items(), desc="growth", disable=None):
            request = {"overrides": self.overrides, "axis": axis, "points": points, "repeats": self.effort.repeats}
            found[axis] = {"at": list(points), **self._run_case("grow", **request)}
        rows = []
        for pairs in tqdm(self.effort.pairs, desc="memory", disable=None):
            cache = self.work / "memory-cache"
            shutil.rmtree(cache, ignore_errors=True)
            given = texts.write_bitext_files(self.work / "made-up", lines=pairs)
            overrides = [*given, f"cache={cache}", "device=cpu"]
            ways = {way: self._run_case("memory", overrides=overrides) for way in ("preparing", "reading")}
            rows.append({"pairs": pairs, **ways})
        shutil.rmtree(self.work / "memory-cache", ignore_errors=True)
        found["memory"] = {"points": rows}
        return {"growth": found}

    def _save_results(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Writes what there is so far, with what is known of the machine, and returns it."""
        results = {"machine": {"probes": self.probes, "about": self._describe_machine()}, **found}
        (self.work / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        return results

    def _run_rounds(self, name: str, turns: Sequence[Turn]) -> list[list[dict[str, Any]]]:
        """What every turn gave in every round."""
        found: list[list[dict[str, Any]]] = [[] for _ in turns]
        with tqdm(total=len(turns) * self.effort.rounds, desc=name, disable=None) as bar:
            for _ in range(self.effort.rounds):
                for place, turn in enumerate(turns):
                    bar.set_postfix_str(f"{turn.system}: {turn.variant}")
                    found[place].append(turn.run())
                    bar.update()
        return found

    def _measure_own_translation(
        self, model: str, lines: Path, way: TranslationMode, batch: int | None
    ) -> dict[str, Any]:
        """A turn of ours: without start-up and, as shipped, the whole command too, with the BLEU of what it wrote."""
        chosen = {"search": dict(way.search), "precision": way.precision, "shortlist": way.shortlist}
        found = self._run_case("translate", model=model, lines=str(lines), batch=batch, **chosen)
        if batch is not None:
            return found
        output = self.work / "translated.txt"
        command = [sys.executable, "-m", "nmt.cli.translate", f"model={model}", f"input={lines}"]
        command += [f"output={output}", f"threads={self.threads}", "device=cpu", *way.arguments]
        result = run_watched(command, env=build_environment(self.threads), log=self.work / "translate.log")
        return {**found, "whole": result.seconds, "peak_mib": result.peak_mib, "bleu": self._bleu(output)}

    def _bleu(self, output: Path) -> float:
        """Of a file of translations of the test lines."""
        sides = [path.read_text(encoding="utf-8").splitlines() for path in (output, output.parent / REFERENCES)]
        return bleu(*sides).value

    def _measure_peer_translation(self, peer: Peer, batch: int) -> dict[str, Any]:
        """A turn of a peer's."""
        found = peer.translate(batch, lines=self.effort.latency_sentences if batch == 1 else None)
        if batch == 1:
            return {**found, "latency": [found["seconds"] / found["sentences"]]}
        return found

    def _measure_with_ceiling(self, turn: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A peer's turn between two looks at the machine."""
        before = measure_ceiling()
        found = turn()
        return {**found, "ceiling": (before + measure_ceiling()) / 2}

    def _prepare_model(self) -> str:
        """A model folder to translate with; it and the peer's are trained where no earlier run has done so."""
        run = self.work / "model"
        if self.model is None and not (run / "checkpoints").exists():
            logger.info("training a model to translate with, %.0f s", self.effort.learn)
            self._run_case("train", overrides=self.overrides, seconds=self.effort.learn, output=str(run))
        # The peers' newest ones are taken too, whatever they are worth.
        folder = run / "checkpoints" / "last" if self.model is None else self.model.expanduser().resolve()
        for name, peer in self.peers.items():
            if peer.find_newest_checkpoint() is None:
                logger.info("training %s's model to translate with, %.0f s", LABELS[name], self.effort.learn)
                peer.train(ATTENTIONS[name][0], self.effort.learn, keep=True)
        self._learn_lexicon(folder)
        return str(folder)

    def _learn_lexicon(self, folder: Path) -> None:
        """Learns the lexicon that shortlists are made of, from the training text."""
        bitext = build.build_corpus(self.settings).load("train")
        assert bitext is not None
        sides = {
            side: texts.write_lines(self.work / "text" / f"bitext.{side}", getattr(bitext, side)) for side in SIDES
        }
        command = [sys.executable, "-m", "nmt.cli.shortlist", f"model={folder}"]
        command += [f"{side}={path}" for side, path in sides.items()]
        run_watched(command, env=build_environment(self.threads), log=self.work / "shortlist.log")

    def _run_case(self, kind: str, **request: Any) -> dict[str, Any]:
        return run_case(kind, self.threads, **request)

    def _write_latency_text(self) -> Path:
        """The first few sentences, for latency."""
        kept = (
            (self.work / "text" / "test.source")
            .read_text(encoding="utf-8")
            .splitlines()[: self.effort.latency_sentences]
        )
        return texts.write_lines(self.work / "text" / "alone.source", kept)

    def _count_multiply_adds(self, more: Sequence[str]) -> Any:
        """Multiply-adds a target token of a sentence of mean lengths."""
        source, target = round(self.lengths["source"]), round(self.lengths["target"])
        chosen = compose_settings([*self.overrides, *more])
        size = self.lengths["vocab_size"]
        return count_multiply_adds(chosen, vocab_size=size, source=source, target=target).divide_by(target)

    def _probe_machine(self, before: str) -> None:
        minute = (time.monotonic() - self.started) / 60
        self.probes.append({"minute": minute, "before": before, "gflops": measure_ceiling(2.0)})

    def _describe_machine(self) -> dict[str, Any]:
        mean = {side: f"{self.lengths[side]:.1f}" for side in ("source", "target")}
        return {
            "cores": os.cpu_count(),
            "threads": self.threads,
            "machine": platform.machine(),
            "python": platform.python_version(),
            "torch": torch.__version__,
            "pairs": self.lengths["pairs"],
            "mean source tokens": mean["source"],
            "mean target tokens": mean["target"],
            "load average": f"{os.getloadavg()[0]:.1f}",
        }


def explain_refusal(attempt: Callable[[], object]) -> str:
    """Why something cannot be had on this machine; empty where it can."""
    try:
        attempt()
    except ConfigError as problem:
        return str(problem)
    return ""


def _summarize_speed(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sentences and pieces a second."""
    return {
        "rates": [found["sentences"] / found["seconds"] for found in rounds],
        "pieces_rate": statistics.median(found["pieces"] / found["seconds"] for found in rounds),
        "length": rounds[0]["pieces"] / rounds[0]["sentences"],
        "whole": [found["sentences"] / found["whole"] for found in rounds if found.get("whole")],
        "peak_mib": max(found["peak_mib"] for found in rounds),
        "bleu": rounds[0].get("bleu"),
    }


def _summarize_latency(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Milliseconds of one sentence; of a peer that times all of them together, their mean."""
    times = sorted(1000 * second for found in rounds for second in found["latency"])
    is_per_sentence = len(times) > len(rounds)
    return {
        "sentences": rounds[0]["sentences"],
        "median": f"{statistics.median(times):.0f}" if is_per_sentence else f"{statistics.mean(times):.0f} (mean)",
        "worst": f"{times[int(0.95 * len(times))]:.0f}" if is_per_sentence else "",
    }
