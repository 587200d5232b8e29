"""Arrays and files of pictures that are made otherwise than those of training: scale, channels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from PIL import Image

from autosynth.data import encode, encode_parts, load_dataset, read_labelled
from autosynth.data.source.memory import Batching
from autosynth.errors import DataError

N = 40
Y = np.array(["a", "b"] * (N // 2))


def bytes_of(*shape: int) -> NDArray[np.uint8]:
    x = np.random.default_rng(0).integers(0, 256, (N, *shape), np.uint8)
    x[Y == "b", :4] //= 4
    return x


GREY, COLOUR = bytes_of(12, 10), bytes_of(12, 10, 3)
SHARES = GREY / 255
SIGNED = (GREY / 127.5 - 1).astype(np.float32)
WORDS = GREY.astype(np.uint16) * 257


def check_same(trained: NDArray[Any], new: NDArray[Any], told: str) -> None:
    """New pictures are encoded as the same ones of training, in whatever batches, and told."""
    data = load_dataset((trained, Y))
    encoders = json.loads(json.dumps(dict(data.encoders)))
    found = encode(new, encoders)
    np.testing.assert_allclose(found.x["image"], data.x["image"], rtol=1e-5, atol=1e-3)
    assert found.x["image"].dtype == data.x["image"].dtype or not told
    assert [text for text in found.warnings if told in text] if told else found.warnings == ()
    parts = list(encode_parts(new, encoders, Batching(rows=7)))
    assert len(parts) > 1
    np.testing.assert_array_equal(
        np.concatenate([part.x["image"] for part in parts]), found.x["image"]
    )
    seen = [text for part in parts for text in part.warnings]
    assert len([text for text in seen if told in text]) == bool(told)


@pytest.mark.parametrize(
    ("trained", "new", "told"),
    [
        (GREY, SHARES, "read as 0 to 1, and brought to 0 to 255"),
        (GREY, SHARES.astype(np.float32), "brought to 0 to 255"),
        (SHARES, GREY, "read as 0 to 255, and brought to 0 to 1"),
        (GREY, SIGNED, "read as -1 to 1, and brought to 0 to 255"),
        (SIGNED, GREY, "brought to -1 to 1"),
        (SIGNED, SHARES, "read as 0 to 1, and brought to -1 to 1"),
        (GREY, WORDS, "read as 0 to 65535, and brought to 0 to 255"),
        (WORDS, GREY, "brought to 0 to 65535"),
        (SHARES, GREY.astype(np.float64), "read as 0 to 255"),
        (GREY, GREY.astype(np.int64), ""),
        (GREY, GREY.astype(np.float32), ""),
        ((GREY > 99), (GREY > 99) * np.uint8(255), "read as 0 to 255, and brought to 0 to 1"),
    ],
)
def test_another_scale_is_brought_to_that_of_training(
    trained: NDArray[Any], new: NDArray[Any], told: str
) -> None:
    check_same(trained, new, told)


@pytest.mark.parametrize(
    ("trained", "new"),
    [
        (GREY, GREY.astype(np.uint16) * 12),  # ten bits, twelve or sixteen
        (GREY, (SHARES - 0.5) / 0.25),  # normalised
        ((SHARES - 0.5) / 0.25, GREY),
        ((SHARES - 0.5) / 0.25, SHARES),
        (GREY // 16, SHARES),  # 0 to 15, of which nobody knows what is white
        (WORDS // 16, GREY),  # twelve bits
        (SHARES, GREY // 16),
    ],
)
def test_a_scale_that_cannot_be_told_is_refused(trained: NDArray[Any], new: NDArray[Any]) -> None:
    data = load_dataset((trained, Y))
    with pytest.raises(DataError, match=r"pixels of .* and those of training .* cannot be told"):
        encode(new, data.encoders)


@pytest.mark.parametrize(
    ("trained", "new"),
    [
        (GREY, GREY // 20),  # dark pictures
        (SHARES, SHARES / 20),
        (GREY, GREY * 0),
        (GREY // 16, GREY // 16),
        (SHARES, SHARES * 1.1 - 0.05),  # resized by splines
        ((SHARES - 0.5) / 0.25, (SHARES - 0.5) / 0.2),
        (WORDS // 16, WORDS // 40),
    ],
)
def test_pictures_of_training_s_make_stay(trained: NDArray[Any], new: NDArray[Any]) -> None:
    data = load_dataset((trained, Y))
    found = encode(new, data.encoders)
    np.testing.assert_allclose(found.x["image"][:, 0], new, rtol=1e-6)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("trained", "new", "told"),
    [
        (np.moveaxis(COLOUR, -1, 1), COLOUR, "channels of images in arrays stand last"),
        (COLOUR, np.moveaxis(COLOUR, -1, 1), "channels of images in arrays stand first"),
        (COLOUR, np.moveaxis(COLOUR, -1, 1) / 255, "brought to 0 to 255"),
        (GREY, GREY[..., None], ""),
        (GREY[:, None], GREY, ""),
        (np.repeat(GREY[..., None], 3, -1), GREY, "are grey, and those of training RGB"),
        (GREY, np.repeat(GREY[..., None], 3, -1), "are RGB, and those of training grey"),
        (COLOUR, np.insert(COLOUR, 3, 255, -1), "are RGBA, and those of training RGB"),
        (np.insert(COLOUR, 3, 255, -1), COLOUR, "are RGB, and those of training RGBA"),
    ],
)
def test_channels_stand_and_colours_are_as_in_training(
    trained: NDArray[Any], new: NDArray[Any], told: str
) -> None:
    check_same(trained, new, told)


def test_what_is_clear_stands_on_white() -> None:
    data = load_dataset((COLOUR, Y))
    found = encode(np.insert(COLOUR, 3, 0, -1), data.encoders)
    assert (found.x["image"] == 255).all()
    odd = load_dataset((np.float32(3) * COLOUR - 300, Y))
    with pytest.raises(DataError, match="what value is white cannot be told"):
        encode(np.insert(np.float32(3) * COLOUR - 300, 3, 255, -1), odd.encoders)


def test_other_sizes_are_refused() -> None:
    data = load_dataset((COLOUR, Y))
    with pytest.raises(DataError, match="images in arrays are 3x9x10"):
        encode(COLOUR[:, :9], data.encoders)


def test_an_official_test_part_is_brought_to_the_scale_of_training() -> None:
    plain = load_dataset((COLOUR, Y, COLOUR[:20], Y[:20]))
    other = load_dataset((COLOUR, Y, np.moveaxis(COLOUR[:20], -1, 1) / 255, Y[:20]))
    np.testing.assert_array_equal(other.x["image"], plain.x["image"])
    assert [text for text in other.warnings if "the test part of" in text]
    with pytest.raises(DataError, match="pixels of the test part of arrays"):
        load_dataset((GREY, Y, (SHARES - 0.5) / 0.25, Y))


def test_scoring_brings_to_the_scale_of_training() -> None:
    data = load_dataset((GREY, Y))
    rows = read_labelled((SHARES, Y), data.encoders, data.target)
    np.testing.assert_array_equal(rows.x["image"], data.x["image"])


@pytest.mark.parametrize(
    ("trained", "mode"),
    [
        (GREY, "L"),
        (SHARES, "L"),
        (GREY[:, None], "P"),
        (COLOUR / 255, "RGB"),
        (np.moveaxis(COLOUR, -1, 1), "RGBA"),
        (GREY, "I;16"),
    ],
)
def test_files_are_read_as_arrays_of_training(
    tmp_path: Path, trained: NDArray[Any], mode: str
) -> None:
    pictures = COLOUR if trained.ndim == 4 and 3 in trained.shape else GREY
    for number, picture in enumerate(pictures):
        deep = Image.fromarray(picture.astype(np.uint16) * 257) if mode == "I;16" else None
        image = deep or Image.fromarray(picture).convert(mode)
        folder = tmp_path / str(Y[number])
        folder.mkdir(exist_ok=True)
        image.save(folder / f"{number:02}.png")
    data = load_dataset((trained, Y))
    order = [*range(0, N, 2), *range(1, N, 2)]
    found = encode(tmp_path, data.encoders)
    np.testing.assert_allclose(found.x["image"], data.x["image"][order], rtol=1e-5, atol=1e-3)
    tested = load_dataset((trained, Y), test=tmp_path)
    np.testing.assert_allclose(
        tested.x["image"][tested.splits.test], data.x["image"][order], rtol=1e-5, atol=1e-3
    )


def write(folder: Path, pictures: NDArray[Any]) -> Path:
    for number, picture in enumerate(pictures):
        (folder / str(Y[number])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / str(Y[number]) / f"{number:02}.png")
    return folder


@pytest.mark.parametrize("depth", [10, 12, 14, 16])
def test_deep_pictures_keep_all_that_they_hold(tmp_path: Path, depth: int) -> None:
    deep = WORDS >> (16 - depth)
    data = load_dataset(write(tmp_path / "deep", deep))
    order = [*range(0, N, 2), *range(1, N, 2)]
    np.testing.assert_array_equal(data.x["image"][:, 0], deep[order])
    again = encode(tmp_path / "deep", data.encoders)
    np.testing.assert_array_equal(again.x["image"], data.x["image"])
    assert again.warnings == ()
    flat = write(tmp_path / "flat", GREY)
    if depth == 16:  # white is known
        assert "brought to 0 to 65535" in encode(flat, data.encoders).warnings[0]
    else:
        with pytest.raises(DataError, match="cannot be told"):
            encode(flat, data.encoders)


def test_deep_pictures_of_a_model_of_bytes(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "flat", GREY))
    full = encode(write(tmp_path / "full", WORDS), data.encoders)
    np.testing.assert_array_equal(full.x["image"], data.x["image"])
    with pytest.raises(DataError, match="cannot be told"):
        encode(write(tmp_path / "twelve", WORDS >> 4), data.encoders)


def test_a_narrow_range_of_sixteen_bits_is_kept(tmp_path: Path) -> None:
    warm = 30_000 + GREY.astype(np.uint16) * 4  # kelvin, by a camera
    data = load_dataset(write(tmp_path, warm))
    assert len(np.unique(data.x["image"])) > 200


def test_deep_pictures_that_a_column_names(tmp_path: Path) -> None:
    write(tmp_path, WORDS >> 4)
    paths = [f"{y}/{number:02}.png" for number, y in enumerate(Y)]
    frame = pd.DataFrame({"photo": paths, "y": Y})
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y")
    np.testing.assert_array_equal(data.x["photo"][:, 0], WORDS >> 4)
    again = encode(tmp_path / "t.csv", json.loads(json.dumps(dict(data.encoders))))
    np.testing.assert_array_equal(again.x["photo"], data.x["photo"])
