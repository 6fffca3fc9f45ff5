"""YAML that people and strangers wrote: settings are plain trees, and nothing in a file makes reading it endless."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

MAX_CHARACTERS = 2**20
"""The most characters of a file of settings: a hundred times what any has."""


MAX_DEPTH = 100
"""How often values may lie in one another: ten times what settings do, and far from what overflows a stack."""

START_TOKENS = (
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
)
END_TOKENS = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)


class YamlDocument(NamedTuple):
    """What a text says: its tree of nodes, which knows lines, and its value."""

    node: Any
    value: Any


def parse_yaml(text: str) -> YamlDocument:
    """Raises ValueError for what is no YAML, is too long or too deep, or refers to itself.

    Aliases (*name) are refused: a few lines of them stand for billions of values, or for a value inside itself.
    """
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"it has {len(text)} characters, and settings have at most {MAX_CHARACTERS}")
    try:
        depth = 0
        for token in yaml.scan(text, yaml.SafeLoader):
            depth += isinstance(token, START_TOKENS) - isinstance(token, END_TOKENS)
            if depth > MAX_DEPTH:
                raise ValueError(f"its values lie in one another more than {MAX_DEPTH} times")
            if isinstance(token, yaml.AliasToken):
                raise ValueError(
                    f"line {token.start_mark.line + 1} refers to another value by *{token.value}; write the value out"
                )
        return YamlDocument(yaml.compose(text, yaml.SafeLoader), yaml.safe_load(text))
    except yaml.YAMLError as problem:
        raise ValueError(" ".join(str(problem).split())) from problem


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def format_yaml(value: Any) -> str:
    """A value as `parse_yaml` reads it back."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False)
    return text


def find_repeated_keys(node: Any, path: str = "") -> Iterator[str]:
    """Keys that a YAML file has twice, of which a reader would silently take the last, and keys that are no text."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: dict[str, int] = {}
    for key, below in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in seen:
            lines = f"{seen[name]} and {line}"
            yield f"{path}{name} is there twice, on lines {lines}. Keep one of them, or give it another name."
        elif key.tag != "tag:yaml.org,2002:str":
            yield f"{path}{name} on line {line} must be text: write '{name}', with quotes."
        seen.setdefault(name, line)
        yield from find_repeated_keys(below, f"{path}{name}.")
