"""What would do without us: a dataset in, a simple model's outputs on held-back rows out.

The most frequent class or the mean, a linear model, gradient boosting: they stand on the
leaderboard beside the composites. After a colon stands the kind of input that one reads, as in
`hgb:table`, where it does not read all of them.
"""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pkgutil import resolve_name
from typing import Literal

import numpy as np

from autosynth.baselines.table import BaselineInputs, FitBaseline, FittedBaseline, table_of
from autosynth.data.source.mappedarray import MappedArray
from autosynth.errors import lookup
from autosynth.spec import Array, Dataset
from autosynth.task.task import task_of

# Of which outputs are computed at once: their features are copied, and may be thousands of
# columns.
_ROWS = 50_000
# Of large data, at most so many training rows: baselines are a bar, and must end within a search.
MAX_ROWS = 100_000
ALONE_KIND = "table"
ALONE = f":{ALONE_KIND}"
"""After a name: it reads the table alone, of a dataset that has other inputs beside it."""
ROCKET = "minirocket"
LEAST_STEPS = 9
"""Of a series, for a kernel of MiniRocket."""
GROWING = ("hgb", ROCKET, "neighbours")
"""These are fitted on few rows first, and on more while there is time; others on all, at once."""


@dataclass(frozen=True, kw_only=True)
class BaselineResult:
    """What one baseline gave.

    `validation` and `test` are class probabilities `(n, k)` or predictions `(n,)`, in the order of
    those splits. `cut` is the state of one that had no time for all rows or rounds; `reason` says
    of how many. `rows` are those it was fitted on. `flops` a sample and `params` are None where
    they are no plain arithmetic.
    """

    name: str
    state: Literal["complete", "cut", "failed", "not_run"]
    reason: str = ""
    note: str = ""
    validation: Array | None = None
    test: Array | None = None
    train_seconds: float | None = None
    rows: int = 0
    flops: int | None = None
    params: int | None = None


_CLASSIFIERS = {
    "majority": "trivial:fit_majority",
    "logistic": "fit:fit_logistic",
    "hgb": "fit:fit_boosting",
}
BASELINES: Mapping[str, Mapping[str, str]] = {
    "classification": {**_CLASSIFIERS, ROCKET: "rocket:fit_rocket"},
    "regression": {
        "mean": "trivial:fit_mean",
        "ridge": "fit:fit_ridge",
        "hgb": "fit:fit_value_boosting",
        ROCKET: "fit:fit_value_rocket",
    },
    "forecasting": {
        "mean": "sequence:fit_means",
        "last": "sequence:fit_last",
        "seasonal": "sequence:fit_seasonal",
        "ridge": "sequence:fit_lags",
    },
    "multilabel": {
        "majority": "trivial:fit_labels_majority",
        "logistic": "fit:fit_labels_logistic",
        "hgb": "fit:fit_labels_boosting",
    },
    "multitask": {
        "majority": "trivial:fit_targets_majority",
        "linear": "fit:fit_targets_linear",
        "hgb": "fit:fit_targets_boosting",
    },
    "ranking": {
        "popularity": "sequence:fit_popularity",
        "neighbours": "sequence:fit_neighbours",
    },
}
"""By task and name, which function of which file here; quick ones first, and the first one knows
the target alone. A `FitBaseline` is loaded when it is fitted: it brings scikit-learn."""


def load_fit(name: str, dataset: Dataset) -> FitBaseline:
    """What fits the baseline of that name, as `check` knows it."""
    at = _of_task(dataset)[name.partition(":")[0]]
    fit: FitBaseline = resolve_name(f"{__package__}.{at}")
    return fit


def fitting(dataset: Dataset) -> tuple[str, ...]:
    """The names of the baselines that can read a dataset, the trivial one first.

    Where other inputs stand beside a table, those that read any also read the table alone.
    """
    able = [name for name in _of_task(dataset) if name != ROCKET or _has_long_series(dataset)]
    if not _has_table_beside(dataset):
        return tuple(able)
    return (able[0], *(each for name in able[1:] for each in (name, name + ALONE)))


def _of_task(dataset: Dataset) -> Mapping[str, str]:
    return BASELINES[task_of(dataset.target).baselines]


def _has_long_series(dataset: Dataset) -> bool:
    """Whether a dataset is of series alone, long enough, and MiniRocket's library is there."""
    return find_spec("sktime") is not None and all(
        spec.is_line and not spec.anchored and spec.shape[1] >= LEAST_STEPS
        for spec in dataset.inputs
    )


def check(name: str, dataset: Dataset) -> None:
    """Whether a dataset has such a baseline.

    Raises:
        UnknownNameError: its task has no baseline of that name, or it has no table beside others.
    """
    valid = dict.fromkeys(_of_task(dataset))
    if _has_table_beside(dataset):
        valid |= dict.fromkeys(fitting(dataset))
    lookup(valid, name, "baseline")


def _has_table_beside(dataset: Dataset) -> bool:
    kinds = {spec.kind for spec in dataset.inputs}
    # A forecast reads its own past first, and a ranking whole histories.
    special = dataset.target.base or dataset.seen
    return not special and ALONE_KIND in kinds and len(kinds) > 1


def run(
    name: str,
    dataset: Dataset,
    *,
    seed: int = 0,
    rows: int | None = None,
    seconds: float = math.inf,
    of: int | None = None,
) -> BaselineResult:
    """Fit one baseline and give its outputs.

    Args:
        name: a name in `BASELINES` for the dataset's task; with `ALONE` after it, of one that
            shall read the table alone.
        dataset: fitted on rows of `splits.train` and `splits.fit`.
        seed: which rows, and the model's own chance.
        rows: at most so many of them; all if left out, or `MAX_ROWS` of data kept on disk.
        seconds: a wish, for the models that can do with fewer rounds.
        of: how many rows there were before the dataset was cut to `MAX_ROWS`.

    Raises:
        UnknownNameError: the dataset has no baseline of that name.
    """
    check(name, dataset)
    kind = name.partition(":")[2]
    pool = np.concatenate([dataset.splits.train, dataset.splits.calibration])
    due = len(pool)
    if any(isinstance(values, MappedArray) for values in dataset.x.values()):
        due = min(due, MAX_ROWS)
    chosen = np.random.default_rng(seed).permutation(pool)[: min(due, rows or due)]
    fit = load_fit(name, dataset)
    start = time.perf_counter()
    table = table_of(dataset, chosen, kind)
    y, target = dataset.y[chosen], dataset.target
    model = fit(BaselineInputs(table=table, y=y, target=target, seed=seed, seconds=seconds))
    train_seconds = time.perf_counter() - start
    of = of or len(pool)
    on = f"fitted on {len(chosen):,} of {of:,} rows" if len(chosen) < of else ""
    is_cut = len(chosen) < due or model.cut
    return BaselineResult(
        name=name,
        state="cut" if is_cut else "complete",
        reason=_said(on, model.cut) if is_cut else "",
        note=model.note if is_cut else _said(on, model.note),
        validation=_outputs(model, dataset, dataset.splits.validation, kind),
        test=_outputs(model, dataset, dataset.splits.test, kind),
        train_seconds=train_seconds,
        rows=len(chosen),
        flops=model.flops,
        params=model.params,
    )


def _said(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _outputs(model: FittedBaseline, dataset: Dataset, rows: Array, kind: str) -> Array:
    """A model's outputs for some rows, of which no more than a part is in memory at once."""
    parts = [rows[at : at + _ROWS] for at in range(0, max(1, len(rows)), _ROWS)]
    return np.concatenate([model.predict(table_of(dataset, part, kind).x) for part in parts])
