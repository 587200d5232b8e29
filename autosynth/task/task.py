"""What a task is: all that depends on what is asked of a target, in one class a task.

Takes a `TargetSpec` of one target, and what is known of it at each stage: the column that was
read, outputs and true values, probabilities. What several targets have together is composed of
theirs by `TargetSpec.fields`, in `read.py`, `score.py` and `composite/objective.py`. `CodedTask`
is what tasks share whose true value is the code of one class; `Detail` says where errors are.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import missing_in, read_numbers, text_of
from autosynth.errors import DataError
from autosynth.plugin import TASKS
from autosynth.spec import Array, TargetSpec
from autosynth.spelling import NameMatch
from autosynth.task.metric import Metric
from autosynth.task.target import (
    Target,
    TargetColumn,
    TrueValues,
    columns_of,
    joined_values,
    left_out_of,
    target_column,
)

if TYPE_CHECKING:
    import torch

MOST_SIZE = 1e60
"""Of a true value: the fourth powers of more, which say how heavy its tails are, are infinite."""

Tensor: TypeAlias = "torch.Tensor"  # by name: reading data does without PyTorch
# Columns for the classes of one target; where there are more, several share one. A bag of 16
# channels makes random sums of them anyway.
MOST_INDICATORS = 64
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_WORST = 20


@dataclass(frozen=True, kw_only=True)
class Detail:
    """Where the errors of one target are, by its task.

    - classification: `confusion`, counts of rows, a row a true class, a column a predicted one;
    - multilabel: `labels`, a row each: how often it is `true`, `predicted`, `right` (both), and
      its precision and recall;
    - regression and forecasting: `residuals`, prediction minus truth in the target's unit, a row a
      value or step: the `bias` (their mean), `mae`, and quantiles; `worst`, the rows that are
      furthest off, first the worst;
    - ranking: `ranks`, quantiles of the place of the true item, from 1.
    """

    target: TargetSpec
    confusion: pd.DataFrame | None = None
    labels: pd.DataFrame | None = None
    residuals: pd.DataFrame | None = None
    worst: pd.DataFrame | None = None
    ranks: pd.DataFrame | None = None

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Those that there are, by name."""
        names = ("confusion", "labels", "residuals", "worst", "ranks")
        found = {name: getattr(self, name) for name in names}
        return {name: frame for name, frame in found.items() if frame is not None}


