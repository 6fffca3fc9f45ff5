"""Selections: soft attention mixes, hard attention draws, and learns from what it drew."""

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.selection import SELECTIONS, Marginal, Sampled, Selected, Selection, StraightThrough
from nmt.errors import ConfigError
from nmt.model.heads.drawn import DrawnHead
from nmt.model.heads.mixture import MixtureHead
from nmt.model.reinforce import DECAY, POSITIONS, Reinforce
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS, EOS, PAD
from nmt.trees import repeat_rows
from tests.builders import (
    MEMORY_SIZE,
    Mix,
    Plan,
    build_attention,
    build_seq2seq,
    draw_normal,
    make_mask,
    make_positions,
)

LENGTHS = [4, 1, 6]
MIXES = [
    Mix("general", "global", (), "softmax", 1, "none", "sampled"),
    Mix("additive", "local_p", (), "sparsemax", 2, "none", "sampled"),
    Mix("general", "global", (), "softmax", 2, "coverage", "sampled"),
    Mix("additive", "local_m", (), "softmax", 2, "none", "straight_through"),
]


def attend(mix: Mix, *, is_training: bool, copies: int = 1) -> tuple[Tensor, ...]:
    attention, query_size = build_attention(mix)
    attention.train(is_training)
    states = draw_normal(3, 6, MEMORY_SIZE, seed=1) * make_mask(LENGTHS).unsqueeze(-1)
    memory = attention.remember(states, make_mask(LENGTHS))
    query = draw_normal(3, 1, query_size, seed=2).repeat_interleave(copies, 0)
    past = repeat_rows(attention.start(memory), copies)
    found = attention(query, memory, make_positions(3 * copies, 1), past, keep_weights=True)
    return found.context, found.weights, found.log_prob, memory.values


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_outside_training_the_likeliest_position_is_read(mix: Mix) -> None:
    context, weights, log_prob, values = attend(mix, is_training=False)
    assert log_prob is None
    for row in range(3):
        places = weights[row, :, 0].argmax(-1).tolist()
        read = torch.cat([values[row, head, place] for head, place in enumerate(places)])
        assert_close(context[row, 0], read)


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_weights_are_those_of_soft_attention(mix: Mix) -> None:
    soft = attend(mix._replace(selection="expected"), is_training=True)
    assert_close(attend(mix, is_training=False)[1], soft[1])
    assert soft[2] is None


@pytest.mark.parametrize("mix", MIXES, ids=str)
def test_training_draws_as_often_as_the_weights_say(mix: Mix) -> None:
    copies = 4000
    torch.manual_seed(3)
    context, weights, log_prob, values = attend(mix, is_training=True, copies=copies)
    probs = weights / weights.sum(-1, keepdim=True)
    heads, size = values.shape[1], values.shape[-1]
    chosen = torch.zeros(3, heads, 6)
    total = torch.zeros(3 * copies)
    for row, head in itertools.product(range(3), range(heads)):
        rows = slice(row * copies, (row + 1) * copies)
        read = context[rows, 0, head * size : (head + 1) * size]
        distance = (read[:, None] - values[row, head][None]).abs().amax(-1)
        place = distance[:, : LENGTHS[row]].argmin(1)
        assert_close(read, values[row, head, place])  # one value is read as it is, never padding
        chosen[row, head] = torch.bincount(place, minlength=6) / copies
        total[rows] += probs[rows, head, 0].gather(1, place[:, None]).squeeze(1).log()
    expected = probs[::copies, :, 0]
    error = (expected * (1 - expected) / copies).sqrt()
    assert ((chosen - expected).abs() <= 4.5 * error + 1e-9).all()
    if log_prob is not None:
        assert_close(log_prob[:, 0], total)


SETTINGS: list[dict[str, Any]] = [
    {"baseline": "batch"},
    {"baseline": "average"},
    {"baseline": "expected", "goes_on": "expected"},
    {"baseline": "batch", "goes_on": "expected"},
    {"baseline": "none", "goes_on": "expected"},
]


