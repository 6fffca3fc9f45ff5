"""A memory that is read and written: against loops, and what every machine obeys."""

import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.addressing import FLOOR
from nmt.attention.machine import EMPTY, MachinePast, MemoryMachine, check_contents, compute_left, compute_origin
from nmt.attention.memory import Memory, empty_values, hide_positions, reorder_values
from nmt.errors import ConfigError
from nmt.trees import repeat_rows, select_rows
from tests.builders import (
    MEMORY_SIZE,
    Mix,
    build_attention,
    draw_normal,
    draw_parameters,
    find_missing_gradients,
    make_mask,
    make_mix,
    make_positions,
)
from tests.shapes import without_checks

LENGTHS = [4, 1, 6]
ROWS, QUERY, FREE, STEPS = len(LENGTHS), 5, 3, 4


def make_machine(
    read_heads: int = 1, write_heads: int = 1, *, reach: int = 1, normalizer: str = "softmax", free_slots: int = FREE
) -> MemoryMachine:
    mix = make_mix("cosine", normalizer=normalizer)
    contents = [build_attention(mix, number, QUERY)[0] for number in range(read_heads + write_heads)]
    machine = MemoryMachine(
        [check_contents(each, where="here") for each in contents],
        query_size=QUERY,
        slot_size=MEMORY_SIZE,
        read_heads=read_heads,
        reach=reach,
        free_slots=free_slots,
        holds_source=True,
    )
    draw_parameters(machine)
    return machine.eval()


def draw_memory(machine: MemoryMachine, extra: int = 0) -> Memory:
    states = draw_normal(ROWS, max(LENGTHS), MEMORY_SIZE, seed=1)
    states = torch.nn.functional.pad(states.masked_fill(~make_mask(LENGTHS).unsqueeze(-1), 9.0), (0, 0, 0, extra))
    return machine.remember(states, torch.nn.functional.pad(make_mask(LENGTHS), (0, extra)))


def draw_queries(rows: int = ROWS) -> Tensor:
    return draw_normal(rows, STEPS, QUERY, seed=2)


def run(
    machine: MemoryMachine, queries: Tensor, memory: Memory, past: MachinePast
) -> tuple[Tensor, Tensor, MachinePast]:
    """Contexts, weights on the source, and the past after all steps."""
    contexts, weights = [], []
    for t in range(queries.shape[1]):
        position = make_positions(len(queries), 1, t)
        attended = machine(queries[:, t : t + 1], memory, position, past, keep_weights=True)
        assert attended.weights is not None
        contexts.append(attended.context)
        weights.append(attended.weights)
        past = MachinePast(*attended.past)
    return torch.cat(contexts, 1), torch.cat(weights, 2), past


MACHINES = [(1, 1), (2, 1), (1, 3), (2, 2)]


def compute_weights_by_loops(
    machine: MemoryMachine, row: int, query: Tensor, matrix: list, before: list
) -> list[list[float]]:
    """The weights of each head, number by number (Graves et al. 2014, equations 5 to 9)."""
    heads, slots = len(before), len(matrix)
    raw = machine.addressing.location(query).view(heads, -1).tolist()
    found = []
    for head, (gate, power, *kernel) in enumerate(raw):
        score = machine.addressing.scores[head]
        key, beta = score.query(query).tolist(), math.log1p(math.exp(score.sharpness(query).item()))
        cosines = [
            sum(a * b for a, b in zip(key, slot, strict=True)) / (math.hypot(*key) * math.hypot(*slot))
            for slot in matrix
        ]
        raised = [math.exp(beta * cosine) for cosine in cosines]
        content = [each / sum(raised) for each in raised]
        g, gamma = 1 / (1 + math.exp(-gate)), 1 + math.log1p(math.exp(power))
        mixed = [g * c + (1 - g) * b for c, b in zip(content, before[head], strict=True)]
        shares = [math.exp(each) / sum(map(math.exp, kernel)) for each in kernel]
        reach = len(kernel) // 2
        moved = [
            sum(mixed[(i - k) % slots] * shares[k + reach] for k in range(-reach, reach + 1)) for i in range(slots)
        ]
        powers = [max(each, FLOOR) ** gamma for each in moved]
        found.append([each / sum(powers) for each in powers])
    return found


