"""Bridges: each against its equation, and none sees padding."""

import pytest
import torch
from torch.testing import assert_close

from nmt import build
from nmt.errors import ConfigError
from nmt.model.bridge import BRIDGES, Bridge, Dense, Mean
from nmt.model.encoders.encoder import Encoded
from tests import tiny_runs
from tests.builders import draw_normal, find_missing_gradients, make_mask

SIZES = {"memory_size": 6, "hidden_size": 6, "layers": 2, "parts": 2, "encoder_layers": 2, "encoder_parts": 2}
LENGTHS = [3, 5, 1]


def bridge_of(name: str, **sizes: int) -> Bridge:
    torch.manual_seed(0)
    return BRIDGES[name](**{**SIZES, **sizes})


def encoded_of(layers: int = 2, parts: int = 2) -> Encoded:
    states = draw_normal(3, 5, 6, seed=1) * make_mask(LENGTHS).unsqueeze(-1)
    final = tuple(tuple(draw_normal(3, 6, seed=10 * layer + part) for part in range(parts)) for layer in range(layers))
    return Encoded(states, make_mask(LENGTHS), final)


@pytest.mark.parametrize("name", BRIDGES)
def test_every_layer_gets_every_part_of_its_carry(name: str) -> None:
    carries = bridge_of(name)(encoded_of())
    assert [[part.shape for part in carry] for carry in carries] == [[(3, 6)] * 2] * 2


@pytest.mark.parametrize("name", ["zero", "dense", "mean"])
def test_sizes_may_differ(name: str) -> None:
    bridge = bridge_of(name, hidden_size=7, layers=3, parts=1, encoder_layers=1)
    carries = bridge(encoded_of(layers=1))
    assert [[part.shape for part in carry] for carry in carries] == [[(3, 7)]] * 3


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("name", BRIDGES)
def test_an_encoder_of_one_direction_has_every_bridge(name: str, cell: str) -> None:
    sizes = ("model.encoder.hidden_size=8", "model.decoder.hidden_size=8", "model.embedding_size=8")
    chosen = ("model.encoder.bidirectional=false", f"model.encoder.cell={cell}", f"model.decoder.cell={cell}")
    settings = tiny_runs.compose_config(f"model/bridge={name}", "attention=mocha", *chosen, *sizes)
    model = build.build_model(settings, source_vocab=13, target_vocab=13, joint=True)
    made = model(torch.randint(4, 13, (3, 5)), torch.tensor(LENGTHS), torch.randint(4, 13, (3, 2)))
    assert made.readout.shape[:2] == (3, 2)
    assert made.readout.isfinite().all()


def test_zero_knows_nothing() -> None:
    carries = bridge_of("zero")(encoded_of())
    assert not any(part.any() for carry in carries for part in carry)


def test_copy_hands_over_the_last_carries() -> None:
    assert_close(bridge_of("copy")(encoded_of()), encoded_of().final, rtol=0, atol=0)


def test_dense_maps_the_top_layers_last_states() -> None:
    bridge = bridge_of("dense")
    assert isinstance(bridge, Dense)
    carries = bridge(encoded_of())
    wanted = torch.tanh(encoded_of().final[1][0] @ bridge.map.weight.t() + bridge.map.bias)
    assert_close(torch.cat([part for carry in carries for part in carry], -1), wanted)


def test_mean_maps_the_average_over_real_positions() -> None:
    bridge = bridge_of("mean")
    assert isinstance(bridge, Mean)
    carries = bridge(encoded_of())
    averages = [encoded_of().states[row, :length].mean(0) for row, length in enumerate(LENGTHS)]
    wanted = torch.tanh(torch.stack(averages) @ bridge.map.weight.t() + bridge.map.bias)
    assert_close(torch.cat([part for carry in carries for part in carry], -1), wanted)


@pytest.mark.parametrize("name", BRIDGES)
def test_every_parameter_gets_a_gradient(name: str) -> None:
    bridge = bridge_of(name)
    carries = bridge(encoded_of())
    total = sum((part * draw_normal(3, 6, seed=90)).sum() for carry in carries for part in carry)
    if any(True for _ in bridge.parameters()):
        total.backward()
    assert find_missing_gradients(bridge) == []


@pytest.mark.parametrize("other", [{"hidden_size": 7}, {"layers": 1}, {"parts": 1}])
def test_copy_refuses_what_does_not_fit(other: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"same layers.*the decoder has .* the encoder \(2, 2, 6\).*bridge=dense"):
        bridge_of("copy", **other)
