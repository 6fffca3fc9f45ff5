"""What Python compiles is kept beside the sources, also where PYTHONDONTWRITEBYTECODE asks for the contrary."""

import os
import sys


def keep_bytecode() -> None:
    """From now on, this process and those that it starts compile a module once, and not whenever one of them begins.

    `nmt` has hundreds of modules, which take longer to compile than most of the processes that tests start.
    """
    sys.dont_write_bytecode = False
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
