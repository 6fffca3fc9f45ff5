"""The printed example is what the attention computes, and what arithmetic by hand gives."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmt.attention.normalizer import Softmax
from nmt.attention.scope import Global
from nmt.attention.score import ScaledDot
from nmt.attention.scored import ScoredAttention
from nmt.errors import ConfigError
from nmt.explanation.example import QUERIES, SIZE, SOURCE, STATES, TARGET, explain_example
from nmt.explanation.look import ask, look_at_all
from nmt.explanation.score_stages import SCORE_EQUATIONS, SCORE_STAGES
from nmt.masks import NEG_INF
from nmt.report.explanation_text import render_text
from tests.builders import Mix, build_attention, make_mask, make_mix, mark_slow_unless
from tests.explanation.printed import read_stages
from tests.explanation.test_look import FIRST_MIXES, MIXES

DIGITS = 3
UNIT = 10**-DIGITS


def build(mix: Mix) -> ScoredAttention:
    attention, size = build_attention(mix, query_size=SIZE, memory_size=SIZE)
    assert isinstance(attention, ScoredAttention)
    assert size == SIZE
    return attention


@pytest.mark.parametrize("mix", mark_slow_unless(FIRST_MIXES, MIXES), ids=str)
def test_printed_numbers_are_those_of_the_attention(mix: Mix) -> None:
    attention, head = build(mix), mix.heads - 1
    printed = read_stages(render_text(explain_example(attention, query=1, head=head + 1, padding=1), digits=DIGITS))
    states = torch.tensor([[*STATES, (0,) * SIZE]], dtype=torch.float32)
    memory = attention.remember(states, make_mask([3, 4])[:1])
    with torch.inference_mode():
        questions = ask(attention, torch.tensor([QUERIES], dtype=torch.float32), memory)
        steps = [attention(*question, keep_weights=True) for question in questions]
        seen = look_at_all(attention, questions)
    weights = torch.cat([step.weights for step in steps], 2)[0, head].numpy()
    np.testing.assert_allclose(printed["Weights w"], weights, atol=UNIT)
    np.testing.assert_allclose(printed["Weights w"].sum(1), weights.sum(1), atol=0.51 * UNIT)
    part = slice(head * SIZE // mix.heads, (head + 1) * SIZE // mix.heads)
    contexts = torch.cat([step.context for step in steps], 1)[0, :, part].numpy()
    np.testing.assert_allclose(printed["Context c"], contexts, atol=0.51 * UNIT)
    energies = seen.energies[head].masked_fill(seen.energies[head] == NEG_INF, math.nan).numpy()
    np.testing.assert_allclose(printed["Energies e"], energies, atol=0.51 * UNIT)
    np.testing.assert_allclose(printed["Scores"], seen.scores[head].numpy(), atol=0.51 * UNIT)


def test_by_fractions() -> None:
    """dot and sparsemax of whole numbers are fractions: the threshold by trying every size of the support."""
    printed = read_stages(
        render_text(explain_example(build(make_mix("dot", normalizer="sparsemax")), query=0, head=1, padding=0))
    )
    for t, query in enumerate(QUERIES):
        scores = [sum(Fraction(q) * k for q, k in zip(query, state, strict=True)) for state in STATES]
        assert printed["Scores"][t].tolist() == scores
        sizes = range(1, len(scores) + 1)
        ordered = sorted(scores, reverse=True)
        taus = [(sum(ordered[:size]) - 1) / Fraction(size) for size in sizes]
        weights = next(found for tau in taus if sum(found := [max(z - tau, Fraction(0)) for z in scores]) == 1)
        assert printed["Weights w"][t].tolist() == weights
        context = [sum(w * state[i] for w, state in zip(weights, STATES, strict=True)) for i in range(SIZE)]
        assert printed["Context c"][t].tolist() == context


def test_by_torchs_attention() -> None:
    """scaled_dot, against F.scaled_dot_product_attention with the projections that are printed."""
    sizes = {"query_size": SIZE, "heads": 1}
    attention = ScoredAttention(
        score=ScaledDot(memory_size=SIZE, hidden_size=SIZE, **sizes),
        scope=Global(**sizes),
        normalizer=Softmax(),
        memory_size=SIZE,
        heads=1,
    )
    explained = explain_example(attention, query=0, head=1, padding=1)
    stage = {stage.name: stage for stage in explained.stages}
    q, k, v = (torch.from_numpy(stage[name].values).unsqueeze(0) for name in ("projected query", "keys", "memory"))
    mask = torch.from_numpy(stage["mask"].values)
    wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)[0]
    assert stage["context"].values is not None
    np.testing.assert_allclose(stage["context"].values, wanted.numpy(), atol=1e-6)


def test_every_parameter_is_a_whole_number_that_is_printed() -> None:
    attention = build(make_mix("additive"))
    stages = {stage.name: stage for stage in explain_example(attention, query=0, head=1, padding=0).stages}
    for name, weight in (("W", attention.score.query.weight), ("U", attention.score.key.weight)):  # type: ignore[union-attr]
        assert torch.equal(weight, weight.round())
        values = stages[f"parameter {name}"].values
        assert values is not None
        assert np.array_equal(values, weight.detach().numpy()[:, : values.shape[1]])


def test_a_score_without_stages_of_its_own_is_explained_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nmt.explanation.score_stages.SCORE_STAGES", {})
    monkeypatch.setattr("nmt.explanation.score_stages.SCORE_EQUATIONS", {})
    names = [stage.name for stage in explain_example(build(make_mix("cosine")), query=0, head=1, padding=0).stages]
    assert names[:4] == ["queries", "memory", "keys", "scores"]
    assert SCORE_STAGES.keys() == SCORE_EQUATIONS.keys()


def test_the_words_are_words_and_masked_cells_are_marked() -> None:
    lines = render_text(explain_example(build(make_mix("dot", scope="causal")), query=1, head=1, padding=1))
    text = "\n".join(lines)
    assert all(word in text for word in (*SOURCE, *TARGET))
    weights = lines[lines.index(next(line for line in lines if line.endswith(". Weights w"))) :]
    rows = [line.split() for line in weights[3:6]]
    assert [row[0] for row in rows] == ["der", ">", "schläft"]
    assert [sum(cell.startswith("(") for cell in row) for row in rows] == [3, 2, 1]


@pytest.mark.parametrize(("query", "head"), [(3, 1), (-1, 1), (0, 0), (0, 3)])
def test_what_is_not_there_is_refused(query: int, head: int) -> None:
    with pytest.raises(ConfigError, match=r"must be from [01] to 2, as there are [23]; got"):
        explain_example(build(make_mix(heads=2)), query=query, head=head, padding=0)
