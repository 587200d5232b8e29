"""A bundle on labelled data in, its evaluation out: scores with intervals, where the errors are.

Also of the same data damaged, and what was left out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from autosynth.bundle.model import Model, load
from autosynth.cell import text_of
from autosynth.data import LabelledRows, read_labelled
from autosynth.data.encoder.apply import apply
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.source.rows import as_frame
from autosynth.errors import DataError
from autosynth.modality import MODALITIES, SEVERITIES
from autosynth.spec import Array, InputSpec, SeenItems, TargetSpec
from autosynth.task.calibration import Calibration
from autosynth.task.score import (
    default_metric,
    metrics_of,
    resamples,
    score_all,
    score_interval,
    values_of,
)
from autosynth.task.target import LeftOut
from autosynth.task.task import Detail, task_of

ABSENT = "absent"
"""A whole input is missing, where there are several: as bad as it gets, so severity 5."""
# Every corruption at five severities is as many passes over the rows again; on 2,000 of them a
# standard error of accuracy is at most .011.
_MOST_ROWS = 2_000
# Of all inputs together, for memory: 128 MiB a copy in float32.
_MOST_VALUES = 2**25
# Large rows are fewer, but below this a score by severity would be noise.
_LEAST_ROWS = 100


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model on labelled data.

    `scores` has a row a metric, each higher is better: `score`, and `low` and `high` of its 95 %
    bootstrap interval over rows. `details` are one for each target. `rows` were scored, `left_out`
    says which were not.

    `by_series`, of several series to forecast, has a row a series: its `rows`, and every metric
    in its own unit; in `scores` and residuals each series is scaled by itself.

    `robustness`, of `robust_rows` of them, has a row for each corruption and severity: `input`,
    `corruption`, `severity` (0 is clean, without an input), `amount` in the unit of the
    corruption, every metric, and `left`, the share of the clean score in `metric`; of a loss, the
    clean loss over the loss.

    `weight` is the column by which rows count in all scores, as in training, where the model was
    trained so and the data has it; details count rows.
    """

    source: str
    metric: str
    rows: int
    scores: pd.DataFrame
    details: tuple[Detail, ...]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    by_series: pd.DataFrame | None = None
    robustness: pd.DataFrame | None = None
    robust_rows: int = 0
    weight: str = ""

    def tidy(self) -> pd.DataFrame:
        """All scores as one table: a row for each metric, clean and under each corruption."""
        clean = self.scores.rename_axis("metric").reset_index()
        clean = clean.assign(input="", corruption="", severity=0, left=1.0)
        names = ["input", "corruption", "severity", "metric", "score", "low", "high", "left"]
        if self.robustness is None:
            return clean[names[:-1]]
        keys = ["input", "corruption", "severity", "left"]
        damaged = self.robustness[self.robustness["severity"] > 0]
        values = list(self.scores.index)
        long = damaged.melt(keys, values, var_name="metric", value_name="score")
        long["left"] = long["left"].where(long["metric"] == self.metric)
        clean["left"] = clean["left"].where(clean["metric"] == self.metric)
        return pd.concat([clean[names], long.reindex(columns=names)], ignore_index=True)

    def to_plain(self) -> dict[str, Any]:
        """Everything as JSON-able data."""
        robust = None if self.robustness is None else _records(self.robustness)
        return {
            "source": self.source,
            "metric": self.metric,
            "rows": self.rows,
            **({"weight": self.weight} if self.weight else {}),
            "scores": _by_name(self.scores),
            "targets": [_detail(detail) for detail in self.details],
            **({} if self.by_series is None else {"by_series": _by_name(self.by_series)}),
            "left_out": [{"reason": each.reason, "rows": each.rows} for each in self.left_out],
            "warnings": list(self.warnings),
            "robust_rows": self.robust_rows,
            "robustness": robust,
        }


def _by_name(frame: pd.DataFrame) -> dict[str, Any]:
    return {str(name): _plain(row) for name, row in frame.iterrows()}


def _detail(detail: Detail) -> dict[str, Any]:
    found: dict[str, Any] = {"name": detail.target.name, "task": detail.target.task}
    for name, frame in detail.frames.items():
        if name == "confusion":
            classes = [str(title) for title in frame.columns]
            found[name] = {"classes": classes, "rows": frame.to_numpy().tolist()}
        else:
            found[name] = _records(frame.rename_axis("name").reset_index())
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain(row) for _, row in frame.iterrows()]


def _plain(row: "pd.Series[Any]") -> dict[str, Any]:
    found = {str(name): getattr(value, "item", lambda v=value: v)() for name, value in row.items()}
    return {name: None if pd.isna(value) else value for name, value in found.items()}


