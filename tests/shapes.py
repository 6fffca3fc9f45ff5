"""Whether the shapes in the signatures of `nmt` are checked while tests run."""

from collections.abc import Iterator
from contextlib import contextmanager

from jaxtyping import config


@contextmanager
def without_checks() -> Iterator[None]:
    """For whole runs, which are three times as long with every shape checked; the tests of their parts do that."""
    before = config.jaxtyping_disable
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", before)
