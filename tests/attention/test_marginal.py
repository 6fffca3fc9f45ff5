"""selection=marginal: the sum over source positions, beside enumerations of it."""

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt.attention.selection import Marginal, Selection
from nmt.errors import ConfigError
from nmt.kernels import cross_entropy
from nmt.model.seq2seq import Seq2Seq
from nmt.special_tokens import BOS, EOS, PAD
from tests.builders import DECODER_FORMS, Mix, Plan, build_attention, build_seq2seq, draw_normal
from tests.shapes import without_checks

SOURCE, LENGTHS = torch.tensor([[5, 6, EOS], [9, EOS, PAD]]), torch.tensor([3, 2])
TARGET = torch.tensor([[7, 8, EOS], [4, EOS, PAD]])
READ = torch.tensor([[BOS, 7, 8], [BOS, 4, EOS]])


def is_gated(form: tuple[str, tuple[tuple[str, object], ...]]) -> bool:
    """Whether a decoder multiplies what it reads, which `predict_apart` does not."""
    return ("context_gate", True) in form[1]


def build_model(
    decoder: str = "luong",
    settings: tuple[tuple[str, object], ...] = (),
    *,
    normalizer: str = "softmax",
    head: str = "softmax",
    seed: int = 0,
) -> Seq2Seq:
    mix = Mix("general", "global", (), normalizer, 1, "none", "marginal")
    model = build_seq2seq(
        Plan(decoder, "gru", settings), attention=mix, head=head, tied="all" if head == "copy" else "none"
    )
    for number, parameter in enumerate(model.parameters()):
        parameter.data = draw_normal(*parameter.shape, seed=number + seed, scale=0.6)
    return model.eval()


def set_selection(model: Seq2Seq, selection: Selection) -> None:
    model.decoder.attention.selection = selection


@torch.no_grad()
def predict_apart(model: Seq2Seq) -> tuple[Tensor, Tensor]:
    """w [row target source], and p of every word from each source position, one at a time, of a model's soft run."""
    memory, state = model.encode(SOURCE, LENGTHS)
    embedded = model.target(READ)
    selection, calls = model.decoder.attention.selection, []
    set_selection(model, Selection())
    compute = model.decoder.compute_readout
    model.decoder.compute_readout = lambda *parts: calls.append(parts) or compute(*parts)  # type: ignore[method-assign]
    weights = model.decoder(embedded, state, memory.memory, keep_weights=True).weights
    del model.decoder.compute_readout
    set_selection(model, selection)
    outputs = torch.stack([call[0] for call in calls], 1) if calls[0][0].ndim == 2 else calls[0][0]
    found = torch.zeros(*weights.shape, model.head.vocabulary_size)
    for row, t, s in itertools.product(range(2), range(3), range(3)):
        value = memory.memory.values[row, 0, s]
        if (gate := getattr(model.decoder, "gate", None)) is not None:
            before = outputs[row, t - 1] if t else state.carries[-1][0][row]
            value = gate(before).sigmoid() * value
        readout = compute(outputs[row, t], embedded[row, t], value)
        logits = model.head.head.output(model.head.head.readout(readout))
        found[row, t, s] = logits.softmax(-1)
    return weights, found


@pytest.mark.parametrize("normalizer", ["softmax", "sparsemax"])
@pytest.mark.parametrize(("decoder", "settings"), [form for form in DECODER_FORMS if not is_gated(form)], ids=str)
@torch.no_grad()
def test_it_is_the_sum_over_all_paths_of_positions(decoder: str, settings: tuple, normalizer: str) -> None:
    model = build_model(decoder, settings, normalizer=normalizer)
    weights, apart = predict_apart(model)
    found = model.head.log_probs_of_all(model(SOURCE, LENGTHS, READ))
    for row, length in ((0, 3), (1, 2)):
        total = 0.0
        for path in itertools.product(range(3), repeat=length):
            total += math.prod(float(weights[row, t, s] * apart[row, t, s, TARGET[row, t]]) for t, s in enumerate(path))
        logs = [float(found[row, t, TARGET[row, t]]) for t in range(length)]
        assert sum(logs) == pytest.approx(math.log(total), rel=1e-4)


@torch.no_grad()
def test_it_is_at_least_the_mean_of_the_logs() -> None:
    model = build_model("bahdanau")
    weights, apart = predict_apart(model)
    found = model.head.log_probs_of_all(model(SOURCE, LENGTHS, READ))
    means = torch.einsum("rts,rtsv->rtv", weights, apart.log())
    assert (found >= means - 1e-5).all()
    assert (found > means + 1e-3).any()


