"""What a search trains first, and what it knows of how long a strategy was trained.

First comes the quickest size of every family; what comes next is the auction's to say. A longer
training is the same strategy with another `length`, on a schedule of its own from the start: a
strategy like any other, which the board shows and anyone can train again.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.record import Record, merit, worth
from autosynth.spec import Dataset
from autosynth.strategy import Fusion, Strategy, parse
from autosynth.study.params import complete_strategy
from autosynth.study.space import Space

Candidate = tuple[Strategy, Resolved]
Able = Callable[[Resolved], bool]
"""Whether a strategy is still to be trained, and would end in time."""
LENGTH = "length"
COMPOSED = "composed"  # the origin of a trial that joins what stands trained
ELSEWHERE = "known"  # of one that was trained on other data
LONGER = "longer"  # of a longer training
TUNED = "tuned"  # of one that trains jointly what was trained apart
PART_ALONE = "part"  # and of a part of a written composite that is trained alone
SPARED = (LONGER, TUNED, PART_ALONE)
"""Those of trials that no pruner ends: others were good, or need them."""


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
    """What the space names to be trained.

    `singles` stand the quickest first, `composites` the best guesses first.
    """

    singles: list[Candidate]
    composites: list[Candidate]

    def fresh(self, had: Collection[str], able: Able) -> Resolved | None:
        """The quickest size of a family that is not among `had`; None once every family is."""
        return self._take([p for p in self.singles if p[1].components not in had], able)

    def quickest(self, able: Able) -> Resolved | None:
        """The quickest single component."""
        return self._take(self.singles, able)

    def _take(self, queue: Sequence[Candidate], able: Able) -> Resolved | None:
        """The first that is able to be trained."""
        return next((resolved for _, resolved in queue if able(resolved)), None)


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
    return length_in(record.canonical)


def without_length(canonical: str) -> str:
    """A strategy's text at the plan's own length: what trainings of any length have in common."""
    return at_length(canonical, 1.0)


# Asked of every record before every trial; to read a text takes a quarter of a millisecond. As
# many as a run of days has, at about half a kilobyte each.
@lru_cache(maxsize=2**15)
def length_in(canonical: str) -> float:
    """The length in a strategy's text."""
    return float(dict(parse(canonical).settings).get(LENGTH, 1.0))


@lru_cache(maxsize=2**15)
def _takes_steps(canonical: str) -> bool:
    return takes_steps(parse(canonical).root)


@lru_cache(maxsize=2**15)
def at_length(canonical: str, length: float) -> str:
    """A strategy's text with another length of its training."""
    strategy = parse(canonical)
    settings = tuple((k, length if k == LENGTH else v) for k, v in strategy.settings)
    return str(replace(strategy, settings=settings))
