"""Temporal convolutions: a position reads itself and one before it, at distances that double from layer to layer."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from nmt.kernels.dropout import Dropout

States = Float[Tensor, "row time _"]
Inputs = tuple[Float[Tensor, "row _ _"], ...]
"""The last inputs of each convolution, as many as its dilation."""


class CausalConvolution(nn.Module):
    """y[t] = W_0 x[t] + W_1 x[t - d] + b, with x = 0 before the first position

    (van den Oord et al. 2016, "WaveNet", section 2.1, with two taps.) d is `dilation`, in positions. No output reads a
    later input, and there are as many outputs as inputs. W_1 and W_0 are the halves of one matrix, which begins as
    Glorot and Bengio (2010) say; b begins at 0.
    """

    def __init__(self, *, input_size: int, output_size: int, dilation: int) -> None:
        super().__init__()
        self.dilation = dilation
        self.linear = nn.Linear(2 * input_size, output_size)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def start(self, states: States) -> Float[Tensor, "row dilation input"]:
        """What was read before the first position: zeros for every row of `states`, of their kind."""
        return states.new_zeros(len(states), self.dilation, self.linear.in_features // 2)

    def forward(
        self, states: States, before: Float[Tensor, "row dilation input"]
    ) -> tuple[States, Float[Tensor, "row dilation input"]]:
        """The outputs of the next positions, one or many, and the last d inputs after them. before: those before."""
        time = states.shape[1]
        read = torch.cat([before, states], 1)
        return self.linear(torch.cat([read[:, :time], states], -1)), read[:, time:]


class DenseLayer(nn.Module):
    """[x; dropout(tanh(f x) * sigmoid(g x))], with causal convolutions f and g   (Mishra et al. 2018, "DenseBlock")"""

    def __init__(self, *, input_size: int, filters: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.convolution = CausalConvolution(input_size=input_size, output_size=2 * filters, dilation=dilation)
        self.dropout = Dropout(dropout)

    def forward(
        self, states: States, before: Float[Tensor, "row dilation input"]
    ) -> tuple[States, Float[Tensor, "row dilation input"]]:
        outputs, after = self.convolution(states, before)
        filtered, gate = outputs.chunk(2, -1)
        return torch.cat([states, self.dropout(filtered.tanh() * gate.sigmoid())], -1), after


class TemporalBlock(nn.Module):
    """Dense layers of dilations 1, 2, 4, ..., 2^(n - 1), with n = ceil(log2(span))   (Mishra et al. 2018, "TCBlock")

    A state then depends on its own position and the 2^n - 1 before it. Each layer adds `filters` features to those that
    it reads. The paper's loop begins at dilation 2, so that with two taps no layer reads the position just before its
    own, nor any other at an odd distance; this one begins at 1.
    """

    def __init__(self, *, input_size: int, filters: int, span: int, dropout: float) -> None:
        super().__init__()
        count = count_layers(span)
        self.layers = nn.ModuleList(
            DenseLayer(input_size=input_size + i * filters, filters=filters, dilation=2**i, dropout=dropout)
            for i in range(count)
        )
        self.output_size = input_size + count * filters

    def start(self, states: States) -> Inputs:
        """What the layers have read before the first position of each row of `states`."""
        return tuple(layer.convolution.start(states) for layer in self.list_layers())

    def forward(self, states: States, before: Inputs) -> tuple[States, Inputs]:
        """The states with what all layers add, and the last inputs of each."""
        after = []
        for layer, inputs in zip(self.list_layers(), before, strict=True):
            states, following = layer(states, inputs)
            after.append(following)
        return states, tuple(after)

    def list_layers(self) -> list[DenseLayer]:
        """The layers, the smallest dilation first."""
        return [layer for layer in self.layers if isinstance(layer, DenseLayer)]


def count_layers(span: int) -> int:
    """ceil(log2(span)), and at least 1: so many layers see `span` positions."""
    return max((span - 1).bit_length(), 1)
