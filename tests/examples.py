"""Every command line that help, README and docs give as an example, made ready to be run by rules."""

import gzip
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from nmt.comparison.compare import split_arguments
from nmt.composition.paths import find_config_folder
from nmt.config import MISSING
from nmt.tuning import settings as tune
from tests.commands import compose_command

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "outputs").glob("*.md")})

BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
PLACEHOLDER = re.compile(r"(?:outputs/)?<[^\s>][^>]*>")
FILE = re.compile(r"[\w./*-]+\.(?!yaml)[A-Za-z]\w{0,8}")
MODEL_SETTINGS = ("model", "reverse", "from", "init")
"""Settings that name a trained model."""

OUTPUT_SETTINGS = ("output", "heatmaps.folder", "cache")
"""Settings that name what a command writes."""

STAND_INS = {"source_language": "en", "target_language": "de", "source": "given.en", "target": "given.de"}
"""What stands for a setting that must be given and that an example leaves out, by the last part of its name."""


class Example(NamedTuple):
    """place: where it stands. command: the name after nmt-. words: what is given to it. answer: what the document shows
    that it prints, where it is an error."""

    document: str
    command: str
    words: list[str]
    answer: str

    def __str__(self) -> str:
        return f"{self.document}: nmt-{self.command} {shlex.join(self.words)}"


def find_examples() -> list[Example]:
    """All of them, in the order of files and lines; none twice in one file."""
    found = [*find_in_help(), *(example for path in DOCUMENTS for example in find_in_document(path))]
    return list({str(example): example for example in found}.values())


def find_in_help() -> Iterator[Example]:
    for path in sorted(Path(find_config_folder()).glob("*.yaml")):
        template = (yaml.safe_load(path.read_text(encoding="utf-8")).get("hydra") or {}).get("help", {}).get("template")
        for line in join_lines(template or ""):
            if re.match(r"nmt-\w+ (\.\.\. )?\S*=", line):
                yield from parse_example(path.name, line)


def find_in_document(path: Path) -> Iterator[Example]:
    text = path.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        lines = join_lines(block)
        for line, after in zip(lines, [*lines[1:], ""], strict=True):
            yield from parse_example(
                path.name, line, after if line.startswith("$ ") and after.startswith("nmt-") else ""
            )
    for span in SPAN.findall(BLOCK.sub("", text)):
        yield from parse_example(path.name, " ".join(span.split()))


def join_lines(text: str) -> list[str]:
    """Lines, with those that a backslash ends put together with the next."""
    return [line.strip() for line in re.sub(r"\\\n\s*", "", text).split("\n")]


def parse_example(place: str, line: str, answer: str = "") -> Iterator[Example]:
    """The example in a line, if it is one: a command of ours with at least one setting."""
    line = re.sub(r"\s#\s.*", "", line.removeprefix("$ "))
    if not re.match(r"nmt-\w+: ", line) and (found := re.search(r"(?:^|\s)nmt-(\w+)\s+([^|;&]*=[^|;&]*)", line)):
        yield Example(place, found[1], shlex.split(quote_grammar(found[2])), answer)


def quote_grammar(line: str) -> str:
    """The line without what the shell itself would do with it, and with placeholders as one word each."""
    line = PLACEHOLDER.sub("MODEL", line)
    return re.sub(r"\s[<>]\s*\S+", " ", line)


def prepare(example: Example, model: Path, pairs: int) -> list[str]:
    """The words with `model` for each model, without what stands for others, and with all that must be given besides.

    NAME-reverse stands for one of the other direction. Every file that they name is made, in the current directory,
    with so many lines.
    """
    words = []
    for word in example.words:
        key, equals, value = word.partition("=")
        if "..." in word or word == "FILES":
            continue
        is_group = key == "model" and example.command in ("train", "compare", "tune")  # model=transformer
        if key in MODEL_SETTINGS and value and not is_group:
            named = model.with_name(f"{model.name}-reverse") if key == "reverse" else model
            value = f"[{named},{named}]" if value.startswith("[") else str(named)
        words.append(f"{key}{equals}{value}")
    if any(word.startswith("data.train.source=") for word in words) and "from=" in " ".join(words):
        words.append("data=files")  # the model at hand was trained on other data than that of the example
    words += list_missing_settings(example.command, words, model)
    for word in words:
        key, equals, value = word.partition("=")
        if equals and key not in OUTPUT_SETTINGS:
            for name in FILE.findall(value):
                make_file(Path(name.replace("*", "a")), pairs)
            if key == "experiment" and value.endswith(".yaml"):
                Path(value).parent.mkdir(parents=True, exist_ok=True)
                Path(value).write_text("seed: 2\n")
    return words


def list_missing_settings(command: str, words: Sequence[str], model: Path) -> list[str]:
    """A value for each setting that must be given and is not."""
    own = re.compile(r"experiment=.*\.yaml|-.*")
    plain = [word for word in words if "," not in word and not own.fullmatch(word)]
    if command == "compare":
        command, plain = "train", [word for word in split_arguments(plain)[1] if "choice(" not in word]
    if command == "tune":
        command, plain = "train", tune.split_arguments(plain)[1]
    found = []
    for path in find_missing_keys(compose_command(command, *plain)):
        last = path.split(".")[-1]
        if path != "model.folder":
            found.append(f"{path}={STAND_INS.get(last, 'given.txt')}")
        elif not any(word.startswith("model=") for word in words):
            found.append(f"model={model}")
    if command == "align" and not any(word.startswith(("model=", "method=em")) for word in words):
        found.append(f"model={model}")
    return found


def find_missing_keys(value: Any, path: str = "") -> Iterator[str]:
    """The dotted paths of all values that must be given."""
    if isinstance(value, Mapping):
        for key, below in value.items():
            yield from find_missing_keys(below, f"{path}.{key}" if path else str(key))
    elif value == MISSING:
        yield path


def make_file(path: Path, pairs: int) -> None:
    """A file with so many lines: links where its name says so, text otherwise."""
    if path.is_absolute() or path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    links = path.suffix in (".links", ".align")
    text = [f"the dog sees a cat {number % 7}" for number in range(pairs)]
    lines = ["0-0 1-1"] * pairs if links else text
    if path.suffix == ".nbest":
        lines = [f"{number} ||| {line} ||| -1.0 ||| -1.0" for number, line in enumerate(text)]
    content = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
