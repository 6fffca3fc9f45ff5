"""Which sentences are worth reading: those that are translated worst, and those that two systems translate most
differently."""

from collections.abc import Sequence

from nmt.evaluation.bleu import check_lines


def sentence_chrf(hypotheses: Sequence[str], references: Sequence[str]) -> list[float]:
    """chrF2 of every line by itself, in percent   (Popovic 2015). A line whose two sides are both empty has 100.

    Raises DataError as `bleu` does.
    """
    from sacrebleu.metrics.chrf import CHRF

    check_lines(hypotheses, references)
    metric = CHRF()
    pairs = zip(map(str.strip, hypotheses), map(str.strip, references), strict=True)
    return [100.0 if h == r == "" else float(metric.sentence_score(h, [r]).score) for h, r in pairs]


def find_worst(scores: Sequence[float], *, count: int) -> list[int]:
    """The places of the lowest scores, the lowest first; of equal ones the first line first."""
    return sorted(range(len(scores)), key=lambda place: (scores[place], place))[:count]


def find_furthest(first: Sequence[float], other: Sequence[float], *, count: int) -> list[int]:
    """The places where two systems' scores differ most, the greatest difference first; none where they are equal."""
    apart = [abs(a - b) for a, b in zip(first, other, strict=True)]
    order = sorted(range(len(apart)), key=lambda place: (-apart[place], place))
    return [place for place in order[:count] if apart[place] > 0]
