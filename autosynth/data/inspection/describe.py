"""Says what was understood of a dataset, in the lines that `autosynth inspect` prints."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.column.column import MISSING, UNKNOWN, Column, IgnoredColumn
from autosynth.data.encoder.mappedarray import MappedArray
from autosynth.data.encoder.series import lengths
from autosynth.data.source.disktable import subsample
from autosynth.data.source.raw import Raw
from autosynth.data.spec import DATE, Dataset, InputSpec, TargetSpec
from autosynth.data.split.split import MIN_VALIDATION

_MAX_CLASSES = 12
_MAX_COLUMNS = 60
_MAX_CATEGORIES = 6
_MAX_CHANNELS = 6
_AXES = {
    "image": "channels x height x width",
    "series": "channels x steps",
    "audio": "samples",
    "ids": "places",
}
_MODES = {1: "grey", 3: "colour"}
_MAX_ROWS = 100_000
NOTHING: Mapping[str, str] = MappingProxyType({})


def describe(
    dataset: Dataset, raw: Raw, ignored: Sequence[IgnoredColumn], *, about: Sequence[str] = (),
    how: str = "", learnt: Mapping[str, str] = NOTHING,
) -> tuple[str, ...]:  # fmt: skip
    """Lines about rows, inputs, columns, target and splits; then what was set aside, and why.

    `about` are lines of the form's own; `how` says how rows were split, where that is its own;
    `learnt` on what scale the values of a target are learnt, by its name.
    """
    lines = [
        f"data        {dataset.name}: {len(dataset.y)} rows from {dataset.source}",
        *about,
    ]
    for spec, fitted in zip(dataset.inputs, dataset.encoders["inputs"], strict=True):
        x, train = _shown(dataset.x[spec.name], dataset.splits.train)
        lines += _input(spec, x, fitted)
        if spec.kind == "table":
            lines += _columns(fitted["columns"], x, train)
    lines += [
        f"set aside   {ignored_column.name}: {ignored_column.reason}"
        for ignored_column in ignored[:_MAX_COLUMNS]
    ]
    lines += _targets(dataset, learnt)
    lines.append(_splits(dataset, raw, how))
    lines.append(f"fingerprint {dataset.fingerprint}")
    return tuple(lines)


def _shown(x: NDArray[Any], train: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The rows that are described, and which are for training; of a map, some of these alone."""
    if not isinstance(x, MappedArray):
        return x, train
    chosen = subsample(train, _MAX_ROWS)
    return np.array(x[chosen]), np.arange(len(chosen))


def _input(spec: InputSpec, x: NDArray[Any], fitted: Mapping[str, Any]) -> Iterator[str]:
    if spec.kind == "text":
        yield from _text(spec, x, fitted)
        return
    if spec.kind == "ids":
        sizes = (x > 0).sum(1)
        cut = f"; {fitted['cut']:.2%} are longer and cut" if fitted["cut"] else ""
        yield (
            f"input       {spec.name}: ids, {sizes.min()} ... {sizes.max()} of them, mean "
            f"{sizes.mean():.1f}{cut}"
        )
        return
    if spec.kind == "table":
        dates = spec.cardinalities.count(DATE)
        categories = sum(size > 0 for size in spec.cardinalities)
        numbers = len(spec.cardinalities) - categories - dates
        told = f", {dates} dates" if dates else ""
        yield f"input       {spec.name}: {numbers} numbers, {categories} categories{told}"
        return
    size = "x".join(str(axis) for axis in spec.shape)
    what = _AXES[spec.kind]
    rate = f" at {spec.rate} Hz" if spec.rate else ""
    low, high = np.nanmin(x), np.nanmax(x)
    yield f"input       {spec.name}: {size} ({what}){rate}, {x.dtype}, {low:g} ... {high:g}"
    yield from _origin(spec, fitted)
    if spec.kind == "series" and np.isnan(x).any():
        steps = lengths(x)
        if steps.min() < spec.shape[1]:
            yield f"            lengths {steps.min()} ... {steps.max()}"


