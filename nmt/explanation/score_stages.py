"""The stages of each score: what becomes of queries and keys until they are compared."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from nmt.attention.score import (
    Additive,
    AdditiveNormed,
    Concat,
    CosineScore,
    Dot,
    Favor,
    General,
    Location,
    Rotary,
    ScaledDot,
    Score,
)
from nmt.explanation.scene import Scene, describe
from nmt.report.explanation import Stage


def explain_score(scene: Scene) -> list[Stage]:
    """All stages of a score, the scores last."""
    score = scene.attention.score
    stages = SCORE_STAGES.get(type(score), explain_any)(scene)
    equation = SCORE_EQUATIONS.get(type(score)) or describe(score)
    if scene.look.features is not None:
        equation = equation.replace(". k[s]", ". (k[s] + f[t, s])").replace("+ k[s]", "+ k[s] + f[t, s]")
    return [*stages, scene.make_look("scores", "Scores", equation, scene.look.scores[scene.head])]


def make_keys(scene: Scene, equation: str) -> Stage:
    """The keys of the head."""
    return scene.make_sources("keys", "Keys K", equation, scene.look.keys[scene.head])


def explain_any(scene: Scene) -> list[Stage]:
    """A score without stages of its own: what it remembers."""
    return [make_keys(scene, "what the score remembers of the memory")]


def explain_dot(scene: Scene) -> list[Stage]:
    if scene.heads == 1 and scene.states is not None:
        return []  # queries and memory as they are
    part = f": part {scene.head + 1} of {scene.heads}" if scene.heads > 1 else ""
    query = scene.take_head(scene.look.query)
    return [
        *([scene.make_queries("query part", "Queries Q", f"q[t]{part}", query)] if scene.heads > 1 else []),
        make_keys(scene, f"k[s] = h[s]{part}"),
    ]


def explain_general(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, General)
    part = [stage for stage in explain_dot(scene) if stage.name == "query part"]
    return [
        *part,
        *scene.make_parameter("W", score.key.weight, "learnt"),
        make_keys(scene, "k[s] = W h[s]"),
    ]


def explain_scaled_dot(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, ScaledDot)
    look, is_turned = scene.look, isinstance(score, Rotary)
    projected = score.project_query(look.query.unsqueeze(0), look.positions.unsqueeze(0))
    sign = "R[t] W q[t]" if is_turned else "W q[t]"
    return [
        *scene.make_parameter("W", score.query.weight, "learnt"),
        *scene.make_parameter("U", score.key.weight, "learnt"),
        scene.make_queries("projected query", "Queries Q", sign, projected[0, scene.head] / score.scale),
        make_keys(scene, "k[s] = R[s] U h[s]" if is_turned else "k[s] = U h[s]"),
        scene.make_look("products", "Products", f"({sign}) . {name_key(scene)}", look.scores[scene.head] / score.scale),
    ]


def explain_favor(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, Favor)
    projected = score.project_query(scene.look.query.unsqueeze(0))[0, scene.head]
    return [
        *scene.make_parameter("W", score.query.weight, "learnt"),
        *scene.make_parameter("U", score.key.weight, "learnt"),
        scene.make_queries("log features of queries", "Queries, log phi", "log phi(W q[t])", projected),
        make_keys(scene, "k[s] = log phi(U h[s]), with phi(x) = exp(Omega x' - |x'|^2 / 2) / sqrt(m)"),
    ]


def explain_cosine(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, CosineScore)
    query = scene.take_head(score.query(scene.look.query))
    sharpness = F.softplus(score.sharpness(scene.look.query))[:, scene.head : scene.head + 1]
    sizes = query.norm(dim=-1, keepdim=True)
    return [
        *scene.make_parameter("W", score.query.weight, "learnt"),
        scene.make_queries("projected query", "Queries Q", "W q[t]", query),
        scene.make_scalars("query size", "Length of each query", "|W q[t]|", sizes),
        make_keys(scene, "k[s] = h[s] / |h[s]|"),
        scene.make_scalars("sharpness", "Sharpness", "beta[t] = softplus(b + u . q[t])", sharpness),
    ]


def explain_additive(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, Additive)
    query = scene.take_head(score.query(scene.look.query))
    return [
        *scene.make_parameter("W", score.query.weight, "learnt"),
        *scene.make_parameter("U", score.key.weight, "learnt"),
        scene.make_queries("projected query", "Queries Q", "W q[t]", query),
        make_keys(scene, "k[s] = U h[s]"),
        *explain_tanh(scene, query, score.v),
    ]


def explain_additive_normed(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, AdditiveNormed)
    query = scene.take_head(score.query(scene.look.query))
    scaled = score.g.unsqueeze(1) * F.normalize(score.v, dim=1)
    bias = score.b.view(scene.heads, -1)[scene.head]
    return [
        *scene.make_parameter("W", score.query.weight, "learnt"),
        *scene.make_parameter("U", score.key.weight, "learnt"),
        scene.make_matrix("parameter b", "b", "learnt", scene.make_row(bias), [""]),
        scene.make_queries("projected query", "Queries Q", "W q[t]", query),
        make_keys(scene, "k[s] = U h[s] + b"),
        *explain_tanh(scene, query, scaled, "g v / |v|"),
    ]


def explain_concat(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, Concat)
    left, right = score.joined.weight[:, : score.query_size], score.joined.weight[:, score.query_size :]
    query = scene.take_head(F.linear(scene.look.query, left))
    return [
        *scene.make_parameter("W, its half for queries", left, "learnt"),
        *scene.make_parameter("W, its half for keys", right, "learnt"),
        scene.make_queries("projected query", "Queries Q", "W [q[t]; 0]", query),
        make_keys(scene, "k[s] = W [0; h[s]]"),
        *explain_tanh(scene, query, score.v),
    ]


def explain_tanh(scene: Scene, query: Tensor, v: Tensor, name: str = "v") -> list[Stage]:
    """What is inside the sum of an additive score, for the query that is looked at closely."""
    look, head = scene.look, scene.head
    inside = query[scene.query] + look.keys[head]
    added = ""
    if look.features is not None:
        inside, added = inside + look.features[head, scene.query], " + f[t, s]"
    word = scene.target[scene.query]
    return [
        scene.make_sources(
            "tanh", f"Query and keys joined, for {word}", f"tanh(W q[t] + k[s]{added})", torch.tanh(inside)
        ),
        scene.make_matrix(f"parameter {name}", name, "learnt", scene.make_row(v[head]), [""]),
    ]


def explain_location(scene: Scene) -> list[Stage]:
    score = scene.attention.score
    assert isinstance(score, Location)
    positions = min(score.positions, len(scene.source))
    weight = score.position.weight.view(scene.heads, score.positions, -1)[scene.head, :positions]
    rows = [] if scene.states is None else [scene.make_matrix("parameter W", "W", "learnt; a row for each source "
            "position", weight, scene.source[:positions])]  # fmt: skip
    return [*rows]


def name_key(scene: Scene) -> str:
    """How equations write a key, with what a history adds."""
    return "k[s]" if scene.look.features is None else "(k[s] + f[t, s])"


SCORE_STAGES: dict[type[Score], Callable[[Scene], list[Stage]]] = {
    Dot: explain_dot,
    General: explain_general,
    ScaledDot: explain_scaled_dot,
    Rotary: explain_scaled_dot,
    CosineScore: explain_cosine,
    Favor: explain_favor,
    Additive: explain_additive,
    AdditiveNormed: explain_additive_normed,
    Concat: explain_concat,
    Location: explain_location,
}
"""Scores that are not here are explained by what they remember and what they give."""

SCORE_EQUATIONS: dict[type[Score], str] = {
    Dot: "q[t] . k[s]",
    General: "q[t] . k[s]",
    Rotary: "products / sqrt(d), with d features a head",
    ScaledDot: "products / sqrt(d), with d features a head",
    CosineScore: "beta[t] (W q[t] / |W q[t]|) . k[s]",
    Favor: "log sum over m features of exp(log phi(W q[t]) + k[s])",
    Additive: "v . tanh(W q[t] + k[s])",
    AdditiveNormed: "(g v / |v|) . tanh(W q[t] + k[s])",
    Concat: "v . tanh(W [q[t]; 0] + k[s])",
    Location: "(W q[t])[s]",
}
