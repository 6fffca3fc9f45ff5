"""Optimizers by name, each with the settings that a person would choose."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nmt.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Sgd:
    """w <- w - rate (g + weight_decay w): plain stochastic gradient descent   (as in Luong et al. 2015, with rate 1)

    learning_rate: the peak, which the schedule scales.
    """

    learning_rate: float = 1.0
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_decay(self.weight_decay)

    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a model's parameters."""
        return torch.optim.SGD(model.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)


@dataclass(frozen=True, kw_only=True)
class Adadelta:
    """w <- w - rate d,  d = g sqrt(u + eps) / sqrt(v + eps)   (Zeiler 2012; used by Bahdanau et al. 2015)

    u and v are running means of d^2 and g^2 that keep `rho` of the old. With rate 1 it is the paper's, which has none.
    weight_decay: L2 regularization, added to the gradient.
    """

    learning_rate: float = 1.0
    rho: float = 0.95
    eps: float = 1e-6
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_means({"rho": self.rho}, self.eps)
        _check_decay(self.weight_decay)

    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a model's parameters."""
        return torch.optim.Adadelta(
            model.parameters(), lr=self.learning_rate, rho=self.rho, eps=self.eps, weight_decay=self.weight_decay
        )


@dataclass(frozen=True, kw_only=True)
class Adam:
    """w <- w - rate m / (sqrt(v) + eps), m and v being bias-corrected running means of g and g^2   (Kingma and Ba 2015)

    learning_rate: the peak, which the schedule scales. weight_decay: L2 regularization, added to the gradient.
    """

    learning_rate: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _check_rate(self.learning_rate)
        _check_means({"beta1": self.beta1, "beta2": self.beta2}, self.eps)
        _check_decay(self.weight_decay)

    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a model's parameters; one fused kernel updates them all."""
        return torch.optim.Adam(model.parameters(), **self._build_arguments())

    def _build_arguments(self) -> dict[str, Any]:
        return {
            "lr": self.learning_rate,
            "betas": (self.beta1, self.beta2),
            "eps": self.eps,
            "weight_decay": self.weight_decay,
            "fused": True,
        }


@dataclass(frozen=True, kw_only=True)
class AdamW(Adam):
    """Adam, with w <- (1 - rate weight_decay) w apart from the gradient   (Loshchilov and Hutter 2019)"""

    weight_decay: float = 0.01

    def build_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), **self._build_arguments())


OPTIMIZERS: dict[str, type[Adam] | type[Sgd] | type[Adadelta]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": Sgd,
    "adadelta": Adadelta,
}


def _check_rate(learning_rate: float) -> None:
    if not 0 < learning_rate < math.inf:
        raise ConfigError(f"optimizer.learning_rate must be above 0; got {learning_rate}.")


def _check_means(kept: Mapping[str, float], eps: float) -> None:
    """What running means keep, by its name, and what keeps a root above 0."""
    for name, share in kept.items():
        if not 0 <= share < 1:
            raise ConfigError(f"optimizer.{name} must be at least 0 and below 1; got {share}.")
    if not eps > 0:
        raise ConfigError(f"optimizer.eps must be above 0; got {eps}.")


def _check_decay(weight_decay: float) -> None:
    if not weight_decay >= 0:
        raise ConfigError(f"optimizer.weight_decay must be 0 or more; got {weight_decay}.")
