"""YAML of settings is a plain tree: what would be endless, or stand inside itself, is refused at once."""

import pytest
from hypothesis import given
from hypothesis.strategies import dictionaries, integers, lists, none, recursive, text

from nmt.storage.yaml_files import MAX_CHARACTERS, format_yaml, parse_yaml

BOMB = "a: &a [x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB, "line 2 refers to another value"),
        ("model: &a {x: *a}", "refers to another value"),
        ("[" * 20_000, "in one another"),
        ("{a: " * 20_000, "in one another"),
        ("".join(f"{' ' * n}a:\n" for n in range(200)), "in one another"),
        ("a: [", "expected"),
        ("a" * (MAX_CHARACTERS + 1), "at most"),
    ],
)
def test_what_is_no_plain_tree_is_refused(content: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_yaml(content)


VALUES = recursive(
    integers() | none() | text("ab &*:#\n"), lambda below: lists(below) | dictionaries(text("abc"), below)
)


@given(VALUES)
def test_what_is_written_is_read(value: object) -> None:
    assert parse_yaml(format_yaml({"value": value})).value == {"value": value}


def test_a_value_that_is_there_twice_is_written_twice() -> None:
    shared = [1, 2]
    assert parse_yaml(format_yaml({"a": shared, "b": shared})).value == {"a": shared, "b": shared}
