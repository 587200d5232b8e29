"""Folders of images: classes by sub-folder, one size, grey or colour, broken ones left out."""

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autosynth.data import encode, load_dataset
from autosynth.errors import DataError


def draw(path: Path, size: tuple[int, int] = (9, 7), mode: str = "L", value: int = 9) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, (value, value, value)).convert(mode)
    if mode == "RGB":
        image.putpixel((0, 0), (200, 100, 0))
    image.save(path)
    return path


def fill(folder: Path, n: int = 10, **options: object) -> Path:
    for number in range(n):
        for label in ("cat", "dog"):
            draw(folder / label / f"{number:02}.png", value=number, **options)  # type: ignore[arg-type]
    return folder


def test_sub_folders_are_classes(tmp_path: Path) -> None:
    data = load_dataset(fill(tmp_path / "pets"))
    assert data.name == "pets"
    assert data.inputs[0].shape == (1, 7, 9)
    assert data.target.classes == ("cat", "dog")
    assert data.x["image"].dtype == np.uint8
    assert sorted(data.x["image"][:, 0, 0, 0]) == sorted([*range(10)] * 2)
    assert data.warnings == ()


def test_train_val_and_test_are_official(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "val", 60)
    fill(tmp_path / "test", 3)
    data = load_dataset(tmp_path)
    assert len(data.splits.train) == 20
    assert len(data.splits.validation) == 120
    assert len(data.splits.test) == 6


def test_colour_if_any_is_colour(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "dog" / "colour.png", mode="RGB")
    data = load_dataset(tmp_path)
    assert data.inputs[0].shape == (3, 7, 9)
    assert (data.x["image"] == [[[200]], [[100]], [[0]]])[:, :, 0, 0].all(1).sum() == 1


def test_grey_saved_as_colour_is_grey(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number,) * 3).save(path)
    assert load_dataset(tmp_path).inputs[0].shape == (1, 8, 8)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    fill(tmp_path)
    bright = np.full((7, 9), 65_535, np.uint16)
    Image.fromarray(bright).save(tmp_path / "cat" / "bright.png")
    assert load_dataset(tmp_path).x["image"].max() == 255


def test_other_sizes_are_resized_to_the_median(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "big.png", size=(30, 40))
    data = load_dataset(tmp_path)
    assert data.inputs[0].shape == (1, 7, 9)
    assert "have different sizes; all are resized to the median, 9x7" in data.warnings[0]


def test_large_images_are_resized(tmp_path: Path) -> None:
    fill(tmp_path, size=(512, 300))
    data = load_dataset(tmp_path)
    assert data.inputs[0].shape == (1, 150, 256)
    assert "are large; all are resized to 256x150" in data.warnings[0]


@pytest.mark.parametrize("part", ["whole", "header"])
def test_a_broken_image_is_left_out_and_named(tmp_path: Path, part: str) -> None:
    fill(tmp_path)
    bad = tmp_path / "cat" / "bad.png"
    good = (tmp_path / "cat" / "03.png").read_bytes()
    bad.write_bytes(b"no image" if part == "whole" else good[:45])
    data = load_dataset(tmp_path)
    assert len(data.y) == 20
    assert "1 images cannot be read and are left out" in data.warnings[0]
    assert "cat/bad.png" in data.warnings[0]


