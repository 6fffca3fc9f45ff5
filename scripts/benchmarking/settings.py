"""Settings of a measured model, composed and checked as `nmt-train` does it."""

from collections.abc import Sequence

from nmt import build, config
from nmt.composition.paths import find_config_folder
from nmt.config import ConfigDict

BENCHMARK_OVERRIDES = (
    "experiment=benchmark",
    "seed=1",
    "probes.sentences=0",
    "training.log_every=5",
    "training.stop.epochs=1000000",
)
"""The setting, and what makes a run of it nothing but training."""


def compose_settings(overrides: Sequence[str]) -> ConfigDict:
    """Raises ConfigError, and Hydra's own errors, as `nmt-train` does."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(find_config_folder(), version_base="1.3"):
        plain = OmegaConf.to_container(compose("train", [*BENCHMARK_OVERRIDES, *overrides]), resolve=True)
    return config.check(plain, build.TRAIN)
