"""nmt-evaluate: corpus scores of translations, each with the signature that makes it comparable."""

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nmt import config
from nmt.cli.door import APPLIED, open_door
from nmt.cli.text import pairs
from nmt.cli.work import Work, load_all, models, translator
from nmt.data import lines
from nmt.errors import ConfigError, DataError
from nmt.printable import print_text

if TYPE_CHECKING:
    from nmt.evaluation.bleu import Score

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Settings(Work):
    """What `configs/evaluate.yaml` says: translations in a file, or models and what they are to translate."""

    hypotheses: str | None
    references: str
    model: dict[str, str | list[str] | None]
    source: str | None
    language: str | None
    format: Literal["table", "json"]
    search: dict[str, Any]
    errors: lines.Errors

    def __post_init__(self) -> None:
        super().__post_init__()
        given = (self.hypotheses is not None, self.model["folder"] is not None, self.source is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise ConfigError(
                "What is to be scored? Give either hypotheses=FILE, or model=RUN and source=FILE, which is then "
                "translated; and references=FILE with either."
            )


def main() -> None:
    """The command line: see `nmt-evaluate --help`."""
    open_door("evaluate", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Reads or makes the translations, and prints their scores."""
    settings = config.build(Settings, config.check(composed, Settings))
    source, hypotheses, references, language = judged(settings)

    from nmt.data.quality import complete, pick
    from nmt.evaluation.bleu import scores
    from nmt.evaluation.literature import literature_bleu

    places = complete(references) if source is None else complete(source, references)
    if not places:
        raise DataError(f"There is nothing to score: {settings.references} has no line of text with a source.")
    if len(places) < len(references):
        logger.warning(
            "%d of %d lines are left out of the scores: they have a blank reference%s",
            *(len(references) - len(places), len(references), "" if source is None else ", or a blank source"),
        )
    hypotheses, references = pick(hypotheses, places), pick(references, places)
    found = [*scores(hypotheses, references).values()]
    if language is not None:
        found.append(literature_bleu(hypotheses, references, language=language))
    print_text(FORMATS[settings.format](found, len(references)))


def judged(settings: Settings) -> tuple[list[str] | None, list[str], list[str], str | None]:
    """The source, if it is known, hypotheses, references, and the language of these, if it is known."""
    if settings.hypotheses is not None:
        hypotheses, references = pairs(settings.hypotheses, settings.references, settings.errors)
        return None, hypotheses, references, settings.language
    folder, source = settings.model["folder"], settings.source
    assert folder is not None
    assert source is not None
    text, references = pairs(source, settings.references, settings.errors)
    loaded, *others = load_all(models(folder), settings)
    worker = translator(loaded, settings, settings.search, others=others, weights=False)
    translations = worker.translate(text, progress=True)
    language = settings.language or loaded.settings["target_language"]
    return text, [translation.text for translation in translations], references, language


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