def test_all_broken(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 2 images in .* can be read"):
        load_dataset(tmp_path)


def test_images_without_classes(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    with pytest.raises(DataError, match="no sub-folder a class"):
        load_dataset(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / "cat" / f"{number}.png")
    with pytest.raises(DataError, match="target 'class' has one class, 'cat'"):
        load_dataset(tmp_path)


def test_a_test_folder_takes_the_size_of_training(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    fill(tmp_path / "b", 3, size=(20, 20))
    data = load_dataset(tmp_path / "a", test=tmp_path / "b")
    assert data.x["image"].shape == (26, 1, 7, 9)
    assert data.splits.test.tolist() == list(range(20, 26))


def test_a_flat_folder_is_encoded_by_file_name(tmp_path: Path) -> None:
    data = load_dataset(fill(tmp_path / "pets"))
    new = tmp_path / "new"
    draw(new / "b.jpg", size=(30, 20), mode="RGB")
    draw(new / "a.png", value=77)
    (new / "broken.png").write_bytes(b"no image")
    encoded = encode(new, data.encoders)
    assert encoded.index == ["a.png", "b.jpg"]
    assert encoded.x["image"].shape == (2, 1, 7, 9)
    assert (encoded.x["image"][0] == 77).all()
    assert "broken.png" in encoded.warnings[0]
    one = encode(new / "a.png", data.encoders)
    assert one.index == ["a.png"]
    with pytest.raises(DataError, match="none of the 1 images"):
        encode(new / "broken.png", data.encoders)


def test_predicting_a_folder_with_parts_takes_its_test(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test", 3)
    data = load_dataset(tmp_path)
    encoded = encode(tmp_path, data.encoders)
    assert list(encoded.index)[:2] == ["cat/00.png", "cat/01.png"]
    assert np.array_equal(encoded.x["image"], data.x["image"][data.splits.test])


def test_a_truncated_image_among_good_ones(tmp_path: Path) -> None:
    fill(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)
    for suffix in (".jpg", ".png", ".bmp", ".gif", ".tif", ".webp"):
        whole = tmp_path / "cat" / f"noise{suffix}"
        Image.fromarray(noise).save(whole)
        content = whole.read_bytes()
        whole.write_bytes(content[: len(content) // 2])
    data = load_dataset(tmp_path)
    assert len(data.y) == 20
    assert "6 images cannot be read and are left out" in data.warnings[-1]


def put(path: Path, image: Image.Image, **options: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_exif_turns_an_image(tmp_path: Path) -> None:
    upright = np.zeros((6, 10), np.uint8)
    upright[:, 5:] = 250
    turned = Image.Exif()
    turned[0x0112] = 6  # shown after a quarter turn to the right
    for number in range(6):
        put(tmp_path / "a" / f"{number}.png", Image.fromarray(upright))
        stored = Image.fromarray(np.rot90(upright))
        put(tmp_path / "b" / f"{number}.png", stored, exif=turned)
    data = load_dataset(tmp_path)
    assert data.inputs[0].shape == (1, 6, 10)
    assert data.warnings == ()
    assert (data.x["image"] == upright).all()


def test_what_is_transparent_stands_on_white(tmp_path: Path) -> None:
    fill(tmp_path)
    clear = Image.new("RGBA", (9, 7), (0, 0, 0, 0))
    clear.putpixel((0, 0), (0, 0, 200, 255))
    palette = Image.new("P", (9, 7), 1)
    palette.putpalette([0, 0, 200, 9, 9, 9])
    palette.putpixel((0, 0), 0)
    put(tmp_path / "cat" / "clear.png", clear)
    put(tmp_path / "cat" / "grey.png", clear.convert("LA"))
    put(tmp_path / "cat" / "palette.png", palette, transparency=bytes([255, 0]))
    put(tmp_path / "cat" / "index.gif", palette, transparency=1)
    images = load_dataset(tmp_path).x["image"]
    assert images.shape == (24, 3, 7, 9)
    white = images[(images[:, :, 3, 3] == 255).all(1)]
    assert len(white) == 4
    assert ((white[:, :, 0, 0] == [0, 0, 200]).all(1)).sum() == 3


def test_every_mode_is_read(tmp_path: Path) -> None:
    half = np.full((7, 9), 0.5, np.float32)
    whole = Image.fromarray(np.full((7, 9), 128, np.uint8))
    put(tmp_path / "a" / "fraction.tif", Image.fromarray(half))
    put(tmp_path / "a" / "points.tif", Image.fromarray(half * 256))
    put(tmp_path / "a" / "wide.tif", Image.fromarray(np.full((7, 9), 32_896, np.int32)))
    put(tmp_path / "a" / "wide.png", Image.fromarray(np.full((7, 9), 32_896, np.uint16)))
    for mode, name in (("L", "l.png"), ("LA", "la.png"), ("P", "p.png"), ("RGB", "rgb.png")):
        put(tmp_path / "b" / name, whole.convert(mode))
    put(tmp_path / "b" / "rgba.webp", whole.convert("RGBA"), lossless=True)
    put(tmp_path / "b" / "cmyk.tif", whole.convert("CMYK"))
    put(tmp_path / "b" / "bits.png", Image.new("1", (9, 7), 1))
    data = load_dataset(tmp_path)
    assert data.inputs[0].shape == (1, 7, 9)
    assert data.warnings == ()
    bits, others = data.x["image"][4], np.delete(data.x["image"], 4, axis=0)
    assert (bits == 255).all()
    assert (abs(others.astype(int) - 128) <= 1).all()


def test_a_folder_with_more_images_than_sounds_holds_images(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "cat" / "miaow.wav").write_bytes(b"")
    assert load_dataset(tmp_path).inputs[0].kind == "image"


@pytest.mark.parametrize(
    "suffix", [".jfif", "", ".JPG", ".xyz", ".jpg~", ".TIFF", ".webp", ".jp2"]
)
def test_whatever_the_library_reads_is_read(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path)
    forms = {".TIFF": "TIFF", ".webp": "WEBP", ".jp2": "JPEG2000"}
    for number in range(10):
        path = tmp_path / "bird" / f"{number:02}{suffix}"
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            Image.new("L", (9, 7), number).save(file, forms.get(suffix, "JPEG"))
    data = load_dataset(tmp_path)
    assert data.target.classes == ("bird", "cat", "dog")
    assert np.bincount(data.y).tolist() == [10, 10, 10]
    assert data.warnings == ()
    new = tmp_path / "bird" / f"03{suffix}"
    np.testing.assert_allclose(encode(new, data.encoders).x["image"], 3, atol=1)


def test_a_folder_whose_files_have_no_suffix_holds_images(tmp_path: Path) -> None:
    for path in sorted(fill(tmp_path).rglob("*.png")):
        path.rename(path.with_suffix(""))
    (tmp_path / "cat" / "labels.xml").write_text("<xml/>")
    data = load_dataset(tmp_path)
    assert len(data.y) == 20
    assert data.warnings == (
        "1 files are no images that can be read, and are left out: cat 1 (.xml 1)",
    )


def test_what_cannot_be_read_is_counted_by_class(tmp_path: Path) -> None:
    fill(tmp_path)
    for number in range(3):
        (tmp_path / "dog" / f"{number}.heic").write_bytes(b"ftypheic")
    (tmp_path / "cat" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    data = load_dataset(tmp_path)
    assert "4 images cannot be read and are left out (dog 3, cat 1)" in data.warnings[0]
    (tmp_path / "bird").mkdir()
    for number in range(3):
        (tmp_path / "dog" / f"{number}.heic").rename(tmp_path / "bird" / f"{number}.heic")
    with pytest.raises(DataError, match=r"class 'bird' of .* none of its 3 images can be read"):
        load_dataset(tmp_path)


def bomb(path: Path, side: int) -> Path:
    """A PNG of a few bytes that announces a picture of `side` a side."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = (chunk(b"IHDR", head), chunk(b"IDAT", zlib.compress(bytes(9))), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    return path


def test_a_picture_of_too_many_pixels_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    bomb(tmp_path / "cat" / "bomb.png", 13_000)
    data = load_dataset(tmp_path)
    assert len(data.y) == 20
    (told,) = data.warnings
    assert "bomb.png (more than 89,478,485 pixels; the environment variable AUTOSYNTH_PIX" in told
    monkeypatch.setenv("AUTOSYNTH_PIXELS", "50")
    with pytest.raises(DataError, match=r"none of the 21 images .*more than 50 pixels"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("at", [16, 20, 24, 25, 26, 28, 33, 41])
def test_a_broken_byte_is_no_crash(tmp_path: Path, at: int) -> None:
    fill(tmp_path)
    data = load_dataset(tmp_path)
    content = bytearray((tmp_path / "cat" / "03.png").read_bytes())
    content[at] ^= 0xFF
    (tmp_path / "cat" / "odd.png").write_bytes(content)
    assert len(load_dataset(tmp_path).y) in (20, 21)
    assert len(encode(tmp_path, data.encoders).index) in (20, 21)


def test_other_files_are_not_taken_for_pictures(tmp_path: Path) -> None:
    fill(tmp_path)
    rng = np.random.default_rng(0)
    for number in range(300):
        content = rng.integers(0, 256 if number % 2 else 4, 400, np.uint8).tobytes()
        (tmp_path / "cat" / f"{number}.bin").write_bytes(content)
    np.save(tmp_path / "dog" / "x.npy", np.zeros(9))
    data = load_dataset(tmp_path)
    assert len(data.y) == 20
    told = "301 files are no images that can be read, and are left out: cat 300, dog 1 (.bin 300, "
    assert data.warnings[0].startswith(told)
