"""How a message about a config writes values, and the word that may be meant."""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from nmt.renames import SETTINGS
from nmt.synonyms import find_value

LAST_PARTS = {old.split(".")[-1]: new.split(".")[-1] for old, new in SETTINGS.items()}
"""Settings that were renamed, without their groups."""


def suggest(word: str, right: Iterable[str]) -> str:
    """A hint that names what another toolkit's word is called here, else the most similar word, else all of them."""
    options = sorted(right)
    if (ours := find_value(word, options)) is not None:
        return f"It is called {ours} here."
    if (new := LAST_PARTS.get(word)) in options:
        return f"It is called {new} now."
    close = difflib.get_close_matches(word, options, n=1, cutoff=0.6)
    if close:
        return f"Did you mean {close[0]}?"
    return f"Choose from: {', '.join(options)}." if options else "Nothing can be set here."


def format_value(value: Any, depth: int = 3) -> str:
    """A value as a person would write it; text in quotes, so that its spaces are seen, and what lies deep left out."""
    if isinstance(value, list | tuple | Mapping) and value and not depth:
        return "..."
    if isinstance(value, list | tuple):
        return f"[{', '.join(format_value(below, depth - 1) for below in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{key}: {format_value(below, depth - 1)}' for key, below in value.items())}}}"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value) if isinstance(value, str) else str(value)
