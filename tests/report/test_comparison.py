"""The table of a comparison: the same numbers in four forms, each readable by what it is for."""

import csv
import io
import json
import re
from typing import Any

import numpy as np
import pytest

from nmt.evaluation.bleu_by_length import Bucket
from nmt.report.comparison import (
    Comparison,
    RunScores,
    VariantScores,
    format_csv,
    format_json,
    format_markdown,
    format_text,
)
from nmt.report.latex import format_latex
from nmt.report.significance_table import Significance, VariantPair, build_matrix

COMMAND = "nmt-compare attention=dot,additive seeds=3"
SIGNATURES = {"BLEU": "nrefs:1|tok:13a|version:2.6", "chrF2": "nrefs:1|nc:6"}


def run(seed: int, bleu: float, **more: float) -> RunScores:
    values = {"BLEU": bleu, "chrF2": bleu + 20, "TER": 50.0, "parameters": 123457, "minutes": 1.25, **more}
    return RunScores(seed, f"out/seed-{seed}", values, SIGNATURES)


def compared(*variants: VariantScores) -> Comparison:
    return Comparison(COMMAND, variants[0].label, list(variants))


FIRST = VariantScores("attention=dot", [run(1, 20.0), run(2, 21.0), run(3, 25.5)])
SECOND = VariantScores(
    "attention=additive,model.decoder.input_feeding=false",
    [run(1, 30.0), run(2, 31.0), run(3, 30.1)],
    Significance(
        8.2,
        {"bootstrap": 0.0001, "randomization": 0.0123},
        {"bootstrap": 0.0002, "randomization": 0.0246},
        {seed: {"bootstrap": 0.001, "randomization": p} for seed, p in ((1, 0.001), (2, 0.01), (3, 0.2))},
    ),
)
BOTH = compared(FIRST, SECOND)


def surely(difference: float, p_value: float) -> Significance:
    both = dict.fromkeys(("bootstrap", "randomization"), p_value)
    return Significance(difference, both, both, {1: both})


THREE = Comparison(
    COMMAND,
    "a",
    [VariantScores(label, [run(1, bleu)]) for label, bleu in (("a", 20.0), ("b|c", 21.5), ("alone", 0.0), ("d", 19.0))],
    [
        VariantPair("a", "b|c", surely(1.5, 0.012)),
        VariantPair("a", "d", surely(-1.0, 0.0004)),
        VariantPair("b|c", "d", surely(-2.5, 1.0)),
    ],
)
"""One of them can be paired with no other."""


def rows_of(table: str) -> list[list[str]]:
    """The cells of the text table: columns are two blanks or more apart."""
    return [re.split(r" {2,}", line) for line in table.split("\n\n")[0].splitlines()]


def of_csv(comparison: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(format_csv(comparison))))


@pytest.mark.parametrize("variant", [FIRST, SECOND], ids=["first", "second"])
def test_means_and_sample_deviations_are_those_of_numpy(variant: VariantScores) -> None:
    values = [found.values["BLEU"] for found in variant.runs]
    assert variant.mean("BLEU") == pytest.approx(np.mean(values))
    assert variant.std("BLEU") == pytest.approx(np.std(values, ddof=1))
    row = next(row for row in of_csv(BOTH) if row["variant"] == variant.label)
    assert float(row["bleu_mean"]) == pytest.approx(np.mean(values))
    assert float(row["bleu_std"]) == pytest.approx(np.std(values, ddof=1))


def test_text_has_a_row_for_each_variant_with_the_test_against_the_first() -> None:
    head, first, second = rows_of(format_text(BOTH))
    assert head[:7] == ["variant", "seeds", "BLEU", "difference", "p bootstrap", "p randomization", "p<0.05"]
    assert first[:7] == ["attention=dot", "3", "22.17 ± 2.93", "-", "-", "-", "-"]
    assert second[:7] == [SECOND.label, "3", "30.37 ± 0.55", "+8.20", "<0.001", "0.025", "2/3"]
    assert first[head.index("parameters")] == "123457"


def test_columns_are_straight() -> None:
    lines = format_text(BOTH).split("\n\n")[0].splitlines()
    assert len({len(line) for line in lines}) == 1
    for name in ("seeds", "BLEU", "parameters", "minutes"):  # numbers end where the word over them ends
        end = lines[0].index(name) + len(name)
        assert all(line[end - 1] != " " and line[end : end + 2].strip() == "" for line in lines)


