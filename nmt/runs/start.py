"""The model and the state of training before the first step."""

import torch

from nmt import build, config
from nmt import model_folder as stored
from nmt.config import ConfigDict
from nmt.data.tokenizer import Tokenizers
from nmt.model.seq2seq import Seq2Seq
from nmt.runs.initial import copy_weights
from nmt.training.average import EmaWeights
from nmt.training.averaging import Average, ExponentialMovingAverage
from nmt.training.state import TrainingProgress, TrainingState


def build_run_model(
    settings: ConfigDict, tokenizers: Tokenizers, device: torch.device, initial: stored.LoadedModel | None
) -> Seq2Seq:
    """The model before its first step, with the weights of `initial` where there is one."""
    model = build.build_model(
        settings,
        source_vocab=tokenizers.source.vocab_size,
        target_vocab=tokenizers.target.vocab_size,
        joint=tokenizers.source is tokenizers.target,
    ).to(device)
    if initial is not None:
        copy_weights(model, initial, settings["init"])
    return model


def start_state(settings: ConfigDict, model: Seq2Seq, average: Average) -> TrainingState:
    """The state of training before its first step."""
    ema = EmaWeights(model, decay=average.decay) if isinstance(average, ExponentialMovingAverage) else None
    optimizer = config.build_variant(build.OPTIMIZER, settings["optimizer"]).build_optimizer(model)
    return TrainingState(model, optimizer, build.build_schedule(settings), ema, TrainingProgress())
