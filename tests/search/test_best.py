import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nmt.search.best import best


@given(size=st.integers(1, 1500), count=st.integers(1, 12), kinds=st.integers(1, 2000), seed=st.integers(0, 99))
def test_it_is_a_stable_sort_of_everything(size: int, count: int, kinds: int, seed: int) -> None:
    values = torch.randint(kinds, (3, size), generator=torch.Generator().manual_seed(seed)).float()
    values[1, values[1] < kinds / 2] = -torch.inf  # impossible candidates, as constraints leave them
    expected = [sorted(range(size), key=lambda place: (-row[place], place))[:count] for row in values.tolist()]
    found, places = best(values, count)
    assert places.tolist() == expected
    assert torch.equal(found, values.gather(-1, places))


@pytest.mark.parametrize("size", [255, 256, 257, 40_007])
def test_every_place_can_win(size: int) -> None:
    for place in (0, 15, 16, size // 2, size - 2, size - 1):
        values = torch.zeros(2, 3, size)
        values[1, 2, place] = 1.0
        assert best(values, 2)[1][1, 2].tolist() == [place, 0 if place else 1]


def test_rows_do_not_depend_on_each_other() -> None:
    values = torch.randint(3, (5, 20_000)).float()
    together = best(values, 10)[1]
    assert all(torch.equal(best(row.unsqueeze(0), 10)[1][0], together[place]) for place, row in enumerate(values))
