"""Whose turn it is in a search: a single component, a composite, or a longer training.

First comes the quickest size of every family, and a few more. Then whichever of the three has had
the least takes its turn, so that composites are held against single components that were tuned as
much, and no more networks are begun while the best would gain by a longer training.

A longer training is the same strategy with the next larger `length` that the space offers, on a
schedule of its own from the start: a strategy like any other, which the board shows and anyone can
train again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.record import Record, merit, worth
from autosynth.spec import Dataset
from autosynth.strategy import Fusion, Scalar, Strategy, parse
from autosynth.study.params import complete_strategy
from autosynth.study.space import Space
from autosynth.study.suggest import is_ordered

Turn = Literal["single", "composite", "longer"]
Candidate = tuple[Strategy, Resolved]
Able = Callable[[Resolved], bool]
"""Whether a strategy is still to be trained, and would end in time."""
Lacking = Callable[[Resolved], Sequence[Resolved]]
"""The parts of a composite that are trained alone, on all rows, and do not stand as yet."""
# Networks after the first of every family, before any is trained for longer: the best of fewer is
# not yet what is worth it.
FEW = 4
# Networks, from which on none is begun while the best can be trained for longer: as many say
# already which are best, and those have their longer schedules first.
MANY = 20

LENGTH = "length"
COMPOSED = "composed"  # the origin of a trial that joins what stands trained
LONGER = "longer"  # of a longer training
TUNED = "tuned"  # of one that trains jointly what was trained apart
PART_ALONE = "part"  # and of a part of a written composite that is trained alone
WRITTEN = (COMPOSED, PART_ALONE, TUNED)
"""The origins of strategies that the space need not suggest."""
SPARED = (LONGER, TUNED, PART_ALONE)
"""Those of trials that no pruner ends: others were good, or need them."""
# By score, that are trained for longer before the front's other members are.
BEST = 3


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a search ends: by its deadline, after so many trials, or when `stop()` is true.

    `reserve(finalists, seconds)` are the seconds that what comes after the trials will take, if
    one more of so many seconds may be the best.
    """

    deadline: Deadline = NEVER
    trials: int | None = None
    stop: Callable[[], bool] = field(default=lambda: False)
    reserve: Callable[[list[Record], float], float] = field(default=lambda last, seconds: 0.0)


def turn_of(origin: str, topology: str) -> Turn:
    """Whose turn a trial is counted as."""
    if origin in (LONGER, TUNED):
        return "longer"
    return "single" if topology == "single" and origin != PART_ALONE else "composite"


def ladder(dataset: Dataset, space: Space) -> list[Candidate]:
    """The single components that are always in, cheapest first."""
    found = candidates(dataset, space, [s for steps in space.ladder.values() for s in steps])
    return sorted(found, key=lambda pair: cost(pair[1]).flops)


def candidates(dataset: Dataset, space: Space, written: Sequence[Strategy]) -> list[Candidate]:
    """Written strategies, and what they are on this data."""
    return [
        (strategy, resolve(complete_strategy(strategy, space), dataset.inputs, dataset.target))
        for strategy in written
    ]


@dataclass(kw_only=True)
class Agenda:
    """What a search has still to train of what is written, and what each turn has had.

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

    def fresh(self, had: Collection[str], able: Able) -> Strategy | None:
        """The quickest size of a family that is not among `had`; None once every family is."""
        return self._take([p for p in self.singles if p[1].components not in had], able)

    def quickest(self, able: Able) -> Strategy | None:
        """The quickest single component."""
        return self._take(self.singles, able)

    def single(
        self, records: Sequence[Record], able: Able, bold: Able, metric: str
    ) -> Strategy | None:
        """The dearest size of the family with the best score; every other time, the quickest.

        `records` are of single components.
        So the search comes soon to what is worth most where it stands best, and knows of the
        others. The dearest is that of which `bold` is true.
        """
        self._leader = not self._leader
        if self._leader:
            order = {
                record.components: place
                for place, record in enumerate(sorted(records, key=lambda r: worth(r, metric)))
            }
            places = [(order.get(r.components, -1), at) for at, (_, r) in enumerate(self.singles)]
            dearest = [self.singles[at] for _, at in sorted(places, reverse=True)]
            if (strategy := self._take(dearest, bold)) is not None:
                return strategy
        return self.quickest(able)

    def composite(self, able: Able, lacking: Lacking) -> tuple[str, Strategy | None]:
        """The origin of a trial, and the next written composite.

        Of one whose parts are trained alone, first each part that does not stand as yet: so that
        it is there to be joined with others, too. It comes again once they stand, which takes no
        time then, and not while they are being trained.
        """
        for written, resolved in self.composites:
            if able(resolved):
                parts = lacking(resolved)
                if not parts:
                    self.composites.remove((written, resolved))
                    return "portfolio", written
                if part := next(filter(able, parts), None):
                    return PART_ALONE, part.strategy
        return "", None

    def _take(self, queue: Sequence[Candidate], able: Able) -> Strategy | None:
        """The first that is able to be trained, off the agenda."""
        for pair in queue:
            if able(pair[1]):
                for written in (self.singles, self.composites):
                    if pair in written:
                        written.remove(pair)
                return pair[0]
        return None


@dataclass(frozen=True, kw_only=True)
class Longer:
    """A longer training: of which trained strategy, as resolved, and what it is then.

    `param` is what the sampler calls the new length.
    """

    trained: str
    resolved: str
    param: Scalar


def first_length(space: Space) -> dict[str, Scalar]:
    """The parameter of a first training's length; empty where the space fixes it."""
    values = space.settings.get(LENGTH, ())
    if len(values) < 2:
        return {}
    default = space.defaults.get(LENGTH, 1.0)
    return {LENGTH: _param(values, default if default in values else values[0])}


