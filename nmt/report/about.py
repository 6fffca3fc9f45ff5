"""What a run is: its data, model, attention, training, search and versions, as names and values for people."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Group = tuple[str, list[tuple[str, str]]]

DIFFERENT = "differs between the runs"

ROOM = 100
"""Characters that different values of several runs may take."""


def describe_run(about: Mapping[str, Any], settings: Mapping[str, Any], *, reason: str | None = None) -> list[Group]:
    """Groups of names and values. `about` is what run.json holds, `settings` those of config.yaml; what one of them
    lacks, as those of an older version may, is left out. `reason`: why training ended."""
    model, attention, training = (part(settings, key) for key in ("model", "attention", "training"))
    shown = {key: value for key, value in training.items() if key not in ("log_every", "keep")}
    steps = [*entries(settings, "optimizer", "schedule", "batching", "average"), *entries(shown)]
    groups = [
        ("Data", data(about, settings)),
        ("Model", [*entries(about, "parameters"), *entries(model)]),
        ("Attention", entries(attention, "score", "scope", "normalizer", "heads")),
        ("Training", [*steps, *([("ended by", reason)] if reason else [])]),
        ("Search", entries(settings, "search")),
        ("Made with", made_with(about)),
    ]
    return [(name, found) for name, found in groups if found]


def data(about: Mapping[str, Any], settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The corpus and its languages, the vocabulary, and what the filters counted."""
    corpus = part(settings, "data")
    languages = [str(corpus[side]) for side in ("source_language", "target_language") if corpus.get(side)]
    rest = {key: value for key, value in corpus.items() if key not in ("source_language", "target_language")}
    found = [("languages", " to ".join(languages))] if len(languages) == 2 else []
    found += [("corpus", phrase(rest))] if rest else []
    found += entries(settings, "tokenizer", "filters")
    return found + [(f"training {name}", phrase(value)) for name, value in part(about, "data").items()]


def made_with(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Machine, seed, versions and commit."""
    found = entries(about, "device", "threads", "seed", "machine", "python")
    found += [(name, str(version)) for name, version in part(about, "versions").items() if version is not None]
    found += entries(about, "commit", "started")
    return found + [(name.replace("_", " "), number(value)) for name, value in part(about, "costs").items()]


def part(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping inside another; an empty one where there is none."""
    found = values.get(key)
    return found if isinstance(found, Mapping) else {}


def entries(values: Mapping[str, Any], *keys: str) -> list[tuple[str, str]]:
    """Names and values of some keys, or of all; what is missing or null is left out."""
    return [(key.replace("_", " "), phrase(values[key])) for key in keys or values if values.get(key) is not None]


def phrase(value: Any) -> str:
    """A value in one line: a group of settings by its name, with its settings in brackets."""
    if isinstance(value, Mapping):
        inside = [f"{key}={phrase(each)}" for key, each in value.items() if key != "name" and each is not None]
        if "name" not in value:
            return ", ".join(inside)
        return f"{value['name']} ({', '.join(inside)})" if inside else str(value["name"])
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"[{', '.join(map(phrase, value))}]"
    return number(value)


def number(value: Any) -> str:
    """Large counts with commas, fractions with four digits, true and false as in settings."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def shared(runs: Sequence[Sequence[Group]]) -> list[Group]:
    """What several runs are: a value that all have, or the different ones with bars between, where there is room."""
    flat = [{(group, name): value for group, found in run for name, value in found} for run in runs]
    found: dict[str, list[tuple[str, str]]] = {}
    for key in dict.fromkeys(key for each in flat for key in each):
        values = " | ".join(dict.fromkeys(each.get(key, "none") for each in flat))
        alike = len({each.get(key) for each in flat}) == 1
        found.setdefault(key[0], []).append((key[1], values if alike or len(values) <= ROOM else DIFFERENT))
    return list(found.items())


def format_now() -> str:
    """When the report was made, for people."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
