"""The aligner is expectation maximization over all alignments, and links what an independent aligner links."""

import itertools
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import torch

from nmt.data import alignment_model, lexicon, word_aligner
from nmt.data.alignment_model import Direction, measure_distances
from nmt.data.encoded import RaggedIds
from nmt.data.pair_cells import PairCells
from nmt.data.symmetrization import symmetrize
from nmt.data.word_aligner import WordAligner
from nmt.data.word_ids import WordIds, normalize_word

PAIRS = [
    (["a", "b", "c"], ["x", "y", "z"]),
    (["b", "a"], ["y", "x", "x"]),
    (["c"], ["z", "y"]),
    (["a", "c", "c"], ["x"]),
    (["b", "a"], ["x", "y", "z"]),
]
NULL, TENSION = alignment_model.NULL_PROBABILITY, 2.5

Table = dict[tuple[str, str], float]


def join_sides(pairs: list[tuple[list[str], list[str]]]) -> tuple[list[str], list[str]]:
    return [" ".join(source) for source, _ in pairs], [" ".join(target) for _, target in pairs]


def enumerate_counts(
    pairs: list[tuple[list[str], list[str]]], table: Table, tension: float
) -> tuple[Table, float, float]:
    """Expected links over every alignment of every pair, their distances, and the log-likelihood."""
    counts, distance, likelihood = defaultdict[tuple[str, str], float](float), 0.0, 0.0
    for given, generated in pairs:
        total, found = 0.0, []
        for alignment in itertools.product(range(-1, len(given)), repeat=len(generated)):
            probability, length = 1.0, 0.0
            for j, i in enumerate(alignment):
                gaps = [abs((k + 1) / len(given) - (j + 1) / len(generated)) for k in range(len(given))]
                if i < 0:
                    probability *= NULL * table["", generated[j]]
                else:
                    weight = math.exp(-tension * gaps[i]) / sum(math.exp(-tension * gap) for gap in gaps)
                    probability *= (1 - NULL) * weight * table[given[i], generated[j]]
                    length += gaps[i]
            total += probability
            found.append((alignment, probability, length))
        for alignment, probability, length in found:
            distance += probability / total * length
            for j, i in enumerate(alignment):
                counts["" if i < 0 else given[i], generated[j]] += probability / total
        likelihood += math.log(total)
    return counts, distance, likelihood


def digamma(value: float) -> float:
    return float(torch.tensor(value, dtype=torch.float64).digamma())


def maximize(counts: Table, alpha: float) -> Table:
    found: Table = {}
    for given in {given for given, _ in counts}:
        row = {word: count for (each, word), count in counts.items() if each == given}
        total = sum(row.values())
        for word, count in row.items():
            found[given, word] = (
                math.exp(digamma(count + alpha) - digamma(total + alpha * len(row))) if alpha else count / total
            )
    return found


def start(pairs: list[tuple[list[str], list[str]]], *, transposed: bool) -> tuple[WordAligner, PairCells, Direction]:
    """An untrained direction over these pairs."""
    aligner = WordAligner(["a"], ["x"])
    aligner.source_ids, aligner.target_ids = WordIds(), WordIds()
    source, target = join_sides(pairs)
    sides = aligner.source_ids.encode(source), aligner.target_ids.encode(target)
    kinds, cells = aligner._count_cells(*sides)
    sizes = len(aligner.source_ids.normalized), len(aligner.target_ids.normalized)
    given, generated = np.divmod(kinds, sizes[1] + 1)[transposed], sizes[not transposed]
    direction = aligner._start(given, generated, transposed=transposed)
    direction.tension = TENSION
    aligner.kinds = kinds
    return aligner, cells, direction


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("alpha", [0.0, 0.01])
def test_an_iteration_is_that_over_all_alignments(transposed: bool, alpha: float) -> None:
    aligner, cells, direction = start(PAIRS, transposed=transposed)
    ordered = [pair[::-1] for pair in PAIRS] if transposed else PAIRS
    table: Table = defaultdict(lambda: 1.0)
    tension = TENSION
    for _ in range(3):
        counts, distance, likelihood = enumerate_counts(ordered, table, tension)
        direction.expect(cells)
        assert direction.log_likelihood == pytest.approx(likelihood)
        assert sum(shape.distance for shape in direction.shapes.values()) == pytest.approx(distance)
        table = maximize(counts, alpha)
        direction.maximize(alpha, optimize_tension=True)
        tension = direction.tension
        words = [list(ids.normalized) for ids in (aligner.source_ids, aligner.target_ids)]
        for kind, probability in zip(aligner.kinds.tolist(), direction.probability, strict=False):
            source, target = divmod(kind, len(words[1]) + 1)
            key = words[0][source], words[1][target]
            assert probability == pytest.approx(table[key[::-1] if transposed else key])
        for number, word in enumerate(words[not transposed]):
            assert direction.null[number] == pytest.approx(table["", word])


def test_the_tension_makes_expected_links_most_probable() -> None:
    _, cells, direction = start(PAIRS, transposed=False)
    direction.expect(cells)

    def compute_log_probability(tension: float) -> float:
        total = 0.0
        for (given, generated), shape in direction.shapes.items():
            normalizer = np.log(np.exp(-tension * measure_distances(given, generated)).sum(1))
            total -= tension * shape.distance + float(shape.links @ normalizer)
        return total

    tensions = np.linspace(alignment_model.MIN_TENSION, alignment_model.MAX_TENSION, 2000)
    best = tensions[np.argmax([compute_log_probability(tension) for tension in tensions])]
    assert direction.find_tension() == pytest.approx(best, abs=0.01)


