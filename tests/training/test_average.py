"""Averages against plain Python loops, and an average that survives a resume to the bit."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nmt.errors import CheckpointError, ConfigError
from nmt.storage.files import load_tensors, save_tensors
from nmt.training.average import EmaWeights, average


def saved(folder: Path, *models: dict[str, Tensor]) -> list[Path]:
    folders = [folder / f"step-{number:06d}" for number in range(len(models))]
    for path, tensors in zip(folders, models, strict=True):
        path.mkdir()
        save_tensors(path / "model.safetensors", tensors)
    return folders


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    tied = nn.Linear(3, 3)
    return nn.Sequential(tied, nn.Tanh(), tied, nn.Linear(3, 2), nn.BatchNorm1d(2))


def step(network: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator))


@given(values=st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=5))
def test_an_average_is_the_mean_of_every_number(tmp_path_factory, values: list[float]) -> None:
    folders = saved(tmp_path_factory.mktemp("run"), *({"a": torch.tensor([[v], [1.0]])} for v in values))
    wanted = torch.tensor([[sum(values) / len(values)], [1.0]])
    torch.testing.assert_close(average(folders), {"a": wanted})


def test_an_average_of_equal_checkpoints_is_that_checkpoint_to_the_bit(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(7, 5), "half": torch.randn(3).half(), "count": torch.tensor([3, 4])}
    mean = average(saved(tmp_path, tensors, tensors, tensors))
    assert mean.keys() == tensors.keys()
    assert all(torch.equal(mean[name], tensors[name]) and mean[name].dtype == tensors[name].dtype for name in tensors)


def test_the_sum_is_taken_in_double_precision(tmp_path: Path) -> None:
    """In float32, 2^24 + 1 is 2^24 again."""
    mean = average(saved(tmp_path, {"a": torch.tensor([2.0**24])}, *[{"a": torch.ones(1)}] * 3))
    assert mean["a"].item() == torch.tensor((2.0**24 + 3) / 4).item()


@pytest.mark.parametrize(
    "other",
    [
        {"a": torch.zeros(3)},
        {"a": torch.zeros(2).double(), "n": torch.tensor(1)},
        {"a": torch.zeros(2), "n": torch.tensor(2)},
        {"a": torch.zeros(2), "n": torch.tensor(1), "b": torch.zeros(1)},
    ],
)
def test_checkpoints_of_different_models_are_refused(tmp_path: Path, other: dict[str, Tensor]) -> None:
    folders = saved(tmp_path, {"a": torch.ones(2), "n": torch.tensor(1)}, other)
    with pytest.raises(CheckpointError, match=r"step-000000 and .*step-000001 differ in"):
        average(folders)


def test_what_is_drawn_has_no_mean(tmp_path: Path) -> None:
    models = [{"a": torch.tensor([value]), "score.directions": torch.tensor([value])} for value in (1.0, 3.0)]
    assert average(saved(tmp_path, *models)) == {"a": torch.tensor([2.0]), "score.directions": torch.tensor([1.0])}


def test_what_is_not_learnt_has_no_moving_average() -> None:
    network = model()
    network[3].weight.requires_grad_(False)
    ema = EmaWeights(network, decay=0.9)
    step(network, seed=1)
    ema.update(network)
    own = network[3].weight.clone()
    with ema.swap_in(network):
        assert torch.equal(network[3].weight, own)
    assert "weight.3.weight" not in ema.state_dict()


def test_nothing_to_average_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="at least one"):
        average([])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        average([tmp_path])


@given(decay=st.sampled_from([0.0, 0.5, 0.999]), updates=st.integers(0, 6))
def test_the_moving_average_follows_its_equation(decay: float, updates: int) -> None:
    network = model()
    ema = EmaWeights(network, decay=decay)
    wanted = {name: weight.detach().double() for name, weight in network.named_parameters()}
    for n in range(updates):
        step(network, seed=n)
        ema.update(network)
        d = min(decay, (1 + n) / (10 + n))
        wanted = {name: d * wanted[name] + (1 - d) * w.detach().double() for name, w in network.named_parameters()}
    with ema.swap_in(network):
        for name, weight in network.named_parameters():
            torch.testing.assert_close(weight.detach().double(), wanted[name], rtol=1e-5, atol=1e-6)


def test_the_model_has_its_own_weights_again_even_after_an_error() -> None:
    network = model()
    ema = EmaWeights(network, decay=0.9)
    step(network, seed=1)
    own = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    places = [weight.data_ptr() for weight in network.parameters()]
    with pytest.raises(RuntimeError), ema.swap_in(network):
        assert not torch.equal(network.state_dict()["3.weight"], own["3.weight"])
        raise RuntimeError
    assert all(torch.equal(tensor, own[name]) for name, tensor in network.state_dict().items())
    assert [weight.data_ptr() for weight in network.parameters()] == places


def test_a_resumed_average_is_that_of_an_uninterrupted_run_to_the_bit(tmp_path: Path) -> None:
    network = model()
    whole, stopped = EmaWeights(network, decay=0.9), EmaWeights(network, decay=0.9)
    for n in range(4):
        step(network, seed=n)
        whole.update(network)
        stopped.update(network)
    save_tensors(tmp_path / "ema.safetensors", stopped.state_dict())
    resumed = EmaWeights(model(seed=5), decay=0.9)
    resumed.load_state_dict(load_tensors(tmp_path / "ema.safetensors"))
    for n in range(4, 7):
        step(network, seed=n)
        whole.update(network)
        resumed.update(network)
    assert resumed.state_dict().keys() == whole.state_dict().keys()
    assert all(torch.equal(tensor, whole.state_dict()[name]) for name, tensor in resumed.state_dict().items())


def test_the_average_of_another_model_is_refused() -> None:
    with pytest.raises(CheckpointError, match="another shape"):
        EmaWeights(model(), decay=0.9).load_state_dict(EmaWeights(nn.Linear(3, 3), decay=0.9).state_dict())


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ConfigError, match="decay"):
        EmaWeights(model(), decay=decay)
