"""All that a search could train next, as arms of its auction; and what became of them.

What is offered: the strategies that the space names, those of other data that it could suggest,
others drawn from it by chance and by changes of what stands on the front, each at the shortest
length; longer trainings of what was begun; and the joint training of the best, where that was
trained part by part. A composite whose parts are
trained alone has each part as a trial of its own, so that it can be joined with others, too; it is
owed its own turn, once they stand.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.errors import AutosynthError, StrategyError
from autosynth.record import Record
from autosynth.strategy import Scalar, Strategy, parse
from autosynth.study.agenda import (
    COMPOSED,
    ELSEWHERE,
    LENGTH,
    LONGER,
    PART_ALONE,
    TUNED,
    Able,
    Agenda,
    at_length,
    joint_training,
    length_in,
    without_length,
)
from autosynth.study.auction import Action, Auction
from autosynth.study.chosen import Choices
from autosynth.study.context import EARLIER_FILE
from autosynth.study.encoding import costed_answers
from autosynth.study.experience import known_elsewhere
from autosynth.study.facts import facts_of
from autosynth.study.finalist import a_training
from autosynth.study.foresight import Arm
from autosynth.study.history import RunHistory
from autosynth.study.params import answers_for
from autosynth.study.restrict import is_forbidden
from autosynth.study.suggest import suggest
from autosynth.study.trial import over_limit

# Candidates that are drawn at a time, by chance and by changes of the front's members.
FRESH_DRAWN, FRESH_MUTATED = 60, 60
# Trainings that may end before candidates are drawn anew, as a share of those there were; and the
# fewest.
STALE_SHARE, LEAST_STALE = 0.1, 12
# Seconds that a trial takes beside its training, and the FLOPs of a second where no clock decides.
TRIAL_SECONDS, FLOPS_A_SECOND = 0.2, 1e10


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What could be trained, at which of the lengths, who proposed it, and why it has its turn."""

    arm: Arm
    level: int
    resolved: Resolved
    origin: str
    why: str = ""