def test_below_the_table_are_signatures_and_last_the_command() -> None:
    for table in (format_text(BOTH), format_markdown(BOTH)):
        assert f"BLEU: {SIGNATURES['BLEU']}" in table
        assert f"chrF2: {SIGNATURES['chrF2']}" in table
        assert table.endswith(f"{COMMAND}\n")


def test_signatures_that_differ_are_all_shown() -> None:
    other = RunScores(1, "out", {"BLEU": 1.0}, {"BLEU": "nrefs:1|tok:zh"})
    table = format_text(compared(FIRST, VariantScores("tok=zh", [other])))
    assert "BLEU: nrefs:1|tok:zh" in table
    assert f"BLEU: {SIGNATURES['BLEU']}" in table


def test_a_column_without_numbers_is_left_out_for_people_and_empty_for_programs() -> None:
    assert "AER" not in format_text(BOTH).split("\n\n")[0]
    assert {row["aer_mean"] for row in of_csv(BOTH)} == {""}
    with_gold = compared(VariantScores("gold", [run(1, 20.0, AER=0.25)]), FIRST)
    head, gold, first = rows_of(format_text(with_gold))
    assert gold[head.index("AER")] == "0.250"
    assert first[head.index("AER")] == "-"


def test_one_seed_has_no_deviation() -> None:
    alone = compared(VariantScores("default", [run(7, 20.0)]))
    assert rows_of(format_text(alone))[1][2] == "20.00"
    assert of_csv(alone)[0]["bleu_std"] == ""
    assert json.loads(format_json(alone))["variants"][0]["std"]["bleu"] is None


def test_failures_are_counted_and_explained() -> None:
    failed = RunScores(2, "out/bad/seed-2", failure="RuntimeError: no memory")
    comparison = compared(FIRST, VariantScores("bad", [run(1, 20.0), failed]), VariantScores("worse", [failed]))
    _, _, bad, worse = rows_of(format_text(comparison))
    assert bad[1:3] == ["1/2", "20.00"]
    assert worse[1:3] == ["0/1", "-"]
    assert "FAILED: bad seed 2: RuntimeError: no memory (out/bad/seed-2)" in format_text(comparison)
    assert [(row["seeds"], row["failed"]) for row in of_csv(comparison)] == [("3", "0"), ("1", "1"), ("0", "1")]


def test_csv_gives_a_label_with_commas_back_and_numbers_in_full() -> None:
    first, second = of_csv(BOTH)
    assert second["variant"] == SECOND.label
    assert (second["p_randomization"], second["p_randomization_adjusted"]) == ("0.0123", "0.0246")
    assert (second["p_bootstrap"], second["p_bootstrap_adjusted"]) == ("0.0001", "0.0002")
    assert (second["seeds_significant"], second["seeds_tested"]) == ("2", "3")
    assert (first["p_bootstrap"], first["bleu_difference"], first["seeds_significant"]) == ("", "", "")
    assert first["parameters"] == "123457"


def test_json_holds_every_number_of_every_run() -> None:
    found: dict[str, Any] = json.loads(format_json(BOTH))
    assert (found["command"], found["baseline"]) == (COMMAND, FIRST.label)
    for variant, given in zip(found["variants"], BOTH.variants, strict=True):
        assert [shown["values"] for shown in variant["runs"]] == [one.values for one in given.runs]
    told = found["variants"][1]["significance"]
    assert told["adjusted"] == {"bootstrap": 0.0002, "randomization": 0.0246}
    assert told["seeds"]["3"] == {"bootstrap": 0.001, "randomization": 0.2}
    assert found["variants"][0]["significance"] is None
    assert found["pairs"] == []


def test_costs_and_alignment_are_shown_where_they_were_measured() -> None:
    new = run(1, 20.0, AER=0.25, precision=0.75, recall=0.5, memory_mib=512.4, sentences_per_second=33.33)
    head, measured, old = rows_of(format_text(compared(VariantScores("new", [new]), FIRST)))
    shown = dict(zip(head, measured, strict=True))
    wanted = {"precision": "0.750", "recall": "0.500", "MiB": "512", "sentences/s": "33.3"}
    assert {name: shown[name] for name in wanted} == wanted
    assert {dict(zip(head, old, strict=True))[name] for name in wanted} == {"-"}  # a run of an older version
    assert of_csv(compared(VariantScores("new", [new])))[0]["memory_mib"] == "512"


