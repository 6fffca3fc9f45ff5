"""What a run is: its data, model, attention, training, search and versions, as names and values for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Group = tuple[str, list[tuple[str, str]]]

DROPPED = "dropped"
"""What data.dropped of run.json is called there."""

MAX_EXAMPLES, EXAMPLE_LENGTH = 3, 60
"""Pairs that are shown of each reason, and characters of a side."""

DIFFERENT_VALUES = "differs between the runs"

MAX_VALUES_LENGTH = 100
"""Characters that different values of several runs may take."""


def describe_run(about: Mapping[str, Any], settings: Mapping[str, Any], *, reason: str | None = None) -> list[Group]:
    """Groups of names and values. `about` is what run.json holds, `settings` those of config.yaml; what one of them
    lacks, as those of an older version may, is left out. `reason`: why training ended."""
    model, attention, training = (get_mapping(settings, key) for key in ("model", "attention", "training"))
    shown = {key: value for key, value in training.items() if key not in ("log_every", "keep")}
    steps = [*list_entries(settings, "optimizer", "schedule", "batching", "average"), *list_entries(shown)]
    groups = [
        ("Data", describe_data(about, settings)),
        ("Model", [*list_entries(about, "parameters"), *list_entries(model)]),
        ("Attention", list_entries(attention, "score", "scope", "normalizer", "heads")),
        ("Training", [*steps, *([("ended by", reason)] if reason else [])]),
        ("Search", list_entries(settings, "search")),
        ("Made with", describe_environment(about)),
    ]
    return [(name, found) for name, found in groups if found]


def describe_data(about: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The corpus and its languages, the vocabulary, and what the filters counted."""
    corpus = get_mapping(settings, "data")
    languages = [str(corpus[side]) for side in ("source_language", "target_language") if corpus.get(side)]
    rest = {key: value for key, value in corpus.items() if key not in ("source_language", "target_language")}
    found = [("languages", " to ".join(languages))] if len(languages) == 2 else []
    found += [("corpus", format_setting(rest))] if rest else []
    found += list_entries(settings, "tokenizer", "filters")
    counted = get_mapping(about, "data")
    found += [(f"training {name}", format_setting(value)) for name, value in counted.items() if name != DROPPED]
    return found + [
        (f"left out as {reason}", format_examples(examples))
        for reason, examples in get_mapping(counted, DROPPED).items()
        if isinstance(examples, Sequence)
    ]


def format_examples(examples: Sequence[Any]) -> str:
    """Some of the pairs that were left out, each with its line."""
    shown = [each for each in examples[:MAX_EXAMPLES] if isinstance(each, Sequence) and not isinstance(each, str)]
    texts = (f"line {line}: " + " ||| ".join(str(side)[:EXAMPLE_LENGTH] for side in sides) for line, *sides in shown)
    return "; ".join(texts)


def describe_environment(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Machine, seed, versions and commit."""
    found = list_entries(about, "device", "threads", "seed", "machine", "python")
    found += [(name, str(version)) for name, version in get_mapping(about, "versions").items() if version is not None]
    found += list_entries(about, "commit", "started")
    return found + [
        (name.replace("_", " "), format_number(value)) for name, value in get_mapping(about, "costs").items()
    ]


def get_mapping(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping inside another; an empty one where there is none."""
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def list_entries(values: Mapping[str, Any], *keys: str) -> list[tuple[str, str]]:
    """Names and values of some keys, or of all; what is missing or null is left out."""
    return [
        (key.replace("_", " "), format_setting(values[key])) for key in keys or values if values.get(key) is not None
    ]


def format_setting(value: Any) -> str:
    """A value in one line: a group of settings by its name, with its settings in brackets."""
    if isinstance(value, Mapping):
        inside = [f"{key}={format_setting(each)}" for key, each in value.items() if key != "name" and each is not None]
        if "name" not in value:
            return ", ".join(inside)
        return f"{value['name']} ({', '.join(inside)})" if inside else str(value["name"])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(format_setting, value))}]"
    return format_number(value)


def format_number(value: Any) -> str:
    """Large counts with commas, fractions with four digits, true and false as in settings."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def merge_descriptions(runs: Sequence[Sequence[Group]]) -> list[Group]:
    """What several runs are: a value that all have, or the different ones with bars between, where there is room."""
    flat = [{(group, name): value for group, found in run for name, value in found} for run in runs]
    found: dict[str, list[tuple[str, str]]] = {}
    for key in dict.fromkeys(key for each in flat for key in each):
        values = " | ".join(dict.fromkeys(each.get(key, "none") for each in flat))
        alike = len({each.get(key) for each in flat}) == 1
        found.setdefault(key[0], []).append(
            (key[1], values if alike or len(values) <= MAX_VALUES_LENGTH else DIFFERENT_VALUES)
        )
    return list(found.items())


def format_now() -> str:
    """When the report was made, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
