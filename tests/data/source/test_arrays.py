"""Arrays: names in an .npz, kinds by shape and values, one layout."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autosynth.data.source.arrays import find_roles, make_rows, read_arrays, read_npy, read_npz
from autosynth.data.source.layout import arrange, infer_layout, to_raw_type
from autosynth.data.source.limits import UNPACKED
from autosynth.errors import ConfigError, DataError

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "names",
    [
        {"main": ("x", "y"), "test": ("x_test", "y_test")},
        {"main": ("X_train", "Y_train"), "validation": ("X_val", "Y_val")},
        {
            "main": ("train_images", "train_labels"),
            "validation": ("val_images", "val_labels"),
            "test": ("test_images", "test_labels"),
        },
        {"main": ("data", "target")},
        {"main": ("x", "labels"), "test": ("test_x", "test_labels")},
    ],
)
def test_arrays_are_found_by_their_names(
    tmp_path: Path, names: dict[str, tuple[str, str]]
) -> None:
    arrays: dict[str, Any] = {"t": np.arange(5)}
    for number, (x, y) in enumerate(names.values()):
        arrays[x] = np.full((3 + number, 2), number)
        arrays[y] = np.full((3 + number, 1), number)
    np.savez(tmp_path / "set.npz", **arrays)
    raw = read_npz(tmp_path / "set.npz")
    assert raw.name == "set"
    for number, part in enumerate(names):
        rows = getattr(raw, part)
        assert rows.x.shape == (3 + number, 2)
        assert (rows.x == number).all()
        assert rows.y.tolist() == [number] * (3 + number)
    for part in {"main", "validation", "test"} - set(names):
        assert getattr(raw, part) is None


def test_one_hot_labels_are_read() -> None:
    rows = make_rows(np.zeros((3, 2)), np.eye(3)[[2, 0, 1]], "here")
    assert rows.y is not None
    assert rows.y.tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3)}, "no array named x .* it holds a"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(4)}, "x has 3 rows and y has 4"),
        ({"x": np.zeros((3, 2)), "y": np.zeros((3, 2, 2))}, r"y in .* has shape \(3, 2, 2\)"),
        ({"x": np.zeros((3, 2), complex), "y": np.zeros(3)}, "is complex128 of shape"),
        ({"x": np.array([{}, {}], object), "y": np.zeros(2)}, "cannot be read as .npz"),
    ],
)
def test_bad_arrays(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "set.npz", **arrays)
    with pytest.raises(DataError, match=message):
        read_npz(tmp_path / "set.npz")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 and then nothing", b"something else"])
def test_damaged_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "set.npz").write_bytes(data)
    (tmp_path / "set.npy").write_bytes(data)
    with pytest.raises(DataError, match=r"set\.npz cannot be read as \.npz"):
        read_npz(tmp_path / "set.npz")
    with pytest.raises(DataError, match=r"set\.npy cannot be read as \.npy"):
        read_npy(tmp_path / "set.npy")


def test_three_arrays_are_no_source() -> None:
    with pytest.raises(DataError, match="these are 3"):
        read_arrays((np.zeros(3), np.zeros(3), np.zeros(3)))


def waves(n: int, steps: int) -> np.ndarray:
    start = RNG.uniform(0, 6, (n, 1))
    return np.sin(start + np.arange(steps) / 4) + 0.1 * RNG.normal(size=(n, steps))


@pytest.mark.parametrize(
    ("x", "kind", "shape"),
    [
        (np.zeros((9, 28, 28), np.uint8), "image", (1, 28, 28)),
        (np.zeros((9, 28, 20)), "image", (1, 28, 20)),
        (np.zeros((9, 16, 16, 3), np.uint8), "image", (3, 16, 16)),
        (np.zeros((9, 3, 16, 16), np.uint8), "image", (3, 16, 16)),
        (np.zeros((9, 16, 16, 8)), "image", (8, 16, 16)),
        (np.zeros((9, 100, 6)), "series", (6, 100)),
        (np.zeros((9, 6, 100)), "series", (6, 100)),
        (np.zeros((9, 50, 1), np.uint8), "series", (1, 50)),
        (waves(200, 40), "series", (1, 40)),
        (RNG.normal(size=(200, 40)), "table", (40,)),
        (waves(200, 12), "table", (12,)),
        (waves(200, 40)[:, RNG.permutation(40)], "table", (40,)),
        (RNG.normal(size=(200, 1)) + 0.1 * RNG.normal(size=(200, 40)), "table", (40,)),
    ],
)
def test_kind_and_layout_by_shape_and_values(
    x: np.ndarray, kind: str, shape: tuple[int, ...]
) -> None:
    layout = infer_layout(x, None, "here")
    assert layout.kind == kind
    assert arrange(x, layout).shape[1:] == shape


def test_arranging_copies_nothing() -> None:
    x = np.zeros((9, 16, 16, 3), np.uint8)
    arranged = arrange(x, infer_layout(x, None, "here"))
    assert np.shares_memory(to_raw_type(arranged), x)
    x[2, 5, 7, 1] = 9
    assert arranged[2, 1, 5, 7] == 9


def test_bytes_stay_bytes_and_the_rest_becomes_float32() -> None:
    assert to_raw_type(np.array([0, 255])).dtype == np.uint8
    assert to_raw_type(np.array([True])).dtype == np.uint8
    assert to_raw_type(np.array([0, 256])).dtype == np.float32
    assert to_raw_type(np.array([0.0, 1.0])).dtype == np.float32


def test_six_axes_are_too_many() -> None:
    with pytest.raises(DataError, match="x has 6 axes"):
        infer_layout(np.zeros((2, 2, 2, 2, 2, 2)), None, "here")


def test_what_is_declared_is_checked_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packed array of zeros is a thousandth of what it unpacks to."""
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, shape in (("x", (3_000, 1_000, 1_000)), ("y", (3_000,))):
            with archive.open(f"{name}.npy", "w") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
    told = (
        r"holds 2,861 MB or more unpacked; at most .* MB are read .* Save it with numpy\.savez, .*"
    )
    with pytest.raises(DataError, match=told):
        read_npz(path)
    np.savez_compressed(path, x=np.zeros((50, 4_000)), y=np.arange(50))
    monkeypatch.setenv(UNPACKED.variable, "1")
    with pytest.raises(DataError, match="environment variable AUTOSYNTH_UNPACKED_MB"):
        read_npz(path)
    monkeypatch.setenv(UNPACKED.variable, "2")
    assert read_npz(path).main is not None
    monkeypatch.setenv(UNPACKED.variable, "much")
    with pytest.raises(ConfigError, match="AUTOSYNTH_UNPACKED_MB is 'much'; it holds a whole"):
        read_npz(path)


