"""nmt-evaluate: corpus scores of translations, each with the signature that makes it comparable."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data import lines
from nmt.data.mix.tags import put_tags
from nmt.errors import ConfigError, DataError
from nmt.evaluation.bleu_tokens import BleuSettings, check_tokenizer
from nmt.evaluation.corpus_scores import ScoringInput, drop_blank_lines, score_texts
from nmt.evaluation.languages import check_language
from nmt.evaluation.score_command import ScoreCommand, run_score_command
from nmt.inference.inference import InferenceSettings, build_translator, find_model_folders, load_all
from nmt.inference.inputs import STDIN, FileNames, find_files, read_files
from nmt.inference.tags import choose_tags, name_target
from nmt.printable import print_text

if TYPE_CHECKING:
    from nmt.evaluation.bleu import CorpusScore

INPUT_HINT = (
    "What is to be scored? Give either hypotheses=FILE, or model=RUN and source=FILE, which is then translated; and "
    "references=FILE with either. A score.command with {source} takes source=FILE beside hypotheses=FILE too."
)


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(InferenceSettings):
    """What `configs/evaluate.yaml` says: translations in a file, or models and what they are to translate."""

    hypotheses: FileNames
    references: str | list[str]
    model: dict[str, str | list[str] | None]
    source: FileNames
    language: str | None
    bleu: BleuSettings
    score: ScoreCommand
    format: Literal["table", "json"]
    search: dict[str, Any]
    errors: lines.Errors

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.language is not None:
            check_language(self.language)
        translates = self.model["folder"] is not None
        if (self.hypotheses is not None) is translates or (translates and self.source is None):
            raise ConfigError(INPUT_HINT)
        if not translates and self.source is not None and not self.score.needs_source:
            raise ConfigError(INPUT_HINT)


def main() -> None:
    """The command line: see `nmt-evaluate --help`."""
    run_command("evaluate", run_task, aliases=MODEL_ALIASES)


def run_task(composed: dict[str, Any]) -> None:
    """Reads or makes the translations, and prints their scores."""
    settings = config.build(EvaluateSettings, config.check(composed, EvaluateSettings))
    texts = drop_blank_lines(collect_texts(settings))
    corpus_scores = score_texts(texts, tokenize=settings.bleu.tokenize)
    if settings.score.command is not None:
        corpus_scores.append(run_score_command(settings.score, texts.source, texts.hypotheses, texts.references))
    print_text(FORMATS[settings.format](corpus_scores, len(texts.hypotheses)))


def collect_texts(settings: EvaluateSettings) -> ScoringInput:
    """What is to be scored, translated where that is asked for. Raises ConfigError, before anything is translated,
    where the tokens of BLEU cannot be had."""
    if settings.model["folder"] is None:
        check_tokenizer(settings.bleu.tokenize, settings.language)
        files: dict[str, list[FileNames]] = {
            "hypotheses": [settings.hypotheses],
            **_find_reference_sets(settings.references),
        }
        if settings.source is not None:
            files["source"] = [settings.source]
        texts = read_texts(files, settings.errors)
        source = texts["source"][0] if "source" in texts else None
        return ScoringInput(source, texts["hypotheses"][0], texts["references"], settings.language)
    texts = read_texts({"source": [settings.source], **_find_reference_sets(settings.references)}, settings.errors)
    (source,) = texts["source"]
    loaded, *others = load_all(find_model_folders(settings.model["folder"]), settings)
    targets = loaded.settings["tags"].get("targets")
    tags = choose_tags(loaded.settings, target=settings.language if targets else None, key="language")
    language = settings.language or name_target(loaded, None)
    check_tokenizer(settings.bleu.tokenize, language)
    worker = build_translator(loaded, settings, settings.search, others=others, weights=False)
    hypotheses = [translation.text for translation in worker.translate(put_tags(source, tags), progress=True)]
    return ScoringInput(source, hypotheses, texts["references"], language)


def _find_reference_sets(references: str | list[str]) -> dict[str, list[FileNames]]:
    """Every file of references is a set of its own; one pattern such as test.*.de may name several."""
    return {"references": list(find_files(references, setting="references"))}


def read_texts(files: Mapping[str, Sequence[FileNames]], errors: lines.Errors) -> dict[str, list[list[str]]]:
    """The texts that settings name, by setting. Raises DataError unless all have as many lines as the first."""
    names_by_setting = [
        (setting, find_files(given, setting=setting)) for setting, all in files.items() for given in all
    ]
    if sum(name.count(STDIN) for _, name in names_by_setting) > 1:
        raise ConfigError("Standard input, -, can be read only once. Give the other texts as files.")
    streams = [(setting, names, read_files(names, errors, setting=setting)) for setting, names in names_by_setting]
    texts_by_setting: dict[str, list[list[str]]] = {}
    first: tuple[str, int] | None = None
    for setting, names, stream in streams:
        text, name = list(stream), ", ".join(names)
        if first is not None and first[1] != len(text):
            raise DataError(
                f"{first[0]} has {first[1]} lines and {name} {len(text)}, but line n of one belongs to line n of the "
                "other. Give two texts in the same order, with an empty line where something is missing."
            )
        first = first or (name, len(text))
        texts_by_setting.setdefault(setting, []).append(text)
    return texts_by_setting


def format_table(scores: "list[CorpusScore]", count: int) -> str:
    """For a person: name, value, signature."""
    rows = [f"{score.name:<16} {score.value:6.2f}   {score.signature}" for score in scores]
    return "\n".join([*rows, f"{'lines':<16} {count:6d}"])


def format_json(scores: "list[CorpusScore]", count: int) -> str:
    """For a program: one object, values not rounded."""
    return json.dumps({"lines": count, "scores": [score.as_dict() for score in scores]})


FORMATS = {"table": format_table, "json": format_json}


if __name__ == "__main__":
    main()