def worth_longer(
    records: Iterable[Record], front: Iterable[Record], space: Space, metric: str
) -> list[Longer]:
    """Longer trainings that may pay, the most promising first.

    Those of the best by score, then those of `front`. A strategy whose last lengthening brought
    nothing is left as it is, and so is one that was best on `calibration` before its end.
    """
    groups = by_strategy(records)
    best = sorted(groups.values(), key=lambda group: max(worth(r, metric) for r in group))
    chosen = list(best[::-1][:BEST])
    chosen += [groups[without_length(record.canonical)] for record in front]
    return longer_trainings(chosen, space, metric)


def longer_trainings(
    groups: Iterable[Sequence[Record]], space: Space, metric: str
) -> list[Longer]:
    """What `worth_longer` says of some strategies' trainings, each group the shortest first."""
    values = space.settings.get(LENGTH, ())
    found: dict[str, Longer] = {}
    for group in groups:
        last = group[-1]
        following = [value for value in values if float(value) > length_of(last)]
        if following and still_gains(group, metric):
            longer = _at_length(last.canonical, float(following[0]))
            found[longer] = Longer(
                trained=last.canonical,
                resolved=longer,
                param=_param(values, following[0]),
            )
    return list(found.values())


def joint_training(front: Sequence[Record], space: Space, metric: str) -> Strategy | None:
    """The best of the front trained jointly, from its parts' weights; None where it has no such.

    That is a composite of networks whose outputs are joined without weights, which were trained
    apart, with the same settings.
    """
    if not front or "parts" not in space.inits:
        return None
    strategy = parse(max(front, key=lambda record: worth(record, metric)).canonical)
    root, apart = strategy.root, (("rows", "all"), ("train", "subsets"))
    if not isinstance(root, Fusion) or root.method != "mean" or root.settings:
        return None
    if tuple(sorted(strategy.flags)) != apart or not all(map(takes_steps, root.parts)):
        return None
    return replace(strategy, flags=(("init", "parts"),))


def by_strategy(records: Iterable[Record]) -> dict[str, list[Record]]:
    """Complete trials of strategies that are equal but for their length, the shortest first."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.kind == "strategy" and record.state == "complete":
            groups.setdefault(without_length(record.canonical), []).append(record)
    return {key: sorted(group, key=length_of) for key, group in groups.items()}


def still_gains(group: Sequence[Record], metric: str) -> bool:
    """Whether the longest training was the best of them, and at its end, or is the only one.

    What takes no steps gains by none.
    """
    if group[-1].samples_seen == 0 or not _takes_steps(group[-1].canonical):
        return False
    early = min(group[-1].best_fractions.values(), default=1.0) < 1
    return not early and merit(group[-1], metric) == max(merit(r, metric) for r in group)


def why_longer(records: Iterable[Record], best: Record, metric: str) -> str:
    """Why a strategy may gain by a training longer than all of its own; empty where it may not."""
    groups = by_strategy(records).values()
    group = next((g for g in groups if g[-1].trial == best.trial), [])
    if not group or not still_gains(group, metric):
        return ""
    if len(group) == 1:
        return "no longer one was tried"
    gain = best.val[metric] - group[-2].val[metric]
    epochs = [f"{each.epochs or 0.0:.3g}" for each in group[-2:]]
    return f"from {epochs[0]} to {epochs[1]} epochs it gained {gain:+.4f}" if gain > 0 else ""


def length_of(record: Record) -> float:
    """The length of a trial's training, over that of the plan."""
    return _length(record.canonical)


def without_length(canonical: str) -> str:
    """A strategy's text at the plan's own length: what trainings of any length have in common."""
    return _at_length(canonical, 1.0)


# Asked of every record before every trial; to read a text takes a quarter of a millisecond. As
# many as a run of days has, at about half a kilobyte each.
@lru_cache(maxsize=2**15)
def _length(canonical: str) -> float:
    return float(dict(parse(canonical).settings).get(LENGTH, 1.0))


@lru_cache(maxsize=2**15)
def _takes_steps(canonical: str) -> bool:
    return takes_steps(parse(canonical).root)


@lru_cache(maxsize=2**15)
def _at_length(canonical: str, length: float) -> str:
    strategy = parse(canonical)
    settings = tuple((k, length if k == LENGTH else v) for k, v in strategy.settings)
    return str(replace(strategy, settings=settings))


def _param(values: Sequence[Scalar], value: Scalar) -> Scalar:
    return values.index(value) if is_ordered(values) else value
