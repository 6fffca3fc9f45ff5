"""What a person sees: the report in a real browser, by pointer and by keyboard."""

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nmt.data.pictures.boxes import Box
from nmt.data.pictures.records import make_picture_record
from nmt.data.pictures.source_picture import SourcePicture
from nmt.report.html import render_page as page_of
from nmt.report.picture_maps import light_up
from nmt.report.translation_page import Picture
from nmt.report.translation_page import render_page as sentences_page
from tests.report import samples

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((path for name in NAMES if (path := shutil.which(name))), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("playwright") is None,
        reason="no playwright: pip install -c constraints.txt -e '.[browser]'",
    ),
    pytest.mark.skipif(CHROMIUM is None, reason=f"none of {', '.join(NAMES)} is on the PATH: apt-get install chromium"),
]

RUN = samples.report()
VARIANTS = ("attention=bahdanau", "attention=luong_general", "attention=sparsemax")
COMPARISON = samples.report(*VARIANTS, seeds=2)
FRAMES = RUN["variants"][0]["runs"][0]["probes"][0]["frames"]
LEFT, RIGHT = ".panel:nth-child(1)", ".panel:nth-child(2)"

LIGHTNESS = """cells => cells.map(cell => {
    const canvas = document.createElement("canvas").getContext("2d");
    canvas.fillStyle = getComputedStyle(cell).backgroundColor;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
})"""
"""How light each cell is, whatever its colour is written as."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Visit:
    """A page that is open in the browser, and all that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, report: dict[str, Any], **context: Any) -> None:
        path.write_text(page_of(report), encoding="utf-8")
        self.page = browser.new_page(
            **{"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce", **context}
        )
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.set_default_timeout(10_000)
        self.page.goto(path.as_uri())
        self.page.wait_for_selector(f"{LEFT} td[data-row]")
        self.path = path

    def texts(self, selector: str) -> list[str]:
        return [str(text) for text in self.page.locator(selector).all_inner_texts()]

    def colours(self, panel: str = LEFT) -> list[str]:
        """The background of every cell of a picture."""
        script = "cells => cells.map(cell => getComputedStyle(cell).backgroundColor)"
        return list(self.page.locator(f"{panel} td[data-row]").evaluate_all(script))

    def style(self, selector: str, name: str) -> str:
        return str(self.page.locator(selector).first.evaluate("(e, name) => getComputedStyle(e)[name]", name))

    def slide(self, place: int) -> None:
        self.page.locator("input[type=range]").evaluate(
            "(slider, place) => { slider.value = place; slider.dispatchEvent(new Event('input')); }", place
        )

    def cell(self, row: int, column: int, panel: str = LEFT) -> Any:
        return self.page.locator(f"{panel} td[data-row='{row}'][data-column='{column}']")

    def lit(self, panel: str = LEFT) -> set[tuple[str | None, str | None]]:
        script = "cells => cells.map(cell => [cell.dataset.row ?? null, cell.dataset.column ?? null])"
        return {(row, column) for row, column in self.page.locator(f"{panel} .lit").evaluate_all(script)}


