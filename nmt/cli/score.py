"""nmt-score: the log-probability of given translations."""

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data import lines
from nmt.data.beginnings import check_lengths
from nmt.data.mix.tags import put_tags
from nmt.errors import ConfigError, DataError
from nmt.inference.answers import to_finite
from nmt.inference.inference import InferenceSettings, check_max_length, find_model_folders, load_all
from nmt.inference.streams import open_writer, read_parallel_lines, use_standard_output
from nmt.inference.tags import choose_tags
from nmt.printable import cut_middle, print_text
from nmt.runs.run_files import check_outside_runs
from nmt.storage.distinct_paths import STANDARD_OUTPUT, check_distinct, list_model_paths

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceItem
    from nmt.data.tokenizer import Tokenizers
    from nmt.translation.scoring import PairScore

CHUNK_PAIRS = 1000
"""Pairs that are scored before their scores are written, so that memory is bounded."""

SEPARATOR = "|||"
"""Between the fields of an n-best list."""


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(InferenceSettings):
    """What `configs/score.yaml` says: a source, and either one translation a line or an n-best list."""

    model: dict[str, str | list[str]]
    source: str
    target: str | None
    nbest: str | None
    target_language: str | None
    tag: str | None
    output: str | None
    format: Literal["text", "json"]
    max_length: int | None
    errors: lines.Errors

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.target is None) == (self.nbest is None):
            raise ConfigError(
                "What is to be scored? Give either target=FILE, whose line n translates line n of the source, or "
                "nbest=FILE, whose lines are `number ||| translation`, with the number of the source line from 0."
            )
        check_max_length(self.max_length)
        models = list_model_paths(find_model_folders(self.model["folder"]))
        inputs = {"source": self.source, "target": self.target, "nbest": self.nbest, "model": models}
        check_distinct(inputs, {"output": self.output or STANDARD_OUTPUT})
        check_outside_runs({"output": self.output})


class ScoringPair(NamedTuple):
    """A translation to score: its source line, both from 0, and, in an n-best list, the line as it was given."""

    number: int
    source: str
    target: str
    nbest_line: str | None


def main() -> None:
    """The command line: see `nmt-score --help`."""
    run_command("score", run_task, aliases=MODEL_ALIASES)


def run_task(composed: dict[str, Any]) -> None:
    """Scores the pairs in their order, and prints what they come to on stderr."""
    settings = config.build(ScoreSettings, config.check(use_standard_output(composed), ScoreSettings))
    pairs = read_pairs(settings)
    loaded = load_all(find_model_folders(settings.model["folder"]), settings)

    from tqdm import tqdm

    from nmt.translation.scoring import score_pairs

    tokenizers, write = loaded[0].tokenizers, FORMATS[settings.format]
    tags = choose_tags(loaded[0].settings, target=settings.target_language, tag=settings.tag, key="target_language")
    check_pair_lengths(tokenizers, pairs, settings)
    log_probs, tokens = list[float](), 0
    with (
        tqdm(total=len(pairs), desc="scoring", unit=" pairs", disable=not sys.stderr.isatty(), leave=False) as bar,
        open_writer(settings.output) as write_lines,
    ):
        for first in range(0, len(pairs), CHUNK_PAIRS):
            part = pairs[first : first + CHUNK_PAIRS]
            ids = encode_pairs(tokenizers, part, tags)
            scores = score_pairs([each.model for each in loaded], ids, tokens=settings.tokens, report=bar.update)
            log_probs += [score.log_prob for score in scores]
            tokens += sum(score.tokens for score in scores)
            write_lines(write(tokenizers, *row) for row in zip(part, ids, scores, strict=True))
    print_text(format_summary(log_probs, tokens), "stderr")


def read_pairs(settings: ScoreSettings) -> list[ScoringPair]:
    """The pairs to score. Raises DataError for files that do not belong together."""
    if settings.target is not None:
        source, target = read_parallel_lines(settings.source, settings.target, settings.errors)
        return [ScoringPair(number, *texts, None) for number, texts in enumerate(zip(source, target, strict=True))]
    assert settings.nbest is not None
    lines.check(settings.nbest)
    source = lines.read(settings.source, settings.errors)
    return list(parse_nbest(lines.stream(settings.nbest, settings.errors), source, name=settings.nbest))


