"""The scikit-learn face: X and y in, a fitted estimator out that predicts in the labels of y.

A search is made by `fit`; the retrained best strategy is the model. It fits where scikit-learn's
own estimators do: in a pipeline, under cross-validation, cloned.
"""

import inspect
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from autosynth.bundle import load
from autosynth.cell import text_of
from autosynth.data.source.arrays import aligned, cells_in
from autosynth.data.source.object import normalised, unequal_steps
from autosynth.errors import DataError, RunError
from autosynth.progress import Progress
from autosynth.run import search
from autosynth.scratch import scratch
from autosynth.signature import takes_options


class _Estimator(BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """What both have in common: the options, and a fitted model that can be pickled."""

    @takes_options
    def __init__(
        self,
        *,
        seed: int = 0,
        space: str | None = None,
        budget: str | float | None = "5m",
        trials: int | None = None,
        metric: str | None = None,
        cost: str = "flops",
        max_flops: int | None = None,
        max_params: int | None = None,
        max_latency_ms: float | None = None,
        device: str = "auto",
        workers: int | None = None,
        repeats: int = 1,
        deterministic: bool = False,
        refit: bool = True,
        from_run: Any = (),
        out: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        """Options of the search.

        With `out` left out, nothing is left on disk; with budget=None, `trials` end the search;
        `verbose` tells how it goes, on standard output.
        """
        self.seed = seed
        self.space = space
        self.budget = budget
        self.trials = trials
        self.metric = metric
        self.cost = cost
        self.max_flops = max_flops
        self.max_params = max_params
        self.max_latency_ms = max_latency_ms
        self.device = device
        self.workers = workers
        self.repeats = repeats
        self.deterministic = deterministic
        self.refit = refit
        self.from_run = from_run
        self.out = out
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.three_d_array = True
        return tags

    def _fit(self, X: Any, y: NDArray[Any], name: str, task: str, weight: Any) -> None:
        unequal = unequal_steps(X) is not None  # series, as they are: (X, y) knows their channels
        given, X = X, self._checked(X, reset=True)
        if weight is not None:
            is_number = np.ndim(weight) == 0
            weight = np.full(len(y), weight) if is_number else column_or_1d(weight)
        check_consistent_length(X, y, weight)
        source: Any = (given if unequal else X, y)
        target = None
        if isinstance(X, pd.DataFrame) and not cells_in(X):
            while name in X.columns:
                name += "_"
            source, target = X.assign(**{name: y}), name
        asked = {key: value for key, value in self.get_params().items() if key != "verbose"}
        with scratch("fit") as folder, Progress() as progress:
            asked["out"] = asked["out"] or folder / "run"
            run = search(
                source,
                target=target,
                task=task,
                weight=weight,
                progress=progress if self.verbose else None,
                **asked,
            )
            self.leaderboard_ = run.leaderboard
            self.sentence_ = run.sentence
            bundle = run.folder / "bundle"
            if not bundle.is_dir():
                raise RunError(
                    f"no strategy came to its end within budget={self.budget!r}, "
                    f"trials={self.trials!r}: give more"
                )
            self._bundle = {file.name: file.read_bytes() for file in bundle.iterdir()}
        self._load()
        self.strategy_ = self.model_.info.short_form

    def _load(self) -> None:
        with scratch("load") as folder:
            for file, content in self._bundle.items():
                (folder / file).write_bytes(content)
            self.model_ = load(folder)

    # A network does not pickle, but its bundle does.
    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()
        return {name: value for name, value in state.items() if name != "model_"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if hasattr(self, "_bundle"):
            self._load()

    def _predicted(self, X: Any) -> pd.DataFrame:
        check_is_fitted(self, "model_")
        X = self._checked(X, reset=False)
        frame = self.model_.predict(X)
        if len(frame) != len(X):
            raise DataError(
                f"{len(X) - len(frame)} of {len(X)} rows hold nothing to predict from; leave them "
                "out of X"
            )
        return frame

    def _checked(self, X: Any, *, reset: bool) -> pd.DataFrame | NDArray[Any]:
        """X as a frame or an array, its columns those of `fit`."""
        if issparse(X):
            raise DataError("X is a sparse matrix; networks take a dense one: X.toarray()")
        X = normalised(X)
        validate_data(self, X, reset=reset, skip_check_array=True)
        if isinstance(X, pd.DataFrame):
            return X
        array: NDArray[Any] = np.asarray(X)
        if array.ndim < 2:
            raise DataError(
                f"X has {array.ndim} axes, and needs rows and columns; Reshape your data with "
                "X.reshape(-1, 1) if it is one column"
            )
        return array


_OPTIONS = frozenset(inspect.signature(_Estimator.__init__).parameters) - {"self"}


class AutoSynthClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier found by a search; `classes_` are the labels of `y` that it can predict.

    After `fit`: `leaderboard_` (DataFrame, best first), `strategy_` (text), `sentence_` (whether
    composing paid), `n_features_in_`, and `feature_names_in_` for a frame.
    """

    @takes_options
    def __init__(
        self,
        *,
        class_weight: Any = None,
        seed: int = 0,
        space: str | None = None,
        budget: str | float | None = "5m",
        trials: int | None = None,
        metric: str | None = None,
        cost: str = "flops",
        max_flops: int | None = None,
        max_params: int | None = None,
        max_latency_ms: float | None = None,
        device: str = "auto",
        workers: int | None = None,
        repeats: int = 1,
        deterministic: bool = False,
        refit: bool = True,
        from_run: Any = (),
        out: str | Path | None = None,
        verbose: bool = False,
    ) -> None:
        """Options of the search, as those of a regressor, and what the classes count in it."""
        given = {name: value for name, value in locals().items() if name in _OPTIONS}
        super().__init__(**given)
        self.class_weight = class_weight

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Search, and keep the best.

        Args:
            X: a frame or an array of any library, rows first: (n, columns), series (n, steps) or
                (n, channels, steps), images (n, height, width) or with channels; a list of series
                of unequal length; or several of these in a dict.
            y: one label a row, of any type.
            sample_weight: how much each row counts, (n,), from 0 on, in training and in scores;
                all alike if left out.

        Raises:
            AutosynthError: what `autosynth.search` raises.
        """
        y = _aligned(X, y)
        labels = column_or_1d(y, warn=True)
        check_classification_targets(labels)
        self._fit(X, labels, _name(y), "classification", sample_weight)
        known = {text_of(label): label for label in np.unique(labels)}
        self.classes_ = np.unique([known[name] for name in self.model_.info.target.classes])
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The labels (n,), of the type of `y`."""
        names = self._predicted(X)["prediction"]
        place = {text_of(label): i for i, label in enumerate(self.classes_)}
        found: NDArray[Any] = self.classes_[[place[str(name)] for name in names]]
        return found

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each of `classes_`, (n, k)."""
        frame = self._predicted(X)
        columns = [f"proba_{text_of(label)}" for label in self.classes_]
        found: NDArray[np.float64] = frame[columns].to_numpy(dtype=np.float64)
        return found


class AutoSynthRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regressor found by a search.

    After `fit`: `leaderboard_` (DataFrame, best first), `strategy_` (text), `sentence_` (whether
    composing paid), `n_features_in_`, and `feature_names_in_` for a frame.
    """

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Search, and keep the best.

        Args:
            X: a frame or an array, rows first, as for `AutoSynthClassifier`.
            y: one number a row, in any unit; predictions are in the same.
            sample_weight: as for `AutoSynthClassifier`.

        Raises:
            AutosynthError: what `autosynth.search` raises.
        """
        y = _aligned(X, y)
        numbers = column_or_1d(y, warn=True)
        self._fit(X, numbers, _name(y), "regression", sample_weight)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The predicted numbers (n,), in the unit of `y`; dates as texts."""
        found: NDArray[Any] = self._predicted(X)["prediction"].to_numpy()
        return found


def _aligned(X: Any, y: Any) -> Any:
    """`y` in the order of X, where both have indexes that say so; of any library."""
    if isinstance(y, list | tuple | np.ndarray):
        return y
    return aligned(X, normalised(y))[0]


def _name(y: Any) -> str:
    """What the target is called: the name of a series, where it has one."""
    name = getattr(y, "name", None)
    return name if isinstance(name, str) and name else "target"
