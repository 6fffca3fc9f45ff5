"""Lines of numbers and .npy files become arrays, and what is none of them gets one sentence that says why."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from nmt.data.batching import pad
from nmt.data.line_errors import LineError, locate_lines, shift_lines
from nmt.data.sources.reader import SourceReader
from nmt.data.sources.vectors import VectorReader
from nmt.errors import ConfigError, DataError

READER = VectorReader(features=2)


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_npy(header: bytes, content: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    size = len(header).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + header + content


def test_numbers_in_the_line_are_positions_of_features() -> None:
    (item,) = READER.encode(["  0.12,-.55  3e-1,4 "])
    assert item.dtype == np.float32
    assert item.tolist() == np.array([[0.12, -0.55], [0.3, 4]], np.float32).tolist()
    assert READER.label(item) == ["0:0.12,-0.55", "1:0.3,4"] == READER.split_words("0.12,-.55 3e-1,4")
    assert READER.encode_with_words("1,2 3,4 5,6")[1] == [0, 1, 2]
    assert isinstance(READER, SourceReader)
    assert VectorReader(features=4).label(np.zeros((3, 4), np.float32)) == ["0", "1", "2"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int16", "uint8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_files_hold_what_numpy_saved(dtype: str, order: str) -> None:
    array = np.array([[1, 2], [3, 4], [5, 6]], dtype=dtype, order=order)  # type: ignore[call-overload]
    np.save("a b.npy", array)
    (item,) = READER.encode(["a b.npy"])
    assert item.dtype == np.float32
    assert item.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_a_blank_line_has_no_position() -> None:
    items = READER.encode(["", "1,2", "  "])
    assert [each.shape for each in items] == [(0, 2), (1, 2), (0, 2)]
    assert READER.split_words(" ") == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1,2 3", r"position 2 has 1 features, '3', and model\.source\.features is 2"),
        ("1,2,3", r"position 1 has 3 features"),
        ("1,two", r"'two', which is no finite number"),
        ("1,nan", r"'nan', which is no finite number"),
        ("inf,1", r"'inf'"),
        ("1_0,2", r"'1_0'"),
        ("1,", r"without a number"),
        ("1,٣", r"'٣'"),
        ("1e39,0", r"too large for single precision"),
        ("none.npy", r"none\.npy does not exist; names are relative to the working directory"),
    ],
)
def test_lines_that_are_none(line: str, message: str) -> None:
    with pytest.raises(LineError, match=message) as caught:
        READER.encode(["1,2", line])
    assert caught.value.index == 1


HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }\n"
FILES = {
    "text.npy": (b"1,2\n", "is no sound .npy file"),
    "empty.npy": (b"", "is no sound .npy file"),
    "new.npy": (make_npy(b"{}", version=b"\x03\x00"), "version 3.0"),
    "code.npy": (make_npy(b"__import__('os').getcwd()\n"), "is no sound .npy file"),
    "huge.npy": (make_npy(b"{" + b" " * 2**20, version=b"\x02\x00"), "header of 1048577 bytes"),
    "much.npy": (make_npy(HEADER % b"1000000000000, 2"), "does not hold what its header says"),
    "less.npy": (make_npy(HEADER % b"2, 2", bytes(12)), "does not hold what its header says"),
    "more.npy": (make_npy(HEADER % b"2, 2", bytes(20)), "does not hold what its header says"),
    "minus.npy": (make_npy(HEADER % b"-1, 2", bytes(8)), "less|hold|sound"),
    "flat.npy": (make_npy(HEADER % b"4,", bytes(16)), r"shape \(4,\); \[position, feature\] is needed"),
    "wide.npy": (make_npy(HEADER % b"2, 3", bytes(24)), r"model\.source\.features=2"),
    "none.npy": (make_npy(HEADER % b"0, 2"), "has no position"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_none(name: str) -> None:
    content, message = FILES[name]
    Path(name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        READER.read(name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.array([[1, None], [2, 3]], dtype=object), "pickled Python objects"),
        (np.array([["a", "b"]]), "numbers are needed"),
        (np.array([[1 + 2j, 0]]), "numbers are needed"),
        (np.array([[True, False]]), "numbers are needed"),
        (np.array([[0.0, 1.0], [np.nan, 0.0]]), r"not finite, or too large, at position 1, feature 0"),
        (np.array([[0.0, 1e300]]), "position 0, feature 1"),
    ],
)
def test_arrays_that_are_none(array: np.ndarray, message: str) -> None:
    held = io.BytesIO()
    np.save(held, array, allow_pickle=True)
    Path("a.npy").write_bytes(held.getvalue())
    with pytest.raises(DataError, match=message):
        READER.read("a.npy")


def test_only_regular_files_are_opened() -> None:
    np.save("real.npy", np.zeros((1, 2)))
    os.symlink("real.npy", "link.npy")
    os.symlink("nowhere", "dead.npy")
    os.mkfifo("pipe.npy")
    Path("folder.npy").mkdir()
    for name, message in {
        "link": "is a link",
        "dead": "is a link",
        "pipe": "no regular",
        "folder": "no regular",
    }.items():
        with pytest.raises(DataError, match=message):
            READER.read(f"{name}.npy")


def test_places_of_lines_are_told() -> None:
    with pytest.raises(DataError, match=r"^x\.txt, line 8: because") as caught, locate_lines("x.txt", 5):
        raise LineError(2, "because")
    assert type(caught.value) is DataError
    with pytest.raises(DataError, match=r"^x, line 31: because"), locate_lines("x", places=[10, 20, 30]):
        raise LineError(2, "because")
    with pytest.raises(LineError, match=r"line 13: because"), shift_lines(10):
        raise LineError(2, "because")


def test_the_number_of_features_is_checked() -> None:
    with pytest.raises(ConfigError, match=r"model\.source\.features must be from 1 to 65536; got 0"):
        VectorReader(features=0)


def test_padding_of_features_is_zeros() -> None:
    items = READER.encode(["1,2 3,4 5,6", "7,8", ""])
    source, lengths = pad(items)
    assert lengths.tolist() == [4, 2, 1]  # the end is counted
    assert source.shape == (3, 4, 2)
    for row, item in enumerate(items):
        assert source[row, : len(item)].tolist() == item.tolist()
        assert not source[row, len(item) :].any()
