"""The optimizers by name are torch's own, with the settings of the papers."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.training.optimizer import OPTIMIZERS, Adam, AdamW

SETTINGS: list[dict[str, Any]] = [
    {},
    {"learning_rate": 0.02, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1},
]


def model() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(7, 5), nn.Tanh(), nn.Linear(5, 3))


def trained(network: nn.Module, optimizer: torch.optim.Optimizer) -> list[Tensor]:
    inputs = torch.randn(11, 7, generator=torch.Generator().manual_seed(2))
    for _ in range(5):
        optimizer.zero_grad()
        network(inputs).square().mean().backward()
        optimizer.step()
    return [parameter.detach() for parameter in network.parameters()]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("settings", SETTINGS)
def test_it_takes_the_steps_of_torch(name: str, settings: dict[str, Any]) -> None:
    ours, plain = model(), model()
    chosen = OPTIMIZERS[name](**settings)
    reference = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name](
        plain.parameters(),
        lr=chosen.learning_rate,
        betas=(chosen.beta1, chosen.beta2),
        eps=chosen.eps,
        weight_decay=chosen.weight_decay,
        foreach=False,
    )
    for found, wanted in zip(trained(ours, chosen.optimizer(ours)), trained(plain, reference), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert not torch.equal(found, list(model().parameters())[-1])


def test_the_two_differ_in_how_they_decay_weights() -> None:
    one, other = model(), model()
    coupled = trained(one, Adam(weight_decay=0.5, learning_rate=0.1).optimizer(one))
    apart = trained(other, AdamW(weight_decay=0.5, learning_rate=0.1).optimizer(other))
    assert not torch.allclose(coupled[0], apart[0])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("learning_rate", value) for value in (0.0, -1.0, float("nan"), float("inf"))),
        *((beta, value) for beta in ("beta1", "beta2") for value in (1.0, -0.1)),
        ("eps", 0.0),
        ("weight_decay", -0.01),
    ],
)
def test_settings_out_of_range_are_refused(name: str, setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=setting if setting == "learning_rate" else "optimizer"):
        OPTIMIZERS[name](**{setting: value})
