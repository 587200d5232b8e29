"""Whose turn it is in a search: a single component, a composite, or a longer training.

First comes the quickest size of every family, and a few more. Then whichever of the three has had
the least takes its turn, so that composites are held against single components that were tuned as
much, and no more networks are begun while the best would gain by a longer training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from autosynth.composite import Resolved
from autosynth.record import Record, worth
from autosynth.strategy import Strategy

Turn = Literal["single", "composite", "longer"]
Candidate = tuple[Strategy, Resolved]
Able = Callable[[Resolved], bool]
"""Whether a strategy is still to be trained, and would end in time."""
FEW = 4  # networks after the first of every family, before any is trained for longer
MANY = 20  # networks, from which on none is begun while the best can be trained for longer


@dataclass(kw_only=True)
class Agenda:
    """What one process has still to train of what is written, and what each turn has had.

    `singles` stand the quickest first, `composites` the best guesses first. `spent` are seconds,
    or trainings where no clock may decide.
    """

    singles: list[Candidate]
    composites: list[Candidate]
    spent: dict[Turn, float] = field(
        default_factory=lambda: {"single": 0.0, "composite": 0.0, "longer": 0.0}
    )
    _leader: bool = False

    def turns(self, begun: int, families: int) -> list[Turn]:
        """The three turns, first the one that has had the least: it may have nothing to do.

        Until a few networks were begun, there is nothing yet that is worth a longer training.
        """
        found: list[Turn] = sorted(("composite", "single", "longer"), key=self.spent.__getitem__)
        if begun < families + FEW:
            return sorted(found, key=lambda turn: turn == "longer")
        return sorted(found, key=lambda turn: turn != "longer") if begun >= MANY else found

    def fresh(self, records: Sequence[Record], able: Able) -> Strategy | None:
        """The quickest size of a family that had none; None once every family had one."""
        had = {record.components for record in records if record.topology == "single"}
        return self._take([p for p in self.singles if p[1].components not in had], able)

    def single(
        self, records: Sequence[Record], able: Able, bold: Able, metric: str
    ) -> Strategy | None:
        """The dearest size of the family with the best score; every other time, the quickest.

        So the search comes soon to what is worth most where it stands best, and knows of the
        others. The dearest is that of which `bold` is true.
        """
        self._leader = not self._leader
        if self._leader:
            singles = [r for r in records if r.kind == "strategy" and r.topology == "single"]
            order = {
                record.components: place
                for place, record in enumerate(sorted(singles, key=lambda r: worth(r, metric)))
            }
            places = [(order.get(r.components, -1), at) for at, (_, r) in enumerate(self.singles)]
            dearest = [self.singles[at] for _, at in sorted(places, reverse=True)]
            if (strategy := self._take(dearest, bold)) is not None:
                return strategy
        return self._take(self.singles, able)

    def composite(self, able: Able) -> Strategy | None:
        """The next written composite."""
        return self._take(self.composites, able)

    def _take(self, queue: Sequence[Candidate], able: Able) -> Strategy | None:
        """The first that is able to be trained, off the agenda."""
        for pair in queue:
            if able(pair[1]):
                for written in (self.singles, self.composites):
                    if pair in written:
                        written.remove(pair)
                return pair[0]
        return None
