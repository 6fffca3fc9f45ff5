"""Pictures of what tells positions apart: computed by the code that models run."""

import torch
from matplotlib.figure import Figure

from nmt.attention.scope import Alibi
from nmt.attention.score import Favor, Rotary, ScaledDot
from nmt.model.positions import compute_sinusoids
from scripts.pictures import INK, RED, make_figure, show_weights


def draw_positions() -> Figure:
    """The sinusoids that tell a Transformer where a word stands, and their products, which tell distances."""
    figure, axes = make_figure(8.0, 3.2, 2)
    waves = compute_sinusoids(torch.arange(60).unsqueeze(0), 32)[0]
    image = axes[0].imshow(waves.t(), cmap="RdBu_r", aspect="auto", origin="lower")
    axes[0].set(xlabel="position", ylabel="feature")
    figure.colorbar(image, ax=axes[0], shrink=0.85)
    image = axes[1].imshow(waves @ waves.t(), cmap="Blues", origin="lower")
    axes[1].set(xlabel="position", ylabel="position", title="product of two positions")
    axes[1].title.set_fontsize(9)
    figure.colorbar(image, ax=axes[1], shrink=0.85)
    return figure


def draw_alibi() -> Figure:
    """The weights of equal scores in three of eight heads."""
    heads, size = 8, 12
    bias = Alibi(query_size=4, heads=heads)(
        torch.zeros(1, size, 4), torch.arange(size).unsqueeze(0), torch.tensor([size]), size
    ).bias
    assert bias is not None
    figure, axes = make_figure(9, 3.3, 3)
    for ax, head in zip(axes, (1, 2, 4), strict=True):
        show_weights(ax, torch.softmax(bias[0, head - 1], -1), f"head {head}, slope {2.0**-head:g}")
    return figure


def draw_rotary() -> Figure:
    """The score of one query and one key, by the distance of their positions, wherever they stand."""
    torch.manual_seed(0)
    size, distances = 16, torch.arange(-40, 41)
    score = Rotary(query_size=size, memory_size=size, heads=1, hidden_size=size)
    for linear in (score.query, score.key):
        linear.weight.data = torch.eye(size)
    vector = torch.ones(1, 1, size)
    figure, (ax,) = make_figure(4.8)
    with torch.no_grad():
        keys = score.remember_at(vector.expand(1, len(distances), size), (distances + 100).unsqueeze(0))
        for at, style in ((100, {"color": INK, "lw": 3}), (105, {"color": RED, "ls": "--"})):
            values = score.compare_at(vector, torch.tensor([[at]]), keys)[0, 0, 0]
            ax.plot(distances + 100 - at, values, label=f"query at {at}", **style)
    ax.set(xlabel="position of the key minus that of the query", ylabel="score")
    ax.legend(fontsize=8)
    return figure


def draw_favor() -> Figure:
    """The weights of one query by scaled_dot, and by ten draws of few and of many random features."""
    torch.manual_seed(4)
    size, keys = 8, 12
    sizes = {"query_size": size, "memory_size": size, "heads": 1, "hidden_size": size}
    query, states = torch.randn(1, 1, size), torch.randn(1, keys, size)
    exact = ScaledDot(**sizes)
    figure, axes = make_figure(8.4, 3.2, 2)
    with torch.no_grad():
        for linear in (exact.query, exact.key):
            linear.weight.copy_(torch.eye(size))
        weights = exact(query, exact.remember(states))[0, 0, 0].softmax(-1)
        for ax, features in zip(axes, (32, 512), strict=True):
            score = Favor(**sizes, features=features)
            score.load_state_dict(exact.state_dict(), strict=False)
            ax.bar(range(keys), weights, color="#9fb4cc", label="scaled_dot")
            for draw in range(10):
                score.redraw()
                found = score(query, score.remember(states))[0, 0, 0].softmax(-1)
                ax.plot(range(keys), found, "_", color=RED, ms=9, label=None if draw else "favor, ten draws")
            ax.set(xlabel="source position", ylabel="weight", title=f"{features} features")
            ax.title.set_fontsize(9)
            ax.legend(fontsize=8)
    return figure
