"""How scripts for users end where something is wrong: one sentence on standard error, and status 2."""

import sys
from collections.abc import Callable

from nmt.errors import NmtError
from nmt.printable import discard, print_text


def run_script(task: Callable[[], None]) -> None:
    """Does `task`. Exits with status 2 and one sentence for what its user can mend: an NmtError, or a file, folder or
    stream that cannot be used; silently with 0 where who reads the output has seen enough."""
    try:
        task()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        discard(sys.stdout)
    except NmtError as problem:
        _exit(str(problem))
    except OSError as problem:
        if problem.filename is None:
            discard(sys.stdout)  # so that nothing complains once more when what is left is flushed
        _exit(f"{problem.filename or 'the output'} cannot be used: {problem.strerror}.")


def _exit(message: str) -> None:
    print_text(f"error: {message}", "stderr")
    sys.exit(2)
