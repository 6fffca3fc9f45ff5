"""nmt-evaluate: corpus scores of translations, each with the signature that makes it comparable."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.application import open_door
from nmt.composition.overrides import APPLIED
from nmt.data import lines
from nmt.errors import ConfigError, DataError
from nmt.evaluation.bleu_tokens import Bleu, check_tokenizer, choose_tokenizer, warn_unspaced
from nmt.evaluation.score_command import ScoreCommand, run_score_command
from nmt.inference.inference import Work, load_all, models, translator
from nmt.inference.inputs import STDIN, Given, find_files, read_files
from nmt.printable import print_text

if TYPE_CHECKING:
    from nmt.evaluation.bleu import Score

logger = logging.getLogger(__name__)


UNCLEAR = (
    "What is to be scored? Give either hypotheses=FILE, or model=RUN and source=FILE, which is then translated; and "
    "references=FILE with either. A score.command with {source} takes source=FILE beside hypotheses=FILE too."
)


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/evaluate.yaml` says: translations in a file, or models and what they are to translate."""

    hypotheses: Given
    references: str | list[str]
    model: dict[str, str | list[str] | None]
    source: Given
    language: str | None
    bleu: Bleu
    score: ScoreCommand
    format: Literal["table", "json"]
    search: dict[str, Any]
    errors: lines.Errors

    def __post_init__(self) -> None:
        super().__post_init__()
        translates = self.model["folder"] is not None
        if (self.hypotheses is not None) is translates or (translates and self.source is None):
            raise ConfigError(UNCLEAR)
        if not translates and self.source is not None and not self.score.needs_source:
            raise ConfigError(UNCLEAR)


def main() -> None:
    """The command line: see `nmt-evaluate --help`."""
    open_door("evaluate", task, spelled=APPLIED)


class Judged(NamedTuple):
    """What is scored: texts of as many lines each, references in one or several sets. language: of both, if known."""

    source: list[str] | None
    hypotheses: list[str]
    references: list[list[str]]
    language: str | None


def task(composed: dict[str, Any]) -> None:
    """Reads or makes the translations, and prints their scores."""
    settings = config.build(Settings, config.check(composed, Settings))
    judged = leave_out_blank(judge(settings))

    from nmt.evaluation.bleu import scores
    from nmt.evaluation.literature import literature_scores

    hypotheses, references, language = judged.hypotheses, judged.references, judged.language
    warn_unspaced(references[0], settings.bleu.tokenize, language, "language")
    tokenize = choose_tokenizer(settings.bleu.tokenize, language)
    found = [*scores(hypotheses, *references, tokenize=tokenize).values()]
    if language is not None:
        found += literature_scores(hypotheses, *references, language=language)
    if settings.score.command is not None:
        found.append(run_score_command(settings.score, judged.source, hypotheses, references))
    print_text(FORMATS[settings.format](found, len(hypotheses)))


def judge(settings: Settings) -> Judged:
    """What is to be scored, translated where that is asked for. Raises ConfigError, before anything is translated,
    where the tokens of BLEU cannot be had."""
    if settings.model["folder"] is None:
        check_tokenizer(settings.bleu.tokenize, settings.language)
        files: dict[str, list[Given]] = {"hypotheses": [settings.hypotheses], **_sets(settings.references)}
        if settings.source is not None:
            files["source"] = [settings.source]
        texts = read_texts(files, settings.errors)
        source = texts["source"][0] if "source" in texts else None
        return Judged(source, texts["hypotheses"][0], texts["references"], settings.language)
    texts = read_texts({"source": [settings.source], **_sets(settings.references)}, settings.errors)
    (source,) = texts["source"]
    loaded, *others = load_all(models(settings.model["folder"]), settings)
    language = settings.language or loaded.settings["target_language"]
    check_tokenizer(settings.bleu.tokenize, language)
    worker = translator(loaded, settings, settings.search, others=others, weights=False)
    hypotheses = [translation.text for translation in worker.translate(source, progress=True)]
    return Judged(source, hypotheses, texts["references"], language)


def leave_out_blank(judged: Judged) -> Judged:
    """The same without lines whose references are all blank, or whose source is, with a warning. Raises DataError where
    no line is left."""
    from nmt.data.quality import pick

    source, references = judged.source, judged.references
    places = [
        place
        for place, parts in enumerate(zip(*references, strict=True))
        if any(part.strip() for part in parts) and (source is None or source[place].strip())
    ]
    if not places:
        raise DataError("There is nothing to score: the references have no line of text with a source.")
    if len(places) < len(judged.hypotheses):
        logger.warning(
            "%d of %d lines are left out of the scores: they have a blank reference%s",
            *(len(judged.hypotheses) - len(places), len(judged.hypotheses)),
            "" if source is None else ", or a blank source",
        )
    return judged._replace(
        source=None if source is None else pick(source, places),
        hypotheses=pick(judged.hypotheses, places),
        references=[pick(each, places) for each in references],
    )


def _sets(references: str | list[str]) -> dict[str, list[Given]]:
    """Every file of references is a set of its own; one pattern such as test.*.de may name several."""
    return {"references": list(find_files(references, setting="references"))}


def read_texts(files: Mapping[str, Sequence[Given]], errors: lines.Errors) -> dict[str, list[list[str]]]:
    """The texts that settings name, by setting. Raises DataError unless all have as many lines as the first."""
    named = [(setting, find_files(given, setting=setting)) for setting, all in files.items() for given in all]
    if sum(name.count(STDIN) for _, name in named) > 1:
        raise ConfigError("Standard input, -, can be read only once. Give the other texts as files.")
    streams = [(setting, names, read_files(names, errors, setting=setting)) for setting, names in named]
    found: dict[str, list[list[str]]] = {}
    first: tuple[str, int] | None = None
    for setting, names, stream in streams:
        text, name = list(stream), ", ".join(names)
        if first is not None and first[1] != len(text):
            raise DataError(
                f"{first[0]} has {first[1]} lines and {name} {len(text)}, but line n of one belongs to line n of the "
                "other. Give two texts in the same order, with an empty line where something is missing."
            )
        first = first or (name, len(text))
        found.setdefault(setting, []).append(text)
    return found


def as_table(scores: "list[Score]", count: int) -> str:
    """For a person: name, value, signature."""
    rows = [f"{score.name:<16} {score.value:6.2f}   {score.signature}" for score in scores]
    return "\n".join([*rows, f"{'lines':<16} {count:6d}"])


def as_json(scores: "list[Score]", count: int) -> str:
    """For a program: one object, values not rounded."""
    return json.dumps({"lines": count, "scores": [score.as_dict() for score in scores]})


FORMATS = {"table": as_table, "json": as_json}


if __name__ == "__main__":
    main()
