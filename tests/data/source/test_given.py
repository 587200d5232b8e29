"""What is given in Python: which parts are inputs, which the target, and what names the rows."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch
from PIL import Image
from sklearn.datasets import load_diabetes, load_digits, load_iris
from torch.utils.data import Dataset as TorchSet

from autosynth.data import Dataset, encode, load_dataset, read_dataset, read_labelled
from autosynth.data.source.mappedarray import bytes_on_disk
from autosynth.data.source.memory import Batching
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.testing import check_source

N = 60
RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, N)
PHOTO = RNG.integers(0, 255, (N, 12, 12)).astype(np.uint8)
RECORD = RNG.normal(size=(N, 3, 40))
TABLE = RNG.normal(size=(N, 4))
UNEQUAL = [RNG.normal(size=size) for size in RNG.integers(5, 20, N)]


def kinds(data: Dataset) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {spec.name: (spec.kind, spec.shape) for spec in data.inputs}


def read_twice(source: Any, bare: Any, **options: Any) -> Dataset:
    """The dataset of a source, whose rows alone are read to the same arrays in prediction."""
    data = load_dataset(source, **options)
    found = encode(bare, data.encoders)
    for name, values in data.x.items():
        assert np.array_equal(found.x[name], values, equal_nan=True)
    return data


@pytest.mark.parametrize(
    ("x", "columns", "expected"),
    [
        (
            {"photo": PHOTO, "record": RECORD, "table": TABLE},
            {},
            {
                "table": ("table", (4,)),
                "photo": ("image", (1, 12, 12)),
                "record": ("series", (3, 40)),
            },
        ),
        (
            {"photo": PHOTO, "record": RECORD},
            {"photo": "series:first", "record": "image"},
            {"photo": ("series", (12, 12)), "record": ("image", (1, 3, 40))},
        ),
        ((PHOTO, TABLE), {}, {"table": ("table", (4,)), "input0": ("image", (1, 12, 12))}),
        (
            {"steps": UNEQUAL, "age": TABLE[:, 0]},
            {},
            {"table": ("table", (1,)), "steps": ("series", (1, 19))},
        ),
        (
            {"photo": torch.tensor(PHOTO), "more": pd.DataFrame({"a": Y * 2.0, "b": TABLE[:, 1]})},
            {},
            {"table": ("table", (2,)), "photo": ("image", (1, 12, 12))},
        ),
    ],
)
def test_several_arrays_a_row(
    x: Any, columns: dict[str, str], expected: dict[str, tuple[str, tuple[int, ...]]]
) -> None:
    data = read_twice((x, Y), x, columns=columns)
    assert kinds(data) == expected
    assert len(read_labelled((x, Y), data.encoders, data.target)) == N


def test_several_arrays_of_a_file(tmp_path: Path) -> None:
    parts = {"photo": PHOTO, "record": RECORD, "tab": TABLE, "y": Y}
    np.savez(
        tmp_path / "a.npz", **parts, **{f"{name}_test": each[:9] for name, each in parts.items()}
    )
    check_source(tmp_path / "a.npz", columns={"record": "image"})
    whole = read_dataset(tmp_path / "a.npz", DataConfig())
    mapped = read_dataset(tmp_path / "a.npz", DataConfig(), Batching(most_bytes=10_000))
    assert bytes_on_disk(mapped.x["photo"])
    assert all(np.array_equal(mapped.x[name], values) for name, values in whole.x.items())
    assert len(whole.splits.test) == 9
    np.savez(tmp_path / "b.npz", photo=PHOTO, record=RECORD, tab=TABLE)
    assert len(encode(tmp_path / "b.npz", whole.encoders).index) == N
    given = load_dataset({**parts})
    assert given.inputs == whole.inputs


@pytest.mark.parametrize(
    ("x", "told", "kind", "shape"),
    [
        (RNG.normal(size=(N, 1, 128, 9)), "series", "series", (9, 128)),
        (RNG.normal(size=(N, 1, 40, 40)), "series:first", "series", (40, 40)),
        (RNG.normal(size=(N, 30, 9)), "image", "image", (1, 30, 9)),
        (RNG.normal(size=(N, 3, 9)), "series:last", "series", (9, 3)),
        (np.cumsum(RNG.normal(size=(N, 40)), axis=1), "table", "table", (40,)),
        (RNG.normal(size=(N, 20)), "series", "series", (1, 20)),
        (RNG.uniform(-1, 1, size=(N, 400)), "audio:8000", "audio", (400,)),
    ],
)
def test_a_user_says_what_an_array_is(
    tmp_path: Path, x: np.ndarray, told: str, kind: str, shape: tuple[int, ...]
) -> None:
    data = read_twice((x, Y), x, columns={"x": told})
    assert [(spec.kind, spec.shape) for spec in data.inputs] == [(kind, shape)]
    np.savez(tmp_path / "a.npz", windows=x, y=Y)
    np.savez(tmp_path / "b.npz", windows=x)
    of_file = read_twice(tmp_path / "a.npz", tmp_path / "b.npz", columns={"windows": told})
    assert [(spec.kind, spec.shape) for spec in of_file.inputs] == [(kind, shape)]


@pytest.mark.parametrize(
    ("x", "told"),
    [
        (RNG.normal(size=(N, 20, 20)), "holds images: by its shape"),
        (RNG.normal(size=(N, 1, 30, 30)), "holds images: by its shape"),
        (RECORD, "holds series: by its shape"),
        (np.cumsum(RNG.normal(size=(N, 40)), axis=1), "holds series: neighbouring columns"),
        (PHOTO, None),
        (TABLE, None),
    ],
)
def test_what_an_array_is_taken_for_is_told(x: np.ndarray, told: str | None) -> None:
    lines = [line for line in load_dataset((x, Y)).summary if line.startswith("assumed")]
    assert len(lines) == (told is not None)
    assert told is None or (told in lines[0] and "--column x=" in lines[0])
    kind = load_dataset((x, Y)).inputs[0].kind
    named = load_dataset((x, Y), columns={"x": kind})
    assert not [line for line in named.summary if line.startswith("assumed")]


def test_a_tuple_of_rows_is_one_array() -> None:
    for rows in (tuple(TABLE), tuple(map(tuple, TABLE.tolist()))):
        assert kinds(load_dataset((rows, Y))) == {"table": ("table", (4,))}


@pytest.mark.parametrize(
    ("x", "columns", "message"),
    [
        (TABLE, {"x": "text"}, "kinds of columns are series, table, image, audio"),
        (TABLE, {"z": "series"}, "'z', to be read as series, is no column of arrays"),
        (RECORD, {"x": "table"}, r"a table has rows and columns. Reshape"),
        (RECORD, {"x": "series:left"}, "first or last, not 'left'"),
        (TABLE, {"x": "audio:loud"}, "samples a second, such as audio:16000, not 'loud'"),
        (
            {"a": TABLE[:, 0], "b": PHOTO},
            {"a": "series"},
            "cannot be read as series: a cell holds",
        ),
    ],
)
def test_what_an_array_cannot_be(x: Any, columns: dict[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset((x, Y), columns=columns)


@pytest.mark.parametrize(
    "rows",
    [
        UNEQUAL,
        [row.tolist() for row in UNEQUAL],
        [torch.tensor(row, requires_grad=True) for row in UNEQUAL],
        [np.stack([row, -row]) for row in UNEQUAL],
        [np.stack([row, -row, row], axis=1) for row in UNEQUAL],
    ],
)
def test_series_of_unequal_length(rows: list[Any]) -> None:
    data = read_twice((rows, Y), rows)
    (spec,) = data.inputs
    assert (spec.kind, spec.masked) == ("series", True)
    assert spec.shape[1] == 19
    few = encode(rows[:2], data.encoders)  # two rows, not x and y
    assert np.array_equal(few.x["series"], data.x["series"][:2], equal_nan=True)


class Pairs(TorchSet[Any]):
    """Rows of a picture, a series of its own length and a number, with a label."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, row: int) -> Any:
        x = {"photo": torch.tensor(PHOTO[row]), "steps": UNEQUAL[row], "age": float(row % 7)}
        return x, int(Y[row])


