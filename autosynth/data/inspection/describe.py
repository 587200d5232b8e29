"""Says what was understood of a dataset, in the lines that `autosynth inspect` prints."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.data.column.column import IgnoredColumn
from autosynth.data.encoder.encoder import ASSUMED, Encoder
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.source.mappedarray import bytes_on_disk
from autosynth.data.source.raw import Raw
from autosynth.data.source.rows import subsample
from autosynth.number import date_text, range_text
from autosynth.spec import Dataset, TargetSpec
from autosynth.task.target import DAYS
from autosynth.task.task import task_of

_MAX_CLASSES = 12
_MAX_COLUMNS = 60
_MAX_ROWS = 100_000
NOTHING: Mapping[str, str] = MappingProxyType({})


def describe(
    dataset: Dataset,
    raw: Raw,
    ignored: Sequence[IgnoredColumn],
    *,
    about: Sequence[str] = (),
    how: str = "",
    learnt: Mapping[str, str] = NOTHING,
    assumed: Sequence[str] = (),
    fitted: Sequence[Encoder] = (),
) -> tuple[str, ...]:
    """Lines about rows, inputs, columns, target and splits; then what was set aside, and why.

    `about` are lines of the form's own; `how` says how rows were split, where that is its own;
    `learnt` on what scale the values of a target are learnt, by its name; `assumed` what was taken
    for granted of the target's cells; `fitted` are the encoders as they were just fitted, which
    know what they assumed: those of a dataset that was loaded do not.
    """
    lines = [
        f"data        {dataset.name}: {len(dataset.y)} rows from {dataset.source}",
        *about,
        *(f"{ASSUMED}{text}" for text in raw.assumed),
    ]
    for encoder in fitted or encoders_from(dataset.encoders):
        lines += encoder.describe(*_shown(dataset.x[encoder.name], dataset.splits.train))
    lines += [
        f"set aside   {ignored_column.name}: {ignored_column.reason}"
        for ignored_column in ignored[:_MAX_COLUMNS]
    ]
    lines += _targets(dataset, learnt)
    lines += _weights(dataset)
    lines += [f"{ASSUMED}{text}" for text in assumed]
    lines.append(_splits(dataset, raw, how))
    lines.append(f"fingerprint {dataset.fingerprint}")
    return tuple(lines)


def _shown(x: NDArray[Any], train: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The rows that are described, and which are for training; of a map, some of these alone."""
    if not bytes_on_disk(x):
        return x, train
    chosen = subsample(train, _MAX_ROWS)
    return np.array(x[chosen]), np.arange(len(chosen))


def _targets(dataset: Dataset, learnt: Mapping[str, str]) -> Iterator[str]:
    y = dataset.y.reshape(len(dataset.y), -1)
    for part, _, columns in dataset.target.fields:
        yield _target(part, y[:, columns])
        if part.name in learnt:
            yield f"            {learnt[part.name]}"


def _weights(dataset: Dataset) -> Iterator[str]:
    """How much rows and classes count, where they do not count alike."""
    if dataset.weights is not None:
        own = dataset.weights[np.concatenate([*vars(dataset.splits).values()])]
        ends = range_text(float(own.min()), float(own.max()))
        what = f"column {dataset.weight}" if dataset.weight else "as given"
        yield f"weights     {what}: {ends}, mean 1 of training rows; in losses, fits and scores"
    if dataset.class_weights:
        named = zip(dataset.target.classes, dataset.class_weights, strict=True)
        listed = ", ".join(f"{name} {value:.4g}" for name, value in [*named][:_MAX_CLASSES])
        more = ", ..." if len(dataset.class_weights) > _MAX_CLASSES else ""
        yield f"            of classes: {listed}{more}; in losses and fits, not in scores"


def _target(spec: TargetSpec, y: NDArray[Any]) -> str:
    """One target and its true values (n, columns)."""
    if not spec.classes:
        what = task_of(spec).about(spec)
        if spec.unit == DAYS:
            days = map(float, (y.min(), y.max(), y.mean()))
            low, high, mean = (date_text(day, spec.form) for day in days)
            return f"target      {spec.name}: {what}, {low} ... {high}, mean {mean}"
        ends = range_text(y.min(), y.max())
        return f"target      {spec.name}: {what}, {ends}, mean {y.mean():g}"
    counts = np.nansum(y, axis=0).astype(int)
    if spec.is_coded:
        counts = np.bincount(y[:, 0].astype(np.int64), minlength=len(spec.classes))
    listed = ", ".join(
        f"{name} ({count})"
        for name, count in zip(spec.classes[:_MAX_CLASSES], counts, strict=False)
    )
    more = ", ..." if len(spec.classes) > _MAX_CLASSES else ""
    what = task_of(spec).noun
    return f"target      {spec.name}: {spec.task}, {len(spec.classes)} {what}: {listed}{more}"


def _splits(dataset: Dataset, raw: Raw, how: str) -> str:
    splits = dataset.splits
    sizes = ", ".join(
        f"{name} {len(getattr(splits, name))}"
        for name in ("train", "calibration", "validation", "test")
    )
    official = ["test"] if raw.test else []
    if raw.validation:
        official.insert(0, "validation")
    how = how or (f"official {' and '.join(official)}" if official else "drawn from the seed")
    return f"splits      {sizes} ({how})"
