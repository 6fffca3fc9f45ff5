"""The whole model: training's view and search's view of it agree, and sharing, dropout and padding do what they say."""

import pytest
import torch
from torch import Tensor, nn
from torch.testing import assert_close

from nmt.errors import ConfigError
from nmt.model.bridge import BRIDGES
from nmt.model.embedding import Embedding, build_embedding_table
from nmt.model.seq2seq import DropoutRates, Seq2Seq
from nmt.special_tokens import BOS, EOS, PAD
from nmt.trees import repeat_rows
from tests.builders import (
    DECODER_FORMS,
    EMBEDDING_SIZE,
    MEMORY_SIZE,
    PLANS,
    QUERY_SIZE,
    SOURCE_VOCAB,
    TARGET_VOCAB,
    Plan,
    build_seq2seq,
    compute_logits,
    find_missing_gradients,
    make_mix,
)

LENGTHS = torch.tensor([4, 1, 6])
SOURCE = torch.tensor([[5, 9, 4, EOS, PAD, PAD], [EOS, PAD, PAD, PAD, PAD, PAD], [7, 8, 5, 12, 18, EOS]])
READ = torch.tensor([[BOS, 6, 11, 4], [BOS, 5, 5, 10], [BOS, 17, 18, 9]])
GRU = Plan("luong", "gru")
TIES = ["none", "target", "all"]


@pytest.fixture(params=PLANS, ids=str)
def model(request: pytest.FixtureRequest) -> Seq2Seq:
    return build_seq2seq(request.param, attention=make_mix("additive", heads=2))


def log_probs_of(model: Seq2Seq) -> Tensor:
    """log p of every word at every position, padding excluded, from training's view."""
    logits = compute_logits(model, SOURCE, LENGTHS, READ)
    real = torch.arange(TARGET_VOCAB) != PAD
    return logits - logits[..., real].logsumexp(-1, keepdim=True)


def loss_of(model: Seq2Seq) -> Tensor:
    logits = compute_logits(model, SOURCE, LENGTHS, READ)
    return nn.functional.cross_entropy(logits.flatten(0, 1), READ.roll(-1, 1).flatten())


def test_stepping_gives_the_distributions_that_training_sees(model: Seq2Seq) -> None:
    memory, state = model.encode(SOURCE, LENGTHS)
    wanted, alignment = log_probs_of(model), model.align(SOURCE, LENGTHS, READ)
    for t in range(READ.shape[1]):
        log_probs, state, weights = model.step(READ[:, t], state, memory)
        assert_close(log_probs[:, PAD + 1 :], wanted[:, t, PAD + 1 :])
        assert_close(weights, alignment[:, t])


def test_a_step_is_a_distribution_without_padding(model: Seq2Seq) -> None:
    memory, state = model.encode(SOURCE, LENGTHS)
    log_probs = model.step(READ[:, 0], state, memory).log_probs
    assert_close(log_probs.exp().sum(-1), torch.ones(len(READ)))
    assert not log_probs[:, PAD].exp().any()
    assert log_probs.isfinite().all()


def test_hypotheses_that_share_a_sentence_step_as_if_it_were_repeated(model: Seq2Seq) -> None:
    memory, state = model.encode(SOURCE, LENGTHS)
    beams = repeat_rows(state, 3)
    tokens = torch.tensor([4, 9, 17, 5, 6, 7, 8, 10, 11])
    shared = model.step(tokens, beams, memory)
    assert_close(shared, model.step(tokens, beams, repeat_rows(memory, 3)))


def test_padding_of_the_source_is_invisible(model: Seq2Seq) -> None:
    filled = SOURCE.masked_fill(SOURCE == PAD, 20)
    longer = nn.functional.pad(filled, (0, 3), value=21)
    assert_close(model(longer, LENGTHS, READ).readout, model(SOURCE, LENGTHS, READ).readout)
    assert_close(model.align(longer, LENGTHS, READ)[..., :6], model.align(SOURCE, LENGTHS, READ))


def test_rows_are_independent(model: Seq2Seq) -> None:
    together = model(SOURCE, LENGTHS, READ).readout
    for row, length in enumerate(LENGTHS.tolist()):
        single = model(SOURCE[row : row + 1, :length], LENGTHS[row : row + 1], READ[row : row + 1]).readout
        assert_close(single, together[row : row + 1])


def test_alignments_are_distributions_over_the_real_source(model: Seq2Seq) -> None:
    weights = model.align(SOURCE, LENGTHS, READ)
    assert weights.shape == (*READ.shape, SOURCE.shape[1])
    assert_close(weights.sum(-1), torch.ones(READ.shape))
    assert not weights.masked_select((SOURCE == PAD).unsqueeze(1)).any()


@pytest.mark.parametrize("tied", TIES)
@pytest.mark.parametrize("form", DECODER_FORMS, ids=str)
def test_every_parameter_gets_a_gradient(form: tuple, tied: str) -> None:
    model = build_seq2seq(Plan(form[0], "lstm", form[1]), tied=tied)
    loss_of(model).backward()
    assert find_missing_gradients(model) == []


@pytest.mark.parametrize("bridge", BRIDGES)
def test_every_bridge_fits_between_encoder_and_decoder(bridge: str) -> None:
    model = build_seq2seq(GRU, attention=make_mix("dot"), bridge=bridge)
    loss_of(model).backward()
    assert find_missing_gradients(model) == []


