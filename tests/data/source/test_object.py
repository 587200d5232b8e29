"""Objects of every library become frames of plain columns, or arrays of plain numbers."""

from collections import namedtuple
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from scipy.sparse import csr_array

from autosynth.data import encode, load_dataset, read_labelled
from autosynth.data.source.object import normalised, plain_column, unequal_steps
from autosynth.errors import DataError

RNG = np.random.default_rng(0)
Y = np.arange(60) % 2


def arrow(kind: pa.DataType, values: list[Any]) -> "pd.Series[Any]":
    return pd.Series(pd.array(values, dtype=pd.ArrowDtype(kind)))


@pytest.mark.parametrize(
    ("column", "dtype", "values"),
    [
        (arrow(pa.string(), ["a", None]), "str", ["a", None]),
        (arrow(pa.int32(), [1, 2]), "int32", [1, 2]),
        (arrow(pa.int64(), [1, None]), "float64", [1.0, None]),
        (arrow(pa.bool_(), [True, False]), "bool", [True, False]),
        (arrow(pa.bool_(), [True, None]), "object", [True, None]),
        (arrow(pa.decimal128(5, 2), [Decimal("1.50"), None]), "float64", [1.5, None]),
        (arrow(pa.date32(), [date(2020, 1, 2), None]), "object", [date(2020, 1, 2), None]),
        (arrow(pa.float16(), np.array([1.5, 2], np.float16)), "float32", [1.5, 2.0]),
        (arrow(pa.dictionary(pa.int8(), pa.string()), ["a", None]), "category", ["a", None]),
        (pd.Series([1, None], dtype="Int64"), "float64", [1.0, None]),
        (pd.Series(["a", None], dtype="string"), "str", ["a", None]),
        (pd.Series(["a", "b"], dtype="string").astype("category"), "category", ["a", "b"]),
        (pd.Series(pd.arrays.SparseArray([0, 3])), "int64", [0, 3]),
        (pd.Series(pd.interval_range(0, 2)), "str", ["(0, 1]", "(1, 2]"]),
        (pd.Series([Path("a.png"), None], dtype=object), "str", ["a.png", None]),
        (pd.Series(["a", pd.NA], dtype=object), "object", ["a", None]),
        (pd.Series([torch.tensor(1.5), 2.0], dtype=object), "object", [1.5, 2.0]),
    ],
)
def test_a_column_has_a_plain_type(
    column: "pd.Series[Any]", dtype: str, values: list[Any]
) -> None:
    found = plain_column(column)
    assert found.dtype == dtype
    assert [None if pd.isna(value) else value for value in found] == values


def test_what_is_plain_is_not_copied() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": pd.Categorical(["u", "v"])})
    assert normalised(frame) is frame


def test_months_are_dates() -> None:
    found = plain_column(pd.Series(pd.period_range("2020-01", periods=2, freq="M")))
    assert list(found) == [pd.Timestamp("2020-01-01"), pd.Timestamp("2020-02-01")]


def people(n: int = 60) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "height": [1.5 + (i * 7 % 60) / 100 if i % 9 else None for i in range(n)],
            "town": [("Bern", "Basel", "Chur", None)[i % 4] for i in range(n)],
            "flag": [i % 3 == 0 for i in range(n)],
            "smoker": [("no", "yes")[i * 7 % 11 > 5] for i in range(n)],
        }
    )


def in_forms(frame: pd.DataFrame) -> dict[str, Any]:
    """One table as many libraries hold it."""
    table = pa.Table.from_pandas(frame)
    Row = namedtuple("Row", list(frame))
    return {
        "pandas with Arrow": table.to_pandas(types_mapper=pd.ArrowDtype),
        "pandas with NA": frame.convert_dtypes(),
        "table": table,
        "batch": table.to_batches()[0],
        "columns": {name: frame[name].tolist() for name in frame},
        "arrays": {name: frame[name].to_numpy() for name in frame},
        "records": frame.to_dict("records"),
        "tuples": [Row(*row) for row in frame.itertuples(index=False)],
        "structured": frame.to_records(index=False),
    }


@pytest.mark.parametrize("form", in_forms(people()))
def test_one_table_in_every_form(form: str) -> None:
    frame = people()
    expected = load_dataset(frame, target="smoker", test=frame)
    source = in_forms(frame)[form]
    data = load_dataset(source, target="smoker", test=source)
    assert data.inputs == expected.inputs
    assert data.target == expected.target
    assert data.fingerprint == expected.fingerprint
    found = encode(source, expected.encoders)
    assert np.array_equal(found.x["table"], expected.x["table"][:60], equal_nan=True)
    scored = read_labelled(source, expected.encoders, expected.target)
    assert np.array_equal(scored.y, expected.y[:60])


