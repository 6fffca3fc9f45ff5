"""What links the words of given pairs where there is a model, and which settings go with which method."""

from typing import Literal

from nmt.errors import ConfigError

AlignmentMethod = Literal["attention", "gradient", "erase_input", "erase_memory"]

READS_ATTENTION = ("attention", "erase_memory")
"""Methods that say nothing of a model without attention."""

MAX_COPIES = 1000
"""Each is another pass through the model and back; a mean over more would not be another one."""


def check_method(method: str, *, position: str, copies: int) -> None:
    """Raises ConfigError for a position or noisy copies that the method does not have."""
    if position == "read" and method != "attention":
        raise ConfigError(
            f"position=read reads the attention of the step after a word, and method={method} is about the word's own "
            "probability. Leave position out, or choose method=attention."
        )
    if not 0 <= copies <= MAX_COPIES or (copies and method != "gradient"):
        raise ConfigError(
            f"copies are noisy copies for method=gradient, at most {MAX_COPIES}, 0 for none; got copies={copies} with "
            f"method={method}."
        )


def check_direction(source: str, target: str, reverse_source: str) -> None:
    """Raises ConfigError where a model from `source` to `target` and its reverse translate in the same direction."""
    if reverse_source == source:
        raise ConfigError(
            f"reverse translates from {reverse_source}, as this model does; links are joined with those of a "
            f"model from {target} to {source}."
        )
