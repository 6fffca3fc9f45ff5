"""nmt-shortlist: what each source piece is translated to, learnt from a bitext and put into the model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt import config
from nmt.cli.application import run_command
from nmt.composition.overrides import MODEL_ALIASES
from nmt.data.lines import Errors
from nmt.errors import ConfigError
from nmt.inference.streams import read_parallel_lines
from nmt.printable import escape_controls, print_text
from nmt.storage.untrusted_paths import find_model_folder


@dataclass(frozen=True, kw_only=True)
class ShortlistSettings:
    """What `configs/shortlist.yaml` says."""

    model: dict[str, str]
    source: str
    target: str
    kept: int
    errors: Errors

    def __post_init__(self) -> None:
        if self.kept < 1:
            raise ConfigError(f"kept must be at least 1; got {self.kept}.")


def main() -> None:
    """The command line: see `nmt-shortlist --help`."""
    run_command("shortlist", run_task, aliases=MODEL_ALIASES)


def run_task(composed: dict[str, Any]) -> None:
    """Learns a lexicon and writes it beside the model."""
    settings = config.build(ShortlistSettings, config.check(composed, ShortlistSettings))
    folder = find_model_folder(Path(settings.model["folder"]).expanduser())
    text = read_parallel_lines(settings.source, settings.target, settings.errors)

    import torch

    from nmt import model_folder as stored
    from nmt.data.encoded import RaggedIds
    from nmt.translation import shortlist_file
    from nmt.translation.shortlist import train_ibm1

    loaded = stored.load(folder, device=torch.device("cpu"))
    shortlist_file.check_size(loaded.tokenizers, max_translations=settings.kept)
    sides = [
        RaggedIds.from_sentences(tokenizer.encode(side))
        for tokenizer, side in zip(loaded.tokenizers, text, strict=True)
    ]
    sizes = {
        "source_vocab": loaded.tokenizers.source.vocab_size,
        "target_vocab": loaded.tokenizers.target.vocab_size,
    }
    lexicon = train_ibm1(sides[0], sides[1], max_translations=settings.kept, **sizes)
    print_text(escape_controls(str(shortlist_file.save(folder, loaded.tokenizers, lexicon))))


if __name__ == "__main__":
    main()
