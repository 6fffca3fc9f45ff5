"""The tokens of BLEU follow the target language as sacreBLEU chooses them, everywhere that BLEU is computed."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from sacrebleu.metrics.bleu import BLEU

from nmt.errors import ConfigError
from nmt.evaluation import bleu_tokens
from nmt.evaluation.bleu import bleu
from nmt.evaluation.bleu_by_length import score_by_length
from nmt.evaluation.bleu_tokens import (
    DEFAULT_TOKENIZER,
    EXTRAS,
    check_tokenizer,
    choose_tokenizer,
    has_words,
    is_unspaced,
    read_tokenizer,
    resolve_tokenizer,
    warn_unspaced,
)
from nmt.evaluation.literature import compute_tokenized_scores
from nmt.evaluation.resampling import compute_statistics, corpus_bleu
from nmt.evaluation.significance import run_paired_bootstrap

REFERENCES = ["猫が庭で眠っている。", "彼女は毎朝駅まで歩く。", "今日は雨が降っています。", "本を読むのが好きです。"]
HYPOTHESES = ["猫が庭で眠っている。", "彼女は毎朝駅に歩く。", "今日は雪が降っている。", "本を読むことが好きです。"]

INSTALLED = [name for name, (_, modules) in EXTRAS.items() if all(map(importlib.util.find_spec, modules))]


@pytest.mark.parametrize("language", ["", "de", "en", "zh", "ja", "ko", "fr", "ru", "ar"])
def test_auto_is_what_sacrebleu_chooses_for_a_language(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    kept = __import__("sacrebleu.metrics.bleu", fromlist=["_get_tokenizer"])._get_tokenizer
    monkeypatch.setattr("sacrebleu.metrics.bleu._get_tokenizer", lambda name: asked.append(name) or kept("13a"))
    BLEU(trg_lang=language)
    assert choose_tokenizer("auto", language) == asked[0]


@pytest.mark.parametrize(
    ("name", "languages"),
    [
        ("zh", ["ZH", "zh-CN", "zh_Hans", "zho_Hant", "zho", "cmn", "yue", "Chinese"]),
        ("ja-mecab", ["jpn", "ja_XX", "jpn_Jpan", "JA"]),
        ("ko-mecab", ["kor", "ko-KR", "kor_Hang"]),
        ("char", ["th", "tha_Thai", "lo", "km", "my", "mya_Mymr", "bo"]),
        (DEFAULT_TOKENIZER, ["zh_Latn", "ja-Latn", "deu_Latn", "thai_x".replace("thai", "tay"), "vi", "  ", "zhuang"]),
    ],
)
def test_codes_are_read_with_script_region_and_case(name: str, languages: list[str]) -> None:
    assert {choose_tokenizer("auto", language) for language in languages} == {name}
    assert {choose_tokenizer("intl", language) for language in languages} == {"intl"}


def test_no_language_is_13a() -> None:
    assert choose_tokenizer("auto", None) == DEFAULT_TOKENIZER
    assert has_words(None)


@pytest.mark.parametrize("tokenize", ["char", "zh", "intl", "none", *INSTALLED])
def test_everything_that_computes_bleu_counts_the_same_tokens(tokenize: str) -> None:
    expected = BLEU(tokenize=tokenize, force=True)
    score = bleu(HYPOTHESES, REFERENCES, tokenize=tokenize)
    assert score.value == pytest.approx(expected.corpus_score(HYPOTHESES, [REFERENCES]).score)
    assert score.signature == str(expected.get_signature())
    assert read_tokenizer(score.signature) == tokenize
    (counted,) = compute_statistics([HYPOTHESES], REFERENCES, tokenize=tokenize)
    assert float(corpus_bleu(counted.sum(0))) == pytest.approx(score.value)
    (bucket,) = score_by_length(["a b"] * len(REFERENCES), HYPOTHESES, REFERENCES, buckets=1, tokenize=tokenize)
    assert bucket.bleu == pytest.approx(score.value)
    drawn = run_paired_bootstrap(REFERENCES, {"one": HYPOTHESES}, samples=3, tokenize=tokenize)["one"]
    assert drawn.bleu == pytest.approx(score.value)


def test_characters_tell_translations_apart_where_words_do_not() -> None:
    worse = [line[:3] for line in HYPOTHESES]
    counted = compute_statistics([HYPOTHESES, worse], REFERENCES, tokenize="char")
    good, bad = (float(corpus_bleu(each.sum(0))) for each in counted)
    assert good > bad
    assert np.any(good > 50.0)


@pytest.mark.parametrize("name", EXTRAS)
def test_a_missing_extra_is_named_with_the_way_without_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bleu_tokens.importlib.util, "find_spec", lambda module: None)
    extra, _ = EXTRAS[name]
    for tokenize in ("auto", name):
        with pytest.raises(ConfigError, match=rf"pip install 'sacrebleu\[{extra}\]'.*bleu\.tokenize=char"):
            check_tokenizer(tokenize, extra)
    assert check_tokenizer("char", extra) == "char"


def test_a_model_that_cannot_be_downloaded_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.download_file", refuse)
    with pytest.raises(ConfigError, match=r"no route to host.*bleu\.tokenize=char"):
        check_tokenizer("flores200", "th")


def test_settings_of_version_0_1_mean_13a() -> None:
    data = {"data": {"target_language": "zh"}}
    assert resolve_tokenizer(data) == DEFAULT_TOKENIZER
    assert resolve_tokenizer({**data, "bleu": {"tokenize": "auto"}}) == "zh"
    assert resolve_tokenizer({"bleu": {"tokenize": "auto"}, "data": {"target_language": "de"}}) == DEFAULT_TOKENIZER


@pytest.mark.parametrize(
    ("lines", "expected"),
    [(REFERENCES, True), (["แมวนอนในสวน"], True), (["ein Mann (男)"], False), (["그는 집에 간다"], False), ([], False)],
)
def test_text_without_spaces_is_known_by_its_letters(lines: list[str], expected: bool) -> None:
    assert is_unspaced(lines) is expected


def test_a_score_that_means_nothing_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    for tokenize, language in (("13a", None), ("auto", "zh"), ("char", None)):
        warn_unspaced(REFERENCES, tokenize, language, "language")
    assert not caplog.records
    for language in (None, "en"):
        warn_unspaced(REFERENCES, "auto", language, "language")
    assert [("language=ja" in text, "bleu.tokenize=char" in text) for text in caplog.messages] == [(True, True)] * 2


def test_literature_bleu_is_left_out_for_languages_without_spaces() -> None:
    assert compute_tokenized_scores(HYPOTHESES, REFERENCES, language="zh") == []
    assert len(compute_tokenized_scores(["a b"], ["a b"], language="ko")) == 1
