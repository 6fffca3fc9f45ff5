"""The constructor is the schema: configs are held against the signatures of what they will build.

A schema is a tree. Its inner nodes are mappings from key to schema; its leaves are classes, whose keyword arguments are
the keys, `Variants`, where `name` picks the class, or annotations of single values. `check` walks config and schema
side by side and reports every problem at once, each with its dotted path and the nearest right word, before anything is
built or read.
"""

import dataclasses
import functools
import inspect
import sys
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from nmt.config_text import format_value as format_value
from nmt.config_text import suggest as suggest
from nmt.errors import ConfigError
from nmt.variants import Variants as Variants

T = TypeVar("T")

MISSING = "???"
"""How OmegaConf writes a value that must be given."""

CHOICE = "choice"
"""The argument of a wrapper that is what it wraps."""

ConfigDict = dict[str, Any]

Schema = Any
"""A mapping from key to schema, `Variants`, a class, or the annotation of a single value, such as `int | None`."""


def check(config: Any, schema: Schema) -> ConfigDict:
    """The config with every value converted to its declared type. Raises ConfigError with all problems found."""
    problems: list[str] = []
    checked = _check(config, schema, "", problems)
    if problems:
        raise ConfigError(*problems)
    assert isinstance(checked, dict)
    return checked


def build_variant(variants: Variants, config: Mapping[str, Any], **injected: Any) -> Any:
    """The object that `config` names, made from its settings and what is `injected` besides."""
    leaf = {key: value for key, value in config.items() if key != "name"}
    if variants.wrapper is None:
        return build(variants.table[config["name"]], leaf, **injected)
    own = {key: leaf.pop(key) for key in list_own_keys(variants) if key in leaf}
    return build(variants.wrapper, own, choice=build(variants.table[config["name"]], leaf, **injected))


def list_own_keys(variants: Variants) -> list[str]:
    """The settings of the wrapper, which stand beside those of every choice."""
    return [] if variants.wrapper is None else [key for key in inspect_parameters(variants.wrapper) if key != CHOICE]


def build(cls: type[T], config: Mapping[str, Any], **injected: Any) -> T:
    """An instance of `cls` from a checked config, with nested dataclasses built on the way."""
    hints = inspect_parameters(cls)
    arguments = {key: _build_instance(value, hints[key].annotation) for key, value in config.items()}
    return cls(**arguments, **injected)


