"""Optimizers by name, each with the settings that a person would choose."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from nmt.errors import ConfigError


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
        if not 0 < self.learning_rate < math.inf:
            raise ConfigError(f"optimizer.learning_rate must be above 0; got {self.learning_rate}.")
        if not (0 <= self.beta1 < 1 and 0 <= self.beta2 < 1 and self.eps > 0 and self.weight_decay >= 0):
            raise ConfigError(f"optimizer: 0 <= beta < 1, eps > 0 and weight_decay >= 0 must hold; got {self}.")

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimizer of a model's parameters; one fused kernel updates them all."""
        return torch.optim.Adam(model.parameters(), **self._arguments())

    def _arguments(self) -> dict[str, Any]:
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

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), **self._arguments())


OPTIMIZERS: dict[str, type[Adam]] = {"adam": Adam, "adamw": AdamW}
