"""Symbols that stay whole: pieces that are matched before anything is segmented."""

import re
from collections.abc import Callable, Mapping, Sequence

from nmt.data.model_proto import USER_DEFINED, read_pieces
from nmt.data.subword_regularization import ScoredPiece
from nmt.errors import ConfigError

FIRST_STAND_IN = 0xF0000
"""The first private character; one stands for each symbol while segmentations are drawn, as characters are not cut."""


def check_symbols(symbols: Sequence[str]) -> None:
    """Raises ConfigError for what cannot be a symbol."""
    for symbol in symbols:
        if not symbol or re.search(r"[\s▁]", symbol) or symbol in ("<pad>", "<unk>", "<s>", "</s>"):
            raise ConfigError(
                f"tokenizer.symbols: {symbol!r} cannot be a symbol. Symbols are text without spaces, such as <ph>, and "
                "none of <pad>, <unk>, <s> and </s>."
            )
    if len(set(symbols)) < len(symbols):
        raise ConfigError("tokenizer.symbols names one twice.")


def find_symbols(serialized: bytes) -> list[str]:
    """The pieces of a SentencePiece model that its maker defined to stay whole."""
    return [piece.text for piece in read_pieces(serialized) if piece.type == USER_DEFINED]


class ProtectedSymbols:
    """Symbols as single characters, which nothing can cut, and back."""

    def __init__(self, symbols: Sequence[str]) -> None:
        longest_first = sorted(symbols, key=lambda symbol: (-len(symbol), symbol))
        self.stand_ins = {symbol: chr(FIRST_STAND_IN + place) for place, symbol in enumerate(longest_first)}
        self._symbols = {character: symbol for symbol, character in self.stand_ins.items()}
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def hide(self, line: str) -> str:
        """The line with a stand-in for each symbol."""
        return self._pattern.sub(lambda found: self.stand_ins[found[0]], line) if self._pattern else line

    def show(self, line: str) -> str:
        """The line with the symbols themselves."""
        return "".join(self._symbols.get(character, character) for character in line) if self._pattern else line

    def hide_pieces(self, pieces: Mapping[str, ScoredPiece]) -> dict[str, ScoredPiece]:
        """Pieces by their text, the symbols by their stand-ins."""
        return {self.stand_ins.get(text, text): piece for text, piece in pieces.items()}

    def wrap_encoder(self, encode: Callable[[str], Sequence[int]]) -> Callable[[str], Sequence[int]]:
        """`encode` for text with stand-ins."""
        return lambda text: encode(self.show(text))
