"""What would do without us: a dataset in, a simple model's outputs on held-back rows out.

The most frequent class or the mean, a linear model, gradient boosting: they stand on the
leaderboard beside the composites. After a colon stands the kind of input that one reads, as in
`hgb:table`, where it does not read all of them.
"""

import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from autosynth.baselines.rocket import ROCKET, can_read, fit_rocket
from autosynth.baselines.sequence import RANKERS, fit_lags, fit_last, fit_means, fit_seasonal
from autosynth.baselines.table import (
    BaselineInputs,
    FitBaseline,
    FittedBaseline,
    Table,
    dense_of,
    known_cells,
    linear_features,
    table_of,
)
from autosynth.data.source.mappedarray import MappedArray
from autosynth.errors import lookup
from autosynth.scale import PLAIN, fit_unit
from autosynth.spec import Array, Dataset, TargetSpec
from autosynth.task.task import task_of

# Of which outputs are computed at once: their features are copied, and may be thousands of
# columns.
_ROWS = 50_000
# Rounds of two short fits, whose difference is what a round takes.
_FEW, _MORE = 2, 6
# Of the time that is left: early rounds can be quicker than later ones.
_SAFELY = 0.7
# scikit-learn's own default, so that the bar is what a user gets without us.
_ROUNDS = 100
# Of large data, at most so many training rows: baselines are a bar, and must end within a search.
MAX_ROWS = 100_000
ALONE_KIND = "table"
ALONE = f":{ALONE_KIND}"
"""After a name: it reads the table alone, of a dataset that has other inputs beside it."""
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


def _fit_majority(it: BaselineInputs) -> FittedBaseline:
    share = (np.bincount(it.y, minlength=it.target.n_outputs) / len(it.y)).astype(np.float32)
    return FittedBaseline(lambda x: np.tile(share, (len(x), 1)), 0, 0)


def _fit_mean(it: BaselineInputs) -> FittedBaseline:
    mean = np.float32(it.y.mean(dtype=np.float64))
    return FittedBaseline(lambda x: np.full(len(x), mean), 0, 0)


