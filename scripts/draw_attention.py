"""Draws docs/images/attention/*.png: what each part of attention does, computed by the code that models run.

python scripts/draw_attention.py [NAME ...]    all pictures, or those with these names
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # this folder's file names would hide modules of the same name

from nmt.attention.history import (  # noqa: E402
    Coverage,
    CoverageGRU,
    Fertility,
    History,
    LocationAware,
    LocationCumulative,
)
from nmt.attention.memory import Memory  # noqa: E402
from nmt.attention.normalizer import Entmax15, Normalizer, Softmax, Sparsemax, Uniform  # noqa: E402
from nmt.attention.scope import Causal, Global, LocalMonotonic, LocalPredictive, Scope, WindowScope  # noqa: E402
from nmt.attention.score import (  # noqa: E402
    Additive,
    AdditiveNormed,
    Concat,
    CosineScore,
    Dot,
    General,
    Location,
    ScaledDot,
    Score,
)
from nmt.attention.scored import ScoredAttention  # noqa: E402
from nmt.attention.selection import Sampled, StraightThrough  # noqa: E402
from nmt.model.heads.head import HeadInputs  # noqa: E402
from nmt.model.heads.mixture import MixtureHead  # noqa: E402
from nmt.model.heads.softmax import SoftmaxHead  # noqa: E402
from nmt.model.positions import compute_sinusoids  # noqa: E402
from scripts.loss_pictures import draw_alignment_losses  # noqa: E402
from scripts.machine_pictures import draw_machine  # noqa: E402
from scripts.monotonic_pictures import draw_chunks, draw_monotonic  # noqa: E402
from scripts.pictures import INK, RED, make_figure, show_weights  # noqa: E402
from scripts.pointer_pictures import draw_pointer, draw_vectors  # noqa: E402
from scripts.position_pictures import draw_alibi, draw_favor, draw_positions, draw_rotary  # noqa: E402
from scripts.snail_pictures import draw_snail  # noqa: E402
from scripts.source_pictures import draw_block, draw_grid, draw_slices  # noqa: E402

FOLDER = ROOT / "docs" / "images" / "attention"
QUERY = torch.tensor([[[1.5, 0.8]]])


def draw_plane(score: Score) -> Figure:
    """The score of every key of a plane, for one query: what the score calls similar."""
    grid = torch.linspace(-3, 3, 121)
    keys = torch.stack(torch.meshgrid(grid, grid, indexing="xy"), -1).reshape(1, -1, 2)
    with torch.no_grad():
        values = score(QUERY, score.remember(keys)).view(121, 121)
    figure, (ax,) = make_figure()
    most = float(values.abs().max())
    filled = ax.contourf(grid, grid, values, levels=21, cmap="RdBu_r", vmin=-most, vmax=most)
    arrow = {"arrowstyle": "-|>", "color": "black", "lw": 2}
    ax.annotate("", xy=QUERY[0, 0].tolist(), xytext=(0, 0), arrowprops=arrow)
    ax.text(*(QUERY[0, 0] + 0.12).tolist(), "query", fontsize=9)
    ax.set(xlabel="key, first feature", ylabel="key, second feature", aspect="equal")
    figure.colorbar(filled, ax=ax, label="score", shrink=0.85)
    return figure


def make_score(cls: type[Score], **settings: int) -> Score:
    """A score of two features with weights that are easy to read."""
    torch.manual_seed(4)
    made = cls(query_size=2, memory_size=2, heads=1, **settings)
    for name, parameter in made.named_parameters():
        if name.endswith("weight") and parameter.shape == (2, 2):
            parameter.data = torch.tensor([[0.5, -0.8], [0.8, 0.5]])
    return made


def draw_location() -> Figure:
    """Scores by place, whatever stands there, for three queries."""
    torch.manual_seed(1)
    score = Location(query_size=2, memory_size=2, heads=1, positions=12)
    figure, (ax,) = make_figure()
    with torch.no_grad():
        for query, color in zip(3 * torch.eye(2)[[0, 1]], (INK, RED), strict=True):
            values = score(query.view(1, 1, 2), score.remember(torch.zeros(1, 12, 2)))[0, 0, 0]
            ax.plot(range(12), values, "o-", color=color, label=f"query {query.int().tolist()}")
    ax.set(xlabel="source position", ylabel="score")
    ax.legend(fontsize=8)
    return figure


def draw_scope(scope: Scope) -> Figure:
    """The weights of equal scores under a scope."""
    torch.manual_seed(3)
    size = 12
    query = torch.randn(1, size, 4)
    if isinstance(scope, LocalPredictive):
        scope.hidden.weight.data = torch.eye(4)
        scope.centre.weight.data = torch.tensor([[2.5, 0.0, 0.0, 0.0]])
        query[0, :, 0] = torch.linspace(-1.5, 1.5, size) + 0.5 * torch.randn(size)
    window = scope(query, torch.arange(size).unsqueeze(0), torch.tensor([size]), size)
    scores = torch.zeros(1, 1, size, size) if window.bias is None else window.bias.expand(1, 1, size, size)
    weights = torch.softmax(scores, -1)
    weights = weights if window.factor is None else weights * window.factor
    figure, (ax,) = make_figure(3.6, 3.4)
    show_weights(ax, weights[0, 0])
    return figure


def draw_normalizer(chosen: type[Normalizer]) -> Figure:
    """The weights of the same scores under the three normalizers, one of them in colour."""
    scores = torch.tensor([2.0, 1.4, 1.1, 0.3, -0.5, -1.5])
    figure, (ax,) = make_figure(4.6)
    shown = {Softmax: "#9fb4cc", Entmax15: "#c3d0de", Sparsemax: "#dfe6ee"}
    for number, (cls, color) in enumerate(shown.items()):
        places = torch.arange(6) + 0.27 * (number - 1)
        color = RED if cls is chosen else color
        ax.bar(places, cls()(scores), width=0.25, color=color, label=cls.__name__.lower())
    ax.set(xticks=range(6), xticklabels=[f"{score:g}" for score in scores.tolist()], xlabel="score", ylabel="weight")
    ax.legend(fontsize=8)
    return figure


def draw_uniform() -> Figure:
    """Equal weights beside those of softmax, of the same scores."""
    scores = torch.tensor([2.0, 1.4, 1.1, 0.3, -0.5, -1.5])
    figure, (ax,) = make_figure(4.6)
    for number, (normalizer, color) in enumerate(((Softmax(), "#9fb4cc"), (Uniform(), RED))):
        label = type(normalizer).__name__.lower()
        ax.bar(torch.arange(6) + 0.38 * number, normalizer(scores), width=0.36, color=color, label=label)
    labels = [f"{score:g}" for score in scores.tolist()]
    ax.set(xticks=torch.arange(6) + 0.19, xticklabels=labels, xlabel="score", ylabel="weight")
    ax.legend(fontsize=8)
    return figure


def draw_history(history: History, label: str) -> Figure:
    """Weights, and what a history of one feature adds to each key before each target position."""
    centres = torch.tensor([0, 1, 2, 4, 3, 5, 5, 7, 8, 10]).unsqueeze(1)
    weights = torch.softmax(-1.2 * (torch.arange(12.0) - centres).abs(), -1)
    memory = Memory(torch.zeros(0), torch.linspace(-2, 2, 12).view(1, 1, 12, 1), torch.zeros(1, 12), torch.tensor([12]))
    past, rows = history.start(memory, 1), []
    with torch.no_grad():
        for row in weights:
            features = history(past)
            assert features is not None
            rows.append(features.flatten())
            past = history.advance(past, row.view(1, 1, 1, 12), torch.zeros(1, 1, 1))
    figure, axes = make_figure(6.8, 3.4, 2)
    show_weights(axes[0], weights, "weights w")
    show_weights(axes[1], torch.stack(rows), label)
    return figure


ONE_FEATURE = {"key_size": 1, "value_size": 1, "query_size": 1, "heads": 1}


def draw_coverage(cls: type[Coverage] = Coverage) -> Figure:
    """What has been covered; the right half of the source is expected to give more where there is a fertility."""
    history = cls(**ONE_FEATURE)
    for parameter in history.parameters():
        torch.nn.init.ones_(parameter)
    is_share = isinstance(history, Fertility)
    return draw_history(history, "f: covered, as a share of 2 sigmoid(v)" if is_share else "f: covered before")


def draw_coverage_gru() -> Figure:
    """One feature of a GRU that keeps most of what it has, and adds what is read."""
    history = CoverageGRU(**ONE_FEATURE, size=1)
    for parameter in history.parameters():
        torch.nn.init.zeros_(parameter)
    with torch.no_grad():
        history.weight.weight.copy_(torch.tensor([[0.0], [-4.0], [4.0]]))  # reset, update, new
        history.state.bias[1] = 3.0
        history.projection.fill_(1.0)
    return draw_history(history, "f: state of the GRU")


def draw_filter(cls: type[LocationAware]) -> Figure:
    """A filter that answers one position to the right of the latest weight, and avoids what has been read."""
    history = cls(**ONE_FEATURE, filters=1, width=3)
    with torch.no_grad():
        history.convolution.weight.zero_()
        history.convolution.weight[0, 0, 0] = 1.0
        if history.channels > 1:
            history.convolution.weight[0, 1, 1] = -0.5
        history.projection.fill_(1.0)
    return draw_history(history, "f: the filter's answer")


def draw_sampled() -> Figure:
    """How often each position is drawn, beside its weight."""
    torch.manual_seed(0)
    weights = torch.softmax(torch.tensor([0.2, 1.6, 2.1, 0.4, -0.8, -1.0]), -1)
    drawn = Sampled().train()(weights.expand(500, 1, 1, 6)).weights.mean((0, 1, 2))
    figure, (ax,) = make_figure()
    ax.bar(torch.arange(6) - 0.2, weights, width=0.38, color=INK, label="weight")
    ax.bar(torch.arange(6) + 0.2, drawn, width=0.38, color=RED, label="share of 500 draws")
    ax.set(xlabel="source position", ylabel="probability")
    ax.legend(fontsize=8)
    return figure


def draw_straight_through() -> Figure:
    """Ten draws: what the gradient sees, and what is read."""
    torch.manual_seed(2)
    weights = torch.softmax(torch.tensor([0.2, 1.6, 2.1, 0.4, -0.8, -1.0]), -1)
    figure, axes = make_figure(9.6, 3.6, 3)
    for ax, temperature in zip(axes, (1.0, 0.5), strict=False):
        torch.manual_seed(2)
        scores = (weights.log() + torch.empty(10, 6).exponential_().log_().neg_()) / temperature
        show_weights(ax, scores.softmax(-1), f"gradient: temperature {temperature}")
    torch.manual_seed(2)
    drawn = StraightThrough().train()(weights.expand(1, 1, 10, 6)).weights[0, 0]
    show_weights(axes[2], drawn, "what is read")
    for ax in axes:
        ax.set_ylabel("draw")
    return figure


def draw_marginal() -> Figure:
    """Weights before the word is known, what each position says of it, and the weights afterwards."""
    head = SoftmaxHead(readout_size=4, vocabulary_size=6, embedding_size=4, context_size=4, embedding=None)
    torch.manual_seed(5)
    head.output.weight.data = 1.6 * torch.randn(6, 4)
    weights = torch.softmax(torch.tensor([0.2, 1.6, 1.4, 0.4, -0.8, -1.0]), -1)
    inputs = HeadInputs(torch.randn(1, 1, 6, 4), log_weights=weights.log().view(1, 1, 6))
    word = torch.tensor([[3]])
    with torch.no_grad():
        posterior = MixtureHead(head).compute_posterior(inputs, word)[0, 0]
        apart = head.log_probs_of_all(inputs)[0, 0, :, 3].exp()
    figure, (ax,) = make_figure(5.4, 3.2)
    bars = ((weights, INK, "w[s]"), (apart, "#b9bfc9", "p(y | v[s])"), (posterior, RED, "w[s] p(y | v[s]) / p(y)"))
    for place, (values, color, label) in enumerate(bars):
        ax.bar(torch.arange(6) + 0.27 * (place - 1), values, width=0.25, color=color, label=label)
    ax.set(xlabel="source position", ylabel="probability")
    ax.legend(fontsize=8)
    return figure


def draw_heads() -> Figure:
    """Four heads of one attention over the same states."""
    torch.manual_seed(6)
    heads, size = 4, 12
    attention = ScoredAttention(
        score=ScaledDot(query_size=size, memory_size=size, heads=heads, hidden_size=12),
        scope=Global(query_size=size, heads=heads),
        normalizer=Softmax(),
        memory_size=size,
        heads=heads,
    )
    states = 4 * compute_sinusoids(torch.arange(size).unsqueeze(0), size)
    memory = attention.remember(states, torch.ones(1, size, dtype=torch.bool))
    weights = attention(states, memory, torch.arange(size).unsqueeze(0), keep_weights=True).weights
    assert weights is not None
    figure, axes = make_figure(11, 3.1, heads)
    for number, ax in enumerate(axes):
        show_weights(ax, weights[0, number], f"head {number + 1}")
    return figure


def draw_copy() -> Figure:
    """A word's probability: generated from the vocabulary, copied from the source, and both by the gate."""
    words = ["the", "in", "met", "Ada", "Paris", "</s>"]
    generated = torch.tensor([0.35, 0.2, 0.25, 0.02, 0.03, 0.15])
    copied = torch.tensor([0.0, 0.0, 0.05, 0.7, 0.2, 0.05])
    gate = 0.3
    figure, (ax,) = make_figure(4.6)
    ax.bar(words, gate * generated, color=INK, label="g p_vocab")
    ax.bar(words, (1 - gate) * copied, bottom=gate * generated, color=RED, label="(1 - g) copied")
    ax.set(ylabel="probability", title="g = 0.3; “Ada” and “Paris” stand in the source")
    ax.title.set_fontsize(9)
    ax.legend(fontsize=8)
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "dot": lambda: draw_plane(make_score(Dot)),
    "general": lambda: draw_plane(make_score(General)),
    "scaled_dot": lambda: draw_plane(make_score(ScaledDot, hidden_size=2)),
    "additive": lambda: draw_plane(make_score(Additive, hidden_size=6)),
    "additive_normed": lambda: draw_plane(make_score(AdditiveNormed, hidden_size=6)),
    "concat": lambda: draw_plane(make_score(Concat)),
    "cosine": lambda: draw_plane(make_score(CosineScore)),
    "location": draw_location,
    "global": lambda: draw_scope(Global(query_size=4, heads=1)),
    "local_m": lambda: draw_scope(LocalMonotonic(query_size=4, heads=1, half_width=2)),
    "local_p": lambda: draw_scope(LocalPredictive(query_size=4, heads=1, half_width=3)),
    "causal": lambda: draw_scope(Causal(query_size=4, heads=1)),
    "window": lambda: draw_scope(WindowScope(query_size=4, heads=1, half_width=2, globals=1)),
    "alibi": draw_alibi,
    "rotary": draw_rotary,
    "favor": draw_favor,
    "softmax": lambda: draw_normalizer(Softmax),
    "sparsemax": lambda: draw_normalizer(Sparsemax),
    "entmax15": lambda: draw_normalizer(Entmax15),
    "uniform": draw_uniform,
    "monotonic": draw_monotonic,
    "mocha": draw_chunks,
    "coverage": draw_coverage,
    "fertility": lambda: draw_coverage(Fertility),
    "coverage_gru": draw_coverage_gru,
    "location_aware": lambda: draw_filter(LocationAware),
    "location_cumulative": lambda: draw_filter(LocationCumulative),
    "sampled": draw_sampled,
    "straight_through": draw_straight_through,
    "marginal": draw_marginal,
    "heads": draw_heads,
    "alignment_losses": draw_alignment_losses,
    "copy": draw_copy,
    "ntm": draw_machine,
    "positions": draw_positions,
    "rendered": draw_slices,
    "pointer": draw_pointer,
    "vectors": draw_vectors,
    "pixels": draw_grid,
    "sagan": draw_block,
    "snail": draw_snail,
}


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PICTURES)}")
    names = parser.parse_args().names
    if unknown := [name for name in names if name not in PICTURES]:
        parser.error(f"there is no picture of {', '.join(unknown)}; choose from {', '.join(PICTURES)}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or PICTURES:
        PICTURES[name]().savefig(FOLDER / f"{name}.png", dpi=100)


if __name__ == "__main__":
    main()
