"""Where a model is trained or used."""

import torch

from nmt.config import ConfigDict
from nmt.errors import ConfigError
from nmt.kernels import precision
from nmt.training import compiled


def build_training_device(settings: ConfigDict) -> torch.device:
    """Where a run with these settings is trained. Raises ConfigError if there is no such device, or it cannot do it."""
    found = build_device(settings["device"])
    precision.check_precision(settings["training"]["precision"], found.type)
    compiled.check(settings["training"]["compile"], found)
    return found


def build_device(name: str) -> torch.device:
    """`auto` is the GPU if there is one. Raises ConfigError where `cuda` or `mps` is asked for and missing."""
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise ConfigError(
                "device=mps was asked for, which is the GPU of a Mac with an Apple processor, and torch sees none "
                "here. Use device=auto or device=cpu."
            )
        return torch.device("mps")
    if name == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device=cuda was asked for, but torch sees no GPU here. Use device=auto or device=cpu.")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
