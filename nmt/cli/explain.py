"""nmt-explain: attention number by number, in a small example or in a trained model."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.groups import check_choices
from nmt.data.line_errors import locate_lines
from nmt.data.lines import Errors
from nmt.data.mix.tags import put_tags
from nmt.errors import ConfigError, DataError
from nmt.inference.inference import InferenceSettings, build_translator, load
from nmt.inference.inputs import STDIN, read_lines
from nmt.inference.streams import open_writer
from nmt.inference.tags import choose_tags
from nmt.runs.run_files import check_outside_runs
from nmt.storage.distinct_paths import check_distinct, list_model_paths
from nmt.storage.untrusted_paths import find_model_folder

if TYPE_CHECKING:
    from nmt.explanation.trained import Translated
    from nmt.model_folder import LoadedModel
    from nmt.report.explanation import Explanation

ALIASES = {"model=": "model.folder="}
PAGE_SUFFIX = ".html"
MAX_DIGITS, MAX_PADDING = 10, 10

MAX_SIZE = 100
"""Of anything in the attention of the example: nobody follows a thousand features with a pencil."""

EXAMPLE_WORD = re.compile(r"[+~]*(attention[=/.]|padding=|model\.decoder[.=])")
MODEL_WORD = re.compile(r"[+~]*(input|line|target|kind|layer|columns|max_source|errors|device|threads|kernels)=")
"""Begin words that are about the example, or about a model, alone."""

COMPARED_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*"|['"])+""")
"""Text without a space outside of quotes."""

COMMON_SETTINGS = frozenset({"compare", "output", "digits"})
"""Those that two explanations have together."""


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(InferenceSettings):
    """What `configs/explain.yaml` says."""

    model: dict[str, Any]
    attention: dict[str, Any]
    position: int | str
    head: int
    kind: Literal["source", "decoder", "encoder"]
    layer: int | None
    input: str | None
    line: int
    target: str | None
    padding: int
    compare: str | list[str] | None
    output: str | None
    digits: int
    columns: int
    max_source: int
    errors: Errors
    tokens: int = field(init=False, default=4096)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least, most in (
            ("line", 1, None), ("columns", 1, None), ("max_source", 1, None), ("digits", 1, MAX_DIGITS),
            ("padding", 0, MAX_PADDING),
        ):  # fmt: skip
            value = getattr(self, name)
            if value < least or (most is not None and value > most):
                limit = f"at least {least}" if most is None else f"from {least} to {most}"
                raise ConfigError(f"{name} must be {limit}; got {value}.")
        if self.output is not None and not self.output.endswith(PAGE_SUFFIX):
            raise ConfigError(f"output={self.output} is a page, so its name must end in {PAGE_SUFFIX}.")

    @property
    def folder(self) -> str | None:
        """The run or model folder; None for the example."""
        folder: str | None = self.model["folder"]
        return folder


def main() -> None:
    """The command line: see `nmt-explain --help`."""
    run_command("explain", partial(run_task, sys.argv[1:]), aliases=ALIASES)


def run_task(words: Sequence[str], composed: dict[str, Any]) -> None:
    """Prints the explanation, or two, and writes the page. `words`: those of the command line."""
    settings = check_settings(words, composed)
    changes = list_changes(settings)
    each = [settings, *([compose_second(words, changes)] if changes else [])]
    folders = [chosen.folder for chosen in each if chosen.folder is not None]
    for folder in folders:  # before standard input is waited for
        find_model_folder(Path(folder).expanduser())
    inputs = {"input": [chosen.input or STDIN for chosen in each if chosen.folder is not None]}
    check_distinct({**inputs, "model": list_model_paths(folders)}, {"output": settings.output})
    check_outside_runs({"output": settings.output})
    known = Known({}, {})
    found = [explain(chosen, known) for chosen in each]

    from nmt.report.about import format_now
    from nmt.report.explanation_page import render_page
    from nmt.report.explanation_text import render_change, render_text

    lines = render_text(found[0], digits=settings.digits)
    if len(found) > 1:
        lines += render_change(found[0], found[1], " ".join(changes), digits=settings.digits)
    print("\n".join(lines), flush=True)
    if settings.output is not None:
        page = render_page(found, created=format_now(), labels=["first", " ".join(changes)], digits=settings.digits)
        with open_writer(settings.output) as write:
            write([page.removesuffix("\n")])


# Settings -------------------------------------------------------------------------------------------------------------


def check_settings(words: Sequence[str], composed: dict[str, Any]) -> ExplainSettings:
    """The settings. Raises ConfigError, also where an attention is chosen for a model that has its own."""
    settings = config.build(ExplainSettings, config.check(composed, ExplainSettings))
    if settings.folder is None:
        if named := [word for word in words if MODEL_WORD.match(word)]:
            raise ConfigError(f"{', '.join(named)} is for a trained model. Add model=RUN, or leave it out.")
        check_sizes(settings)
    elif chosen := [word for word in words if EXAMPLE_WORD.match(word)]:
        raise ConfigError(f"{chosen[0]} is for the example: a model has its own attention. Leave out one of the two.")
    return settings


def check_sizes(settings: ExplainSettings) -> None:
    """Raises ConfigError for a size of the example that is too large to be made, or to be read."""
    from nmt.runs.run_files import flatten

    given = flatten({"model": {"decoder": settings.model.get("decoder")}, "attention": settings.attention})
    for name, size in given.items():
        if isinstance(size, int | float) and size > MAX_SIZE:
            raise ConfigError(f"{name} must be at most {MAX_SIZE} in an example to follow with a pencil; got {size}.")


