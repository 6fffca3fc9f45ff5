"""Files of configs are parsed once in a process: Hydra parses all of them anew whenever it composes one config."""

import copy
from typing import Any

import yaml


def remember_yaml() -> None:
    """From now on, what OmegaConf reads is parsed only if no equal text was before."""
    load, parsed = yaml.load, dict[str, Any]()

    def load_once(stream: Any, Loader: Any) -> Any:  # noqa: N803 (PyYAML's name)
        if Loader.__name__ != "OmegaConfLoader" or not hasattr(stream, "read"):
            return load(stream, Loader)
        text = stream.read()
        if text not in parsed:
            parsed[text] = load(text, Loader)
        return copy.deepcopy(parsed[text])

    yaml.load = load_once
