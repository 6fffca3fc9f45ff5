"""What the block between cells is for: whether two marks in opposite corners are twins, no convolution can see."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nmt.model.sources.grid_blocks import NoBlock, SaganBlock

SIDE, CHANNELS, COLOURS = 24, 32, 8
CONTRAST = 6.4  # of colours, so that the block's scores differ from the start

pytestmark = pytest.mark.usefixtures("unchecked_shapes")


def draw_twins(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pictures with a mark in one corner and one in the opposite corner, and whether both have one colour, which holds
    for half of them; the colours of both are drawn alike."""
    palette = CONTRAST * (torch.tensor([[n >> 2 & 1, n >> 1 & 1, n & 1] for n in range(COLOURS)]) - 0.5)
    one = torch.randint(COLOURS, (count,), generator=generator)
    other = (one + torch.randint(1, COLOURS, (count,), generator=generator)) % COLOURS
    is_twin = torch.rand(count, generator=generator) < 0.5
    other = torch.where(is_twin, one, other)
    pictures, places = torch.zeros(count, 3, SIDE, SIDE), torch.randint(0, 4, (count, 4), generator=generator)
    falls = torch.rand(count, generator=generator) < 0.5
    for n in range(count):
        y, x, v, u = places[n].tolist()
        marks = [(y, x), (SIDE - 4 - v, SIDE - 4 - u)]
        for (top, left), colour in zip(marks, (one[n], other[n]), strict=True):
            left = left if falls[n] else SIDE - 4 - left
            pictures[n, :, top : top + 4, left : left + 4] = palette[colour].view(3, 1, 1)
    return pictures, is_twin.long()


def train(block: nn.Module, steps: int) -> float:
    """The accuracy on new pictures of a mean over cells of what a network makes of each cell; below the block there are
    3 x 3 convolutions, which see less than half of a picture."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    sizes = [3, CHANNELS, CHANNELS]
    below = [nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()) for a, b in pairwise(sizes)]
    seen = nn.Sequential(*below, block, nn.Conv2d(CHANNELS, CHANNELS, 1), nn.ReLU())
    last = nn.Conv2d(CHANNELS, 2, 1)
    optimizer = torch.optim.Adam([*seen.parameters(), *last.parameters()], 3e-3)
    pictures, classes = draw_twins(10_000, generator)
    for _ in range(steps):
        rows = torch.randint(len(pictures), (64,), generator=generator)
        loss = F.cross_entropy(last(seen(pictures[rows])).mean((2, 3)), classes[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pictures, classes = draw_twins(1000, generator)
    with torch.no_grad():
        return float((last(seen(pictures)).mean((2, 3)).argmax(-1) == classes).float().mean())


@pytest.mark.slow
def test_twins_are_seen_with_the_block_alone() -> None:
    block = SaganBlock(channels=CHANNELS)
    assert train(NoBlock(channels=CHANNELS), 1500) <= 0.6
    assert train(block, 1500) >= 0.97
    assert abs(float(block.gamma.detach())) > 0.05
