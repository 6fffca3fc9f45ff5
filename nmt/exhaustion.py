"""What Python, torch and the system say where memory, files or threads run out, which is no mistake of the program."""

import errno
import re

_EXHAUSTION_ADVICE = {
    re.compile(
        r"(out of|enough|allocate) memory|bad_alloc|failed to map segment|could not create a (primitive|memory)", re.I
    ): (
        "There is not enough memory",
        "Free some, raise its limit (ulimit -v), or take less at once (tokens, batching.tokens, processes).",
    ),
    re.compile(r"too many open files", re.I): ("Too many files are open", "Raise the limit (ulimit -n)."),
    re.compile(r"start new thread|resource temporarily unavailable", re.I): (
        "No more threads or processes can be started",
        "Raise their limit (ulimit -u), or set threads=1.",
    ),
}
"""What a message may say, what it means, and the way out."""

_EXHAUSTION_ERRNOS = {errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN}
_MAX_CAUSES = 10


def explain_exhaustion(problem: BaseException | None) -> str | None:
    """A sentence that says what ran out, where that is what went wrong, or caused it; None for all other problems."""
    for _ in range(_MAX_CAUSES):
        if problem is None:
            return None
        if (text := _describe(problem)) is not None:
            for pattern, (what, advice) in _EXHAUSTION_ADVICE.items():
                if pattern.search(text):
                    return f"{what} ({' '.join(text.split())[:200]}). {advice}"
        problem = problem.__cause__ or problem.__context__
    return None


def _describe(problem: BaseException) -> str | None:
    """What a problem says, if it is of a kind that may come from a lack of something."""
    if isinstance(problem, MemoryError):
        return f"out of memory: {problem}" if str(problem) else "out of memory"
    if isinstance(problem, OSError):
        # One without a number is of a library that could not be loaded.
        return (
            str(problem) if problem.errno is None else problem.strerror if problem.errno in _EXHAUSTION_ERRNOS else None
        )
    return str(problem) if isinstance(problem, ImportError | RuntimeError) else None
