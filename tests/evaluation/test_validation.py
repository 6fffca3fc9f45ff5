"""What a validation says, against computations of its own."""

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmt.data.encoded import tokenize
from nmt.evaluation.alignment import extract_argmax_links, parse_pharaoh, score_alignments
from nmt.evaluation.bleu import bleu, chrf
from nmt.evaluation.probes import Probes
from nmt.evaluation.validation import (
    Validator,
    collect_search_attention,
    compute_word_alignments,
    score_forced_alignments,
)
from nmt.runs.run_folder import replace_infinite
from nmt.runs.training_run import TrainingRun
from nmt.special_tokens import BOS, EOS
from nmt.translation.translator import force_decode
from tests import tiny_runs
from tests.builders import compute_logits

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingRun:
    folder = tmp_path_factory.mktemp("run") / "run"
    found = tiny_runs.build_run(tiny_runs.build_settings(folder, "search.max_ratio=1"), folder)
    found.model.eval()
    return found


def validator(run: TrainingRun, *, probes: int = 2, sentences: int | None = None, tokens: int = 4096) -> Validator:
    shown = Probes(sentences=probes, shortest=1, longest=99)
    return Validator(run.translator, run.data.validation, run.data.validation_text, shown, sentences, tokens)


@torch.inference_mode()
def surprise(run: TrainingRun, source: list[int], target: list[int]) -> float:
    """-log p of one pair without padding, EOS included."""
    ids = torch.tensor([[*source, EOS]])
    logits = compute_logits(run.model, ids, torch.tensor([ids.shape[1]]), torch.tensor([[BOS, *target]]))
    log_probs = F.log_softmax(logits[0].double(), -1)
    return -float(sum(log_probs[place, word] for place, word in enumerate([*target, EOS])))


@pytest.mark.parametrize("tokens", [1, 90, 10_000])
def test_the_loss_is_the_mean_surprise_of_a_target_word(run: TrainingRun, tokens: int) -> None:
    pairs = run.data.validation
    both = [(pairs.source.get_sentence(i), pairs.target.get_sentence(i)) for i in range(pairs.pairs)]
    total = sum(surprise(run, source, target) for source, target in both)
    expected = total / sum(len(target) + 1 for _, target in both)
    assert validator(run, tokens=tokens).compute_nll() == pytest.approx(expected, rel=1e-5)


def test_empty_lines_have_a_loss_too(run: TrainingRun) -> None:
    pairs = tokenize(run.data.tokenizers, ["", "the dog"], ["der Hund", ""])
    both = [(pairs.source.get_sentence(i), pairs.target.get_sentence(i)) for i in range(2)]
    expected = sum(surprise(run, *pair) for pair in both) / sum(len(target) + 1 for _, target in both)
    found = Validator(run.translator, pairs, run.data.validation_text, Probes(sentences=0)).compute_nll()
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_report_holds_what_each_part_says_alone(run: TrainingRun) -> None:
    text = run.data.validation_text
    report = validator(run)()
    assert report.hypotheses == [t.text for t in run.translator.translate(text.source)]
    assert report.values["loss"] == validator(run).compute_nll()
    assert report.values["perplexity"] == pytest.approx(math.exp(report.values["loss"]))
    assert report.scores == {
        "bleu": bleu(report.hypotheses, text.target),
        "chrf": chrf(report.hypotheses, text.target),
    }
    assert text.alignments is not None
    gold = parse_pharaoh(text.alignments, name="gold")
    alone = score_forced_alignments(run.translator, text.source, text.target, gold, position="predicted").aer
    assert report.values["aer"] == alone
    assert 0 <= alone <= 1
    assert len(report.probe_records) == 2
    shown = [text.source.index(" ".join(picture["source"][:-1])) for picture in report.probe_records]
    assert [parse_pharaoh([picture["gold"]], name="gold")[0] for picture in report.probe_records] == [
        gold[i] for i in shown
    ]
    assert all(json.dumps(picture, allow_nan=False) for picture in report.probe_records)


def test_fewer_sentences_are_those_at_the_start(run: TrainingRun) -> None:
    whole, few = validator(run)(), validator(run, sentences=2)()
    assert few.hypotheses == whole.hypotheses[:2]
    assert few.values["loss"] == whole.values["loss"]


