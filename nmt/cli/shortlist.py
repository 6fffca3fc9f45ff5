"""nmt-shortlist: what each source piece is translated to, learnt from a bitext and put into the model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt import config
from nmt.cli.application import open_door
from nmt.composition.overrides import APPLIED
from nmt.data.lines import Errors
from nmt.errors import ConfigError
from nmt.inference.streams import pairs
from nmt.printable import print_text
from nmt.storage.untrusted_paths import model_folder


@dataclass(frozen=True, kw_only=True)
class Settings:
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
    open_door("shortlist", task, spelled=APPLIED)


def task(composed: dict[str, Any]) -> None:
    """Learns a lexicon and writes it beside the model."""
    settings = config.build(Settings, config.check(composed, Settings))
    folder = model_folder(Path(settings.model["folder"]).expanduser())
    text = pairs(settings.source, settings.target, settings.errors)

    import torch

    from nmt import model_folder as stored
    from nmt.data.encoded import Ids
    from nmt.translation import shortlist_file
    from nmt.translation.shortlist import learn

    loaded = stored.load(folder, device=torch.device("cpu"))
    shortlist_file.check_size(loaded.tokenizers, kept=settings.kept)
    sides = [Ids.of(tokenizer.encode(side)) for tokenizer, side in zip(loaded.tokenizers, text, strict=True)]
    sizes = {
        "source_vocab": loaded.tokenizers.source.vocab_size,
        "target_vocab": loaded.tokenizers.target.vocab_size,
    }
    lexicon = learn(sides[0], sides[1], kept=settings.kept, **sizes)
    print_text(str(shortlist_file.save(folder, loaded.tokenizers, lexicon)))


if __name__ == "__main__":
    main()
