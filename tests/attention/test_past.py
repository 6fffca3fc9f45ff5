"""What attentions obey that depend on their own earlier steps: a history, or a normalizer or scope with a past."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.attention import Attended, Past
from nmt.attention.chunks import MonotonicScope
from nmt.attention.history import HISTORIES, Coverage
from nmt.attention.memory import Memory
from nmt.attention.normalizer import NORMALIZERS, Monotonic
from nmt.attention.scope import SCOPES
from nmt.attention.scored import ScoredAttention
from nmt.trees import repeat_rows, select_rows
from tests.builders import (
    MEMORY_SIZE,
    Mix,
    build_attention,
    cover_pairs,
    draw_normal,
    find_missing_gradients,
    make_mask,
    make_positions,
    mark_slow_unless,
)
from tests.shapes import without_checks

LENGTHS = [7, 1, 11, 2]
TARGET = 5

STEPWISE = [
    Mix(score, scope, (), normalizer, heads, history)
    for history, normalizer in [
        *((name, "softmax") for name in HISTORIES if name != "none"),
        *(("none", "monotonic"), ("coverage", "monotonic")),
    ]
    for score, scope, heads in [
        *(("additive", "global", 1), ("general", "local_p", 2), ("location", "local_m", 4)),
        *(("cosine", "global", 2), ("scaled_dot", "global", 1), ("concat", "local_p", 1), ("dot", "global", 4)),
        *(("rotary", "alibi", 2), ("rotary", "window", 1)),
    ]
]
STEPWISE += [
    Mix(score, "monotonic", (("chunk", chunk),), normalizer, heads, history)
    for score, chunk, normalizer, heads, history in [
        ("scaled_dot", 2, "softmax", 1, "none"),
        ("additive_normed", None, "softmax", 2, "none"),
        ("general", 3, "sparsemax", 2, "none"),
        ("cosine", None, "entmax15", 1, "none"),
        ("concat", 2, "sparsemax", 4, "none"),
        ("additive", 2, "softmax", 2, "coverage"),
        ("dot", 4, "entmax15", 1, "location_aware"),
        ("location", 3, "monotonic", 2, "none"),
        ("rotary", None, "monotonic", 1, "fertility"),
    ]
]


class Case:
    """An attention with states and queries of several sentences."""

    def __init__(self, mix: Mix, lengths: list[int] = LENGTHS, *, seed: int = 1) -> None:
        self.attention, query_size = build_attention(mix)
        for parameter in self.attention.history.parameters():
            torch.nn.init.normal_(parameter)  # so that a history shows
        for parameter in self.attention.normalizer.parameters():
            torch.nn.init.zeros_(parameter)  # so that monotonic attention stops now and then
        if isinstance(self.attention.scope, MonotonicScope):
            torch.nn.init.zeros_(self.attention.scope.stop.offset)
        self.lengths = lengths
        self.states = draw_normal(len(lengths), max(lengths), MEMORY_SIZE, seed=seed)
        self.states = self.states * make_mask(lengths).unsqueeze(-1)
        self.queries = draw_normal(len(lengths), TARGET, query_size, seed=seed + 1)
        self.attention.eval()

    def remember(self) -> Memory:
        return self.attention.remember(self.states, make_mask(self.lengths))


def step(attention: ScoredAttention, queries: Tensor, memory: Memory, past: Past) -> list[Attended]:
    """All target positions, one after another."""
    steps = []
    for t in range(queries.shape[1]):
        positions = make_positions(len(queries), 1, t)
        steps.append(attention(queries[:, t : t + 1], memory, positions, past, keep_weights=True))
        past = steps[-1].past
    return steps


def attend(case: Case) -> tuple[Tensor, Tensor]:
    memory = case.remember()
    steps = step(case.attention, case.queries, memory, case.attention.start(memory))
    return torch.cat([each.context for each in steps], 1), torch.cat([each.weights for each in steps], 2)


@pytest.fixture(params=mark_slow_unless([STEPWISE[index] for index in cover_pairs(STEPWISE)], STEPWISE), ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_every_part_with_a_past_is_among_them() -> None:
    assert {mix.history for mix in STEPWISE} == HISTORIES.keys()
    assert {mix.normalizer for mix in STEPWISE} > {name for name, cls in NORMALIZERS.items() if cls.has_past}
    assert {mix.scope for mix in STEPWISE} > {name for name, cls in SCOPES.items() if cls.has_past}


def test_the_past_has_the_shapes_that_it_starts_with_and_changes(case: Case) -> None:
    memory = case.remember()
    first = case.attention.start(memory)
    assert case.attention.is_stepwise
    last = step(case.attention, case.queries, memory, first)[-1].past
    flat = [[part for axis in past for part in axis] for past in (first, last)]
    assert [part.shape for part in flat[0]] == [part.shape for part in flat[1]]
    assert all(part.shape[:2] == (len(LENGTHS), 1) for part in flat[0])
    assert any(not torch.equal(*parts) for parts in zip(*flat, strict=True))


def test_what_it_gives_depends_on_the_past(case: Case) -> None:
    queries = 5 * case.queries  # far enough apart that each moves a hard stop
    memory = case.remember()
    steps = step(case.attention, queries, memory, case.attention.start(memory))
    positions = make_positions(len(LENGTHS), 1, TARGET - 1)
    alone = case.attention(queries[:, -1:], memory, positions, case.attention.start(memory), keep_weights=True)
    assert alone.weights is not None
    assert not torch.allclose(alone.weights, steps[-1].weights)


def test_padding_is_invisible(case: Case) -> None:
    wanted = attend(case)
    hidden = case.states.masked_fill(~make_mask(LENGTHS).unsqueeze(-1), 1e4)
    longer = torch.cat([hidden, hidden.new_full((len(LENGTHS), 3, MEMORY_SIZE), 1e4)], 1)
    mask = torch.cat([make_mask(LENGTHS), torch.zeros(len(LENGTHS), 3, dtype=torch.bool)], 1)
    memory = case.attention.remember(longer, mask)
    steps = step(case.attention, case.queries, memory, case.attention.start(memory))
    assert_close(torch.cat([each.context for each in steps], 1), wanted[0])
    weights = torch.cat([each.weights for each in steps], 2)
    assert_close(weights[..., : max(LENGTHS)], wanted[1])
    assert not weights[..., max(LENGTHS) :].any()


def test_rows_are_independent_and_may_be_chosen(case: Case) -> None:
    memory, rows = case.remember(), torch.tensor([2, 0, 2])
    steps = step(case.attention, case.queries[:, :2], memory, case.attention.start(memory))
    after = case.attention(
        case.queries[rows, 2:3],
        select_rows(memory, rows),
        make_positions(3, 1, 2),
        select_rows(steps[-1].past, rows),
        keep_weights=True,
    )
    positions = make_positions(len(LENGTHS), 1, 2)
    whole = case.attention(case.queries[:, 2:3], memory, positions, steps[-1].past, keep_weights=True)
    assert_close(after, select_rows(whole, rows))


def test_a_beam_that_shares_memory_equals_one_with_copies_of_it(case: Case) -> None:
    beam, memory = 3, case.remember()
    queries = draw_normal(len(LENGTHS) * beam, TARGET, case.queries.shape[-1], seed=7)
    past = repeat_rows(case.attention.start(memory), beam)
    shared = step(case.attention, queries, memory, past)
    copied = step(case.attention, queries, repeat_rows(memory, beam), past)
    for one, other in zip(shared, copied, strict=True):
        assert_close(one, other)


def test_every_parameter_gets_a_gradient_through_the_steps(case: Case) -> None:
    case.attention.train().zero_grad()
    torch.manual_seed(0)
    context, _ = attend(case)
    (context * draw_normal(*context.shape, seed=3)).sum().backward()
    assert find_missing_gradients(case.attention) == []


# Coverage ----------------------------------------------------------------------------------------------------------


def test_coverage_adds_what_has_been_read_to_the_keys() -> None:
    """A loop over steps, heads and positions with general attention: q . (W k + F c)."""
    case = Case(Mix("general", "global", (), "softmax", 2, "coverage"))
    attention = case.attention
    _, found = attend(case)
    assert isinstance(attention.history, Coverage)
    keys, part = case.remember().keys, attention.score.key_size
    for row, length in enumerate(LENGTHS):
        for head in range(2):
            covered = [torch.tensor(0.0)] * length
            for t in range(TARGET):
                query = case.queries[row, t, head * part : (head + 1) * part]
                corrected = [
                    keys[row, head, s] + covered[s] * attention.history.projection[head] for s in range(length)
                ]
                weights = torch.stack([query @ key for key in corrected]).softmax(0)
                assert_close(found[row, head, t, :length], weights)
                covered = [before + now.detach() for before, now in zip(covered, weights, strict=True)]


@pytest.mark.parametrize("history", ["coverage", "fertility", "coverage_gru"])
def test_coverage_moves_with_the_source(history: str) -> None:
    case = Case(Mix("additive", "global", (), "softmax", 1, history), [7, 7])
    order = torch.tensor([3, 0, 6, 2, 1, 5, 4])
    context, weights = attend(case)
    case.states = case.states[:, order]
    moved_context, moved = attend(case)
    assert_close(moved_context, context)
    assert_close(moved, weights[..., order])


@pytest.mark.parametrize("history", [name for name in HISTORIES if name != "none"])
def test_gradients_flow_through_past_weights(history: str) -> None:
    case = Case(Mix("general", "global", (), "softmax", 1, history), [3, 2])
    case.attention.double()
    case.states, case.queries = case.states.double(), case.queries.double()[:, :4]

    def run(states: Tensor) -> Tensor:
        case.states = states
        return attend(case)[0]

    with without_checks():  # whose shapes are those of the laws above
        assert torch.autograd.gradcheck(run, (case.states.requires_grad_(),))


# Monotonic ---------------------------------------------------------------------------------------------------------


def start_of(size: int) -> Past:
    first = torch.zeros(1, 1, 1, size, dtype=torch.float64)
    first[..., 0] = 1.0
    return (first,)


def unroll(normalizer: Monotonic, energies: Tensor) -> Tensor:
    """Weights of energies [target source], one row after another."""
    past, rows = start_of(energies.shape[1]), []
    for row in energies:
        rows.append(normalizer(row.view(1, 1, 1, -1), past))
        past = normalizer.advance(past, rows[-1])
    return torch.stack([row.flatten() for row in rows])


def monotonic(noise: float = 0.0) -> Monotonic:
    """Without the offset, so that random energies stop it now and then."""
    normalizer = Monotonic(noise=noise).double()
    torch.nn.init.zeros_(normalizer.offset)
    return normalizer


def test_the_expected_alignment_is_the_mean_over_all_monotone_paths() -> None:
    """Every path of stops is enumerated; what runs off the end stops at the last position."""
    source, target = 4, 3
    energies = draw_normal(target, source, seed=5).double() * 2 + 1
    normalizer = monotonic().train()
    stop = torch.sigmoid(energies + normalizer.offset)
    wanted = torch.zeros(target, source, dtype=torch.float64)
    for path in itertools.product(range(source), repeat=target):
        chance, before = torch.tensor(1.0, dtype=torch.float64), 0
        for t, here in enumerate(path):
            passed = torch.prod(1 - stop[t, before:here]) if here >= before else 0.0
            stops = stop[t, here] + (1 - stop[t, here] if here == source - 1 else 0.0)
            chance, before = chance * passed * stops, here
        for t, here in enumerate(path):
            wanted[t, here] += chance
    assert_close(unroll(normalizer, energies), wanted)


def test_the_expected_alignment_is_that_of_the_recurrence() -> None:
    """q[s] = (1 - p[s - 1]) q[s - 1] + a[t - 1, s],  a[t, s] = p[s] q[s], and what is left at the last position."""
    energies = draw_normal(6, 11, seed=6).double() * 5
    before = start_of(11)[0].flatten()
    for row, found in zip(energies, unroll(monotonic().train(), energies), strict=True):
        stop, q, after = torch.sigmoid(row), 0.0, []
        for s in range(11):
            q = (1 - stop[s - 1]) * q + before[s] if s else before[s]
            after.append(stop[s] * q)
        after[-1] = after[-1] + 1 - sum(after)
        before = torch.stack(after)
        assert_close(found, before)


def test_clear_energies_give_the_hard_alignment() -> None:
    energies = torch.where(draw_normal(6, 9, seed=8) > 0.5, 60.0, -60.0).double()
    assert_close(unroll(monotonic().train(), energies), unroll(monotonic().eval(), energies))


def test_it_never_goes_back() -> None:
    weights = unroll(monotonic().eval(), draw_normal(8, 11, seed=9).double() * 4)
    stops = weights.argmax(-1)
    assert set(weights.flatten().tolist()) == {0.0, 1.0}
    assert (stops.diff() >= 0).all()
    assert len(set(stops.tolist())) > 2


def test_noise_is_for_training_only() -> None:
    energies = draw_normal(3, 5, seed=2).double()
    noisy = monotonic(3.0)
    torch.manual_seed(0)
    assert not torch.equal(unroll(noisy.train(), energies), unroll(noisy.train(), energies))
    assert torch.equal(unroll(noisy.eval(), energies), unroll(monotonic().eval(), energies))
