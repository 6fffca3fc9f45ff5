"""What may be set at one level of a config."""

from collections.abc import Mapping, Sequence

from nmt.config import suggest


def list_level(key: str, keys: Sequence[str], chosen: Mapping[str, str | None]) -> str:
    """Ends a sentence about a key that is no setting: what may be set where it was looked for.

    keys: all that are settings, with dots. chosen: the option of each group, which is written with slashes.
    """
    level = key.rpartition(".")[0]
    while level and level not in keys:
        level = level.rpartition(".")[0]
    prefix = f"{level}." if level else ""
    below = [option.removeprefix(prefix) for option in keys if option.startswith(prefix)]
    name = chosen.get(level.replace(".", "/"))
    # The name of an option is no setting: it is chosen with a slash.
    options = [option for option in below if "." not in option and not (name and option == "name")]
    owner = f" of {level}{f', which is {name}' if name else ''}" if level else ""
    return f"{owner}. {suggest('', options)}"
