"""IDX files: as MNIST ships, gzipped or not; damage is named."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from autosynth.data import load_dataset
from autosynth.data.source.idx import read_idx
from autosynth.errors import DataError

CODES = {
    "uint8": 0x08,
    "int8": 0x09,
    "int16": 0x0B,
    "int32": 0x0C,
    "float32": 0x0D,
    "float64": 0x0E,
}


def write(path: Path, x: np.ndarray) -> Path:
    head = bytes([0, 0, CODES[x.dtype.name], x.ndim]) + np.array(x.shape, ">u4").tobytes()
    data = head + x.astype(x.dtype.newbyteorder(">")).tobytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def folder(path: Path, ending: str = "-ubyte", test: int = 10) -> Path:
    for part, n in (("train", 60), ("t10k", test)):
        if n:
            x = np.arange(n * 30, dtype=np.int64).reshape(n, 6, 5).astype(np.uint8)
            write(path / f"{part}-images-idx3{ending}", x)
            write(path / f"{part}-labels-idx1{ending}", (np.arange(n) % 3).astype(np.uint8))
    return path


@pytest.mark.parametrize("dtype", list(CODES))
def test_every_type_is_read(tmp_path: Path, dtype: str) -> None:
    x = np.arange(24).reshape(2, 3, 4).astype(dtype)
    read = read_idx(write(tmp_path / "x-ubyte", x))
    assert read.dtype == dtype
    assert np.array_equal(read, x)


@pytest.mark.parametrize("ending", ["-ubyte", "-ubyte.gz"])
def test_a_folder_has_its_official_test(tmp_path: Path, ending: str) -> None:
    data = load_dataset(folder(tmp_path, ending))
    assert data.inputs[0].shape == (1, 6, 5)
    assert data.x["image"].dtype == np.uint8
    assert data.splits.test.tolist() == list(range(60, 70))
    assert data.target.classes == ("0", "1", "2")


def test_one_file_stands_for_its_folder(tmp_path: Path) -> None:
    data = load_dataset(folder(tmp_path) / "train-images-idx3-ubyte")
    assert len(data.y) == 70


def test_without_a_test_part_one_is_drawn(tmp_path: Path) -> None:
    data = load_dataset(folder(tmp_path, test=0))
    assert len(data.splits.test) == 12


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no IDX file: it begins with nothing"),
        (b"\x89PNG....", "is no IDX file: it begins with 89 50 4e 47"),
        (b"\0\0\x08\x01\0\0\0\x05abc", r"announces shape \(5,\), 5 bytes, and holds 3"),
        (b"\0\0\x08\x01\0\0\0\x02abc", r"announces shape \(2,\), 2 bytes, and holds 3 or more"),
        (b"\0\0\x08\x03\xff\xff\xff\xff\xff", r"announces 3 axes, and says the sizes of 1"),
        (b"\0\0\x08\x00a", r"announces 0 axes"),
        (b"\0\0\x0e" + b"\x03" + b"\xff" * 12, r"announces shape .*, and holds 0"),
        (
            gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12, mtime=0),
            r"MB or more unpacked; at most 256 MB",
        ),
        (gzip.compress(b"\0\0\x08\x01\0\0\0\x05" + b"a" * 9, mtime=0), "holds 6 or more"),
        (b"\x1f\x8b and then nothing", "cannot be read"),
    ],
)
def test_damaged_files(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "x-ubyte").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_idx(tmp_path / "x-ubyte")


def test_images_and_labels_that_do_not_belong_together(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path / "train-labels-idx1-ubyte", np.zeros(59, np.uint8))
    with pytest.raises(DataError, match="60 images and train-labels-idx1-ubyte 59 labels"):
        load_dataset(tmp_path)


def test_no_labels(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match="60 rows without a target"):
        load_dataset(tmp_path)


def test_two_sets_in_one_folder(tmp_path: Path) -> None:
    folder(tmp_path)
    write(tmp_path / "letters-train-images-idx3-ubyte", np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(DataError, match="2 files of train images"):
        load_dataset(tmp_path)
