"""Frontends that read pictures, against their equations in numpy, and the laws of the block between cells."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from nmt.data.sources.pixels import PixelReader
from nmt.errors import ConfigError
from nmt.model.positions import compute_sinusoids
from nmt.model.sources.grid_blocks import SaganBlock, SpectralLinear, pool_cells
from nmt.model.sources.pixels import Pixels, compute_grid_sinusoids, join_cells
from nmt.model.sources.rendered import Rendered
from tests.builders import draw_normal

SIZES = {"embedding_size": 11, "dropout": 0.0, "word_dropout": 0.0}


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def rendered() -> Rendered:
    torch.manual_seed(1)
    return Rendered(**SIZES, height=7, window=5, stride=3, channels=2).eval()


def pixels(**settings: object) -> Pixels:
    torch.manual_seed(2)
    return Pixels(**{**SIZES, "size": 12, "layers": 2, "channels": 8, **settings}).eval()  # type: ignore[arg-type]


# Slices -----------------------------------------------------------------------------------------------------------


def test_a_slice_is_convolved_normalized_and_mapped() -> None:
    frontend, tiles, lengths = rendered(), torch.rand(2, 4, 7, 3), torch.tensor([4, 3])
    tiles[0, 3:], tiles[1, 2:] = 0, 0
    found = frontend(tiles, lengths)
    kernel, bias = frontend.convolution.weight.detach(), frontend.convolution.bias.detach()
    for row, length in enumerate(lengths.tolist()):
        line = torch.cat([*tiles[row], torch.zeros(7, 9)], 1)
        for place in range(length - 1):
            paper = F.pad(line[:, 3 * place : 3 * place + 5], (1, 1, 1, 1))
            maps = torch.zeros(2, 7, 5)
            for channel in range(2):
                for y in range(7):
                    for x in range(5):
                        patch = paper[y : y + 3, x : x + 3]
                        maps[channel, y, x] = (patch * kernel[channel, 0]).sum() + bias[channel]
            maps = (maps - maps.mean()) / (maps.var(correction=0) + 1e-5).sqrt()
            vector = frontend.output(maps.clamp(min=0).flatten()).detach()
            vector = (vector - vector.mean()) / (vector.var(correction=0) + 1e-5).sqrt()
            close(found.embedded[row, place].detach(), vector / 11**0.5)
        close(found.embedded[row, length - 1], frontend.end)
    assert found.lengths.tolist() == [4, 3]


def test_a_sentence_does_not_depend_on_its_neighbours() -> None:
    frontend, source = rendered().train(), torch.rand(2, 4, 7, 3)
    together = frontend(source, torch.tensor([4, 4])).embedded
    close(frontend(source[1:], torch.tensor([4])).embedded[0], together[1])


# Grids ------------------------------------------------------------------------------------------------------------


def test_cells_become_the_picture_again() -> None:
    picture = np.random.default_rng(3).random((12, 12, 3), dtype=np.float32)
    reader = PixelReader(size=12, layers=2)
    grid = picture.reshape(3, 4, 3, 4, 3).transpose(0, 2, 1, 3, 4)
    cells = torch.from_numpy(np.ascontiguousarray(grid.reshape(9, *reader.feature_shape)))
    np.testing.assert_array_equal(join_cells(cells.unsqueeze(0), 3)[0].permute(1, 2, 0).numpy(), picture)


def test_a_cell_is_what_convolutions_see_there_and_where_it_is() -> None:
    frontend, source = pixels(layers=1, size=6), torch.rand(1, 10, 2, 2, 3)
    found = frontend(source, torch.tensor([10])).embedded[0].detach()
    picture = F.pad(join_cells(source, 3)[0], (1, 1, 1, 1))
    convolution = frontend.convolutions[0][0]
    maps = torch.zeros(8, 3, 3)
    for y in range(3):
        for x in range(3):
            patch = picture[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            maps[:, y, x] = (convolution.weight * patch).sum((1, 2, 3)).detach() + convolution.bias.detach()
    maps = ((maps - maps.mean()) / (maps.var(correction=0) + 1e-5).sqrt()).clamp(min=0)
    for y in range(3):
        for x in range(3):
            vector = frontend.norm(frontend.output(maps[:, y, x])).detach()
            down, across = (compute_sinusoids(torch.tensor([[place]]), size)[0, 0] for place, size in ((y, 6), (x, 5)))
            close(found[3 * y + x], (vector + torch.cat([down, across])) / 11**0.5)
    close(found[9], frontend.end.detach())


@pytest.mark.parametrize(("layers", "depth", "field"), [(1, 1, 3), (2, 1, 7), (2, 2, 19), (1, 3, 11)])
def test_a_cell_sees_as_far_as_its_kernels_reach(layers: int, depth: int, field: int) -> None:
    frontend = pixels(size=64, layers=layers, depth=depth)
    for part in frontend.convolutions:
        part[1] = torch.nn.Identity()  # which sees all of the picture
        part[2] = torch.nn.Identity()
        torch.nn.init.ones_(part[0].weight)
    pictures = torch.zeros(1, 3, 64, 64, requires_grad=True)
    maps = frontend.compute_maps(pictures)
    assert maps.shape[2] == 64 // 2**layers
    maps[0, 0, maps.shape[2] // 2, maps.shape[3] // 2].backward()
    assert pictures.grad is not None
    seen = pictures.grad[0, 0].nonzero()
    assert (seen.amax(0) - seen.amin(0) + 1).tolist() == [field, field]


def test_no_two_cells_have_the_same_place() -> None:
    places = compute_grid_sinusoids(5, 7, 11, torch.device("cpu"))
    assert places.shape == (35, 11)
    distances = torch.cdist(places, places) + 9 * torch.eye(35)
    assert distances.min() > 0.1


def test_fewer_cells_are_a_black_rest_and_padding_is_left_alone() -> None:
    frontend = pixels()
    few = frontend(torch.rand(1, 6, 4, 4, 3), torch.tensor([6]))
    assert few.embedded.shape == (1, 6, 11)
    assert few.embedded.isfinite().all()
    source = torch.rand(1, 10, 4, 4, 3)
    padded = frontend(F.pad(source, (0, 0, 0, 0, 0, 0, 0, 3), value=5.0), torch.tensor([10]))
    close(padded.embedded[:, :10], frontend(source, torch.tensor([10])).embedded)


@pytest.mark.parametrize("block", [None, SaganBlock])
def test_every_parameter_of_a_frontend_learns(block: type[SaganBlock] | None) -> None:
    frontend = pixels(**({} if block is None else {"block": block}))
    if block is not None:
        torch.nn.init.ones_(frontend.block.gamma)
    found = frontend(torch.rand(2, 10, 4, 4, 3), torch.tensor([10, 10])).embedded
    (found * draw_normal(*found.shape, seed=5)).sum().backward()
    for name, parameter in frontend.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


# The block --------------------------------------------------------------------------------------------------------


def make_block(gamma: float = 0.7) -> SaganBlock:
    torch.manual_seed(4)
    block = SaganBlock(channels=16)
    torch.nn.init.constant_(block.gamma, gamma)
    return block


def test_the_block_is_a_loop_over_cells() -> None:
    block, maps = make_block(-0.7), draw_normal(2, 16, 5, 4, seed=6)
    q, k, v, o = (part.normalize_weight().detach() for part in (block.query, block.key, block.value, block.output))
    found = block(maps).detach()
    for row in range(2):
        pooled = []
        for y in (0, 2, 4):
            for x in (0, 2):
                cells = [maps[row, :, i, j] for i in range(y, min(y + 2, 5)) for j in range(x, x + 2)]
                both = [torch.stack([w @ cell for cell in cells]).amax(0) for w in (k, v)]
                pooled.append(both)
        for y in range(5):
            for x in range(4):
                scores = torch.stack([(q @ maps[row, :, y, x]) @ key for key, _ in pooled])
                weights = scores.exp() / scores.exp().sum()
                context = sum(w * value for w, (_, value) in zip(weights, pooled, strict=True))
                close(found[row, :, y, x], maps[row, :, y, x] - 0.7 * (o @ context))


def test_with_a_gamma_of_zero_the_block_is_the_identity_and_gamma_alone_learns() -> None:
    block, maps = make_block(0.0), draw_normal(2, 16, 4, 4, seed=7)
    found = block(maps)
    assert torch.equal(found, maps)
    (found * draw_normal(*found.shape, seed=8)).sum().backward()
    assert block.gamma.grad != 0
    assert all(not p.grad.any() for name, p in block.named_parameters() if name != "gamma")


def test_the_block_knows_no_places() -> None:
    """Squares of 2 x 2 cells that change their places take what they become with them."""
    block, maps = make_block(), draw_normal(1, 16, 4, 6, seed=9)
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))

    def move(given: torch.Tensor) -> torch.Tensor:
        squares = given.unflatten(2, (2, 2)).unflatten(4, (3, 2)).permute(0, 1, 2, 4, 3, 5).flatten(2, 3)
        return squares[:, :, order].unflatten(2, (2, 3)).permute(0, 1, 2, 4, 3, 5).flatten(4, 5).flatten(2, 3)

    close(block(move(maps)), move(block(maps)))


def test_the_largest_singular_value_is_one() -> None:
    torch.manual_seed(5)
    for size, output_size in ((16, 2), (8, 16), (3, 3)):
        linear = SpectralLinear(size, output_size)
        torch.nn.init.normal_(linear.weight, std=3.0)
        largest = torch.linalg.svdvals(linear.normalize_weight().detach()).max()
        assert abs(largest - 1.0) < 1e-4


def test_pooling_takes_the_largest_of_each_feature() -> None:
    cells = draw_normal(1, 6, 3, seed=10)  # a grid of 2 x 3
    found = pool_cells(cells, torch.Size([2, 3]))
    left, right = cells[0, [0, 1, 3, 4]].amax(0), cells[0, [2, 5]].amax(0)
    assert torch.equal(found[0], torch.stack([left, right]))


def test_channels_are_checked() -> None:
    with pytest.raises(ConfigError, match=r"model\.source\.channels must be a multiple of 8; got 12"):
        SaganBlock(channels=12)
    with pytest.raises(ConfigError, match=r"model\.source\.channels must be from 1"):
        Rendered(**SIZES, channels=0)
    with pytest.raises(ConfigError, match=r"model\.source\.window must be at least.*got window 9 and stride 10"):
        Rendered(**SIZES, window=9)
    with pytest.raises(ConfigError, match=r"model\.source\.channels must be at least 1"):
        pixels(channels=0)
