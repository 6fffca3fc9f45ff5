"""The table of a comparison: the same numbers in four forms, each readable by what it is for."""

import csv
import io
import json
import re
from typing import Any

import numpy as np
import pytest

from nmt.report.comparison import Comparison, Run, Significance, Variant, csv_table, json_table, markdown, text

COMMAND = "nmt-compare attention=dot,additive seeds=3"
SIGNATURES = {"BLEU": "nrefs:1|tok:13a|version:2.6", "chrF2": "nrefs:1|nc:6"}


def run(seed: int, bleu: float, **more: float) -> Run:
    values = {"BLEU": bleu, "chrF2": bleu + 20, "TER": 50.0, "parameters": 123457, "minutes": 1.25, **more}
    return Run(seed, f"out/seed-{seed}", values, SIGNATURES)


def compared(*variants: Variant) -> Comparison:
    return Comparison(COMMAND, variants[0].label, list(variants))


FIRST = Variant("attention=dot", [run(1, 20.0), run(2, 21.0), run(3, 25.5)])
SECOND = Variant(
    "attention=additive,model.decoder.input_feeding=false",
    [run(1, 30.0), run(2, 31.0), run(3, 30.1)],
    Significance(8.2, 0.0123, {1: 0.001, 2: 0.01, 3: 0.2}),
)
BOTH = compared(FIRST, SECOND)


def rows_of(table: str) -> list[list[str]]:
    """The cells of the text table: columns are two blanks or more apart."""
    return [re.split(r" {2,}", line) for line in table.split("\n\n")[0].splitlines()]


def of_csv(comparison: Comparison) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(csv_table(comparison))))


@pytest.mark.parametrize("variant", [FIRST, SECOND], ids=["first", "second"])
def test_means_and_sample_deviations_are_those_of_numpy(variant: Variant) -> None:
    values = [found.values["BLEU"] for found in variant.runs]
    assert variant.mean("BLEU") == pytest.approx(np.mean(values))
    assert variant.deviation("BLEU") == pytest.approx(np.std(values, ddof=1))
    row = next(row for row in of_csv(BOTH) if row["variant"] == variant.label)
    assert float(row["bleu_mean"]) == pytest.approx(np.mean(values))
    assert float(row["bleu_std"]) == pytest.approx(np.std(values, ddof=1))


def test_text_has_a_row_for_each_variant_with_the_test_against_the_first() -> None:
    head, first, second = rows_of(text(BOTH))
    assert head[:6] == ["variant", "seeds", "BLEU", "difference", "p", "p<0.05"]
    assert first[:6] == ["attention=dot", "3", "22.17 ± 2.93", "-", "-", "-"]
    assert second[:6] == [SECOND.label, "3", "30.37 ± 0.55", "+8.20", "0.012", "2/3"]
    assert first[head.index("parameters")] == "123457"


def test_columns_are_straight() -> None:
    lines = text(BOTH).split("\n\n")[0].splitlines()
    assert len({len(line) for line in lines}) == 1
    for name in ("seeds", "BLEU", "parameters", "minutes"):  # numbers end where the word over them ends
        end = lines[0].index(name) + len(name)
        assert all(line[end - 1] != " " and line[end : end + 2].strip() == "" for line in lines)


def test_below_the_table_are_signatures_and_last_the_command() -> None:
    for table in (text(BOTH), markdown(BOTH)):
        assert f"BLEU: {SIGNATURES['BLEU']}" in table
        assert f"chrF2: {SIGNATURES['chrF2']}" in table
        assert table.endswith(f"{COMMAND}\n")


def test_signatures_that_differ_are_all_shown() -> None:
    other = Run(1, "out", {"BLEU": 1.0}, {"BLEU": "nrefs:1|tok:zh"})
    table = text(compared(FIRST, Variant("tok=zh", [other])))
    assert "BLEU: nrefs:1|tok:zh" in table
    assert f"BLEU: {SIGNATURES['BLEU']}" in table


def test_a_column_without_numbers_is_left_out_for_people_and_empty_for_programs() -> None:
    assert "AER" not in text(BOTH).split("\n\n")[0]
    assert {row["aer_mean"] for row in of_csv(BOTH)} == {""}
    with_gold = compared(Variant("gold", [run(1, 20.0, AER=0.25)]), FIRST)
    head, gold, first = rows_of(text(with_gold))
    assert gold[head.index("AER")] == "0.250"
    assert first[head.index("AER")] == "-"


def test_one_seed_has_no_deviation() -> None:
    alone = compared(Variant("default", [run(7, 20.0)]))
    assert rows_of(text(alone))[1][2] == "20.00"
    assert of_csv(alone)[0]["bleu_std"] == ""
    assert json.loads(json_table(alone))["variants"][0]["std"]["bleu"] is None


def test_failures_are_counted_and_explained() -> None:
    failed = Run(2, "out/bad/seed-2", failure="RuntimeError: no memory")
    comparison = compared(FIRST, Variant("bad", [run(1, 20.0), failed]), Variant("worse", [failed]))
    _, _, bad, worse = rows_of(text(comparison))
    assert bad[1:3] == ["1/2", "20.00"]
    assert worse[1:3] == ["0/1", "-"]
    assert "FAILED: bad seed 2: RuntimeError: no memory (out/bad/seed-2)" in text(comparison)
    assert [(row["seeds"], row["failed"]) for row in of_csv(comparison)] == [("3", "0"), ("1", "1"), ("0", "1")]


def test_csv_gives_a_label_with_commas_back_and_numbers_in_full() -> None:
    first, second = of_csv(BOTH)
    assert second["variant"] == SECOND.label
    assert (second["p_value"], second["seeds_significant"], second["seeds_tested"]) == ("0.0123", "2", "3")
    assert (first["p_value"], first["bleu_difference"]) == ("", "")
    assert first["parameters"] == "123457"


def test_json_holds_every_number_of_every_run() -> None:
    found: dict[str, Any] = json.loads(json_table(BOTH))
    assert (found["command"], found["baseline"]) == (COMMAND, FIRST.label)
    for variant, given in zip(found["variants"], BOTH.variants, strict=True):
        assert [shown["values"] for shown in variant["runs"]] == [one.values for one in given.runs]
    assert found["variants"][1]["significance"]["seeds"] == {"1": 0.001, "2": 0.01, "3": 0.2}


def test_markdown_is_one_table_with_bars_in_cells_escaped() -> None:
    comparison = compared(Variant("a|b", [run(1, 20.0)]), FIRST)
    lines = [line for line in markdown(comparison).splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(comparison.variants)
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert re.fullmatch(r"\| :--\s*(\|\s*--: )+\|", lines[1])
    assert "a\\|b" in lines[2]
