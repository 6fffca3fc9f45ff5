"""Train, search with, compare and look into translation models with swappable attention.

    model = nmt.load("outputs/mine")
    model.translate(["A small child sleeps."])[0].text

`load`, `train`, `compare`, `tune` and `evaluate` do what the commands do; `Attention` is a module for your models. All
of them are imported when they are first used, so that `import nmt` is fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nmt.api import (
        Alignment,
        ComparisonResult,
        TrainingResult,
        Translation,
        Translator,
        TuningResult,
        compare,
        evaluate,
        load,
        train,
        tune,
    )
    from nmt.api import AttentionLayer as Attention
    from nmt.errors import CheckpointError, ConfigError, DataError, ModelError, NmtError, TrainingError

__version__ = "0.2.0.dev0"

__all__ = [
    "Alignment",
    "Attention",
    "CheckpointError",
    "ComparisonResult",
    "ConfigError",
    "DataError",
    "ModelError",
    "NmtError",
    "TrainingError",
    "TrainingResult",
    "Translation",
    "Translator",
    "TuningResult",
    "__version__",
    "compare",
    "evaluate",
    "load",
    "train",
    "tune",
]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name.endswith("Error"):
        from nmt import errors

        found = getattr(errors, name)
    else:
        from nmt import api

        found = getattr(api, "AttentionLayer" if name == "Attention" else name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
