"""Pictures of SNAIL: what its blocks read, computed by the code that models run."""

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from nmt.attention.scope import Causal
from nmt.attention.self_attention import SelfAttentionParts
from nmt.model.encoders.snail import Block, SnailEncoder
from scripts.pictures import INK, RED, make_figure, show_weights

TIME, SPAN = 16, 8


def draw_snail() -> Figure:
    """The convolutions of a temporal block, and which inputs states depend on, without attention and with it."""
    figure, axes = make_figure(11.4, 3.5, 3)
    draw_convolutions(axes[0])
    only: list[Block] = ["temporal"]
    both: list[Block] = ["temporal", "attention"]
    for ax, blocks, title in ((axes[1], only, f"a temporal block, span {SPAN}"), (axes[2], both, "attention above it")):
        show_weights(ax, compute_dependence(blocks), title)
        ax.set(xlabel="input", ylabel="state")
    return figure


def draw_convolutions(ax: Axes) -> None:
    """Each layer as a row of positions, with lines to what it reads; those that lead to the last state in colour."""
    reached = {TIME - 1}
    for layer in reversed(range(SPAN.bit_length() - 1)):
        dilation = 2**layer
        for t in range(TIME):
            for s in (t, t - dilation):
                if s >= 0:
                    colour, width = (RED, 1.6) if t in reached else ("#c3d0de", 0.8)
                    ax.plot([s, t], [layer, layer + 1], color=colour, lw=width, zorder=2 if t in reached else 1)
        reached |= {t - dilation for t in reached}
    for layer in range(SPAN.bit_length()):
        ax.plot(range(TIME), [layer] * TIME, "o", color=INK, ms=3, zorder=3)
    labels = ["input", *(f"dilation {2**layer}" for layer in range(SPAN.bit_length() - 1))]
    ax.set(xlabel="position", xticks=range(0, TIME, 2), yticks=range(len(labels)), yticklabels=labels)


def compute_dependence(blocks: list[Block]) -> Tensor:
    """1 where state t changes with input s, by its derivative."""
    torch.manual_seed(3)
    parts = SelfAttentionParts(heads=1, scope=Causal)
    encoder = SnailEncoder(embedding_size=8, blocks=blocks, filters=8, span=SPAN, value_size=8, self_attention=parts)

    def encode(inputs: Tensor) -> Tensor:
        states: Tensor = encoder(inputs, torch.tensor([TIME]), torch.ones(1, TIME, dtype=torch.bool)).states
        return states[0, :, 8:]

    derivatives = torch.autograd.functional.jacobian(encode, torch.randn(1, TIME, 8))
    return derivatives.abs().amax((1, 2, 4)).sign()
