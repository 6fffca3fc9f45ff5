"""From overrides with commas to variants, each with a label, before anything heavy is imported."""

import hashlib
import itertools
import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, RangeSweep
from hydra.errors import HydraException

from nmt import config
from nmt.comparison.catalog import NamedComparison
from nmt.composition.compose import isolate_hydra
from nmt.composition.diagnostics import find_syntax_problem
from nmt.composition.paths import find_config_folder
from nmt.composition.spelling import find_old_word, rename_word, warn_once
from nmt.errors import ConfigError

DEFAULT_LABEL = "default"
"""The label of the only variant where nothing is swept."""

MAX_LABEL_BYTES = 120
"""Characters of a label; file systems take names of 255 bytes."""


MAX_RUNS, MAX_VARIANTS = 10_000, 1_000
"""Of a comparison: more than anybody trains, and all are checked before the first is begun."""


class VariantOverrides(NamedTuple):
    """One choice of all that is swept. `label` names it for people and folders, `overrides` are for nmt-train.

    old_label: by the names that settings had in version 0.1, whose folders may be there; empty where it is the same.
    """

    label: str
    overrides: list[str]
    old_label: str = ""


def expand_variants(
    overrides: Sequence[str], named: NamedComparison | None = None, *, seeds: int = 1
) -> list[VariantOverrides]:
    """The product of all that has a name and is swept, the last changing fastest; labels are names, then what is swept.

    Hydra must be initialized, for its glob(...). Raises ConfigError, before anything is expanded, where they make more
    than MAX_RUNS runs with so many seeds, or MAX_VARIANTS variants.
    """
    parser = OverridesParser.create(config_loader=GlobalHydra.instance().config_loader())
    parsed_overrides = [parse_override(parser, override) for override in overrides]
    counts = [count_sweep_values(override) for override in parsed_overrides]
    check_run_count(overrides, counts, 1 if named is None else len(named.variants), seeds)
    axes = [list_sweep_values(override) for override in parsed_overrides]
    found: list[VariantOverrides] = []
    for name, own in expand_named_variants(parser, parsed_overrides, named):
        for choice in itertools.product(*axes):
            swept = [text for text, options in zip(choice, axes, strict=True) if len(options) > 1]
            label, old_label = make_label([*name, *swept]), make_label([*name, *map(find_old_word, swept)])
            found.append(VariantOverrides(label, [*choice, *own], "" if old_label == label else old_label))
    names = Counter(variant.label.casefold() for variant in found)  # some file systems see no difference in case
    if repeated_names := sorted(name for name, count in names.items() if count > 1):
        raise ConfigError(f"Two variants would share the folder {repeated_names[0]}. Give every swept value once.")
    return found


def expand_named_variants(
    parser: OverridesParser, given: Sequence[Override], named: NamedComparison | None
) -> list[tuple[list[str], list[str]]]:
    """Name and overrides of every variant that has a name; one without either where none has.

    Raises ConfigError, with all problems, where one cannot be read, has several values, or is `given` beside it.
    """
    if named is None:
        return [([], [])]
    problems: dict[str, list[str]] = {}
    given_keys = {override.get_key_element() for override in given}
    for name, own in named.variants.items():
        for text in own:
            try:
                found = parse_override(parser, text)
                if len(list_sweep_values(found)) > 1:
                    raise ConfigError(f"{text} has several values. Write a variant for each.")
                if (key := found.get_key_element()) in given_keys:
                    raise ConfigError(f"{key} is set by the variant, so it cannot be given beside the comparison.")
            except ConfigError as problem:
                problems.setdefault(str(problem), []).append(name)
    if problems:
        raise ConfigError(*(f"{named.path}: {', '.join(names)}: {told}" for told, names in problems.items()))
    return [([name], own) for name, own in named.variants.items()]


def parse_override(parser: OverridesParser, override: str) -> Override:
    """An override as Hydra understands it. Raises ConfigError where it does not."""
    try:
        return parser.parse_overrides([override])[0]
    except HydraException as problem:
        raise ConfigError(f"{override} cannot be read: {str(problem).splitlines()[0]}.") from None


