"""Whether and how the shapes and types in the signatures of `nmt` are checked while tests run."""

import functools
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FunctionType
from typing import Any, get_type_hints

import jaxtyping
from beartype.roar import BeartypeCallHintViolation
from jaxtyping import config, install_import_hook
from jaxtyping._storage import pop_shape_memo, push_shape_memo

Function = Callable[..., Any]


class InnerChecks(threading.local):
    """The checks of functions that are defined within others, by code and annotations.

    Such a function is defined anew whenever the outer one is called, in the middle of a search. To make its check takes
    a hundred times as long as to run it, so that those which come from the same lines share one.
    """

    def __init__(self) -> None:
        self.made: dict[tuple[object, str], tuple[Function, list[Function]]] = {}

    def add(self, function: FunctionType, check: Callable[[Function], Function]) -> Function:
        """`function` checked; `check` makes a function that is checked."""
        key = (function.__code__, repr(function.__annotations__))
        if key not in self.made:
            running: list[Function] = []
            self.made[key] = check(_make_stand_in(function, running)), running
        checked, running = self.made[key]

        @functools.wraps(function)
        def call(*arguments: Any, **more: Any) -> Any:
            if config.jaxtyping_disable:
                return function(*arguments, **more)
            running.append(function)
            try:
                return checked(*arguments, **more)
            finally:
                running.pop()

        return call


inner_checks = InnerChecks()


def _make_stand_in(function: FunctionType, running: list[Function]) -> Function:
    """A function with the signature of `function` that calls the last of those that run."""

    def call_last(*arguments: Any, **more: Any) -> Any:
        return running[-1](*arguments, **more)

    stand_in = FunctionType(call_last.__code__, function.__globals__, closure=call_last.__closure__)
    functools.update_wrapper(stand_in, function)
    del stand_in.__wrapped__  # type: ignore[attr-defined]
    stand_in.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return stand_in


def check_when_called(function: FunctionType, typechecker: Callable[[Function], Function]) -> Function:
    """`function` with its arguments and its result checked, each once.

    `jaxtyping.jaxtyped` checks arguments a second time together with the result, and makes its checks for all functions
    of a module when that is imported. This makes one at the first call.
    """
    checked: Function | None = None
    signature: inspect.Signature | None = None

    @functools.wraps(function)
    def call(*arguments: Any, **more: Any) -> Any:
        nonlocal checked, signature
        if config.jaxtyping_disable:
            return function(*arguments, **more)
        if checked is None:
            copy = _copy_with_read_annotations(function)
            if "{" in str(copy.__annotations__):  # sizes that are arguments: "row {size}"
                signature = inspect.signature(copy)
            checked = typechecker(copy)
        push_shape_memo(_bind(signature, *arguments, **more) if signature else {})
        try:
            return checked(*arguments, **more)
        except BeartypeCallHintViolation as problem:
            raise jaxtyping.TypeCheckError(f"{function.__module__}: {problem}") from None
        finally:
            pop_shape_memo()

    return call


def _bind(signature: inspect.Signature, *arguments: Any, **more: Any) -> dict[str, Any]:
    bound = signature.bind(*arguments, **more)
    bound.apply_defaults()
    return bound.arguments


def _copy_with_read_annotations(function: FunctionType) -> FunctionType:
    """Without those annotations in quotes that name what is not there while the program runs."""
    copy = FunctionType(
        function.__code__, function.__globals__, function.__name__, function.__defaults__, function.__closure__
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__qualname__ = function.__qualname__
    for name, annotation in function.__annotations__.items():
        copy.__annotations__[name] = _read_annotation(annotation, function.__globals__)
    return copy


def _read_annotation(annotation: Any, names: dict[str, Any]) -> Any:
    def value() -> None: ...

    value.__annotations__ = {"it": annotation}
    try:
        return get_type_hints(value, names, include_extras=True)["it"]
    except (NameError, TypeError):
        return Any


def install_checks() -> None:
    """From now on, what is imported of `nmt` checks its shapes and types."""
    make_check = jaxtyping.jaxtyped

    def jaxtyped(*, typechecker: Any) -> Callable[[Any], Any]:
        check = make_check(typechecker=typechecker)

        def decorate(defined: Any) -> Any:
            if not isinstance(defined, FunctionType) or inspect.isgeneratorfunction(defined):
                return check(defined)
            if "<locals>" not in defined.__qualname__:
                return check_when_called(defined, typechecker)
            if config.jaxtyping_disable:
                return defined
            has_defaults = defined.__defaults__ or defined.__kwdefaults__
            return check(defined) if has_defaults else inner_checks.add(defined, check)

        return decorate

    jaxtyping.jaxtyped = jaxtyped
    install_import_hook("nmt", "beartype.beartype")


@contextmanager
def without_checks() -> Iterator[None]:
    """For whole runs, which take longer with every shape checked; the tests of their parts do that."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)
