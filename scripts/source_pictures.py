"""Pictures of sources that are pictures, computed by the code that models run."""

from random import Random

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from nmt.data.pictures.scenes import SIZE, compose_scene, draw_scene
from nmt.data.sources.rendered import RenderedReader
from nmt.model.sources.grid_blocks import SaganBlock
from nmt.model.sources.pixels import compute_grid_sinusoids
from scripts.pictures import INK, RED, make_figure

SENTENCE = "Zwei Männer stehen."
WINDOW = 20
SCENE_SEED = 11


def draw_slices() -> Figure:
    """A drawn sentence, and three of the slices that are cut from it."""
    reader = RenderedReader()
    (tiles,) = reader.encode([SENTENCE])
    figure, (ax,) = make_figure(6.4, 2.0)
    ink = reader.drawer.draw(SENTENCE)
    ax.imshow(1 - ink, cmap="gray", vmin=0, vmax=1)
    for number, color in ((0, INK), (1, RED), (2, "#9fb4cc")):
        left = number * reader.stride
        box = Rectangle((left - 0.5, -0.8 - 0.4 * number), WINDOW, ink.shape[0] + 0.6 + 0.8 * number)
        box.set(fill=False, edgecolor=color, linewidth=1.6, clip_on=False)
        ax.add_patch(box)
        ax.text(left + 1, ink.shape[0] + 5, f"slice {number + 1}", color=color, fontsize=8)
    ax.set_title(f"{len(tiles)} slices of {WINDOW} pixels, one every {reader.stride}", fontsize=9)
    ax.set_axis_off()
    return figure


def make_scene() -> np.ndarray:
    """The pixels of a scene with three objects."""
    random = Random(SCENE_SEED)
    scene = compose_scene(random, 3)
    while len(scene.objects) < 3 or len({thing.colour for thing in scene.objects}) != 2:
        scene = compose_scene(random, 3)
    return np.asarray(draw_scene(scene))


def draw_grid() -> Figure:
    """A scene with the cells of its grid, and how alike the place of one cell is to those of all others."""
    figure, (left, right) = make_figure(6.4, 3.0, columns=2)
    left.imshow(make_scene())
    for edge in range(0, SIZE + 1, 4):
        left.axhline(edge - 0.5, color="white", linewidth=0.5, alpha=0.5)
        left.axvline(edge - 0.5, color="white", linewidth=0.5, alpha=0.5)
    left.set_title("8 x 8 cells of 4 x 4 pixels", fontsize=9)
    places = compute_grid_sinusoids(8, 8, 64, torch.device("cpu"))
    right.imshow((places @ places[8 * 2 + 5]).view(8, 8), cmap="Blues")
    right.set_title("PE(2, 5) . PE(i, j)", fontsize=9)
    for ax in (left, right):
        ax.set_axis_off()
    return figure


def draw_block() -> Figure:
    """Where one cell of a scene looks through a block that compares colours."""
    pixels = torch.from_numpy(make_scene().copy()).float() / 255
    torch.manual_seed(1)
    block = SaganBlock(channels=24)
    maps = torch.zeros(1, 24, SIZE, SIZE)
    maps[0, :3] = pixels.permute(2, 0, 1)
    colours = torch.tensor([[1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]])
    for part in (block.query, block.key):
        part.weight.data.zero_()
        part.weight.data[:, :3] = 1.5 * colours
    cells = maps.flatten(2).mT
    memory = block.remember(cells, maps)
    saturation = (pixels.amax(-1) - pixels.amin(-1)).flatten()
    place = int(saturation.argmax())
    attended = block.attention(
        12 * block.query(cells[:, place : place + 1]), memory, torch.zeros(1, 1, dtype=torch.long), keep_weights=True
    )
    figure, (left, right) = make_figure(6.4, 3.0, columns=2)
    left.imshow(pixels)
    left.plot(place % SIZE, place // SIZE, "o", markerfacecolor="none", markeredgecolor=RED, markersize=12)
    left.set_title("a cell that asks", fontsize=9)
    right.imshow(attended.weights.detach()[0, 0, 0].view(SIZE // 2, SIZE // 2), cmap="Blues")
    right.set_title("its weights over pooled cells", fontsize=9)
    for ax in (left, right):
        ax.set_axis_off()
    return figure
