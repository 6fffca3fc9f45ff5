"""Scores against loops over rows, heads, target and source positions, written from the papers' equations."""

import cmath
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.normalizer import Softmax
from nmt.attention.scope import Global
from nmt.attention.score import (
    SCORES,
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
)
from nmt.attention.scored import ScoredAttention
from nmt.attention.self_attention import SELF_SCORES
from nmt.errors import ConfigError
from tests.builders import (
    HEAD_COUNTS,
    MEMORY_SIZE,
    QUERY_SIZE,
    build_score,
    draw_normal,
    draw_parameters,
    make_mask,
    make_positions,
)

ROWS, TARGET, SOURCE = 2, 3, 9


def part(vector: Tensor, head: int, heads: int) -> list[float]:
    """What one head has of a vector, or of a matrix's rows."""
    size = len(vector) // heads
    return vector[head * size : (head + 1) * size].tolist()


def inner(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def times(matrix: list[list[float]], vector: Tensor) -> list[float]:
    return [inner(row, vector.tolist()) for row in matrix]


def dot(score: Dot, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    return inner(part(query, head, score.heads), part(key, head, score.heads))


def general(score: General, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    return inner(part(query, head, score.heads), times(part(score.key.weight, head, score.heads), key))


def scaled_dot(score: ScaledDot, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    left = times(part(score.query.weight, head, score.heads), query)
    right = times(part(score.key.weight, head, score.heads), key)
    return inner(left, right) / math.sqrt(len(left))


def rotary(score: Rotary, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    """Pairs of features as complex numbers: the real part of (q_i exp(j t theta_i)) (k_i exp(j s theta_i))*."""
    sides = [times(part(linear.weight, head, score.heads), x) for linear, x in ((score.query, query), (score.key, key))]
    size = len(sides[0])
    pairs = [[complex(*side[i : i + 2]) for i in range(0, size, 2)] for side in sides]
    total = 0.0
    for i, (q, k) in enumerate(zip(*pairs, strict=True)):
        t, s = (cmath.exp(1j * place / 10_000 ** (2 * i / size)) for place in places)
        total += ((q * t) * (k * s).conjugate()).real
    return total / math.sqrt(size)


def additive(score: Additive, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    left = times(part(score.query.weight, head, score.heads), query)
    right = times(part(score.key.weight, head, score.heads), key)
    return sum(v * math.tanh(a + b) for v, a, b in zip(score.v[head].tolist(), left, right, strict=True))


def additive_normed(score: AdditiveNormed, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    left = times(part(score.query.weight, head, score.heads), query)
    right = times(part(score.key.weight, head, score.heads), key)
    bias, v = part(score.b, head, score.heads), score.v[head].tolist()
    total = sum(v * math.tanh(a + b + c) for v, a, b, c in zip(v, left, right, bias, strict=True))
    return score.g[head].item() * total / math.sqrt(inner(v, v))


def concat(score: Concat, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    hidden = times(part(score.joined.weight, head, score.heads), torch.cat([query, key]))
    return sum(v * math.tanh(a) for v, a in zip(score.v[head].tolist(), hidden, strict=True))


def location(score: Location, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    return times(part(score.position.weight, head, score.heads), query)[min(places[1], score.positions - 1)]


def cosine(score: CosineScore, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    left = times(part(score.query.weight, head, score.heads), query)
    right = part(key, head, score.heads)
    raised = times(score.sharpness.weight.tolist(), query)[head] + score.sharpness.bias[head].item()
    sharpness = math.log1p(math.exp(raised))
    return sharpness * inner(left, right) / math.sqrt(inner(left, left) * inner(right, right))


def favor(score: Favor, query: Tensor, key: Tensor, places: tuple[int, int], head: int) -> float:
    """log of the mean over directions of exp(w . q' - |q'|^2 / 2) exp(w . k' - |k'|^2 / 2)."""
    sides = [times(part(linear.weight, head, score.heads), x) for linear, x in ((score.query, query), (score.key, key))]
    q, k = ([x / len(side) ** 0.25 for x in side] for side in sides)
    directions = score.directions.tolist()
    phis = [[math.exp(inner(w, side) - inner(side, side) / 2) for w in directions] for side in (q, k)]
    return math.log(inner(*phis) / len(directions))


ORACLES: dict[str, Callable[..., float]] = {
    "dot": dot,
    "scaled_dot": scaled_dot,
    "general": general,
    "additive": additive,
    "additive_normed": additive_normed,
    "concat": concat,
    "location": location,
    "cosine": cosine,
    "rotary": rotary,
    "favor": favor,
}


def test_every_score_has_an_oracle() -> None:
    assert ORACLES.keys() == SCORES.keys()


@pytest.mark.parametrize("heads", HEAD_COUNTS)
@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_its_equation(name: str, heads: int) -> None:
    torch.manual_seed(heads)
    score, query_size = build_score(name, heads)
    draw_parameters(score)
    score = score.double()
    states = draw_normal(ROWS, SOURCE, MEMORY_SIZE, seed=1).double()
    queries = draw_normal(ROWS, TARGET, query_size, seed=2).double()
    found = score(queries, score.remember(states))
    for row in range(ROWS):
        for head in range(heads):
            for t in range(TARGET):
                for s in range(SOURCE):
                    wanted = ORACLES[name](score, queries[row, t], states[row, s], (t, s), head)
                    assert found[row, head, t, s].item() == pytest.approx(wanted, rel=1e-9, abs=1e-12)


def test_additive_normed_starts_with_scores_of_a_known_scale() -> None:
    """|score| <= g |v / |v||_1 <= g sqrt(d) = 1, and `additive` with g v / |v| where b is 0."""
    score, query_size = build_score("additive_normed", 2)
    assert isinstance(score, AdditiveNormed)
    states, queries = 1e3 * draw_normal(2, 5, MEMORY_SIZE, seed=1), draw_normal(2, TARGET, query_size, seed=2)
    found = score(queries, score.remember(states))
    assert found.abs().max() <= 1
    plain = Additive(query_size=query_size, memory_size=MEMORY_SIZE, heads=2, hidden_size=24)
    plain.load_state_dict(
        {"query.weight": score.query.weight, "key.weight": score.key.weight}
        | {"v": score.v / score.v.norm(dim=1, keepdim=True) / math.sqrt(12)}
    )
    assert_close(found, plain(queries, plain.remember(states)))


@pytest.mark.parametrize("heads", HEAD_COUNTS)
def test_scaled_dot_with_softmax_is_scaled_dot_product_attention(heads: int) -> None:
    lengths = [4, 9, 1]
    torch.manual_seed(heads)
    score = ScaledDot(query_size=QUERY_SIZE, memory_size=MEMORY_SIZE, heads=heads, hidden_size=20)
    scope = Global(query_size=QUERY_SIZE, heads=heads)
    attention = ScoredAttention(score=score, scope=scope, normalizer=Softmax(), memory_size=MEMORY_SIZE, heads=heads)
    states, queries = draw_normal(3, 9, MEMORY_SIZE, seed=1), draw_normal(3, TARGET, QUERY_SIZE, seed=2)
    found = attention(
        queries, attention.remember(states, make_mask(lengths)), make_positions(3, TARGET), keep_weights=True
    )

    def split(tensor: Tensor) -> Tensor:
        return tensor.unflatten(-1, (heads, -1)).transpose(1, 2)

    wanted = F.scaled_dot_product_attention(
        split(score.query(queries)),
        split(score.key(states)),
        split(attention.value(states)),
        attn_mask=make_mask(lengths)[:, None, None, :],
    )
    assert_close(found.context, wanted.transpose(1, 2).flatten(2))


def test_one_head_reads_the_states_themselves() -> None:
    score = General(query_size=QUERY_SIZE, memory_size=MEMORY_SIZE, heads=1)
    scope = Global(query_size=QUERY_SIZE, heads=1)
    attention = ScoredAttention(score=score, scope=scope, normalizer=Softmax(), memory_size=MEMORY_SIZE, heads=1)
    assert {name for name, _ in attention.named_parameters()} == {"score.key.weight"}


@pytest.mark.parametrize("name", SCORES)
def test_scores_of_distinct_queries_and_places_differ(name: str) -> None:
    torch.manual_seed(0)
    score, query_size = build_score(name, 2)
    states, queries = draw_normal(1, 5, MEMORY_SIZE, seed=1), draw_normal(1, TARGET, query_size, seed=2)
    found = score(queries, score.remember(states))
    assert found.unique().numel() == found.numel()


@pytest.mark.parametrize(
    ("name", "sizes", "settings", "message"),
    [
        ("dot", (QUERY_SIZE, MEMORY_SIZE, 1), {}, "query 8 .* key 12 .* attention/score=general"),
        ("dot", (6, 6, 4), {}, "4 heads share the query equally.* got 6"),
        ("general", (6, MEMORY_SIZE, 4), {}, "4 heads share the query equally.* got 6"),
        ("general", (QUERY_SIZE, MEMORY_SIZE, 0), {}, "at least 1 head"),
        ("concat", (6, MEMORY_SIZE, 4), {}, "4 heads share the query equally.* got 6"),
        ("cosine", (QUERY_SIZE, 6, 4), {}, "4 heads share the memory equally.* got 6"),
        (
            "scaled_dot",
            (QUERY_SIZE, MEMORY_SIZE, 4),
            {"hidden_size": 6},
            r"attention\.score\.hidden_size equally.* got 6",
        ),
        (
            "additive",
            (QUERY_SIZE, MEMORY_SIZE, 4),
            {"hidden_size": 6},
            r"attention\.score\.hidden_size equally.* got 6",
        ),
        (
            "rotary",
            (QUERY_SIZE, MEMORY_SIZE, 4),
            {"hidden_size": 20},
            "an even number of them; got hidden_size 20 for 4 heads, which is 5. .* a multiple of 8",
        ),
        ("additive", (QUERY_SIZE, MEMORY_SIZE, 1), {"hidden_size": 0}, r"attention\.score\.hidden_size .* got 1 and 0"),
        ("location", (QUERY_SIZE, MEMORY_SIZE, 1), {"positions": 0}, r"attention\.score\.positions .* got 0"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    name: str, sizes: tuple[int, int, int], settings: dict[str, int], message: str
) -> None:
    query_size, memory_size, heads = sizes
    with pytest.raises(ConfigError, match=message):
        SCORES[name](query_size=query_size, memory_size=memory_size, heads=heads, **settings)


def test_attention_refuses_heads_that_do_not_divide_the_memory() -> None:
    score, scope = (
        Location(query_size=QUERY_SIZE, memory_size=MEMORY_SIZE, heads=5),
        Global(query_size=QUERY_SIZE, heads=5),
    )
    with pytest.raises(ConfigError, match=r"5 heads share the memory equally.* got 12"):
        ScoredAttention(score=score, scope=scope, normalizer=Softmax(), memory_size=MEMORY_SIZE, heads=5)


@pytest.mark.parametrize("name", [name for name in SCORES if name != "location"])
@pytest.mark.parametrize("heads", [1, 2])
def test_what_a_history_adds_joins_the_keys(name: str, heads: int) -> None:
    """score(q, k, f) = score(q, k + f), for features that are the same for every target position."""
    score, query_size = build_score(name, heads)
    query, keys = draw_normal(2, 1, query_size, seed=1), score.remember(draw_normal(2, 5, MEMORY_SIZE, seed=2))
    features = draw_normal(2, heads, 1, 5, score.key_size, seed=3)
    assert_close(score(query, keys, features), score(query, keys + features.squeeze(2)))


def make_rotary(heads: int) -> Rotary:
    torch.manual_seed(heads)
    return Rotary(query_size=QUERY_SIZE, memory_size=MEMORY_SIZE, heads=heads, hidden_size=24).double()


def test_rotary_depends_on_the_distance_of_positions_alone() -> None:
    score = make_rotary(2)
    query, states = draw_normal(2, 3, QUERY_SIZE, seed=1).double(), draw_normal(2, 5, MEMORY_SIZE, seed=2).double()
    asked, kept = torch.tensor([[4, 0, 7], [2, 9, 1]]), torch.tensor([[0, 3, 5, 1, 8], [6, 2, 2, 0, 4]])
    found, later = (
        score.compare_at(query, asked + shift, score.remember_at(states, kept + shift)) for shift in (0, 1000)
    )
    assert_close(found, later)
    moved = score.compare_at(query, asked + 1, score.remember_at(states, kept))
    assert not torch.isclose(found, moved).any()


def test_rotary_at_one_place_is_scaled_dot() -> None:
    score = make_rotary(4)
    plain = ScaledDot(query_size=QUERY_SIZE, memory_size=MEMORY_SIZE, heads=4, hidden_size=24).double()
    plain.load_state_dict(score.state_dict())
    query, states = draw_normal(2, 1, QUERY_SIZE, seed=1).double(), draw_normal(2, 5, MEMORY_SIZE, seed=2).double()
    here = torch.full((2, 5), 17)
    found = score.compare_at(query, here[:, :1], score.remember_at(states, here))
    assert_close(found, plain(query, plain.remember(states)))


@pytest.mark.parametrize("name", SELF_SCORES)
def test_keys_may_be_remembered_in_pieces_by_scores_of_self_attention(name: str) -> None:
    score, _ = build_score(name, 2)
    states, positions = draw_normal(2, 5, MEMORY_SIZE, seed=1), make_positions(2, 5)
    pieces = [score.remember_at(states[:, cut], positions[:, cut]) for cut in (slice(0, 2), slice(2, 3), slice(3, 5))]
    assert_close(torch.cat(pieces, 2), score.remember(states))
