"""Two far shapes of one colour: a generative adversarial network with self-attention, and without.

python scripts/examples/sagan.py [--steps 1500] [--picture sagan.png]

Zhang et al. 2019, "Self-Attention Generative Adversarial Networks", on scenes of 32 x 32 pixels with one shape in the
upper left corner and one in the lower right, both of one colour out of three. Convolutions see one corner at a time, so
that only attention can tell whether colours agree. Prints the share of generated pictures in which they do.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

sys.path[0] = str(Path(__file__).resolve().parents[2])  # so that it also runs where nmt is not installed

import nmt  # noqa: E402
from nmt.data.pictures.boxes import Box  # noqa: E402
from nmt.data.pictures.scenes import COLOURS, SHAPES, DrawnScene, SceneObject, draw_scene  # noqa: E402

CHOSEN, LATENT, ROWS = ("red", "green", "blue"), 32, 64


def draw_pictures(count: int, seed: int) -> Tensor:
    """Pictures whose two shapes agree in colour, -1 to 1, [row, 3, 32, 32]."""
    random, found = Random(seed), []
    for _ in range(count):
        colour, objects = random.choice(CHOSEN), []
        for corner in (1, 20):
            left, top = corner + random.randint(0, 2), corner + random.randint(0, 2)
            objects.append(SceneObject(colour, random.choice(SHAPES[:2]), Box(left, top, left + 9, top + 9)))
        found.append(torch.frombuffer(bytearray(draw_scene(DrawnScene(objects, "above")).tobytes()), dtype=torch.uint8))
    return torch.stack(found).view(count, 32, 32, 3).permute(0, 3, 1, 2) / 127.5 - 1


def measure_agreement(pictures: Tensor) -> float:
    """The share of pictures whose upper left and lower right are nearest to the same colour."""
    colours = torch.tensor([COLOURS[name] for name in CHOSEN]) / 127.5 - 1
    corners = [pictures[:, :, start : start + 5, start : start + 5].mean((2, 3)) for start in (4, 23)]
    return torch.eq(*(torch.cdist(corner, colours).argmin(1) for corner in corners)).double().mean().item()


class AttentionBlock(nn.Module):
    """x + gamma o(sum_s w_s v_s) with w = softmax of q . k_s, and gamma 0 at first

    Keys and values are the largest of 2 x 2 positions. A memory of nmt.Attention is one sequence, so that each state
    is a key with its value behind it, where the query has zeros.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.size, value = channels // 8, channels // 2
        sizes = {"query": self.size, "key": self.size, "value": value}
        self.maps = nn.ModuleDict({name: spectral_norm(nn.Conv2d(channels, size, 1)) for name, size in sizes.items()})
        self.output = spectral_norm(nn.Conv2d(value, channels, 1))
        self.attention = nmt.Attention.of(score="dot", query_size=self.size + value, memory_size=self.size + value)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, states: Tensor) -> Tensor:
        return states + self.gamma * self.look(states)[0]

    def look(self, states: Tensor) -> tuple[Tensor, Tensor]:
        """What is read at each position, [row, channel, y, x], and the weights [row, position, pooled position]."""
        query, key, value = (each(states) for each in self.maps.values())
        memory = nn.functional.max_pool2d(torch.cat([key, value], 1), 2).flatten(2).transpose(1, 2)
        query = torch.cat([query, torch.zeros_like(value)], 1).flatten(2).transpose(1, 2)
        context, weights = self.attention(query, memory)
        return self.output(context[..., self.size :].transpose(1, 2).unflatten(2, states.shape[2:])), weights[:, 0]


