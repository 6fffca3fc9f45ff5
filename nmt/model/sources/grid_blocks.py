"""What may follow the convolutions of `model/source=pixels`: nothing, or attention between the cells of the grid."""

from collections.abc import Callable
from typing import Annotated

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from nmt.attention.memory import Memory, split_heads
from nmt.attention.normalizer import Softmax
from nmt.attention.scope import Global
from nmt.attention.score import Dot
from nmt.attention.scored import ScoredAttention
from nmt.errors import ConfigError
from nmt.variants import Variants

Maps = Float[Tensor, "row channel height width"]


class NoBlock(nn.Module):
    """f = x"""

    def __init__(self, *, channels: int) -> None:
        super().__init__()

    def forward(self, maps: Maps) -> Maps:
        return maps


class SaganBlock(nn.Module):
    """x + gamma O a,  a_p = sum_r softmax_r(Q x_p . pool(K x)_r) pool(V x)_r

    (Zhang, Goodfellow, Metaxas and Odena 2019, "Self-Attention Generative Adversarial Networks", section 3, in the form
    of the authors' code: brain-research/self-attention-gan, non_local.py.) Q and K map C channels to C / 8, V to C / 2,
    and O back to C; pool takes the largest of 2 x 2 cells; scores are not divided by sqrt(d). Each of the four maps is
    divided by its spectral norm, which is computed exactly where the paper iterates. gamma is a number that starts at
    0: the block is the identity at first, and in the first step gamma alone has a gradient; its sign is free.

    Raises ConfigError where `channels` is no multiple of 8.
    """

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        if channels % 8:
            raise ConfigError(
                "model.source.block.name=sagan compares an eighth of the channels, so model.source.channels must be a "
                f"multiple of 8; got {channels}."
            )
        self.query = SpectralLinear(channels, channels // 8)
        self.key = SpectralLinear(channels, channels // 8)
        self.value = SpectralLinear(channels, channels // 2)
        self.output = SpectralLinear(channels // 2, channels)
        self.gamma = nn.Parameter(torch.zeros(()))
        self.attention = ScoredAttention(
            score=Dot(query_size=channels // 8, memory_size=channels // 8, heads=1),
            scope=Global(query_size=channels // 8, heads=1),
            normalizer=Softmax(),
            memory_size=channels // 2,
            heads=1,
        )

    def forward(self, maps: Maps) -> Maps:
        cells = maps.flatten(2).mT
        memory = self.remember(cells, maps)
        positions = torch.arange(cells.shape[1], device=cells.device).expand(len(cells), -1)
        context = self.attention(self.query(cells), memory, positions).context
        change: Tensor = self.output(context).mT.reshape(maps.shape)
        return maps + self.gamma * change

    def remember(self, cells: Float[Tensor, "row cell channel"], maps: Maps) -> Memory:
        """Keys and values of the pooled grid, each with a map of its own."""
        keys, values = (pool_cells(part(cells), maps.shape[2:]) for part in (self.key, self.value))
        return Memory(
            keys=self.attention.score.remember(keys),
            values=split_heads(values, 1),
            bias=keys.new_zeros(keys.shape[:2]),
            lengths=torch.full((len(keys),), keys.shape[1], device=keys.device),
        )


def pool_cells(cells: Float[Tensor, "row cell size"], grid: torch.Size) -> Float[Tensor, "row pooled size"]:
    """The largest of each 2 x 2 cells of a grid, feature by feature; a last row or column that is single stays."""
    maps = cells.mT.reshape(len(cells), -1, *grid)
    return F.max_pool2d(maps, 2, ceil_mode=True).flatten(2).mT


class SpectralLinear(nn.Module):
    """x -> W x / |W|, where |W| is the largest singular value of W   (Miyato et al. 2018, "Spectral Normalization")"""

    def __init__(self, size: int, output_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(output_size, size))
        nn.init.xavier_uniform_(self.weight)

    def normalize_weight(self) -> Float[Tensor, "output size"]:
        """W / |W|"""
        norm: Tensor = torch.linalg.matrix_norm(self.weight.float(), 2)
        return self.weight / norm.to(self.weight.dtype)

    def forward(self, states: Float[Tensor, "*place size"]) -> Float[Tensor, "*place output"]:
        return F.linear(states, self.normalize_weight())


BLOCKS: dict[str, type[nn.Module]] = {"none": NoBlock, "sagan": SaganBlock}

BlockFactory = Annotated[Callable[..., nn.Module], Variants(BLOCKS, frozenset({"channels"}))]
"""What `block` chooses: makes it for grids of so many channels."""
