"""Importances of source words, against loops, finite differences, and a model whose importances are known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from nmt import build
from nmt.attention.history import HISTORIES
from nmt.attention.memory import Memory
from nmt.attention.normalizer import NORMALIZERS
from nmt.attention.scope import SCOPES
from nmt.attention.selection import SELECTIONS
from nmt.errors import ModelError
from nmt.evaluation.forced import ForcedPair, predict
from nmt.evaluation.importance import (
    compute_gradients,
    compute_importances,
    compute_shares,
    erase_from_input,
    erase_from_memory,
)
from nmt.masks import NEG_INF
from nmt.model.decoders.decoder import Decoded, Decoder
from nmt.model.embedding import Embedding
from nmt.model.encoders.encoder import Encoded, Encoder
from nmt.model.heads.head import Head, HeadInputs
from nmt.model.seq2seq import Seq2Seq
from nmt.model.sources.tokens import Tokens
from nmt.special_tokens import BOS, EOS
from tests import tiny_runs
from tests.builders import SOURCE_VOCAB, TARGET_VOCAB, Mix, Plan, build_seq2seq, make_mix, mark_slow_unless

PAIRS = [
    ForcedPair([5, 6, 7, 8, 9], [5, 6, 7], [0, 0, 1, 3, 3], [0, 1, 1]),  # word 2 owns no piece
    ForcedPair([9, 4], [8, 4, 5, 11, 6], [0, 1], [0, 1, 2, 3, 4]),
    ForcedPair([], [], [], []),
    ForcedPair([7, 7, 5, 10, 12, 6, 4], [9], [0, 1, 2, 3, 4, 5, 6], [0]),
]
MODELS: dict[str, dict[str, Any]] = {
    "luong": {"plan": Plan("luong", "lstm")},
    "no feeding, local, sparse": {
        "plan": Plan("luong", "gru", (("input_feeding", False),)),
        "attention": Mix("general", "local_p", (), "sparsemax", 2),
    },
    "bahdanau, history": {
        "plan": Plan("bahdanau", "gru"),
        "attention": Mix("additive", "global", (), "softmax", 2, "coverage"),
    },
    "conditional, monotonic": {
        "plan": Plan("conditional", "gru"),
        "attention": Mix("dot", "local_m", (), "monotonic", 1),
    },
    "sampled": {
        "plan": Plan("luong", "gru"),
        "attention": Mix("cosine", "causal", (), "entmax15", 1, "none", "sampled"),
    },
    "ntm": {"plan": Plan("ntm", "lstm", (("free_slots", 0),)), "attention": make_mix("cosine")},
    "copy": {
        "plan": Plan("bahdanau", "lstm"),
        "attention": Mix("location", "global", (), "uniform", 1),
        "tied": "all",
        "head": "copy",
    },
}
COVERED = {
    *("global", "local_m", "local_p", "causal", "none", "coverage", "expected", "sampled"),
    *("softmax", "sparsemax", "entmax15", "monotonic", "uniform"),
}
AXES = {"scope": SCOPES, "history": HISTORIES, "normalizer": NORMALIZERS, "selection": SELECTIONS}
MODELS |= {
    name: {"plan": Plan("luong", "gru"), "attention": make_mix()._replace(**{axis: name})}
    for axis, names in AXES.items()
    for name in names
    if name not in COVERED
}
"""Small models that have every value of every axis, the Transformer apart."""


def build_transformer() -> Seq2Seq:
    """A Transformer of tiny sizes on both sides."""
    words = [f"model.{side}.{key}={value}" for side in ("encoder", "decoder") for key, value in TRANSFORMER.items()]
    settings = tiny_runs.build_settings(
        Path("none"), "model=transformer", "model.tied=target", "model.embedding_size=8", *words
    )
    torch.manual_seed(0)
    return build.build_model(settings, source_vocab=SOURCE_VOCAB, target_vocab=TARGET_VOCAB, joint=False).eval()


TRANSFORMER = {"hidden_size": 8, "layers": 2, "feed_forward_size": 12, "self_attention.heads": 2}


def make_model(name: str) -> Seq2Seq:
    return build_transformer() if name == "transformer" else build_seq2seq(**MODELS[name])


NAMES = [*MODELS, "transformer"]
FIRST_NAMES = ("no feeding, local, sparse", "conditional, monotonic", "copy", "transformer")
"""Those of the default tests; all others are slow."""


@pytest.fixture(params=mark_slow_unless(FIRST_NAMES, NAMES))
def model(request: pytest.FixtureRequest) -> Seq2Seq:
    return make_model(request.param)


@torch.no_grad()
def log_probs(model: Seq2Seq, source: Sequence[int], pair: ForcedPair) -> list[float]:
    """log p of each piece of the target and of EOS: one sentence without padding."""
    read = torch.tensor([[BOS, *pair.target]])
    found = model.log_probs(torch.tensor([source]), torch.tensor([len(source)]), read)[0]
    return [float(found[t, id]) for t, id in enumerate([*pair.target, EOS])]


@pytest.mark.usefixtures("unchecked_shapes")
def test_an_erased_word_is_a_source_without_its_pieces(model: Seq2Seq) -> None:
    found = erase_from_input(model, PAIRS, tokens=40)
    for pair, erasure in zip(PAIRS, found, strict=True):
        whole = np.array(log_probs(model, [*pair.source, EOS], pair))
        for word in range(pair.words - 1):
            left = [id for id, owner in zip(pair.source, pair.source_words, strict=True) if owner != word]
            wanted = whole - log_probs(model, [*left, EOS], pair)
            assert np.allclose(erasure.importance[:, word], wanted, atol=1e-5)
        if pair.source:
            assert np.allclose(erasure.importance[:, -1], whole - log_probs(model, pair.source, pair), atol=1e-5)


def test_without_any_word_there_is_the_prior(model: Seq2Seq) -> None:
    (erased,) = predict(model, [PAIRS[0].erase(set(range(5)))], [PAIRS[0].output], tokens=100)
    assert np.allclose(erased.log_prob, log_probs(model, [EOS], PAIRS[0]), atol=1e-5)
    assert PAIRS[2].erase({0}) == [EOS]  # an empty source has nothing else


def hide(memory: Any, places: Tensor) -> Any:
    """What a decoder remembers, with scores of minus infinity at some places."""
    if isinstance(memory, Memory):
        return memory._replace(bias=memory.bias.masked_fill(places, NEG_INF))
    return tuple(hide(each, places) for each in memory)


@torch.no_grad()
def step_without(model: Seq2Seq, pair: ForcedPair, word: int) -> list[float]:
    """log p of each piece where the step that predicts it, and no other, does not see the word."""
    source = torch.tensor([[*pair.source, EOS]])
    memory, state = model.encode(source, torch.tensor([source.shape[1]]))
    hidden = memory._replace(memory=hide(memory.memory, torch.from_numpy(pair.columns == word)))
    found = []
    for read, wanted in zip([BOS, *pair.target], pair.output, strict=True):
        token = torch.tensor([read])
        found.append(float(model.step(token, state, hidden).log_probs[0, wanted]))
        state = model.step(token, state, memory).state
    return found


@pytest.mark.usefixtures("unchecked_shapes")
def test_a_hidden_word_is_one_that_a_single_step_does_not_see(model: Seq2Seq) -> None:
    found = erase_from_memory(model, PAIRS, tokens=60)
    for pair, erasure in zip(PAIRS, found, strict=True):
        whole = log_probs(model, [*pair.source, EOS], pair)
        for word in pair.erasable:
            wanted = np.array(step_without(model, pair, word))
            seen = np.isfinite(wanted)  # a window with nothing else has no weights
            assert np.allclose(erasure.importance[seen, word], (np.array(whole) - wanted)[seen], atol=1e-5)
        assert np.isfinite(erasure.importance).all()


@pytest.mark.parametrize("scope", ["local_m", "causal"])
@pytest.mark.parametrize("normalizer", ["softmax", "sparsemax", "uniform"])
def test_a_word_outside_the_scope_is_worth_exactly_nothing_in_memory(scope: str, normalizer: str) -> None:
    model = build_seq2seq(Plan("luong", "lstm"), attention=Mix("general", scope, (), normalizer, 2))
    pair = ForcedPair(list(range(4, 15)), [5, 6, 7], list(range(11)), [0, 1, 2])
    (found,) = erase_from_memory(model, [pair])
    distance = np.arange(12)[None, :] - np.arange(4)[:, None]
    outside = np.abs(distance) > 2 if scope == "local_m" else distance > 0
    assert not found.importance[outside].any()
    assert not found.flips[outside].any()
    assert found.importance[~outside].all()


@torch.no_grad()
def test_where_a_word_is_all_there_is_its_absence_is_a_context_of_zeros() -> None:
    model = build_seq2seq(Plan("luong", "lstm"), attention=Mix("general", "local_m", (), "softmax", 1))
    one = ForcedPair([4, 5, 6, 7, 8, 9], [5], [0] * 6, [0])
    (found,) = erase_from_memory(model, [one])
    memory, state = model.encode(torch.tensor([[*one.source, EOS]]), torch.tensor([7]))
    blank = memory._replace(memory=memory.memory._replace(values=torch.zeros_like(memory.memory.values)))
    step = model.step(torch.tensor([BOS]), state, blank)
    wanted = log_probs(model, [*one.source, EOS], one)[0] - float(step.log_probs[0, 5])
    assert found.importance[0, 0] == pytest.approx(wanted, abs=1e-5)


class SumEncoder(Encoder):
    memory_size = TARGET_VOCAB

    def forward(self, embedded: Tensor, lengths: Tensor, mask: Tensor) -> Encoded:
        return Encoded(embedded * mask.unsqueeze(-1), mask)


class SumDecoder(Decoder):
    """Its readout is the sum of the source's embeddings, whatever was said before."""

    def remember(self, encoded: Encoded) -> Tensor:
        return encoded.states.sum(1, keepdim=True)

    def start(self, encoded: Encoded, memory: Tensor) -> tuple[()]:
        return ()

    def forward(self, embedded: Tensor, state: Any, memory: Tensor, keep_weights: bool = False) -> Decoded:
        return Decoded(memory.expand(-1, embedded.shape[1], -1), (), None)


