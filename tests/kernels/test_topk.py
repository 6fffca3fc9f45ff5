import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.kernels.topk import stable_topk, stable_topk_sums


@given(size=st.integers(1, 1500), count=st.integers(1, 12), kinds=st.integers(1, 2000), seed=st.integers(0, 99))
def test_it_is_a_stable_sort_of_everything(size: int, count: int, kinds: int, seed: int) -> None:
    values = torch.randint(kinds, (3, size), generator=torch.Generator().manual_seed(seed)).float()
    values[1, values[1] < kinds / 2] = -torch.inf  # impossible candidates, as constraints leave them
    expected = [sorted(range(size), key=lambda place: (-row[place], place))[:count] for row in values.tolist()]
    found, places = stable_topk(values, count)
    assert places.tolist() == expected
    assert torch.equal(found, values.gather(-1, places))


@given(
    groups=st.integers(1, 6),
    size=st.integers(1, 900),
    count=st.integers(1, 12),
    kinds=st.integers(1, 2000),
    seed=st.integers(0, 99),
)
def test_sums_are_a_stable_sort_of_all_groups(groups: int, size: int, count: int, kinds: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    added = torch.randint(kinds, (2, groups, size), generator=draw).float()
    base = torch.randint(kinds, (2, groups), generator=draw).float()
    found = stable_topk_sums(base, added, count)
    for row, sums in enumerate((base.unsqueeze(-1) + added).flatten(1).tolist()):
        expected = sorted(range(len(sums)), key=lambda place: (-sums[place], place))[:count]
        assert (found.group[row] * size + found.position[row]).tolist() == expected
        assert found.value[row].tolist() == [sums[place] for place in expected]


@pytest.mark.parametrize("size", [2000, 2048, 4098, 6000, 8000, 10_007])
@pytest.mark.parametrize(("groups", "count"), [(1, 1), (1, 6), (5, 10), (3, 40)])
def test_vocabularies_of_every_size_are_cut(size: int, groups: int, count: int) -> None:
    added, base = torch.randint(size // 3, (2, groups, size)).float(), torch.randint(9, (2, groups)).float()
    found = stable_topk_sums(base, added, count)
    values, places = (base.unsqueeze(-1) + added).flatten(1).sort(descending=True, stable=True)
    assert torch.equal(found.group * size + found.position, places[:, :count])
    assert torch.equal(found.value, values[:, :count])


@given(size=st.integers(2, 900), count=st.integers(1, 12), possible=st.integers(0, 12), seed=st.integers(0, 99))
def test_what_is_possible_comes_before_what_is_not(size: int, count: int, possible: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    added = torch.full((3, size), -torch.inf)
    places = torch.randperm(3 * size, generator=draw)[:possible]
    added.view(-1)[places] = torch.randn(len(places), generator=draw)
    found = stable_topk_sums(torch.zeros(3), added, count)
    expected = added.flatten().sort(descending=True, stable=True)
    assert torch.equal(found.value, expected.values[:count])
    many = min(count, len(places))
    assert torch.equal((found.group * size + found.position)[:many], expected.indices[:many])


@pytest.mark.parametrize("size", [255, 256, 257, 40_007])
def test_every_place_can_win(size: int) -> None:
    for place in (0, 15, 16, size // 2, size - 2, size - 1):
        values = torch.zeros(2, 3, size)
        values[1, 2, place] = 1.0
        assert stable_topk(values, 2)[1][1, 2].tolist() == [place, 0 if place else 1]


def test_rows_do_not_depend_on_each_other() -> None:
    values = torch.randint(3, (5, 20_000)).float()
    together = stable_topk(values, 10)[1]
    assert all(
        torch.equal(stable_topk(row.unsqueeze(0), 10)[1][0], together[place]) for place, row in enumerate(values)
    )
