"""The stages of the other axes: what a history adds, where attention may look, and how scores become a context."""

from collections.abc import Callable

from torch import Tensor

from nmt.attention.chunks import MonotonicScope
from nmt.attention.normalizer import Entmax15, Monotonic, Normalizer, Softmax, Sparsemax
from nmt.attention.scope import LocalPredictive, Scope
from nmt.attention.selection import Selection
from nmt.explanation.scene import Scene, describe
from nmt.report.explanation import Stage


def explain_history(scene: Scene) -> list[Stage]:
    """What is known of earlier looks, and what it adds to the keys for the query that is looked at closely."""
    look, head = scene.look, scene.head
    if look.features is None:
        return []
    word = scene.target[scene.query]
    features = look.features[head, scene.query]
    covered = [] if look.covered is None else [
        scene.make_look("history", "History", "what earlier target positions have read", look.covered[head])
    ]  # fmt: skip
    equation = describe(scene.attention.history)
    return [*covered, scene.make_sources("features", f"What the history adds to the keys, for {word}",
            f"F f[t, s], with {equation}", features)]  # fmt: skip


def explain_scope(scene: Scene) -> list[Stage]:
    """The mask of padding, the window of the scope, and the energies that are left."""
    look, head, scope = scene.look, scene.head, scene.attention.scope
    mask = scene.make_look(
        "mask", "Mask", "log(1) = 0 for a word, log(0) for padding", look.mask.expand_as(look.scores[head])
    )
    window = [] if look.bias is None else [scene.make_look("scope", "Scope", describe(scope), look.bias[head])]
    summands = "scores + mask" if look.bias is None else "scores + mask + scope"
    return [
        mask,
        *SCOPE_STAGES.get(type(scope), list_no_stages)(scene),
        *window,
        scene.make_look("energies", "Energies e", f"e[t, s] = {summands}", look.energies[head]),
    ]


def list_no_stages(scene: Scene) -> list[Stage]:
    """No stage between."""
    return []


def explain_centre(scene: Scene) -> list[Stage]:
    """Where a local window has its centre."""
    scope, look = scene.attention.scope, scene.look
    assert isinstance(scope, LocalPredictive)
    last = int((look.mask == 0).sum()) - 1
    place = scope.predict_centre(look.query.unsqueeze(0))[0, scene.head].unsqueeze(1) * last
    return [scene.make_scalars("centre", "Centre", "p[t] = (S - 1) sigmoid(v . tanh(W q[t])), from 0", place)]


def explain_stops(scene: Scene) -> list[Stage]:
    """Where the window of a monotonic scope ends."""
    scope, look = scene.attention.scope, scene.look
    assert isinstance(scope, MonotonicScope)
    assert look.stops is not None
    chunk = "all before it" if scope.chunk is None else f"{scope.chunk} places"
    equation = f"1 at the first s, not behind, with an energy above 0, else at the last word; the window is {chunk}"
    return [scene.make_look("stops", "Where the window ends", equation, look.stops[scene.head])]


def explain_normalizer(scene: Scene) -> list[Stage]:
    """From energies to weights, and the factor of a scope."""
    look, head, normalizer = scene.look, scene.head, scene.attention.normalizer
    stages = NORMALIZER_STAGES.get(type(normalizer), list_no_stages)(scene)
    name = "weights" if look.factor is None else "normalized"
    equation = WEIGHT_EQUATIONS.get(type(normalizer)) or describe(normalizer)
    title = "Weights w" if look.factor is None else "Normalized n"
    equation = equation.replace("w[", "w[" if look.factor is None else "n[")
    stages = [*stages, scene.make_look(name, title, equation, look.normalized[head], is_share=True)]
    if look.factor is None:
        return stages
    return [
        *stages,
        scene.make_look("factor", "Factor g", "exp(-(s - p[t])^2 / (2 sigma^2)), sigma = D / 2", look.factor[head]),
        scene.make_look("weights", "Weights w", "w[t, s] = g[t, s] n[t, s]", look.weights[head], is_share=True),
    ]