class ForcedSelection(Selection):
    """Reads given positions, one at each target position, with the log-probability that a draw of them would have."""

    def __init__(self, path: tuple[int, ...]) -> None:
        super().__init__()
        self.rest = list(path)

    def forward(self, weights: Tensor) -> Selected:
        place = self.rest.pop(0)
        drawn = torch.zeros_like(weights)
        drawn[..., place] = 1.0
        return Selected(drawn, weights[..., place].log().sum(1))


SOURCE, TARGET = torch.tensor([[5, 6, EOS]]), torch.tensor([[7, 8, EOS]])
READ = torch.tensor([[BOS, 7, 8]])


def build_model(**settings: Any) -> Seq2Seq:
    """A model whose attention samples, with these settings of `sampled`."""
    model = build_seq2seq(Plan("luong", "gru"), attention=Mix("general", "global", (), "softmax", 1, "none", "sampled"))
    for number, parameter in enumerate(model.parameters()):
        parameter.data = draw_normal(*parameter.shape, seed=number, scale=0.6)
    selection = Sampled(**settings)
    model.decoder.attention.selection, model.reinforce = selection, Reinforce.of(selection)
    if selection.goes_on == "expected":
        model.head = DrawnHead(model.head, compares=selection.baseline == "expected")
    return model.train()


def watched(model: Seq2Seq) -> list[Tensor]:
    """Parameters whose gradient is looked at: before, in and after attention."""
    return [
        model.decoder.attention.score.key.weight,
        model.decoder.stack.cells[0].bias,
        model.decoder.attentional.weight,
    ]


def compute_gradient(model: Seq2Seq, value: Tensor) -> Tensor:
    return torch.cat([part.flatten() for part in torch.autograd.grad(value, watched(model))])


def enumerate_gradient(model: Seq2Seq) -> Tensor:
    """The gradient of the expected nll, by all paths of positions."""
    sampled, expected = model.decoder.attention.selection, torch.zeros(())
    for path in itertools.product(range(3), repeat=3):
        model.decoder.attention.selection = ForcedSelection(path)
        inputs = model(SOURCE, torch.tensor([3]), READ)
        nll = -model.head.log_probs(inputs._replace(log_prob=None)).gather(2, TARGET[..., None]).sum()
        assert inputs.log_prob is not None
        expected = expected + inputs.log_prob.sum().exp() * nll
    model.decoder.attention.selection = sampled
    return compute_gradient(model, expected)


def enumerate_independent_gradient(model: Seq2Seq) -> Tensor:
    """The same where no draw changes what follows: the sum over positions, one target position at a time."""
    attention, drawn = model.decoder.attention, model.head
    selection, attention.selection, model.head = attention.selection, Marginal(), MixtureHead(drawn.head)
    inputs = model(SOURCE, torch.tensor([3]), READ)
    log_probs = drawn.head.log_probs(inputs._replace(log_weights=None))
    places = inputs.log_weights.shape
    nll = -log_probs.gather(3, TARGET[..., None, None].expand(*places, 1)).squeeze(3)
    attention.selection, model.head = selection, drawn
    return compute_gradient(model, (inputs.log_weights.exp() * nll).sum())


def estimate_gradients(model: Seq2Seq, rows: int, batches: int) -> Tensor:
    """Batches of the same pair, each with the gradient of its mean objective."""
    head = model.head.head if isinstance(model.head, DrawnHead) else model.head
    head.output.bias.data[PAD] = -1e9  # which the loss counts, and a distribution does not
    found = []
    for _ in range(batches):
        inputs = model(SOURCE.repeat(rows, 1), torch.full((rows,), 3), READ.repeat(rows, 1))
        loss = model.compute_loss(inputs, TARGET.repeat(rows, 1))
        found.append(compute_gradient(model, loss.objective / rows))
    return torch.stack(found)


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(settings.values()))
def test_the_mean_gradient_of_draws_is_that_of_all_paths(settings: dict[str, Any]) -> None:
    model = build_model(**settings)
    goes_on = settings.get("goes_on", "selected")
    wanted = enumerate_gradient(model) if goes_on == "selected" else enumerate_independent_gradient(model)
    torch.manual_seed(0)
    found = estimate_gradients(model, rows=400, batches=50)
    error = found.std(0) / len(found) ** 0.5
    assert ((found.mean(0) - wanted).abs() <= 5 * error + 1e-7).all()
    assert (wanted.abs() > 10 * error).float().mean() > 0.3  # the estimate is good enough to be wrong


