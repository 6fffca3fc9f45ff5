"""Words of the command line that are longer than any name: file systems refuse to look for such files."""

import re

MAX_KEY_CHARACTERS = 200
"""Of a setting; ours have 40 at most. Hydra looks for each as for a file, whose name may have 255 bytes."""

MAX_OPTION_BYTES = 250
"""Of the name of an option, and of each part of a recipe's path."""

SHOWN_CHARACTERS = 60


def explain_long_name(key: str, value: str, *, chooses: bool) -> str | None:
    """What is wrong with a word whose key, or whose option where it `chooses` one, is longer than any name; or None."""
    if len(key) > MAX_KEY_CHARACTERS:
        return (
            f"{key[:SHOWN_CHARACTERS]}... is not a setting: its name has {len(key)} characters. A setting is written "
            "key=value, such as seed=2; long text belongs in a file."
        )
    names = re.split(r"[,/]", value) if chooses and "{" not in value else ()
    if long_names := [name for name in names if len(name.encode()) > MAX_OPTION_BYTES]:
        return (
            f"{key}={long_names[0][:SHOWN_CHARACTERS]}... names nothing that can be there: it has "
            f"{len(long_names[0].encode())} bytes, and file systems take names of 255."
        )
    return None
