"""What is explained of a trained model is what the model looks at, whatever kernels ran before."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from nmt import build, config
from nmt.data.tokenizer import Tokenizers
from nmt.errors import ConfigError, ModelError
from nmt.explanation.trained import Choice, Kind, Translated, explain_translation, find_query
from nmt.kernels.switch import KERNELS, disable_kernels
from nmt.model.decoders.transformer import TransformerDecoder
from nmt.model.seq2seq import Seq2Seq
from nmt.report.explanation import Explanation, find_stage
from nmt.report.explanation_text import render_text
from nmt.translation.attention_maps import compute_attention_maps
from nmt.translation.translator import force_decode
from tests import tiny_runs
from tests.builders import DECODER_FORMS, Plan, build_seq2seq, make_mix, mark_slow_unless
from tests.trained import TrainedRun

PAIR = Translated([5, 6, 7, 8], [9, 4, 11], "three pieces")


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> Tokenizers:
    settings = tiny_runs.build_settings(tmp_path_factory.mktemp("tokenizers") / "run")
    return tiny_runs.prepare_data(settings).tokenizers


def build_tiny(*words: str) -> Seq2Seq:
    settings = config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, *words), build.TRAIN)
    torch.manual_seed(1)
    return build.build_model(settings, source_vocab=23, target_vocab=23, joint=True).eval()


TRANSFORMER = ("model/bridge=mean", *tiny_runs.TRANSFORMER, "attention=multi_head", "attention.heads=2",
               "attention.score.hidden_size=12")  # fmt: skip
MODELS: dict[str, Any] = {
    **{
        f"{name}{dict(settings)}": lambda name=name, settings=settings: build_seq2seq(
            Plan(name, "gru", settings), attention=make_mix("additive", "local_p", "sparsemax", 2)
        )
        for name, settings in DECODER_FORMS
    },
    "transformer": lambda: build_tiny(*TRANSFORMER),
    "snail": lambda: build_tiny(*tiny_runs.SNAIL_ENCODER, *tiny_runs.SNAIL_DECODER, "attention=bahdanau"),
    "coverage": lambda: build_tiny("attention/history=coverage", "attention/normalizer=monotonic"),
}


def explain_heads(model: Seq2Seq, tokenizers: Tokenizers, heads: int, query: int) -> list[Explanation]:
    return [explain_translation(model, tokenizers, PAIR, Choice(query, head)) for head in range(1, heads + 1)]


FIRST_MODELS = (f"{DECODER_FORMS[0][0]}{dict(DECODER_FORMS[0][1])}", "transformer", "coverage")


@pytest.mark.parametrize("name", mark_slow_unless(FIRST_MODELS, list(MODELS)))
def test_weights_are_those_that_the_model_is_forced_to(name: str, tokenizers: Tokenizers) -> None:
    model = MODELS[name]()
    heads = model.decoder.attention.heads
    (wanted,) = force_decode(model, [(PAIR.source, PAIR.target)], position="predicted")
    for query in range(len(PAIR.target) + 1):
        found = explain_heads(model, tokenizers, heads, query)
        weights = np.mean([each.weights for each in found], axis=0)
        np.testing.assert_allclose(weights, wanted, atol=1e-5)
        rows = [stage.values for each in found if (stage := find_stage(each, "weights")) is not None]
        np.testing.assert_allclose(np.mean(rows, axis=0)[0], wanted[query], atol=1e-5)
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_kernels_change_nothing_that_is_shown(tokenizers: Tokenizers) -> None:
    model = MODELS["transformer"]()
    shown = render_text(explain_translation(model, tokenizers, PAIR, Choice(1)), digits=8)
    with disable_kernels(*KERNELS):
        assert render_text(explain_translation(model, tokenizers, PAIR, Choice(1)), digits=8) == shown


@pytest.mark.parametrize(("kind", "rows", "columns"), [("source", 4, 5), ("decoder", 4, 4), ("encoder", 5, 5)])
def test_every_attention_of_a_transformer_can_be_explained(
    kind: Kind, rows: int, columns: int, tokenizers: Tokenizers
) -> None:
    model = MODELS["transformer"]()
    assert isinstance(model.decoder, TransformerDecoder)
    layers = 1 if kind == "encoder" else 2
    for layer in range(1, layers + 1):
        found = explain_translation(model, tokenizers, PAIR, Choice(2, 1, layer, kind))
        assert found.weights.shape == found.hidden.shape == (rows, columns)
        np.testing.assert_allclose(found.weights.sum(1), 1.0, atol=1e-6)
        assert (found.hidden.sum() == columns * (columns - 1) / 2) if kind == "decoder" else not found.hidden.any()
    for layer in (0, layers + 1):
        with pytest.raises(
            ConfigError, match=r"layer must be (1, as there is only one|from 1 to 2, as there are 2); got"
        ):
            explain_translation(model, tokenizers, PAIR, Choice(2, 1, layer, kind))


@pytest.mark.parametrize(("kind", "layers"), [("source", 2), ("decoder", 1), ("encoder", 2)])
def test_every_attention_of_snail_can_be_explained(kind: Kind, layers: int, tokenizers: Tokenizers) -> None:
    model = MODELS["snail"]()
    maps = compute_attention_maps(model, PAIR.source, PAIR.target).get_present()[kind]
    assert len(maps) == layers
    for layer in range(1, layers + 1):
        found = explain_translation(model, tokenizers, PAIR, Choice(2, 1, layer, kind))
        np.testing.assert_allclose(found.weights, maps[layer - 1, 0], atol=1e-6)


def test_what_a_model_does_not_have_is_refused(tokenizers: Tokenizers) -> None:
    plain, blind = MODELS["coverage"](), build_tiny("attention=none")
    for model, choice, problem in (
        (plain, Choice(0, kind="encoder"), "the encoder of this model has none"),
        (blind, Choice(0), "no attention"),
    ):
        with pytest.raises(ModelError, match=problem):
            explain_translation(model, tokenizers, PAIR, choice)
    for choice, problem in ((Choice(0, layer=2), "one attention"), (Choice(4), "from 0 to 3"), (Choice(0, 2), "head")):
        with pytest.raises(ConfigError, match=problem):
            explain_translation(plain, tokenizers, PAIR, choice)


@pytest.mark.parametrize(
    ("wanted", "place"), [(2, 2), ("Hund", 1), ("▁der", 0), ("schläft", 2), ("ft", 3), ("</s>", 4)]
)
def test_a_position_is_a_number_or_a_word(wanted: int | str, place: int) -> None:
    pieces: Sequence[str] = ["▁der", "▁Hund", "▁schlä", "ft", "</s>"]
    assert find_query(wanted, pieces) == place
    with pytest.raises(ConfigError, match="position=Katze is no piece of these"):
        find_query("Katze", pieces)


def test_the_report_of_a_run_explains_a_word(trained: TrainedRun) -> None:
    page = (trained.folder / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="explanation"') :].partition("</section>")[0]
    assert "From score to weight, for " in section
    assert "<svg" in section