def list_changes(settings: ExplainSettings) -> list[str]:
    """The words of `compare`. Raises ConfigError where one is no setting of the explanation."""
    given = settings.compare or []
    changes = COMPARED_WORD.findall(given) if isinstance(given, str) else given
    for word in changes:
        key, equals, _ = word.lstrip("+").partition("=")
        if equals and key in COMMON_SETTINGS:
            raise ConfigError(
                f"compare={word} cannot be changed: two explanations have {key} together. Set it outside of compare."
            )
        if not equals:
            raise ConfigError(
                f"compare={word} changes nothing that could be compared. Name settings of the second explanation, such "
                "as compare=attention/normalizer=sparsemax or compare=head=1."
            )
    check_choices(changes)
    return changes


def compose_second(words: Sequence[str], changes: Sequence[str]) -> ExplainSettings:
    """The settings of the second explanation: those of the first, but for the changes."""
    from nmt.composition.compose import compose_command
    from nmt.composition.spelling import find_new_names

    changed = {word.partition("=")[0] for word in changes} | {"compare"}
    kept = [word for word in words if word.partition("=")[0] not in changed and not word.startswith("-")]
    second = find_new_names([*kept, *changes])[0]
    return check_settings(second, compose_command("explain", second, ALIASES))


# What is explained ----------------------------------------------------------------------------------------------------


class Known(NamedTuple):
    """What two explanations may share: lines by their file, and models with their translations by folder, line and
    target language."""

    lines: dict[str, list[str]]
    translations: "dict[tuple[str, str, str | None], tuple[LoadedModel, Translated]]"


def explain(settings: ExplainSettings, known: Known) -> "Explanation":
    """The explanation that the settings ask for."""
    return explain_attention(settings) if settings.folder is None else explain_model(settings, known)


def explain_attention(settings: ExplainSettings) -> "Explanation":
    """The example with the attention that the settings describe."""
    from nmt import build
    from nmt.attention.scored import ScoredAttention
    from nmt.explanation.example import SIZE, TARGET, explain_example
    from nmt.explanation.trained import find_query

    chosen = config.check({"attention": settings.attention}, {"attention": build.ATTENTION})["attention"]
    attention = build.build_attention(chosen, query_size=SIZE, memory_size=SIZE, directions=1)
    if not isinstance(attention, ScoredAttention):
        raise ConfigError("attention=none has no weights, so there is nothing to explain. Choose another attention.")
    query = find_query(settings.position, TARGET)
    return explain_example(attention, query=query, head=settings.head, padding=settings.padding)


def explain_model(settings: ExplainSettings, known: Known) -> "Explanation":
    """A word of a translation, as a trained model computes it."""
    line = read_line(settings, known)
    assert settings.folder is not None
    key = settings.folder, line, settings.target
    loaded, translated = known.translations.get(key) or translate(settings, line)
    known.translations[key] = loaded, translated

    from nmt.explanation.trained import Choice, explain_translation

    choice = Choice(settings.position, settings.head, settings.layer, settings.kind)
    return explain_translation(loaded.model, loaded.tokenizers, translated, choice, max_columns=settings.columns)


def read_line(settings: ExplainSettings, known: Known) -> str:
    """The line that is translated. Raises DataError where there is none, or where it is blank."""
    file = settings.input or STDIN
    if file not in known.lines:
        known.lines[file] = read_lines(file, settings.errors, setting="input")
    lines, name = known.lines[file], name_input(file)
    if settings.line > len(lines):
        raise DataError(f"{name} has {len(lines)} lines, so that there is no line {settings.line}. Set line= to one.")
    if not lines[settings.line - 1].strip():
        raise DataError(f"Line {settings.line} of {name} is blank, so that there is nothing to translate.")
    return lines[settings.line - 1]


def name_input(file: str) -> str:
    """What a person calls it."""
    return "standard input" if file == STDIN else file


def translate(settings: ExplainSettings, line: str) -> "tuple[LoadedModel, Translated]":
    """The model, and what its own search makes of a line. Raises DataError where the line is too long."""
    assert settings.folder is not None
    loaded = load(settings.folder, settings)
    (line,) = put_tags([line], choose_tags(loaded.settings, target=settings.target))

    from nmt.data.beginnings import cut_to_pieces
    from nmt.explanation.trained import Translated

    beginning = cut_to_pieces(loaded.tokenizers.source, line, settings.max_source)
    with locate_lines(name_input(settings.input or STDIN), settings.line - 1):
        (ids,) = loaded.tokenizers.source.encode([beginning])
    if len(ids) > settings.max_source or len(beginning) < len(line):
        raise DataError(
            f"{name_input(settings.input or STDIN)}, line {settings.line} has more than {settings.max_source} pieces, "
            f"the limit (max_source): it begins {line[:60]!r}. Cut it, choose another with line=, or set max_source "
            "higher: memory and time grow with the square of the length."
        )
    (found,) = build_translator(loaded, settings, {}, weights=False).translate_ids([ids])
    target = found.hypotheses[0].tokens if found.hypotheses else []
    return loaded, Translated(ids, target, found.text)


if __name__ == "__main__":
    main()