@pytest.mark.parametrize("heads", MACHINES, ids=str)
def test_the_machine_is_its_equations_number_by_number(heads: tuple[int, int]) -> None:
    machine = make_machine(*heads).double()
    memory, queries = draw_memory(machine), draw_queries().double()
    past = machine.start(memory)
    contexts, weights, last = run(machine, queries, memory, past)
    states = memory.values.squeeze(1)
    for row, length in enumerate(LENGTHS):
        matrix = [[EMPTY] * MEMORY_SIZE for _ in range(FREE)] + states[row, :length].tolist()
        before = past.weights[row, 0, :, : len(matrix)].tolist()
        for t in range(STEPS):
            query = queries[row, t]
            before = compute_weights_by_loops(machine, row, query, matrix, before)
            read, written = before[: heads[0]], before[heads[0] :]
            reading = [
                sum(w * slot[d] for w, slot in zip(head, matrix, strict=True))
                for head in read
                for d in range(MEMORY_SIZE)
            ]
            assert_close(contexts[row, t], torch.tensor(reading, dtype=torch.double))
            assert_close(weights[row, :, t, :length], torch.tensor(read, dtype=torch.double)[:, FREE:])
            raw = machine.writing(query).view(2, heads[1], MEMORY_SIZE)
            erase, add = raw[0].sigmoid().tolist(), raw[1].tanh().tolist()
            for i, slot in enumerate(matrix):
                for d in range(MEMORY_SIZE):
                    for w, e in zip(written, erase, strict=True):
                        slot[d] *= 1 - w[i] * e[d]
                    slot[d] += sum(w[i] * a[d] for w, a in zip(written, add, strict=True))
        left = machine.lay_out(memory).values * last.kept.squeeze(1) + last.added.squeeze(1)
        assert_close(left[row, : len(matrix)], torch.tensor(matrix, dtype=torch.double))


def test_erasing_all_and_adding_overwrites_one_slot_exactly() -> None:
    write = torch.zeros(1, 1, 4)
    write[..., 2] = 1.0
    memory, value = draw_normal(1, 4, MEMORY_SIZE), draw_normal(1, 1, MEMORY_SIZE, seed=1)
    left = compute_left(write, torch.ones(1, 1, MEMORY_SIZE))
    after = memory * left + write.transpose(1, 2) @ value
    assert torch.equal(after[0, 2], value[0, 0])
    assert torch.equal(after[0, [0, 1, 3]], memory[0, [0, 1, 3]])


@pytest.mark.parametrize("normalizer", ["softmax", "sparsemax", "entmax15"])
def test_all_weights_sum_to_one_and_none_is_on_padding(normalizer: str) -> None:
    machine = make_machine(2, 1, normalizer=normalizer)
    memory = draw_memory(machine)
    _, weights, past = run(machine, draw_queries(), memory, machine.start(memory))
    assert_close(past.weights.sum(-1), torch.ones(ROWS, 1, 3))
    real = torch.nn.functional.pad(make_mask(LENGTHS), (FREE, 0), value=True)
    assert not past.weights.masked_select(~real[:, None, None]).any()
    assert (weights.sum(-1) <= 1 + 1e-6).all()


def test_padding_is_invisible_and_rows_are_independent() -> None:
    machine = make_machine(1, 2, reach=2)
    wanted = run(machine, draw_queries(), draw_memory(machine), machine.start(draw_memory(machine)))
    longer = draw_memory(machine, 3)
    found = run(machine, draw_queries(), longer, machine.start(longer))
    assert_close(found[0], wanted[0])
    assert_close(found[1], torch.nn.functional.pad(wanted[1], (0, 3)))
    for row, length in enumerate(LENGTHS):
        states = draw_memory(machine).values[row : row + 1, 0, :length]
        memory = machine.remember(states, make_mask([length]))
        context, weights, _ = run(machine, draw_queries()[row : row + 1], memory, machine.start(memory))
        assert_close(context[0], wanted[0][row])
        assert_close(weights[0], wanted[1][row, ..., :length])