@torch.no_grad()
def test_the_posterior_is_that_of_bayes() -> None:
    model = build_model()
    weights, apart = predict_apart(model)
    found = model.align(SOURCE, LENGTHS, READ, TARGET)
    for row, t, s in itertools.product(range(2), range(3), range(3)):
        word = TARGET[row, t]
        joint = [float(weights[row, t, other] * apart[row, t, other, word]) for other in range(3)]
        assert float(found[row, t, s]) == pytest.approx(joint[s] / sum(joint), abs=1e-5)
    assert not found[1, :, 2].any()  # padding
    assert_close(model.align(SOURCE, LENGTHS, READ), weights)  # what the weights say before the word is known


@torch.no_grad()
def test_more_choices_than_positions_are_all() -> None:
    model = build_model()
    wanted = model.head.log_probs(model(SOURCE, LENGTHS, READ))
    set_selection(model, Marginal(choices=50))
    assert torch.equal(model.head.log_probs(model(SOURCE, LENGTHS, READ)), wanted)


@torch.no_grad()
def test_some_choices_are_the_largest_weights_scaled() -> None:
    model = build_model()
    weights, apart = predict_apart(model)
    set_selection(model, Marginal(choices=2))
    found = model.head.log_probs_of_all(model(SOURCE, LENGTHS, READ)).exp()
    for t in range(3):
        least = int(weights[0, t].argmin())
        kept = [s for s in range(3) if s != least]
        total = sum(weights[0, t, s] for s in kept)
        assert_close(found[0, t], sum(weights[0, t, s] / total * apart[0, t, s] for s in kept))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("decoder", "settings"), DECODER_FORMS, ids=str)
@torch.no_grad()
def test_with_one_position_it_is_soft_attention(decoder: str, settings: tuple, smoothing: float) -> None:
    model = build_model(decoder, settings)
    source, lengths, read = torch.tensor([[EOS]]), torch.tensor([1]), READ[:1]
    found = model.compute_loss(model(source, lengths, read), TARGET[:1], smoothing=smoothing)
    set_selection(model, Selection())
    model.head = model.head.head
    assert_close(found, model.compute_loss(model(source, lengths, read), TARGET[:1], smoothing=smoothing))


@pytest.mark.parametrize("head", ["softmax", "copy"])
def test_the_loss_is_that_of_the_distribution_in_chunks_of_any_size(head: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build_model(head=head)
    inputs = model(SOURCE, LENGTHS, READ)
    log_probs = model.head.log_probs_of_all(inputs)
    indices = torch.tensor([0, 1, 2, 3, 4])
    words, targets = log_probs.flatten(0, 1)[indices], TARGET.flatten()[indices]
    nll = torch.stack([-words[n, target] for n, target in enumerate(targets.tolist())])
    wanted = 0.9 * nll.sum() - 0.1 * words.mean(-1).sum()
    wanted_gradient = torch.autograd.grad(wanted, list(model.parameters()), retain_graph=True, allow_unused=True)
    for most in (cross_entropy.MAX_LOGITS, 1):
        monkeypatch.setattr(cross_entropy, "MAX_LOGITS", most)
        loss = model.compute_loss(inputs, TARGET, smoothing=0.1, indices=indices)
        assert_close(loss.objective, wanted)
        assert_close(loss.word_nll, nll.detach())
        found = torch.autograd.grad(loss.objective, list(model.parameters()), retain_graph=True, allow_unused=True)
        assert_close(found, wanted_gradient)


def test_probabilities_sum_to_one() -> None:
    for head in ("softmax", "copy"):
        log_probs = build_model(head=head).eval()(SOURCE, LENGTHS, READ)
        model = build_model(head=head)
        assert_close(model.head.log_probs(log_probs).exp().sum(-1), torch.ones(2, 3))


def test_gradients_are_those_of_finite_differences() -> None:
    model = build_model("bahdanau").double()

    def run(states: Tensor) -> Tensor:
        model.target.table.weight.data = states.detach()
        embedded = torch.nn.functional.embedding(READ, states)
        memory, state = model.encode(SOURCE, LENGTHS)
        decoded = model.decoder(embedded, state, memory.memory, keep_weights=True)
        inputs = model.head.gather_inputs(decoded, embedded, SOURCE)
        return model.compute_loss(inputs, TARGET, smoothing=0.1, indices=torch.tensor([0, 1, 2, 3, 4])).objective

    with without_checks():  # whose shapes are those of the laws above
        assert torch.autograd.gradcheck(run, (model.target.table.weight.detach().clone().requires_grad_(),))


def test_several_heads_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"Set attention.heads=1; got 2"):
        build_attention(Mix("general", "global", (), "softmax", 2, "none", "marginal"))


def test_choices_are_counted_from_one() -> None:
    with pytest.raises(ConfigError, match=r"attention.selection.choices must be at least 1"):
        Marginal(choices=0)
