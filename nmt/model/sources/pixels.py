"""Sources that are pictures: a position is a cell of a grid that convolutions make."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.model.positions import compute_sinusoids
from nmt.model.sources.features import FeatureFrontend
from nmt.model.sources.grid_blocks import BlockFactory, NoBlock


class Pixels(FeatureFrontend):
    """x_(i,j) = (LN(W f_(i,j) + b) + PE(i, j)) / sqrt(d),  f = block(conv_n(.. conv_1(picture)))

    conv_l = relu(GN(K_l * x)) has kernels of 3 x 3 and `channels` maps. There are `layers` groups of `depth` of them,
    and the first of each has a stride of 2, so that a picture of `size` pixels a side becomes a grid of
    size / 2^layers cells a side, which is read row by row. GN normalizes all maps of one picture. PE has waves of the
    row in the first half of the features, and of the column in the second. The grid as the memory of attention is that
    of Xu et al. (2015, "Show, Attend and Tell", section 3.1.1), whose convolutions had been trained on other pictures.

    The source has the pixels of each cell, from 0 to 1. Raises ConfigError for a number that is out of range.
    """

    def __init__(
        self,
        *,
        embedding_size: int,
        dropout: float,
        word_dropout: float,
        size: int = 32,
        layers: int = 2,
        depth: int = 1,
        channels: int = 32,
        block: BlockFactory = NoBlock,
    ) -> None:
        super().__init__(embedding_size=embedding_size, dropout=dropout, word_dropout=word_dropout)
        for name, number in (("depth", depth), ("channels", channels)):
            if number < 1:
                raise ConfigError(f"model.source.{name} must be at least 1; got {number}.")
        self.side = size // 2**layers
        strides = [2, *[1] * (depth - 1)] * layers
        sizes = [3, *[channels] * len(strides)]
        self.convolutions = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(*pair, 3, stride=stride, padding=1), nn.GroupNorm(1, channels), nn.ReLU())
                for pair, stride in zip(pairwise(sizes), strides, strict=True)
            )
        )
        self.block = block(channels=channels)
        self.output = nn.Linear(channels, embedding_size)
        self.norm = nn.LayerNorm(embedding_size)

    def embed(
        self, source: Float[Tensor, "row source height width 3"], lengths: Int[Tensor, " row"]
    ) -> Float[Tensor, "row source embedding"]:
        maps = self.compute_maps(join_cells(source, self.side))
        vectors: Tensor = self.norm(self.output(maps.flatten(2).mT))
        positions = compute_grid_sinusoids(self.side, self.side, vectors.shape[-1], source.device).to(vectors.dtype)
        embedded = (vectors + positions) * vectors.shape[-1] ** -0.5
        return F.pad(embedded, (0, 0, 0, source.shape[1] - embedded.shape[1]))

    def compute_maps(self, pictures: Float[Tensor, "row 3 height width"]) -> Float[Tensor, "row channel _ _"]:
        """What convolutions and block make of pictures."""
        maps: Tensor = self.block(self.convolutions(pictures))
        return maps


def join_cells(cells: Float[Tensor, "row source height width 3"], side: int) -> Float[Tensor, "row 3 _ _"]:
    """Pictures of side x side cells, of which those that are missing are black, and those beyond are left out."""
    cells = F.pad(cells, (0, 0, 0, 0, 0, 0, 0, max(0, side * side - cells.shape[1])))[:, : side * side]
    row, _, height, width, _ = cells.shape
    grid = cells.view(row, side, side, height, width, 3)
    return grid.permute(0, 5, 1, 3, 2, 4).reshape(row, 3, side * height, side * width)


def compute_grid_sinusoids(rows: int, columns: int, size: int, device: torch.device) -> Float[Tensor, "cell {size}"]:
    """Sinusoids of the row, then of the column, of each cell, row by row; for an odd size rows have one feature more.

    (Vaswani et al. 2017, section 3.5, once for each axis, as in Parmar et al. 2018, "Image Transformer".)
    """
    row, column = torch.arange(rows, device=device), torch.arange(columns, device=device)
    down = compute_sinusoids(row.unsqueeze(0), size - size // 2)[0]
    across = compute_sinusoids(column.unsqueeze(0), size // 2)[0]
    return torch.cat([down.repeat_interleave(columns, 0), across.repeat(rows, 1)], -1)