def test_without_gold_there_is_no_alignment_error(run: TrainingRun) -> None:
    text = run.data.validation_text._replace(alignments=None)
    report = Validator(run.translator, run.data.validation, text, Probes(sentences=1, shortest=1))()
    assert "aer" not in report.values
    assert "attention.forced.aer_read" not in report.measures
    assert [picture["gold"] for picture in report.probe_records] == [None]


def test_it_looks_without_dropout_and_leaves_no_trace(run: TrainingRun) -> None:
    expected = validator(run)()
    state = torch.get_rng_state()
    run.model.train()
    try:
        again = validator(run)()
        assert run.model.training
    finally:
        run.model.eval()
    assert again.values == expected.values
    assert again.measures == expected.measures
    assert again.hypotheses == expected.hypotheses
    assert torch.equal(torch.get_rng_state(), state)
    validator(run)()
    assert not run.model.training


@pytest.mark.parametrize("position", ["predicted", "read"])
def test_word_alignments_have_a_row_and_a_column_for_every_word(run: TrainingRun, position: str) -> None:
    text = run.data.validation_text
    found = compute_word_alignments(run.translator, text.source, text.target, position=position)  # type: ignore[arg-type]
    for weights, source, target in zip(found, text.source, text.target, strict=True):
        assert weights.shape == (len(target.split()), len(source.split()))
        # A target word's row is a mean over its pieces, each of which gives the rest of its weight to EOS.
        assert (weights.sum(1) <= 1 + 1e-5).all()
        assert (weights >= 0).all()


def test_the_alignment_scores_are_those_of_the_heaviest_source_words(run: TrainingRun) -> None:
    text = run.data.validation_text
    assert text.alignments is not None
    gold = parse_pharaoh(text.alignments, name="gold")
    found = compute_word_alignments(run.translator, text.source, text.target, position="read")
    links = [{(int(np.argmax(row)), j) for j, row in enumerate(weights)} for weights in found]
    expected = score_alignments(links, gold)
    assert links == [extract_argmax_links(weights) for weights in found]
    assert score_forced_alignments(run.translator, text.source, text.target, gold, position="read") == expected


def test_attention_is_measured_forced_and_free(run: TrainingRun) -> None:
    text = run.data.validation_text
    found = validator(run, probes=0)().measures
    names = {"entropy", "effective", "largest", "zeros", "coverage", "end", "punctuation", "monotonicity", "diagonal"}
    names |= {"lagging"}
    ways = {f"attention.{way}.{name}" for way in ("forced", "free") for name in names}
    assert ways - {"attention.free.monotonicity"} <= found.keys() <= ways | {"attention.forced.aer_read"}
    tokenizers = run.data.tokenizers
    pairs = list(zip(tokenizers.source.encode(text.source), tokenizers.target.encode(text.target), strict=True))
    given = force_decode(run.model, pairs, position="predicted")
    searched = [t.hypotheses[0].weights for t in run.translator.translate(text.source)]
    for way, weights in (("forced", given), ("free", searched)):
        rows = np.concatenate([row.max(-1) for row in weights if row is not None])
        assert found[f"attention.{way}.largest"] == pytest.approx(rows.mean(), rel=1e-4)
    gold = parse_pharaoh(text.alignments or [], name="gold")
    read = score_forced_alignments(run.translator, text.source, text.target, gold, position="read").aer
    assert found["attention.forced.aer_read"] == read


def test_translations_without_weights_have_no_measures(run: TrainingRun) -> None:
    text = run.data.validation_text
    without = dataclasses.replace(run.translator, weights=False)
    assert collect_search_attention(without, text.source, without.translate(text.source)) == []
    assert len(collect_search_attention(run.translator, text.source, run.translator.translate(text.source))) == len(
        text.source
    )
    assert collect_search_attention(run.translator, [""], run.translator.translate([""])) == []


@pytest.mark.parametrize(("nll", "expected"), [(2.0, math.exp(2.0)), (5000.0, math.inf), (math.inf, math.inf)])
def test_perplexity_is_infinite_where_no_number_is_so_large(
    nll: float, expected: float, run: TrainingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Validator, "compute_nll", lambda self: nll)
    report = validator(run, probes=0)()
    assert report.values["loss"] == nll
    assert report.values["perplexity"] == expected
    assert replace_infinite(report.values)["perplexity"] == (expected if expected < math.inf else None)
