"""What a new start takes over from the run that is in its folder."""

import copy
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nmt.config import format_value
from nmt.runs import run_files

logger = logging.getLogger(__name__)


def keep_choices(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with what they leave to the program (`run_files.OPEN`) as the run in `folder` has it.

    Without a run there, they are as they were. Runs of version 0.1 have fixed numbers where the default is open now;
    the same command goes on with them.
    """
    choices = copy.deepcopy(dict(settings))
    config = folder / run_files.CONFIG
    if not (run_files.is_run_folder(folder) and config.exists()):
        return choices
    added = {key: value for key, value in run_files.ADDED_SETTINGS.items() if key in run_files.AUTOMATIC_SETTINGS}
    before, now = added | run_files.flatten(run_files.read_settings(config)), run_files.flatten(settings)
    for key, choice in run_files.AUTOMATIC_SETTINGS.items():
        if key in before and key in now and now[key] == choice != before[key]:
            group, _, name = key.partition(".")
            choices[group][name] = before[key]
            logger.info("%s=%s, with which the run began", key, format_value(before[key]))
    return choices