def test_an_attention_can_ask_with_a_state_of_all_zeros() -> None:
    """With bridge=zero the first query of this decoder is the zero vector, which has no direction."""
    model = build_seq2seq(Plan("bahdanau", "layer_norm_gru"), attention=make_mix("cosine"), bridge="zero")
    loss_of(model).backward()
    assert find_missing_gradients(model) == []


@pytest.mark.parametrize("tied", TIES)
def test_tied_tables_share_their_storage(tied: str) -> None:
    model = build_seq2seq(GRU, tied=tied)
    source, target, output = model.source.embedding.table.weight, model.target.table.weight, model.head.output.weight
    assert (target is output) == (tied != "none")
    assert (source is target) == (tied == "all")
    assert sum(p is target for p in model.parameters()) == 1


@pytest.mark.parametrize("tied", TIES)
def test_the_readout_is_mapped_only_where_its_size_differs_from_a_tied_table(tied: str) -> None:
    mapped = build_seq2seq(GRU, tied=tied).head.readout
    assert isinstance(mapped, nn.Linear) == (tied != "none")
    assert isinstance(build_seq2seq(GRU, tied=tied, embedding_size=QUERY_SIZE).head.readout, nn.Identity)
    assert isinstance(build_seq2seq(Plan("bahdanau", "gru"), tied=tied).head.readout, nn.Identity)


def test_a_tied_table_learns_from_every_use() -> None:
    """Its gradient is the sum of what three tables of the same numbers would get apart."""
    tied, apart = (
        build_seq2seq(GRU, tied="all", embedding_size=QUERY_SIZE),
        build_seq2seq(GRU, tied="all", embedding_size=QUERY_SIZE),
    )
    apart.load_state_dict(tied.state_dict())
    shared = tied.target.table.weight
    apart.source.embedding.table = nn.Embedding.from_pretrained(shared.detach().clone(), freeze=False)
    apart.target.table = nn.Embedding.from_pretrained(shared.detach().clone(), freeze=False)
    apart.head.output.weight = nn.Parameter(shared.detach().clone())
    for model in (tied, apart):
        loss_of(model).backward()
    uses = [apart.source.embedding.table.weight.grad, apart.target.table.weight.grad, apart.head.output.weight.grad]
    assert all(use is not None and use.any() for use in uses)
    assert_close(shared.grad, sum(uses))


def test_dropout_is_off_in_evaluation_and_on_in_training() -> None:
    every = DropoutRates(embedding=0.3, readout=0.3, source_words=0.3, target_words=0.3)
    model, plain = build_seq2seq(GRU, dropout=every), build_seq2seq(GRU)
    plain.load_state_dict(model.state_dict())
    assert_close(model(SOURCE, LENGTHS, READ).readout, plain(SOURCE, LENGTHS, READ).readout, rtol=0, atol=0)
    model.train()
    assert not torch.equal(model(SOURCE, LENGTHS, READ).readout, model(SOURCE, LENGTHS, READ).readout)


@pytest.mark.parametrize("name", ["embedding", "readout", "source_words", "target_words"])
def test_each_dropout_acts_by_itself(name: str) -> None:
    model = build_seq2seq(GRU, dropout=DropoutRates(**{name: 0.5})).train()
    assert not torch.equal(model(SOURCE, LENGTHS, READ).readout, model(SOURCE, LENGTHS, READ).readout)


def test_word_dropout_takes_whole_words_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    table = build_embedding_table(11, EMBEDDING_SIZE)
    tokens = torch.randint(11, (40, 30))
    ratio = Embedding(table, word_dropout=0.25, dropout=0.0).train()(tokens) / table(tokens)
    dropped = (ratio == 0).all(-1)
    assert_close(ratio[~dropped], torch.full((int((~dropped).sum()), EMBEDDING_SIZE), 4 / 3))
    assert dropped.float().mean().item() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("name", ["embedding", "readout", "source_words", "target_words"])
@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_impossible_dropout_is_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=rf"model\.dropout\.{name} must be at least 0 and below 1; got {value}"):
        DropoutRates(**{name: value})


@pytest.mark.parametrize("tied", TIES)
def test_a_state_dict_loads_into_a_model_from_another_seed(tied: str) -> None:
    model, other = build_seq2seq(GRU, tied=tied), build_seq2seq(GRU, tied=tied, seed=1)
    assert not torch.equal(log_probs_of(model), log_probs_of(other))
    other.load_state_dict(model.state_dict())
    assert torch.equal(log_probs_of(model), log_probs_of(other))


def test_embeddings_start_with_rows_of_length_one_and_the_output_without_preference() -> None:
    torch.manual_seed(0)
    assert build_embedding_table(1000, 50).weight.square().sum(-1).mean().item() == pytest.approx(1.0, rel=0.05)
    assert not build_seq2seq(GRU).head.output.bias.any()


def test_source_and_target_have_vocabularies_of_their_own() -> None:
    model = build_seq2seq(GRU)
    assert model.source.embedding.table.weight.shape == (SOURCE_VOCAB, EMBEDDING_SIZE)
    assert model.target.table.weight.shape == (TARGET_VOCAB, EMBEDDING_SIZE)
    assert model.encoder.memory_size == MEMORY_SIZE
