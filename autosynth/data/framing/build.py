"""Makes a `Dataset` of rows that were read.

The target is understood, rows are split, encoders are fitted on training rows, everything is
encoded. Rows of arrays are encoded at once, and those of tables when they are split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.data.column.choice import choose, date_detail
from autosynth.data.column.column import IgnoredColumn
from autosynth.data.column.path import subfolders
from autosynth.data.column.timetarget import read_times
from autosynth.data.encoder.apply import adapted, apply, apply_by_part, unfamiliar_in
from autosynth.data.encoder.encoder import Applied, Encoder
from autosynth.data.encoder.frame import ARRAY_ENCODERS, fit_frame, understood_columns
from autosynth.data.framing.join import JoinedRows, settled
from autosynth.data.framing.weight import RowWeights, config_weights, weighed
from autosynth.data.inspection.describe import describe
from autosynth.data.inspection.leak import leaks
from autosynth.data.inspection.scalechoice import choose_scales
from autosynth.data.source.classfolder import AUDIO_COLUMN
from autosynth.data.source.framefolder import FRAMES_COLUMN
from autosynth.data.source.frames import check_flat
from autosynth.data.source.layout import Layout
from autosynth.data.source.mappedarray import concatenate_rows
from autosynth.data.source.raw import Raw, fingerprint, headers_of
from autosynth.data.source.rows import BatchedRows, rows_of
from autosynth.data.source.tablefile import as_table
from autosynth.data.split.equalrows import split_rows
from autosynth.data.split.split import without
from autosynth.data.split.splitkeys import SplitKeys, split_keys_of
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.spec import Dataset
from autosynth.task.read import infer_target
from autosynth.task.regression import Regression
from autosynth.task.target import Target, TimeUnit
from autosynth.task.task import task_of

_MIN_ROWS = 10
_MOST_BESIDE = 20_000  # rows that are asked which comes first in a date, the day or the month


@dataclass(frozen=True, kw_only=True)
class _LoadState:
    """Rows on their way: those of arrays are encoded at once, and those of tables when split."""

    rows: JoinedRows
    inputs: Sequence[Encoder] = ()
    x: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    ignored: tuple[IgnoredColumn, ...] = ()
    drop: frozenset[str] = frozenset()
    split_keys: SplitKeys = field(default_factory=SplitKeys)
    weights: RowWeights | None = None
    keep: NDArray[np.int64] | None = None
    warnings: tuple[str, ...] = ()

    def counting(self) -> "_LoadState":
        """Without the rows of weight 0."""
        if self.weights is None:
            return self
        keep = self.weights.counting
        return replace(
            self,
            rows=self.rows.only(keep),
            split_keys=self.split_keys.only(keep),
            weights=self.weights.of(keep),
            warnings=(*self.warnings, *self.weights.warnings),
        )


def understand_array(raw: Raw, rows: JoinedRows, layout: Layout, config: DataConfig) -> _LoadState:
    """Rows of one array, encoded."""
    if flags := [flag for flag in config.column_options if flag != "--column"]:
        raise DataError(
            f"only columns of a table can be named with {flags[0]}; {raw.source} has none."
        )
    assert raw.main is not None
    x = rows.x if layout.kind == "series" else rows_of(raw.main.x)
    fitted = ARRAY_ENCODERS[layout.kind].fit_array(x.whole(), layout)
    applied = apply([fitted], rows.x, raw.source)
    x = rows_of(applied.x[fitted.name], rows.x.batching)
    weights = _weights(raw, rows.x, rows, config)
    state = _LoadState(
        rows=rows.only(applied.keep, x),
        inputs=[fitted],
        weights=None if weights is None else weights.of(applied.keep),
        warnings=applied.warnings,
    )
    return state.counting()


def understand_table(raw: Raw, rows: JoinedRows, layout: Layout, config: DataConfig) -> _LoadState:
    """Rows of a table, without the columns that make no input."""
    table = as_table(rows.x)
    assert raw.main is not None
    columns = table.columns
    beside = [name for name in subfolders(raw.main.folder) if name not in columns]
    dropped = choose([*columns, *beside], raw.source, drop=config.drop).drop
    detail = date_detail(config.time or "", config.columns)
    keys = split_keys_of(table, config.group, config.time, raw.source, detail)
    weights = _weights(raw, table, rows, config)
    unused = {*dropped, *config.group, config.weight}
    table = table.drop([name for name in columns if name in unused])
    if not table.columns and not set(beside) - dropped:
        raise DataError(
            f"{raw.source} has no column beside its target {raw.target!r} to learn from."
        )
    state = _LoadState(rows=replace(rows, x=table), drop=dropped, split_keys=keys, weights=weights)
    return state.counting()


def _weights(raw: Raw, x: BatchedRows, rows: JoinedRows, config: DataConfig) -> RowWeights | None:
    """The weights of all rows that are asked for."""
    given = config.weight is not None and not isinstance(config.weight, str)
    if given and len(np.unique(rows.part)) > 1:
        raise DataError(
            f"weight= gives a number a row of one part, and {raw.source} has several; put the "
            "weights into a column of each, and name it."
        )
    return config_weights(config, x, raw.source, raw.decimal)


def build_dataset(
    raw: Raw, state: _LoadState, config: DataConfig, kinds: Mapping[str, str]
) -> Dataset:
    """Target, splits and encoders of the rows that were found.

    `kinds` are those that columns of the target are said to be.
    """
    rows, told = settled(state.rows, raw, config, kinds)
    goal = _goal(rows, raw, config, kinds)
    spare = rows.only(goal.missing[rows.part[goal.missing] != "test"])
    rows, keys = rows.only(goal.keep), state.split_keys.only(goal.keep)
    weights = None if state.weights is None else state.weights.of(goal.keep)
    _check_size(rows, raw)
    few = task_of(goal.spec).few_classes
    copies = split_rows(
        goal.y,
        rows.x,
        rows.parts(),
        keys,
        stratified=few,
        seed=config.seed,
        folders=rows.folder_of_rows(),
    )
    splits = copies.splits
    state = _fit(replace(state, rows=rows), raw, splits.train, config)
    if state.keep is not None and len(state.keep) < len(goal.y):
        splits = without(splits, state.keep, len(goal.y))
        goal = goal.of_readable(state.keep, raw.source)
        weights = None if weights is None else weights.of(state.keep)
        _check_size(rows.only(state.keep), raw)
    dataset = Dataset(
        name=raw.name,
        source=raw.source,
        inputs=tuple(encoder.spec for encoder in state.inputs),
        target=goal.spec,
        x=state.x,
        y=goal.y,
        splits=splits,
        encoders=_learnt(state.inputs, raw, config.weight),
        fingerprint=fingerprint(raw.main, raw.validation, raw.test, batching=rows.x.batching),
        independent=not keys.asked and raw.validation is None and copies.are_few,
        warnings=(
            *raw.warnings,
            *rows.warnings,
            *keys.warnings,
            *told,
            *goal.warnings,
            *state.warnings,
            *copies.warnings,
        ),
    )
    dataset = weighed(dataset, weights, config)
    raw = replace(raw, assumed=(*raw.assumed, *keys.assumed))
    dataset = _inspected(dataset, raw, state, (*goal.assumed, *copies.assumed))
    return _with_unlabelled(dataset, state.inputs, spare) if len(spare.part) else dataset


def _goal(rows: JoinedRows, raw: Raw, config: DataConfig, kinds: Mapping[str, str]) -> Target:
    """The target of all rows; dates and spans of time are learnt as numbers."""
    y, times = rows.y, dict[str, TimeUnit]()
    told = doubts = tuple[str, ...]()
    if config.task in (None, Regression.name):

        def beside() -> pd.DataFrame:
            few = rows.x.only(np.arange(min(len(rows.part), _MOST_BESIDE)))
            return few.whole() if few.is_table else pd.DataFrame()

        certain = config.task is not None
        y, times, told, doubts = read_times(y, raw.target, beside, certain=certain, kinds=kinds)
    goal = infer_target(
        y,
        raw.target,
        task=config.task,
        in_test=rows.part == "test",
        labels=raw.labels,
        coded=raw.kind is None,
        decimal=raw.decimal,
        kinds={name: kind.partition(":")[0] for name, kind in kinds.items()},
        times=times,
    )
    return replace(goal, assumed=(*told, *goal.assumed), warnings=(*doubts, *goal.warnings))


def _learnt(inputs: Sequence[Encoder], raw: Raw, weight: Any) -> dict[str, Any]:
    """What is kept of the data: its encoders, and the headers that other files of it may lack.

    Rows to predict need no column of a `weight` either.
    """
    headers = [list(names) for names in headers_of(raw)]
    if headers and weight in headers[-1]:
        headers.append([name for name in headers[-1] if name != weight])
    learnt = {"inputs": [encoder.to_dict() for encoder in inputs]}
    return {**learnt, "headers": headers} if headers else learnt


def _inspected(dataset: Dataset, raw: Raw, state: _LoadState, assumed: Sequence[str]) -> Dataset:
    """The dataset with the scales that it is learnt on, and what a user should know of it."""
    choice = choose_scales(dataset)
    dataset = replace(dataset, scales=choice.scales, warnings=(*dataset.warnings, *leaks(dataset)))
    lines = describe(
        dataset,
        raw,
        state.ignored,
        learnt=choice.reasons,
        assumed=assumed,
        fitted=state.inputs,
    )
    return replace(dataset, summary=lines)


def _with_unlabelled(dataset: Dataset, inputs: Sequence[Encoder], rows: JoinedRows) -> Dataset:
    """The dataset with rows that have no target after its own."""
    applied = _encoded(inputs, rows, dataset.source)
    x, n, more, own = applied.x, len(dataset.y), len(applied.keep), dataset.weights
    return replace(
        dataset,
        x={
            name: concatenate_rows([values, x[name]], rows.x.batching)
            for name, values in dataset.x.items()
        },
        y=np.concatenate([dataset.y, np.zeros((more, *dataset.y.shape[1:]), dataset.y.dtype)]),
        weights=None if own is None else np.concatenate([own, np.ones(more)]),
        splits=replace(dataset.splits, unlabelled=np.arange(n, n + more)),
    )


def _encoded(inputs: Sequence[Encoder], rows: JoinedRows, source: str) -> Applied:
    """The arrays of the inputs; those of arrays are what `rows` hold."""
    if not rows.x.is_table:
        return Applied(x={inputs[0].name: rows.x.whole()}, keep=np.arange(len(rows.part)))
    return apply_by_part(inputs, rows.x, rows.part, source, rows.folder_of_rows())


def _fit(state: _LoadState, raw: Raw, train: NDArray[np.int64], config: DataConfig) -> _LoadState:
    """Inputs of a table's columns, understood on training rows; and the arrays of all inputs."""
    rows, inputs, ignored = state.rows, state.inputs, state.ignored
    told = tuple[str, ...]()
    if not inputs:
        assert raw.main is not None
        main = rows_of(raw.main.x)
        chosen = rows.x.sample(train)
        sample = rows.x.only(chosen).whole()
        check_flat(sample, raw.source, {*raw.cells, *config.columns})
        inputs, ignored = fit_frame(
            sample,
            np.arange(len(chosen)),
            width=None if main.is_table else int(main.whole().shape[-1]),
            kinds=state.split_keys.kinds_of(sample.columns, _kinds(raw, config, main.is_table)),
            keep=config.keep,
            drop=tuple(state.drop),
            folders=rows.folder_of_rows()[chosen],
            arrays=raw.cells,
            decimal=raw.decimal,
        )
        learnable = rows.x.only(np.flatnonzero(rows.part == "main"))
        # Dates of the other rows may tell the day from the month where those of training do not.
        inputs, told = adapted(inputs, learnable, raw.source)
    applied = _encoded(inputs, rows, raw.source)
    warnings = (
        *state.warnings,
        *_set_aside(ignored),
        *_doubts(inputs),
        *told,
        *applied.warnings,
        *_unfamiliar_in_test(inputs, rows),
    )
    return replace(
        state,
        inputs=inputs,
        x=applied.x,
        ignored=ignored,
        keep=applied.keep,
        warnings=tuple(dict.fromkeys(warnings)),
    )