def list_sweep_values(override: Override) -> list[str]:
    """The overrides that one stands for."""
    if override.key_or_group == "seed":
        raise ConfigError("seed is set by the comparison: write seeds=3 for seeds 1, 2 and 3, or seeds=[5,6].")
    if not override.is_sweep_override():
        return [override.input_line or ""]
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line} has no end of values. Name them, with commas between.")
    return [f"{override.get_key_element()}={value}" for value in override.sweep_string_iterator()]


def count_sweep_values(override: Override) -> int:
    """How many overrides one stands for, told without listing them."""
    sweep = override.value()
    if not isinstance(sweep, RangeSweep):
        return len(list_sweep_values(override))
    start, stop, step = (float(number or 0) for number in (sweep.start, sweep.stop, sweep.step))
    if not step or not math.isfinite((stop - start) / step):
        raise ConfigError(f"{override.input_line} has no end of values. Name them, with commas between.")
    if (count := math.ceil((stop - start) / step)) < 1:
        raise ConfigError(f"{override.input_line} has no values. Its end must lie beyond its start.")
    return count


def check_run_count(overrides: Sequence[str], counts: Sequence[int], named_variants: int, seeds: int) -> None:
    """Raises ConfigError where all that is swept would be more than MAX_RUNS or MAX_VARIANTS."""
    variants = math.prod(counts) * named_variants
    runs = variants * seeds
    if runs > MAX_RUNS or variants > MAX_VARIANTS:
        parts = [
            f"{count} of {word.partition('=')[0]}" for word, count in zip(overrides, counts, strict=True) if count > 1
        ]
        parts += [f"{named_variants} named variants"] if named_variants > 1 else []
        parts += [f"{seeds} seed{'s' * (seeds > 1)}"]
        raise ConfigError(
            f"That is {runs:,} runs ({', times '.join(parts)}), and a comparison has "
            f"{MAX_RUNS:,} of {MAX_VARIANTS:,} variants at most. Sweep fewer values, or give fewer seeds."
        )


def make_label(swept: Sequence[str]) -> str:
    """A readable name that every file system takes, such as `attention=bahdanau,model.decoder.input_feeding=false`."""
    text = ",".join(swept) or DEFAULT_LABEL
    name = re.sub(r"[^\w.=+,-]+", "-", re.sub("""['"]""", "", text).replace("/", "."))
    if len(name.encode()) <= MAX_LABEL_BYTES:
        return name
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return name.encode()[: MAX_LABEL_BYTES - 9].decode(errors="ignore") + "-" + digest


def choose_baseline(labels: Sequence[str], wanted_label: str | None) -> str:
    """The label of the variant that the others are held against: the first, or the first that has the `wanted` name.

    Raises ConfigError where none has.
    """
    if wanted_label is None:
        return labels[0]
    if wanted_label not in labels:
        wanted_label = ",".join(rename_word(part).word for part in wanted_label.split(","))
    for candidate in labels:
        if wanted_label == candidate or candidate.startswith(f"{wanted_label},"):
            return candidate
    raise ConfigError(f"baseline={wanted_label} is not one of the variants. {config.suggest(wanted_label, labels)}")


def find_baseline(overrides: Sequence[str], named: NamedComparison | None, seeds: int, wanted_label: str | None) -> str:
    """The label of the variant that the others are held against: the one that is wanted, that of the file of named
    variants, or the first.

    Raises ConfigError where it is not there, or where there are no variants: before what takes seconds to import.
    """
    if (problem_text := find_syntax_problem(overrides)) is not None:
        raise ConfigError(problem_text)
    with isolate_hydra(), warn_once(), initialize_config_dir(find_config_folder(), version_base="1.3"):
        variants = expand_variants(overrides, named, seeds=seeds)
    default = None if named is None else named.baseline
    return choose_baseline([variant.label for variant in variants], default if wanted_label is None else wanted_label)