def evaluate(
    model: Model | str | Path,
    source: Any,
    *,
    target: str | Sequence[str] | None = None,
    corrupt: bool = False,
    seed: int = 0,
) -> Evaluation:
    """Score a model on labelled data.

    Args:
        model: a loaded bundle, or the folder of one, or of a run that holds one.
        source: labelled data in the form that the search took; where it has an official test part
            inside, that part; of interactions, the last one of each user.
        target: the columns of a table that hold the true values, in the order of the training,
            where they are not named as they were then.
        corrupt: score again under every corruption of every input, at five severities.
        seed: of corruptions, bootstrap, and the rows that are corrupted where there are many.

    Raises:
        BundleError: there is no whole bundle.
        DataError: no labels, columns or shapes that do not fit, or no row that can be scored.
    """
    model = model if isinstance(model, Model) else load(model)
    names = (target,) if isinstance(target, str) else tuple(target or ())
    labelled = read_labelled(source, model.encoders, model.info.target, names)
    output = _scored(model, labelled.x, labelled.seen)
    good = np.isfinite(output.reshape(len(output), -1)).all(axis=1)
    lost: tuple[LeftOut, ...] = ()
    if not good.all():
        lost = (LeftOut(reason="without a finite output", rows=int((~good).sum())),)
        if not good.any():
            raise DataError(
                f"no row of {labelled.source} has a finite output: all miss values that no "
                "training row missed, or hold values far outside theirs"
            )
        labelled, output = labelled.only(np.flatnonzero(good)), output[good]
    metric = _metric(model)
    few = rows_for(labelled, seed) if corrupt else None
    return Evaluation(
        source=labelled.source,
        metric=metric,
        rows=len(labelled),
        weight=labelled.weight,
        scores=_scores(model, labelled, output, seed),
        details=_details(model.info.target, labelled, output),
        by_series=_by_series(model.info.target, labelled, output),
        left_out=(*labelled.left_out, *lost),
        warnings=(*labelled.warnings, *_seen(model, labelled)),
        robustness=_robustness(model, few, metric, seed) if few else None,
        robust_rows=len(few) if few else 0,
    )


def details_of(
    target: TargetSpec, y: Array, output: Array, index: Sequence[Any]
) -> tuple[Detail, ...]:
    """Where the errors of each target are.

    Args:
        target: one, or several.
        y: true values, as in a `Dataset`.
        output: probabilities (a guess is the largest of them, or half and more), or values.
        index: names of the rows.
    """
    if not target.parts:
        return (task_of(target).detail(target, y, output, index),)
    return tuple(
        task_of(field.target).detail(field.target, *values_of(field, y, output), index)
        for field in target.fields
    )


def _details(target: TargetSpec, labelled: LabelledRows, output: Array) -> tuple[Detail, ...]:
    """Where the errors are; the rows furthest off in the unit of their own series."""
    details = details_of(target, labelled.y, output, labelled.index)
    if labelled.series_scale is None:
        return details
    place, found = {name: row for row, name in enumerate(labelled.index)}, []
    for detail in details:
        worst = detail.worst
        if worst is not None:
            rows = np.array([place[name] for name in worst.index], dtype=np.int64)
            own, pair = labelled.series_scale.of(rows), worst[["truth", "prediction"]]
            truth, guess = own.unscaled(pair.to_numpy()).T
            worst = worst.assign(truth=truth, prediction=guess, residual=guess - truth)
        found.append(replace(detail, worst=worst))
    return tuple(found)


def _by_series(target: TargetSpec, labelled: LabelledRows, output: Array) -> pd.DataFrame | None:
    """The scores of each series by itself, in its own unit; None where there is but one."""
    if labelled.series is None or labelled.series_scale is None:
        return None
    y, found = map(labelled.series_scale.unscaled, (labelled.y, output))
    codes, names = pd.factorize(np.asarray(labelled.series, dtype=object))
    order = np.argsort(codes, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(codes))[:-1])
    rows = [{"rows": len(own), **score_all(y[own], found[own], target)} for own in parts]
    return pd.DataFrame(rows, index=pd.Index(names, name="series"))


def _seen(model: Model, labelled: LabelledRows) -> tuple[str, ...]:
    """A warning where the rows are those that the model learnt from, too."""
    known = model.info.card.fingerprint
    if labelled.official or not known or known != labelled.fingerprint:
        return ()
    return (
        f"{labelled.source} is the data that the model was trained on, and names no test part: "
        "these scores are too good; give rows that it never saw",
    )


def _scored(model: Model, x: Mapping[str, Array], seen: SeenItems | None) -> Array:
    """Outputs as the leaderboard scores them: moved by the bundle's own thresholds."""
    # The probabilities are at their temperature already.
    bias = Calibration(bias=model.info.calibration.bias)
    return bias.scores(model.outputs(x, seen), model.info.target)


def _metric(model: Model) -> str:
    """The one that the search maximised, or the task's own."""
    name = model.info.card.metric
    return (
        name if name in metrics_of(model.info.target) else default_metric(model.info.target).name
    )


def _scores(model: Model, labelled: LabelledRows, output: Array, seed: int) -> pd.DataFrame:
    rows, y, weights, n = {}, labelled.y, labelled.weights, resamples(len(labelled))
    for name, metric in metrics_of(model.info.target).items():
        low, high = score_interval(metric, y, output, weights, n=n, seed=seed)
        rows[name] = {"score": metric.score(y, output, weights), "low": low, "high": high}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("metric")


