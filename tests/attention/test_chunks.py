"""MoChA and MILk: windows that end where a monotonic attention stops, against loops and all paths of stops."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.chunks import MonotonicScope
from nmt.attention.normalizer import NORMALIZERS, Normalizer
from nmt.attention.scored import ScoredAttention
from nmt.errors import ConfigError
from tests.builders import MEMORY_SIZE, Mix, build_attention, draw_normal, make_mask, make_positions

SOURCE, TARGET = 7, 5
PLAIN = [name for name, cls in NORMALIZERS.items() if not cls.has_past]


class Unrolled:
    """An attention with a monotonic scope, asked step by step: weights, where it stopped, and energies of both kinds,
    each of axes [head target source]."""

    def __init__(
        self,
        chunk: int | None,
        normalizer: str = "softmax",
        *,
        heads: int = 1,
        sizes: tuple[int, int] = (SOURCE, TARGET),
        scale: float = 1.0,
        offset: float = 0.0,
        is_training: bool = True,
    ) -> None:
        self.source, self.target = sizes
        made, query_size = build_attention(
            Mix("general", "monotonic", (("chunk", chunk), ("noise", 0.0)), normalizer, heads)
        )
        assert isinstance(made, ScoredAttention)
        assert isinstance(made.scope, MonotonicScope)
        self.attention = made.double().train(is_training)
        torch.nn.init.constant_(made.scope.stop.offset, offset)
        torch.nn.init.constant_(made.scope.energy.g, scale)
        self.states = draw_normal(1, self.source, MEMORY_SIZE, seed=1).double()
        self.queries = 3 * draw_normal(1, self.target, query_size, seed=2).double()
        memory = made.remember(self.states, make_mask([self.source]))
        assert memory.scope_keys is not None
        self.energies = made.score(self.queries, memory.keys)[0].detach()
        self.stop_energies = made.scope.energy(self.queries, memory.scope_keys)[0].detach() + offset
        past, weights, stops = made.start(memory), [], []
        for t in range(self.target):
            step = made(self.queries[:, t : t + 1], memory, make_positions(1, 1, t), past, keep_weights=True)
            past = step.past
            weights.append(step.weights[0])
            stops.append(past.scope[0][0].transpose(0, 1))
        self.weights, self.stops = torch.cat(weights, 1).detach(), torch.cat(stops, 1).detach()


def weigh_chunk(normalizer: Normalizer, energies: Tensor, end: int, chunk: int | None) -> Tensor:
    """Weights of a row of energies inside the window that ends there, alone, and 0 elsewhere."""
    first = 0 if chunk is None else max(0, end - chunk + 1)
    weights = torch.zeros_like(energies)
    weights[first : end + 1] = normalizer(energies[first : end + 1])
    return weights


@pytest.mark.parametrize("chunk", [1, 3, SOURCE, None])
@pytest.mark.parametrize("name", PLAIN)
def test_expected_weights_are_the_sum_over_all_ends(name: str, chunk: int | None) -> None:
    found = Unrolled(chunk, name, heads=2)
    for head, t in itertools.product(range(2), range(TARGET)):
        wanted = sum(
            found.stops[head, t, end] * weigh_chunk(NORMALIZERS[name](), found.energies[head, t], end, chunk)
            for end in range(SOURCE)
        )
        assert_close(found.weights[head, t], wanted)


@pytest.mark.parametrize("chunk", [2, None])
def test_expected_weights_are_the_mean_over_all_monotone_paths(chunk: int | None) -> None:
    """Every path of stops is enumerated; what runs off the end stops at the last position."""
    source, target = 4, 3
    found = Unrolled(chunk, sizes=(source, target))
    stop, softmax = torch.sigmoid(found.stop_energies[0]), NORMALIZERS["softmax"]()
    wanted = torch.zeros(target, source, dtype=torch.float64)
    for path in itertools.combinations_with_replacement(range(source), target):
        chance, before = torch.tensor(1.0, dtype=torch.float64), 0
        for t, here in enumerate(path):
            last = 1 - stop[t, here] if here == source - 1 else 0.0
            chance, before = chance * torch.prod(1 - stop[t, before:here]) * (stop[t, here] + last), here
        for t, here in enumerate(path):
            wanted[t] += chance * weigh_chunk(softmax, found.energies[0, t], here, chunk)
    assert_close(found.weights[0], wanted)


@pytest.mark.parametrize("name", PLAIN)
def test_a_chunk_of_one_is_monotonic_attention(name: str) -> None:
    found = Unrolled(1, name)
    assert_close(found.weights, found.stops)


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("chunk", [SOURCE, 2 * SOURCE, None])
@pytest.mark.parametrize("name", PLAIN)
def test_a_window_over_all_is_attention_without_a_scope(name: str, chunk: int | None, is_training: bool) -> None:
    found = Unrolled(chunk, name, offset=-1e3, is_training=is_training)
    assert_close(found.stops[..., -1], torch.ones(1, TARGET, dtype=torch.float64))
    assert_close(found.weights, NORMALIZERS[name]()(found.energies))


@pytest.mark.parametrize("chunk", [1, 2, None])
@pytest.mark.parametrize("name", PLAIN)
def test_clear_stops_give_one_window(name: str, chunk: int | None) -> None:
    soft, hard = (Unrolled(chunk, name, scale=1e4, is_training=training) for training in (True, False))
    assert soft.stop_energies.abs().min() > 50
    assert_close(soft.weights, hard.weights)
    assert set(hard.stops.flatten().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize("chunk", [1, 2, 3, None])
def test_a_search_reads_a_window_that_never_goes_back(chunk: int | None) -> None:
    found = Unrolled(chunk, heads=2, scale=3.0, is_training=False)
    moved = False
    for head in range(2):
        before = 0
        for t in range(TARGET):
            above = [s for s in range(before, SOURCE) if found.stop_energies[head, t, s] > 0]
            end = above[0] if above else SOURCE - 1
            wanted = weigh_chunk(NORMALIZERS["softmax"](), found.energies[head, t], end, chunk)
            assert_close(found.weights[head, t], wanted)
            moved, before = moved or end > before, end
    assert moved


def test_expected_weights_have_the_gradient_of_finite_differences() -> None:
    found = Unrolled(3)

    def run(states: Tensor, queries: Tensor) -> Tensor:
        memory = found.attention.remember(states, make_mask([SOURCE]))
        past, contexts = found.attention.start(memory), []
        for t in range(3):
            step = found.attention(queries[:, t : t + 1], memory, make_positions(1, 1, t), past)
            past = step.past
            contexts.append(step.context)
        return torch.cat(contexts, 1)

    inputs = (found.states.requires_grad_(), found.queries.requires_grad_())
    assert torch.autograd.gradcheck(run, inputs, fast_mode=True)


def test_padding_is_invisible_in_training() -> None:
    found = Unrolled(2, "sparsemax", heads=2)
    longer = torch.cat([found.states, torch.full((1, 4, MEMORY_SIZE), 1e4, dtype=torch.float64)], 1)
    memory = found.attention.remember(longer, torch.arange(SOURCE + 4).unsqueeze(0) < SOURCE)
    past = found.attention.start(memory)
    for t in range(TARGET):
        step = found.attention(found.queries[:, t : t + 1], memory, make_positions(1, 1, t), past, keep_weights=True)
        past = step.past
        assert step.weights is not None
        assert_close(step.weights[0, :, 0, :SOURCE], found.weights[:, t])
        assert step.log_weights is not None
        smallest = torch.finfo(torch.float64).tiny
        assert_close(step.log_weights[0, :, 0, :SOURCE], found.weights[:, t].clamp(min=smallest).log())
        assert (step.log_weights[..., SOURCE:] == -torch.inf).all()
        assert not step.weights[..., SOURCE:].any()


@pytest.mark.parametrize("is_training", [True, False])
@pytest.mark.parametrize("place", ["keys", "scope_keys"])
def test_a_sentence_without_a_solution_is_nan_and_no_other_is_touched(place: str, is_training: bool) -> None:
    attention, query_size = build_attention(Mix("general", "monotonic", (("noise", 0.0),), "softmax", 1))
    attention.train(is_training)
    memory = attention.remember(draw_normal(2, 5, MEMORY_SIZE), make_mask([5, 5]))
    broken = getattr(memory, place).detach().clone()
    broken[1, :, 2] = float("nan")
    query, positions = draw_normal(2, 1, query_size, seed=1), make_positions(2, 1)
    sound = attention(query, memory, positions, attention.start(memory))
    found = attention(query, memory._replace(**{place: broken}), positions, attention.start(memory))
    assert found.context[1].isnan().all()
    assert_close(found.context[0], sound.context[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"chunk": 0}, r"attention\.scope\.chunk must be at least 1 source position, or null .*got 0"),
        ({"noise": -1.0}, r"attention\.scope\.noise must be 0 or more; got -1"),
        ({"hidden_size": 5}, r"attention\.scope\.hidden_size equally.*multiple of 2; got 5"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        MonotonicScope(query_size=8, memory_size=12, heads=2, **settings)  # type: ignore[arg-type]