def inspect_parameters(cls: type) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a class's constructor, with resolved annotations."""
    hints = typing.get_type_hints(cls.__init__, include_extras=True)  # type: ignore[misc]
    found = inspect.signature(cls).parameters.values()
    named = [p for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return {p.name: p.replace(annotation=hints.get(p.name, Any)) for p in named}


def list_paths(schema: Schema, prefix: str = "") -> list[str]:
    """Every dotted path that some config of this schema may hold."""
    if _is_annotation(schema):
        inner = _find_dataclass(schema)
        return [] if inner is None else list_paths(inner, prefix)
    found = []
    if isinstance(schema, Mapping):
        for key, below in schema.items():
            path = f"{prefix}{key}"
            found += [path, *list_paths(below, f"{path}.")]
    elif isinstance(schema, Variants):
        found.append(f"{prefix}name")
        for cls in schema.table.values():
            found += [p for p in list_paths(cls, prefix) if p.removeprefix(prefix).split(".")[0] not in schema.injected]
    else:
        for name, parameter in inspect_parameters(schema).items():
            found.append(f"{prefix}{name}")
            found += [f"{prefix}{name}.{key}" for key in _list_keys(parameter.annotation)]
            group = _find_variants(parameter.annotation) or _find_dataclass(parameter.annotation)
            if group is not None:
                found += list_paths(group, f"{prefix}{name}.")
    return list(dict.fromkeys(found))


def _check(value: Any, schema: Schema, path: str, problems: list[str]) -> Any:
    if _is_annotation(schema):
        return _convert(value, schema, path, problems)
    if not isinstance(value, Mapping):
        is_choice = isinstance(schema, Variants)
        keys = "name and settings" if is_choice else "settings"
        hint = (
            f" Write {path}.name={value}."
            if is_choice and path and isinstance(value, str) and value in schema.table
            else ""
        )
        problems.append(f"{path or 'The config'} must be a group of {keys}; got {format_value(value)}.{hint}")
        return {}
    if isinstance(schema, Variants):
        return _check_variant(value, schema, path, problems)
    if isinstance(schema, Mapping):
        return _check_group(value, schema, path, problems)
    return _check_arguments(value, schema, frozenset(), path, problems)


def _check_group(
    value: Mapping[str, Any], schema: Mapping[str, Any], path: str, problems: list[str], *, is_whole: bool = True
) -> ConfigDict:
    """Each of its settings; is_whole: whether none may be missing."""
    for key in value:
        if key not in schema:
            problems.append(f"{_join(path, key)} is not a setting. {suggest(str(key), schema)}")
    checked = {}
    for key, below in schema.items():
        if key in value:
            checked[key] = _check(value[key], below, _join(path, key), problems)
        elif is_whole:
            problems.append(f"{_join(path, key)} is missing.")
    return checked


def _check_variant(value: Mapping[str, Any], schema: Variants, path: str, problems: list[str]) -> ConfigDict:
    name = value.get("name", MISSING)
    if not isinstance(name, str) or name not in schema.table:
        hint = suggest(str(name), schema.table)
        problems.append(f"{_join(path, 'name')}={format_value(name)} is not one of its variants. {hint}")
        return {}
    rest = {key: below for key, below in value.items() if key != "name"}
    own = {key: rest.pop(key) for key in list_own_keys(schema) if key in rest}
    beside = list_own_keys(schema)
    checked = _check_arguments(rest, schema.table[name], schema.injected, path, problems, str(name), beside)
    if schema.wrapper is not None:
        checked |= _check_arguments(own, schema.wrapper, frozenset({CHOICE}), path, problems)
    return {"name": name, **checked}


def _check_arguments(
    value: Mapping[str, Any],
    cls: type,
    injected: frozenset[str],
    path: str,
    problems: list[str],
    name: str | None = None,
    beside: Sequence[str] = (),
) -> ConfigDict:
    """The settings of a class, or of a choice by its `name`; `beside`: others that stand in the same group."""
    known = {key: p for key, p in inspect_parameters(cls).items() if key not in injected}
    owner = f" of {name}" if name else ""
    checked: ConfigDict = {}
    for key, below in value.items():
        if key not in known:
            problems.append(f"{_join(path, key)} is not a setting{owner}. {suggest(str(key), [*known, *beside])}")
        else:
            checked[key] = _convert(below, known[key].annotation, _join(path, key), problems)
    for key, parameter in known.items():
        if key not in value and parameter.default is inspect.Parameter.empty:
            problems.append(f"{_join(path, key)} is missing.")
    return checked


def _convert(value: Any, annotation: Any, path: str, problems: list[str]) -> Any:
    """`value` as `annotation` says, or a problem."""
    if isinstance(value, str) and value == MISSING:
        problems.append(f"{path} must be given: write {path}=...")
        return None
    if (variants := _find_variants(annotation)) is not None:
        return _check(value, variants, path, problems)
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if isinstance(value, str) and not value.strip() and str in (annotation, *inner):
        problems.append(f"{path}= is empty; it must be text{', or null' if type(None) in inner else ''}.")
        return None
    if origin in (typing.Union, types.UnionType):
        return _convert_union(value, inner, path, problems)
    if origin is typing.Literal:
        if value is False and "off" in inner:
            return "off"  # which YAML reads as false where it has no quotes
        if value in inner and not isinstance(value, bool):
            return value
        problems.append(
            f"{path}={format_value(value)} is not one of its values. {suggest(str(value), map(str, inner))}"
        )
        return None
    if origin in (list, tuple) and isinstance(value, list | tuple):
        return [_convert(v, inner[0], f"{path}[{i}]", problems) for i, v in enumerate(value)]
    if origin is dict and isinstance(value, Mapping):
        if keys := _list_keys(annotation):
            return _check_group(value, dict.fromkeys(keys, inner[1]), path, problems, is_whole=False)
        return {str(key): _convert(v, inner[1], _join(path, str(key)), problems) for key, v in value.items()}
    if _is_dataclass(annotation) and isinstance(value, Mapping):
        return _check_arguments(value, annotation, frozenset(), path, problems)
    return _convert_scalar(value, annotation, path, problems)


def _convert_scalar(value: Any, annotation: Any, path: str, problems: list[str]) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = number and abs(value) < 2**63  # what a tensor's size, and a float, can be made of
    is_tiny = isinstance(value, float) and 0 < abs(value) < sys.float_info.min  # what is computed with as if it were 0
    if annotation is int and fits and float(value).is_integer():
        return int(value)
    if annotation is float and (fits or isinstance(value, float)) and not is_tiny:
        return float(value)
    if (annotation is Any and not is_tiny) or (annotation in (str, bool, type(None)) and type(value) is annotation):
        return value
    hint = "; it has to be given" if value is None else " below 2^63" if number and abs(value) >= 2**63 else ""
    hint = f" of {sys.float_info.min:.2g} or more, or 0" if is_tiny else hint
    problems.append(f"{path}={format_value(value)} must be {_describe(annotation)}{hint}.")
    return None


def _convert_union(value: Any, options: tuple[Any, ...], path: str, problems: list[str]) -> Any:
    if value is None and type(None) in options:
        return None
    if isinstance(value, Mapping) and (group := next(filter(_is_dataclass, options), None)):
        return _convert(value, group, path, problems)  # so that problems are those of its settings
    for option in options:
        attempt: list[str] = []
        converted = _convert(value, option, path, attempt)
        if not attempt:
            return converted
    real = [option for option in options if option is not type(None)]
    if len(real) == 1:
        return _convert(value, real[0], path, problems)
    problems.append(f"{path}={format_value(value)} must be {' or '.join(_describe(option) for option in options)}.")
    return None


def _build_instance(value: Any, annotation: Any) -> Any:
    if (variants := _find_variants(annotation)) is not None:
        return functools.partial(build_variant, variants, value)
    if typing.get_origin(annotation) is dict and isinstance(value, Mapping):
        return {key: _build_instance(below, typing.get_args(annotation)[1]) for key, below in value.items()}
    inner = _find_dataclass(annotation)
    return build(inner, value) if inner is not None and isinstance(value, Mapping) else value


def _find_variants(annotation: Any) -> Variants | None:
    """The table that an annotated setting chooses from."""
    return next((each for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Variants)), None)


