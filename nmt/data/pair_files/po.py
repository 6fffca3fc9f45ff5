"""PO files of gettext, which translate-toolkit reads: a message and its translation."""

from collections import Counter
from collections.abc import Iterator

from nmt.data import formats
from nmt.data.pair_files.reading import PairRequest, join_line, matches_language
from nmt.errors import DataError

MAX_BYTES = 1 << 25
"""The most bytes of a PO file, which is read at once."""


def read_po(path: str, asked: PairRequest, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
    """The translated messages; of one with plural forms the singular. Those that are fuzzy, obsolete or without a
    translation are left out. Raises DataError where it is no PO file, or says that it is in another language."""
    try:
        from translate.storage.poparser import PoParseError
        from translate.storage.pypo import pofile
    except ImportError:
        raise DataError(
            f"To read {path}, a PO file, install a package: pip install translate-toolkit. Or convert it first: "
            "`po2tmx` of that package writes TMX."
        ) from None
    with open(path, "rb") as opened:
        content = formats.unpack(opened, name=path).read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise DataError(
            f"{path} has more than {MAX_BYTES >> 20} MiB, which is more than PO files have. "
            "Cut it, or convert it first: `po2tmx` of translate-toolkit writes TMX."
        )
    try:
        messages = pofile.parsestring(content)  # type: ignore[no-untyped-call]
    except (PoParseError, LookupError, ValueError) as problem:
        raise DataError(f"{path} is no PO file that can be read: {problem}. `msgfmt -c` checks such files.") from None
    language = messages.gettargetlanguage()
    if language and not matches_language(language, asked.target_language):
        raise DataError(
            f"{path} is translated to {language}; data.target_language={asked.target_language} was asked for."
        )
    for unit in messages.units:
        if unit.isheader():
            continue
        if unit.isobsolete() or unit.isfuzzy() or not unit.istranslated():
            left_out["are fuzzy, obsolete or not translated"] += 1
        else:
            yield join_line(str(unit.source)), join_line(str(unit.target))
