"""Picture files, from friends and from strangers; scenes that are made, and captions of files."""

import io
import itertools
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from nmt.data.pictures.boxes import Box, format_boxes, parse_boxes
from nmt.data.pictures.images import Images
from nmt.data.pictures.reading import read_picture
from nmt.data.pictures.scenes import COLOURS, GROUND, SIZE, Scenes
from nmt.data.sources.pixels import PixelReader
from nmt.errors import ConfigError, DataError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def save(folder: Path, name: str, picture: Image.Image, **settings: object) -> Path:
    picture.save(folder / name, **settings)  # type: ignore[arg-type]
    return folder / name


# Files ------------------------------------------------------------------------------------------------------------


def test_a_picture_of_the_size_is_as_it_is(tmp_path: Path) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    found = read_picture(save(tmp_path, "a.png", Image.fromarray(pixels)), size=7)
    np.testing.assert_array_equal(found.pixels, pixels)
    assert (found.scale, found.left, found.top) == (1.0, 0, 0)


def test_another_shape_is_scaled_and_centred(tmp_path: Path) -> None:
    found = read_picture(save(tmp_path, "a.bmp", Image.new("RGB", (40, 20), RED)), size=10)
    assert (found.pixels[2:7] == RED).all() or (found.pixels[3:8] == RED).all()
    assert (found.pixels == RED).all(-1).sum() == 50
    assert (found.scale, found.left) == (0.25, 0)