class Task(ABC):
    """One task. Stateless: everything follows from the target and what is given.

    What is not said otherwise is that of numbers which are learnt standardised.

    - `metrics` by name, of which `default_metric` is maximised where nothing is said;
    - `is_coded`: a true value is the code of one class;
    - `few_classes`: of few enough that splits are stratified by them, labels are smoothed, and a
      cascade goes by how sure the class is;
    - `is_number`: a true value is one number, and so is what is predicted: both are (rows,);
    - `is_standardised`: true values are learnt on a scale, and `in_unit` brings outputs back;
    - `is_calibrated`: outputs are probabilities whose temperature and thresholds are fitted;
    - `joins_columns`: several columns are one target, and not one each;
    - `baseline`: what the board calls what knows the target alone, and gives `trivial`;
    - `noun` is what a reader calls its classes; `gives` and `limit` are sentences of the card.
    """

    name: ClassVar[str]
    metrics: ClassVar[Mapping[str, Metric]]
    default_metric: ClassVar[str]
    is_coded: ClassVar[bool] = False
    few_classes: ClassVar[bool] = False
    is_number: ClassVar[bool] = False
    is_standardised: ClassVar[bool] = True
    is_calibrated: ClassVar[bool] = False
    joins_columns: ClassVar[bool] = False
    baseline: ClassVar[str] = "mean"
    noun: ClassVar[str] = "classes"
    gives: ClassVar[str]
    limit: ClassVar[str] = "Values far outside those of the training rows are not to be expected."

    # What stands in which columns.

    def n_outputs(self, target: TargetSpec) -> int:
        """The number of network outputs."""
        return len(target.classes) or target.steps

    def n_columns(self, target: TargetSpec) -> int:
        """The number of columns that its true values take."""
        return 1 if self.is_coded else self.n_outputs(target)

    def about(self, target: TargetSpec) -> str:
        """What is predicted, in a few words."""
        return self.name

    def problems(self, target: TargetSpec) -> Iterator[str]:
        """What makes a target that was read unusable."""
        yield from ()

    # From raw values.

    def read(
        self,
        values: "pd.Series[Any] | pd.DataFrame",
        name: str,
        in_test: NDArray[np.bool_],
        decimal: str = "",
    ) -> Target:
        """The target of raw values, rows first; `in_test` marks rows of an official test part.

        `decimal` is how numbers are written where the column itself does not tell.

        Raises:
            DataError: there is nothing in them to learn.
        """
        assert not isinstance(values, pd.DataFrame)  # `joins_columns` says who takes one
        numbers = not self.is_coded
        return self.encode(target_column(values, name, in_test, decimal=decimal, numbers=numbers))

    def encode(self, column: TargetColumn) -> Target:
        """The target of one column; see `read`."""
        if column.numbers is None:
            raise DataError(
                f"{self.name} predicts numbers; target {column.name!r} holds "
                f"{text_of(column.values.iloc[0])!r}. Leave out the task, or name another target."
            )
        y = column.numbers
        if y.min() == y.max():
            raise DataError(
                f"target {column.name!r} is {text_of(column.numbers[0])} in every row: nothing to "
                "learn."
            )
        if (most := np.abs(y).max()) > MOST_SIZE:
            raise DataError(
                f"target {column.name!r} goes to {most:.3g}; values that are learnt are at most "
                f"{MOST_SIZE:g}, so that their squares have a sum. Write it in a larger unit, or "
                "take its logarithm."
            )
        form = column.reading.form if column.reading else ""
        return column.target(TargetSpec(name=column.name, task=self.name, form=form), y)

    def true_values(
        self, values: "pd.Series[Any] | pd.DataFrame", target: TargetSpec, place: str
    ) -> TrueValues:
        """The true values of rows of `place` that a model of `target` can be scored on."""
        specs = [part for part, _, _ in target.fields for _ in range(part.n_columns)]
        columns = columns_of(values, len(specs), target.name, place)
        pairs = zip(specs, columns, strict=True)
        return joined_values([task_of(spec).true_column(each, spec) for spec, each in pairs])

    def true_column(self, values: "pd.Series[Any]", target: TargetSpec) -> TrueValues:
        """Those of one column."""
        numbers, words = read_numbers(values, target.form)
        missing = np.isnan(numbers) & ~words
        keep = np.flatnonzero(np.isfinite(numbers))
        strange = values[~np.isfinite(numbers) & ~missing].map(text_of)
        reason = f"whose {target.name!r} is no finite number"
        left_out = left_out_of(target.name, missing, strange, reason)
        return TrueValues(y=numbers[keep], keep=keep, left_out=left_out)

    # Training. Outputs and true values are of one target.

    @abstractmethod
    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """The loss of outputs (batch, n_outputs); `smoothing` of labels is 0 to 1.

        `y` is (batch,) where the target has one column, and (batch, n_columns) otherwise.
        `reduction` is as of PyTorch's losses: `mean` over rows, or `none`: one value a row
        (batch,), whose mean is that of `mean`. Weights of rows multiply the latter (`loss_of`).
        """

    def link(self, out: Tensor, temperature: float, in_unit: Callable[[Tensor], Tensor]) -> Tensor:
        """Outputs (batch, n_outputs) as probabilities, or as values in the target's own unit.

        `in_unit` brings standardised values there; logits are divided by `temperature`.
        """
        return in_unit(out)

    def stacked(self, out: Tensor) -> Tensor:
        """What a model over outputs (..., n_outputs) reads: log probabilities, or as they are."""
        return out

    def mean(self, outs: Tensor) -> Tensor:
        """The mean of several parts' outputs (parts, batch, n_outputs), as one part's."""
        return outs.mean(0)

    def indicators(self, y: Tensor, target: TargetSpec) -> Tensor:
        """What may come true of a row, as columns of 0 and 1, from values (batch, n_columns)."""
        return y > y.median(0).values

    def weight(self, y: NDArray[np.float64]) -> float:
        """Of the loss beside those of other targets, for training values (rows, n_columns)."""
        return 1.0

    def trivial(self, y: Array, target: TargetSpec, weights: Array | None = None) -> Array:
        """What knows the target alone gives for any row (n_outputs,), of (rows, n_columns).

        `weights` (rows,) say how much each row counts.
        """
        if weights is None:
            return np.asarray(y.mean(axis=0, dtype=np.float64))
        return np.asarray(np.average(y, axis=0, weights=weights))

    # Scores, and outputs for people.

    def parametric_metric(self, name: str) -> Metric | None:
        """A metric whose name holds a number of the user's, or None."""
        return None

    def log_odds(self, proba: Array) -> NDArray[np.float64]:
        """Of probabilities (rows, n), what a temperature divides; only where `is_calibrated`."""
        raise NotImplementedError(f"outputs of the task {self.name} are not calibrated")

    def probabilities(self, log_odds: Array) -> Array:
        """Of log-odds (rows, n)."""
        raise NotImplementedError(f"outputs of the task {self.name} are not calibrated")

    def bias(
        self, y: Array, log_odds: Array, metric: Metric, weights: Array | None = None
    ) -> NDArray[np.float64]:
        """What is added to log-odds so that guesses score best by a metric of counts, (n,).

        `weights` (rows,) say how much each row counts.
        """
        raise NotImplementedError(f"outputs of the task {self.name} are not calibrated")

    @abstractmethod
    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """The columns of predictions, by name.

        Args:
            target: that is predicted.
            output: probabilities or values, (rows, n_outputs), or (rows,) of numbers.
            scores: the same, moved by thresholds where there are some: what guesses go by.
        """

    def detail(self, target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
        """Where the errors are, for people; `index` are the names of the rows."""
        return value_detail(target, y, output, index)


def task_of(target: TargetSpec) -> Task:
    """The task of a target."""
    found: Task = TASKS[target.task]
    return found


class CodedTask(Task):
    """A task whose outputs' softmax are the probabilities of the classes."""

    is_coded: ClassVar[bool] = True
    is_standardised: ClassVar[bool] = False

    def true_column(self, values: "pd.Series[Any]", target: TargetSpec) -> TrueValues:
        """Classes are matched by their text, or another spelling of the same."""
        missing = missing_in(values)
        texts = values.map(text_of, na_action="ignore")
        match = NameMatch.of(target.classes)
        raw, names = pd.factorize(texts.to_numpy(dtype=object))
        known = [match.place(str(name)) for name in names]
        if set(known) <= {None}:  # the labels of UCI's test files end in a point (`<=50K.`)
            known = [match.place(str(name).removesuffix(".")) for name in names]
        found = [np.nan if code is None else code for code in known]
        codes = np.array([*found, np.nan], dtype=np.float64)[raw]
        keep = np.flatnonzero(~np.isnan(codes))
        strange = texts[np.isnan(codes) & ~missing]
        reason = f"of a class of {target.name!r} that the model never saw"
        left_out = left_out_of(target.name, missing, strange, reason)
        return TrueValues(y=codes[keep].astype(np.int64), keep=keep, left_out=left_out)

    def link(self, out: Tensor, temperature: float, in_unit: Callable[[Tensor], Tensor]) -> Tensor:
        """The softmax."""
        return (out / temperature).softmax(-1)

    def stacked(self, out: Tensor) -> Tensor:
        """Log probabilities."""
        return out.float().log_softmax(-1)

    def mean(self, outs: Tensor) -> Tensor:
        """Logits whose softmax is the mean of the probabilities."""
        return outs.log_softmax(-1).logsumexp(0) - math.log(len(outs))

    def indicators(self, y: Tensor, target: TargetSpec) -> Tensor:
        """A column a class."""
        from torch.nn.functional import one_hot

        n = min(len(target.classes), MOST_INDICATORS)
        return one_hot(y[:, 0].long() % n, n)

    def weight(self, y: NDArray[np.float64]) -> float:
        """One over the loss of knowing the shares of classes alone, which is their entropy."""
        share = _counts(y, 0) / y.size
        share = share[share > 0]
        # A target whose class hardly ever changes would otherwise outweigh all others.
        return 1 / max(0.1, float(-(share * np.log(share)).sum()))

    def trivial(self, y: Array, target: TargetSpec, weights: Array | None = None) -> Array:
        """The shares of the classes."""
        rows = len(y) if weights is None else weights.sum()
        return np.asarray(_counts(y, target.n_outputs, weights) / rows)


def _counts(y: Array, least: int, weights: Array | None = None) -> NDArray[Any]:
    return np.bincount(y.astype(np.int64).ravel(), weights, least)


def mean_of_losses(losses: Tensor, known: Tensor, reduction: str) -> Tensor:
    """Losses (batch, columns) as `Task.loss` gives them: their mean over those that are known."""
    n = known.sum().clamp(min=1)
    if reduction == "mean":
        mean: Tensor = (losses * known).sum() / n
        return mean
    rows: Tensor = (losses * known).sum(1) * (len(losses) / n)
    return rows


def quantile_frame(values: Array) -> pd.DataFrame:
    """Quantiles of each column of values (rows, columns), a row each; missing ones left out."""
    known = [column[~np.isnan(column)] for column in values.T]
    quantiles = [
        np.quantile(column, _QUANTILES) if len(column) else np.full(len(_QUANTILES), np.nan)
        for column in known
    ]
    return pd.DataFrame(quantiles, columns=[f"{share:.0%}" for share in _QUANTILES])


def value_detail(target: TargetSpec, y: Array, output: Array, index: Sequence[Any]) -> Detail:
    """The residuals of numbers, one a row or several, and the rows that are furthest off."""
    values, found = y.reshape(len(y), -1), output.reshape(len(y), -1)
    steps = [f"step_{i + 1}" for i in range(values.shape[1])]
    names = [target.name] if len(steps) == 1 else steps
    residual = found - values
    frame = quantile_frame(residual)
    known = ~np.isnan(residual)  # a step ahead may be missing
    n = np.maximum(known.sum(axis=0), 1)
    frame.insert(0, "bias", np.where(known, residual, 0.0).sum(axis=0) / n)
    frame.insert(1, "mae", np.where(known, np.abs(residual), 0.0).sum(axis=0) / n)
    return Detail(
        target=target,
        residuals=frame.set_index(pd.Index(names, dtype=object, name="value")),
        worst=_worst(values, found, names, index),
    )


def _worst(
    values: Array, found: Array, names: Sequence[str], index: Sequence[Any]
) -> pd.DataFrame:
    """The rows furthest off; of a forecast, each with its worst step."""
    error = np.nan_to_num(np.abs(found - values), nan=-1.0)
    rows = np.argsort(-error.max(axis=1), kind="stable")[:_WORST]
    at = error[rows].argmax(axis=1)
    truth, guess = values[rows, at], found[rows, at]
    frame = pd.DataFrame({"truth": truth, "prediction": guess, "residual": guess - truth})
    if len(names) > 1:
        frame.insert(0, "step", [names[place] for place in at])
    return frame.set_index(pd.Index([index[int(row)] for row in rows], name="row"))
