"""nmt-shortlist: what each source piece is translated to, learnt from a bitext and put into the model folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nmt import config
from nmt.cli.door import APPLIED, open_door
from nmt.cli.text import pairs
from nmt.data.lines import Errors
from nmt.errors import ConfigError
from nmt.printable import print_text
from nmt.training.places import model_folder


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

    from nmt import stored
    from nmt.data.lexicon import learn
    from nmt.data.tokenized import Ids
    from nmt.training import lexicon_file

    loaded = stored.load(folder, device=torch.device("cpu"))
    lexicon_file.check_size(loaded.tokenizers, kept=settings.kept)
    sides = [Ids.of(tokenizer.encode(side)) for tokenizer, side in zip(loaded.tokenizers, text, strict=True)]
    sizes = {
        "source_vocab": loaded.tokenizers.source.vocab_size,
        "target_vocab": loaded.tokenizers.target.vocab_size,
    }
    lexicon = learn(sides[0], sides[1], kept=settings.kept, **sizes)
    print_text(str(lexicon_file.save(folder, loaded.tokenizers, lexicon)))


if __name__ == "__main__":
    main()
