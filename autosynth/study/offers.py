"""All that a search could train next, as arms of its auction; and what became of them.

What is offered: the strategies that the space names, others drawn from it by chance and by changes
of what stands on the front, each at the shortest length; longer trainings of what was begun; and
the joint training of the best, where that was trained part by part.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from autosynth.composite import Resolved, cost, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.errors import StrategyError
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
# Seconds of what nobody has measured, and the FLOPs of a second where no clock decides.
UNMEASURED, FLOPS_A_SECOND = 0.2, 1e10


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What could be trained, and how the sampler is asked for it: by its text, or by answers."""

    arm: Arm
    resolved: Resolved
    origin: str
    strategy: Strategy
    params: Mapping[str, Scalar] | None = None


class Offers:
    """Keeps what could be trained next, and chooses.

    `floor` is the least cost that counts: of what is cheaper still only the error matters.
    """

    def __init__(
        self, history: RunHistory, agenda: Agenda, sampler: Sampler, *, floor: float
    ) -> None:
        self.history, self.agenda, self.sampler, self.floor = history, agenda, sampler, floor
        self.context = history.context
        values = self.context.space.settings.get(LENGTH, (1.0,))
        self.lengths = tuple(float(value) for value in values)
        self.facts = facts_of(self.context.dataset)
        self.auction = Auction(levels=len(self.lengths), seed=self.context.seed, guess=self._guess)
        self._rng = np.random.default_rng([self.context.seed, 1])
        self._refused: set[str] = set()
        self._last = ""
        self._drawn: list[Offer] = []
        self._drawn_at = 0
        for record in history.done.values():
            self.put(record)

    def next(self, able: Able) -> Offer | None:
        """What has its turn: of all that `able` is true of, the best gain for its price."""
        fresh = {offer.arm.key: offer for offer in self._fresh(able)}

        def may(arm: Arm, level: int) -> bool:
            if arm.key in self._refused:
                return False
            offered = fresh.get(arm.key)
            return able(offered.resolved if offered else self._at(arm.key, level))

        action = self.auction.choose([offer.arm for offer in fresh.values()], may)
        if action is None:
            return None
        self._last = action.arm.key
        offer = fresh.get(action.arm.key)
        if offer is None:
            return self._longer(action)
        # Each part that is trained alone as a trial of its own, so that it can be joined with
        # others, too.
        part = next(filter(able, self.history.lacking(offer.resolved)), None)
        return self._of_part(part) if part else offer

    def refuse(self) -> None:
        """Offer what was offered last no more: it could not be begun."""
        self._refused.add(self._last)

    def start(self, resolved: Resolved, origin: str) -> None:
        """Note that a strategy is being trained; what is joined of what stands takes no time."""
        if origin != COMPOSED:
            arm, level = self._arm(resolved), self._level(resolved.canonical)
            self.auction.start(Action(arm=arm, level=min(level, len(arm.prices) - 1), why=""))

    def put(self, record: Record) -> None:
        """Take in a trial that ended."""
        # What is joined of what stands trained is no rival of its parts: it gains as they do.
        if record.kind != "strategy" or not record.canonical or record.origin == COMPOSED:
            return
        key, level = without_length(record.canonical), self._level(record.canonical)
        if record.state != "complete":
            self.auction.end(key, level, None)
            return
        arm = self._arm_of(record)
        if record.origin == TUNED:  # trained as long as its parts were
            arm = replace(arm, prices=arm.prices[:1])
            level = 0
        self.auction.begun[key] = arm
        score = record.val[self.context.metric.name]
        self.auction.end(key, level, self.context.error(score))

    def _fresh(self, able: Able) -> Iterator[Offer]:
        """What could be begun."""
        for origin, written in (
            ("ladder", self.agenda.singles),
            ("portfolio", self.agenda.composites),
        ):
            for strategy, resolved in written:
                if able(resolved):
                    yield self._offer(resolved, origin, strategy)
        front = self.history.standings.front()
        tuned = joint_training(front, self.context.space, self.context.metric.name)
        if tuned:
            resolved = self.context.resolved(str(tuned))
            if able(resolved):
                yield self._offer(resolved, TUNED, tuned)
        known = len(self.auction.errors)
        if known - self._drawn_at > max(LEAST_STALE, STALE * known) or not self._drawn:
            self._drawn, self._drawn_at = list(self._draw(front)), known
        yield from (each for each in self._drawn if each.arm.key not in self.auction.begun)

    def _draw(self, front: Sequence[Record]) -> Iterator[Offer]:
        """Candidates of the space, none of which was begun."""
        known = [self.sampler.params(record.canonical) for record in front]
        parents: list[Mapping[str, Scalar] | None] = [each for each in known if each]
        wanted: Iterable[Mapping[str, Scalar] | None] = [None] * N_DRAWN
        if parents:
            picks = self._rng.integers(len(parents), size=N_MUTATED)
            wanted = [*wanted, *(parents[at] for at in picks)]
        data, space = self.context.dataset, self.context.space
        seen = set(self.auction.begun)
        for parent in wanted:
            rate = 1.0 if parent is None else max(0.1, 1.5 / max(1, len(parent)))
            choices = Choices(self._rng, parent, rate)
            try:
                strategy = first_training(suggest(choices, space), self.lengths)
                resolved = resolve(strategy, data.inputs, data.target)
            except StrategyError:
                continue
            key = without_length(resolved.canonical)
            if key in seen or is_forbidden(resolved, space):
                continue
            if over_limit(self.context, cost(resolved), 0.0):
                continue
            seen.add(key)
            params = params_for(strategy, space) if is_suggested(strategy, space) else None
            yield self._offer(resolved, "sampler", strategy, params)

    def _offer(
        self,
        resolved: Resolved,
        origin: str,
        strategy: Strategy,
        params: Mapping[str, Scalar] | None = None,
    ) -> Offer:
        return Offer(
            arm=self._arm(resolved),
            resolved=resolved,
            origin=origin,
            strategy=strategy,
            params=params,
        )

    def _of_part(self, part: Resolved) -> Offer:
        return self._offer(part, PART_ALONE, part.strategy)

    def _longer(self, action: Action) -> Offer:
        """A longer training, with the answers that made the shorter one."""
        key, level = action.arm.key, action.level
        known = self.sampler.params(at_length(key, self.lengths[level - 1]))
        values = self.context.space.settings[LENGTH]
        return Offer(
            arm=action.arm,
            resolved=self._at(key, level),
            origin=LONGER,
            strategy=parse(at_length(key, self.lengths[level])),
            params={**known, LENGTH: length_param(values, values[level])} if known else None,
        )

    def _at(self, key: str, level: int) -> Resolved:
        return self.context.resolved(at_length(key, self.lengths[level]))

    def _level(self, canonical: str) -> int:
        """The place of a strategy's length among those of the space; of others the nearest."""
        if not takes_steps(parse(canonical).root):
            return 0
        own = length_in(canonical)
        return min(range(len(self.lengths)), key=lambda at: abs(self.lengths[at] - own))

    def _arm(self, resolved: Resolved) -> Arm:
        """A strategy that could be trained as an arm, with what it takes by what is known now."""
        price, level = cost(resolved), self._level(resolved.canonical)
        charged = "flops" if self.context.cost == "latency_ms" else self.context.cost
        seconds = UNMEASURED + self.history.foreseen_seconds(resolved) * self.context.folds
        seconds += self.context.once_seconds(resolved)
        return self._made(
            resolved.canonical,
            price.flops,
            float(getattr(price, charged)),
            self._price(seconds, price.flops, self.lengths[level]),
            is_single=resolved.topology == "single",
        )

    def _arm_of(self, record: Record) -> Arm:
        """A strategy that was trained as an arm."""
        charged = "flops" if self.context.cost == "latency_ms" else self.context.cost
        seconds = UNMEASURED + (record.foreseen_seconds or record.train_seconds or 0.0)
        length = self.lengths[self._level(record.canonical)]
        return self._made(
            record.canonical,
            record.flops or 0,
            float(getattr(record, charged) or 0.0),
            self._price(seconds, record.flops or 0, length),
            is_single=record.topology == "single",
        )

    def _price(self, seconds: float, flops: int, length: float) -> float:
        """Of a training of a length: seconds, or its FLOPs where no clock decides."""
        plan = self.context.trainer_config
        if plan.step_seconds:
            return seconds
        return UNMEASURED + 3 * flops * plan.steps * length * plan.batch_size / FLOPS_A_SECOND

    def _guess(self, arms: Sequence[Arm]) -> NDArray[np.float64]:
        return shipped().factors(self.facts, [arm.answers for arm in arms])

    def _made(
        self, canonical: str, flops: float, charged: float, price: float, *, is_single: bool
    ) -> Arm:
        strategy = parse(canonical)
        first = self.lengths[self._level(canonical)]
        prices = tuple(price * each / first for each in self.lengths)
        return Arm(
            key=without_length(canonical),
            answers=costed_answers(strategy, flops),
            cost=max(charged, self.floor, 1.0),
            prices=prices if takes_steps(strategy.root) else prices[:1],
            is_single=is_single,
        )


def first_training(strategy: Strategy, lengths: Sequence[float]) -> Strategy:
    """A strategy at the shortest length."""
    settings = tuple((k, lengths[0] if k == LENGTH else v) for k, v in strategy.settings)
    return replace(strategy, settings=settings)