def _kinds(raw: Raw, config: DataConfig, is_table: bool) -> dict[str, str]:
    """Kinds of columns that are told: by the user, or by the form of the source."""
    own = {raw.kind: raw.kind} if raw.kind in (AUDIO_COLUMN, FRAMES_COLUMN) else {}
    return {**own, **config.columns} if is_table else own


def _unfamiliar_in_test(inputs: Sequence[Encoder], rows: JoinedRows) -> list[str]:
    """What official test rows of a table hold that training rows do not."""
    official = rows.x.only(np.flatnonzero(rows.part == "test"))
    told = unfamiliar_in(inputs, official) if official.is_table and len(official) else ()
    return [f"test rows: {text}" for text in told]


def _check_size(rows: JoinedRows, raw: Raw) -> None:
    learnable = int((rows.part != "test").sum())
    if learnable < _MIN_ROWS:
        raise DataError(
            f"{raw.source} has {learnable} rows with a target to learn from; at least {_MIN_ROWS} "
            "are needed."
        )
    if raw.test and raw.test.y is not None and learnable == len(rows.part):
        raise DataError(
            f"no row of the test part of {raw.source} is left: its {raw.target} is missing, or "
            f"holds classes that training rows lack ({', '.join(_shown(raw.test.y))})."
        )


def _shown(values: "pd.Series[Any] | pd.DataFrame") -> list[str]:
    return [repr(value) for value in pd.unique(values.to_numpy().ravel())[:4]]


def _doubts(inputs: Sequence[Encoder]) -> list[str]:
    """Columns that another reading fits as well."""
    columns = [column for each in inputs for column in understood_columns(each)]
    return [f"column {each.name!r}: {each.doubt}" for each in columns if each.doubt]


def _set_aside(ignored: Sequence[IgnoredColumn]) -> list[str]:
    """One warning a reason, with the columns it set aside."""
    reasons: dict[str, list[str]] = {}
    for ignored_column in ignored:
        reasons.setdefault(ignored_column.reason, []).append(ignored_column.name)
    return [
        f"{'column' if len(names) == 1 else f'{len(names)} columns'} set aside: "
        f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''} ({reason})"
        for reason, names in reasons.items()
    ]
