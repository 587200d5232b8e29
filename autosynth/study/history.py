"""The records of a run, in memory for the driver, and on disk one by one as they come.

What the driver asks before every trial is kept up as records come, so that it takes as long with
ten thousand of them as with ten. The folder is read once, and then only written.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from autosynth.budget import POLICY
from autosynth.record import Record, score_of, weights_path, write_record
from autosynth.study.agenda import shared_form
from autosynth.study.context import RunContext
from autosynth.study.finalist import MOST, a_training, expect, finalists, front_of
from autosynth.study.job import TrainedPart
from autosynth.training.weights import write_packed


class History:
    """What was trained so far, baselines among it."""

    def __init__(self, context: RunContext, records: Iterable[Record]) -> None:
        self._context = context
        self._records: dict[int, Record] = {}
        self.done: dict[str, Record] = {}
        """Strategies that need not be trained again, by canonical form."""
        self.groups: dict[str, list[Record]] = {}
        """Complete trials of strategies that are equal but for their length, by what is equal."""
        self.singles: list[Record] = []
        """Trials of single components."""
        self.families: set[str] = set()
        """The families that stood alone in one."""
        self.n_trained = 0
        self.next_number = 0
        self.bar = -math.inf
        """The best score so far, of baselines too."""
        self._paces: deque[float] = deque([1.0], maxlen=POLICY.pace_trials)
        self._known: dict[str, list[Record]] = {}
        for record in sorted(records, key=lambda each: each.trial):
            self._take(record)
        self._expect()

    @property
    def records(self) -> list[Record]:
        """All of them, in the order in which they ended."""
        return list(self._records.values())

    @property
    def pace(self) -> float:
        """How long trainings take over what was foreseen: the machine may be busier than it was.

        One that took longer says little: something else may have run for a moment.
        """
        return statistics.median_low(self._paces)

    @property
    def finalists(self) -> list[Record]:
        """What would be scored on test if the run ended now."""
        if "finalists" not in self._known:
            self._known["finalists"] = finalists(self.records, self._context)
        return self._known["finalists"]

    @property
    def front(self) -> list[Record]:
        """The strategies that none is better than at no more cost."""
        if "front" not in self._known:
            self._known["front"] = front_of(self.records, self._context)
        return self._known["front"]

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
        if record.state == "complete" and self._is_among_best(record):
            self._expect()

    def part(self, strategy: str) -> list[TrainedPart]:
        """The trainings of a strategy whose weights are there."""
        record, folder = self.done.get(strategy), self._context.folder
        if record is None or record.state != "complete":
            return []
        path = weights_path(folder, record.trial)
        if not path.exists():
            return []
        return [
            TrainedPart(
                strategy=strategy,
                weights=path,
                samples=round((record.epochs or 0.0) * len(self._context.dataset.splits.train)),
                share=min(record.best_fractions.values(), default=1.0),  # it had one phase
            )
        ]

    def _take(self, record: Record) -> None:
        self._records[record.trial] = record
        self._known = {}
        self.next_number = max(self.next_number, record.trial + 1)
        metric = self._context.metric.name
        if record.state == "complete":
            self.bar = max(self.bar, score_of(record, metric))
        if record.kind == "strategy" and record.topology == "single":
            self.singles.append(record)
            self.families.add(record.components)
        if record.kind != "strategy" or record.state == "not_run":
            return
        self.n_trained += 1
        if record.state != "stopped":
            self.done[record.canonical] = record
        if record.state == "complete":
            if record.foreseen_seconds:
                self._paces.append(a_training(record) / record.foreseen_seconds)
            self.groups.setdefault(shared_form(record), []).append(record)

    def _is_among_best(self, record: Record) -> bool:
        """Whether what is to be expected of the others may change by a record."""
        metric = self._context.metric.name
        scores = sorted((score_of(r, metric) for r in self._records.values()), reverse=True)
        return score_of(record, metric) >= scores[min(MOST, len(scores)) - 1]

    def _expect(self) -> None:
        """Renew what is to be expected of strategies, where rows are few."""
        if not self._context.is_few:
            return
        known = self.records
        judged = expect(known, self._context.metric.name, self._context.trivial_score)
        changed = {
            after.trial: replace(before, expected=after.expected)
            for before, after in zip(known, judged, strict=True)
            if before.expected != after.expected
        }
        self._records |= changed
        self._known = {}
        self.singles = [changed.get(r.trial, r) for r in self.singles]
        self.groups = {k: [changed.get(r.trial, r) for r in g] for k, g in self.groups.items()}