class Offers:
    """Keeps what could be trained next, and chooses.

    `floor` is the least cost that counts: of what is cheaper still only the error matters.
    """

    def __init__(self, history: RunHistory, agenda: Agenda, *, floor: float) -> None:
        self.history, self.floor = history, floor
        self.context = history.context
        values = self.context.space.settings.get(LENGTH, (1.0,))
        self.lengths = tuple(float(value) for value in values)
        self._first = float(self.context.space.defaults.get(LENGTH, self.lengths[0]))
        self.facts = facts_of(self.context.dataset)
        # A search of data that it knows would know its answers.
        self._experience = known_elsewhere(self.facts, self.context.folder / EARLIER_FILE)
        self.auction = Auction(
            lengths=self.lengths, price=self._price, seed=self.context.seed, guess=self._guess
        )
        self._offered: dict[str, Offer] = {}  # what could be begun, by key
        self._rng = np.random.default_rng([self.context.seed, 1])
        self._measured: dict[str, tuple[int, float]] = {}
        self._refused: set[str] = set()
        self._places: dict[int, tuple[str, int]] = {}  # of trials: keys and levels
        self._texts: dict[tuple[str, int], str] = {}  # of arms at levels
        self._owed: list[Offer] = []
        self._why: dict[str, str] = {}  # of what was offered last, by canonical form
        self._named = list(self._name(agenda))
        self._drawn: list[Offer] = []
        self._drawn_at = -1
        for record in history.done.values():
            self._note(record)

    def _name(self, agenda: Agenda) -> Iterator[Offer]:
        """What the space names, and what was trained on other data and can be on these."""
        data, space, named = self.context.dataset, self.context.space, set[str]()
        known = [("ladder", resolved) for _, resolved in agenda.singles]
        known += [("portfolio", resolved) for _, resolved in agenda.composites]
        for strategy in self._experience.strategies:
            with suppress(AutosynthError):  # of other inputs, or of what these have no room for
                resolved = resolve(at_first(strategy, self._first), data.inputs, data.target)
                if answers_for(resolved, space) and not self._is_over(resolved):
                    known.append((ELSEWHERE, resolved))
        for origin, resolved in known:
            offer = self._offer(resolved, origin)
            if offer.arm.key in named or is_forbidden(resolved, space):
                continue
            named.add(offer.arm.key)
            yield offer

    def next(self, able: Able) -> Offer | None:
        """What has its turn: of all that `able` is true of, the best gain for its price."""
        found = self._part_or_owed(able) or self._first_of_all(able) or self._chosen(able)
        if found:
            self._why = {found.resolved.canonical: found.why}
        return found

    def _part_or_owed(self, able: Able) -> Offer | None:
        """A composite that was chosen before, now that its parts stand, or one of these."""
        for offer in list(self._owed):
            lacking = self.history.lacking(offer.resolved)
            if part := next(filter(able, lacking), None):
                return self._offer(part, PART_ALONE, why=offer.why)
            if any(self.auction.is_running(without_length(each.canonical)) for each in lacking):
                continue
            self._owed.remove(offer)
            if not lacking and able(offer.resolved):
                return offer
        return None

    def _first_of_all(self, able: Able) -> Offer | None:
        """The next of a user's own composites."""
        if not self.context.space.composites_first:
            return None
        own = [each for each in self._named if each.origin == "portfolio"]
        new = (each for each in own if not self.auction.is_begun(each.arm.key))
        found = next((each for each in new if able(each.resolved)), None)
        return self._with_parts(found, able) if found else None

    def _with_parts(self, offer: Offer, able: Able) -> Offer | None:
        """An offer, or the first of its parts that are to stand before it."""
        if not self.history.lacking(offer.resolved):
            return offer
        self._owed.append(offer)
        return self._part_or_owed(able)

    def _chosen(self, able: Able) -> Offer | None:
        """What the auction chooses; candidates are drawn anew where none of them may be."""
        if self.context.is_few:
            self.auction.revise(self._expected())
        for is_last in (False, True):
            fresh = self._offered = {offer.arm.key: offer for offer in self._fresh()}

            def may(arm: Arm, level: int) -> bool:
                return arm.key not in self._refused and able(self._resolved(arm.key, level))

            action = self.auction.choose(list(self._beginnings(fresh.values())), may)
            if action is not None:
                return self._with_parts(self._offer_of(action), able)
            if is_last or not self._drawn:
                return None
            self._drawn_at = -1
        return None

    def _beginnings(self, fresh: Iterable[Offer]) -> Iterator[Action]:
        """Each at the shortest length, and at the next: what is foreseen may need no screening."""
        for offer in fresh:
            last = offer.level + 1 if offer.arm.takes_steps else offer.level
            for level in range(offer.level, min(last, len(self.lengths) - 1) + 1):
                yield Action(arm=offer.arm, level=level)

    def _offer_of(self, action: Action) -> Offer:
        """What an action of the auction is."""
        key, level = action.arm.key, action.level
        offer = self._offered.get(key)
        return Offer(
            arm=action.arm,
            level=level,
            resolved=self._resolved(key, level),
            origin=LONGER if offer is None or self.auction.is_begun(key) else offer.origin,
            why=action.why,
        )

    def start(self, resolved: Resolved, origin: str) -> None:
        """Note that a strategy is being trained; what is joined of what stands takes no time."""
        if origin == COMPOSED:
            return
        offer = self._offer(resolved, origin)
        why = self.why(resolved.canonical)
        # A part of a composite is trained on the composite's account.
        is_single = False if origin == PART_ALONE else None
        self.auction.start(Action(arm=offer.arm, level=offer.level, why=why), is_single=is_single)

    def why(self, canonical: str) -> str:
        """Why a strategy that was offered last has its turn."""
        return self._why.get(canonical, "")

    def may_go_on(self, resolved: Resolved) -> bool:
        """Whether it is at the shortest of several lengths: the bad are not lengthened."""
        return len(self.lengths) > 1 and self._level(resolved.canonical) == 0

    def put(self, record: Record) -> None:
        """Take in a trial that ended."""
        # What is joined of what stands trained is no rival of its parts.
        if record.kind != "strategy" or record.origin == COMPOSED:
            return
        key, level = without_length(record.canonical), self._level(record.canonical)
        price = self._paid(record)
        if record.state == "complete":
            self._measured[key] = level, a_training(record)
            self._places[record.trial] = key, level
            self.auction.end(key, level, self._error(record), price=price)
            return
        self._refused.add(key)
        # What broke is no better than knowing nothing; of what had no time nothing is known.
        worst = self.context.error(self.context.trivial_score)
        self.auction.end(key, level, worst if record.state == "failed" else None, price=price)

    def _note(self, record: Record) -> None:
        """Take in a trial of an earlier sitting."""
        if record.state != "complete" or record.origin == COMPOSED:
            return
        try:
            offer = self._offer(self.context.resolved(record.canonical), record.origin)
        except AutosynthError:  # of a component that is not here any more
            return
        self._measured[offer.arm.key] = offer.level, a_training(record)
        self._places[record.trial] = offer.arm.key, offer.level
        price = self._paid(record)
        action = Action(arm=offer.arm, level=offer.level, why=record.chosen)
        self.auction.note(action, self._error(record), price=price)

    def _expected(self) -> dict[tuple[str, int], float]:
        """What is to be expected of trials by what is like them, where anything is."""
        known = [each for each in self.history.standings if each.trial in self._places]
        return {
            self._places[each.trial]: self._no_worse(each.expected)
            for each in known
            if each.expected is not None
        }

    def _error(self, record: Record) -> float:
        """What is to be made small."""
        return self._no_worse(record.val[self.context.metric.name])

    def _no_worse(self, score: float) -> float:
        """The error of a score; no worse than that of knowing nothing."""
        return min(self.context.error(score), self.context.error(self.context.trivial_score))

    def _paid(self, record: Record) -> float:
        if self.context.trainer_config.step_seconds:
            return TRIAL_SECONDS + (record.train_seconds or 0.0)
        return TRIAL_SECONDS + (record.train_flops or 0.0) / FLOPS_A_SECOND

    def _fresh(self) -> Iterator[Offer]:
        """What could be begun."""
        front = self.history.standings.front()
        known = self.auction.known
        if self._drawn_at < 0 or known - self._drawn_at > max(LEAST_STALE, STALE_SHARE * known):
            self._drawn, self._drawn_at = list(self._draw(front)), known
        tuned = joint_training(front, self.context.space, self.context.metric.name)
        offers: Iterable[Offer] = [*self._named, *self._drawn]
        if tuned:
            offers = [*offers, self._offer(self.context.resolved(str(tuned)), TUNED)]
        for each in offers:
            if each.arm.key not in self._refused and not self.auction.is_begun(each.arm.key):
                yield each

    def _draw(self, front: Sequence[Record]) -> Iterator[Offer]:
        """Candidates of the space, none of which was begun."""
        space = self.context.space
        known = [answers_for(self.context.resolved(each.canonical), space) for each in front]
        parents: list[Mapping[str, Scalar] | None] = [each for each in known if each]
        wanted: Iterable[Mapping[str, Scalar] | None] = [None] * FRESH_DRAWN
        if parents:
            picks = self._rng.integers(len(parents), size=FRESH_MUTATED)
            wanted = [*wanted, *(parents[at] for at in picks)]
        data = self.context.dataset
        seen = {each.arm.key for each in self._named}
        for parent in wanted:
            rate = 1.0 if parent is None else max(0.1, 1.5 / max(1, len(parent)))
            choices = Choices(self._rng, parent, rate)
            try:
                strategy = at_first(suggest(choices, space), self._first)
                resolved = resolve(strategy, data.inputs, data.target)
            except StrategyError:
                continue
            key = without_length(resolved.canonical)
            if key in seen or self.auction.is_begun(key) or is_forbidden(resolved, space):
                continue
            if self._is_over(resolved):
                continue
            seen.add(key)
            yield self._offer(resolved, "sampler")

    def _is_over(self, resolved: Resolved) -> bool:
        """Whether it is larger, slower or longer than is allowed."""
        has_ceiling = self.context.trainer_config.ceiling_seconds
        seconds = self.history.foreseen_seconds(resolved) if has_ceiling else 0.0
        return bool(over_limit(self.context, cost(resolved), self.history.pace * seconds))

    def _offer(self, resolved: Resolved, origin: str, why: str = "") -> Offer:
        price, key = cost(resolved), without_length(resolved.canonical)
        charged = "flops" if self.context.cost == "latency_ms" else self.context.cost
        strategy = parse(key)
        arm = Arm(
            key=key,
            answers=costed_answers(strategy, price.flops),
            cost=max(float(getattr(price, charged)), self.floor, 1.0),
            is_single=resolved.topology == "single",
            # What was trained jointly from its parts was trained as long as these.
            takes_steps=takes_steps(strategy.root) and origin != TUNED,
        )
        level = self._level(resolved.canonical)
        return Offer(arm=arm, level=level, resolved=resolved, origin=origin, why=why)

    def _resolved(self, key: str, level: int) -> Resolved:
        offer = self._offered.get(key)
        if offer and offer.level == level:
            return offer.resolved
        if (key, level) not in self._texts:  # asked of every candidate, before every training
            has_length = takes_steps(parse(key).root)
            self._texts[key, level] = at_length(key, self.lengths[level]) if has_length else key
        return self.context.resolved(self._texts[key, level])

    def _level(self, canonical: str) -> int:
        """The place of a strategy's length among those of the space; of others the nearest."""
        if not takes_steps(parse(canonical).root):
            return 0
        own = length_in(canonical)
        return min(range(len(self.lengths)), key=lambda at: abs(self.lengths[at] - own))

    def _price(self, arm: Arm, level: int) -> float:
        """Seconds of a training, as they were measured or are foreseen; FLOPs without a clock."""
        plan, folds = self.context.trainer_config, self.context.folds
        if arm.key in self._measured and plan.step_seconds:
            known, seconds = self._measured[arm.key]
            return TRIAL_SECONDS + folds * seconds * self.lengths[level] / self.lengths[known]
        # Of what was not begun any length is known by the first: all are proportional to it.
        offer = self._offered.get(arm.key)
        resolved = offer.resolved if offer else self._resolved(arm.key, level)
        longer = self.lengths[level] / self.lengths[offer.level] if offer else 1.0
        if not plan.step_seconds:
            samples = plan.steps * self.lengths[level] * plan.batch_size
            return TRIAL_SECONDS + 3 * cost(resolved).flops * samples / FLOPS_A_SECOND
        seconds = longer * self.history.pace * self.history.foreseen_seconds(resolved)
        seconds += self.history.fit_seconds(resolved)
        return TRIAL_SECONDS + folds * seconds + self.context.once_seconds(resolved)

    def _guess(self, arms: Sequence[Arm]) -> NDArray[np.float64]:
        return self._experience.factors(self.facts, [arm.answers for arm in arms])


def at_first(strategy: Strategy, length: float) -> Strategy:
    """A strategy at the length that trainings begin with."""
    if not takes_steps(strategy.root):
        return strategy
    return replace(strategy, settings=tuple((dict(strategy.settings) | {LENGTH: length}).items()))
