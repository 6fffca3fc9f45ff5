"""Languages by their codes and names."""

import pytest

from nmt.errors import ConfigError
from nmt.evaluation.languages import check_language, find_moses_language
from nmt.evaluation.literature import compute_tokenized_bleu

LINES = ["Er sagte: „Das ist z. B. gut.“ Und ging."]


@pytest.mark.parametrize("language", ["DE", "de_DE", "de-AT", "deu", "deu_Latn", "German", " de "])
def test_a_language_has_one_score_however_it_is_written(language: str) -> None:
    check_language(language)
    others = [LINES[0].replace("gut", "schlecht")]
    assert compute_tokenized_bleu(others, LINES, language=language) == compute_tokenized_bleu(
        others, LINES, language="de"
    )


@pytest.mark.parametrize("language", ["zh", "ZH_Hant", "tr", "tlh", "cmn", "Japanese"])
def test_languages_without_rules_of_moses_are_languages_too(language: str) -> None:
    check_language(language)
    assert find_moses_language(language) is None


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("../../etc/passwd", "no language"),
        ("xx", "no language"),
        ("d", "no language"),
        ("germn", "Did you mean german?"),
        ("", "no language"),
        ("de;rm", "no language"),
        ("x" * 5000, "no language"),
    ],
)
def test_what_is_no_language_is_refused(language: str, said: str) -> None:
    with pytest.raises(ConfigError) as problem:
        check_language(language)
    assert said in str(problem.value)
    assert len(str(problem.value)) < 300
