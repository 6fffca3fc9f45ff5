"""The benchmark counts what is computed, cuts a step without changing it, and gives every system the same text."""

import copy
import functools
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from nmt import build
from nmt.config import ConfigDict
from nmt.data.batching import Batches, BatchSettings
from nmt.data.corpus import Files, SplitFiles
from nmt.data.encoded import tokenize
from nmt.data.tokenizer import Bpe, Tokenizer
from nmt.special_tokens import EOS
from scripts.benchmarking import counting, growth, peers, plan, stages, tables, texts
from scripts.benchmarking.settings import compose_settings
from tests.builders import compute_logits

SOURCE, TARGET, VOCAB = 13, 17, 8009
FILES = [f"data.{split}.{side}=some.file" for split in ("train", "validation") for side in ("source", "target")]
SMALL = [
    "model.embedding_size=6",
    "model.encoder.hidden_size=5",
    "model.decoder.hidden_size=10",
    "model.dropout.embedding=0",
    "model.dropout.readout=0",
]

pytestmark = pytest.mark.usefixtures("unchecked_shapes")  # what is tested here is not in `nmt`


@functools.cache
def chosen(*overrides: str) -> ConfigDict:
    return compose_settings([*FILES, *overrides])


@functools.cache
def counted(*overrides: str) -> counting.OperationCount:
    return counting.count_multiply_adds(chosen(*overrides), vocab_size=VOCAB, source=SOURCE, target=TARGET)


def test_the_count_is_that_of_the_equations() -> None:
    # BiLSTM 2 x 256 over embeddings of 256, keys of 512, LSTM 512 with input feeding, attentional vector, vocabulary.
    # The encoder's cells read one feature more, the flag of padding.
    encoder = 2 * 4 * 256 * (256 + 1 + 256) + 512 * 512
    recurrence = 4 * 512 * (256 + 512 + 512) + 512 * (512 + 512)
    attention = SOURCE * (512 + 512)
    expected = (SOURCE * encoder, TARGET * recurrence, TARGET * attention, TARGET * 512 * VOCAB)
    assert counted() == expected


def test_input_feeding_costs_a_product_with_what_is_fed() -> None:
    less = counted("model.decoder.input_feeding=false")
    assert counted().recurrence - less.recurrence == TARGET * 4 * 512 * 512
    assert less._replace(recurrence=0) == counted()._replace(recurrence=0)


def test_additive_attention_projects_each_query_and_reads_each_key() -> None:
    assert counted("attention=bahdanau").attention == TARGET * (512 * 512 + SOURCE * (512 + 512))


@pytest.mark.parametrize("variant", plan.STAGE_VARIANTS)
def test_backward_is_two_products_for_one(variant: str) -> None:
    model = build.build_on_meta(chosen(*plan.VARIANTS[variant]), source_vocab=VOCAB, target_vocab=VOCAB, joint=True)
    with torch.device("meta"):
        source, read = torch.zeros(1, SOURCE, dtype=torch.long), torch.zeros(1, TARGET, dtype=torch.long)
        logits = compute_logits(model, source, torch.full((1,), SOURCE), read)
        loss = F.cross_entropy(logits.flatten(0, 1), read.flatten())
    with FlopCounterMode(display=False) as counter:
        loss.backward()
    found = counted(*plan.VARIANTS[variant])
    assert all(part > 0 for part in found)
    both = counting.FLOPS_PER_MULTIPLY_ADD * found.forward * (counting.TRAINING_PASSES - 1)
    assert counter.get_total_flops() == pytest.approx(both, rel=0.01)  # nothing flows back to first states


def batches(tmp_path: Path) -> Any:
    sides = texts.make_bitext(60, seed=1)
    tokenizers = Bpe(vocab_size=300).train(*sides)
    return tokenizers, Batches(tokenize(tokenizers, *sides), tokenizers, BatchSettings(tokens=200), seed=1).make_epoch(
        0
    )


@pytest.mark.parametrize("variant", plan.STAGE_VARIANTS)
def test_a_step_that_is_cut_has_the_gradients_of_one_that_is_not(variant: str, tmp_path: Path) -> None:
    _, epoch = batches(tmp_path)
    config = chosen(*SMALL, *plan.VARIANTS[variant])
    models = [build.build_model(config, source_vocab=300, target_vocab=300, joint=True)]
    models.append(copy.deepcopy(models[0]))
    for model, way in zip(models, (stages.time_whole_step, stages.time_stages), strict=True):
        way(model, torch.optim.SGD(model.parameters(), lr=0.1), epoch, 1, config["training"])
    for (name, whole), cut in zip(models[0].named_parameters(), models[1].parameters(), strict=True):
        assert whole.grad is not None
        torch.testing.assert_close(cut.grad, whole.grad, msg=lambda text, name=name: f"{name}: {text}")
        torch.testing.assert_close(cut, whole)


