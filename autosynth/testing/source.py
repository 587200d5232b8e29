"""The contract of a source, as a check that reads one and raises an AssertionError.

What the rest of the house counts on: what is read twice is equal; as many batches as one makes the
same dataset, the same rows to predict and the same rows to score on; arrays are what their specs
say; splits are of different rows that are there; and what was learnt comes back from JSON. The
tests of this package run this very check over every form of data there is.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from autosynth.data import Dataset, encode, encode_parts, read_dataset, read_labelled
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.options import DataConfig

_SEEN_APART = ("x", "y", "splits", "seen", "warnings")
_OF_ROWS = ("index", "official", "fingerprint", "left_out")


def check_source(source: Any, *, batch_rows: int = 7, seed: int = 0, **options: Any) -> None:
    """Hold what is read of a source to the contract of every source.

    Args:
        source: as `load_dataset` takes it; its rows have a target.
        batch_rows: of the small batches that it is read in beside one batch.
        seed: of splits.
        options: as `load_dataset` takes them.

    Raises:
        AssertionError: it is broken; the message says how.
        AutosynthError: the source cannot be read at all.
    """
    config = DataConfig.from_arguments({**options, "seed": seed})
    many = Batching(rows=batch_rows)
    whole = read_dataset(source, config)
    _check_dataset(whole)
    for batching in (BY_SIZE, many):
        _check_equal(read_dataset(source, config, batching), whole)
    encoders = json.loads(json.dumps(whole.encoders))
    one, pieced = (encode(source, encoders, each) for each in (BY_SIZE, many))
    _check_arrays(pieced.x, one.x)
    assert list(pieced.index) == list(one.index), "rows to predict have other names in batches"
    _check_warnings(pieced.warnings, one.warnings)
    parts = list(encode_parts(source, encoders, many))
    _check_arrays({n: np.concatenate([part.x[n] for part in parts]) for n in one.x}, one.x)
    here, there = (
        read_labelled(source, encoders, whole.target, batching=each) for each in (many, BY_SIZE)
    )
    _check_arrays({**here.x, "the target": here.y}, {**there.x, "the target": there.y})
    _check_warnings(here.warnings, there.warnings)
    for name in _OF_ROWS:
        assert getattr(here, name) == getattr(there, name), f"rows to score differ in {name}"


def _check_dataset(data: Dataset) -> None:
    """Arrays are what specs say, and splits are of different rows that are there."""
    assert list(data.x) == [spec.name for spec in data.inputs]
    n = len(data.y)
    for spec in data.inputs:
        shape = data.x[spec.name].shape
        assert shape == (n, *spec.shape), f"{spec.name} has shape {shape}, its spec {spec.shape}"
    rows = np.concatenate([getattr(data.splits, each.name) for each in fields(data.splits)])
    assert len(np.unique(rows)) == len(rows), "a row stands in two splits"
    assert len(rows) == 0 or (rows.min() >= 0 and rows.max() < n), "a split has a row not there"


def _check_equal(found: Dataset, wanted: Dataset) -> None:
    splits = [each.name for each in fields(wanted.splits)]
    arrays, expected = (
        {**data.x, "the target": data.y} | {name: getattr(data.splits, name) for name in splits}
        for data in (found, wanted)
    )
    _check_arrays(arrays, expected)
    for name in (each.name for each in fields(Dataset) if each.name not in _SEEN_APART):
        same = getattr(found, name) == getattr(wanted, name)
        assert same, f"{name}: {getattr(found, name)!r} is not {getattr(wanted, name)!r}"
    _check_warnings(found.warnings, wanted.warnings)


def _check_arrays(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    assert list(found) == list(wanted)
    for name, values in wanted.items():
        assert found[name].dtype == values.dtype, f"{name} is {found[name].dtype} in batches"
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def _check_warnings(found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    """In any order: what is seen first depends on batches."""
    assert sorted(found) == sorted(wanted), f"warnings {found} are not {wanted}"