def make_generator(attends: bool) -> nn.Sequential:
    """Latent vectors [row, latent, 1, 1] -> pictures, by way of 4, 8, 16 and 32 pixels."""
    layers: list[nn.Module] = [spectral_norm(nn.ConvTranspose2d(LATENT, 128, 4)), nn.BatchNorm2d(128), nn.ReLU()]
    for inputs, outputs in ((128, 64), (64, 32)):
        layers += [spectral_norm(nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1))]
        layers += [nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [AttentionBlock(outputs)] if attends and outputs == 64 else []
    return nn.Sequential(*layers, nn.ConvTranspose2d(32, 3, 4, stride=2, padding=1), nn.Tanh())


def make_discriminator(attends: bool) -> nn.Sequential:
    """Pictures -> how real they look. A feature sees 10 x 10 pixels before attention, and the score is a mean."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 32), (32, 64)):
        layers += [spectral_norm(nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)), nn.LeakyReLU(0.1)]
    layers += [AttentionBlock(64)] if attends else []
    layers += [spectral_norm(nn.Conv2d(64, 64, 1)), nn.LeakyReLU(0.1), spectral_norm(nn.Conv2d(64, 1, 1))]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(0))


def train(steps: int, attends: bool) -> tuple[nn.Sequential, nn.Sequential]:
    """Generator and discriminator after so many steps of each, by the hinge loss, with a learning rate of its own."""
    torch.manual_seed(1)
    real, generator, discriminator = draw_pictures(5000, seed=1), make_generator(attends), make_discriminator(attends)
    rates = {discriminator: 8e-4, generator: 2e-4}
    optimizers = [torch.optim.Adam(model.parameters(), lr=rate, betas=(0.0, 0.9)) for model, rate in rates.items()]
    for step in range(steps):
        made = generator(torch.randn(ROWS, LATENT, 1, 1))
        scores = discriminator(torch.cat([real[torch.randint(len(real), (ROWS,))], made.detach()]))
        loss = torch.relu(1 - scores[:ROWS]).mean() + torch.relu(1 + scores[ROWS:]).mean()
        for optimizer in optimizers:
            optimizer.zero_grad()
            (loss if optimizer is optimizers[0] else -discriminator(made).mean()).backward()
            optimizer.step()
        if step % 250 == 0:
            print(f"step {step}: loss {loss.item():.3f}, agreement {measure_agreement(made.detach()):.2f}", flush=True)
    return generator.eval(), discriminator.eval()


@torch.inference_mode()
def draw_grids(grids: dict[str, Tensor], discriminator: nn.Sequential) -> Figure:
    """16 pictures of each kind, and where one position of the last kind's first picture looks in the discriminator."""
    figure = Figure(figsize=(3 * len(grids) + 3, 3.4), layout="constrained")
    *axes, last = figure.subplots(1, len(grids) + 1)
    for ax, (name, pictures) in zip(axes, grids.items(), strict=True):
        grid = nn.functional.pad(pictures[:16], (1, 1, 1, 1), value=1.0).unflatten(0, (4, 4)).permute(0, 3, 1, 4, 2)
        ax.imshow(grid.reshape(4 * 34, 4 * 34, 3).add(1).div(2).clamp(0, 1))
        ax.set_title(f"{name}: {measure_agreement(pictures):.0%} agree", fontsize=9)
    picture, block = list(grids.values())[-1][:1], discriminator[4]
    weights = block.look(discriminator[:4](picture))[1].view(8, 8, 4, 4)[1, 1]
    last.imshow(picture[0].permute(1, 2, 0).add(1).div(2).clamp(0, 1))
    last.imshow(weights, cmap="magma", alpha=0.6, extent=(-0.5, 31.5, 31.5, -0.5))
    last.plot(5.5, 5.5, "wx")
    last.set_title(f"where × looks; gamma {block.gamma.item():.2f}", fontsize=9)
    return figure


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """See above. Returns the shares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--picture", default="sagan.png")
    chosen, grids = parser.parse_args(arguments), {"real": draw_pictures(500, seed=2)}
    for name, attends in (("without attention", False), ("with attention", True)):
        generator, discriminator = train(chosen.steps, attends)
        with torch.inference_mode():
            grids[name] = generator(torch.randn(500, LATENT, 1, 1))
    draw_grids(grids, discriminator).savefig(chosen.picture, dpi=90)
    print("agreement:", shares := {name: round(measure_agreement(pictures), 3) for name, pictures in grids.items()})
    return shares


if __name__ == "__main__":
    main()
