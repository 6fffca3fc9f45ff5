"""What can be wrong with a run before anything is written or computed."""

from pathlib import Path

import torch

from nmt import build
from nmt import model_folder as stored
from nmt.config import ConfigDict
from nmt.data.corpus import Corpus
from nmt.runs import run_folder
from nmt.runs.earlier import keep_choices
from nmt.runs.fingerprint import check_same_text_as_run
from nmt.runs.initial import adapt_settings, load_initial
from nmt.runs.outcome import RunResult, read_run_result


def check_run(settings: ConfigDict, folder: Path) -> tuple[ConfigDict, stored.LoadedModel | None, torch.device, Corpus]:
    """The settings as the run in `folder` has them, the model to begin with, the device and the corpus, once all that
    can be wrong before heavy work is not."""
    settings = keep_choices(folder, settings)
    build.dry_run(settings)
    initial = load_initial(settings, folder)
    if initial is not None:
        settings = adapt_settings(settings, initial)
    device = build.build_training_device(settings)
    corpus = build.build_corpus(settings)
    corpus.check()
    run_folder.check(folder, settings)
    return settings, initial, device, corpus


def read_outcome(settings: ConfigDict, folder: Path, corpus: Corpus) -> RunResult | None:
    """What a finished run in `folder` came to; None where there is something left to do."""
    check_same_text_as_run(folder / run_folder.CHECKPOINTS, corpus)
    return read_run_result(folder, settings)
