"""Heads: each gives one distribution, whoever asks for it and how."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.testing import assert_close

from nmt import build
from nmt.errors import ConfigError
from nmt.kernels import cross_entropy
from nmt.kernels.quantized_linear import Float32
from nmt.model.bits import BitEmbedding
from nmt.model.heads.bernoulli import BernoulliHead
from nmt.model.heads.copy import CopyHead
from nmt.model.heads.head import Head, HeadInputs, select_words
from nmt.model.heads.mixture import MixtureHead
from nmt.model.heads.softmax import SoftmaxHead
from nmt.model.heads.table import HEADS
from nmt.special_tokens import BOS, EOS, PAD, UNK
from nmt.trees import tree_map
from tests import tiny_runs
from tests.builders import (
    EMBEDDING_SIZE,
    MEMORY_SIZE,
    TARGET_VOCAB,
    Mix,
    Plan,
    build_seq2seq,
    draw_normal,
    find_missing_gradients,
    make_mix,
)
from tests.shapes import without_checks

READOUT, ROWS, SOURCE = 6, 7, 5
VOCAB = 20
"""Four control symbols, and those of four bits."""
WORD_HEADS = [name for name, cls in HEADS.items() if not cls.points]
"""Those whose words are a vocabulary's; `test_pointer` has the others."""
TIED = {"free": None, "tied": EMBEDDING_SIZE}


def make_head(name: str, tied: str = "free") -> Head:
    torch.manual_seed(0)
    embedding = None if tied == "free" else torch.nn.Embedding(VOCAB, EMBEDDING_SIZE)
    sizes = {"vocabulary_size": VOCAB, "embedding_size": EMBEDDING_SIZE, "context_size": MEMORY_SIZE}
    head = HEADS[name](readout_size=READOUT, embedding=embedding, **sizes).double()
    for parameter in head.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return head


def make_inputs(dtype: torch.dtype = torch.float64) -> HeadInputs:
    """One place a row; each source has a word twice, and padding that has no weight."""
    torch.manual_seed(1)
    source = torch.randint(4, VOCAB, (ROWS, SOURCE))
    source[:, 2] = source[:, 0]
    source[::2, -1] = PAD
    weights = draw_normal(ROWS, SOURCE, seed=4).to(dtype).masked_fill(source == PAD, -math.inf).softmax(1)
    return HeadInputs(
        readout=draw_normal(ROWS, READOUT, seed=1).to(dtype),
        embedded=draw_normal(ROWS, EMBEDDING_SIZE, seed=2).to(dtype),
        context=draw_normal(ROWS, MEMORY_SIZE, seed=3).to(dtype),
        weights=weights,
        source=source,
    )


def forbid_pad(head: Head) -> None:
    """Makes PAD as unlikely in the loss, which counts it, as it is in a distribution."""
    if isinstance(head, BernoulliHead):
        return
    assert isinstance(head, SoftmaxHead)
    head.output.bias.data[PAD] = -1e9


@pytest.fixture(
    params=[(name, tied) for name in WORD_HEADS for tied in TIED if (name, tied) != ("bernoulli", "tied")], ids=str
)
def head(request: pytest.FixtureRequest) -> Head:
    return make_head(*request.param)


def test_a_head_gives_a_distribution_without_padding(head: Head) -> None:
    log_probs = head.log_probs(make_inputs())
    assert_close(log_probs.exp().sum(1), torch.ones(ROWS).double())
    assert (log_probs[:, PAD] < -1e9).all()


def test_a_distribution_is_that_of_its_place_alone(head: Head) -> None:
    together, inputs = head.log_probs(make_inputs()), make_inputs()
    for row in range(ROWS):
        one = HeadInputs(*(None if part is None else part[None, row : row + 1] for part in inputs))
        assert_close(head.log_probs(one)[0, 0], together[row])


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_nll_of_the_loss_is_that_of_the_distribution(head: Head, smoothing: float) -> None:
    forbid_pad(head)
    inputs, wanted = make_inputs(), torch.randint(4, VOCAB, (ROWS,))
    found = head.loss(inputs, wanted, smoothing)
    expected = -head.log_probs(inputs).gather(1, wanted[:, None]).squeeze(1)
    assert_close(found.word_nll, expected)
    assert_close(found.nll, expected.sum())
    if not smoothing:
        assert_close(found.objective, expected.sum())


