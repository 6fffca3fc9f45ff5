"""All weights of a model for one pair: of each layer and head, as the model itself uses them."""

import numpy as np
import pytest
import torch

from nmt import build, config
from nmt.errors import ConfigError
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS
from nmt.translation.attention_maps import AttentionMaps, choose_map, compute_attention_maps
from tests import tiny_runs

VOCAB, SOURCE, TARGET = 17, [5, 9, 4, 11, 7], [6, 8, 16]
HEADS = ("attention=multi_head", "attention.heads=3", "attention.score.hidden_size=12")
MODELS = {
    "transformer": (*tiny_runs.TRANSFORMER, *HEADS),
    "fed": (*HEADS,),
    "not fed, coverage": (*HEADS, "model.decoder.input_feeding=false", "attention/history=coverage"),
    "cascade, transformer": (*tiny_runs.CASCADE, *tiny_runs.TRANSFORMER_DECODER, *HEADS),
    "snail": (*tiny_runs.SNAIL_ENCODER, *tiny_runs.SNAIL_DECODER, *HEADS),
    "none": ("attention=none",),
}


def make_model(name: str) -> Seq2Seq:
    settings = config.check(tiny_runs.compose_config(*tiny_runs.BASE_OVERRIDES, *MODELS[name]), build.TRAIN)
    torch.manual_seed(3)
    return build.build_model(settings, source_vocab=VOCAB, target_vocab=VOCAB, joint=True).eval()


def shapes(maps: AttentionMaps) -> list[tuple[int, ...] | None]:
    return [None if each is None else each.shape for each in (maps.encoder, maps.decoder, maps.source)]


def test_every_layer_and_head_has_its_weights() -> None:
    found = {name: shapes(compute_attention_maps(make_model(name), SOURCE, TARGET)) for name in MODELS}
    assert found == {
        "transformer": [(1, 2, 6, 6), (2, 2, 4, 4), (2, 3, 4, 6)],
        "fed": [None, None, (1, 3, 4, 6)],
        "not fed, coverage": [None, None, (1, 3, 4, 6)],
        "cascade, transformer": [(1, 2, 6, 6), (2, 2, 4, 4), (2, 3, 4, 6)],
        "snail": [(2, 1, 6, 6), (1, 1, 4, 4), (2, 3, 4, 6)],
        "none": [None, None, None],
    }


@pytest.mark.parametrize("name", [name for name in MODELS if name != "none"])
def test_the_shown_alignment_is_the_mean_of_the_heads_of_its_layer(name: str) -> None:
    model = make_model(name)
    maps = compute_attention_maps(model, SOURCE, TARGET)
    assert maps.source is not None
    source, target_input = torch.tensor([[*SOURCE, 3]]), torch.tensor([[BOS, *TARGET]])
    wanted = model.align(source, torch.tensor([6]), target_input)[0].detach().numpy()
    layer = model.decoder.aligned_layer + 1
    np.testing.assert_allclose(choose_map(maps.source, layer, None), wanted, atol=1e-6)
    np.testing.assert_array_equal(choose_map(maps.source, layer, 3), maps.source[layer - 1, 2])
    for each in maps:
        if each is not None:
            np.testing.assert_allclose(each.sum(-1), 1.0, atol=1e-5)
    if maps.decoder is not None:
        assert not np.triu(maps.decoder, 1).any()


def test_afterwards_a_model_keeps_nothing() -> None:
    model = make_model("transformer")
    compute_attention_maps(model, SOURCE, TARGET)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_layers_and_heads_count_from_one() -> None:
    weights = np.full((2, 3, 4, 6), 1 / 6)
    for layer, head, message in (
        (3, None, "no layer 3: .* has 2"),
        (1, 4, "no head 4: .* has 3"),
        (0, 1, "no layer 0"),
    ):
        with pytest.raises(ConfigError, match=message):
            choose_map(weights, layer, head)
