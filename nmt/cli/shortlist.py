"""nmt-shortlist: what each source piece is translated to, learnt from a bitext and put into the model folder."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data.lines import Errors
from nmt.errors import ConfigError, DataError
from nmt.inference.streams import read_parallel_lines
from nmt.printable import escape_controls, print_text
from nmt.special_tokens import UNK
from nmt.storage.distinct_paths import check_distinct
from nmt.storage.untrusted_paths import LEXICON, find_model_folder

if TYPE_CHECKING:
    from nmt.data.encoded import RaggedIds

logger = logging.getLogger(__name__)

MAX_LENGTH = 5000
"""The most that max_length may be: one pair of so many pieces on both sides takes a gigabyte."""

MAX_NAMED_LINES = 5
"""So many lines that are left out are named."""


@dataclass(frozen=True, kw_only=True)
class ShortlistSettings:
    """What `configs/shortlist.yaml` says."""

    model: dict[str, str]
    source: str
    target: str
    kept: int
    max_length: int
    errors: Errors

    def __post_init__(self) -> None:
        for name in ("kept", "max_length"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1; got {getattr(self, name)}.")
        if self.max_length > MAX_LENGTH:
            raise ConfigError(f"max_length must be at most {MAX_LENGTH} pieces; got {self.max_length}.")


def main() -> None:
    """The command line: see `nmt-shortlist --help`."""
    run_command("shortlist", run_task, aliases=MODEL_ALIASES)


def run_task(composed: dict[str, Any]) -> None:
    """Learns a lexicon and writes it beside the model."""
    settings = config.build(ShortlistSettings, config.check(composed, ShortlistSettings))
    folder = find_model_folder(Path(settings.model["folder"]).expanduser())
    check_distinct({"source": settings.source, "target": settings.target}, {"model": folder / LEXICON})
    text = read_parallel_lines(settings.source, settings.target, settings.errors)

    import torch

    from nmt import model_folder as stored
    from nmt.data.encoded import encode
    from nmt.translation import shortlist_file
    from nmt.translation.shortlist import train_ibm1

    loaded = stored.load(folder, device=torch.device("cpu"))
    shortlist_file.check_size(loaded.tokenizers, max_translations=settings.kept)
    source, target = (
        drop_unknown(encode(tokenizer, side, name), tokenizer.vocab_size)
        for tokenizer, side, name in zip(loaded.tokenizers, text, ("source", "target"), strict=True)
    )
    source, target = leave_out_long(source, target, settings.max_length)
    sizes = {
        "source_vocab": loaded.tokenizers.source.vocab_size,
        "target_vocab": loaded.tokenizers.target.vocab_size,
    }
    lexicon = train_ibm1(source, target, max_translations=settings.kept, **sizes)
    print_text(escape_controls(str(shortlist_file.save(folder, loaded.tokenizers, lexicon))))


def drop_unknown(ids: "RaggedIds", vocab_size: int) -> "RaggedIds":
    """The ids with UNK for all that the vocabulary lacks, which may be copied, and is in no lexicon."""
    import numpy as np

    return ids._replace(flat=np.where(ids.flat < vocab_size, ids.flat, UNK).astype(ids.flat.dtype))


def leave_out_long(source: "RaggedIds", target: "RaggedIds", max_length: int) -> "tuple[RaggedIds, RaggedIds]":
    """The pairs that are not too long to learn from, with a warning that names the others. Raises DataError where there
    is none."""
    from nmt.translation.shortlist import select_short

    kept_source, kept_target, left_out = select_short(source, target, max_length)
    if left_out:
        numbers = ", ".join(str(place + 1) for place in left_out[:MAX_NAMED_LINES])
        named = f"line {numbers}" if len(left_out) == 1 else f"lines {numbers}"
        more = f" and {len(left_out) - MAX_NAMED_LINES} more" if len(left_out) > MAX_NAMED_LINES else ""
        about = (
            f"{len(left_out)} of {source.sentences} pairs have more than {max_length} pieces on one side (max_length): "
            f"{named}{more}"
        )
        if len(left_out) == source.sentences:
            raise DataError(f"There is nothing to learn a lexicon from: {about}. Give one sentence a line.")
        logger.warning("left out: %s", about)
    return kept_source, kept_target


if __name__ == "__main__":
    main()
