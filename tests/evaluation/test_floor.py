"""What has not learnt is told from what has."""

import random

import pytest

from nmt.evaluation.bleu import bleu, chrf
from nmt.evaluation.floor import average, explain_unlearnt, format_scores, is_unlearnt

WORDS = ["the", "old", "man", "red", "bird", "sees", "hears", "finds", "house", "river", "near", "under", "a", "street"]
CHANCE = random.Random(3)
REFERENCES = [" ".join(CHANCE.choices(WORDS, k=9)) + "." for _ in range(200)]


def scores(hypotheses: list[str]) -> dict[str, float]:
    return {"BLEU": bleu(hypotheses, REFERENCES).value, "chrF2": chrf(hypotheses, REFERENCES).value}


@pytest.mark.parametrize("text", ["the the the the", "zzz", ""])
def test_text_that_has_nothing_to_do_with_its_source_is_below_the_floor(text: str) -> None:
    assert is_unlearnt(scores([text] * len(REFERENCES)))


def test_half_a_translation_is_above_it() -> None:
    assert not is_unlearnt(scores([" ".join(line.split()[:5]) for line in REFERENCES]))


def test_what_is_not_known_says_nothing() -> None:
    assert not is_unlearnt({})
    assert not is_unlearnt({"TER": 100.0})
    assert is_unlearnt({"chrF2": 3.0})
    assert average([{"BLEU": 1.0, "TER": 5.0}, {"BLEU": 2.0, "chrF2": 9.0}]) == {"BLEU": 1.5, "chrF2": 9.0}


def test_the_message_gives_the_scores_and_the_way_out() -> None:
    assert explain_unlearnt({"BLEU": 20.0, "chrF2": 40.0}) is None
    told = explain_unlearnt({"BLEU": 0.123, "chrF2": 9.04})
    assert told is not None
    assert told.startswith("BLEU 0.12 and chrF 9.0 are those of a model that has not learnt to translate")
    assert "optimizer.learning_rate" in told
    unspaced = explain_unlearnt({"BLEU": 0.5, "chrF2": 30.0})
    assert unspaced is not None
    assert "tokenizer" in unspaced
    assert format_scores({"BLEU": 0.5}) == "BLEU 0.50"