def _origin(spec: InputSpec, fitted: Mapping[str, Any]) -> Iterator[str]:
    """The columns that a series or files come from."""
    if "columns" in fitted:
        names = [column["name"] for column in fitted["columns"]]
        steps = spec.shape[1]
        firsts = range(0, len(names), steps)
        spans = [f"{names[first]} ... {names[first + steps - 1]}" for first in firsts]
        more = "; ..." if len(spans) > _MAX_CHANNELS else ""
        yield f"            of {'; '.join(spans[:_MAX_CHANNELS])}{more}"
        knots = fitted.get("knots", [()] * len(spans))
        tails = [span for span, found in zip(spans, knots, strict=True) if found]
        if tails:
            yield f"            long tails, so put on a normal scale: {'; '.join(tails)}"
    elif "column" in fitted:
        place = f"{fitted['folder']}/" if "folder" in fitted else ""
        yield f"            of files that column {fitted['column']!r} names: {place}..."
    if spec.kind == "image" and "sizes" in fitted:
        low, high = ("x".join(map(str, size)) for size in fitted["sizes"])
        sizes = low if low == high else f"{low} to {high}"
        now = "x".join(str(side) for side in spec.shape[1:])
        resized = "" if low == high == now else f", resized to {now}"
        yield f"            {_MODES[spec.shape[0]]}, files are {sizes}{resized}"


def _text(spec: InputSpec, x: NDArray[Any], fitted: Mapping[str, Any]) -> Iterator[str]:
    """Nothing of tokenisations for pretrained networks: the text is said once."""
    if spec.of:
        return
    tokens = (x > 0).sum(1) - 1  # the first says where the text starts
    cut = f"; {fitted['cut']:.2%} are longer and cut" if fitted["cut"] else ""
    yield (
        f"input       {spec.name}: text, {tokens.min()} ... {tokens.max()} tokens, mean "
        f"{tokens.mean():.1f}, of a vocabulary of {fitted['vocabulary']}{cut}"
    )


def _columns(
    columns: Sequence[dict[str, Any]], x: NDArray[Any], train: NDArray[np.int64]
) -> Iterator[str]:
    width = max(len(column["name"]) for column in columns[:_MAX_COLUMNS])
    for place, data in enumerate(columns[:_MAX_COLUMNS]):
        column = Column.from_dict(data)
        values = x[train, place]
        yield f"column      {column.name:<{width}}  {_values(column, values)}"
    if len(columns) > _MAX_COLUMNS:
        yield f"            ... and {len(columns) - _MAX_COLUMNS} columns more"


def _values(column: Column, values: NDArray[Any]) -> str:
    if column.kind == "category":
        shown = ", ".join(column.categories[:_MAX_CATEGORIES])
        more = ", ..." if len(column.categories) > _MAX_CATEGORIES else ""
        absent = _share((values == MISSING).mean(), "missing")
        unknown = _share((values == UNKNOWN).mean(), "unknown")
        return f"category, {len(column.categories)}: {shown}{more}{absent}{unknown}"
    missing = np.isnan(values).mean()
    low, high = np.nanmin(values), np.nanmax(values)
    if column.kind == "date":
        first, last = (np.datetime64(int(day), "D") for day in (low, high))
        return f"date, {first} ... {last}{_share(missing, 'missing')}"
    return f"number, {low:g} ... {high:g}{_share(missing, 'missing')}"


def _share(share: float, what: str) -> str:
    return f"; {share:.2%} {what}" if share else ""


def _targets(dataset: Dataset, learnt: Mapping[str, str]) -> Iterator[str]:
    y = dataset.y.reshape(len(dataset.y), -1)
    for part, _, columns in dataset.target.fields:
        yield _target(part, y[:, columns])
        if part.name in learnt:
            yield f"            {learnt[part.name]}"


def _target(spec: TargetSpec, y: NDArray[Any]) -> str:
    """One target and its true values (n, columns)."""
    if not spec.classes:
        what = f"the next {spec.steps} steps" if spec.task == "forecasting" else "regression"
        return f"target      {spec.name}: {what}, {y.min():g} ... {y.max():g}, mean {y.mean():g}"
    counts = y.sum(0).astype(int)
    if spec.is_coded:
        counts = np.bincount(y[:, 0].astype(np.int64), minlength=len(spec.classes))
    listed = ", ".join(
        f"{name} ({count})"
        for name, count in zip(spec.classes[:_MAX_CLASSES], counts, strict=False)
    )
    more = ", ..." if len(spec.classes) > _MAX_CLASSES else ""
    what = {"multilabel": "labels", "ranking": "items"}.get(spec.task, "classes")
    return f"target      {spec.name}: {spec.task}, {len(spec.classes)} {what}: {listed}{more}"


def _splits(dataset: Dataset, raw: Raw, how: str) -> str:
    splits = dataset.splits
    sizes = ", ".join(
        f"{name} {len(getattr(splits, name))}"
        for name in ("train", "calibration", "validation", "test")
    )
    official = ["test"] if raw.test else []
    if raw.validation and len(raw.validation) >= MIN_VALIDATION:
        official.insert(0, "validation")
    how = how or (f"official {' and '.join(official)}" if official else "drawn from the seed")
    return f"splits      {sizes} ({how})"
