"""What a run begins with where `init` names a trained model: its weights and its vocabulary, and nothing else of it."""

import logging
from pathlib import Path
from typing import Any

import torch

from nmt import model_folder as stored
from nmt.config import ConfigDict, format_value
from nmt.data.given import PretrainedTokenizers
from nmt.data.sources.reader import FeatureReader
from nmt.data.sources.target_only import TargetOnly
from nmt.data.spans import SpanTokenizer, SpanTrainer
from nmt.data.tokenizer import SentencePieceTrainer, Tokenizers
from nmt.errors import ConfigError, ModelError
from nmt.model.seq2seq import Seq2Seq
from nmt.model_folder import LoadedModel
from nmt.runs.run_folder import CHECKPOINTS, flatten
from nmt.storage import manifest
from nmt.storage.untrusted_paths import find_model_folder
from nmt.training.state import get_weights, load_weights

logger = logging.getLogger(__name__)

DROPOUT_SETTINGS = ("model.dropout", "model.encoder.dropout", "model.decoder.dropout")
"""Settings of a model that change none of its weights."""


def load_initial(settings: ConfigDict, folder: Path) -> LoadedModel | None:
    """The model that a run in `folder` begins with; None where `init` is null.

    Once the run has a checkpoint, that is the one: the folder that `init` names is not needed any more. Raises
    ModelError where there is no model, and ConfigError where the settings describe another.
    """
    if settings["init"] is None:
        return None
    try:
        loaded = load_newest(folder / CHECKPOINTS) or stored.load(
            find_model_folder(Path(settings["init"]).expanduser()), device=torch.device("cpu")
        )
    except ModelError as problem:
        raise ModelError(*(str(line).replace("model=", "init=", 1) for line in problem.args)) from problem
    if settings["tokenizer"].get("model") is not None:
        raise ConfigError("init brings the vocabulary of its model. Leave tokenizer.model out, or init.")
    check_sizes(settings, loaded)
    return loaded


def load_newest(checkpoints: Path) -> LoadedModel | None:
    """The newest model of a run that is sound; None where the run has no checkpoint. Raises ModelError where all are
    damaged."""
    problems: list[ModelError] = []
    for folder in manifest.list_sealed(checkpoints):
        try:
            return stored.load(folder, device=torch.device("cpu"))
        except ModelError as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
    return None


def check_sizes(settings: ConfigDict, loaded: LoadedModel) -> None:
    """Raises ConfigError where the settings describe a model other than the one that was loaded."""
    wanted, there = (
        flatten({part: chosen[part] for part in ("model", "attention")}) for chosen in (settings, loaded.settings)
    )
    differing = [
        f"{key}: {format_value(there.get(key, 'absent'))} there, {format_value(wanted.get(key, 'absent'))} here"
        for key in sorted({*wanted, *there})
        if wanted.get(key) != there.get(key) and not key.startswith(DROPOUT_SETTINGS)
    ]
    if differing:
        raise ConfigError(
            f"init={settings['init']} is another model than the one that is to be trained:",
            *(f"  {line}" for line in differing),
            "Give these settings as they are there; from=RUN takes all settings of a run.",
        )


def adapt_settings(settings: ConfigDict, loaded: LoadedModel) -> ConfigDict:
    """The settings, with a joint vocabulary or two as the model has it."""
    joint = loaded.tokenizers.source is loaded.tokenizers.target
    return {**settings, "tokenizer": {**settings["tokenizer"], "joint": joint}}


def make_tokenizer(settings: ConfigDict, loaded: LoadedModel) -> SentencePieceTrainer:
    """The vocabulary of the model, in place of one that would be learnt."""
    source, target = loaded.tokenizers
    sampling = settings["tokenizer"].get("sampling", 0.0)
    if isinstance(source, FeatureReader):
        return TargetOnly(source, PretrainedTokenizers(Tokenizers(target, target), sampling=sampling))
    pretrained = PretrainedTokenizers(loaded.tokenizers, sampling=sampling)
    return SpanTrainer(pretrained) if isinstance(target, SpanTokenizer) else pretrained


def copy_weights(model: Seq2Seq, loaded: LoadedModel, name: Any) -> None:
    """Gives a new model the weights of the one that was loaded."""
    load_weights(model, get_weights(loaded.model), loaded.folder)
    logger.info("weights and vocabulary of %s, as init=%s says", loaded.folder, name)
