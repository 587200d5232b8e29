"""All that a search could train next, as arms of its auction; and what became of them.

What is offered: the strategies that the space names, others drawn from it by chance and by changes
of what stands on the front, each at the shortest length; longer trainings of what was begun; and
the joint training of the best, where that was trained part by part. A composite whose parts are
trained alone has each part as a trial of its own, so that it can be joined with others, too; it is
owed its own turn, once they stand.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.errors import AutosynthError, StrategyError
from autosynth.record import Record
from autosynth.strategy import Scalar, Strategy, parse
from autosynth.study.agenda import (
    COMPOSED,
    LENGTH,
    LONGER,
    PART_ALONE,
    TUNED,
    Able,
    Agenda,
    at_length,
    joint_training,
    length_in,
    length_param,
    without_length,
)
from autosynth.study.auction import Action, Arm, Auction
from autosynth.study.chosen import Choices
from autosynth.study.encoding import costed_answers
from autosynth.study.experience import facts_of, shipped
from autosynth.study.finalist import a_training
from autosynth.study.history import RunHistory
from autosynth.study.params import is_suggested, params_for
from autosynth.study.restrict import is_forbidden
from autosynth.study.sampler import Sampler
from autosynth.study.suggest import suggest
from autosynth.study.trial import over_limit

# Candidates that are drawn at a time, by chance and by changes of the front's members.
N_DRAWN, N_MUTATED = 100, 100
# Trainings that may end before candidates are drawn anew, as a share of those there were; and the
# fewest.
STALE, LEAST_STALE = 0.05, 8
# Seconds that a trial takes beside its training, and the FLOPs of a second where no clock decides.
BESIDE, FLOPS_A_SECOND = 0.2, 1e10


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What could be trained, and how the sampler is asked for it: by its text, or by answers."""

    arm: Arm
    level: int
    resolved: Resolved
    origin: str
    params: Mapping[str, Scalar] | None = None
    why: str = ""

    @property
    def strategy(self) -> Strategy:
        """What is trained."""
        return self.resolved.strategy