def test_stages_name_all_of_a_step(tmp_path: Path) -> None:
    _, epoch = batches(tmp_path)
    config = chosen(*SMALL)
    model = build.build_model(config, source_vocab=300, target_vocab=300, joint=True)
    attention = model.decoder.attention
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    found = stages.measure_stages(model, optimizer, epoch, config["training"], seconds=0.0)
    assert found["milliseconds"].keys() == {*stages.STAGES, "whole"}
    assert model.decoder.attention is attention
    assert found["turns"] == 2


def test_made_up_text_is_the_same_again_and_parallel() -> None:
    source, target = texts.make_bitext(20, seed=3)
    assert (source, target) == texts.make_bitext(20, seed=3) != texts.make_bitext(20, seed=4)
    dictionary = dict(zip(texts.make_words(""), texts.make_words("n"), strict=True))
    assert len(dictionary) == texts.VOCABULARY_SIZE
    assert [" ".join(dictionary[word] for word in reversed(line.split())) for line in source] == target


def test_peers_read_the_same_lines_in_our_pieces(tmp_path: Path) -> None:
    paths = {}
    for side, lines in zip(("source", "target"), texts.make_bitext(60, seed=1), strict=True):
        paths[side] = str(texts.write_lines(tmp_path / side, [f"  {line} \u2003ba" for line in lines]))
    corpus = Files(
        source_language="xx", target_language="yy", train=SplitFiles(**paths), validation=SplitFiles(**paths)
    )
    tokenizers, _ = batches(tmp_path)
    texts.write_texts(corpus, tokenizers.source.serialized, tmp_path / "text", 7, peers=True)

    def read(name: str) -> list[str]:
        return (tmp_path / "text" / name).read_text(encoding="utf-8").split("\n")[:-1]

    assert len(read("test.source")) == 7
    assert read("test.source") == read("train.source")[:7]
    assert read("test.pieces") == read("validation.source.pieces")[:7]
    tokenizer = Tokenizer.load(tmp_path / "text" / "spm.model")
    ids = {piece: number for number, piece in enumerate(read("vocabulary.pieces"), start=EOS + 1)}
    assert len(ids) + EOS + 1 == tokenizer.vocab_size
    for line, pieces in zip(read("train.source"), read("train.source.pieces"), strict=True):
        assert tokenizer.decode([[ids[piece] for piece in pieces.split(" ")]]) == [line]


def test_rates_are_read_from_the_logs_of_peers() -> None:
    logs = {
        "opennmt": "[2026-01-01 00:00:00,000 INFO] Step 4/1000000; acc: 1.3; ppl: 79.1; xent: 8.9; lr: 0.00100; "
        "sents:     601; bsz: 3512/3401/301; 2112/2048 tok/s;     15 sec;",
        "joeynmt": "2026-01-01 00:00:00,000 - INFO - joeynmt.training - Epoch 1, Step:    20, Batch Loss:   5.4, "
        "Batch Acc: 0.01, Tokens per Sec:      602, Lr: 0.001000",
    }
    rates = {"opennmt": 2048.0, "joeynmt": 602.0}
    for name, log in logs.items():
        assert [float(rate) for _, rate in peers.RATE_PATTERNS[name].findall(log)] == [rates[name]]


@pytest.mark.parametrize("name", peers.ATTENTIONS)
def test_peers_have_the_sizes_of_the_setting(name: str, tmp_path: Path) -> None:
    ours = chosen()
    peer = peers.Peer(name, "python", tmp_path, tmp_path, threads=1)
    path = peer._write_config(peers.ATTENTIONS[name][0], every=2, save=10)
    text = path.read_text(encoding="utf-8")
    for what in (
        ours["model"]["embedding_size"],
        ours["model"]["decoder"]["hidden_size"],
        ours["model"]["dropout"]["readout"],
        ours["batching"]["tokens"],
        ours["training"]["label_smoothing"],
        ours["optimizer"]["learning_rate"],
        ours["tokenizer"]["vocab_size"],
    ):
        assert f": {what}\n" in text or f"- {what}\n" in text


def test_growth_costs_what_is_counted_and_draws_it(tmp_path: Path) -> None:
    small = [*FILES, *SMALL, "tokenizer.vocab_size=97"]
    found = {
        axis: {"at": [2, 4], "ceiling": 100.0, "points": measure(small, [2, 4], 1)}
        for axis, measure in growth.AXES.items()
        if axis != "vocabulary"
    }
    by_source = [point["multiply_adds"] for point in found["source"]["points"]]
    assert by_source[0] < by_source[1]
    ways = {"peak_mib": 9.0, "idle_mib": 2.0, "seconds": 1.0}
    found["memory"] = {"points": [{"pairs": 1000, "preparing": ways, "reading": ways}]}
    growth.plot_panels(growth.build_panels(found), tmp_path / "growth.png")
    assert (tmp_path / "growth.png").stat().st_size > 0
    assert "1,000 | 7 | 7" in tables.format_growth(found)
