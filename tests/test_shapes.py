"""The check of shapes and types that all tests run with: also within functions, and off where a test says so."""

import inspect
from collections.abc import Callable

import jaxtyping
import pytest
import torch
from beartype import beartype
from jaxtyping import Float
from torch import Tensor

from tests import shapes


def define_within(annotation: type, axis: int = 0) -> Callable[[Tensor], Tensor]:
    """A function that is defined anew in every call, as a module of `nmt` would define it."""

    @jaxtyping.jaxtyped(typechecker=beartype)
    def read(tensor: annotation) -> Float[Tensor, "row"]:  # type: ignore[valid-type]
        return tensor.select(axis, 0)  # type: ignore[attr-defined, no-any-return]

    return read


@jaxtyping.jaxtyped(typechecker=beartype)
def select(tensor: Float[Tensor, "row column"], size: int, *, wanted: "list[Unknown] | None" = None) -> "Sum":  # type: ignore[name-defined]
    """As a module of `nmt` would define it; its result must have `size` numbers."""
    return tensor.sum(1) if wanted is None else wanted  # type: ignore[return-value]


Sum = Float[Tensor, " {size}"]
"""Known only when `select` is called."""


def test_a_function_of_a_module_is_checked() -> None:
    matrix, cube = torch.ones(2, 3), torch.ones(2, 3, 5)
    assert select(matrix, 2).tolist() == select(tensor=matrix, size=2).tolist() == [3, 3]
    assert str(inspect.signature(select)).startswith("(tensor: ")
    for wrong in (lambda: select(cube, 2), lambda: select(matrix, 2.0), lambda: select(matrix, size="2")):
        with pytest.raises(jaxtyping.TypeCheckError, match=r"tests.test_shapes: .* parameter"):
            wrong()
    for wrong in (lambda: select(matrix, 3), lambda: select(matrix, 2, wanted=[1])):
        with pytest.raises(jaxtyping.TypeCheckError, match=r"tests.test_shapes: .* return"):
            wrong()
    with pytest.raises(TypeError, match="missing"):
        select(matrix)  # type: ignore[call-arg]
    with shapes.without_checks():
        assert select(matrix, 3).tolist() == [3, 3]


def test_a_function_within_another_is_checked_whenever_it_is_defined() -> None:
    matrix, cube = torch.ones(2, 2), torch.ones(2, 3, 5)
    for _ in range(2):
        assert define_within(Float[Tensor, "row column"])(matrix).shape == (2,)
        with pytest.raises(jaxtyping.TypeCheckError, match="parameters"):
            define_within(Float[Tensor, "row column"])(cube)
        with pytest.raises(jaxtyping.TypeCheckError, match="parameters"):
            define_within(Float[Tensor, "row column depth"])(matrix)
        with pytest.raises(jaxtyping.TypeCheckError, match="return value"):
            define_within(Float[Tensor, "row column depth"])(cube)


def test_those_of_the_same_lines_share_what_checks_them_and_nothing_else() -> None:
    first, last = (define_within(Float[Tensor, "line column"], axis) for axis in (0, 1))
    known = len(shapes.inner_checks.made)
    again = define_within(Float[Tensor, "line column"], 1)
    assert len(shapes.inner_checks.made) == known
    tensor = torch.arange(6.0).reshape(2, 3)
    assert first(tensor).tolist() == [0, 1, 2]
    assert last(tensor).tolist() == again(tensor).tolist() == [0, 3]


def test_whole_runs_are_not_checked() -> None:
    read = define_within(Float[Tensor, "row column"])
    with shapes.without_checks():
        assert read(torch.ones(3)) == define_within(Float[Tensor, "row column"])(torch.ones(3)) == 1
    with pytest.raises(jaxtyping.TypeCheckError):
        read(torch.ones(3))