def explain_softmax(scene: Scene) -> list[Stage]:
    energies = scene.look.energies[scene.head]
    raised = (energies - energies.amax(-1, keepdim=True)).exp()
    return [
        scene.make_look("exponentials", "Exponentials x", "x[t, s] = exp(e[t, s] - max e[t])", raised),
        scene.make_scalars("sums", "Sums", "X[t] = sum over s of x[t, s]", raised.sum(-1, keepdim=True)),
    ]


def explain_sparsemax(scene: Scene) -> list[Stage]:
    energies, weights = scene.look.energies[scene.head], scene.look.normalized[scene.head]
    return explain_threshold(scene, energies, weights, "tau[t], for which weights sum to one")


def explain_entmax15(scene: Scene) -> list[Stage]:
    energies, weights = scene.look.energies[scene.head], scene.look.normalized[scene.head]
    return explain_threshold(scene, energies / 2, weights.sqrt(), "tau[t], for which weights sum to one")


def explain_threshold(scene: Scene, energies: Tensor, roots: Tensor, equation: str) -> list[Stage]:
    """The threshold of a sparse normalizer: at the largest energy it is below it by what is left."""
    best = energies.argmax(-1, keepdim=True)
    threshold = energies.gather(-1, best) - roots.gather(-1, best)
    return [scene.make_scalars("threshold", "Threshold", equation, threshold)]


def explain_monotonic(scene: Scene) -> list[Stage]:
    normalizer, look, head = scene.attention.normalizer, scene.look, scene.head
    assert isinstance(normalizer, Monotonic)
    energies = look.energies[head] + normalizer.offset
    before = [] if look.before is None else [
        scene.make_look("before", "Where the position before has stopped", "w[t - 1, s]", look.before[head])
    ]  # fmt: skip
    return [*before, scene.make_look("raised", "Energies with offset", "e[t, s] + r", energies)]


def explain_context(scene: Scene) -> list[Stage]:
    """What is selected, the values, and the context."""
    look, head = scene.look, scene.head
    selection = scene.attention.selection
    is_soft = type(selection) is Selection
    selected = scene.make_look("selected", "Selection", describe(selection), look.selected[head], is_share=True)
    sign = "w[t, s]" if is_soft else "selected[t, s]"
    weight = scene.make_parameter("V", scene.attention.value.weight, "learnt") if scene.heads > 1 else []  # type: ignore[arg-type]
    is_shown = scene.heads > 1 or scene.states is None
    values = scene.make_sources("values", "Values", "V h[s]" if scene.heads > 1 else "h[s]", look.values[head])
    name = "V h[s]" if scene.heads > 1 else "h[s]"
    stages = [
        *([] if is_soft else [selected]),
        *weight,
        *([values] if is_shown else []),
        scene.make_queries("context", "Context c", f"c[t] = sum over s of {sign} {name}", look.context[head]),
    ]
    if scene.heads > 1 and scene.states is not None:
        whole = look.context.transpose(0, 1).flatten(1)
        stages.append(
            scene.make_queries("all contexts", "Contexts of all heads", "[c of head 1; c of head 2; ...]", whole)
        )
    return stages


SCOPE_STAGES: dict[type[Scope], Callable[[Scene], list[Stage]]] = {
    LocalPredictive: explain_centre,
    MonotonicScope: explain_stops,
}

NORMALIZER_STAGES: dict[type[Normalizer], Callable[[Scene], list[Stage]]] = {
    Softmax: explain_softmax,
    Sparsemax: explain_sparsemax,
    Entmax15: explain_entmax15,
    Monotonic: explain_monotonic,
}

WEIGHT_EQUATIONS: dict[type[Normalizer], str] = {
    Softmax: "w[t, s] = x[t, s] / X[t]",
    Sparsemax: "w[t, s] = max(e[t, s] - tau[t], 0)",
    Entmax15: "w[t, s] = max(e[t, s] / 2 - tau[t], 0)^2",
    Monotonic: "1 at the first s, not behind, with e[t, s] + r > 0; else at the last word",
}
