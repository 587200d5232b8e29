"""Folders of images: classes by sub-folder, one size, grey or colour, broken ones left out."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from autosynth.data import encode, load
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
    data = load(fill(tmp_path / "pets"))
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
    data = load(tmp_path)
    assert len(data.splits.train) == 20
    assert len(data.splits.select) == 120
    assert len(data.splits.test) == 6


def test_colour_if_any_is_colour(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "dog" / "colour.png", mode="RGB")
    data = load(tmp_path)
    assert data.inputs[0].shape == (3, 7, 9)
    assert (data.x["image"] == [[[200]], [[100]], [[0]]])[:, :, 0, 0].all(1).sum() == 1


def test_grey_saved_as_colour_is_grey(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (8, 8), (number,) * 3).save(path)
    assert load(tmp_path).inputs[0].shape == (1, 8, 8)


def test_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    fill(tmp_path)
    bright = np.full((7, 9), 65_535, np.uint16)
    Image.fromarray(bright).save(tmp_path / "cat" / "bright.png")
    assert load(tmp_path).x["image"].max() == 255


def test_other_sizes_are_resized_to_the_median(tmp_path: Path) -> None:
    fill(tmp_path)
    draw(tmp_path / "cat" / "big.png", size=(30, 40))
    data = load(tmp_path)
    assert data.inputs[0].shape == (1, 7, 9)
    assert "have different sizes; all are resized to the median, 9x7" in data.warnings[0]


def test_large_images_are_resized(tmp_path: Path) -> None:
    fill(tmp_path, size=(512, 300))
    data = load(tmp_path)
    assert data.inputs[0].shape == (1, 150, 256)
    assert "are large; all are resized to 256x150" in data.warnings[0]


@pytest.mark.parametrize("part", ["whole", "header"])
def test_a_broken_image_is_left_out_and_named(tmp_path: Path, part: str) -> None:
    fill(tmp_path)
    bad = tmp_path / "cat" / "bad.png"
    good = (tmp_path / "cat" / "03.png").read_bytes()
    bad.write_bytes(b"no image" if part == "whole" else good[:45])
    data = load(tmp_path)
    assert len(data.y) == 20
    assert "1 images cannot be read and are left out" in data.warnings[0]
    assert "cat/bad.png" in data.warnings[0]


def test_all_broken(tmp_path: Path) -> None:
    for label in ("cat", "dog"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "bad.png").write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 2 images in .* can be read"):
        load(tmp_path)


def test_images_without_classes(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    with pytest.raises(DataError, match="no sub-folder a class"):
        load(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    for number in range(12):
        draw(tmp_path / "cat" / f"{number}.png")
    with pytest.raises(DataError, match="target 'class' has one class, 'cat'"):
        load(tmp_path)


def test_a_test_folder_takes_the_size_of_training(tmp_path: Path) -> None:
    fill(tmp_path / "a")
    fill(tmp_path / "b", 3, size=(20, 20))
    data = load(tmp_path / "a", test=tmp_path / "b")
    assert data.x["image"].shape == (26, 1, 7, 9)
    assert data.splits.test.tolist() == list(range(20, 26))


def test_a_flat_folder_is_encoded_by_file_name(tmp_path: Path) -> None:
    data = load(fill(tmp_path / "pets"))
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
    data = load(tmp_path)
    encoded = encode(tmp_path, data.encoders)
    assert list(encoded.index)[:2] == ["cat/00.png", "cat/01.png"]
    assert np.array_equal(encoded.x["image"], data.x["image"][data.splits.test])