def _list_keys(annotation: Any) -> list[str]:
    """The keys that a mapping may have, where its annotation lists them: `dict[Literal["a", "b"], float]`."""
    inner = typing.get_args(annotation)
    is_listed = typing.get_origin(annotation) is dict and typing.get_origin(inner[0]) is typing.Literal
    return list(map(str, typing.get_args(inner[0]))) if is_listed else []


def _find_dataclass(annotation: Any) -> type | None:
    return next(filter(_is_dataclass, (annotation, *typing.get_args(annotation))), None)


def _is_dataclass(annotation: Any) -> bool:
    return inspect.isclass(annotation) and dataclasses.is_dataclass(annotation)


def _is_annotation(schema: Any) -> bool:
    return schema in (Any, int, float, bool, str) or typing.get_origin(schema) is not None


def _describe(annotation: Any) -> str:
    names = {
        int: "a whole number",
        float: "a number",
        Any: "a number",
        bool: "true or false",
        str: "text",
        type(None): "null",
    }
    if annotation in names:
        return names[annotation]
    if typing.get_origin(annotation) in (list, tuple):
        return "a list"
    if typing.get_origin(annotation) is dict:
        return "a group of settings"
    if typing.get_origin(annotation) is typing.Literal:
        return " or ".join(map(str, typing.get_args(annotation)))
    if _is_dataclass(annotation):
        return f"a group of settings ({', '.join(inspect_parameters(annotation))})"
    return str(annotation)


def _join(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)