class LinearHead(Head):
    """The readout is taken for log p, so that importances are the entries of embeddings."""

    def log_probs(self, inputs: HeadInputs) -> Tensor:
        return inputs.readout

    log_probs_of_all = log_probs

    def loss(self, inputs: HeadInputs, target_output: Tensor, smoothing: float) -> Any:
        raise NotImplementedError

    def prepare(self, linear_class: Any, *, readout_bounded: bool) -> Any:
        raise NotImplementedError


def build_linear() -> Seq2Seq:
    table = nn.Embedding(SOURCE_VOCAB, TARGET_VOCAB)
    source = Tokens(embedding=Embedding(table, word_dropout=0.0, dropout=0.0))
    target = Embedding(nn.Embedding(TARGET_VOCAB, 3), word_dropout=0.0, dropout=0.0)
    return Seq2Seq(source=source, target=target, encoder=SumEncoder(), decoder=SumDecoder(), head=LinearHead()).eval()


def test_a_linear_model_has_the_importances_that_it_was_given() -> None:
    model = build_linear()
    table = model.source.embedding.table.weight.detach().numpy()  # type: ignore[union-attr]
    found = compute_gradients(model, PAIRS), erase_from_input(model, PAIRS)
    for pair, gradient, erasure in zip(PAIRS, *found, strict=True):
        entries = pair.sum_words(table[[*pair.source, EOS]][:, pair.output].T)
        assert np.allclose(gradient, np.abs(entries), atol=1e-5)
        entries[:, -1] *= bool(pair.source)  # an end that is alone stays
        assert np.allclose(erasure.importance, entries, atol=1e-5)


