"""Out-of-fold outputs: a strategy trained without some rows, and what it gives for them.

The search's own `select` is the first fold; the rows that it trains on are dealt to the
others.
"""

import time
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from autosynth.composite import Resolved
from autosynth.study.bench import Bench
from autosynth.training.loop import Outcome, Rows, train
from autosynth.training.output import outputs

Array = NDArray[Any]


class OutOfTime(Exception):
    """A fold would not have ended in its time."""


def other_folds(bench: Bench) -> Iterator[tuple[Array, Array]]:
    """The rows inside and outside of the folds that `select` leaves to be made."""
    rows = bench.dataset.splits.train
    classes = bench.dataset.target.task == "classification"
    kind = StratifiedKFold if classes else KFold
    n_folds = max(2, min(bench.all_folds - 1, len(rows)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than folds
        folds = list(
            kind(n_folds, shuffle=True, random_state=bench.seed).split(rows, bench.dataset.y[rows])
        )
    for _, held in folds:
        yield np.setdiff1d(bench.learnable, rows[held]), rows[held]


def fold_outputs(
    bench: Bench, resolved: Resolved, inside: Array, outside: Array, deadline: float
) -> tuple[Array, Outcome]:
    """A strategy's outputs on held-out rows, and its training on the others.

    Args:
        bench: of the run.
        resolved: the strategy.
        inside: the rows to train on.
        outside: the rows to give outputs for.
        deadline: as `time.perf_counter()`.

    Raises:
        OutOfTime: it would not have ended by the deadline.
        TrialError: it cannot be trained.
    """
    rows = Rows(train=inside, fit=inside[:0], unlabelled=bench.dataset.splits.unlabelled)
    outcome = train(
        resolved, bench.feed, rows, bench.plan, seed=bench.seed,
        deadline=max(deadline, time.perf_counter()),
    )  # fmt: skip
    if outcome.stopped:
        raise OutOfTime("a fold would not have ended in its time")
    return outputs(outcome.model, bench.feed, outside), outcome
