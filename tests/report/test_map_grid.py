"""Every layer and head in one figure, one page and one file of numbers."""

import json

import numpy as np
import pytest

from nmt.report.map_grid import draw_map_grid, explain_grid_size, render_maps
from nmt.report.map_labels import label_maps
from nmt.translation.attention_maps import AttentionMaps

SOURCE, TARGET = ["▁ein", "▁Haus"], ["▁a", "▁small", "▁house"]


def make_maps(layers: int = 2, heads: int = 3) -> AttentionMaps:
    draw = np.random.default_rng(1)
    return AttentionMaps(
        draw.dirichlet(np.ones(3), (layers, heads, 3)), None, draw.dirichlet(np.ones(3), (layers, heads, 4))
    )


def test_a_figure_has_a_panel_for_each_layer_and_head() -> None:
    maps = make_maps()
    assert maps.source is not None
    rows, columns = label_maps(SOURCE, TARGET, {})["source"]
    figure = draw_map_grid(maps.source, rows, columns, title="line 1")
    labels = [axes.get_xlabel() for axes in figure.axes if "layer" in axes.get_xlabel()]
    assert labels == [f"layer {layer}, head {head}" for layer in (1, 2) for head in (1, 2, 3)]
    cells = figure.axes[4].collections[0].get_array()
    assert cells is not None
    np.testing.assert_allclose(np.asarray(cells).ravel(), maps.source[1, 1].ravel())


def test_files_hold_numbers_a_page_and_a_figure_for_each_map() -> None:
    maps = make_maps(1, 2)
    found = dict(render_maps(maps.get_present(), SOURCE, TARGET, title="line 1", formats=["png"]))
    assert list(found) == ["maps.json", "maps.html", "encoder.png", "source.png"]
    numbers = json.loads(found["maps.json"])
    assert numbers["source"] == [*SOURCE, "</s>"]
    np.testing.assert_allclose(numbers["maps"]["source"], maps.source, rtol=1e-5)
    assert b"attention to the source: layer 1, head 2" in found["maps.html"]
    assert found["encoder.png"].startswith(b"\x89PNG")


def test_what_is_too_large_is_not_drawn(caplog: pytest.LogCaptureFixture) -> None:
    assert explain_grid_size(np.zeros((4, 4, 30, 30))) is None
    assert "16 layers of 8 heads" in str(explain_grid_size(np.zeros((16, 8, 3, 3))))
    long = ["x"] * 300
    maps = AttentionMaps(None, None, np.zeros((1, 1, 301, 301)))
    assert list(dict(render_maps(maps.get_present(), long, long, title="line 7", formats=["png"]))) == [
        "maps.json",
        "maps.html",
    ]
    assert "line 7, attention to the source is not drawn" in caplog.text


@pytest.mark.parametrize(("steps", "slots", "first"), [(4, 6, "1"), (4, 3, SOURCE[0]), (7, 5, "1")])
def test_steps_and_slots_of_a_memory_machine_have_names(steps: int, slots: int, first: str) -> None:
    weights = np.zeros((1, 1, steps, slots))
    rows, columns = label_maps(SOURCE, TARGET, {"written": weights})["written"]
    assert (len(rows), len(columns)) == (steps, slots)
    assert columns[0] == first
    assert rows[-1] == "</s>"