@pytest.fixture
def run(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    visit = Visit(browser, tmp_path / "run.html", RUN)
    yield visit
    visit.page.close()
    assert visit.complaints == []
    assert visit.requests == [visit.path.as_uri()]


@pytest.fixture
def comparison(browser: Any, tmp_path: Path) -> Iterator[Visit]:
    visit = Visit(browser, tmp_path / "comparison.html", COMPARISON)
    yield visit
    visit.page.close()
    assert visit.complaints == []
    assert visit.requests == [visit.path.as_uri()]


def test_the_last_checkpoint_is_shown_first_in_both_ways(run: Visit) -> None:
    assert run.texts("output") == ["step 400"]
    assert run.texts(f"{LEFT} th.target") == ["der", "Hund", "schläft", "</s>"]
    assert run.texts(f"{RIGHT} th.target") == ["a", "word", "</s>"]
    # The words are slanted over their columns, so their text is read from the elements.
    assert run.page.locator(f"{LEFT} th.source").all_text_contents() == samples.SOURCES[0]
    assert len(run.colours()) == 16


def test_the_slider_goes_through_the_checkpoints(run: Visit) -> None:
    last = run.colours()
    run.slide(0)
    assert run.texts("output") == ["step 100"]
    assert run.colours() != last
    assert run.texts(f"{RIGHT} th.target") == ["a", "word", "</s>"]
    run.page.locator("input[type=range]").focus()
    run.page.keyboard.press("ArrowRight")
    assert run.texts("output") == ["step 200"]
    assert run.texts(f"{RIGHT} th.target") == ["a", "word", "word", "</s>"]
    run.page.keyboard.press("End")
    assert run.colours() == last


def test_playing_ends_at_the_last_checkpoint(run: Visit) -> None:
    run.page.get_by_role("button", name="Play").press("Enter")
    assert run.texts("output") == ["step 100"]
    assert run.page.get_by_role("button", name="Stop").count() == 1
    run.page.get_by_role("button", name="Play").wait_for()
    assert run.texts("output") == ["step 400"]


def test_more_weight_is_more_ink_on_one_scale(run: Visit) -> None:
    for place, step in enumerate((100, 400)):
        run.slide(3 * place)
        weights = next(
            f["forced"]["weights"] for f in RUN["variants"][0]["runs"][0]["probes"][0]["frames"] if f["step"] == step
        )
        flat = [weight for row in weights for weight in row]
        script = (
            "(cells) => cells.map(cell => { const c = document.createElement('canvas').getContext('2d'); "
            "c.fillStyle = getComputedStyle(cell).backgroundColor; c.fillRect(0, 0, 1, 1); "
            "const [r, g, b] = c.getImageData(0, 0, 1, 1).data; return 0.2126 * r + 0.7152 * g + 0.0722 * b; })"
        )
        run.colours()
        light = run.page.locator(f"{LEFT} td[data-row]").evaluate_all(script)
        for a, one in zip(flat, light, strict=True):
            for b, other in zip(flat, light, strict=True):
                assert one > other or a > b - 0.02
        assert light[flat.index(max(flat))] == min(light)


def test_pointing_at_a_cell_lights_its_row_and_column_and_says_its_weight(run: Visit) -> None:
    run.cell(1, 2).hover()
    assert run.lit() == {
        ("1", None),
        (None, "2"),
        *(("1", str(n)) for n in range(4)),
        *((str(n), "2") for n in range(4)),
    }
    weight = FRAMES[-1]["forced"]["weights"][1][2]
    assert run.texts(f"{LEFT} .reading") == [f"sleeps, → Hund {weight:.2f}"]
    run.page.mouse.move(1, 1)
    assert run.lit() == set()
    assert run.texts(f"{LEFT} .reading") == [""]


def test_pointing_at_a_word_lights_its_column_on_both_sides(run: Visit) -> None:
    run.page.locator(f"{LEFT} th.source[data-column='1']").hover(force=True)
    for panel, count in ((LEFT, 4), (RIGHT, 3)):
        assert run.lit(panel) == {(None, "1"), *((str(row), "1") for row in range(count))}
    run.page.locator(f"{LEFT} th.target[data-row='2']").hover()
    assert run.lit() == {("2", None), *(("2", str(column)) for column in range(4))}
    assert run.lit(RIGHT) == set()  # its words are others


def test_the_arrow_keys_walk_through_a_grid(run: Visit) -> None:
    run.page.locator(f"{LEFT} select").focus()
    run.page.keyboard.press("Tab")
    assert run.lit() == {(None, "0"), *((str(row), "0") for row in range(4))}
    for key in ("ArrowDown", "ArrowRight"):
        run.page.keyboard.press(key)
    assert {("0", None), (None, "1")} <= run.lit()
    assert run.texts(f"{LEFT} .reading")[0].startswith("dog → der 0.")
    run.page.keyboard.press("ArrowUp")
    run.page.keyboard.press("ArrowUp")  # there is nothing above the words
    assert run.lit() == {(None, "1"), *((str(row), "1") for row in range(4))}
    run.page.keyboard.press("Escape")
    assert run.lit() == set()
    run.page.keyboard.press("Tab")  # one stop for the whole grid
    assert run.page.evaluate("document.activeElement.closest('.panel') === document.querySelectorAll('.panel')[1]")


def test_gold_links_are_drawn_where_the_reference_is(run: Visit) -> None:
    def marked(kind: str) -> list[list[str]]:
        return run.page.locator(f"td.{kind}").evaluate_all("cells => cells.map(c => [c.dataset.row, c.dataset.column])")

    assert (marked("sure"), marked("possible")) == ([["0", "0"], ["1", "1"]], [["2", "2"]])
    assert run.style("td.sure", "position") == "relative"
    run.page.get_by_role("checkbox").uncheck()
    assert (marked("sure"), marked("possible")) == ([], [])


def test_every_sentence_can_be_chosen_and_any_text_stays_text(run: Visit) -> None:
    before, after = run.page.get_by_role("button", name="‹"), run.page.get_by_role("button", name="›")
    assert before.is_disabled()
    after.click()
    run.page.wait_for_selector("dd:has-text('le professeur')")
    assert run.page.locator(f"{LEFT} th.source").all_text_contents() == samples.SOURCES[1]
    direction = "e => e.querySelector('bdi').matches(':dir(rtl)')"
    assert run.page.locator("dl.text dd").first.evaluate(direction)
    run.page.get_by_label("sentence", exact=True).select_option(index=2)
    run.page.wait_for_selector(f"{LEFT} th.target:has-text('script')")
    assert run.page.locator(f"{LEFT} th.source").all_text_contents() == samples.SOURCES[2]
    assert run.page.locator(f"{LEFT} th.target").all_text_contents() == [*samples.REFERENCES[2].split(), "</s>"]
    assert run.page.locator("img").count() == 0
    assert after.is_disabled()


def test_two_variants_stand_side_by_side_and_can_be_switched(comparison: Visit) -> None:
    assert comparison.texts(f"{LEFT} select option:checked") == ["bahdanau", "seed 1", "the reference, forced"]
    assert comparison.texts(f"{RIGHT} select option:checked") == ["luong_general", "seed 1", "the reference, forced"]
    left, right = comparison.colours(LEFT), comparison.colours(RIGHT)
    comparison.page.locator(f"{RIGHT} select[aria-label=seed]").select_option("seed 2")
    assert comparison.colours(RIGHT) != right
    assert comparison.colours(LEFT) == left
    comparison.page.locator(f"{LEFT} select[aria-label=variant]").select_option("sparsemax")
    comparison.page.locator(f"{LEFT} select[aria-label=translation]").select_option("its own translation")
    assert comparison.texts(f"{LEFT} th.target") == ["a", "word", "</s>"]
    comparison.page.locator(f"{LEFT} select[aria-label=translation]").select_option("the reference, forced")
    comparison.cell(1, 2).hover()
    assert comparison.lit(LEFT) == comparison.lit(RIGHT) != set()  # the same words on both sides


def test_charts_tell_their_numbers_by_pointer_and_key(comparison: Visit) -> None:
    card = comparison.page.locator("#learning .card", has_text="BLEU")
    note = card.locator(".said").inner_text()
    card.locator("svg").focus()
    comparison.page.keyboard.press("ArrowRight")
    # The mean of both seeds: 10 x 1 + 1 and 10 x 1 + 2.
    assert " ".join(card.locator(".said").inner_text().split()).startswith("step 100 bahdanau 11.5 luong_general 11.5")
    comparison.page.keyboard.press("Escape")
    assert card.locator(".said").inner_text() == note
    card.locator("svg").hover()
    assert card.locator(".said").inner_text().startswith("step ")
    labels = card.locator(".label").evaluate_all("all => all.map(e => e.getBoundingClientRect().y)")
    assert len(labels) == 3
    assert min(b - a for a, b in zip(sorted(labels), sorted(labels)[1:], strict=False)) > 8


def test_measures_can_be_asked_for_forced_or_free(comparison: Visit) -> None:
    titles = comparison.texts("#measures h3")
    assert "entropy, forced" in titles
    comparison.page.get_by_label("free", exact=True).check()
    assert [title.replace("free", "forced") for title in comparison.texts("#measures h3")] == titles
    assert "entropy, free" in comparison.texts("#measures h3")


def test_cost_length_and_disagreement_are_there_for_comparisons(comparison: Visit) -> None:
    assert comparison.texts("#costs h3") == ["parameters"]
    assert comparison.page.locator("#costs circle").count() == 3 + 6
    assert "1–5" in comparison.page.locator("#lengths svg").text_content()
    assert comparison.texts("#disagreement table")[0].split()[-4:] == ["sparsemax", "0.250", "0.250", "–"]


def test_each_against_each_is_coloured_by_how_sure_the_difference_is(comparison: Visit) -> None:
    assert comparison.texts("#pairs th[scope=col]") == ["bahdanau", "luong_general", "sparsemax"]
    script = "cells => cells.map(cell => getComputedStyle(cell).backgroundColor)"
    colours = comparison.page.locator("#pairs tbody td").evaluate_all(script)
    assert len(set(colours)) == 5  # none, and better and worse by one and by two
    assert colours[0] == colours[4] == colours[8]


def test_a_dark_screen_has_other_colours_and_paper_has_light_ones(browser: Any, tmp_path: Path, run: Visit) -> None:
    dark = Visit(browser, tmp_path / "dark.html", RUN, color_scheme="dark")
    seen = [(v.style("body", "backgroundColor"), v.style("body", "color"), v.colours()) for v in (run, dark)]
    assert all(light != other for light, other in zip(*seen, strict=True))
    dark.page.emulate_media(media="print", color_scheme="dark")
    assert (dark.style("body", "backgroundColor"), dark.style("body", "color")) == seen[0][:2]
    assert dark.colours() == seen[0][2]
    for control in ("button", "input[type=range]", ".screen"):
        assert not dark.page.locator(control).first.is_visible()
    assert dark.page.locator(".hint.notes").first.is_visible()
    assert dark.page.locator(".grid").first.is_visible()
    dark.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_the_page(browser: Any, tmp_path: Path, scheme: str) -> None:
    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    visit = Visit(browser, tmp_path / "page.html", COMPARISON, color_scheme=scheme)
    paper = luminance(visit.style("body", "backgroundColor"))
    inks = [visit.style(selector, "color") for selector in ("body", ".hint", "summary", ".stars")]
    inks += [visit.style(f".label.ink-{number}", "fill") for number in range(3)]
    for ink in inks:  # WCAG 2: 4.5 to 1
        lighter, darker = sorted((luminance(ink), paper), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5
    visit.page.close()


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_nothing_is_wider_than_the_screen(browser: Any, tmp_path: Path, width: int) -> None:
    visit = Visit(browser, tmp_path / "page.html", COMPARISON, viewport={"width": width, "height": 800})
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    tops = [visit.page.locator(panel).bounding_box()["y"] for panel in (LEFT, RIGHT)]
    assert (tops[0] == tops[1]) == (width > 1000)
    visit.page.close()


def wide(columns: int) -> dict[str, Any]:
    """A comparison whose table has many columns."""
    names = [f"column-{number}" for number in range(columns)]
    scores = {
        "columns": [{"head": name, "note": f"what {name} is"} for name in names],
        "rows": [
            {"label": label, "cells": [{"text": "1,234.5", "interval": "± 0.51"}] * columns} for label in VARIANTS
        ],
        "notes": ["a note"],
    }
    return {**COMPARISON, "scores": scores}


@pytest.mark.parametrize("width", [360, 1280])
def test_a_table_that_scrolls_says_so(browser: Any, tmp_path: Path, width: int) -> None:
    for columns, scrolls in ((2, False), (24, True)):
        report = wide(columns)
        visit = Visit(browser, tmp_path / "page.html", report, viewport={"width": width, "height": 800})
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
        scores = visit.page.locator("section", has=visit.page.locator("#head-scores"))
        assert scores.locator(".more").is_visible() == (scrolls or width < 600)
        label = scores.locator("tbody th").first
        before = label.bounding_box()["x"]
        scores.locator(".scroll").evaluate("each => { each.scrollLeft = 9999; }")
        assert not scrolls or label.bounding_box()["x"] == before  # whose numbers they are stays in sight
        visit.page.close()


def test_paper_has_all_columns_all_notes_and_what_is_folded(browser: Any, tmp_path: Path) -> None:
    report = wide(15)
    landscape = {"width": 1030, "height": 700}  # a sheet of A4 less its margins, in CSS pixels
    visit = Visit(browser, tmp_path / "page.html", report, viewport=landscape)
    visit.page.emulate_media(media="print")
    visit.page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert not [each for each in visit.page.locator("details").all() if each.get_attribute("open") is None]
    for column in report["scores"]["columns"]:
        head = visit.page.locator("thead th", has_text=column["head"]).first.bounding_box()
        assert head["x"] + head["width"] <= landscape["width"]
        assert visit.page.get_by_text(f"{column['head']}: {column['note']}.").is_visible()
    assert visit.page.get_by_text(report["signatures"][0][1]).is_visible()
    visit.page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert visit.page.locator("details").first.get_attribute("open") is None
    visit.page.close()


def test_a_page_of_translations_is_no_wider_than_a_phone(browser: Any, tmp_path: Path) -> None:
    words = ["https://example.org/" + "a" * 90, "w" * 120, "</s>"]
    told = [("model", "outputs/" + "a_very_long_name_" * 9)]
    text = sentences_page([Picture(1, words, words, np.eye(3))], title="Attention", created="today", entries=told)
    path = tmp_path / "page.html"
    path.write_text(text, encoding="utf-8")
    page = browser.new_page(viewport={"width": 360, "height": 800})
    page.goto(path.as_uri())
    page.wait_for_selector("td[data-row]")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_without_scripts_the_scores_are_still_there(browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text(page_of(RUN), encoding="utf-8")
    page = browser.new_page(java_script_enabled=False)
    page.goto(path.as_uri())
    assert "35.58" in page.inner_text("table")
    assert "nmt-train attention=bahdanau" in page.inner_text("code >> nth=1") + page.inner_text("main")
    page.close()


def test_a_run_that_has_just_begun_has_a_page(browser: Any, tmp_path: Path) -> None:
    empty = {"seed": 1, "metrics": [], "probes": []}
    scores = {"columns": [], "rows": [], "notes": []}
    path = tmp_path / "page.html"
    path.write_text(page_of({**RUN, "scores": scores, "variants": [{"label": "a", "runs": [empty]}]}), encoding="utf-8")
    page = browser.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    assert complaints == []
    assert page.locator("main > section:visible h2").all_inner_texts() == ["Scores", "Commands"]
    page.close()


def test_the_pictures_of_an_explanation_are_switched_one_by_one(browser: Any, tmp_path: Path) -> None:
    visit = Visit(browser, tmp_path / "page.html", RUN)
    pictures = visit.page.locator("#faithfulness .panel")
    assert pictures.count() == 3
    cells = [pictures.nth(place).locator("td[data-row]") for place in range(3)]
    before = [each.evaluate_all(LIGHTNESS) for each in cells]
    assert before[0] != before[1]
    pictures.nth(1).locator("select").select_option("attention")
    after = [each.evaluate_all(LIGHTNESS) for each in cells]
    assert after[1] == before[0] == after[0]
    assert after[2] == before[2]


# Pictures ---------------------------------------------------------------------------------------------------------


def make_picture_report(picture: SourcePicture, target: list[str], weights: np.ndarray) -> dict[str, Any]:
    """The report of a run with one probe, whose source is a picture."""
    report = samples.report()
    frame = {"target": [*target, "</s>"], "weights": weights.tolist()}
    probe = {
        "source": [*map(str, range(len(picture.regions))), "</s>"],
        "reference": " ".join(target),
        "gold": None,
        "picture": make_picture_record(picture, "folder/<b>.png"),
        "frames": [{"step": 100, **frame, "forced": frame}],
    }
    report["variants"][0]["runs"][0]["probes"] = [probe]
    return report


PAINTED = """canvas => {
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return Array.from(data).filter((_, place) => place % 4 < 3);
}"""


def open_report(browser: Any, path: Path, report: dict[str, Any]) -> Any:
    path.write_text(page_of(report), encoding="utf-8")
    page = browser.new_page(viewport={"width": 1200, "height": 900}, reduced_motion="reduce")
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(path.as_uri())
    return page


def test_a_grid_is_shown_as_a_picture_for_each_word(browser: Any, tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    picture = SourcePicture(pixels, [Box(x, y, x + 2, y + 2) for y in (0, 2) for x in (0, 2, 4)])
    weights = np.random.default_rng(2).dirichlet(np.ones(7), 3)
    page = open_report(browser, tmp_path / "grid.html", make_picture_report(picture, ["red", "circle"], weights))
    page.wait_for_selector(f"{LEFT} .thumb")
    assert page.locator(f"{LEFT} .thumb figcaption").all_inner_texts()[1:] == ["red", "circle", "</s>"]
    assert page.locator(f"{LEFT} table").is_hidden()
    assert "folder/<b>.png" in page.locator("#alignments dl").inner_text()
    canvases = page.locator(f"{LEFT} canvas").all()
    assert canvases[0].evaluate(PAINTED) == pixels.ravel().tolist()
    for row, canvas in enumerate(canvases[1:]):
        lit = light_up(picture, np.round(weights[row, :6] * 255) / 255)
        np.testing.assert_allclose(canvas.evaluate(PAINTED), lit.ravel(), atol=2)
    assert page.complaints == []
    page.close()


def test_slices_stand_over_the_columns_of_a_drawn_sentence(browser: Any, tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    picture = SourcePicture(pixels, [Box(x, 0, x + 2, 5) for x in (0, 2, 4)])
    weights = np.random.default_rng(4).dirichlet(np.ones(4), 2)
    page = open_report(browser, tmp_path / "strip.html", make_picture_report(picture, ["rot"], weights))
    page.wait_for_selector(f"{LEFT} td[data-row]")
    heads = page.locator(f"{LEFT} th.source canvas").all()
    assert [head.evaluate(PAINTED) for head in heads] == [pixels[:, x : x + 2].ravel().tolist() for x in (0, 2, 4)]
    assert page.locator(f"{LEFT} th.source").nth(3).inner_text().strip() == "</s>"
    assert page.complaints == []
    page.close()