def draw_text(pairs: int) -> tuple[list[str], list[str]]:
    """A language and its translation word by word, in a nearby order, with some words left out."""
    draw = np.random.default_rng(5)
    source, target = [], []
    for _ in range(pairs):
        words = draw.zipf(1.5, draw.integers(1, 9)) % 40
        order = np.argsort(np.arange(len(words)) + draw.uniform(0, 2, len(words)))
        kept = [word for word in order if draw.random() < 0.9]
        source.append(" ".join(f"s{word}" for word in words))
        target.append(" ".join(f"t{words[place]}" for place in kept))
    return source, target


@pytest.mark.parametrize("transposed", [False, True])
def test_the_likelihood_never_falls_without_a_prior(transposed: bool) -> None:
    source, target = draw_text(60)
    pairs = [(s.split(), t.split()) for s, t in zip(source, target, strict=True)]
    _, cells, direction = start(pairs, transposed=transposed)
    values = []
    for _ in range(12):
        direction.expect(cells)
        direction.maximize(0.0, optimize_tension=True)
        values.append(direction.log_likelihood)
    # The first is that of translation probabilities that do not sum to one.
    assert all(after >= before - 1e-9 * abs(before) for before, after in itertools.pairwise(values[1:]))
    assert values[-1] > values[1] + 10


def test_blocks_and_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    text = draw_text(40)
    whole = WordAligner(*text)
    links, weights = whole.align(*text), whole.compute_weights(*text)
    monkeypatch.setattr(lexicon, "BLOCK_CELLS", 50)
    monkeypatch.setattr(word_aligner, "CHUNK_CELLS", 100)
    parts = WordAligner(*text)
    for one, other in zip(parts.align(*text), links, strict=True):
        assert one.flat.tolist() == other.flat.tolist()
    for mine, theirs in zip(parts.compute_weights(*text), weights, strict=True):
        assert np.allclose(mine, theirs)


def test_links_are_the_largest_weights() -> None:
    text = draw_text(40)
    aligner = WordAligner(*text)
    links = aligner.align(*text)
    for reverse, found in ((False, links.forward), (True, links.backward)):
        for place, weights in enumerate(aligner.compute_weights(*text, reverse=reverse)):
            wanted = [int(row.argmax()) if row.any() else -1 for row in weights]
            assert found.get_sentence(place) == wanted


def test_of_a_large_text_some_pairs_are_learnt_from_and_all_are_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    text = draw_text(60)
    monkeypatch.setattr(word_aligner, "MAX_CELLS", 500)
    aligner = WordAligner(*text)
    links = aligner.align(*text)
    assert links.forward.lengths.tolist() == [len(line.split()) for line in text[1]]
    aligned = (links.forward.flat >= 0).mean()
    assert aligned > 0.6
    new = aligner.align(["unmet s1"], ["t1 unmet"])
    assert new.forward.get_sentence(0)[0] == 1


@pytest.mark.parametrize("sides", [([], []), (["", "a"], ["x", ""]), ([""], [""])])
def test_text_without_pairs_has_no_links(sides: tuple[list[str], list[str]]) -> None:
    links = WordAligner(*sides).align(*sides)
    assert isinstance(links.forward, RaggedIds)
    assert links.forward.flat.tolist() == [-1] * sum(len(line.split()) for line in sides[1])


def test_case_and_punctuation_at_the_ends_are_no_part_of_a_word() -> None:
    assert [normalize_word(word) for word in ("Haus.", "«L'eau»", "...", "a-b", "Ärzte,")] == [
        *("haus", "l'eau", "...", "a-b", "ärzte"),
    ]


def test_links_are_about_those_of_another_aligner(tmp_path: Path) -> None:
    """fast_align itself, on the same pairs of the embedded corpus and against its gold links."""
    systran_align = pytest.importorskip("systran_align")
    from nmt.data.pharaoh import parse_pharaoh
    from nmt.data.synthetic import Grammar
    from nmt.evaluation.alignment import score_alignments

    text = Grammar(train=1500, validation=1, test=1).load("train")
    sides = [[" ".join(map(normalize_word, line.split())) for line in side] for side in text[:2]]
    gold = parse_pharaoh(text.alignments or (), name="gold")
    file, forward, backward = (tmp_path / name for name in ("text", "forward", "backward"))
    file.write_text("".join(f"{s} ||| {t}\n" for s, t in zip(*sides, strict=True)))
    settings = {"favor_diagonal": True, "optimize_tension": True, "variational_bayes": True}
    systran_align.generate_alignment_probabilities(str(file), str(forward), str(backward), **settings)
    found = systran_align.Aligner(str(forward), str(backward)).align_batch(
        *([s.split() for s in side] for side in sides)
    )
    theirs = score_alignments([set(map(tuple, each["alignments"])) for each in found], gold)
    aligner = WordAligner(*sides)
    links = aligner.align(*sides)
    pairs = [
        symmetrize(
            {(i, j) for j, i in enumerate(links.forward.get_sentence(place)) if i >= 0},
            {(i, j) for i, j in enumerate(links.backward.get_sentence(place)) if j >= 0},
            "grow_diag_final_and",
        )
        for place in range(len(gold))
    ]
    assert score_alignments(pairs, gold).aer <= theirs.aer + 0.01
