"""The one way into every command: Hydra composes, our checks answer, and what goes wrong is said in a sentence."""

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

import nmt
from nmt.composition.diagnostics import explain, find_syntax_problem
from nmt.composition.overrides import expand_alias
from nmt.composition.paths import find_config_folder
from nmt.errors import NmtError
from nmt.printable import Formatter, discard, open_streams, print_text, print_traceback, shorten

USAGE_STATUS = 2
"""Exit status when the command, a config or a file must be mended by the person who gave it."""


def run_command(name: str, task: Callable[[dict[str, Any]], None], *, aliases: Mapping[str, str] | None = None) -> None:
    """Runs `task` with the composed config of `configs/<name>.yaml`, as plain values.

    `spelled` maps how words of the command line begin to how Hydra has them, where that is not how a person would say
    it: see APPLIED.

    Exit status: 0 done, also where a reader such as `head` had seen enough, 2 a mistake in what was given, 128 + n
    ended by signal n, such as 130 (SIGINT), 138 (SIGUSR1) and 143 (SIGTERM); 1 is a traceback, or a comparison some of
    whose runs failed.
    """
    open_streams()
    if "--version" in sys.argv[1:]:
        print(f"nmt-{name} {nmt.__version__}")
        return
    guard_terminal()
    if not has_current_folder():
        exit_with_usage(name, "the current folder is not there any more. Change to another one.")
    if (problem_text := find_syntax_problem(sys.argv[1:])) is not None:
        exit_with_usage(name, problem_text)
    sys.argv[1:] = [expand_alias(word, aliases or {}) for word in sys.argv[1:]]
    mistakes: list[str] = []
    try:
        mistakes += run_hydra(name, task)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        try:
            sys.stdout.flush()
        except OSError as problem:
            mistakes.extend(explain_output_problem(problem))
    if mistakes:
        message = "\n".join(mistakes)
        for beginning, expansion in (aliases or {}).items():
            message = message.replace(expansion.rstrip("="), beginning.rstrip("="))
        exit_with_usage(name, message)


def has_current_folder() -> bool:
    """Whether the current folder exists; one can be removed while a shell is in it."""
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def run_hydra(name: str, task: Callable[[dict[str, Any]], None]) -> list[str]:
    """Has Hydra read the command line and do the task, or answer what it is asked; returns what is wrong."""
    import hydra
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    mistakes: list[str] = []
    has_begun = False

    def call_task(composed: Any) -> None:
        nonlocal has_begun
        has_begun = True
        try:
            plain = OmegaConf.to_container(composed, resolve=True, throw_on_missing=False)
            assert isinstance(plain, dict)
            task({str(key): value for key, value in plain.items()})
        except NmtError as problem:  # past this line Hydra would add its own words to it
            mistakes.append(str(problem))
        except OmegaConfBaseException as problem:
            mistakes.append(explain(problem, name))
        except OSError as problem:
            mistakes.extend(explain_output_problem(problem))
        except RuntimeError as problem:
            if not str(problem).startswith("Symlink loop"):  # of Path.resolve
                raise
            mistakes.append(f"{shorten(problem)}: links that lead to each other. Choose another name.")

    # Without this Hydra prints its own errors and leaves; with it they reach us.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    command = hydra.main(version_base="1.3", config_path=find_config_folder(), config_name=name)(call_task)
    try:
        if {"--help", "-h"} & set(sys.argv[1:]):
            print_help(command, name)
        else:
            command()
    except (HydraException, OmegaConfBaseException, ValueError) as problem:
        if has_begun:  # not a word that was given, but the program is wrong
            raise
        mistakes.append(explain(problem, name, sys.argv[1:]))
    except OSError as problem:  # after Hydra's own, some of which are such errors too
        mistakes.extend(explain_output_problem(problem))
    return mistakes


def print_help(command: Callable[[], None], name: str) -> None:
    """Prints what Hydra answers to --help, with the meaning of each setting."""
    from nmt.composition import help

    with suppress(SystemExit), redirect_stdout(io.StringIO()) as captured_help:
        command()
    print(help.annotate_help(captured_help.getvalue(), name, Path(find_config_folder())))


STREAM_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What keeps a stream from being written that is no mistake of the program."""


PATH_ERRORS = {
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.EROFS),
    *(errno.ENXIO, errno.ENODEV),
}
"""What is wrong with a path that a person gave."""


def explain_output_problem(problem: OSError) -> list[str]:
    """What is to be said of output that could not be written: nothing where its reader had seen enough.

    Raises the problem where it is of another kind, or of a file that has a name.
    """
    closed = isinstance(problem, BrokenPipeError)
    if problem.filename is not None and problem.errno in PATH_ERRORS:
        return [f"{shorten(problem.filename)} cannot be used: {problem.strerror}. Choose another name or place."]
    if not closed and (problem.filename is not None or problem.errno not in STREAM_ERRORS):
        raise problem
    discard(sys.stdout)  # so that nothing complains once more when what is left is flushed
    return [] if closed else [f"the output cannot be written: {problem.strerror}. Make room, then try again."]


def require_arguments(name: str, example: str) -> None:
    """Leaves where no word was given: what all defaults together would do, nobody wants."""
    open_streams()
    if not sys.argv[1:]:
        exit_with_usage(name, f"nothing was asked for. Try `{example}`; `nmt-{name} --help` lists all settings.")


def guard_terminal() -> None:
    """Has warnings and tracebacks printed without what would steer a terminal, whoever's text is in them."""
    sys.excepthook = print_traceback
    if isinstance(logging.lastResort, logging.Handler):
        logging.lastResort.setFormatter(Formatter())


def exit_with_usage(name: str, message: str) -> None:
    """Says what is wrong on stderr and exits."""
    print_text(f"nmt-{name}: {message}", "stderr")
    sys.exit(USAGE_STATUS)
