"""Files that hold both sides, beside translate-toolkit as a second reader."""

import bz2
import gzip
import io
import logging
import lzma
import random
import tarfile
import tracemalloc
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from backports import zstd

from nmt.data import lines
from nmt.data.pair_files import archive
from nmt.data.pair_files.corpus import PairFiles
from nmt.data.pair_files.formats import READERS, detect_format
from nmt.data.pair_files.reading import PairRequest, matches_language
from nmt.errors import ConfigError, DataError

TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en" segtype="sentence"/>
<body>
<tu><tuv xml:lang="en-GB"><seg>A &amp; <bpt i="1">&lt;b&gt;</bpt>bold<ept i="1">&lt;/b&gt;</ept> cat</seg></tuv>
    <tuv xml:lang="de"><seg>Eine
       <hi>Katze</hi></seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>only English</seg></tuv><tuv xml:lang="fr"><seg>non</seg></tuv></tu>
<tu><tuv xml:lang="de"><seg>zwei</seg></tuv><tuv lang="EN"><seg>two</seg></tuv></tu>
</body></tmx>
"""
XLIFF_1 = """<xliff version="1.2" xmlns="urn:oasis:names:tc:xliff:document:1.2">
<file source-language="en" target-language="de-DE" datatype="plaintext" original="a"><body>
<trans-unit id="1"><source>A <g id="1">red</g> house<x id="2"/></source><target>Ein rotes Haus</target>
<alt-trans><source>A house</source><target>Haus</target></alt-trans></trans-unit>
<trans-unit id="2"><source>untranslated</source></trans-unit>
</body></file></xliff>
"""
XLIFF_2 = """<xliff version="2.0" srcLang="en" trgLang="de" xmlns="urn:oasis:names:tc:xliff:document:2.0"><file id="f">
<unit id="1"><segment><source>One.</source><target>Eins.</target></segment>
<segment><source><pc id="1">Two.</pc></source><target>Zwei.</target></segment></unit></file></xliff>
"""
PO = """msgid ""
msgstr "Language: de\\n"

#: a.c:1
msgid "Open the "
"file"
msgstr "Die Datei öffnen"

#, fuzzy
msgid "Close"
msgstr "Zu"

msgid "%d file"
msgid_plural "%d files"
msgstr[0] "%d Datei"
msgstr[1] "%d Dateien"

