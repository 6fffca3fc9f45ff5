"""How cost grows with one size at a time: random ids of exact lengths, so that nothing else changes."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from nmt import build, config
from nmt.config import ConfigDict
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import EOS
from scripts.benchmarking.counting import count_multiply_adds
from scripts.benchmarking.settings import compose_settings

SENTENCE_LENGTH = 14
"""Tokens of either side, </s> counted, where length is not what grows."""

STEP_TOKENS = 1400
"""Target tokens of a training step."""

BATCH_SENTENCES = 32
"""Of a translated batch."""

Point = dict[str, float]


def measure_training_point(chosen: ConfigDict, *, vocab_size: int, source: int, target: int, repeats: int) -> Point:
    """Microseconds of a training step for each target token: the shortest of `repeats` steps."""
    torch.manual_seed(1)
    model = build.build_model(chosen, source_vocab=vocab_size, target_vocab=vocab_size, joint=True).train()
    optimizer = config.build_variant(build.OPTIMIZER, chosen["optimizer"]).build_optimizer(model)
    rows = max(1, STEP_TOKENS // target)
    batch = torch.randint(EOS + 1, vocab_size, (rows, source)), torch.randint(EOS + 1, vocab_size, (rows, target))
    time_step(model, optimizer, *batch)
    seconds = min(time_step(model, optimizer, *batch) for _ in range(repeats))
    counted = count_multiply_adds(chosen, vocab_size=vocab_size, source=source, target=target)
    return {
        "microseconds": 1e6 * seconds / (rows * target),
        "multiply_adds": counted.forward / target,
        "gflops": rows * counted.training_flops / seconds / 1e9,
    }


def time_step(model: Seq2Seq, optimizer: torch.optim.Optimizer, source: torch.Tensor, target: torch.Tensor) -> float:
    """Seconds of one training step."""
    started = time.perf_counter()
    optimizer.zero_grad(set_to_none=True)
    inputs = model(source, torch.full((len(source),), source.shape[1]), target)
    loss = model.compute_loss(inputs, target, smoothing=0.1)
    (loss.objective / target.numel()).backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return time.perf_counter() - started


def measure_by_source(overrides: Sequence[str], points: Sequence[int], repeats: int) -> list[Point]:
    """Training, by tokens of the source; the target keeps its length."""
    chosen = compose_settings(overrides)
    return [
        measure_training_point(
            chosen, vocab_size=get_vocab_size(chosen), source=point, target=SENTENCE_LENGTH, repeats=repeats
        )
        for point in points
    ]


def measure_by_vocabulary(overrides: Sequence[str], points: Sequence[int], repeats: int) -> list[Point]:
    """Training, by the size of the vocabulary."""
    chosen = compose_settings(overrides)
    return [
        measure_training_point(
            chosen, vocab_size=point, source=SENTENCE_LENGTH, target=SENTENCE_LENGTH, repeats=repeats
        )
        for point in points
    ]


def measure_by_hidden(overrides: Sequence[str], points: Sequence[int], repeats: int) -> list[Point]:
    """Training, by the decoder's hidden size; each direction of the encoder has half of it."""
    sized = [
        compose_settings([*overrides, f"model.decoder.hidden_size={point}", f"model.encoder.hidden_size={point // 2}"])
        for point in points
    ]
    return [
        measure_training_point(
            chosen, vocab_size=get_vocab_size(chosen), source=SENTENCE_LENGTH, target=SENTENCE_LENGTH, repeats=repeats
        )
        for chosen in sized
    ]


def get_vocab_size(chosen: ConfigDict) -> int:
    """The configured size."""
    return int(chosen["tokenizer"]["vocab_size"])


