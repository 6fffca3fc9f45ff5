"""Sources that are drawn text: a position is a slice of the picture of the sentence."""

import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from nmt.errors import ConfigError
from nmt.model.sources.features import FeatureFrontend

MAX_CHANNELS, MAX_WINDOW = 256, 1000


class Rendered(FeatureFrontend):
    """x_s = LN(W relu(GN(K * slice_s)) + b) / sqrt(d)

    (Salesky, Etter and Post 2021, "Robust Open-Vocabulary Translation from Visual Text Representations", section 3.)
    K is a convolution of 3 x 3 to `channels` maps. A slice is `height` x `window` pixels, and begins `stride` pixels
    after the one before; ink is 1 and paper 0. The source has tiles of `stride` pixels, from which slices are joined;
    behind the last there is paper. GN normalizes all maps of one slice, where the paper normalizes over a
    batch, so that a sentence does not depend on its neighbours. With LN a vector has length one, as an embedding has.

    font: what `nmt.data.pictures.drawing` draws in. Raises ConfigError for a number that is out of range.
    """

    def __init__(
        self,
        *,
        embedding_size: int,
        dropout: float,
        word_dropout: float,
        font: str | None = None,
        height: int = 13,
        window: int = 20,
        stride: int = 10,
        channels: int = 4,
    ) -> None:
        super().__init__(embedding_size=embedding_size, dropout=dropout, word_dropout=word_dropout)
        if not 1 <= channels <= MAX_CHANNELS:
            raise ConfigError(f"model.source.channels must be from 1 to {MAX_CHANNELS}; got {channels}.")
        if not stride <= window <= MAX_WINDOW:
            raise ConfigError(
                "model.source.window must be at least model.source.stride, or pixels between slices would be lost, and "
                f"at most {MAX_WINDOW}; got window {window} and stride {stride}."
            )
        self.window = window
        self.convolution = nn.Conv2d(1, channels, 3, padding=1)
        self.maps_norm = nn.GroupNorm(1, channels)
        self.output = nn.Linear(channels * height * window, embedding_size)
        self.norm = nn.LayerNorm(embedding_size)

    def embed(
        self, source: Float[Tensor, "row source height stride"], lengths: Int[Tensor, " row"]
    ) -> Float[Tensor, "row source embedding"]:
        slices = join_tiles(source, self.window).flatten(0, 1).unsqueeze(1)
        maps = self.maps_norm(self.convolution(slices)).relu()
        vectors = self.norm(self.output(maps.flatten(1))).unflatten(0, source.shape[:2])
        embedded: Tensor = vectors * vectors.shape[-1] ** -0.5
        return embedded


def join_tiles(
    tiles: Float[Tensor, "row source height stride"], window: int
) -> Float[Tensor, "row source height {window}"]:
    """For each tile, the first `window` columns of it and of what follows, with zeros behind the last."""
    _, count, _, stride = tiles.shape
    line = F.pad(tiles.transpose(1, 2).flatten(2), (0, window - stride))
    slices = line.unfold(2, window, stride)[:, :, :count]
    return slices.transpose(1, 2)
