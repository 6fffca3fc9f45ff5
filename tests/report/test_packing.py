"""Films of alignments in few bytes: nothing but digits is lost, and a budget is kept."""

import base64
import json
import math
import zlib
from typing import Any

import numpy as np
import pytest

from nmt.report.packing import pack_explanations, pack_probes, thin
from tests.report import samples


def frames(film: dict[str, Any]) -> list[list[Any]]:
    found: list[list[Any]] = json.loads(zlib.decompress(base64.b64decode(film["data"])))
    return found


def probe(source: str, **frame: Any) -> dict[str, Any]:
    words = source.split()
    shown = {"step": 7, "target": ["x"], "weights": [[1.0] * len(words)], **frame}
    return {"source": words, "reference": "x", "frames": [shown]}


def test_sentences_are_joined_by_their_words() -> None:
    films, every = pack_probes([[probe("a"), probe("b")], [probe("b"), probe("c")], []])
    assert every == 1
    assert [film["source"] for film in films] == [["a"], ["b"], ["c"]]
    counts = [[len(run) for run in frames(film)] for film in films]
    assert counts == [[1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert films[0]["gold"] is None


def test_weights_that_are_no_numbers_are_zero_and_others_stay_on_the_scale() -> None:
    film = pack_probes([[probe("a b c d", weights=[[math.nan, math.inf, 1.2, -0.1]])]])[0][0]
    assert frames(film)[0][0][2] == "0000ff00"


def test_a_frame_without_words_or_without_forced_weights_is_one() -> None:
    film = pack_probes([[probe("a", target=[], weights=[])]])[0][0]
    assert frames(film)[0][0] == [7, [], "", None]


def test_words_and_weights_must_agree() -> None:
    with pytest.raises(ValueError, match=r"step 7: 1 target and 2 source .* \(1, 3\)"):
        pack_probes([[probe("a b", weights=[[1.0, 0.0, 0.0]])]])


@pytest.mark.parametrize("share", [0.9, 0.4, 0.1, 0.0])
def test_a_budget_leaves_out_checkpoints_but_never_the_first_or_the_last(share: float) -> None:
    runs = [samples.probes(steps=9, seed=seed) for seed in (1, 2)]
    whole = sum(len(film["data"]) for film in pack_probes(runs)[0])
    films, every = pack_probes(runs, budget=int(share * whole))
    assert every in (2, 4, 8, 16)
    for film in films:
        for run in frames(film):
            steps = [frame[0] for frame in run]
            assert steps == thin([100 * step for step in range(1, 10)], every)
            assert (steps[0], steps[-1]) == (100, 900)
    assert sum(len(film["data"]) for film in films) <= share * whole or every == 16


def test_explanations_keep_every_map_to_two_digits() -> None:
    records = samples.explanations(seed=3)
    for record, packed in zip(records, pack_explanations(records), strict=True):
        assert (packed["source"], packed["target"]) == (record["source"], record["target"])
        assert packed["maps"].keys() == record["maps"].keys()
        for name, digits in packed["maps"].items():
            shown = np.frombuffer(bytes.fromhex(digits), np.uint8) / 255
            assert np.allclose(shown, np.ravel(record["maps"][name]), atol=1 / 500)


def test_explanations_with_words_that_are_missing_are_refused() -> None:
    record = {"source": ["a", "</s>"], "target": ["b"], "maps": {"attention": [[0.5, 0.25, 0.25]]}}
    with pytest.raises(ValueError, match="as many rows and columns"):
        pack_explanations([record])