def test_the_objective_has_the_gradient_of_finite_differences(head: Head) -> None:
    inputs, wanted = make_inputs(), torch.randint(4, VOCAB, (ROWS,))
    read = inputs[:4] if head.reads_attention else inputs[:1]
    leaves = [part.clone().requires_grad_() for part in read if part is not None]

    def objective(*parts: Tensor) -> Tensor:
        given = HeadInputs(*parts, *([inputs.source] if head.reads_attention else []))
        return head.loss(given, wanted, 0.1).objective

    with without_checks():  # of thousands of equal calls
        assert torch.autograd.gradcheck(objective, leaves)


def test_what_is_made_ready_for_search_is_the_head(head: Head) -> None:
    inputs = make_inputs(torch.float32)
    head = head.float()
    with torch.inference_mode():
        found = head.prepare(Float32, readout_bounded=False)(inputs)
        assert_close(found, head.log_probs(inputs), atol=1e-5, rtol=1e-5)
        assert (found <= 0).all()


def test_over_some_words_it_is_the_distribution_given_these_words(head: Head) -> None:
    inputs = make_inputs(torch.float32)
    head = head.float()
    words = torch.tensor([0, 1, 2, 3, 5, 6, 9, 11, 17])
    allowed = torch.zeros(ROWS, len(words))
    allowed[2, 4:] = -math.inf
    with torch.inference_mode():
        found = head.prepare(Float32, readout_bounded=False).restrict(words)(inputs, allowed)
        wanted = (head.log_probs(inputs)[:, words] + allowed).log_softmax(1)
    assert_close(found.exp(), wanted.exp(), atol=1e-6, rtol=1e-5)


def test_copying_is_the_sum_over_the_source_word_by_word() -> None:
    head, inputs = make_head("copy"), make_inputs()
    assert isinstance(head, CopyHead)
    generated = SoftmaxHead.log_probs(head, inputs).exp().tolist()
    joined = torch.cat([inputs.readout, inputs.context, inputs.embedded], 1)
    gate = torch.sigmoid(joined @ head.gate.weight[0] + head.gate.bias[0]).tolist()
    found = head.log_probs(inputs).exp().tolist()
    for row in range(ROWS):
        for word in range(VOCAB):
            copied = sum(
                float(inputs.weights[row, place]) for place in range(SOURCE) if inputs.source[row, place] == word
            )
            wanted = gate[row] * generated[row][word] + (1 - gate[row]) * copied
            assert found[row][word] == pytest.approx(wanted, abs=1e-12)


def test_a_gate_that_only_generates_is_the_softmax_and_one_that_only_copies_is_attention() -> None:
    head, inputs = make_head("copy"), make_inputs()
    assert isinstance(head, CopyHead)
    head.gate.weight.data.zero_()
    head.gate.bias.data.fill_(1e4)
    assert_close(head.log_probs(inputs), SoftmaxHead.log_probs(head, inputs), rtol=0, atol=0)
    head.gate.bias.data.fill_(-1e4)
    found = head.log_probs(inputs).exp()
    assert_close(found, torch.zeros_like(found).scatter_add(1, inputs.source, inputs.weights))


@pytest.mark.parametrize("bias", [-1e4, 1e4])
def test_a_gate_that_is_too_sure_has_finite_gradients(bias: float) -> None:
    head, inputs = make_head("copy"), make_inputs()
    assert isinstance(head, CopyHead)
    head.gate.bias.data.fill_(bias)
    head.output.bias.data[7] = -1e6  # p_vocab(7) underflows, and no source has a 7
    source = inputs.source.masked_fill(inputs.source == 7, 8)
    loss = head.loss(inputs._replace(source=source), torch.full((ROWS,), 7), 0.1).objective
    loss.backward()
    assert torch.isfinite(loss)
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


def make_inputs_beyond() -> HeadInputs:
    """Inputs whose sources have two words that the vocabulary lacks, one of them with no weight in the first row."""
    inputs = make_inputs()
    source = inputs.source.clone()
    source[:, 1], source[:, 3] = VOCAB, VOCAB + 1
    weights = inputs.weights.clone()
    weights[0, 3] = 0.0
    return inputs._replace(source=source, weights=weights / weights.sum(1, keepdim=True))