def test_rows_of_several_tensors() -> None:
    data = read_twice(Pairs(), Pairs())
    assert kinds(data)["steps"] == ("series", (1, 19))
    assert set(kinds(data)) == {"table", "photo", "steps"}


def png(pixels: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def wav(row: int) -> bytes:
    out = BytesIO()
    soundfile.write(out, np.sin(np.arange(800) * (row + 1) / 60), 8_000, format="WAV")
    return out.getvalue()


def test_files_in_the_cells_of_a_table(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "picture": [png(each) for each in PHOTO],
            "scan": [{"bytes": png(each), "path": "a.png"} for each in PHOTO],
            "sound": [wav(row) for row in range(N)],
            "age": TABLE[:, 0],
            "y": Y,
        }
    )
    frame.loc[3, "picture"] = None
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=20)
    data = load_dataset(frame, target="y")
    assert kinds(data) == {
        "table": ("table", (1,)),
        "picture": ("image", (1, 12, 12)),
        "scan": ("image", (1, 12, 12)),
        "sound": ("audio", (800,)),
    }
    kept = [row for row in range(N) if row != 3]
    assert np.array_equal(data.x["scan"][:, 0], PHOTO[kept])
    of_file = load_dataset(tmp_path / "a.parquet", target="y")
    assert of_file.fingerprint == data.fingerprint
    found = encode(tmp_path / "a.parquet", data.encoders)
    assert np.array_equal(found.x["picture"], data.x["picture"])
    assert "1 pictures of 'picture' are not named" in found.warnings[0]
    check_source(tmp_path / "a.parquet", target="y", batch_rows=25)


