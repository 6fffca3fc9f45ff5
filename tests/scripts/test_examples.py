"""The programs of scripts/examples run for a few steps, and what they are built on is what they say."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from scripts.examples import sagan, sentiment, vit

FOLDER = Path(sagan.__file__).parent
MAINS: dict[str, Callable[[Sequence[str]], object]] = {
    "sagan": sagan.main,
    "sentiment": sentiment.main,
    "vit": vit.main,
}


@pytest.mark.parametrize("name", MAINS)
def test_a_program_runs_and_draws(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vit, "TRAINING_SCENES", 200)
    monkeypatch.setattr(vit, "TEST_SCENES", 50)
    MAINS[name](["--steps", "2", "--picture", str(tmp_path / "it.png")])
    assert (tmp_path / "it.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", MAINS)
def test_a_program_is_short_and_stands_on_its_page(name: str) -> None:
    assert len((FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()) <= 150
    docs = FOLDER.parents[1] / "docs"
    if name == "sagan":
        assert "python scripts/examples/sagan.py" in (docs / "how-to" / "own-models.md").read_text(encoding="utf-8")
        return
    assert f"](../images/examples/{name}.png)" in (docs / "how-to" / "own-models.md").read_text(encoding="utf-8")
    assert (docs / "images" / "examples" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_the_block_of_sagan_is_a_loop_over_positions_and_nothing_at_first() -> None:
    torch.manual_seed(0)
    block, states = sagan.AttentionBlock(16).eval(), torch.randn(2, 16, 6, 4)
    assert torch.equal(block(states), states)
    query, key, value = (each(states) for each in block.maps.values())
    read, weights = block.look(states)
    for row in range(2):
        pooled = [
            torch.stack(
                [part[row, :, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].amax((1, 2)) for y in range(3) for x in range(2)]
            )
            for part in (key, value)
        ]
        for place in range(24):
            y, x = divmod(place, 4)
            wanted = torch.stack([query[row, :, y, x] @ each for each in pooled[0]]).softmax(0)
            assert_close(weights[row, place], wanted)
            found = sum(weight * each for weight, each in zip(wanted, pooled[1], strict=True))
            assert_close(read[row, :, y, x], block.output(found.view(1, -1, 1, 1)).flatten())


def test_spectral_norms_are_one_after_some_steps() -> None:
    torch.manual_seed(0)
    block = sagan.AttentionBlock(16).train()
    for _ in range(30):
        block.look(torch.randn(1, 16, 4, 4))
    for convolution in (*block.maps.values(), block.output):
        assert abs(torch.linalg.svdvals(convolution.weight.flatten(1))[0].item() - 1) < 0.02


def test_scenes_answer_their_question() -> None:
    scenes = vit.draw_scenes(20, seed=3)
    assert scenes.pictures.shape == (20, 3, 32, 32)
    assert 0 <= scenes.pictures.min() < scenes.pictures.max() <= 1
    colours = torch.tensor(list(vit.COLOURS.values())) / 255
    for picture, question, answer in zip(*scenes, strict=True):
        asked, named = (
            (picture - colours[number].view(3, 1, 1)).abs().sum(0).lt(0.05).nonzero()[:, 1]
            for number in (int(question), int(answer) // len(vit.SHAPES))
        )
        assert named.min() < asked.min()


def test_both_corners_of_a_real_picture_agree() -> None:
    pictures = sagan.draw_pictures(50, seed=1)
    assert sagan.measure_agreement(pictures) == 1.0
    mixed = torch.cat([pictures[:, :, :16], pictures.roll(1, 0)[:, :, 16:]], 2)
    assert sagan.measure_agreement(mixed) < 0.7
