"""Long lines are cut into pieces as far as they are translated, and many sentences are translated a part at a time."""

import pytest

from nmt.inference import inference, parts
from nmt.inference.parts import encode_parts, translate_sentences, warn_of_long
from nmt.translation.translator import BatchTranslator
from tests.trained import TrainedRun


@pytest.fixture(scope="module")
def translator(trained: TrainedRun) -> BatchTranslator:
    settings = inference.InferenceSettings(device="cpu", threads=None, tokens=100)
    return inference.build_translator(inference.load(str(trained.folder), settings), settings, {})


def test_of_a_long_line_no_more_is_read_than_its_first_pieces_need(
    translator: BatchTranslator, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = translator.tokenizers.source
    line = "the dog runs " * 100_000
    ((part,), (short,)) = found = encode_parts(tokenizer, [[line], ["the dog"]], 9)
    assert part.text is line
    assert len(part.beginning) < 5000
    assert list(part.ids[:10]) == tokenizer.encode([line[:2000]])[0][:10]
    assert (part.is_truncated(9), part.is_truncated(None), short.is_truncated(9)) == (True, False, False)
    warn_of_long(found, 9, first=4)
    assert caplog.messages == ["line 5 has more than 9 pieces; only these are translated (max_source)"]


def test_sentences_are_translated_in_parts_and_joined_by_line(
    translator: BatchTranslator, trained: TrainedRun, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(parts, "SENTENCES_AT_ONCE", 2)
    lines = [list(trained.text.source[:3]), [], list(trained.text.source[3:5])]
    encoded = encode_parts(translator.tokenizers.source, lines, 500)
    ids = [part.ids for line in encoded for part in line]
    done: list[int] = []
    found = translate_sentences(translator, ids, [3, 0, 2], spaces=True, report_done=done.append)
    alone = [each.text for each in translator.translate_ids(ids)]
    assert found == [" ".join(alone[:3]), "", " ".join(alone[3:])]
    assert done == [3]
    warn_of_long(encoded, 500, first=0)
    assert caplog.messages == ["line 1 has 3 sentences, and is written when all are translated"]