def test_pictures_in_memory_and_lists_of_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "shot": [Image.fromarray(each) for each in PHOTO],
            "steps": UNEQUAL,
            "vector": list(TABLE),
            "y": Y,
        }
    )
    told = {"shot": "image", "steps": "series", "vector": "table"}
    with pytest.raises(DataError, match=r"(?s)hold lists or records.*--column shot=series"):
        load_dataset(frame, target="y")
    data = read_twice(frame, frame, target="y", columns=told)
    assert kinds(data) == {
        "table": ("table", (4,)),
        "shot": ("image", (1, 12, 12)),
        "steps": ("series", (1, 19)),
    }
    frame.drop(columns="shot").to_parquet(tmp_path / "a.parquet")
    del told["shot"]
    read_twice(tmp_path / "a.parquet", tmp_path / "a.parquet", target="y", columns=told)


@pytest.mark.parametrize(
    ("bunch", "classes", "shape"),
    [
        (load_iris(), ("setosa", "versicolor", "virginica"), (4,)),
        (load_iris(as_frame=True), ("setosa", "versicolor", "virginica"), (4,)),
        (load_digits(), tuple("0123456789"), (1, 8, 8)),
        (load_diabetes(as_frame=True), (), (10,)),
    ],
)
def test_a_bunch_of_scikit_learn(
    bunch: Any, classes: tuple[str, ...], shape: tuple[int, ...]
) -> None:
    data = read_twice(bunch, bunch)
    assert data.target.classes == classes
    assert data.inputs[0].shape == shape
    assert len(read_labelled(bunch, data.encoders, data.target)) == len(bunch["data"])


def test_parts_in_a_dict(frame: pd.DataFrame) -> None:
    data = load_dataset({"train": frame, "test": frame[:7]}, target="smoker")
    assert len(data.splits.test) == 7
    arrays = load_dataset({"train": (TABLE, Y), "validation": (TABLE, Y), "test": (TABLE, Y)})
    assert len(arrays.splits.test) == N


def test_a_dict_of_values_is_one_row(frame: pd.DataFrame) -> None:
    data = load_dataset(frame, target="smoker")
    found = encode({"height": 1.5, "weight": 50.0, "town": "Bern"}, data.encoders)
    assert np.array_equal(found.x["table"], data.x["table"][:1])


def test_what_is_no_data() -> None:
    with pytest.raises(DataError, match="this is int"):
        load_dataset(7)
    with pytest.raises(DataError, match="y is str, not an array"):
        load_dataset((TABLE, "label"))
    with pytest.raises(DataError, match="no target is named"):
        load_dataset(pd.Series(TABLE[:, 0]))