# Each against each -------------------------------------------------------------------------------------------------


def test_the_matrix_has_the_row_less_the_column_with_p() -> None:
    table = [re.split(r" {2,}", line) for line in format_text(THREE).split("\n\n")[1].splitlines()]
    assert table == [
        ["row less column, p", "1", "2", "3"],
        ["1 a", "-", "-1.50 0.012", "+1.00 <0.001"],
        ["2 b|c", "+1.50 0.012", "-", "+2.50 1.000"],
        ["3 d", "-1.00 <0.001", "-2.50 1.000", "-"],
    ]
    assert "adjusted for 3 pairs" in format_text(THREE)
    assert "1 a" not in format_text(BOTH)  # of two, the first table says all


def test_a_matrix_is_its_own_opposite() -> None:
    labels = [variant.label for variant in THREE.variants]
    cells = build_matrix(labels, THREE.pairs)
    for i, row in enumerate(cells):
        for j, found in enumerate(row):
            assert found == (None if cells[j][i] is None else cells[j][i].opposite)


def test_markdown_has_the_matrix_as_a_second_table() -> None:
    lines = format_markdown(THREE).splitlines()
    (place,) = (number for number, line in enumerate(lines) if line.startswith("| row less"))
    assert lines[place - 1] == ""
    assert re.fullmatch(r"\| :--\s*(\|\s*--: )+\|", lines[place + 1])
    assert [line.count("|") for line in lines[place : place + 5]] == [5, 5, 5, 6, 5]  # one bar is escaped


def test_json_has_every_pair() -> None:
    found = json.loads(format_json(THREE))["pairs"]
    assert [(pair["first"], pair["other"], pair["difference"]) for pair in found] == [
        ("a", "b|c", 1.5),
        ("a", "d", -1.0),
        ("b|c", "d", -2.5),
    ]
    assert found[0]["adjusted"]["randomization"] == 0.012


# What is not tested, and what is only tested over sentences -----------------------------------------------------------

WEAK = Significance(0.07, {}, {}, {1: {}, 2: {}}, untested="BLEU 0.01 and chrF 9.0 against BLEU 0.08 and chrF 9.1")


def weak(seed: int, bleu: float) -> RunScores:
    return RunScores(seed, "out", {"BLEU": bleu, "chrF2": 9.0}, still_improving=seed == 1)


UNLEARNT = Comparison(
    COMMAND,
    "a",
    [
        VariantScores("a", [weak(1, 0.01), weak(2, 0.02)]),
        VariantScores("b", [weak(1, 0.07), weak(2, 0.09)], WEAK),
        VariantScores("c", [run(1, 20.0), run(2, 21.0)], WEAK),
    ],
    [VariantPair("a", "b", WEAK), VariantPair("a", "c", WEAK), VariantPair("b", "c", WEAK)],
)


def test_what_has_not_learnt_is_shown_without_tests_and_with_the_reason() -> None:
    for table in (format_text(UNLEARNT), format_markdown(UNLEARNT)):
        assert "<0.001" not in table
        assert "(BLEU below 1 or chrF below 15)" in table
        assert "a (BLEU 0.01 and chrF 9.0); b (BLEU 0.08 and chrF 9.0). " in table
        assert "randomization over sentences" not in table  # no word of tests that were not made
    rows = rows_of(format_text(UNLEARNT))
    assert rows[2][3:7] == ["+0.07", "-", "-", "-"]
    cells = format_text(UNLEARNT).split("\n\n")[1]
    assert re.split(r" {2,}", cells.splitlines()[1]) == ["1 a", "-", "-0.07 -", "-0.07 -"]
    row = of_csv(UNLEARNT)[1]
    assert (row["p_randomization"], row["seeds_significant"], row["untested"]) == ("", "", WEAK.untested)
    found = json.loads(format_json(UNLEARNT))
    assert found["variants"][1]["significance"]["untested"] == WEAK.untested
    assert found["pairs"][2]["p_values"] == {}


def test_runs_that_were_still_improving_are_counted() -> None:
    assert "the best checkpoint is the last one: a (1 of 2 runs), b (1 of 2 runs)." in format_text(UNLEARNT)
    assert [row["still_improving"] for row in of_csv(UNLEARNT)] == ["1", "1", "0"]
    assert "Still improving" not in format_text(BOTH)