GRADIENT_NAMES = ("luong", "no feeding, local, sparse", "bahdanau, history", "copy", "transformer")


@pytest.mark.parametrize("name", mark_slow_unless(GRADIENT_NAMES[1:3], GRADIENT_NAMES))
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    model = make_model(name).double()
    found = compute_gradients(model, PAIRS, tokens=50)
    for pair, gradient in zip(PAIRS[:2], found, strict=False):
        for word in pair.erasable:
            wanted = [abs(slope) for slope in differentiate(model, pair, word)]
            assert np.allclose(gradient[:, word], wanted, rtol=1e-4, atol=1e-6)
    assert not found[0][:, 2].any()


@torch.no_grad()
def differentiate(model: Seq2Seq, pair: ForcedPair, word: int, step: float = 1e-5) -> np.ndarray:
    """d log p_t / d a where the embeddings of a word are multiplied by 1 + a: their product with the gradient."""
    source, places = torch.tensor([[*pair.source, EOS]]), torch.from_numpy(pair.columns == word).double()

    def evaluate(change: float) -> np.ndarray:
        read = model.source(source, torch.tensor([source.shape[1]]))
        scaled = read._replace(embedded=read.embedded * (1.0 + change * places[None, :, None]))
        memory, state = model.encode_vectors(scaled, source)
        embedded = model.target(torch.tensor([[BOS, *pair.target]]))
        decoded = model.decoder(embedded, state, memory.memory, keep_weights=True)
        found = model.head.log_probs(model.head.gather_inputs(decoded, embedded, source))[0]
        return np.array([float(found[t, id]) for t, id in enumerate(pair.output)])

    slopes: np.ndarray = (evaluate(step) - evaluate(-step)) / (2 * step)
    return slopes


