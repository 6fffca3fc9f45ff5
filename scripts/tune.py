"""Searches for settings: the same as `nmt-tune`, from a bare checkout and any directory."""

import sys
from pathlib import Path

# The checkout takes the place of this folder, whose file names would hide modules of the same name.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from nmt.cli.tune import main  # noqa: E402

if __name__ == "__main__":
    main()