class Offers:
    """Keeps what could be trained next, and chooses.

    `floor` is the least cost that counts: of what is cheaper still only the error matters.
    """

    def __init__(
        self, history: RunHistory, agenda: Agenda, sampler: Sampler, *, floor: float
    ) -> None:
        self.history, self.sampler, self.floor = history, sampler, floor
        self.context = history.context
        values = self.context.space.settings.get(LENGTH, (1.0,))
        self.lengths = tuple(float(value) for value in values)
        self.facts = facts_of(self.context.dataset)
        self.auction = Auction(
            lengths=self.lengths, price=self._price, seed=self.context.seed, guess=self._guess
        )
        self._resolved = lru_cache(maxsize=2**12)(self._resolve)
        self._rng = np.random.default_rng([self.context.seed, 1])
        self._measured: dict[str, tuple[int, float]] = {}
        self._refused: set[str] = set()
        self._owed: list[Offer] = []
        self._why: dict[str, str] = {}  # of what was offered last, by canonical form
        self._written = [
            self._offer(resolved, origin)
            for origin, pairs in (("ladder", agenda.singles), ("portfolio", agenda.composites))
            for _, resolved in pairs
            if not is_forbidden(resolved, self.context.space)
        ]
        self._drawn: list[Offer] = []
        self._drawn_at = -1
        for record in history.done.values():
            self._note(record)

    def next(self, able: Able) -> Offer | None:
        """What has its turn: of all that `able` is true of, the best gain for its price."""
        found = self._part_or_owed(able) or self._chosen(able)
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

    def _chosen(self, able: Able) -> Offer | None:
        """What the auction chooses; candidates are drawn anew where none of them may be."""
        for is_last in (False, True):
            fresh = {offer.arm.key: offer for offer in self._fresh()}

            def may(arm: Arm, level: int) -> bool:
                return arm.key not in self._refused and able(self._resolved(arm.key, level))

            actions = [Action(arm=each.arm, level=each.level) for each in fresh.values()]
            action = self.auction.choose(actions, may)
            if action is not None:
                begun = self.auction.is_begun(action.arm.key)
                offer = self._longer(action) if begun else fresh[action.arm.key]
                offer = replace(offer, why=action.why)
                if not self.history.lacking(offer.resolved):
                    return offer
                self._owed.append(offer)
                return self._part_or_owed(able)
            if is_last or not self._drawn:
                return None
            self._drawn_at = -1
        return None

    def start(self, resolved: Resolved, origin: str) -> None:
        """Note that a strategy is being trained; what is joined of what stands takes no time."""
        if origin == COMPOSED:
            return
        offer = self._offer(resolved, origin)
        why = self._why.get(resolved.canonical, "")
        # A part of a composite is trained on the composite's account.
        is_single = False if origin == PART_ALONE else None
        self.auction.start(Action(arm=offer.arm, level=offer.level, why=why), is_single=is_single)

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
        if record.state != "complete":
            self.auction.end(key, level, None, price=price)
            if record.state == "stopped":
                self._refused.add(key)
            return
        self._measured[key] = level, a_training(record)
        self.auction.end(key, level, self._error(record), price=price)

    def _note(self, record: Record) -> None:
        """Take in a trial of an earlier sitting."""
        if record.state != "complete" or record.origin == COMPOSED:
            return
        try:
            offer = self._offer(self.context.resolved(record.canonical), record.origin)
        except AutosynthError:  # of a component that is not here any more
            return
        self._measured[offer.arm.key] = offer.level, a_training(record)
        price = self._paid(record)
        self.auction.note(offer.arm, offer.level, self._error(record), price=price)

    def _error(self, record: Record) -> float:
        """What is to be made small; no worse than that of knowing nothing."""
        context = self.context
        error = context.error(record.val[context.metric.name])
        return min(error, context.error(context.trivial_score))

    def _paid(self, record: Record) -> float:
        if self.context.trainer_config.step_seconds:
            return BESIDE + (record.train_seconds or 0.0)
        return BESIDE + (record.train_flops or 0.0) / FLOPS_A_SECOND

    def _fresh(self) -> Iterator[Offer]:
        """What could be begun."""
        front = self.history.standings.front()
        known = self.auction.known
        if self._drawn_at < 0 or known - self._drawn_at > max(LEAST_STALE, STALE * known):
            self._drawn, self._drawn_at = list(self._draw(front)), known
        tuned = joint_training(front, self.context.space, self.context.metric.name)
        offers: Iterable[Offer] = [*self._written, *self._drawn]
        if tuned:
            offers = [*offers, self._offer(self.context.resolved(str(tuned)), TUNED)]
        for each in offers:
            if each.arm.key not in self._refused and not self.auction.is_begun(each.arm.key):
                yield each

    def _draw(self, front: Sequence[Record]) -> Iterator[Offer]:
        """Candidates of the space, none of which was begun."""
        known = [self.sampler.params(record.canonical) for record in front]
        parents: list[Mapping[str, Scalar] | None] = [each for each in known if each]
        wanted: Iterable[Mapping[str, Scalar] | None] = [None] * N_DRAWN
        if parents:
            picks = self._rng.integers(len(parents), size=N_MUTATED)
            wanted = [*wanted, *(parents[at] for at in picks)]
        data, space = self.context.dataset, self.context.space
        seen = {each.arm.key for each in self._written}
        ceiling = self.context.trainer_config.ceiling_seconds
        for parent in wanted:
            rate = 1.0 if parent is None else max(0.1, 1.5 / max(1, len(parent)))
            choices = Choices(self._rng, parent, rate)
            try:
                strategy = first_training(suggest(choices, space), self.lengths)
                resolved = resolve(strategy, data.inputs, data.target)
            except StrategyError:
                continue
            key = without_length(resolved.canonical)
            if key in seen or self.auction.is_begun(key) or is_forbidden(resolved, space):
                continue
            seconds = self.history.foreseen_seconds(resolved) if ceiling else 0.0
            if over_limit(self.context, cost(resolved), self.history.pace * seconds):
                continue
            seen.add(key)
            params = params_for(strategy, space) if is_suggested(strategy, space) else None
            yield self._offer(resolved, "sampler", params)

    def _offer(
        self,
        resolved: Resolved,
        origin: str,
        params: Mapping[str, Scalar] | None = None,
        why: str = "",
    ) -> Offer:
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
        return Offer(
            arm=arm, level=level, resolved=resolved, origin=origin, params=params, why=why
        )

    def _longer(self, action: Action) -> Offer:
        """A longer training, with the answers that made the shorter one."""
        key, level = action.arm.key, action.level
        known = self.sampler.params(at_length(key, self.lengths[level - 1]))
        values = self.context.space.settings[LENGTH]
        return Offer(
            arm=action.arm,
            level=level,
            resolved=self._resolved(key, level),
            origin=LONGER,
            params={**known, LENGTH: length_param(values, values[level])} if known else None,
        )

    def _resolve(self, key: str, level: int) -> Resolved:
        has_length = takes_steps(parse(key).root)
        return self.context.resolved(at_length(key, self.lengths[level]) if has_length else key)

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
            return BESIDE + folds * seconds * self.lengths[level] / self.lengths[known]
        resolved = self._resolved(arm.key, level)
        if not plan.step_seconds:
            samples = plan.steps * self.lengths[level] * plan.batch_size
            return BESIDE + 3 * cost(resolved).flops * samples / FLOPS_A_SECOND
        seconds = self.history.pace * self.history.foreseen_seconds(resolved)
        seconds += self.history.fit_seconds(resolved)
        return BESIDE + folds * seconds + self.context.once_seconds(resolved)

    def _guess(self, arms: Sequence[Arm]) -> NDArray[np.float64]:
        known = shipped(tuple(sorted(self.facts.items())))
        return known.factors(self.facts, [arm.answers for arm in arms])


def first_training(strategy: Strategy, lengths: Sequence[float]) -> Strategy:
    """A strategy at the shortest length."""
    settings = tuple((k, lengths[0] if k == LENGTH else v) for k, v in strategy.settings)
    return replace(strategy, settings=settings)