def parse_nbest(nbest_lines: Iterator[str], source: Sequence[str], *, name: str) -> Iterator[ScoringPair]:
    """The pairs of an n-best list; `name` is the file. Raises DataError for a line that is none of such a list."""
    for line_number, line in enumerate(nbest_lines, start=1):
        first, *fields = line.split(SEPARATOR)
        number = first.strip()
        number = number.lstrip("0") or number[:1]
        if not (number.isascii() and number.isdigit()) or not fields:
            raise DataError(
                f"{name}, line {line_number}: a line of an n-best list is `number ||| translation`, and may have more "
                f"fields; got {line[:80]!r}. For one translation a line give target=FILE."
            )
        if len(number) > len(str(len(source))) or int(number) >= len(source):
            raise DataError(
                f"{name}, line {line_number}: translates line {cut_middle(number, 40)} of the source, which has "
                f"{len(source)} lines, counted from 0. Give the source that the list was made from."
            )
        # One space on either side belongs to the separator, and what else is there to the text.
        text = fields[0].removeprefix(" ")
        yield ScoringPair(int(number), source[int(number)], text.removesuffix(" ") if len(fields) > 1 else text, line)


def check_pair_lengths(tokenizers: "Tokenizers", pairs: Sequence[ScoringPair], settings: ScoreSettings) -> None:
    """Raises DataError for a line of more than `max_length` pieces: the score of a part of it would be another one."""
    last = max((pair.number for pair in pairs), default=-1)
    sources = [""] * (last + 1)  # an n-best list has a source many times, or not at all
    for pair in pairs:
        sources[pair.number] = pair.source
    check_lengths(tokenizers.source, sources, settings.max_length, name=settings.source)
    targets, name = [pair.target for pair in pairs], settings.nbest or settings.target
    check_lengths(tokenizers.target, targets, settings.max_length, name=str(name))


def encode_pairs(
    tokenizers: "Tokenizers", part: Sequence[ScoringPair], tags: Sequence[str] = ()
) -> "list[tuple[SourceItem, Sequence[int]]]":
    """What the model reads of the source, with these tags in front, and the ids of the target."""
    source = tokenizers.source.encode(put_tags([pair.source for pair in part], tags))
    return list(zip(source, tokenizers.target.encode([pair.target for pair in part]), strict=True))


def format_summary(log_probs: Sequence[float], tokens: int) -> str:
    """What all pairs come to."""
    from nmt.translation.scoring import perplexity

    total = math.fsum(log_probs)
    parts = [f"pairs {len(log_probs)}", f"tokens {tokens}", f"log_prob {total:.4f}"]
    if tokens:
        parts += [f"per_token {total / tokens:.6f}", f"perplexity {perplexity(total / tokens):.4f}"]
    return ", ".join(parts)


# What is written for a pair ---------------------------------------------------------------------------------------


def format_text(
    tokenizers: "Tokenizers", pair: ScoringPair, ids: "tuple[SourceItem, Sequence[int]]", score: "PairScore"
) -> str:
    """log_prob, tokens, log_prob a token and perplexity, with tabs between; or the n-best line with its log_prob."""
    if pair.nbest_line is not None:
        return f"{pair.nbest_line} {SEPARATOR} {score.log_prob:.6f}"
    return f"{score.log_prob:.6f}\t{score.tokens}\t{score.per_token:.6f}\t{score.perplexity:.6f}"


def format_json(
    tokenizers: "Tokenizers", pair: ScoringPair, ids: "tuple[SourceItem, Sequence[int]]", score: "PairScore"
) -> str:
    """One object: source line from 0, text, what `format_text` has, and each piece with its log_prob, </s> last."""
    content = {
        "line": pair.number,
        "text": pair.target,
        "log_prob": to_finite(score.log_prob),
        "tokens": score.tokens,
        "per_token": to_finite(score.per_token),
        "perplexity": to_finite(score.perplexity),
        "pieces": [*tokenizers.target.convert_ids_to_pieces(ids[1]), "</s>"],
        "log_probs": [to_finite(round(float(log_prob), 6)) for log_prob in score.log_probs],
    }
    return lines.replace_line_ends(json.dumps(content, ensure_ascii=False, allow_nan=False))


FORMATS = {"text": format_text, "json": format_json}


if __name__ == "__main__":
    main()
