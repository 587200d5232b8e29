"""Columns of numbers that are taken together are read as each of them alone."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from autosynth.data.column.column import Column, IgnoredColumn, encode_column, encode_columns
from autosynth.data.column.inference import infer_columns
from autosynth.data.encoder.frame import fit_frame, understood_columns
from autosynth.scale import PLAIN, fit_unit, fit_units

N = 300
DAYS = pd.date_range("2024-01-01", periods=N)


def mixed() -> pd.DataFrame:
    """Columns of all that numbers may turn out to be, among others."""
    rng = np.random.default_rng(0)
    x, gaps = rng.normal(size=(N, 5)), rng.random((N, 5)) < 0.2
    whole = rng.integers(0, 1000, size=N)
    numbers = {
        "plain": x[:, 0],
        "gaps": np.where(gaps[:, 0], np.nan, x[:, 1]),
        "single": x[:, 2].astype(np.float32),
        "half": x[:, 3].astype(np.float16),
        "counts": whole,
        "small": (whole % 7).astype(np.uint8),
        "flag": whole % 2,
        "whole_gaps": np.where(gaps[:, 1], np.nan, whole),
        "epoch": 1.7e12 + 1e3 * x[:, 0],
        "meter_gaps": np.where(gaps[:, 2], np.nan, 1e9 + 10 * x[:, 1]),
        "tiny": 1e-12 * x[:, 2],
        "vast": np.where(gaps[:, 3], 1e300, x[:, 3]),
        "infinite": np.where(gaps[:, 4], np.inf, x[:, 4]),
        "mostly_zero": np.where(whole < 990, 0.0, x[:, 0]),
        "constant": np.ones(N),
        "constant_gaps": np.where(gaps[:, 0], np.nan, 1.0),
        "nothing": np.full(N, np.nan),
        "never_finite": np.where(gaps[:, 0], np.nan, np.inf),
        "counter": np.arange(N) + 17,
        "counter_float": np.arange(N) - 4.0,
        "row_id": rng.permutation(N) * 3,
        "day": DAYS.strftime("%Y%m%d").astype(int),
        "codes": (2**53 + rng.integers(0, 2**49, size=N)),
        "amounts": -np.abs(x[:, 0]).round(3) * 1e17,
    }
    others = {
        "colour": np.array(["red", "green", "blue"])[whole % 3],
        "yes": whole % 2 == 0,
        "written": [f"{1000 + v:,}.50" for v in whole],
        "date": DAYS.strftime("%d.%m.%Y"),
        "span": [f"{v % 24:02d}:{v % 60:02d}:00" for v in whole],
    }
    names = [*numbers, *others]
    order = [names[place] for place in rng.permutation(len(names))]  # no kind stands by itself
    return pd.DataFrame({**numbers, **others})[order]


def alone(frame: pd.DataFrame) -> pd.DataFrame:
    """The same cells of pandas' own types, whose columns are taken one by one."""
    kinds = {"f": "Float64", "i": "Int64", "u": "UInt8"}
    types = {n: kinds[t.kind] for n, t in frame.dtypes.items() if t.kind in kinds}
    return frame.astype(types)


def test_what_columns_are_is_found_as_of_each_alone() -> None:
    frame = mixed()
    together = infer_columns(frame, np.arange(N))
    assert together == [infer_columns(alone(frame[[n]]), np.arange(N))[0] for n in frame]
    aside = {each.name for each in together if isinstance(each, IgnoredColumn)}
    assert {"constant", "nothing", "never_finite", "counter", "row_id", "codes"} <= aside
    kinds = {each.name: each.kind for each in together if isinstance(each, Column)}
    assert kinds["day"] == "date"
    assert kinds["amounts"] == kinds["epoch"] == kinds["span"] == "number"


def test_columns_are_encoded_as_each_alone() -> None:
    frame = mixed()
    encoders, _ = fit_frame(frame, np.arange(N), width=None)
    cells = [column for encoder in encoders for column in understood_columns(encoder)]
    told: list[str] = []
    x = encode_columns(frame, cells, told)
    each = [encode_column(frame[column.name], column) for column in cells]
    with np.errstate(over="ignore"):
        single = np.column_stack([values for values, _ in each]).astype(np.float32)
    assert x.tobytes() == single.tobytes()
    assert told == [text for _, texts in each for text in texts]
    assert any(text.startswith("column 'infinite'") for text in told)
    other, _ = fit_frame(alone(frame), np.arange(N), width=None)
    assert [each.to_dict() for each in encoders] == [each.to_dict() for each in other]


def test_units_are_those_of_each_column_alone() -> None:
    frame = mixed().select_dtypes("number")
    x = frame.to_numpy(np.float64)
    units = fit_units(x)
    assert units == [fit_unit(x[:, column]) for column in range(x.shape[1])]
    centered = {n for n, unit in zip(frame, units, strict=True) if unit != PLAIN}
    assert {"epoch", "meter_gaps", "tiny"} <= centered


@given(
    x=hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 5))),
    whole=st.sampled_from([0, 7]),
)
def test_units_of_any_numbers_are_those_of_each_column_alone(x: np.ndarray, whole: int) -> None:
    with np.errstate(all="ignore"):
        assert fit_units(x, whole=whole) == [fit_unit(column, whole=whole) for column in x.T]


@pytest.mark.parametrize("stems", [("gene",), ("gene", "probe", "site")])
def test_a_table_of_20_000_numbered_columns_is_understood(stems: tuple[str, ...]) -> None:
    each = 20_000 // len(stems)
    names = [f"{stem}{number}" for stem in stems for number in range(each)]
    x = np.random.default_rng(0).normal(size=(60, len(names)))
    encoders, ignored = fit_frame(pd.DataFrame(x, columns=names), np.arange(60), width=None)
    assert [len(encoder.columns) for encoder in encoders] == [len(names)]
    assert not ignored