def over_seeds(p_value: float) -> Comparison:
    p_values = {"bootstrap": 0.001, "randomization": 0.002, "seeds": p_value}
    second = VariantScores("b", [run(1, 21.0), run(2, 23.0)], Significance(2.0, p_values, p_values, {1: {}, 2: {}}))
    pairs = [VariantPair("a", "b", surely(1.0, 0.5)._replace(p_values=p_values, adjusted=p_values))]
    return Comparison(COMMAND, "a", [VariantScores("a", [run(1, 20.0), run(2, 20.0)]), second], pairs)


def test_the_test_over_seeds_has_a_column_and_its_doubt_is_marked() -> None:
    head, first, second = rows_of(format_text(over_seeds(0.3)))
    assert head[4:7] == ["p bootstrap", "p randomization", "p seeds"]
    assert first[4:7] == ["-", "-", "-"]
    assert second[4:7] == ["0.001", "0.002†", "0.300"]
    assert "† the models differ" in format_text(over_seeds(0.3)).replace("†:", "†")
    assert "†" not in format_text(over_seeds(0.03))
    row = of_csv(over_seeds(0.3))[1]
    assert (row["p_seeds"], row["p_seeds_adjusted"]) == ("0.3", "0.3")


def test_with_one_seed_it_is_said_that_there_is_no_test_over_seeds() -> None:
    assert "p seeds: no test" in format_text(THREE)
    assert "p seeds" not in format_text(THREE).split("\n\n")[0]


# By length ---------------------------------------------------------------------------------------------------------


def test_json_has_bleu_by_length_over_seeds_that_were_scored_on_the_same_sentences() -> None:
    def measured(seed: int, *buckets: Bucket) -> RunScores:
        return RunScores(seed, "out", {"BLEU": 1.0}, lengths=list(buckets))

    one = measured(1, Bucket(1, 4, 7, 30.0), Bucket(5, 9, 5, 20.0))
    two = measured(2, Bucket(1, 4, 7, 32.0), Bucket(5, 9, 5, 21.0))
    other = measured(3, Bucket(1, 9, 12, 99.0))
    told = json.loads(
        format_json(compared(VariantScores("a", [one, two, other, run(4, 1.0)]), VariantScores("b", [run(1, 2.0)])))
    )
    first, second = (variant["lengths"] for variant in told["variants"])
    assert first == [
        {"from": 1, "to": 4, "sentences": 7, "bleu": 31.0, "std": pytest.approx(np.std([30, 32], ddof=1))},
        {"from": 5, "to": 9, "sentences": 5, "bleu": 20.5, "std": pytest.approx(np.std([20, 21], ddof=1))},
    ]
    assert second == []
    assert told["variants"][0]["runs"][2]["lengths"] == [{"from": 1, "to": 9, "sentences": 12, "bleu": 99.0}]


def test_markdown_is_one_table_with_bars_in_cells_escaped() -> None:
    comparison = compared(VariantScores("a|b", [run(1, 20.0)]), FIRST)
    lines = [line for line in format_markdown(comparison).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(comparison.variants)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert re.fullmatch(r"\| :--\s*(\|\s*--: )+\|", lines[1])
    assert "a\\|b" in lines[2]


def test_faithfulness_is_a_table_of_its_own_with_means_over_seeds() -> None:
    measured = [
        run(seed, 20.0, **{"faithfulness.flips": 0.5 + seed / 10, "faithfulness.permuted_1": 0.25}) for seed in (1, 2)
    ]
    shown = compared(VariantScores("x", measured), FIRST)
    text = format_text(shown)
    assert re.search(r"^ *faithfulness +flips *$", text, re.MULTILINE)
    assert re.search(r"^ *x +0\.650 ± 0\.071 *$", text, re.MULTILINE)
    assert "flips, share of target pieces" in text
    first, other = json.loads(format_json(shown))["variants"]
    assert first["mean"]["faithfulness_flips"] == pytest.approx(0.65)
    assert first["mean"]["faithfulness_permuted_1"] == 0.25
    assert first["std"]["faithfulness_permuted_1"] == 0.0
    assert other["mean"]["faithfulness_flips"] is None
    rows = list(csv.DictReader(io.StringIO(format_csv(shown))))
    assert float(rows[0]["faithfulness_flips_mean"]) == pytest.approx(0.65)
    assert rows[1]["faithfulness_flips_mean"] == ""
    assert "tab:faithfulness" in format_latex(shown)
    for none in (format_text(BOTH), format_latex(BOTH)):
        assert "faithfulness" not in none