def test_words_beyond_the_vocabulary_can_only_be_copied() -> None:
    head, inputs = make_head("copy"), make_inputs_beyond()
    assert isinstance(head, CopyHead)
    forbid_pad(head)
    found, generated = head.log_probs(inputs).exp(), SoftmaxHead.log_probs(head, inputs).exp()
    gate = head.compute_gate(inputs)[0].exp()
    assert found.shape == (ROWS, VOCAB + 2)
    assert_close(found.sum(1), torch.ones(ROWS).double())
    for row, word in itertools.product(range(ROWS), range(VOCAB + 2)):
        copied = sum(float(inputs.weights[row, s]) for s in range(SOURCE) if inputs.source[row, s] == word)
        own = generated[row, word].item() if word < VOCAB else 0.0
        assert float(found[row, word]) == pytest.approx(float(gate[row]) * own + (1 - float(gate[row])) * copied)
    for word in (VOCAB, VOCAB + 1):
        wanted = torch.full((ROWS,), word)
        loss = head.loss(inputs, wanted, 0.0)
        rows = slice(0 if word == VOCAB else 1, None)
        assert_close(loss.word_nll[rows], -head.log_probs(inputs)[rows, word])
    assert_close(loss.word_nll[0], -(gate[0, 0] * generated[0, UNK]).log())  # which nothing copies


def test_a_mixture_copies_words_beyond_the_vocabulary() -> None:
    """Also where no choice is the word's: finite numbers and gradients."""
    inner, inputs = make_head("copy"), make_inputs_beyond()
    forbid_pad(inner)
    head, one = MixtureHead(inner), torch.eye(SOURCE).double()
    given = tree_map(inputs, lambda tensor: tensor.unsqueeze(1).expand(-1, 2, *tensor.shape[1:]))
    given = given._replace(weights=one[[0, 1]].expand(ROWS, -1, -1), log_weights=torch.tensor([[0.3, 0.7]]).log())
    given = given._replace(log_weights=given.log_weights.double().expand(ROWS, -1))
    for word, smoothing in itertools.product((VOCAB, VOCAB + 1), (0.0, 0.1)):
        head.zero_grad()
        loss = head.loss(given, torch.full((ROWS,), word), smoothing)
        loss.objective.backward()
        assert torch.isfinite(loss.objective)
        assert all(each.grad.isfinite().all() for each in head.parameters() if each.grad is not None)
        log_probs = head.log_probs(given)
        assert_close(loss.word_nll, -log_probs[:, word if word == VOCAB else UNK])
    assert_close(log_probs.exp().sum(1), torch.ones(ROWS).double())


@pytest.mark.parametrize("attention", [make_mix(), Mix("additive", "local_p", (), "sparsemax", 2)], ids=str)
@pytest.mark.parametrize("decoder", ["luong", "bahdanau", "conditional"])
def test_a_model_that_copies_learns_and_steps_as_it_trains(decoder: str, attention: Mix) -> None:
    model = build_seq2seq(Plan(decoder, "gru"), attention=attention, tied="all", head="copy")
    lengths = torch.tensor([7, 4])
    source = torch.randint(4, TARGET_VOCAB, (2, 7)).where(torch.arange(7) < lengths[:, None], PAD)
    read = torch.randint(4, TARGET_VOCAB, (2, 3))
    inputs = model(source, lengths, read)
    model.compute_loss(inputs, read.roll(-1, 1), smoothing=0.1).objective.backward()
    assert find_missing_gradients(model) == []
    wanted, (memory, state) = model.log_probs(source, lengths, read), model.encode(source, lengths)
    for t in range(3):
        log_probs, state, _ = model.step(read[:, t], state, memory)
        assert_close(log_probs, wanted[:, t])
        assert_close(log_probs.exp().sum(1), torch.ones(2))


