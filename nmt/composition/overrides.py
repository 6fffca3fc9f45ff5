"""Words of the command line as Hydra reads them: quotes where they lack, and shorter spellings of long settings."""

import re
from collections.abc import Mapping, Sequence
from os import PathLike

MODEL_ALIASES = {"model=": "model.folder=", "search.": "++search."}
"""For commands that apply a trained model: `model` would be the group by that name, which describes untrained ones, and
settings of the model's own search are in its folder, not in the config, so that only the task can check them."""

TRAINING_ALIASES = {"data.corpora.": "++data.corpora."}
"""For commands that train: corpora have names of a person's choice, which no config has."""


def expand_alias(word: str, aliases: Mapping[str, str]) -> str:
    """A word of the command line as Hydra has it."""
    for beginning, expansion in aliases.items():
        if word.startswith(beginning):
            value = word.removeprefix(beginning)
            word = expansion + (quote_folders(value) if beginning == "model=" else value)
            break
    return word if can_parse(word) else quote_value(word)


def quote_folders(value: str) -> str:
    """Folders with commas between, in brackets or not, as one text: what Hydra would take for a sweep, or for a list of
    names without a = in them. A value with quotes is left as it is."""
    bare = value[1:-1] if value.startswith("[") and value.endswith("]") else value
    plain = bare and not re.search(r"""['"{}]""", bare)
    return quote(bare) if plain and ("," in bare or bare != value) else value


def can_parse(word: str) -> bool:
    """Whether Hydra's grammar reads a word of the command line; a folder such as runs/attention=dot it does not."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException

    if word.startswith("-") or "=" not in word:
        return True
    try:
        OverridesParser.create().parse_override(word)
    except (HydraException, ValueError):  # the latter for a number of thousands of digits
        return False
    return True


def quote_value(word: str) -> str:
    """The word with its value quoted, if that is all that it lacks."""
    key, _, value = word.partition("=")
    if value.startswith("[") and value.endswith("]") and not re.search(r"""['"\[\]{}()\\]""", value[1:-1]):
        items = ",".join(quote(item.strip()) for item in value[1:-1].split(","))
        return f"{key}=[{items}]" if can_parse(f"{key}=[{items}]") else word
    attempt = f"{key}={quote(value)}"
    return attempt if can_parse(attempt) and not value.startswith(("'", '"', "[", "{")) else word


def quote(value: str) -> str:
    """A text as Hydra's grammar reads it back, whatever is in it."""
    escaped = re.sub(r"(\\*)'", r"\1\1\\'", value)  # backslashes count only before a quote, and before the end
    return "'" + re.sub(r"(\\+)$", r"\1\1", escaped) + "'"


def format_word(value: object) -> str:
    """A value as it stands on the command line."""
    if isinstance(value, str | PathLike):
        return quote(str(value))
    return f"[{','.join(map(str, value))}]" if isinstance(value, Sequence) else str(value)
