"""The records of a run, in memory for the driver, and on disk one by one as they come.

What the driver asks before every trial is kept up as records come, so that it takes as long with
ten thousand of them as with ten. The folder is read once, and then only written.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterable

from autosynth.budget import POLICY
from autosynth.record import Record, score_of, weights_path, write_record
from autosynth.study.context import RunContext
from autosynth.study.finalist import a_training
from autosynth.study.job import TrainedPart
from autosynth.study.shelf import Shelf
from autosynth.study.standings import Standings
from autosynth.training.weights import write_packed


class RunHistory:
    """What was trained so far, baselines among it."""

    def __init__(self, context: RunContext, records: Iterable[Record]) -> None:
        self._context = context
        self.done: dict[str, Record] = {}
        """Strategies that need not be trained again, by canonical form."""
        self.standings = Standings(context)
        self.shelf = Shelf(context.folder)
        self.families: set[str] = set()
        """The families that stood alone in one."""
        self.n_trained = 0
        self.next_number = 0
        self.bar = -math.inf
        """The best score so far, of baselines too."""
        self._paces: deque[float] = deque([1.0], maxlen=POLICY.pace_trials)
        for record in sorted(records, key=lambda each: each.trial):
            self._take(record)

    @property
    def pace(self) -> float:
        """How long trainings take over what was foreseen: the machine may be busier than it was.

        One that took longer says little: something else may have run for a moment.
        """
        return statistics.median_low(self._paces)

    def singles(self) -> list[Record]:
        """The trials of single components."""
        return [r for r in self.standings if r.kind == "strategy" and r.topology == "single"]

    def number(self) -> int:
        """A trial number that none has had."""
        self.next_number += 1
        return self.next_number - 1

    def add(self, record: Record, weights: bytes | None = None) -> None:
        """Keep a trial that ended: its weights first, then the record that names them.

        Raises:
            RunError: the folder cannot be written.
        """
        folder = self._context.folder
        if weights is not None:
            write_packed(weights, weights_path(folder, record.trial))
        write_record(record, folder)
        self._take(record)
        if self.shelf.is_full:
            metric = self._context.metric.name
            for dropped in self.shelf.drop(list(self.standings), self._spared, metric):
                self.standings.put(dropped)
                self.done[dropped.canonical] = dropped

    def _spared(self, records: list[Record]) -> set[int]:
        return {record.trial for record in self.standings.finalists()}

    def part(self, strategy: str) -> list[TrainedPart]:
        """The trainings of a strategy whose weights are there."""
        record, folder = self.done.get(strategy), self._context.folder
        if record is None or record.state != "complete" or record.weights_dropped:
            return []
        path = weights_path(folder, record.trial)
        return [
            TrainedPart(
                strategy=strategy,
                weights=path,
                samples=round((record.epochs or 0.0) * len(self._context.dataset.splits.train)),
                share=min(record.best_fractions.values(), default=1.0),  # it had one phase
            )
        ]

    def _take(self, record: Record) -> None:
        self.standings.put(record)
        self.next_number = max(self.next_number, record.trial + 1)
        if record.state == "complete":
            self.bar = max(self.bar, score_of(record, self._context.metric.name))
        if record.kind != "strategy":
            return
        if record.topology == "single":
            self.families.add(record.components)
        if record.state == "not_run":
            return
        self.n_trained += 1
        if record.state != "stopped":
            self.done[record.canonical] = record
        if record.state == "complete":
            self.shelf.put(record)
        if record.state == "complete" and record.foreseen_seconds:
            self._paces.append(a_training(record) / record.foreseen_seconds)