class ByArrow:
    """A frame of a library that hands out a stream of Arrow, and nothing else."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return pa.Table.from_pandas(people()).__arrow_c_stream__(requested_schema)


class ByPandas:
    """A frame of a library that can be turned into pandas, and nothing else."""

    def to_pandas(self) -> pd.DataFrame:
        return people().convert_dtypes()


class ByArray:
    """An array of a library that numpy can read."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.ones((2, 3))


@pytest.mark.parametrize("source", [ByArrow(), ByPandas()])
def test_frames_of_any_library(source: Any) -> None:
    expected = load_dataset(people(), target="smoker")
    assert load_dataset(source, target="smoker").fingerprint == expected.fingerprint
    found = encode(source, expected.encoders)
    assert np.array_equal(found.x["table"], expected.x["table"], equal_nan=True)


def test_arrays_of_any_library() -> None:
    assert normalised(ByArray()).shape == (2, 3)


def test_frames_and_series_of_polars() -> None:
    polars = pytest.importorskip("polars")
    of_polars = polars.from_pandas(people())
    for form in (of_polars, of_polars.lazy()):
        found = normalised(form)
        assert list(found["town"].fillna("")) == list(people()["town"].fillna(""))
    series = normalised(polars.Series("v", [1.5, None]))
    assert series.name == "v"
    assert series.isna().tolist() == [False, True]


@pytest.mark.parametrize(
    "x",
    [
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True),
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.bfloat16),
        torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float16).to_sparse(),
        [torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])],
        np.array([[1, 2], [3, 4]], dtype=">i4"),
        np.asfortranarray([[1.0, 2.0], [3.0, 4.0]]),
        np.array([[1, 2], [3, 4]], dtype=np.float16),
        np.array([[1, 2], [3, 4]], dtype=object),
        np.array([[1, 2], [3, 4]], dtype=np.longdouble),
        csr_array([[1.0, 2.0], [3.0, 4.0]]),
        np.array([None, None], dtype=object),
    ],
)
def test_arrays_of_any_type_and_layout(x: Any) -> None:
    if isinstance(x, np.ndarray) and x.shape == (2,):  # an array of arrays
        x[:] = [np.array([1.0, 2.0]), np.array([3.0, 4.0])]
    found = normalised(x)
    assert isinstance(found, np.ndarray)
    assert found.astype(float).tolist() == [[1, 2], [3, 4]]
    assert found.dtype.isnative


def test_a_mask_says_what_is_missing() -> None:
    x = np.ma.masked_array(np.arange(120).reshape(60, 2), mask=np.arange(120) % 7 == 0)
    data = load_dataset((x, Y))
    assert np.array_equal(np.isnan(data.x["table"]), x.mask)
    named = np.ma.masked_array(["a", "b"], mask=[False, True])
    assert list(normalised(named)) == ["a", None]
    whole = np.ma.masked_array([1, 2], mask=False)
    assert normalised(whole).dtype == whole.dtype
    y = np.ma.masked_array(RNG.normal(size=60), mask=np.arange(60) < 5)
    assert len(load_dataset((x, y)).splits.unlabelled) == 5


def test_read_only_and_mapped_arrays(tmp_path: Path) -> None:
    x = RNG.normal(size=(60, 3)).astype(">f4")
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    expected = load_dataset((x.astype("f4"), Y))
    data = load_dataset((mapped, Y))
    assert np.array_equal(data.x["table"], expected.x["table"])
    assert np.array_equal(encode(mapped, data.encoders).x["table"], expected.x["table"])


@pytest.mark.parametrize(
    ("rows", "channels", "shape"),
    [
        ([np.zeros(3), np.zeros(5)], "none", (2, 5)),
        ([[1, 2], [3]], "none", (2, 2)),
        ([np.zeros((2, 3)), np.zeros((2, 5))], "first", (2, 2, 5)),
        ([torch.zeros(3, 2), torch.zeros(5, 2)], "last", (2, 5, 2)),
    ],
)
def test_series_of_unequal_length_end_in_nan(
    rows: list[Any], channels: str, shape: tuple[int, ...]
) -> None:
    assert unequal_steps(rows) == channels
    found = normalised(rows)
    assert found.shape == shape
    assert np.isnan(found).sum() == found.size - sum(np.asarray(row).size for row in rows)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"a": [1, 2], "b": [1]}, "'a' has 2, 'b' has 1"),
        ([np.zeros((2, 3)), np.zeros((3, 4))], r"2 shapes: \(2, 3\), \(3, 4\)"),
        ([np.zeros((2, 3, 3)), np.zeros((2, 4, 3))], "give pictures as files"),
        (np.array([[[{}]]], dtype=object), "holds what is no number"),
    ],
)
def test_what_makes_no_rows(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        normalised(source)


def test_one_number_is_no_rows() -> None:
    with pytest.raises(DataError, match=r"of shape \(\).*x\.reshape\(1, -1\)"):
        load_dataset((np.array(3.0), np.array([1])))
