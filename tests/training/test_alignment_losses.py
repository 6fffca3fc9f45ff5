"""Losses of attention are their equations, number by number, with the right gradients; and training minimizes them."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from nmt import build, config
from nmt.data.batching import Batch
from nmt.errors import ConfigError
from nmt.kernels.cross_entropy import word_indices
from nmt.model.seq2seq import Seq2Seq
from nmt.training.alignment_losses import (
    ALIGNMENT_LOSSES,
    AlignmentLossName,
    AttentionWeights,
    compute_alignment_losses,
    needs_links,
)
from nmt.training.compiled import CompiledForward
from nmt.training.metrics_logger import read_rows
from nmt.training.objective import Objective
from nmt.training.state import get_weights
from tests import tiny_runs
from tests.builders import mark_slow_unless
from tests.shapes import without_checks
from tests.tiny_runs import DelayedInterruption, build_run, build_settings
from tests.training.fake_training import NO_DROPOUT

ROWS, HEADS, TARGET, SOURCE = 2, 3, 5, 7
LENGTHS, TARGET_LENGTHS = (7, 4), (5, 3)


def make_attention(energies: Tensor, links: Tensor | None = None) -> AttentionWeights:
    """Softmax weights of energies, with padding in the second row."""
    source = torch.arange(SOURCE) < torch.tensor(LENGTHS).unsqueeze(1)
    target = torch.arange(TARGET) < torch.tensor(TARGET_LENGTHS).unsqueeze(1)
    hidden = energies.masked_fill(~source[:, None, None], -torch.inf)
    return AttentionWeights(hidden.softmax(-1), hidden.log_softmax(-1), target, source, links)


def draw_energies(heads: int = HEADS) -> Tensor:
    torch.manual_seed(3)
    return torch.randn(ROWS, heads, TARGET, SOURCE, dtype=torch.float64)


def draw_links() -> Tensor:
    """Some links, a target position without any, and links of padding."""
    torch.manual_seed(4)
    links = torch.rand(ROWS, TARGET, SOURCE) < 0.3
    links[0, 2] = False
    links[1, 0, 1] = links[1, 4, 0] = True
    return links & (torch.arange(SOURCE) < torch.tensor(LENGTHS)[:, None, None])


def compute_slowly(name: str, attention: AttentionWeights) -> float:
    """The loss number by number, summed over a batch."""
    weights, total = attention.weights.tolist(), 0.0
    for row in range(ROWS):
        mean = [
            [sum(weights[row][h][t][s] for h in range(HEADS)) / HEADS for s in range(LENGTHS[row])]
            for t in range(TARGET_LENGTHS[row])
        ]
        covered = [0.0] * LENGTHS[row]
        for t, each in enumerate(mean):
            if name == "coverage":
                total += sum(map(min, each, covered))
            if name == "entropy":
                for h in range(HEADS):
                    total -= sum(w * math.log(w) for w in weights[row][h][t][: LENGTHS[row]]) / HEADS
            if name == "guided":
                assert attention.links is not None
                linked = [s for s in range(LENGTHS[row]) if attention.links[row, t, s]]
                total -= sum(math.log(each[s]) / len(linked) for s in linked)
            covered = [c + w for c, w in zip(covered, each, strict=True)]
        if name == "doubly_stochastic":
            total += sum((1 - c) ** 2 for c in covered)
    return total


@pytest.mark.parametrize("name", ALIGNMENT_LOSSES)
def test_a_loss_is_its_equation(name: AlignmentLossName) -> None:
    attention = make_attention(draw_energies(), draw_links())
    assert float(ALIGNMENT_LOSSES[name].compute(attention)) == pytest.approx(compute_slowly(name, attention))


@pytest.mark.parametrize("name", ALIGNMENT_LOSSES)
@pytest.mark.parametrize("heads", [1, HEADS])
def test_gradients_are_those_of_finite_differences(name: AlignmentLossName, heads: int) -> None:
    links = draw_links()
    energies = draw_energies(heads).requires_grad_()
    with without_checks():  # of thousands of equal calls
        assert torch.autograd.gradcheck(
            lambda given: ALIGNMENT_LOSSES[name].compute(make_attention(given, links)), (energies,)
        )


@pytest.mark.parametrize("heads", [1, HEADS])
def test_what_underflows_or_cannot_be_seen_has_finite_numbers(heads: int) -> None:
    energies = 500 * draw_energies(heads).float()
    energies[0, :, 1, 2] = -torch.inf  # outside of the scope in all heads
    energies.requires_grad_()
    links = torch.ones(ROWS, TARGET, SOURCE, dtype=torch.bool)
    for loss in ALIGNMENT_LOSSES.values():
        attention = make_attention(energies, links)
        value = loss.compute(attention)
        (gradient,) = torch.autograd.grad(value, energies)
        assert value.isfinite()
        assert gradient.isfinite().all()
    assert (attention.weights == 0).any()


def test_the_number_of_pairs_beside_a_pair_does_not_change_its_loss() -> None:
    attention = make_attention(draw_energies(), draw_links())
    for name, loss in ALIGNMENT_LOSSES.items():
        rows = [
            float(
                loss.compute(AttentionWeights(*(None if part is None else part[row : row + 1] for part in attention)))
            )
            for row in range(ROWS)
        ]
        assert sum(rows) == pytest.approx(float(loss.compute(attention))), name


def test_an_unknown_loss_is_answered_with_the_nearest(tmp_path: Path) -> None:
    chosen = build_settings(tmp_path)
    losses = {"guide": 0.1, "coverage": "much"}
    chosen = {**chosen, "training": {**chosen["training"], "alignment_losses": losses}}
    with pytest.raises(ConfigError) as caught:
        config.check(chosen, build.TRAIN)
    assert list(caught.value.args) == [
        "training.alignment_losses.guide is not a setting. Did you mean guided?",
        "training.alignment_losses.coverage='much' must be a number.",
    ]


def test_losses_of_attention_need_attention_and_links(tmp_path: Path) -> None:
    settings = build_settings(tmp_path, "attention=none", "training.alignment_losses.coverage=1")
    with pytest.raises(ConfigError, match=r"training\.alignment_losses\.coverage is about attention weights"):
        build.dry_run(settings)
    assert not needs_links({"guided": 0.0, "coverage": 1.0})
    for losses, links in (("guided=0", None), ("guided=0.1", "given")):
        assert build.choose_links(build_settings(tmp_path, f"training.alignment_losses.{losses}")) == links
    em = build_settings(tmp_path, "training.alignment_losses.guided=0.1", "data.links=em")
    assert build.choose_links(em) == "em"
    hub = {**em, "data": {**tiny_runs.compose_config("data=hub", "data.path=a/b")["data"]}}
    with pytest.raises(ConfigError, match=r"there are none\. Give data\.links=em, which makes them"):
        build.choose_links(hub)


ALL = tuple(
    f"training.alignment_losses.{name}={weight}" for name, weight in zip(ALIGNMENT_LOSSES, (1, 2, -1, 3), strict=True)
)
FAMILIES = {
    "luong": (),
    "bahdanau": ("model/decoder=bahdanau", "model.decoder.cell=gru", "attention=bahdanau"),
    "sparse": ("attention=sparsemax", "attention.heads=2"),
    "gaussian": ("attention=luong_local_p",),
    "monotonic": ("attention/normalizer=monotonic",),
    "coverage": ("attention/history=coverage", "attention/score=additive"),
    "sampled": ("attention/selection=sampled",),
    "copy": ("model/head=copy",),
    "marginal": ("attention/selection=marginal",),
    "transformer": tiny_runs.TRANSFORMER,
    "bfloat16": ("training.precision=bfloat16", "attention.heads=2"),
}


FIRST_FAMILIES = ("sparse", "monotonic", "marginal", "transformer")
"""Those of the default tests; all others are slow."""


def start_run(folder: Path, *overrides: str) -> tuple[Seq2Seq, Objective, list[Batch]]:
    """The model and objective of a tiny run, and its first batches."""
    from nmt.data.batching import Batches, BatchSettings

    settings = build_settings(folder, *overrides)
    run = build_run(settings, folder)
    batching = config.build(BatchSettings, settings["batching"])
    epoch = Batches(run.data.train, run.data.tokenizers, batching, seed=1).make_epoch(0)
    return run.model, Objective(run.model, run.training), [epoch.get_batch(number) for number in range(2)]


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("family", mark_slow_unless(FIRST_FAMILIES, list(FAMILIES)))
def test_every_family_learns_from_its_attention(family: str, tmp_path: Path) -> None:
    model, objective, batches = start_run(tmp_path / "run", *ALL, *FAMILIES[family])
    counts = objective.count(batches)
    assert counts.alignment["doubly_stochastic"] == sum(len(batch.lines) for batch in batches)
    assert counts.alignment["coverage"] == counts.words > counts.alignment["guided"] > 0
    sums = [objective.backward(batch, counts) for batch in batches]
    for each in sums:
        assert all(value.isfinite() for value in each.alignment.values())
        assert each.alignment["guided"] > 0
    gradients = [parameter.grad for name, parameter in model.decoder.named_parameters() if "attention" in name]
    assert all(gradient is None or gradient.isfinite().all() for gradient in gradients)


@pytest.mark.usefixtures("unchecked_shapes")
def test_parts_of_a_step_are_weighed_as_the_whole(tmp_path: Path) -> None:
    """Batches with different numbers of links: their gradients are those of all losses at once, by hand."""
    model, objective, batches = start_run(tmp_path / "run", *ALL, *NO_DROPOUT)
    counts = objective.count(batches)
    for batch in batches:
        objective.backward(batch, counts)
    found = [parameter.grad for parameter in model.parameters()]
    model.zero_grad()
    total = torch.zeros(())
    for batch in batches:
        inputs = model(batch.source, batch.source_lengths, batch.target_input, keep_weights=True)
        smoothing, indices = objective.settings.label_smoothing, word_indices(batch.target_output)
        loss = model.compute_loss(inputs, batch.target_output, smoothing=smoothing, indices=indices)
        total = total + loss.objective / counts.words
        for name, value in compute_alignment_losses(objective.weights, inputs, batch).items():
            total = total + objective.weights[name] * value / counts.alignment[name]
    total.backward()
    for one, parameter in zip(found, model.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
def test_a_compiled_decoder_gives_the_same_losses(tmp_path: Path) -> None:
    model, objective, batches = start_run(tmp_path / "run", *ALL, *NO_DROPOUT)
    compiled = CompiledForward(model, is_captured=False, backend="eager", keep_weights=True)
    given = batches[0].source, batches[0].source_lengths, batches[0].target_input
    one, other = (
        compute_alignment_losses(objective.weights, forward(*given), batches[0])
        for forward in (compiled, objective.forward)
    )
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("unchecked_shapes")
def test_weights_are_kept_only_for_losses(tmp_path: Path) -> None:
    model, objective, batches = start_run(tmp_path / "run")
    assert objective.forward is model
    assert batches[0].links is None
    inputs = model(batches[0].source, batches[0].source_lengths, batches[0].target_input)
    assert inputs.head_weights is None
    assert inputs.head_log_weights is None


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_resumed_run_is_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    words = (*ALL, *tiny_runs.RANDOM_OVERRIDES, "training.stop.steps=6", "training.validation.every_steps=6")
    whole = build_run(build_settings(tmp_path / "whole", *words), tmp_path / "whole")
    whole.train()
    part = tmp_path / "part"
    build_run(build_settings(part, *words), part, DelayedInterruption(4)).train()
    resumed = build_run(build_settings(part, *words), part, seed=99)
    resumed.train()
    for name, tensor in get_weights(whole.model).items():
        assert torch.equal(tensor, get_weights(resumed.model)[name]), name
    rows: list[list[dict[str, Any]]] = [
        [row for row in read_rows(folder / "metrics.jsonl") if row["kind"] == "train"]
        for folder in (tmp_path / "whole", part)
    ]
    assert len(rows[0]) == 2
    for one, other in zip(*rows, strict=True):
        for name in ALIGNMENT_LOSSES:
            assert one[f"{name}_loss"] == other[f"{name}_loss"]
    assert json.loads(json.dumps(rows[0][0]))["guided_loss"] > 0


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("links", ["null", "em"])
def test_guidance_lowers_the_alignment_error(links: str, tmp_path: Path) -> None:
    """A small run on the embedded corpus beside the same without the loss, by AER against the gold links."""
    words = (
        *("data.train=1500", "data.validation=60", "tokenizer.vocab_size=400", "batching.tokens=1500"),
        *("model.embedding_size=48", "model.encoder.hidden_size=32", "model.decoder.hidden_size=64"),
        *("optimizer.learning_rate=0.005", "training.stop.steps=150", "training.validation.every_steps=150"),
        *("training.validation.metric=loss", "training.validation.sentences=60", f"data.links={links}"),
    )
    found = {}
    for weight in (0.0, 1.0):
        folder = tmp_path / f"weight-{weight}"
        run = build_run(build_settings(folder, *words, f"training.alignment_losses.guided={weight}"), folder)
        run.train()
        rows = read_rows(folder / "metrics.jsonl")
        found[weight] = next(row["aer"] for row in rows if row["kind"] == "validation")
        losses = [row["guided_loss"] for row in rows if "guided_loss" in row]
        assert len(losses) == (50 if weight else 0)
        if weight:
            assert np.mean(losses[-5:]) < losses[0]
    assert found[1.0] < found[0.0] - 0.1