def test_a_header_that_declares_more_than_follows(tmp_path: Path) -> None:
    with (tmp_path / "a.npy").open("wb") as file:
        header = {"descr": "<f8", "fortran_order": False, "shape": (10**12, 9)}
        np.lib.format.write_array_header_1_0(file, header)
        file.write(bytes(99))
    with pytest.raises(DataError, match="72000000000000 bytes are declared, and 99 follow"):
        read_npy(tmp_path / "a.npy")


def test_arrays_that_no_role_is_known_of(tmp_path: Path) -> None:
    """One value a row beside an array called x is a name or a weight, and no input."""
    np.savez(tmp_path / "a.npz", x=np.zeros((9, 2)), ids=np.arange(9), t=np.zeros((4, 2)))
    raw = read_npz(tmp_path / "a.npz")
    assert raw.main is not None
    assert raw.main.x.shape == (9, 2)
    roles = find_roles({"photo": (9, 8, 8), "age": (9,), "y": (9,), "photo_test": (3, 8, 8)})
    assert roles["main"].inputs == {"photo": "photo", "age": "age"}
    assert roles["test"].inputs == {}
    assert find_roles({"a": (9, 2), "b": (9, 2)}, ["b[0]"])["main"].inputs == {"b": "b"}


@pytest.mark.parametrize("name", ["stored.npz", "packed.npz", "one.npy"])
def test_damaged_files_raise_no_foreign_error(tmp_path: Path, name: str) -> None:
    rng, x = np.random.default_rng(0), RNG.normal(size=(60, 3, 20))
    path = tmp_path / name
    if name.endswith(".npy"):
        np.save(path, x)
    else:
        save = np.savez if name == "stored.npz" else np.savez_compressed
        save(path, photo=x, tab=x[:, 0], y=np.arange(60) % 2)
    whole, read = path.read_bytes(), read_npy if name.endswith(".npy") else read_npz
    lost = 0
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(rng.integers(1, 6)):  # in headers, which stand first and last, and between
            place = rng.choice(
                [rng.integers(200), -rng.integers(1, 200), rng.integers(len(whole))]
            )
            damaged[place] = rng.integers(256)
        path.write_bytes(damaged[: rng.integers(len(whole)) if rng.random() < 0.1 else None])
        try:
            read(path)
        except DataError:
            lost += 1
    assert lost > 20
