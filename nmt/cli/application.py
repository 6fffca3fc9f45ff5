"""The one way into every command: Hydra composes, our checks answer, and what goes wrong is said in a sentence."""

import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any, NoReturn

import nmt
from nmt.composition.diagnostics import explain, find_syntax_problem
from nmt.composition.groups import check_choices
from nmt.composition.overrides import expand_alias
from nmt.composition.paths import find_config_folder
from nmt.composition.spelling import use_new_names
from nmt.errors import ConfigError, NmtError
from nmt.exhaustion import explain_exhaustion
from nmt.launch import read_launch
from nmt.printable import (
    Formatter,
    cut_middle,
    discard,
    escape_controls,
    open_streams,
    print_text,
    print_traceback,
    shorten,
)
from nmt.thread_wait import limit_spin

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
    guard_terminal()
    limit_spin()
    try:
        processes = read_launch().processes
    except ConfigError as problem:
        exit_with_usage(name, *map(str, problem.args))
    if name != "train" and processes > 1:
        exit_with_usage(name, f"{processes} processes would do the same work. Start it without torchrun.")
    mistakes: list[str] = []
    try:
        mistakes += answer(name, task, aliases or {})
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as problem:
        mistakes += explain_output_problem(problem)
    except Exception as problem:
        if (text := explain_exhaustion(problem)) is None:
            raise
        mistakes.append(text)
    finally:
        try:
            sys.stdout.flush()
        except OSError as problem:
            mistakes.extend(explain_output_problem(problem))
    if mistakes:
        for beginning, expansion in (aliases or {}).items():
            mistakes = [line.replace(expansion.rstrip("="), beginning.rstrip("=")) for line in mistakes]
        exit_with_usage(name, *dict.fromkeys(mistakes))


def answer(name: str, task: Callable[[dict[str, Any]], None], aliases: Mapping[str, str]) -> list[str]:
    """Does what the words of the command line ask; returns what is wrong with them."""
    if "--version" in sys.argv[1:]:
        try:
            print_text(f"nmt-{name} {nmt.__version__}")
        except OSError as problem:
            return explain_output_problem(problem)
        return []
    if not has_current_folder():
        return ["the current folder is not there any more. Change to another one."]
    if (problem_text := find_syntax_problem(sys.argv[1:], name)) is not None:
        return [problem_text]
    try:
        check_choices(sys.argv[1:])
        sys.argv[1:] = [expand_alias(word, aliases) for word in use_new_names(sys.argv[1:])]
    except ConfigError as problem:
        return list(map(str, problem.args))
    return run_hydra(name, task)


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
            mistakes.extend(map(str, problem.args))
        except OmegaConfBaseException as problem:
            mistakes.extend(split_lines(explain(problem, name)))
        except OSError as problem:
            mistakes.extend(explain_output_problem(problem))
        except Exception as problem:
            if str(problem).startswith("Symlink loop"):  # of Path.resolve
                mistakes.append(f"{shorten(problem)}: links that lead to each other. Choose another name.")
            elif (text := explain_exhaustion(problem)) is not None:
                mistakes.append(text)
            else:
                raise

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
        mistakes.extend(split_lines(explain(problem, name, sys.argv[1:])))
    except OSError as problem:  # after Hydra's own, some of which are such errors too
        mistakes.extend(explain_output_problem(problem))
    return mistakes


def print_help(command: Callable[[], None], name: str) -> None:
    """Prints what Hydra answers to --help, with the meaning of each setting."""
    from nmt.composition import help

    with suppress(SystemExit), redirect_stdout(io.StringIO()) as captured_help:
        command()
    print(help.annotate_help(captured_help.getvalue(), name, Path(find_config_folder())))


def split_lines(text: str) -> list[str]:
    """The lines of a message of Hydra's; one line where a word of the command line has a line end, to be escaped."""
    return [text] if any("\n" in word for word in sys.argv[1:]) else text.split("\n")


STREAM_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF}
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
    if (text := explain_exhaustion(problem)) is not None:
        return [text]
    if problem.filename is not None and problem.errno in PATH_ERRORS:
        return [f"{problem.filename} cannot be used: {problem.strerror}. Choose another name or place."]
    if not closed and (problem.filename is not None or problem.errno not in STREAM_ERRORS):
        raise problem
    discard(sys.stdout)  # so that nothing complains once more when what is left is flushed
    if problem.errno == errno.EBADF:
        return ["the output cannot be written: standard output is closed. Send it to a file, then try again."]
    return [] if closed else [f"the output cannot be written: {problem.strerror}. Make room, then try again."]


def require_arguments(name: str, example: str) -> None:
    """Leaves where no word was given: what all defaults together would do, nobody wants."""
    open_streams()
    if not sys.argv[1:]:
        exit_with_usage(name, f"nothing was asked for. Try `{example}`; `nmt-{name} --help` lists all settings.")


def guard_terminal() -> None:
    """Has warnings and tracebacks printed without what would steer a terminal, whoever's text is in them."""
    sys.excepthook = print_traceback
    logging.StreamHandler.handleError = raise_output_problem  # type: ignore[assignment, method-assign]
    if isinstance(logging.lastResort, logging.Handler):
        logging.lastResort.setFormatter(Formatter())


def raise_output_problem(handler: logging.Handler, record: logging.LogRecord) -> None:
    """Raises what kept a record from standard output, where Hydra logs what it is asked; of standard error, nobody can
    be told."""
    problem = sys.exc_info()[1]
    if not isinstance(problem, OSError) or getattr(handler, "stream", None) is sys.stdout:
        assert problem is not None
        raise problem


def exit_with_usage(name: str, *lines: str) -> NoReturn:
    """Says what is wrong on stderr, each line as one, whatever it quotes, and exits.

    Of several processes, one of each machine says what is wrong with the command.
    """
    if not is_said_by_another():
        print_text(f"nmt-{name}: " + "\n".join(cut_middle(escape_controls(line)) for line in lines), "stderr")
    sys.exit(USAGE_STATUS)


def is_said_by_another() -> bool:
    """Whether another process of this machine says the same; nobody is sure to if the environment makes no sense."""
    try:
        return read_launch().local_rank > 0
    except ConfigError:
        return False