def test_modes_become_red_green_and_blue(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    assert (read_picture(save(tmp_path, "clear.png", clear), size=4).pixels == WHITE).all()
    deep = Image.fromarray(np.full((4, 4), 65535, dtype=np.uint16))
    assert (read_picture(save(tmp_path, "deep.png", deep), size=4).pixels == WHITE).all()
    grey = Image.new("L", (4, 4), 77)
    assert (read_picture(save(tmp_path, "grey.png", grey), size=4).pixels == 77).all()
    palette = Image.new("RGB", (4, 4), RED).convert("P")
    assert (read_picture(save(tmp_path, "palette.gif", palette), size=4).pixels == RED).all()


def test_a_camera_that_was_turned_makes_no_difference(tmp_path: Path) -> None:
    picture = Image.new("RGB", (8, 8), WHITE)
    picture.paste(RED, (0, 0, 8, 4))
    about = Image.Exif()
    about[0x0112] = 3  # upside down
    turned = save(tmp_path, "turned.png", picture.rotate(180), exif=about)
    np.testing.assert_array_equal(read_picture(turned, size=8).pixels, np.asarray(picture))


def forge_png(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, and holds nothing."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def encode_png(picture: Image.Image) -> bytes:
    content = io.BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


STRANGE = {
    "bomb": (forge_png(60_000, 60_000), r"pixels"),
    "wide": (forge_png(20_000, 2_000), r"20000 x 2000 pixels, and at most"),
    "line": (forge_png(5000, 2), r"at most 200 times"),
    "hollow": (forge_png(8, 8), r"damaged|cannot be read"),
    "cut": (encode_png(Image.effect_noise((64, 64), 50))[:900], r"damaged and cannot be read"),
    "text": (b"a red circle\n", r"no picture that can be read; it must be one of PNG"),
    "empty": (b"", r"no picture that can be read"),
    "script": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", r"no picture that can be read"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_files_of_strangers_are_answered_in_one_sentence(name: str, tmp_path: Path) -> None:
    content, message = STRANGE[name]
    (tmp_path / "x.png").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_picture(tmp_path / "x.png", size=8, where="captions.tsv, line 3")
    assert str(caught.value).startswith("captions.tsv, line 3: ")
    assert "\n" not in str(caught.value)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for path, message in (("pipe.png", "no regular file"), (".", "no regular file"), ("none.png", "No such file")):
        with pytest.raises(DataError, match=message):
            read_picture(tmp_path / path, size=8)
    with pytest.raises(DataError, match="cannot be read"):
        read_picture("a\0b.png", size=8)


# The reader -------------------------------------------------------------------------------------------------------


def test_cells_are_the_pixels_of_the_picture(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    path = save(tmp_path, "a.png", Image.fromarray(pixels))
    reader = PixelReader(size=12, layers=2)
    (item,) = reader.encode([str(path)])
    assert item.shape == (9, 4, 4, 3)
    shown = reader.show(str(path))
    for cell, region, label in zip(item, shown.regions, reader.label(item), strict=True):
        part = pixels[region.top : region.bottom, region.left : region.right]
        np.testing.assert_allclose(cell, part / 255, rtol=1e-6)
        assert label == f"{region.top // 4 + 1},{region.left // 4 + 1}"


def test_overlap_is_the_share_of_pixels(tmp_path: Path) -> None:
    path = save(tmp_path, "a.png", Image.new("RGB", (24, 12)))
    shown, box = PixelReader(size=12, layers=2).show(str(path)), Box(3, 1, 15, 9)
    inside = np.zeros((12, 12))
    for y in range(120):  # tenths of pixels of the square
        for x in range(120):
            there = ((x + 0.5) / 10 - shown.left) / shown.scale, ((y + 0.5) / 10 - shown.top) / shown.scale
            inside[y // 10, x // 10] += (box.left < there[0] < box.right and box.top < there[1] < box.bottom) / 100
    expected = [inside[r.top : r.bottom, r.left : r.right].mean() for r in shown.regions]
    np.testing.assert_allclose(shown.measure_overlap(box), expected, atol=0.02)


@pytest.mark.parametrize("settings", [{"size": 30}, {"size": 0}, {"layers": 0}, {"size": 1024}])
def test_sizes_are_checked(settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=r"model\.source\.(size|layers) must be"):
        PixelReader(**settings)


# Boxes ------------------------------------------------------------------------------------------------------------


def test_boxes_are_read_as_they_are_written() -> None:
    boxes = [None, Box(1, 2, 3, 4), None, Box(0, 0, 9, 8)]
    assert parse_boxes(format_boxes(boxes), where="here") == {1: boxes[1], 3: boxes[3]}


@pytest.mark.parametrize(("line", "message"), [("1:2,3", "no box"), ("1:4,0,4,9", "empty"), ("x", "no box")])
def test_what_is_no_box_is_said(line: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"line 7: .*{message}"):
        parse_boxes(line, where="line 7")


# Scenes -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    return Scenes(train=120, validation=20, test=10, folder=str(tmp_path_factory.mktemp("scenes")))


def test_captions_say_what_the_pictures_show(scenes: Scenes) -> None:
    text = scenes.load("train")
    assert text.boxes is not None
    for path, caption, line in zip(text.source, text.target, text.boxes, strict=True):
        pixels = np.asarray(Image.open(path))
        assert pixels.shape == (SIZE, SIZE, 3)
        words, boxes = caption.split(), parse_boxes(line, where=path)
        left = (pixels != GROUND).any(-1)
        places = []
        for word, box in boxes.items():
            colour = words[word] if words[word] in COLOURS else words[word - 1]
            part = pixels[box.top : box.bottom, box.left : box.right]
            is_object = (part == COLOURS[colour]).all(-1)
            assert (is_object | (part == GROUND).all(-1)).all()
            assert is_object.any(0)[[0, -1]].all(), "the box is no wider than the object"
            assert is_object.any(1)[[0, -1]].all(), "nor higher"
            if words[word] == "square":
                assert is_object.all()
            elif words[word] in ("circle", "triangle", "cross"):
                assert not is_object[0, 0]
            left[box.top : box.bottom, box.left : box.right] = False
            if words[word] in COLOURS:
                places.append((box.left + box.right, box.top + box.bottom))
        assert not left.any(), "there is nothing but what the boxes hold"
        for (x, y), (next_x, next_y) in itertools.pairwise(places):
            is_vertical = "above" in words
            assert next_y - y > abs(next_x - x) if is_vertical else next_x - x > abs(next_y - y)
        assert caption.count(" a ") + 1 == len(places)


def test_scenes_are_those_of_the_settings(scenes: Scenes, tmp_path: Path) -> None:
    again = Scenes(train=120, validation=20, test=10, folder=str(tmp_path))
    assert again.load("validation").target == scenes.load("validation").target
    assert again.get_identity() != scenes.get_identity(), "the paths are others"
    for one, other in zip(again.load("test").source, scenes.load("test").source, strict=True):
        assert Path(one).read_bytes() == Path(other).read_bytes()
    assert Scenes(seed=2, train=120, validation=20, test=10).get_identity() != again.get_identity()


def test_what_there_is_is_not_written_again(scenes: Scenes) -> None:
    path = Path(scenes.load("test").source[0])
    before = path.stat().st_mtime_ns
    scenes.load("test")
    assert path.stat().st_mtime_ns == before


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written to .*data\.folder=FOLDER"):
        Scenes(train=1, validation=1, test=1, folder=str(tmp_path / "file")).load("test")


@pytest.mark.parametrize(
    ("settings", "message"), [({"objects": 4}, "from 1 to 3; got 4"), ({"train": 0}, r"data\.train is a number")]
)
def test_numbers_of_scenes_are_checked(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Scenes(**settings)  # type: ignore[arg-type]


# Images -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def gallery(tmp_path: Path) -> Path:
    for name in ("a.png", "b.jpg", "c.png"):
        save(tmp_path, name, Image.new("RGB", (6, 6), RED))
    (tmp_path / "captions.tsv").write_text("a.png\ta red square\t1:0,0,6,6\nb.jpg\tred\nc.png\tred again\nc.png\tred\n")
    return tmp_path


def test_a_table_names_pictures_from_its_own_folder(gallery: Path) -> None:
    images = Images(target_language="en", train=str(gallery / "captions.tsv"), validation=1)
    images.check()
    train, validation = images.load("train"), images.load("validation")
    assert train is not None
    assert validation is not None
    assert train.boxes is not None
    assert validation.boxes is not None
    assert images.load("test") is None
    assert len(validation.source) == 1
    assert set(train.source) | set(validation.source) == {str(gallery / name) for name in ("a.png", "b.jpg", "c.png")}
    assert not set(train.source) & set(validation.source), "captions of one picture are on one side"
    pairs = zip([*train.target, *validation.target], [*train.boxes, *validation.boxes], strict=True)
    assert ("a red square", "1:0,0,6,6") in set(pairs)


def test_a_folder_has_texts_beside_pictures(gallery: Path) -> None:
    for name, text in (("a", "one\ntwo\n"), ("b", "three"), ("c", "four\n\n")):
        (gallery / f"{name}.txt").write_text(text)
    text = Images(target_language="en", train=str(gallery), validation=str(gallery)).load("validation")
    assert text is not None
    found = [(Path(source).name, target) for source, target in zip(text.source, text.target, strict=True)]
    assert found == [("a.png", "one"), ("a.png", "two"), ("b.jpg", "three"), ("c.png", "four")]
    (gallery / "b.txt").unlink()
    with pytest.raises(DataError, match=r"b\.jpg \(data\.train\) has no caption: there is no file b\.txt"):
        Images(target_language="en", train=str(gallery), validation=1).load("train")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("none.png\tred", r"captions\.tsv, line 5: there is no picture .*none\.png"),
        ("a.png", r"captions\.tsv, line 5: a picture, a tab and a caption were expected; got 1 column: 'a\.png'"),
        ("captions.tsv\tred", r"captions\.tsv, line 5: .*captions\.tsv is no picture"),
        ("a.png\tred\t1:9", r"captions\.tsv, line 5: 1:9 is no box"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(line: str, message: str, gallery: Path) -> None:
    with (gallery / "captions.tsv").open("a") as table:
        table.write(f"{line}\n")
    with pytest.raises(DataError, match=message):
        Images(target_language="en", train=str(gallery / "captions.tsv"), validation=1).load("train")


def test_other_pictures_are_another_corpus(gallery: Path) -> None:
    def identify() -> object:
        return Images(target_language="en", train=str(gallery / "captions.tsv"), validation=1).get_identity()

    before = identify()
    assert identify() == before
    save(gallery, "a.png", Image.new("RGB", (9, 9), RED))
    assert identify() != before
