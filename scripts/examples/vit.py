"""What is left of the red one? A Vision Transformer on patches of generated scenes, of plain torch and nmt.Attention.

python scripts/examples/vit.py [--steps 2000] [--picture vit.png]

Patches of 4 x 4 pixels are words, as in Dosovitskiy et al. 2021, and the question is one before them. Two convolutions
make them (Xiao et al. 2021). Prints the share of right answers on new scenes; draws where the question looks.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

sys.path[0] = str(Path(__file__).resolve().parents[2])  # so that it also runs where nmt is not installed

import nmt  # noqa: E402
from nmt.data.pictures.scenes import COLOURS, SHAPES, SIZE, compose_scene, draw_scene  # noqa: E402

PATCH, FEATURES, HEADS, LAYERS, ROWS, TRAINING_SCENES, TEST_SCENES = 4, 64, 4, 3, 64, 20000, 1000
ACROSS = SIZE // PATCH
NAMES = [f"{colour} {shape}" for colour in COLOURS for shape in SHAPES]


class Scenes(NamedTuple):
    """pictures: 0 to 1, [row, 3, height, width]. questions: a colour, answers: what is left of it; both as numbers."""

    pictures: Tensor
    questions: Tensor
    answers: Tensor


def draw_scenes(count: int, seed: int) -> Scenes:
    """Scenes of two or three objects side by side, and a question about one that has another to the left of it."""
    random, colours, found = Random(seed), list(COLOURS), []
    while len(found) < count:
        scene = compose_scene(random, 3)
        named = [each.colour for each in scene.objects]
        asked = [place for place in range(1, len(named)) if named.count(named[place]) == 1]
        if scene.relation == "left of" and asked:
            place = random.choice(asked)
            pixels = torch.frombuffer(bytearray(draw_scene(scene).tobytes()), dtype=torch.uint8)
            answer = f"{named[place - 1]} {scene.objects[place - 1].shape}"
            found.append((pixels, colours.index(named[place]), NAMES.index(answer)))
    pixels, questions, answers = zip(*found, strict=True)
    pictures = torch.stack(pixels).view(count, SIZE, SIZE, 3)
    return Scenes(pictures.permute(0, 3, 1, 2) / 255, torch.tensor(questions), torch.tensor(answers))


class Layer(nn.Module):
    """x + W attend(LN x, LN x), and then a feed-forward network likewise."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"query_size": FEATURES, "memory_size": FEATURES}
        self.attention = nmt.Attention.of(score="scaled_dot", heads=HEADS, **sizes)
        self.output = nn.Linear(FEATURES, FEATURES)
        self.norms = nn.ModuleList(nn.LayerNorm(FEATURES) for _ in range(2))
        inner, outer = nn.Linear(FEATURES, 4 * FEATURES), nn.Linear(4 * FEATURES, FEATURES)
        self.feed_forward = nn.Sequential(inner, nn.ReLU(), outer)

    def forward(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """The states of the next layer, and the weights [row, head, target, source]."""
        read = self.norms[0](states)
        context, weights = self.attention(read, read)
        states = states + self.output(context)
        return states + self.feed_forward(self.norms[1](states)), weights


class VisionTransformer(nn.Module):
    """The question and the patches, each with its position, through all layers; the question's state is the answer."""

    def __init__(self) -> None:
        super().__init__()
        both = nn.Conv2d(3, FEATURES // 2, 3, 2, 1), nn.ReLU(), nn.Conv2d(FEATURES // 2, FEATURES, 3, 2, 1)
        self.patches = nn.Sequential(*both)
        self.question = nn.Embedding(len(COLOURS), FEATURES)
        self.positions = nn.Parameter(torch.randn(1 + ACROSS**2, FEATURES) * 0.5)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.answer = nn.Sequential(nn.LayerNorm(FEATURES), nn.Linear(FEATURES, len(NAMES)))

    def forward(self, pictures: Tensor, questions: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Scores of the answers, and the question's weights over the patches, [row, y, x] for each layer."""
        patches = self.patches(pictures).flatten(2).transpose(1, 2)
        states = torch.cat([self.question(questions).unsqueeze(1), patches], 1) + self.positions
        maps = []
        for layer in self.layers:
            states, weights = layer(states)
            maps.append(weights.mean(1)[:, 0, 1:].unflatten(1, (ACROSS, ACROSS)))
        return self.answer(states[:, 0]), maps


def train(steps: int) -> VisionTransformer:
    """A model that was trained for so many steps."""
    torch.manual_seed(1)
    model, data = VisionTransformer(), draw_scenes(TRAINING_SCENES, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=2e-3, total_steps=steps + 1, pct_start=0.1)
    for step in range(steps):
        rows = torch.randint(len(data.answers), (ROWS,))
        scores, _ = model(data.pictures[rows], data.questions[rows])
        loss = nn.functional.cross_entropy(scores, data.answers[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0:
            print(f"step {step}: loss {loss.item():.3f}", flush=True)
    return model.eval()


@torch.inference_mode()
def draw_maps(model: VisionTransformer, data: Scenes) -> Figure:
    """A row for each scene: the picture, and over it what the question looks at in each layer."""
    scores, maps = model(data.pictures, data.questions)
    figure = Figure(figsize=(2.1 * (1 + LAYERS), 2.4 * len(scores)), layout="constrained")
    for row, line in enumerate(figure.subplots(len(scores), 1 + LAYERS, squeeze=False)):
        for column, ax in enumerate(line):
            ax.imshow(data.pictures[row].permute(1, 2, 0))
            ax.set(xticks=[], yticks=[])
            if column:
                extent = (-0.5, SIZE - 0.5, SIZE - 0.5, -0.5)
                ax.imshow(maps[column - 1][row], cmap="magma", alpha=0.65, extent=extent, vmin=0)
                ax.set_title(f"layer {column}", fontsize=9)
        line[0].set_title(f"left of the {list(COLOURS)[int(data.questions[row])]} one?", fontsize=9)
        line[0].set_xlabel(f"“{NAMES[int(scores[row].argmax())]}”", fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> float:
    """See above. Returns the share of right answers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--picture", default="vit.png")
    chosen = parser.parse_args(arguments)
    model, test = train(chosen.steps), draw_scenes(TEST_SCENES, seed=2)
    with torch.inference_mode():
        right = (model(test.pictures, test.questions)[0].argmax(-1) == test.answers).double().mean().item()
    print(f"right answers on {len(test.answers)} new scenes: {right:.3f}")
    draw_maps(model, Scenes(*(part[:4] for part in test))).savefig(chosen.picture, dpi=90)
    return right


if __name__ == "__main__":
    main()