@pytest.mark.usefixtures("unchecked_shapes")
def test_the_baseline_lowers_the_variance() -> None:
    """A row alone has no baseline: as many batches of one row, against one batch of them all."""
    model = build_model()
    torch.manual_seed(0)
    alone = estimate_gradients(model, rows=1, batches=200).view(20, 10, -1).mean(1)
    together = estimate_gradients(model, rows=10, batches=20)
    assert together.var(0).sum() < 0.7 * alone.var(0).sum()


@pytest.mark.usefixtures("unchecked_shapes")
@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"baseline": "average"}, 0.7),
        ({"baseline": "average", "goes_on": "expected"}, 0.9),
        ({"baseline": "expected", "goes_on": "expected"}, 0.7),
    ],
    ids=str,
)
def test_every_baseline_lowers_the_variance(settings: dict[str, Any], most: float) -> None:
    without = build_model(**{**settings, "baseline": "none"})
    torch.manual_seed(0)
    plain = estimate_gradients(without, rows=1, batches=100)
    model = build_model(**settings)
    torch.manual_seed(0)
    estimate_gradients(model, rows=50, batches=20)  # so that an average is one
    found = estimate_gradients(model, rows=1, batches=100)
    assert found.var(0).sum() < most * plain.var(0).sum()


def test_the_average_is_that_of_earlier_steps() -> None:
    found = Reinforce(baseline="average", to_go=False).train()
    averages = [0.0] * 4
    for step in range(3):
        log_prob, nll = draw_normal(3, 4, seed=step), draw_normal(3, 4, seed=9 + step).abs()
        mask = make_mask([4, 2, 1 + step])
        total = float(found(log_prob, nll, mask))
        wanted = sum(float((nll[r, t] - averages[t]) * log_prob[r, t]) for r, t in mask.nonzero().tolist())
        assert total == pytest.approx(wanted, rel=1e-4)
        for t in range(4):
            here = [float(nll[row, t]) for row in range(3) if mask[row, t]]
            averages[t] = DECAY * averages[t] + (1 - DECAY) * sum(here) / len(here)
    assert_close(found.average[:4], torch.tensor(averages))
    assert not found.average[4:].any()
    found.eval()(log_prob, nll, mask)
    assert_close(found.average[:4], torch.tensor(averages))


def test_an_average_serves_longer_sentences() -> None:
    found = Reinforce(baseline="average", to_go=False).train()
    nll, mask = torch.ones(2, POSITIONS + 5), torch.ones(2, POSITIONS + 5, dtype=torch.bool)
    nll[:, POSITIONS:] = 3.0
    found(torch.zeros_like(nll), nll, mask)
    assert float(found.average[-1]) == pytest.approx((1 - DECAY) * (1 + 5 * 3) / 6)
    assert float(found.average[0]) == pytest.approx(1 - DECAY)