def measure_translation_point(model: Seq2Seq, *, beam: int, length: int, repeats: int) -> Point:
    """Milliseconds a sentence: the shortest of `repeats`; every translation is as long as its source."""
    forced = {"name": "beam", "size": beam, "min_ratio": 1.0, "max_ratio": 1.0, "max_extra": 0}
    search = build.build_search(config.check({"search": forced}, {"search": build.SEARCH}))
    source = torch.randint(EOS + 1, model.head.vocabulary_size, (BATCH_SENTENCES, length))
    source[:, -1] = EOS
    lengths = torch.full((BATCH_SENTENCES,), length)
    spent = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        with torch.inference_mode():
            memory, state = model.encode(source, lengths)
            search(model.step, state, memory, lengths)
        spent.append(time.perf_counter() - started)
    return {"milliseconds": 1000 * min(spent[1:]) / BATCH_SENTENCES}


def build_untrained_model(overrides: Sequence[str]) -> Seq2Seq:
    """A model to translate with, as it begins."""
    chosen = compose_settings(overrides)
    torch.manual_seed(1)
    size = get_vocab_size(chosen)
    return build.build_model(chosen, source_vocab=size, target_vocab=size, joint=True).eval()


def measure_by_beam(overrides: Sequence[str], points: Sequence[int], repeats: int) -> list[Point]:
    """Translation, by the size of the beam."""
    model = build_untrained_model(overrides)
    return [measure_translation_point(model, beam=point, length=SENTENCE_LENGTH, repeats=repeats) for point in points]


def measure_by_length(overrides: Sequence[str], points: Sequence[int], repeats: int) -> list[Point]:
    """Translation with a beam of five, by the length of source and translation."""
    model = build_untrained_model(overrides)
    return [measure_translation_point(model, beam=5, length=point, repeats=repeats) for point in points]


AXES: dict[str, Callable[[Sequence[str], Sequence[int], int], list[Point]]] = {
    "source": measure_by_source,
    "vocabulary": measure_by_vocabulary,
    "hidden": measure_by_hidden,
    "beam": measure_by_beam,
    "length": measure_by_length,
}

TITLES = {
    "source": ("training by source length", "source tokens", "microseconds a target token"),
    "vocabulary": ("training by vocabulary", "pieces", "microseconds a target token"),
    "hidden": ("training by hidden size", "decoder's hidden size", "microseconds a target token"),
    "beam": ("translation by beam", "beam size", "milliseconds a sentence"),
    "length": ("translation by length, beam 5", "source tokens", "milliseconds a sentence"),
    "memory": ("memory by corpus", "thousand pairs", "peak MiB above an idle process"),
}
"""Title and names of the axes of each panel."""


def plot_panels(panels: Mapping[str, Mapping[str, Sequence[float]]], path: Path) -> None:
    """Draws panel -> curve -> (points, values), given as `points` and any other names, to a PNG file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    axes = figure.subplots(2, 3).flat
    for ax, (name, curves) in zip(axes, panels.items(), strict=False):
        title, x, y = TITLES[name]
        for label, values in curves.items():
            if label != "points":
                ax.plot(curves["points"], values, marker="o", label=label)
        ax.set(title=title, xlabel=x, ylabel=y, ylim=(0, None), xlim=(0, None))
        ax.locator_params(axis="x", nbins=6)  # so that the names of large sizes do not touch
        if len(curves) > 2:
            ax.legend()
    for ax in list(axes)[len(panels) :]:
        ax.set_visible(False)
    figure.savefig(path, dpi=110)


def build_panels(found: Mapping[str, Any]) -> dict[str, dict[str, list[float]]]:
    """What `plot_panels` draws, from the results of the cases `grow` and `memory`."""
    drawn: dict[str, dict[str, list[float]]] = {}
    for axis, grown in found.items():
        rows = grown["points"]
        if axis == "memory":
            drawn[axis] = {"points": [row["pairs"] / 1000 for row in rows]}
            for way in ("preparing", "reading"):
                drawn[axis][way] = [row[way]["peak_mib"] - row[way]["idle_mib"] for row in rows]
            continue
        unit = "milliseconds" if axis in ("beam", "length") else "microseconds"
        drawn[axis] = {"points": grown["at"], "measured": [row[unit] for row in rows]}
        if unit == "microseconds":
            ceiling = 1e3 * grown["ceiling"]  # FLOP a microsecond
            drawn[axis]["at the machine's ceiling"] = [6 * row["multiply_adds"] / ceiling for row in rows]
    return drawn
