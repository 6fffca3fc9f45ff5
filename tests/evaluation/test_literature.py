"""BLEU of older papers: what it forgives, what it counts, and what it is called."""

import pytest
from sacrebleu.metrics import BLEU

from nmt.errors import DataError
from nmt.evaluation.bleu import bleu
from nmt.evaluation.literature import MAX_CHARACTERS, compute_tokenized_bleu, compute_tokenized_scores, tokenize_moses

REFERENCES = ["Er sagte: „Das ist Peters Hund.“", "Zwei Männer – ein Hund!"]


def test_case_and_the_shape_of_quotes_and_dashes_are_forgiven() -> None:
    hypotheses = ['er sagte: "das ist peters hund."', "zwei männer - ein hund!"]
    assert compute_tokenized_bleu(hypotheses, REFERENCES, language="de").value == pytest.approx(100.0)
    assert bleu(hypotheses, REFERENCES).value < 50.0


def test_it_is_bleu_over_moses_tokens() -> None:
    hypotheses = ["l' homme n' est pas là .", "il mange du pain , et elle aussi ."]
    references = ["l'homme n'est plus là.", "Il mange du pain, et lui aussi."]
    by_hand = ["l' homme n' est plus là .", "il mange du pain , et lui aussi ."]
    assert tokenize_moses(references, "fr") == by_hand
    oracle = BLEU(tokenize="none", force=True).corpus_score(hypotheses, [by_hand])
    ours = compute_tokenized_bleu(
        ["L'homme n'est pas là.", "Il mange du pain, et elle aussi."], references, language="fr"
    )
    assert ours.value == pytest.approx(oracle.score)


@pytest.mark.parametrize("language", ["de", "es", "fr"])
def test_a_full_stop_leaves_the_quotation_at_the_end_of_a_line_as_inside_it(language: str) -> None:
    # normalize-punctuation.perl has s/(\.+)"(\s*[^<])/"$1$2/ for these languages, and reads a line with its newline.
    assert tokenize_moses(['"Haus." Er', '"Haus."', '"Haus..."'], language) == [
        '" haus " . er',
        '" haus " .',
        '" haus " ...',
    ]


def test_in_english_the_full_stop_goes_into_the_quotation() -> None:
    assert tokenize_moses(['The "house."', 'The "house".'], "en") == ['the " house . "', 'the " house . "']


def test_entities_and_spaces_stay_text() -> None:
    assert tokenize_moses(["Tom  &  Jerry's <b>", ""], "en") == ["tom & jerry 's < b >", ""]


def test_name_and_signature_say_what_it_is() -> None:
    score = compute_tokenized_bleu(REFERENCES, REFERENCES, language="de")
    assert score.name == "literature BLEU"
    assert "tok:none" in score.signature
    assert "|lower+moses.sacremoses-" in score.signature
    assert score.signature.endswith("|lang:de")


def test_an_unknown_language_is_split_like_english_and_says_so() -> None:
    line = ["Mr. Smith's U.S. dog, e.g. Rex."]
    assert tokenize_moses(line, "tlh")[0].split()[:2] == tokenize_moses(line, "en")[0].split()[:2]
    assert compute_tokenized_bleu(line, line, language="tlh").signature.endswith("|lang:tlh=en")


def test_sides_of_different_length_are_no_corpus() -> None:
    with pytest.raises(DataError, match="1 lines and the references 2"):
        compute_tokenized_bleu(REFERENCES[:1], REFERENCES, language="de")


def test_lines_of_too_many_characters_are_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert compute_tokenized_scores(["."], ["." * (MAX_CHARACTERS + 1)], language="de") == []
    assert [text.split(":")[0] for text in caplog.messages] == ["literature BLEU is left out"]
