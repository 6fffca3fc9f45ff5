"""Does attention explain the translation? Measures of what happens when the words that it names are taken away.

All are about the model's own translations, which it is made to produce again: a mean over target positions (pieces, EOS
counted), then over sentences. `docs/measures.md` tells what each can show, and what it cannot.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from nmt.data.sources.reader import SourceItem
from nmt.errors import ConfigError
from nmt.evaluation.forced import ForcedPair, Predicted, predict
from nmt.evaluation.importance import (
    AnyImportance,
    Erasure,
    Importance,
    compute_gradients,
    erase_from_input,
    erase_from_memory,
)
from nmt.evaluation.permutation import measure_permuted, permute_weights
from nmt.model.seq2seq import Seq2Seq
from nmt.translation.translator import force_decode

Words = frozenset[int]

RANDOM_DRAWS = 5
"""Random choices of words for each sentence."""

SEED = 1
"""Of random words, the same always."""


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What is measured of a finished run, beside its scores.

    faithfulness: whether attention explains its translations. sentences: of the validation set, from its start. words:
    how many source words are taken away, or kept. permutations: of the weights of each target position.
    """

    faithfulness: bool = False
    sentences: int = 200
    words: int = 2
    permutations: int = 100

    def __post_init__(self) -> None:
        for name in ("sentences", "words", "permutations"):
            if getattr(self, name) < 1:
                raise ConfigError(f"measures.{name} must be at least 1; got {getattr(self, name)}.")


class Explanations(NamedTuple):
    """Attention weights and importances of one pair, all between target positions and source words."""

    attention: AnyImportance
    gradient: AnyImportance
    erase_input: AnyImportance
    erase_memory: AnyImportance


class Faithfulness(NamedTuple):
    """values: measure -> number, those without anything to measure left out; explanations: of every pair."""

    values: dict[str, float]
    explanations: list[Explanations]


def compute_faithfulness(
    model: Seq2Seq, pairs: Sequence[ForcedPair], settings: Measures, *, tokens: int = 4096
) -> Faithfulness:
    """Every measure of a model with attention for pairs of sources and its own translations."""
    pieces = force_decode(model, [(pair.source, pair.target) for pair in pairs], position="predicted", tokens=tokens)
    attention = [pair.sum_words(weights.astype(np.float64)) for pair, weights in zip(pairs, pieces, strict=True)]
    gradient = compute_gradients(model, pairs, tokens=tokens)
    by_input, by_memory = (erase(model, pairs, tokens=tokens) for erase in (erase_from_input, erase_from_memory))
    values = measure_flips(pairs, attention, by_input) | measure_flips(pairs, attention, by_memory, suffix="_memory")
    rankings = {"": attention, "_gradient": gradient}
    values |= measure_removals(model, pairs, rankings, words=settings.words, tokens=tokens)
    largest = [weights.max(-1, initial=0.0) for weights in pieces]
    distances = permute_weights(model, pairs, permutations=settings.permutations, tokens=tokens)
    values |= measure_permuted(distances, largest)
    maps = {
        "gradient": gradient,
        "erase_input": [each.importance for each in by_input],
        "erase_memory": [each.importance for each in by_memory],
    }
    for name, others in maps.items():
        values |= name_value(f"agreement_{name}", map(measure_agreement, attention, others))
    return Faithfulness(values, [Explanations(*each) for each in zip(attention, *maps.values(), strict=True)])


def name_value(name: str, sentences: Iterable[float | None]) -> dict[str, float]:
    """The mean over the sentences that have a number, by its name; nothing where none has."""
    found = [value for value in sentences if value is not None]
    return {name: float(np.mean(found))} if found else {}


# Flips ----------------------------------------------------------------------------------------------------------------


def measure_flips(
    pairs: Sequence[ForcedPair], rankings: Sequence[AnyImportance], erasures: Sequence[Erasure], *, suffix: str = ""
) -> dict[str, float]:
    """`flips`: the share of target positions whose best piece changes without the most important source word

    (Serrano and Smith 2019, who ask it of classifiers.) `flips_random` is the same for any other word, the mean over
    all of them. `suffix` follows `flips`. A sentence without words has no other word, and is left out.
    """
    named_shares, other_shares = list[float](), list[float]()
    for pair, ranking, erasure in zip(pairs, rankings, erasures, strict=True):
        words = pair.erasable
        if len(words) < 2:
            continue
        flips = erasure.flips[:, words].astype(np.float64)
        first = ranking[:, words].argmax(-1)
        named = flips[np.arange(len(flips)), first]
        named_shares.append(float(named.mean()))
        other_shares.append(float(((flips.sum(-1) - named) / (len(words) - 1)).mean()))
    return name_value(f"flips{suffix}", named_shares) | name_value(f"flips{suffix}_random", other_shares)


# Words that are taken away, or kept -----------------------------------------------------------------------------------