def _fit_logistic(it: BaselineInputs) -> FittedBaseline:
    if len(np.unique(it.y)) == 1:
        return _fit_majority(it)
    # Thousands of weights of which a text meets a few ask for less of a penalty.
    model = LogisticRegression(C=10 if it.table.texts else 1, max_iter=200, random_state=it.seed)
    pipeline = make_pipeline(linear_features(it.table), model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the note
        pipeline.fit(it.table.x, it.y)
    note = "stopped after 200 iterations" if model.n_iter_.max() >= 200 else ""
    params = model.coef_.size + model.intercept_.size
    predict = _probabilities(pipeline, model.classes_, it.target.n_outputs)
    return FittedBaseline(predict, _linear_flops(it.table, model.coef_), params, note)


def _fit_ridge(it: BaselineInputs) -> FittedBaseline:
    model = Ridge(alpha=1.0)
    pipeline = make_pipeline(linear_features(it.table), model)
    pipeline.fit(it.table.x.astype(np.float64), it.y)
    flops, params = _linear_flops(it.table, model.coef_), model.coef_.size + 1
    return FittedBaseline(lambda x: pipeline.predict(x.astype(np.float64)), flops, params)


def _linear_flops(table: Table, weights: Array) -> int | None:
    """2 a weight; None with texts, of whose many weights a row meets few."""
    return None if table.texts else 2 * weights.size


def _fit_hgb(it: BaselineInputs) -> FittedBaseline:
    start = time.perf_counter()
    features = dense_of(it.table, it.seed)
    x = features.fit_transform(it.table.x)
    cards = np.zeros(x.shape[1], np.int64)
    cells = known_cells(it.table)
    cards[: len(cells)] = it.table.cardinalities[cells]
    settings = {
        # scikit-learn takes up to 255 categories a column; codes of more are cut as numbers are.
        "categorical_features": (cards > 0) & (cards <= 255),
        "random_state": it.seed,
    }
    values = not it.target.is_coded
    kind = HistGradientBoostingRegressor if values else HistGradientBoostingClassifier
    if not values and len(np.unique(it.y)) == 1:
        return _fit_majority(it)
    left = it.seconds - (time.perf_counter() - start)
    rounds = _rounds(lambda n: kind(**settings, max_iter=n).fit(x, it.y), left)
    model = kind(**settings, max_iter=rounds).fit(x, it.y)
    # One that stopped by itself before its rounds were over would not have made more of 100.
    is_whole = rounds == _ROUNDS or model.n_iter_ < rounds
    cut = "" if is_whole else f"{rounds} of {_ROUNDS} rounds"
    pipeline = make_pipeline(features, model)  # both are fitted
    predict = pipeline.predict
    if not values:
        predict = _probabilities(pipeline, model.classes_, it.target.n_outputs)
    return FittedBaseline(predict, None, None, cut=cut)


def _rounds(fit: Callable[[int], Any], seconds: float) -> int:
    """All rounds of boosting, or as many as the time allows where all would not fit into it.

    Two short fits tell what a round takes from what binning and the start take.
    """
    if seconds == math.inf:
        return _ROUNDS
    spent = []
    for rounds in (_FEW, _MORE):
        start = time.perf_counter()
        fit(rounds)
        spent.append(time.perf_counter() - start)
    left = seconds - sum(spent)
    each = max(1e-9, (spent[1] - spent[0]) / (_MORE - _FEW))
    once = max(0.0, spent[0] - _FEW * each)
    if once + _ROUNDS * each <= left:
        return _ROUNDS
    return int(np.clip((_SAFELY * left - once) / each, 5, _ROUNDS - 1))


def _probabilities(model: Any, classes: Array, k: int) -> Callable[[Array], Array]:
    def predict(x: Array) -> Array:
        proba = np.zeros((len(x), k), np.float32)
        proba[:, classes] = model.predict_proba(x)  # a class may be absent from the rows fitted
        return proba

    return predict


def per_label(fit: FitBaseline) -> FitBaseline:
    """A classifier for each label: the probability that it holds."""
    yes = TargetSpec(name="label", task="classification", classes=("no", "yes"))

    def fit_all(it: BaselineInputs) -> FittedBaseline:
        one = replace(it, target=yes, seconds=it.seconds / it.y.shape[1])
        models = []
        for column in it.y.T:
            known = np.flatnonzero(~np.isnan(column))
            table = it.table if len(known) == len(column) else it.table.only(known)
            models.append(fit(replace(one, table=table, y=column[known].astype(np.int64))))
        return _joined(models, lambda outputs: [each[:, 1] for each in outputs])

    return fit_all


def per_target(classify: FitBaseline, regress: FitBaseline) -> FitBaseline:
    """A model for each target, by its task."""

    def fit_all(it: BaselineInputs) -> FittedBaseline:
        found, share = [], it.seconds / len(it.target.parts)
        for part, _, columns in it.target.fields:
            own, fit = it.y[:, columns][:, 0], regress
            if part.is_coded:
                own, fit = own.astype(np.int64), classify
            found.append(fit(replace(it, y=own, target=part, seconds=share)))
        return _joined(found, list)

    return fit_all


def _joined(
    models: Sequence[FittedBaseline], columns_of: Callable[[list[Array]], list[Array]]
) -> FittedBaseline:
    flops = [each.flops for each in models if each.flops is not None]
    params = [each.params for each in models if each.params is not None]
    notes, cuts = (
        "; ".join(dict.fromkeys(text for text in group if text))
        for group in ([each.note for each in models], [each.cut for each in models])
    )
    return FittedBaseline(
        lambda x: np.column_stack(columns_of([each.predict(x) for each in models])),
        sum(flops) if len(flops) == len(models) else None,
        sum(params) if len(params) == len(models) else None,
        notes,
        cuts,
    )


def _counting(fit: FitBaseline) -> FitBaseline:
    """The same, of values in the unit that keeps their differences: libraries have float32 too."""

    def fit_counted(it: BaselineInputs) -> FittedBaseline:
        unit = PLAIN if it.target.is_coded else fit_unit(it.y)
        if unit == PLAIN:
            return fit(it)
        found = fit(replace(it, y=unit.encoded(it.y)))
        return replace(found, predict=lambda x: unit.decoded(found.predict(x).astype(np.float64)))

    return fit_counted


_fit_boosting = _counting(_fit_hgb)
_CLASSIFIERS = {"majority": _fit_majority, "logistic": _fit_logistic, "hgb": _fit_hgb}
_REGRESSORS = {
    "mean": _counting(_fit_mean),
    "ridge": _counting(_fit_ridge),
    "hgb": _fit_boosting,
}
BASELINES: Mapping[str, Mapping[str, FitBaseline]] = {
    "classification": {**_CLASSIFIERS, ROCKET: fit_rocket},
    "regression": {**_REGRESSORS, ROCKET: _counting(fit_rocket)},
    "forecasting": {
        "mean": fit_means,
        "last": fit_last,
        "seasonal": fit_seasonal,
        "ridge": fit_lags,
    },
    "multilabel": {name: per_label(fit) for name, fit in _CLASSIFIERS.items()},
    "multitask": {
        name: per_target(classify, regress)
        for name, classify, regress in (
            ("majority", _fit_majority, _REGRESSORS["mean"]),
            ("linear", _fit_logistic, _REGRESSORS["ridge"]),
            ("hgb", _fit_hgb, _fit_boosting),
        )
    },
    "ranking": RANKERS,
}
"""The baselines of a task by name, quick ones first; the first one knows the target alone."""


def fitting(dataset: Dataset) -> tuple[str, ...]:
    """The names of the baselines that can read a dataset, the trivial one first.

    Where other inputs stand beside a table, those that read any also read the table alone.
    """
    able = [name for name in _of_task(dataset) if name != ROCKET or can_read(dataset)]
    if not _has_table_beside(dataset):
        return tuple(able)
    return (able[0], *(each for name in able[1:] for each in (name, name + ALONE)))


def _of_task(dataset: Dataset) -> Mapping[str, FitBaseline]:
    return BASELINES[task_of(dataset.target).baselines]


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
    base, _, kind = name.partition(":")
    pool = np.concatenate([dataset.splits.train, dataset.splits.calibration])
    due = len(pool)
    if any(isinstance(values, MappedArray) for values in dataset.x.values()):
        due = min(due, MAX_ROWS)
    chosen = np.random.default_rng(seed).permutation(pool)[: min(due, rows or due)]
    start = time.perf_counter()
    fit = _of_task(dataset)[base]
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