def test_a_beam_writes_to_memories_of_its_own() -> None:
    machine, beam = make_machine(), 2
    memory, queries = draw_memory(machine), draw_queries(ROWS * beam)
    past = repeat_rows(machine.start(memory), beam)
    shared = run(machine, queries, memory, past)
    apart = run(machine, queries, repeat_rows(memory, beam), past)
    assert_close(shared, apart)
    assert not torch.allclose(shared[2].added[0], shared[2].added[1])
    order = torch.tensor([1, 0, 0, 2, 5, 5])
    chosen = select_rows(shared[2], order)
    assert torch.equal(chosen.added[2], shared[2].added[0])


def test_the_gradient_of_three_steps_is_that_of_finite_differences() -> None:
    machine = make_machine(1, 1).double()
    states = draw_normal(2, 2, MEMORY_SIZE, seed=3).double()[..., :].requires_grad_()
    queries = draw_queries(2)[:, :3].double().requires_grad_()

    def compute(states: Tensor, queries: Tensor) -> Tensor:
        memory = machine.remember(states, make_mask([2, 1]))
        return run(machine, queries, memory, machine.start(memory))[0]

    with without_checks():  # whose shapes are those of the laws above
        assert torch.autograd.gradcheck(compute, (states, queries))


def test_every_parameter_gets_a_gradient() -> None:
    machine = make_machine(2, 2)
    memory = draw_memory(machine)
    contexts, _, past = run(machine, draw_queries(), memory, machine.start(memory))
    (contexts.square().sum() + past.added.square().sum()).backward()
    assert find_missing_gradients(machine) == []


def test_what_is_hidden_or_moved_shows_in_the_reading() -> None:
    machine = make_machine()
    memory = draw_memory(machine)
    _, _, past = run(machine, draw_queries(), memory, machine.start(memory))
    query, position = draw_queries()[:, :1], make_positions(ROWS, 1, STEPS)
    hidden = torch.zeros(ROWS, max(LENGTHS), dtype=torch.bool)
    hidden[0, 2] = True
    found = machine(query, hide_positions(memory, hidden), position, past, keep_weights=True).weights
    assert (found[0, :, :, 2] == 0).all()
    assert (found[0, :, :, :2] > 0).all()
    # Other values do not change where the machine looks, but what it reads.
    usual = machine(query, memory, position, past, keep_weights=True)
    order = torch.tensor([[1, 0, 2, 3, 4, 5]]).expand(ROWS, -1)
    for changed in (reorder_values(memory, order), empty_values(memory, torch.tensor([True, False, False]))):
        again = machine(query, changed, position, past, keep_weights=True)
        assert_close(again.weights, usual.weights)
        assert not torch.allclose(again.context[0], usual.context[0])


def test_the_origin_of_a_slot_is_shared_by_what_was_written_there() -> None:
    written = torch.tensor([[[1.0, 0.0, 0.2], [1.0, 0.5, 0.0]]])
    assert_close(compute_origin(written), torch.tensor([[[0.5, 0.0, 0.2], [0.5, 0.5, 0.0]]]))


@pytest.mark.parametrize(
    ("mix", "word"),
    [
        (make_mix(heads=2), "attention.heads"),
        (make_mix(scope="local_m"), "attention.scope"),
        (Mix("general", "global", (), "softmax", 1, "coverage"), "attention.history"),
        (Mix("general", "global", (), "softmax", 1, "none", "sampled"), "attention.selection"),
        (make_mix(normalizer="monotonic"), "attention.normalizer"),
    ],
    ids=str,
)
def test_what_has_no_place_in_a_machine_is_refused(mix: Mix, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        check_contents(build_attention(mix)[0], where="here")