def measure_removals(
    model: Seq2Seq,
    pairs: Sequence[ForcedPair],
    rankings: Mapping[str, Sequence[AnyImportance]],
    *,
    words: int,
    tokens: int,
) -> dict[str, float]:
    """`comprehensiveness` = p_t(y_t | x) - p_t(y_t | x without the k most important words), high for good reasons, and
    `sufficiency` = p_t(y_t | x) - p_t(y_t | only these words), low for good reasons   (DeYoung et al. 2020)

    k is `words`. For each ranking, whose key ends the name, and `_random`: the mean of five draws of k words. The
    encoder never sees what is taken away; EOS stays where other words are kept.
    """
    draw = np.random.default_rng(SEED)
    choices: dict[str, list[list[list[Words]]]] = {
        key: [[choose_first(pair, ranking, words)] for pair, ranking in zip(pairs, found, strict=True)]
        for key, found in rankings.items()
    }
    choices["_random"] = [draw_words(pair, words, draw) for pair in pairs]
    forms: dict[str, Callable[[ForcedPair, Words], SourceItem]] = {
        "comprehensiveness": ForcedPair.erase,
        "sufficiency": ForcedPair.keep_only,
    }
    values: dict[str, float] = {}
    needed = {(number, w) for found in choices.values() for number, ds in enumerate(found) for d in ds for w in d}
    ordered = sorted(needed, key=lambda row: (row[0], sorted(row[1])))
    for name, form in forms.items():
        predicted = predict_changed(model, pairs, ordered, form, tokens)
        for key, found in choices.items():
            drops = (measure_drop(predicted, number, draws) for number, draws in enumerate(found))
            values |= name_value(f"{name}{key}", drops)
    return values


def choose_first(pair: ForcedPair, ranking: Importance, count: int) -> list[Words]:
    """The words with the highest importance at each target position; of equal ones the first."""
    words = np.array(pair.erasable)
    order = np.argsort(-ranking[:, words], axis=-1, kind="stable")[:, :count]
    return [frozenset(words[row].tolist()) for row in order]


def draw_words(pair: ForcedPair, count: int, draw: np.random.Generator) -> list[list[Words]]:
    """Draws of so many words, each the same for all target positions."""
    words = np.array(pair.erasable)
    drawn = [draw.choice(words, min(count, len(words)), replace=False) for _ in range(RANDOM_DRAWS)]
    return [[frozenset(each.tolist())] * len(pair.output) for each in drawn]


WHOLE: Words = frozenset({-1})
"""The choice of a word that no sentence has: the source as it is, where it is taken away."""


def predict_changed(
    model: Seq2Seq,
    pairs: Sequence[ForcedPair],
    needed: Sequence[tuple[int, Words]],
    form: Callable[[ForcedPair, Words], SourceItem],
    tokens: int,
) -> dict[tuple[int, Words], Float[ndarray, " _"]]:
    """The probability of each given piece, for sources that are changed in these ways, and for whole ones."""
    rows = [(number, WHOLE) for number in range(len(pairs))] + list(needed)
    sources = [(pairs[n].erase(w) if w == WHOLE else form(pairs[n], w)) for n, w in rows]
    outputs = [pairs[number].output for number, _ in rows]
    found: list[Predicted] = predict(model, sources, outputs, tokens=tokens, doing="leaving words out")
    return {row: np.exp(each.log_prob) for row, each in zip(rows, found, strict=True)}


def measure_drop(
    predicted: Mapping[tuple[int, Words], Float[ndarray, " _"]], number: int, draws: Sequence[Sequence[Words]]
) -> float:
    """How much less probable the pieces of a sentence are, the mean over target positions and draws."""
    whole = predicted[number, WHOLE]
    drops = [whole[t] - predicted[number, chosen][t] for draw in draws for t, chosen in enumerate(draw)]
    return float(np.mean(drops))


# Order of words -------------------------------------------------------------------------------------------------------


def measure_agreement(first: Importance, other: Importance) -> float | None:
    """Kendall's tau-b of attention and the size of an importance, of either sign: the mean over the target positions
    that have one."""
    taus = (compute_kendall(row, np.abs(others)) for row, others in zip(first, other, strict=True))
    found = [tau for tau in taus if tau is not None]
    return float(np.mean(found)) if found else None


def compute_kendall(first: Float[ndarray, " word"], other: Float[ndarray, " word"]) -> float | None:
    """tau-b = (C - D) / sqrt((n - ties of the first) (n - ties of the other)) over the n pairs of words

    C pairs are in the same order and D in the opposite one   (Kendall 1945). None where all words of a side are tied.
    """
    one, two = (np.sign(values[:, None] - values[None, :]) for values in (first, other))
    decided = np.abs(one).sum() * np.abs(two).sum()
    return float((one * two).sum() / np.sqrt(decided)) if decided > 0 else None
