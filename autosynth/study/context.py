"""What every trial of a run shares: data on the device, space, plan, metric, limits, folder."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from autosynth.composite import Resolved, resolve
from autosynth.errors import ConfigError
from autosynth.spec import Array, Dataset, RowNumbers
from autosynth.strategy import parse
from autosynth.study.probe import foreseen_seconds
from autosynth.study.space import Space
from autosynth.task.metric import Metric
from autosynth.task.score import score_all, standard_error
from autosynth.task.task import task_of
from autosynth.task.trivial import trivial_outputs
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.store import STORE, ValueStore, rows_digest

# From 2,000 rows on a fifth held out is 400 rows, whose standard error is at most .025, and folds
# cost more than they tell.
SMALL_ROWS = 2000
# What the runs that a run has begun from came to.
EARLIER_FILE = "earlier.json"
# Every fold is a training: more than five would leave too few strategies.
MOST_FOLDS = 5
# Held out, that a trial is scored on where folds can bring as many. On CricketX one training with
# 130 rows held back said as much as two folds of 78, and twice as many strategies had a turn: so
# folds serve only where even a third of the rows held back is less than this.
JUDGED_ROWS = 100
# Resolved strategies that are kept, at some tens of kilobytes each.
_KEPT = 1024


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The place a trial runs at. `trivial_score` is that of the baseline that knows no input.

    `cost` is what the front charges: flops, params or latency_ms; strategies over `max_flops`,
    `max_params` or, for one row on the run's device, `max_latency_ms` are not trained.
    """

    dataset: Dataset
    device_dataset: DeviceDataset
    space: Space
    trainer_config: TrainerConfig
    metric: Metric
    trivial_score: float
    folder: Path
    seed: int
    cost: str = "flops"
    max_flops: int | None = None
    max_params: int | None = None
    max_latency_ms: float | None = None

    @cached_property
    def store(self) -> ValueStore:
        """What is known in this run, by what made it."""
        return ValueStore(self.folder / STORE)

    @cached_property
    def held_digest(self) -> str:
        """What tells the rows that trials are scored on, and are trained on, from others."""
        splits = self.dataset.splits
        return rows_digest(splits.train, splits.calibration, splits.validation)

    @cached_property
    def phase_seconds(self) -> dict[str, tuple[tuple[float, ...], float, float, bool]]:
        """What `lasttraining` has foreseen of strategies, by their text."""
        return {}

    @property
    def journal(self) -> Path:
        """The file of the sampler's memory."""
        return self.folder / "study.journal"

    @cached_property
    def is_few(self) -> bool:
        """Whether there are under 2,000 rows but test: the best score on them is luck, too."""
        return len(self.learnable) < SMALL_ROWS

    @property
    def is_small(self) -> bool:
        """Whether the best of few rows are held against each other on further folds.

        Never where rows were split by group or by time, for what is held back has to lie apart;
        nor where all that is good is scored on several folds from the start.
        """
        return self.is_few and self.dataset.independent and self.folds == 1

    @cached_property
    def folds(self) -> int:
        """On how many folds a good trial is scored: until 100 rows were held out.

        A few rows say little: of ten, most strategies have all or all but one right. `validation`
        is the first fold. One where there are as many rows as that, or they may not be dealt anew.
        """
        if not self.dataset.independent or not self.is_few:
            return 1
        wanted = math.ceil(JUDGED_ROWS / max(1, len(self.dataset.splits.validation)))
        return min(self.all_folds, wanted)

    @cached_property
    def all_folds(self) -> int:
        """How many folds as large as `validation` there are, five at most."""
        rows = len(self.dataset.splits.validation)
        return min(MOST_FOLDS, max(2, round(len(self.learnable) / max(1, rows))))

    @cached_property
    def learnable(self) -> NDArray[np.int64]:
        """All rows but test."""
        splits = self.dataset.splits
        return np.concatenate([splits.train, splits.calibration, splits.validation])

    def foreseen_seconds(
        self, resolved: Resolved, known: Mapping[str, float] = MappingProxyType({})
    ) -> float:
        """The time that a full training will take; 0 where unmeasured.

        `known` phases stand trained, each after so many seconds.
        """
        has_fit = bool(len(self.dataset.splits.calibration))
        return foreseen_seconds(self.trainer_config, resolved, has_fit=has_fit, known=known)

    def once_seconds(self, resolved: Resolved) -> float:
        """The time its frozen networks will take over the rows they have not seen; 0 unknown."""
        lacking = self.device_dataset.memory.lacking(resolved.program)
        steps = [(rows, resolved.program.step(at)) for at, rows in lacking.items()]
        rate = self.trainer_config.once_seconds
        return sum(rows * step.flops * rate.get(step.family, 0.0) for rows, step in steps)

    def score(self, rows: RowNumbers, outputs: Array) -> float:
        """The score of outputs for some rows of the dataset, by the metric that ranks."""
        weights = self.dataset.weights_of(rows)
        return self.metric.score(self.dataset.y[rows], outputs, weights)

    def scores(self, rows: RowNumbers, outputs: Array) -> dict[str, float]:
        """All metrics of outputs for some rows; and that which ranks, also where it is NaN."""
        data = self.dataset
        found = score_all(data.y[rows], outputs, data.target, data.weights_of(rows))
        found.setdefault(self.metric.name, self.score(rows, outputs))
        return found

    def standard_error(self, rows: RowNumbers, outputs: Array) -> float:
        """That of the score of outputs for some rows."""
        weights = self.dataset.weights_of(rows)
        return standard_error(self.metric, self.dataset.y[rows], outputs, weights)

    def error(self, score: float) -> float:
        """What the search minimises, from a score."""
        return self.metric.error(score, self.trivial_score)

    def resolved(self, strategy: str) -> Resolved:
        """A strategy in the notation, resolved for the inputs and the target of this data."""
        return self._resolved(strategy)

    @cached_property
    def _resolved(self) -> Callable[[str], Resolved]:
        """The same, kept of those that were asked for last: a driver asks again and again."""
        return lru_cache(maxsize=_KEPT)(
            lambda text: resolve(parse(text), self.dataset.inputs, self.dataset.target)
        )

    def other_folds(self) -> Iterator[tuple[Array, Array]]:
        """The rows inside and outside of the folds after the first, which is `validation`.

        The rows that the search trains on are dealt to them.
        """
        rows = self.dataset.splits.train
        # Late: half a second of a processor, where rows are few and a training has ended.
        dealers = import_module("sklearn.model_selection")
        classes = task_of(self.dataset.target).few_classes
        kind = dealers.StratifiedKFold if classes else dealers.KFold
        n_folds = max(2, min(self.all_folds - 1, len(rows)))
        folds = kind(n_folds, shuffle=True, random_state=self.seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than folds
            dealt = list(folds.split(rows, self.dataset.y[rows]))
        for _, held in dealt:
            yield np.setdiff1d(self.learnable, rows[held]), rows[held]


def trivial_score(dataset: Dataset, metric: Metric) -> float:
    """The score on `validation` of class shares, or of means, of the training rows.

    Raises:
        ConfigError: these rows do not define the metric.
    """
    select = dataset.splits.validation
    outputs, weights = trivial_outputs(dataset, select), dataset.weights_of(select)
    score = metric.score(dataset.y[select], outputs, weights)
    if np.isnan(score):
        raise ConfigError(
            f"metric {metric.name!r} is not defined on the {len(select)} rows to choose by: the "
            "target is the same in all of them. Choose another with --metric, or split otherwise."
        )
    return score