def test_some_looks_are_soft() -> None:
    weights = torch.tensor([[[[0.25, 0.75]]]]).repeat(4000, 1, 1, 1)
    torch.manual_seed(0)
    found = Sampled(soft=0.5).train()(weights)
    is_soft = (found.weights == weights).all(-1).flatten()
    assert float(is_soft.float().mean()) == pytest.approx(0.5, abs=0.03)
    assert not found.log_prob.flatten()[is_soft].any()
    assert (found.log_prob.flatten()[~is_soft] < 0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"baseline": "expected"}, r"attention.selection.goes_on=expected, or another baseline"),
        ({"soft": 1.0}, r"attention.selection.soft must be at least 0 and below 1; got 1"),
        ({"soft": 0.5, "goes_on": "expected"}, r"Set attention.selection.soft=0; got 0.5"),
        ({"weight": 0.0}, r"attention.selection.weight must be a number above 0; got 0"),
    ],
    ids=str,
)
def test_settings_of_sampled_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Sampled(**settings)


def test_one_head_predicts_from_a_draw() -> None:
    with pytest.raises(ConfigError, match=r"Set attention.heads=1; got 2"):
        Sampled(goes_on="expected").check_heads(2)


@torch.no_grad()
def test_outside_training_the_word_comes_from_the_likeliest_position() -> None:
    """And the state goes on with the expected value, as marginal's does."""
    model = build_model(goes_on="expected", baseline="expected").eval()
    found = model.log_probs(SOURCE, torch.tensor([3]), READ)
    model.decoder.attention.selection, model.head = Marginal(choices=1), MixtureHead(model.head.head)
    assert_close(found, model.log_probs(SOURCE, torch.tensor([3]), READ))


def test_the_surrogate_is_its_equation() -> None:
    log_prob, nll = draw_normal(3, 4, seed=1), draw_normal(3, 4, seed=2).abs()
    mask = make_mask([4, 2, 1])
    total = 0.0
    for row, t in itertools.product(range(3), range(4)):
        if mask[row, t]:
            to_go = [float(sum(nll[other, u] for u in range(t, 4) if mask[other, u])) for other in range(3)]
            others = [to_go[other] for other in range(3) if other != row and mask[other, t]]
            total += (to_go[row] - (sum(others) / len(others) if others else 0.0)) * float(log_prob[row, t])
    assert float(Reinforce()(log_prob, nll, mask)) == pytest.approx(total, rel=1e-5)
    assert float(Reinforce(weight=0.1)(log_prob, nll, mask)) == pytest.approx(0.1 * total, rel=1e-5)


def test_every_selection_is_under_test() -> None:
    assert SELECTIONS.keys() == {"expected", "sampled", "straight_through", "marginal"}  # the last in test_marginal


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_straight_through_is_gumbel_softmax(temperature: float) -> None:
    """torch's own, under the same noise: what is read, bit for bit, and the gradient."""
    logits = draw_normal(3, 2, 4, 6, seed=1)
    logits[0, :, :, 4:] = -float("inf")  # padding
    mine, theirs = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    selection = StraightThrough(temperature=temperature).train()
    torch.manual_seed(0)
    found = selection(mine.softmax(-1)).weights
    torch.manual_seed(0)
    wanted = torch.nn.functional.gumbel_softmax(theirs.log_softmax(-1), tau=temperature, hard=True)
    assert torch.equal(found.argmax(-1), wanted.argmax(-1))
    assert_close(found, wanted)
    factor = draw_normal(3, 2, 4, 6, seed=2)
    (found * factor).sum().backward()
    (wanted * factor).sum().backward()
    assert mine.grad is not None
    assert theirs.grad is not None
    assert_close(mine.grad.nan_to_num(), theirs.grad.nan_to_num(), atol=1e-6, rtol=1e-4)


def test_straight_through_never_reads_where_there_is_no_weight() -> None:
    weights = torch.tensor([[[[0.7, 0.3, 0.0, 0.0]]]]).expand(500, 1, 1, 4).clone().requires_grad_()
    torch.manual_seed(1)
    found = StraightThrough().train()(weights).weights
    assert not found[..., 2:].any()
    found.square().sum().backward()
    assert weights.grad is not None
    assert weights.grad.isfinite().all()


def test_a_temperature_is_above_zero() -> None:
    with pytest.raises(ConfigError, match=r"attention.selection.temperature must be a number above 0"):
        StraightThrough(temperature=0.0)
