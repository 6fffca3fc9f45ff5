"""The optimizers by name are torch's own, with the settings of the papers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.training.optimizer import OPTIMIZERS, Adam, AdamW
from nmt.training.schedule import Constant
from nmt.training.state import TrainingProgress, TrainingState

ADAM = {"learning_rate": 0.02, "beta1": 0.5, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}
SETTINGS: dict[str, dict[str, float]] = {
    "adam": ADAM,
    "adamw": ADAM,
    "sgd": {"learning_rate": 0.3, "weight_decay": 0.1},
    "adadelta": {"learning_rate": 0.7, "rho": 0.8, "eps": 1e-3, "weight_decay": 0.1},
}


def reference(chosen: Any, name: str, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    """torch's own, called with every setting by name."""
    given = {key: value for key, value in vars(chosen).items() if key not in ("learning_rate", "beta1", "beta2")}
    if name in ("adam", "adamw"):
        given["betas"] = (chosen.beta1, chosen.beta2)
    cls = {
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "sgd": torch.optim.SGD,
        "adadelta": torch.optim.Adadelta,
    }[name]
    made: torch.optim.Optimizer = cls(parameters, lr=chosen.learning_rate, foreach=False, **given)
    return made


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
@pytest.mark.parametrize("is_default", [True, False])
def test_it_takes_the_steps_of_torch(name: str, is_default: bool) -> None:
    ours, plain = model(), model()
    chosen = OPTIMIZERS[name](**({} if is_default else SETTINGS[name]))
    oracle = reference(chosen, name, list(plain.parameters()))
    for found, wanted in zip(trained(ours, chosen.build_optimizer(ours)), trained(plain, oracle), strict=True):
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-5)
    assert not torch.equal(found, list(model().parameters())[-1])


def test_the_two_differ_in_how_they_decay_weights() -> None:
    one, other = model(), model()
    coupled = trained(one, Adam(weight_decay=0.5, learning_rate=0.1).build_optimizer(one))
    apart = trained(other, AdamW(weight_decay=0.5, learning_rate=0.1).build_optimizer(other))
    assert not torch.allclose(coupled[0], apart[0])


OUT_OF_RANGE = [
    *(("learning_rate", value) for value in (0.0, -1.0, float("nan"), float("inf"))),
    *((share, value) for share in ("beta1", "beta2", "rho") for value in (1.0, -0.1)),
    ("eps", 0.0),
    ("weight_decay", -0.01),
]


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [(name, *case) for name in OPTIMIZERS for case in OUT_OF_RANGE if case[0] in SETTINGS[name]],
)
def test_settings_out_of_range_are_refused(name: str, setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=setting if setting == "learning_rate" else "optimizer"):
        OPTIMIZERS[name](**{setting: value})


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_that_was_saved_goes_on_as_if_it_had_not_been(name: str, tmp_path: Path) -> None:
    def state() -> TrainingState:
        network = model()
        return TrainingState(network, OPTIMIZERS[name]().build_optimizer(network), Constant(), None, TrainingProgress())

    whole, first, second = state(), state(), state()
    for each in (whole, first):
        trained(each.model, each.optimizer)
    first.save(tmp_path)
    second.load(tmp_path)
    for each in (whole, second):
        trained(each.model, each.optimizer)
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)