@pytest.mark.parametrize("name", WORD_HEADS)
def test_a_mixture_is_the_same_in_chunks_with_its_gradient(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head, inputs, choices = MixtureHead(make_head(name)), make_inputs(), 3
    given = tree_map(inputs, lambda tensor: torch.stack([tensor.roll(k, 0) for k in range(choices)], 1))
    given = given._replace(log_weights=draw_normal(ROWS, choices, seed=5).double().log_softmax(-1))
    wanted = torch.randint(4, VOCAB, (ROWS,))
    steps = tree_map(given, lambda tensor: tensor[None])

    def compute() -> tuple[Tensor, ...]:
        head.zero_grad()
        loss = head.loss(given, wanted, 0.1)
        loss.objective.backward()
        gradients = [parameter.grad for parameter in head.parameters() if parameter.grad is not None]
        posterior = head.compute_posterior(steps, wanted[None])
        return loss.objective, loss.word_nll, head.log_probs(given), head.log_probs_of_all(steps), posterior, *gradients

    whole = compute()
    assert whole[3].shape == (1, ROWS, VOCAB)
    assert_close(whole[1], -head.log_probs_of_all(given).gather(1, wanted[:, None]).squeeze(1))
    monkeypatch.setattr(cross_entropy, "MAX_LOGITS", 2 * choices * VOCAB)
    for found, expected in zip(compute(), whole, strict=True):
        assert_close(found, expected)
    with torch.inference_mode():
        assert_close(head.log_probs(given), whole[2])


def test_real_words_are_selected_in_every_input() -> None:
    inputs = HeadInputs(*(None if part is None else part.unsqueeze(1) for part in make_inputs()))
    found = select_words(inputs, torch.tensor([1, 4]))
    for part, whole in zip(found, make_inputs(), strict=True):
        assert (part is None) == (whole is None)
        if part is not None and whole is not None:
            assert torch.equal(part, whole[[1, 4]])


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("attention=none",), "attention=none looks at nothing"),
        (("tokenizer.joint=false", "model.tied=target"), "needs one vocabulary"),
    ],
)
def test_copying_needs_attention_and_one_vocabulary(overrides: tuple[str, ...], message: str) -> None:
    settings = tiny_runs.compose_config("model/head=copy", *overrides)
    joint = settings["tokenizer"]["joint"]
    with pytest.raises(ConfigError, match=message):
        build.build_on_meta(settings, source_vocab=9, target_vocab=9, joint=joint)


def test_the_loss_of_a_softmax_is_cross_entropy() -> None:
    head, inputs, wanted = make_head("softmax"), make_inputs(), torch.randint(4, VOCAB, (ROWS,))
    assert isinstance(head, SoftmaxHead)
    logits = head.compute_logits(inputs)
    expected = F.cross_entropy(logits, wanted, label_smoothing=0.1, reduction="sum")
    assert_close(head.loss(inputs, wanted, 0.1).objective, expected)


def test_the_probability_of_a_symbol_is_that_of_its_bits() -> None:
    head, inputs = make_head("bernoulli"), make_inputs()
    assert isinstance(head, BernoulliHead)
    ends, *bits = head.output(inputs.readout).sigmoid().unbind(1)
    found = head.log_probs(inputs).exp().tolist()
    for row in range(ROWS):
        assert found[row][EOS] == pytest.approx(ends[row].item())
        assert found[row][PAD] == found[row][UNK] == found[row][BOS] == 0
        for symbol in range(16):
            wanted = 1 - ends[row].item()
            for bit, one in zip(f"{symbol:04b}", bits, strict=True):
                wanted *= one[row].item() if bit == "1" else 1 - one[row].item()
            assert found[row][4 + symbol] == pytest.approx(wanted)


def test_bits_that_are_sure_have_finite_losses_and_gradients() -> None:
    head, inputs = make_head("bernoulli").float(), make_inputs(torch.float32)
    assert isinstance(head, BernoulliHead)
    head.output.bias.data = torch.tensor([-80.0, 90.0, -90.0, 90.0, -90.0])
    loss = head.loss(inputs, torch.tensor([EOS, 4, 9, 14, 14, 14, 14]), 0.1)
    loss.objective.backward()
    assert loss.word_nll.isfinite().all()
    assert (loss.word_nll[3:] < 1e-3).all()
    assert all(parameter.grad.isfinite().all() for parameter in head.parameters())


def test_symbols_are_read_through_a_linear_map_of_their_bits() -> None:
    table = BernoulliHead.build_table(VOCAB, EMBEDDING_SIZE)
    assert isinstance(table, BitEmbedding)
    found = table(torch.arange(VOCAB).unsqueeze(0))[0]
    assert_close(found, table.weight)
    for symbol in range(16):
        rows = [row for row, bit in zip(table.map, f"{symbol:04b}", strict=True) if bit == "1"]
        assert_close(found[4 + symbol], torch.stack(rows).sum(0) if rows else torch.zeros(EMBEDDING_SIZE))


@pytest.mark.parametrize("size", [5, 9, 19, 21])
def test_there_are_as_many_symbols_as_bits_say(size: int) -> None:
    with pytest.raises(ConfigError, match=r"tokenizer\.count"):
        HEADS["bernoulli"](
            readout_size=READOUT, vocabulary_size=size, embedding_size=3, context_size=MEMORY_SIZE, embedding=None
        )


def test_bits_have_no_embedding_to_share() -> None:
    settings = tiny_runs.compose_config("model/head=bernoulli")
    with pytest.raises(ConfigError, match=r"model\.tied=none"):
        build.build_on_meta(settings, source_vocab=8, target_vocab=8, joint=True)