msgid "New"
msgstr ""
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write_file(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write_file


def make_corpus(train: Any, **options: Any) -> PairFiles:
    asked = {"source_language": "en", "target_language": "de", "train": train, "validation": train, **options}
    return PairFiles(**asked)


def read(train: Any, **options: Any) -> list[tuple[str, str]]:
    corpus = make_corpus(train, **options)
    corpus.check()
    text = corpus.load("train")
    assert text is not None
    return list(zip(text.source, text.target, strict=True))


def make_zip(files: dict[str, str], more: dict[str, str] | None = None) -> bytes:
    """more: further files, which may have the names of others."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a name comes twice
        for name, text in (*files.items(), *(more or {}).items()):
            opened.writestr(name, text)
    return packed.getvalue()


def make_tar(files: dict[str, str], mode: Any = "w", more: dict[str, str] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as opened:
        for name, text in (*files.items(), *(more or {}).items()):
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            opened.addfile(info, io.BytesIO(text.encode()))
    return packed.getvalue()


MOSES = {"README": "x\n", "a/Corpus.de-en.en": "a\nb\n", "a/Corpus.de-en.de": "A\nB\n", "a/Corpus.de-en.ids": "1\n2\n"}
SIDES = {"x.en": "a\n", "x.de": "A\n"}
EXPECTED = {
    "m.tmx": (TMX, [("A & bold cat", "Eine Katze"), ("two", "zwei")]),
    "a.xlf": (XLIFF_1, [("A red house", "Ein rotes Haus")]),
    "b.xlf": (XLIFF_2, [("One.", "Eins."), ("Two.", "Zwei.")]),
    "c.po": (PO, [("Open the file", "Die Datei öffnen"), ("%d file", "%d Datei")]),
    "d.tsv": ('"a\tb"\tc\n\t\t\n', [('"a', 'b"'), ("", "")]),
    "e.zip": (make_zip(MOSES), [("a", "A"), ("b", "B")]),
    "twice what is not asked for": (
        make_zip(MOSES, {"README": "y\n", "a/Corpus.de-en.ids": "2\n1\n"}),
        [("a", "A"), ("b", "B")],
    ),
    "f.tar.gz": (make_tar(MOSES, "w:gz"), [("a", "A"), ("b", "B")]),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_every_format_is_told_by_its_content(name: str, write: Callable[..., str]) -> None:
    content, pairs = EXPECTED[name]
    assert read(write("nameless", content)) == pairs


UMLAUTS = TMX.replace("zwei", "zwölf").replace(' encoding="UTF-8"', "")
PLAIN_TMX = UMLAUTS.replace("zwölf", "zwei")


def declare(encoding: str, text: str) -> str:
    return text.replace("?>", f' encoding="{encoding}"?>', 1)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", [UMLAUTS, declare("UTF-8", UMLAUTS)])
def test_first_bytes_tell_a_wide_encoding(encoding: str, text: str, write: Callable[..., str]) -> None:
    assert read(write("x", text.encode(encoding)))[1] == ("two", "zwölf")


@pytest.mark.parametrize("encoding", ["utf8", "UTF_8", "latin-1", "windows-1252", "iso-8859-15", "cp850", "mac_roman"])
def test_a_declaration_tells_the_encoding(encoding: str, write: Callable[..., str]) -> None:
    assert read(write("x", declare(encoding, UMLAUTS).encode(encoding)))[1] == ("two", "zwölf")


@pytest.mark.parametrize("encoding", ["shift_jis", "gb18030", "big5", "euc_kr", "iso2022_jp"])
def test_encodings_of_several_bytes_are_read(encoding: str, write: Callable[..., str]) -> None:
    assert read(write("x", declare(encoding, PLAIN_TMX.replace("two", "二")).encode(encoding)))[1] == ("二", "zwei")


@pytest.mark.parametrize("text", ["a\tÄ\nb\tB\n", "\ufeffa\tÄ\nb\tB\n"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_tables_with_a_wide_mark_are_tables(encoding: str, text: str, write: Callable[..., str]) -> None:
    assert read(write("x", text.removeprefix("\ufeff").encode(encoding))) == [("a", "Ä"), ("b", "B")]


@pytest.mark.parametrize(
    "encoding", ["x-klingon", "rot13", "zlib", "hex", "base64", "idna", "punycode", "undefined", "utf-7", "UTF-16", ""]
)
def test_encodings_that_are_none_are_named(encoding: str, write: Callable[..., str]) -> None:
    path = write("x", declare(encoding, PLAIN_TMX))
    for ask in (lambda: read(path), lambda: read(path, format="tmx")):
        with pytest.raises(DataError, match=rf"x, line 1: it declares the encoding '{encoding}', which is unknown"):
            ask()


def test_bytes_that_an_encoding_lacks_are_named_with_their_line(write: Callable[..., str]) -> None:
    content = declare("shift_jis", PLAIN_TMX).encode().replace(b"only", b"\x81\x20")
    line = content[: content.index(b"\x81")].count(b"\n") + 1
    with pytest.raises(DataError, match=rf"x, line {line} is not valid SHIFT_JIS"):
        read(write("x", content))


@pytest.mark.parametrize("size", [100, 200_000])
def test_a_format_is_told_behind_a_long_beginning(size: int, write: Callable[..., str]) -> None:
    licence = "<!-- " + "all rights; " * (size // 12) + "-->\n"
    head, _, body = TMX.partition("?>")
    assert read(write("x", f"{head}?>\n{licence}{licence}<?a b?>{body}")) == EXPECTED["m.tmx"][1]
    assert read(write("x", licence + XLIFF_2)) == EXPECTED["b.xlf"][1]
    assert read(write("x", "# a translator\n" * (size // 15) + PO)) == EXPECTED["c.po"][1]
    assert read(write("x", f"{'a ' * size}\tA\n")) == [("a " * size, "A")]
    entity = f'<!DOCTYPE tmx [<!ENTITY a "{"b" * size}">]><tmx>&a;</tmx>'
    with pytest.raises(DataError, match=r"x, line 1: it defines the entity 'a'"):
        read(write("x", entity))


@pytest.mark.parametrize("part", ["<?a?>", "<!---->", "<!DOCTYPE a []>", "] "])
def test_a_beginning_without_an_element_takes_no_time(part: str, write: Callable[..., str]) -> None:
    """Some hundred parts: a search that tried all ways to cut them would not end."""
    with pytest.raises(DataError, match="holds no pairs"):
        read(write("x", "<!DOCTYPE a [" * (part == "] ") + part * 300 + "!"))


def test_a_mark_without_an_end_is_refused(write: Callable[..., str]) -> None:
    for text in ("<tmx><!--" + "a" * 5_000_000, "<!--" + "a" * 5_000_000, "<tmx a='" + "a" * 5_000_000):
        with pytest.raises(DataError, match=r"x, line 1: a tag, comment or declaration has more than 4 MiB"):
            read(write("x", text))


def test_of_a_unit_only_texts_that_may_serve_are_kept(write: Callable[..., str]) -> None:
    texts = [("fr", "x"), ("en-GB", "British"), ("EN", "plain"), ("en", "later"), ("de-AT", "Au"), ("de-CH", "Ch")]
    tuvs = "".join(f'<tuv xml:lang="{code}"><seg>{text}</seg></tuv>' for code, text in texts)
    others = "".join(f'<tuv xml:lang="l{n}"><seg>{n:01000}</seg></tuv>' for n in range(3000))
    path = write("x", f"<tmx><tu>{others}{tuvs}</tu></tmx>")
    tracemalloc.start()
    found = list(READERS["tmx"](path, PairRequest("en", "de"), Counter()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == [("plain", "Au")]
    assert peak < Path(path).stat().st_size / 3


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zstd.compress])
@pytest.mark.parametrize("name", ["m.tmx", "a.xlf", "c.po", "d.tsv"])
def test_compressed_files_hold_the_same(name: str, pack: Any, write: Callable[..., str]) -> None:
    content, pairs = EXPECTED[name]
    assert read(write(name, pack(content.encode()))) == pairs


def test_texts_are_those_of_translate_toolkit(write: Callable[..., str]) -> None:
    """A second reader: inline codes aside, which it keeps, it finds the same texts."""
    from translate.storage import tmx, xliff

    memory = write("m.tmx", TMX.replace('<bpt i="1">&lt;b&gt;</bpt>', "").replace('<ept i="1">&lt;/b&gt;</ept>', ""))
    with open(memory, "rb") as opened:
        stored = tmx.tmxfile(opened, sourcelanguage="en-GB", targetlanguage="de").units[0]
    localization = write("a.xlf", XLIFF_1)
    document = xliff.xlifffile.parsestring(XLIFF_1.encode()).units[0]
    for path, unit in ((memory, stored), (localization, document)):
        assert read(path)[0] == (" ".join(str(unit.source).split()), " ".join(str(unit.target).split()))


def test_either_direction_of_xliff_serves(write: Callable[..., str]) -> None:
    turned = read(write("a.xlf", XLIFF_1), source_language="de", target_language="en")
    assert turned == [("Ein rotes Haus", "A red house")]


@pytest.mark.parametrize(
    ("code", "asked", "expected"),
    [("de", "de", True), ("DE_at", "de", True), ("de", "de-AT", True), ("de-CH", "de-AT", False), ("den", "de", False)],
)
def test_languages_match_where_one_names_no_region(code: str, asked: str, expected: bool) -> None:
    assert matches_language(code, asked) is expected


def test_what_is_left_out_is_counted(write: Callable[..., str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        read([write("m.tmx", TMX), write("a.xlf", XLIFF_1), write("c.po", PO)])
    said = caplog.text
    assert "m.tmx: 2 pairs, 1 have no text in de" in said
    assert "a.xlf: 1 pairs, 1 have no target" in said
    assert "c.po: 2 pairs, 2 are fuzzy, obsolete or not translated" in said


def test_globs_and_lists_follow_one_another(write: Callable[..., str], tmp_path: Path) -> None:
    write("b.tsv", "c\tC\n")
    write("a.tsv", "a\tA\n")
    last = write("0.tmx", TMX)
    assert read([str(tmp_path / "*.tsv"), last]) == [("a", "A"), ("c", "C"), *EXPECTED["m.tmx"][1]]


def test_validation_pairs_are_split_off(write: Callable[..., str]) -> None:
    corpus = make_corpus(write("a.tsv", "".join(f"s{n}\tt{n}\n" for n in range(9))), validation=2)
    train, validation = corpus.load("train"), corpus.load("validation")
    assert train is not None
    assert validation is not None
    assert (len(train.source), len(validation.source)) == (7, 2)
    assert not set(train.source) & set(validation.source)
    assert corpus.load("test") is None


def test_identity_follows_content_and_request(write: Callable[..., str]) -> None:
    first, again = write("a.tsv", "a\tb\tc\n"), write("z.tsv", "a\tb\tc\n")
    assert make_corpus(first).get_identity() == make_corpus(again).get_identity()
    assert make_corpus(first).get_identity() != make_corpus(first, columns=[1, 3]).get_identity()
    assert make_corpus(first).get_identity() != make_corpus(write("b.tsv", "a\tb\td\n")).get_identity()


REFUSED = {
    "not well-formed": (r"x, line 3 is not well-formed XML \(mismatched tag\)", "<tmx>\n<body>\n</tmx>\n"),
    "cut off": (r"x, line \d+ is not well-formed XML", TMX[:-20]),
    "entities": (r"x, line 1: it defines the entity 'a'", '<!DOCTYPE tmx [<!ENTITY a "b">]><tmx>&a;</tmx>'),
    "long text": (r"more than 1048576 characters", f"<tmx><tu><tuv><seg>{'a' * 1_100_000}</seg></tuv></tu></tmx>"),
    "languages": (
        r"no pair in en and de; .* names are: 'fr', 'it'",
        TMX.replace('"de"', '"it"').replace('"en', '"fr').replace('"EN', '"fr'),
    ),
    "columns": (r"x, line 2 has 1 column, and data\.columns=\[1,2\] asks for number 2: b", "a\tA\nb\n"),
    "not UTF-8": (r"x, line 1: byte 0xff", b"a\t\xff\n"),
    "lines": (r"a\.en has 2 lines and a\.de has 1", make_zip({"a.en": "a\nb\n", "a.de": "A\n"})),
    "no pair of files": (r"end in \.en and \.de; it holds a\.en, a\.fr", make_zip({"a.en": "a\n", "a.fr": "A\n"})),
    "damaged zip": (r"zip archive that is damaged or cut off: .*`unzip -t`", make_zip(MOSES)[:60]),
    "zip with a wrong byte": (r"x: x\.en .*damaged.*`unzip -t`", make_zip(SIDES)[:34] + b"\xff" + make_zip(SIDES)[35:]),
    "two of one name": (r"several files for x in en: x\.en, x\.en\. Which", make_zip(SIDES, {"x.en": "B\n"})),
    "two of one name in a tar": (r"several files for x in de: x\.de, x\.de\.", make_tar(SIDES, "w", {"x.de": "B\n"})),
    "two for one side": (r"several files for x in en: x\.en, x\.en\.gz\.", make_zip(SIDES, {"x.en.gz": "B\n"})),
    "two cases of a language": (r"several files for x in en: x\.en, x\.EN\.", make_zip(SIDES, {"x.EN": "B\n"})),
    "damaged tar": (r"damaged", make_tar(MOSES)[:700]),
    "damaged zstd": (r"damaged or incomplete.*`zstd -t`", zstd.compress(TMX.encode() * 9)[:-9]),
    "plain text": (r"holds no pairs: .* data=files", "one sentence\nanother\n"),
    "other markup": (r"holds no pairs", "<html><body>a\tb</body></html>"),
    "po": (r"x is no PO file that can be read", '#\nmsgid "a\nmsgstr "b\n'),
    "po of another language": (
        r"is translated to fr; data\.target_language=de",
        PO.replace("Language: de", "Language: fr"),
    ),
    "empty": (r"holds no pairs", ""),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_said_with_its_place(case: str, write: Callable[..., str]) -> None:
    said, content = REFUSED[case]
    with pytest.raises(DataError, match=said) as raised:
        read(write("x", content))
    assert "\n" not in str(raised.value)


def test_no_file_of_an_archive_is_passed_over(write: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (make_zip(MOSES), make_tar(MOSES)):
        monkeypatch.setattr(archive, "MAX_MEMBERS", len(MOSES))
        assert read(write("x", content)) == [("a", "A"), ("b", "B")]
        monkeypatch.setattr(archive, "MAX_MEMBERS", len(MOSES) - 1)
        with pytest.raises(DataError, match=r"x holds more than 3 files"):
            read(write("x", content))


def test_a_side_of_an_archive_has_so_many_lines_at_most(
    write: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_LINES", 2)
    assert read(write("x", make_zip(MOSES))) == [("a", "A"), ("b", "B")]
    monkeypatch.setattr(archive, "MAX_LINES", 1)
    with pytest.raises(DataError, match=r"has more than 1 lines.*data=files"):
        read(write("x", make_zip(MOSES)))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_archives_that_are_cut_off_are_named(mode: str, share: float, write: Callable[..., str]) -> None:
    words = random.Random(1).choices("abcdefghijklmnopqrstuvwxyz", k=200_000)
    whole = make_tar({"a.en": "".join(words) + "\n", "a.de": "".join(reversed(words)) + "\n"}, mode)
    with pytest.raises(DataError, match=r"x is damaged, incomplete or cannot|x.*damaged or incomplete[^\n]*\.$"):
        list(READERS["archive"](write("x", whole[: int(share * len(whole))]), PairRequest("en", "de"), Counter()))


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_text_about_a_file_is_bounded(kind: bytes, write: Callable[..., str]) -> None:
    info = tarfile.TarInfo("a")
    info.type, info.size = kind, 3 << 20
    content = gzip.compress(info.tobuf() + b"a" * info.size + make_tar(MOSES))
    with pytest.raises(DataError, match=r"x: It is a tar with 3,145,728 bytes of text about a file"):
        read(write("x", content))


@pytest.mark.parametrize("make", [make_zip, lambda files: make_tar(files, "w:xz")])
def test_files_of_an_archive_are_bounded(make: Any, write: Callable[..., str]) -> None:
    blank = "\n" * (9 << 20)
    with pytest.raises(DataError, match=r"x: a\.en unpacks to more than 500 times its size"):
        read(write("x", make({"a.en": blank, "a.de": "a\n"})))


def test_a_po_file_that_is_too_large_is_not_parsed(write: Callable[..., str]) -> None:
    content = gzip.compress(
        b'msgid ""\nmsgstr ""\n' + b'"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"\n' * 1_000_000, 1
    )
    tracemalloc.start()
    with pytest.raises(DataError, match=r"has more than 32 MiB"):
        list(READERS["po"](write("x", content), PairRequest("en", "de"), Counter()))
    assert tracemalloc.get_traced_memory()[1] < 100 << 20
    tracemalloc.stop()


def test_missing_files_and_bad_settings(write: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file .*nosuch\.tmx \(data\.train\)"):
        make_corpus(str(tmp_path / "nosuch.tmx")).check()
    with pytest.raises(DataError, match=r"No file matches"):
        make_corpus(str(tmp_path / "*.nosuch")).check()
    for columns in ([1], [0, 1], [2, 2]):
        with pytest.raises(ConfigError, match=r"data\.columns="):
            make_corpus("a", columns=columns)
    with pytest.raises(ConfigError, match=r"data\.train=\[\] names no file"):
        make_corpus([])


def test_a_translation_memory_is_read_in_bounded_memory(write: Callable[..., str]) -> None:
    unit = '<tu><tuv xml:lang="en"><seg>{0} {1}</seg></tuv><tuv xml:lang="de"><seg>{0} b</seg></tuv></tu>\n'
    units = "".join(unit.format(n, "a " * 2000) for n in range(1000))
    path = write("big.tmx", f"<tmx><body>{units}</body></tmx>")
    tracemalloc.start()
    count = sum(1 for _ in READERS["tmx"](path, PairRequest("en", "de"), Counter()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 1000
    assert peak < Path(path).stat().st_size / 2


def test_text_files_may_be_lists_and_globs(write: Callable[..., str], tmp_path: Path) -> None:
    from nmt.data.corpus import Files, SplitFiles

    for name in ("a", "b"):
        write(f"{name}.en", f"{name} one\n{name} two\n")
        write(f"{name}.de", f"{name} eins\n{name} zwei\n")
    split = SplitFiles(source=str(tmp_path / "*.en"), target=[str(tmp_path / "a.de"), str(tmp_path / "b.de")])
    text = Files(source_language="en", target_language="de", train=split, validation=1).load("train")
    assert text is not None
    assert len(text.source) == 3
    short = SplitFiles(source=str(tmp_path / "*.en"), target=str(tmp_path / "a.de"))
    with pytest.raises(DataError, match=r"data\.train\.target is 1 files and data\.train\.source 2"):
        Files(source_language="en", target_language="de", train=short, validation=1).check()


def test_zstd_is_a_compression_as_others(write: Callable[..., str]) -> None:
    path = write("a.zst", zstd.compress(b"a\n") + zstd.compress(b"b\n"))
    assert lines.read(path) == ["a", "b"]
    assert detect_format(write("t.zst", zstd.compress(TMX.encode()))) == "tmx"
