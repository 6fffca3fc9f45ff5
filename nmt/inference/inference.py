"""What every command that puts a trained model to work has in common."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from nmt.errors import ConfigError
from nmt.kernels.switch import KernelMode
from nmt.storage.untrusted_paths import MAX_THREADS, Device, find_model_folder

if TYPE_CHECKING:
    from nmt.data.sources.reader import SourceReader
    from nmt.data.tokenizer import Tokenizer
    from nmt.kernels.quantized_linear import Precision
    from nmt.model_folder import LoadedModel
    from nmt.translation.translator import BatchTranslator


@dataclass(frozen=True, kw_only=True)
class InferenceSettings:
    """Where a model works, and how much at once.

    device: auto takes the GPU if there is one. threads: of the CPU; None leaves the choice to torch. tokens: source
    positions a batch, padding counted. kernels: reference is plain PyTorch.
    """

    device: Device
    threads: int | None
    tokens: int
    kernels: KernelMode = "auto"

    def __post_init__(self) -> None:
        for name in ("threads", "tokens"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1; got {value}.")
        if self.threads is not None and self.threads > MAX_THREADS:
            raise ConfigError(f"threads must be at most {MAX_THREADS}; got {self.threads}.")


def check_max_length(max_length: int | None) -> None:
    """Raises ConfigError for a limit of pieces that no line could keep."""
    if max_length is not None and max_length < 1:
        raise ConfigError(f"max_length must be at least 1, or null for no limit; got {max_length}.")


def find_model_folders(setting: str | Sequence[str]) -> list[str]:
    """The folders that `model=` names: a list, or a text with commas between them.

    As names of folders have commas too (those of nmt-compare do), the longest beginning that exists is one folder, and
    so on with the rest. Raises ConfigError where there is none.
    """
    if not isinstance(setting, str):
        folders = list(setting)
    else:
        folders, parts = [], setting.split(",")
        while parts:
            candidates = [",".join(parts[:count]).strip() for count in range(len(parts), 0, -1)]
            folder = next((name for name in candidates if Path(name).expanduser().exists()), candidates[0])
            folders.append(folder)
            parts = parts[len(parts) - candidates.index(folder) :]
    if not folders:
        raise ConfigError("model names no folder. Give a run or model folder, or several: model=[outputs/a,outputs/b].")
    return folders


def load(model: str, settings: InferenceSettings) -> "LoadedModel":
    """The model of a run or model folder, where it is to work. Raises ModelError."""
    folder = find_model_folder(Path(model).expanduser())  # asked before what takes a second to import
    from nmt import build
    from nmt import model_folder as stored
    from nmt.kernels import process_setup

    device = build.build_device(settings.device)
    process_setup.configure(settings.threads, settings.kernels)
    return stored.load(folder, device=device)


def load_all(models: Sequence[str], settings: InferenceSettings) -> "list[LoadedModel]":
    """Models that can translate together. Raises ModelError, and ConfigError where two have not one vocabulary."""
    loaded = [load(model, settings) for model in models]
    check_same_vocabulary(loaded, models)
    return loaded


def check_same_vocabulary(loaded: "Sequence[LoadedModel]", models: Sequence[str]) -> None:
    """Raises ConfigError where models, by the names of their folders, cannot translate together."""
    for index, other in enumerate(loaded[1:], start=1):
        if differences := list(find_vocabulary_differences(loaded[0], other)):
            raise ConfigError(
                f"An ensemble averages distributions over one vocabulary, but {models[0]} and {models[index]} differ "
                f"in {'; and in '.join(differences)}. Runs on the same text with the same settings of the tokenizer "
                "share their vocabulary; everything else may differ."
            )


def find_vocabulary_differences(first: "LoadedModel", other: "LoadedModel") -> Iterator[str]:
    """What keeps two models from translating together."""
    for side in ("source", "target"):
        one, two = (loaded.settings[f"{side}_language"] for loaded in (first, other))
        if one != two:
            yield f"the {side} language, {one} and {two}"
    if first.settings["tags"] != other.settings["tags"]:
        yield "the tags in front of source lines"
    joint = all(loaded.tokenizers.source is loaded.tokenizers.target for loaded in (first, other))
    pairs = list(zip(first.tokenizers, other.tokenizers, strict=True))
    for name, (mine, theirs) in zip(["the"] if joint else ["the source", "the target"], pairs, strict=False):
        if mine.serialized != theirs.serialized:
            yield describe_difference(name, mine, theirs)


def describe_difference(name: str, first: "SourceReader", other: "SourceReader") -> str:
    """How two sides differ that do not read the same lines in the same way."""
    from nmt.data.tokenizer import Tokenizer

    if isinstance(first, Tokenizer) and isinstance(other, Tokenizer):
        return f"{name} vocabulary, {describe_piece_difference(first, other)}"
    return "how they read the source (model/source)"


def describe_piece_difference(first: "Tokenizer", other: "Tokenizer") -> str:
    """How two vocabularies differ that are not the same, byte for byte."""
    if first.vocab_size != other.vocab_size:
        return f"of {first.vocab_size} and {other.vocab_size} pieces"
    ids = range(first.vocab_size)
    for id, (one, two) in enumerate(
        zip(first.convert_ids_to_pieces(ids), other.convert_ids_to_pieces(ids), strict=True)
    ):
        if one != two:
            return f"whose piece {id} is {one[:60]!r} in one and {two[:60]!r} in the other"
    return "which has the same pieces, but other scores or rules for cutting words into them"


def merge_search(loaded: "LoadedModel", search: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the model's own search with those of `search`, or those of `search` alone if it names one."""
    return {**({} if "name" in search else loaded.settings["search"]), **search}


def build_translator(
    loaded: "LoadedModel",
    settings: InferenceSettings,
    search: Mapping[str, Any],
    *,
    others: "Sequence[LoadedModel]" = (),
    weights: bool = True,
    precision: "Precision" = "float32",
    shortlist: Mapping[str, Any] = MappingProxyType({"name": "none"}),
) -> "BatchTranslator":
    """The model with a search: the stored one with the settings of `search`, or the one that `search` names.

    With `others` it is the first of an ensemble. The stored search is its own, and a lexicon that of the first folder
    which has one, for it belongs to the vocabulary.
    """
    from nmt import build, config
    from nmt.translation import shortlist_file
    from nmt.translation.ensemble import Ensemble
    from nmt.translation.shortlist import LexicalShortlist
    from nmt.translation.stepper import InferenceModel
    from nmt.translation.translator import BatchTranslator, ShortlistSource

    search_settings = merge_search(loaded, search)
    schema = {"search": build.SEARCH, "shortlist": build.SHORTLIST}
    checked = config.check({"search": search_settings, "shortlist": shortlist}, schema)
    choice = config.build_variant(build.SHORTLIST, checked["shortlist"])
    engines = [InferenceModel(each.model, precision) for each in (loaded, *others)]
    folders = [each.folder for each in (loaded, *others)]
    lexicon_folder = next(
        (folder for folder in folders if os.path.lexists(folder / shortlist_file.NAME)), loaded.folder
    )
    return BatchTranslator(
        loaded.model,
        loaded.tokenizers,
        build.build_search(checked),
        settings.tokens,
        weights,
        engine=Ensemble(engines) if others else engines[0],
        shortlist_source=ShortlistSource(shortlist_file.load(lexicon_folder, loaded.tokenizers), choice)
        if isinstance(choice, LexicalShortlist)
        else None,
    )
