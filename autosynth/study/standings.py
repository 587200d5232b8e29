"""The records of a run as they come in, and what is asked of them before every trial out.

The front, the finalists, what is to be expected of the best: functions of all records, which
`finalist.py` defines. A driver that asks
them after each of ten thousand trials has no time to look at ten thousand records: `Standings`
gives the same answers, and looks at a record when it comes.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from autosynth.front import ParetoFront
from autosynth.record import Record, preference, score_of
from autosynth.study.context import RunContext
from autosynth.study.finalist import MOST, RACERS, expectations, score_to_expect


class Standings:
    """All records of a run by number, and how they stand beside each other.

    The answers are those of `finalists` and `front_of` over all records with what `expect` says of
    them, where the context has few rows.
    """

    def __init__(self, context: RunContext) -> None:
        self._metric, self._cost = context.metric.name, context.cost
        self._floor = context.trivial_score
        self._is_few, self._is_small = context.is_few, context.is_small
        self._raw: dict[int, Record] = {}
        self._judged: dict[int, Record] = {}
        self._expected: dict[int, float] = {}
        self._smoothed: list[Record] = []  # what the expectations were made of
        self._scores = _Ranking()  # of strategies that something may be expected of
        self._able, self._done, self._composites = _Ranking(), _Ranking(), _Ranking()
        self._points: dict[int, tuple[float, float]] = {}
        self._fronts: tuple[ParetoFront, ParetoFront] | None = ParetoFront(), ParetoFront()

    def put(self, record: Record) -> None:
        """Take in a record; one of the same trial is replaced."""
        self._raw[record.trial] = record
        if self._is_few:
            is_scored = record.kind == "strategy"
            score = score_to_expect(record, self._metric) if is_scored else -math.inf
            self._scores.put(record.trial, (score, -record.trial) if score > -math.inf else None)
        self._judge(record)

    def __iter__(self) -> Iterator[Record]:
        """The records by trial, with what is to be expected of them."""
        self._settle()
        return (self._judged[trial] for trial in sorted(self._judged))

    def __len__(self) -> int:
        return len(self._raw)

    def front(self) -> list[Record]:
        """The strategies that none is better than at no more cost; see `finalist.front_of`."""
        self._settle()
        return [self._judged[trial] for trial in sorted(self._both_fronts()[0])]

    def finalists(self) -> list[Record]:
        """What the run would end with, were it to end now; see `finalist.finalists`."""
        self._settle()
        if not self._done:
            return [self._judged[trial] for trial in self._able.best(1)]
        everyone, singles = self._both_fronts()
        chosen = {*everyone, *singles, *self._done.best(RACERS if self._is_small else 1)}
        chosen.update(self._composites.best(1))
        return [self._judged[trial] for trial in sorted(chosen)]

    def _settle(self) -> None:
        """Have the expectations follow the best scores, which seldom change late in a run."""
        if not self._is_few:
            return
        best = [self._raw[trial] for trial in self._scores.best(MOST)]
        if len(best) == len(self._smoothed) and all(map(_is, best, self._smoothed)):
            return
        before, self._smoothed = self._expected, best
        self._expected = expectations(best, self._metric, self._floor)
        for trial in before.keys() | self._expected.keys():
            if before.get(trial) != self._expected.get(trial):
                self._judge(self._raw[trial])

    def _judge(self, record: Record) -> None:
        """Rank a record with what is expected of it now."""
        trial = record.trial
        if trial in self._expected:
            record = replace(record, expected=self._expected[trial])
        self._judged[trial] = record
        is_able = record.kind == "strategy" and record.state == "complete"
        is_done = record.kind == "strategy" and score_of(record, self._metric) > self._floor
        order = tuple(-each for each in preference(record, self._metric, self._cost))
        self._able.put(trial, order if is_able else None)
        place = order if is_done else None
        self._done.put(trial, place)
        self._composites.put(trial, place if record.topology != "single" else None)
        self._place(record, is_done)

    def _place(self, record: Record, is_done: bool) -> None:
        """Have the fronts know of a strategy; they are made anew where one has moved."""
        before, point = self._points.get(record.trial), None
        if is_done:
            point = -record.val[self._metric], float(getattr(record, self._cost))
        if point == before:
            return
        if point is None:
            del self._points[record.trial]
        else:
            self._points[record.trial] = point
        if before is not None or self._fronts is None:
            self._fronts = None
            return
        assert point is not None  # it was not there, and is
        self._insert(self._fronts, record, point)

    def _insert(
        self, fronts: tuple[ParetoFront, ParetoFront], record: Record, point: tuple[float, float]
    ) -> None:
        fronts[0].insert(record.trial, *point)
        if record.topology == "single":
            fronts[1].insert(record.trial, *point)

    def _both_fronts(self) -> tuple[ParetoFront, ParetoFront]:
        """The front of all, and that of single components."""
        if self._fronts is None:
            self._fronts = ParetoFront(), ParetoFront()
            for trial, point in self._points.items():
                self._insert(self._fronts, self._judged[trial], point)
        return self._fronts


def _is(one: object, other: object) -> bool:
    return one is other


class _Ranking:
    """Names in the order of their places, kept up as places change."""

    def __init__(self) -> None:
        self._order: list[tuple[Any, Any]] = []
        self._places: dict[Any, Any] = {}

    def put(self, name: Any, place: Any) -> None:
        """Give a name a place, the larger the better; none takes it out."""
        before = self._places.pop(name, None)
        if before is not None:
            del self._order[bisect_left(self._order, (before, name))]
        if place is not None:
            self._places[name] = place
            insort(self._order, (place, name))

    def best(self, n: int) -> list[Any]:
        """The names of the best, the best first."""
        return [name for _, name in self._order[: -n - 1 : -1]]

    def __len__(self) -> int:
        return len(self._order)
