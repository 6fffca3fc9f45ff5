"""What a translation of lines is asked for, and what a model must have for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from nmt.data.lines import Errors
from nmt.errors import ConfigError, ModelError
from nmt.inference.attention_view import NOTHING, check_show
from nmt.inference.inference import InferenceSettings
from nmt.inference.inputs import STDIN, FileNames, find_files

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceReader
    from nmt.model_folder import LoadedModel

MAX_PROCESSES = 256
"""Each holds the models and starts in a second of a core."""


@dataclass(frozen=True, kw_only=True)
class TranslateSettings(InferenceSettings):
    """What `configs/translate.yaml` says, and how it is meant."""

    model: dict[str, str | list[str]]
    input: FileNames
    output: str | None
    format: Literal["text", "nbest", "json"]
    weights: bool
    target: str | None
    tag: str | None
    split: Literal["lines", "sentences"]
    processes: int
    prefix: str | None
    search: dict[str, Any]
    shortlist: dict[str, Any]
    precision: Literal["float32", "bfloat16", "int8"]
    max_source: int | None
    chunk: int
    errors: Errors
    show: str

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("max_source", "chunk", "processes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; got {value}.")
        if self.processes > MAX_PROCESSES:
            raise ConfigError(
                f"processes must be at most {MAX_PROCESSES}, each with the models; got {self.processes}. More "
                "than the machine has cores gain nothing."
            )
        check_show(self.show, self.processes)
        if self.weights and self.format != "json":
            raise ConfigError(f"weights=true writes attention weights as JSON, with format=json; got {self.format}.")
        if self.split == "sentences" and (self.format != "text" or self.show != NOTHING or self.prefix is not None):
            raise ConfigError(
                "split=sentences joins the translations of a line's sentences to one line of text, so that it needs "
                f"format=text, show={NOTHING} and prefix=null; got format={self.format}, show={self.show} and "
                f"prefix={'null' if self.prefix is None else self.prefix}."
            )


def check_split(settings: TranslateSettings, reader: "SourceReader") -> None:
    """Raises ConfigError where sentences are to be found in lines that are no text."""
    if settings.split != "lines" and not reader.reads_text:
        raise ConfigError(
            f"split={settings.split} finds sentences in text, and the lines that this model translates are none "
            "(model/source). Set split=lines."
        )


def name_inputs(inputs: FileNames) -> str:
    """What a message calls the lines of the input."""
    files = find_files(inputs, setting="input")
    return files[0] if len(files) == 1 and files[0] != STDIN else "standard input" if files == [STDIN] else "the input"


def check_attention(settings: TranslateSettings, loaded: "Sequence[LoadedModel]") -> None:
    """Raises ModelError where attention is asked for and no model has any."""
    wanted = {f"show={settings.show}": settings.show != NOTHING, "weights=true": settings.weights}
    requests = [word for word, is_asked in wanted.items() if is_asked]
    if requests and not any(each.model.has_attention for each in loaded):
        raise ModelError(
            f"{' and '.join(requests)} needs attention weights, and "
            f"{', '.join(str(each.folder) for each in loaded)} has "
            f"no attention (it was trained with attention=none). Set show={NOTHING} and weights=false."
        )
