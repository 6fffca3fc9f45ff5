"""Words that point at source positions: their distribution, what the decoder reads of them, and no word twice."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from nmt import build, config
from nmt.attention.normalizer import Softmax
from nmt.attention.scored import ScoredAttention
from nmt.data.numbers import Numbers
from nmt.data.sources.target_only import TargetOnly
from nmt.data.sources.vectors import VectorReader
from nmt.errors import ConfigError, ModelError
from nmt.evaluation.forced import ForcedPair
from nmt.evaluation.importance import compute_importances
from nmt.kernels.quantized_linear import Float32
from nmt.model.heads.head import HeadInputs
from nmt.model.heads.pointer import PointerHead, log_mean
from nmt.model.pointing import embed_pointed, mark_used, name_positions
from nmt.model.seq2seq import Seq2Seq
from nmt.search.beam import Beam
from nmt.special_tokens import BOS, EOS, PAD
from nmt.training.compiled import make_forward_fn
from nmt.translation.scoring import score_pairs
from nmt.translation.translator import BatchTranslator, force_decode
from nmt.trees import repeat_rows
from tests import tiny_runs
from tests.builders import draw_normal, draw_parameters, find_missing_gradients

FEATURES, COUNT = 2, 11
LENGTHS = torch.tensor([6, 4, 3])
"""Of sources, the end counted."""
POINTER = ("data=tour", "model/source=vectors", "model.source.features=2", "model/head=pointer", "tokenizer=numbers")
ENCODER = (
    *("model/encoder=transformer", "model.encoder.layers=1", "model.encoder.self_attention.heads=2"),
    *("model.encoder.hidden_size=12", "model.encoder.feed_forward_size=8", "model/bridge=mean"),
)
FORMS: dict[str, tuple[str, ...]] = {
    "luong": ("model.decoder.input_feeding=false",),
    "fed": ("attention=bahdanau",),
    "bahdanau": ("model/decoder=bahdanau", "attention=sparsemax"),
    "heads": ("model/decoder=conditional", "attention.heads=2"),
    "transformer": (*tiny_runs.TRANSFORMER_DECODER, "model/bridge=mean", "model.decoder.aligned_layer=2"),
}


def compose(*overrides: str) -> dict[str, Any]:
    sizes = [word for word in tiny_runs.BASE_OVERRIDES if not word.startswith(("data.", "tokenizer"))]
    count = () if "tokenizer=bpe" in overrides else (f"tokenizer.count={COUNT}",)
    chosen = tiny_runs.compose_config(*sizes, *POINTER, *count, *overrides)
    return config.check(dict(chosen), build.TRAIN)


def build_pointer(*overrides: str) -> Seq2Seq:
    torch.manual_seed(0)
    settings = compose(*(f"model.dropout.{name}=0" for name in ("embedding", "readout")), *overrides)
    model = build.build_model(settings, source_vocab=0, target_vocab=COUNT + EOS + 1, joint=False)
    return model.eval()


@pytest.fixture(params=[(form, once) for form in FORMS for once in ("true", "false")], ids=str)
def model(request: pytest.FixtureRequest) -> Seq2Seq:
    form, once = request.param
    return build_pointer(*FORMS[form], f"model.head.once={once}")


def make_batch() -> tuple[Tensor, Tensor]:
    """Sources and words that point at each position once at most, with padding."""
    source = draw_normal(3, 6, FEATURES, seed=1)
    target = torch.tensor([[BOS, 6, 4, 8, 5], [BOS, 4, 6, PAD, PAD], [BOS, 5, PAD, PAD, PAD]])
    return source, target


def test_weights_are_the_distribution(model: Seq2Seq) -> None:
    source, target = make_batch()
    weights, found = model.align(source, LENGTHS, target), model.log_probs(source, LENGTHS, target).exp()
    for row, length in enumerate(LENGTHS.tolist()):
        for t in range(target.shape[1]):
            expected = torch.zeros(COUNT + EOS + 1)
            for place in range(length - 1):
                expected[EOS + 1 + place] = weights[row, t, place]
            expected[EOS] = weights[row, t, length - 1]
            assert_close(found[row, t], expected)
    assert_close(found.sum(-1), torch.ones(3, 5))


def test_no_position_is_pointed_at_twice_where_once_is_true(model: Seq2Seq) -> None:
    assert isinstance(model.head, PointerHead)
    source, target = make_batch()
    probs = model.log_probs(source, LENGTHS, target).exp()
    for row in range(3):
        for t in range(5):
            used = [word for word in target[row, : t + 1].tolist() if word > EOS]
            assert not model.head.once or not probs[row, t, used].any()
    softmax = build_pointer(*FORMS["luong"], "model.head.once=false")
    assert softmax.log_probs(source, LENGTHS, target).exp()[0, 4, [6, 4, 8, 5]].all()


def test_steps_give_what_all_positions_at_once_give(model: Seq2Seq) -> None:
    source, target = make_batch()
    whole = model.log_probs(source, LENGTHS, target)
    memory, state = model.encode(source, LENGTHS)
    for t, words in enumerate(target.unbind(1)):
        found = model.step(words, state, memory)
        state = found.state
        assert_close(found.log_probs, whole[:, t], atol=1e-5, rtol=1e-4)


def test_rows_of_a_beam_point_by_themselves(model: Seq2Seq) -> None:
    source, target = make_batch()
    memory, state = model.encode(source, LENGTHS)
    first = model.step(target[:, 0], state, memory)
    twice = model.step(target[:, 0].repeat_interleave(2), repeat_rows(state, 2), memory)
    words = torch.tensor([6, 4, 4, 5, 5, 4])
    together = model.step(words, twice.state, memory)
    for side in range(2):
        alone = model.step(words[side::2], first.state, memory)
        assert_close(together.log_probs[side::2], alone.log_probs, atol=1e-5, rtol=1e-4)


def test_padding_is_invisible_and_rows_are_independent(model: Seq2Seq) -> None:
    source, target = make_batch()
    whole = model.log_probs(source, LENGTHS, target)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model.log_probs(source[row : row + 1, :length], LENGTHS[row : row + 1], target[row : row + 1])
        assert_close(alone[0], whole[row], atol=1e-5, rtol=1e-4)


def test_the_loss_is_the_distribution_s_and_reaches_every_parameter(model: Seq2Seq) -> None:
    source, target = make_batch()
    output = torch.tensor([[6, 4, 8, 5, EOS], [4, 6, EOS, PAD, PAD], [5, EOS, PAD, PAD, PAD]])
    expected = -model.log_probs(source, LENGTHS, target).gather(-1, output.unsqueeze(-1)).squeeze(-1)
    real = output != PAD
    indices = real.flatten().nonzero().squeeze(1)
    model.train()
    loss = model.compute_loss(model(source, LENGTHS, target), output, indices=indices)
    is_random = any(isinstance(part, torch.nn.Dropout) and part.p for part in model.modules())
    attention = model.decoder.attention
    assert isinstance(attention, ScoredAttention)
    if isinstance(attention.normalizer, Softmax) and not is_random:  # others are trained by the softmax of their scores
        assert_close(loss.word_nll, expected[real], atol=1e-5, rtol=1e-4)
    model.compute_loss(model(source, LENGTHS, target), output, indices=indices, smoothing=0.1).objective.backward()
    # What follows attention has no part in where it points, but where it is fed to the next step.
    missing = find_missing_gradients(model)
    assert all(name.startswith("decoder.") and "attention.score" not in name for name in missing), missing


def test_search_finds_tours_and_scores_are_those_of_search() -> None:
    model = build_pointer(*FORMS["luong"])
    draw_parameters(model)
    sources = [draw_normal(size, FEATURES, seed=size).numpy() for size in (5, 2, 7)]
    tokenizers = TargetOnly(VectorReader(features=2), Numbers(count=COUNT)).train([], [])
    found = BatchTranslator(model, tokenizers, Beam(size=4, nbest=4)).translate_ids(sources)
    for source, result in zip(sources, found, strict=True):
        for hypothesis in result.hypotheses:
            assert len(set(hypothesis.tokens)) == len(hypothesis.tokens)
            assert all(0 <= word - EOS - 1 < len(source) for word in hypothesis.tokens)
            (score,) = score_pairs([model], [(source, hypothesis.tokens)])
            assert score.log_prob == pytest.approx(hypothesis.log_prob, abs=1e-4)
            (weights,) = force_decode(model, [(source, hypothesis.tokens)], position="predicted")
            places = [*(word - EOS - 1 for word in hypothesis.tokens), len(source)]
            pointed = [math.log(weights[t, place]) for t, place in enumerate(places)]
            assert sum(pointed) == pytest.approx(hypothesis.log_prob, abs=1e-4)


def test_the_order_of_the_source_does_not_matter_without_positions() -> None:
    model = build_pointer(*ENCODER, "model.encoder.positions.name=none", *FORMS["luong"])
    source, lengths = draw_normal(1, 6, FEATURES, seed=3), torch.tensor([6])
    order = torch.tensor([3, 0, 4, 1, 2])
    words = torch.tensor([2, 4, 0])  # positions of the source as it is
    moved = torch.tensor([order.tolist().index(place) for place in words.tolist()])
    given = model.log_probs(source, lengths, torch.tensor([[BOS, *(words + 4).tolist()]]))
    shuffled = torch.cat([source[:, :5][:, order], source[:, 5:]], 1)
    found = model.log_probs(shuffled, lengths, torch.tensor([[BOS, *(moved + 4).tolist()]]))
    assert_close(found[..., 4:9], given[..., 4:9][..., order], atol=1e-5, rtol=1e-4)
    assert_close(found[..., EOS], given[..., EOS], atol=1e-5, rtol=1e-4)


def test_the_decoder_reads_the_vector_of_the_position() -> None:
    source, symbols = draw_normal(2, 5, 3, seed=1), draw_normal(6, 4, 3, seed=2)
    tokens = torch.tensor(
        [[BOS, 4, 8, 6], [5, 9, EOS, PAD], [4, 4, 4, 4], [7, 8, 9, 5], [BOS, 5, 6, 7], [8, 4, EOS, PAD]]
    )
    found = embed_pointed(tokens, symbols, source)
    for row in range(6):
        for t, word in enumerate(tokens[row].tolist()):
            inside = 0 <= word - 4 < 5
            assert_close(found[row, t], source[row // 3, word - 4] if inside else symbols[row, t])


def test_positions_are_named_and_marked() -> None:
    assert name_positions(torch.tensor([4, 1, 3]), 5).tolist() == [[4, 5, 6, 3, 0], [3, 0, 0, 0, 0], [4, 5, 3, 0, 0]]
    used = mark_used(
        torch.tensor([[BOS, 5, EOS], [6, BOS, 4]]), torch.tensor([[False] * 4, [False, True, False, False]])
    )
    assert used.int().tolist() == [
        [[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0]],
        [[0, 1, 1, 0], [0, 1, 1, 0], [1, 1, 1, 0]],
    ]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_has_the_gradient_of_finite_differences(smoothing: float) -> None:
    head = PointerHead(readout_size=3, vocabulary_size=9, embedding_size=2, context_size=2, embedding=None)
    tokens = name_positions(torch.tensor([5, 3]), 5)
    scores = draw_normal(2, 5, seed=1).double().requires_grad_()

    def objective(given: Tensor) -> Tensor:
        log_weights = given.masked_fill(tokens == PAD, -math.inf).log_softmax(-1)
        return head.loss(
            HeadInputs(given, weights=log_weights, source=tokens), torch.tensor([6, EOS]), smoothing
        ).objective

    assert torch.autograd.gradcheck(objective, [scores])


def test_the_mean_over_heads_is_in_log_space() -> None:
    weights = draw_normal(2, 3, 5, 7).double().softmax(-1)
    weights[:, :, 2, 4] = 0.0
    log_weights = weights.log().requires_grad_()
    found = log_mean(log_weights)
    assert_close(found.exp(), weights.mean(1))
    torch.where(found.isinf(), 0.0, found).sum().backward()
    assert log_weights.grad is not None
    assert log_weights.grad.isfinite().all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("tokenizer=bpe",), r"Set tokenizer=numbers"),
        (("attention=none",), r"attention=none looks at nothing"),
        (tiny_runs.TRANSFORMER_DECODER, r"got layer 1 of 2\. Set model\.decoder\.aligned_layer=2"),
        (("attention/scope=local_m",), r"attention/scope=local_m"),
        (("attention/selection=marginal",), r"attention/selection=marginal"),
        (("attention/normalizer=monotonic",), r"sum to 1"),
        (("data=sorting", "training.validation.metric=ratio"), r"metric=ratio is of data=tour"),
        (("data=copying", "training.validation.metric=area"), r"metric=area is of data=hull"),
    ],
)
def test_what_does_not_fit_is_told(overrides: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build.dry_run(compose(*overrides))


def test_what_cannot_be_done_with_positions_is_told() -> None:
    model = build_pointer(*FORMS["luong"])
    pair = ForcedPair(draw_normal(3, FEATURES).numpy(), [4, 5], [0, 1, 2], [0, 1])
    with pytest.raises(ModelError, match="method=erase_input"):
        compute_importances(model, [pair], "erase_input")
    assert compute_importances(model, [pair], "gradient")[0].shape == (3, 4)
    with pytest.raises(ConfigError, match="shortlist=none"):
        model.head.prepare(Float32, readout_bounded=True).restrict(torch.tensor([0, 1, 2, 3, 5]))
    assert make_forward_fn(model, "inductor") is model