@pytest.mark.parametrize("method", ["gradient", "erase_input", "erase_memory"])
@pytest.mark.parametrize(
    "name", mark_slow_unless(["transformer"], ["bahdanau, history", "transformer", "conditional, monotonic"])
)
def test_a_batch_says_of_each_pair_what_it_says_alone(name: str, method: Any) -> None:
    model = make_model(name)
    together = compute_importances(model, PAIRS, method, tokens=1000)
    for pair, found in zip(PAIRS, together, strict=True):
        (alone,) = compute_importances(model, [pair], method, tokens=1)
        assert found.shape == (len(pair.target) + 1, pair.words)
        assert np.allclose(found, alone, atol=1e-5)


@pytest.mark.usefixtures("unchecked_shapes")
def test_smoothed_gradients_are_near_and_the_same_every_time() -> None:
    model = make_model("luong")
    plain, smooth, again = (compute_gradients(model, PAIRS[1:2], copies=copies) for copies in (0, 16, 16))
    for one, two, three in zip(plain, smooth, again, strict=True):
        assert np.array_equal(two, three)
        assert not np.array_equal(one, two)
        assert np.allclose(one, two, atol=0.3 * float(one.max()))


def test_without_attention_words_are_erased_from_the_input_alone() -> None:
    settings = tiny_runs.build_settings(Path("none"), "attention=none", "model.tied=target")
    model = build.build_model(settings, source_vocab=SOURCE_VOCAB, target_vocab=TARGET_VOCAB, joint=False).eval()
    assert erase_from_input(model, PAIRS)[0].importance[:, 0].any()
    assert compute_gradients(model, PAIRS)[0][:, 0].any()
    with pytest.raises(ModelError, match="no attention"):
        erase_from_memory(model, PAIRS)


def test_shares_are_of_what_is_above_zero() -> None:
    found = compute_shares(np.array([[3.0, -2.0, 1.0], [-1.0, 0.0, -2.0]]))
    assert found.tolist() == [[0.75, 0.0, 0.25], [0.0, 0.0, 0.0]]
