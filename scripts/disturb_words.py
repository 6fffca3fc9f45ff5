"""Writes text with misspelt words: letters that change places, or that become digits which look like them.

python scripts/disturb_words.py swap|leet SHARE [--seed N] < in.txt > out.txt

swap: in so large a share of the words, two inner letters that stand side by side change places (words of at least four
letters); leet: all letters a, e, i, o, s, t become 4, 3, 1, 0, 5, 7. A word is drawn with probability SHARE;
the same seed disturbs the same words. These are two of the noises of Salesky, Etter and Post (2021), section 4.3.
"""

import argparse
import random
import sys
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # this folder's file names would hide modules of the same name

from nmt.data import lines  # noqa: E402
from scripts.command import run_script  # noqa: E402

LEET = str.maketrans("aeiostAEIOST", "431057431057")


def swap_letters(word: str, draw: random.Random) -> str:
    """The word with two neighbours, neither the first nor the last letter, in the other order."""
    places = [n for n in range(1, len(word) - 2) if word[n] != word[n + 1] and word[n : n + 2].isalpha()]
    if not places:
        return word
    place = draw.choice(places)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def disturb_line(line: str, kind: str, share: float, draw: random.Random) -> str:
    """The line with so large a share of its words disturbed, a mean over many lines."""
    words = []
    for word in line.split(" "):
        if draw.random() < share:
            word = swap_letters(word, draw) if kind == "swap" else word.translate(LEET)
        words.append(word)
    return " ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["swap", "leet"])
    parser.add_argument("share", type=float)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    if not 0.0 <= arguments.share <= 1.0:
        parser.error(f"SHARE must be from 0 to 1; got {arguments.share}.")
    if arguments.seed < 0:
        parser.error(f"--seed must be 0 or more, as -1 disturbs what 1 does; got {arguments.seed}.")
    draw = random.Random(arguments.seed)
    for line in lines.decode(sys.stdin.buffer, name="standard input", tables=True):
        sys.stdout.write(disturb_line(line, arguments.kind, arguments.share, draw) + "\n")


if __name__ == "__main__":
    run_script(main)
