"""Diverse beam search against a plain beam, and against loops over lists."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from nmt.errors import ConfigError
from nmt.search.beam import Beam
from nmt.search.diverse import DiverseBeam
from nmt.special_tokens import EOS, UNK

SETTINGS: list[dict[str, Any]] = [
    {"length_penalty": "none"},
    {"length_penalty": "power", "alpha": 0.8, "stopping": "exact", "no_repeat_ngram": 2},
    {"length_penalty": "average", "coverage": 0.4, "min_ratio": 0.7},
]
EVERY = pytest.mark.parametrize("settings", SETTINGS, ids=str)


def summed(found: Any) -> list[list[Any]]:
    """All hypotheses without their weights."""
    return [[hypothesis[:3] for hypothesis in hypotheses] for hypotheses in found]


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_one_group_is_a_plain_beam(
    settings: dict[str, Any], seed: int, toy: Callable[..., Any], lengths_of: Any
) -> None:
    made = toy(seed, vocab=11, lengths=lengths_of(seed), sharpness=2.5)
    plain = made.search(Beam(size=4, nbest=3, **settings))
    assert summed(made.search(DiverseBeam(size=4, nbest=3, groups=1, diversity=2.0, **settings))) == summed(plain)


@EVERY
@pytest.mark.parametrize("seed", range(3))
def test_without_diversity_every_group_is_a_plain_beam_of_its_size(
    settings: dict[str, Any], seed: int, toy: Callable[..., Any], lengths_of: Any
) -> None:
    made = toy(seed, vocab=11, lengths=lengths_of(seed), sharpness=2.5)
    plain = made.search(Beam(size=2, nbest=2, **settings))
    assert summed(made.search(DiverseBeam(size=6, nbest=6, groups=3, diversity=0.0, **settings))) == summed(plain)


def diverse_by_hand(toy: Any, sentence: int, most: int, *, groups: int, size: int, diversity: float) -> set[Any]:
    """What groups of `size` without a length penalty finish within `most` tokens, as loops over lists."""
    live: list[list[tuple[float, list[int]]]] = [[(0.0, [])] for _ in range(groups)]
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(groups)]
    done = [False] * groups
    for length in range(most + 1):
        taken: Counter[int] = Counter()
        for group in range(groups):
            if done[group]:
                continue
            grown = [
                (log_prob + step, [*tokens, token])
                for log_prob, tokens in live[group]
                for token, step in enumerate(toy.after(sentence, tokens)[0])
                if token == EOS or (length < most and (token > EOS or token == UNK))
            ]
            grown.sort(key=lambda one: -(one[0] - diversity * (taken[one[1][-1]] if one[1][-1] != EOS else 0)))
            ended[group] += [(log_prob, t[:-1]) for log_prob, t in grown[:size] if t[-1] == EOS]
            ended[group] = sorted(ended[group], reverse=True)[:size]
            live[group] = [one for one in grown if one[1][-1] != EOS][:size]
            best = max((log_prob for log_prob, _ in live[group]), default=-math.inf)
            done[group] = len(ended[group]) == size and best <= ended[group][-1][0]
            if not done[group]:
                taken.update(tokens[-1] for _, tokens in live[group])
    return {(round(log_prob, 3), *tokens) for group in ended for log_prob, tokens in group}


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("diversity", [0.3, 5.0])
def test_groups_find_what_plain_loops_find(seed: int, diversity: float, toy: Callable[..., Any]) -> None:
    made = toy(seed, vocab=11, lengths=(3, 1, 4), sharpness=2.5)
    search = DiverseBeam(size=6, nbest=6, groups=3, diversity=diversity, length_penalty="none", max_extra=4)
    for sentence, found in enumerate(made.search(search)):
        most = math.floor(2 * (int(made.lengths[sentence]) - 1) + 4)
        expected = diverse_by_hand(made, sentence, most, groups=3, size=2, diversity=diversity)
        assert {(round(one.log_prob, 3), *one.tokens) for one in found} == expected
        assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)


def test_of_every_group_the_best_is_kept_before_any_second(toy: Callable[..., Any]) -> None:
    made = toy(3, vocab=23, lengths=(4, 6), sharpness=1.0)
    plain = made.search(Beam(size=4, nbest=2, min_ratio=0.5))
    diverse = made.search(DiverseBeam(size=8, groups=2, nbest=2, diversity=9.0, min_ratio=0.5))
    for one, (first, second) in zip(plain, diverse, strict=True):
        assert one[0].tokens in (first.tokens, second.tokens)  # the first group has nobody to avoid
        assert first.tokens[:1] != second.tokens[:1]


@pytest.mark.parametrize(
    "wrong", [{"groups": 0}, {"size": 5, "groups": 2}, {"diversity": -0.1}, {"diversity": math.inf}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=list(wrong)[-1]):
        DiverseBeam(**wrong)