class _Damaged(NamedTuple):
    """One damage of one input, and all inputs with it."""

    input: str
    corruption: str
    severity: int
    amount: float
    x: Mapping[str, Array]


def rows_for(labelled: LabelledRows, seed: int) -> LabelledRows:
    """The rows on which robustness is measured: all, or as many as take bearable time."""
    size = sum(int(np.prod(values.shape[1:])) for values in labelled.x.values())
    most = max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_VALUES // max(size, 1)))
    if len(labelled) <= most:
        return labelled
    chosen = np.random.default_rng(seed).choice(len(labelled), most, replace=False)
    return labelled.only(np.sort(chosen))


def _robustness(model: Model, labelled: LabelledRows, metric: str, seed: int) -> pd.DataFrame:
    """`Evaluation.robustness`: the clean scores, then those of every corruption and severity."""
    target = model.info.target

    def score(x: Mapping[str, Array]) -> Mapping[str, float]:
        output = _scored(model, x, labelled.seen)
        if np.isfinite(output).all():
            return score_all(labelled.y, output, target, labelled.weights)
        return dict.fromkeys(metrics_of(target), float("nan"))

    clean = score(labelled.x)
    rows: list[dict[str, Any]] = [
        {"input": "", "corruption": "", "severity": 0, "amount": 0.0, **clean, "left": 1.0}
    ]
    for each in _damaged(model, labelled, seed):
        found = score(each.x)
        left = _share(metric, found[metric], clean[metric])
        rows.append({**each._asdict(), **found, "left": left})
        del rows[-1]["x"]
    return pd.DataFrame(rows)


def _share(metric: str, score: float, clean: float) -> float:
    """Of the clean score; of a loss, the clean loss over the loss. NaN where that says nothing."""
    if not (np.isfinite(score) and np.isfinite(clean)):
        return float("nan")
    if metric.rpartition(".")[2].startswith("neg_"):
        return clean / score if score < 0 else 1.0
    return max(score, 0.0) / clean if clean > 0 else float("nan")


def _damaged(model: Model, labelled: LabelledRows, seed: int) -> Iterator[_Damaged]:
    encoders = {each.name: each for each in encoders_from(model.encoders)}
    tokenisations: dict[str, list[InputSpec]] = {}  # of one text, in several vocabularies
    for spec in model.info.inputs:
        tokenisations.setdefault(spec.of or spec.name, []).append(spec)
    for root, specs in tokenisations.items():
        blanks = {spec.name: _blank(encoders[spec.name], spec, labelled) for spec in specs}
        fitting = [c for c in MODALITIES[specs[0].kind].corruptions if c.fits(specs[0])]
        for corruption, severity in product(fitting, SEVERITIES):
            amount = corruption.amounts[severity - 1]
            x = _corrupted(labelled, specs, encoders, corruption.name, severity, seed, blanks)
            yield _Damaged(root, corruption.name, severity, amount, {**labelled.x, **x})
        if len(tokenisations) > 1:
            n = len(labelled)
            x = {name: np.repeat(blank[None], n, axis=0) for name, blank in blanks.items()}
            yield _Damaged(root, ABSENT, SEVERITIES[-1], 1.0, {**labelled.x, **x})


def _corrupted(
    labelled: LabelledRows,
    specs: list[InputSpec],
    encoders: Mapping[str, Encoder],
    name: str,
    severity: int,
    seed: int,
    blanks: Mapping[str, Array],
) -> Mapping[str, Array]:
    first, modality = specs[0], MODALITIES[specs[0].kind]
    if not modality.in_cells:
        x = labelled.x[first.name]
        blank = blanks[first.name]
        return {first.name: modality.corrupt(x, first, name, severity, seed=seed, blank=blank)}
    # Typos are made in the text itself, before it is cut into tokens.
    inputs = [encoders[spec.name] for spec in specs]
    assert labelled.raw is not None  # what holds a text is read row by row
    frame, (column,) = as_frame(labelled.raw.whole()).rename(columns=str), inputs[0].columns
    texts = np.array(["" if pd.isna(v) else text_of(v) for v in frame[column]], dtype=object)
    changed = modality.corrupt(texts, first, name, severity, seed=seed)
    return apply(inputs, pd.DataFrame({column: changed}), labelled.source).x


def _blank(encoder: Encoder, spec: InputSpec, labelled: LabelledRows) -> Array:
    """A row of an input that holds nothing; of cells, what its encoder makes of empty ones."""
    if not MODALITIES[spec.kind].blank_in_cells:
        return MODALITIES[spec.kind].blank(labelled.x[spec.name], spec)
    empty = pd.DataFrame({n: pd.Series([None], dtype=object) for n in encoder.columns})
    blank: Array = apply([encoder], empty, labelled.source).x[spec.name][0]
    return blank
