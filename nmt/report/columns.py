"""Which numbers of a run stand in the tables of a comparison, and what they are called."""

import itertools
from typing import NamedTuple


class Column(NamedTuple):
    """A number of every run: its name among `values`, for people and in CSV, its digits, and whether it varies."""

    name: str
    head: str
    key: str
    digits: int
    spread: bool
    note: str = ""


BLEU_COLUMN = Column("BLEU", "BLEU", "bleu", 2, True)
TABLE_COLUMNS = (
    Column("chrF2", "chrF2", "chrf2", 2, True),
    Column("perplexity", "perplexity", "perplexity", 2, True),
    Column("AER", "AER", "aer", 3, True),
    Column("precision", "precision", "precision", 3, True),
    Column("recall", "recall", "recall", 3, True),
    Column("pointing", "pointing", "pointing", 3, True),
    Column("lagging", "lagging", "lagging", 2, True),
    Column("parameters", "parameters", "parameters", 0, False),
    Column("tokens_per_second", "tokens/s", "tokens_per_second", 0, False),
    Column("minutes", "minutes", "minutes", 1, False),
    Column("memory_mib", "MiB", "memory_mib", 0, False),
    Column("sentences_per_second", "sentences/s", "sentences_per_second", 1, False),
)
"""What people are shown beside BLEU; a column that no run has a number for is left out."""


def make_faithfulness_column(name: str, head: str, note: str = "") -> Column:
    """The column of a measure of faithfulness."""
    return Column(f"faithfulness.{name}", head, f"faithfulness_{name}", 3, True, note)


FAITHFULNESS_COLUMNS = (
    make_faithfulness_column(
        "flips", "flips", "share of target pieces for which another is the best without the most attended source word"
    ),
    make_faithfulness_column("flips_random", "flips, other", "the same without any other word"),
    make_faithfulness_column(
        "comprehensiveness", "compr.", "how much probability a piece loses without the most attended words"
    ),
    make_faithfulness_column(
        "comprehensiveness_gradient", "compr., gradient", "the same for the words of highest gradient"
    ),
    make_faithfulness_column("comprehensiveness_random", "compr., random", "the same for random words"),
    make_faithfulness_column(
        "sufficiency", "suff.", "how much it loses with these words alone: less is better for an explanation"
    ),
    make_faithfulness_column("sufficiency_gradient", "suff., gradient", "the same for the words of highest gradient"),
    make_faithfulness_column("sufficiency_random", "suff., random", "the same for random words"),
    make_faithfulness_column(
        "permuted", "permuted", "how far the distribution moves when the weights of its step are permuted, 0 to 1"
    ),
    make_faithfulness_column("agreement_gradient", "tau gradient", "Kendall's tau-b of attention and gradient"),
    make_faithfulness_column("agreement_erase_input", "tau erasure", "Kendall's tau-b of attention and erasure"),
)
"""Whether attention explains translations: a table of its own, shown where a run has these numbers."""

FURTHER_FAITHFULNESS_COLUMNS = (
    make_faithfulness_column(
        "flips_memory", "flips, memory", "flips where attention alone does not see the word, which the encoder has read"
    ),
    make_faithfulness_column("flips_memory_random", "flips, other, memory", "the same for any other word"),
    make_faithfulness_column(
        "agreement_erase_memory", "tau erasure, memory", "Kendall's tau-b of attention and erasure from the memory"
    ),
    *(
        make_faithfulness_column(
            f"permuted_{end}",
            f"permuted, up to {end}",
            f"permuted over the pieces whose largest weight is above {start} and at most {end}",
        )
        for start, end in itertools.pairwise(("0", "0.25", "0.5", "0.75", "1"))
    ),
)
"""Those that the report of a run has besides."""

EXTRA_COLUMNS = (
    Column("TER", "TER", "ter", 2, True),
    Column("literature BLEU", "literature BLEU", "literature_bleu", 2, True),
    *FAITHFULNESS_COLUMNS,
    *FURTHER_FAITHFULNESS_COLUMNS,
)
"""What only programs are given with the scores."""
