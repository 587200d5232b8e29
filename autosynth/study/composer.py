"""Which parts that stand trained join well: fusions of their outputs, tried by arithmetic.

Parts that were trained alone have outputs on `validation` and `calibration` rows. A mean of some,
or a cascade of two, is a few operations on those: hundreds are tried in the time of one step of a
training. All means of two and three parts and all cascades of two are, so that it is known how far
the best of them is from the front. Those that move it become trials like any other, which have
next to nothing left to train: their parts are taken as they stand.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from heapq import nlargest
from itertools import chain, combinations, product
from operator import attrgetter

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.composite import Resolved, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.composite.fusion import weights_of
from autosynth.composite.join import PostHocSum, Sum, confidence
from autosynth.composite.objective import mean_of
from autosynth.front import ParetoFront
from autosynth.record import Record
from autosynth.spec import Array
from autosynth.strategy import Fusion, Node, Settings, Strategy, parse
from autosynth.study.agenda import Able
from autosynth.study.context import RunContext
from autosynth.study.fold import CALIBRATION, held_rows
from autosynth.study.optimism import ChosenAmong, optimism
from autosynth.study.space import read_fusion
from autosynth.task.task import task_of
from autosynth.training.output import finished_rows

# Of the parts, by score, that a new one is joined with: the number of means of three grows with
# the square of it. 50 parts have 19,600 of them. Fewer where outputs are so many that all means
# with a new part would be of more numbers than MOST_NUMBERS, which take about a second.
MOST_JOINED, MOST_NUMBERS = 50, 10**8
# Of the means that a new part makes, the best, whose weights are fitted, too: that takes some
# milliseconds each, and more weights are seldom better than none.
BEST_FITTED = 8
# Parts of a mean that is grown one by one, for as long as it gains (Caruana et al., 2004): each
# costs its inference, and its training once more at the end.
MOST_MEMBERS = 8
# Trials after each new part: then it is the trainings' turn, which bring more parts.
AT_ONCE = 3
# Fusions that are held against the time that is left before others have their turn: late in a run
# there is time for none of thousands.
MOST_ASKED = 20
# Of the standard error of a score, that one has to gain on what is no dearer. The error of a
# difference to its own parts is far smaller than that: with a quarter, a search of credit_taiwan
# exported a single network.
LEAST_GAIN = 0.1
# Fusions, the best by score, that the choice is made among again and again to see how hopeful it
# is: what is far behind is chosen of no resample. Of more than 1,000 rows fewer: they are less
# hopeful, and take more time.
MOST_RIVALS, LEAST_RIVALS, RIVAL_ROWS = 200, 20, 1_000
FITTED = "weighted[fit]"
# Of the rows, that go on to the second part of a cascade: where a space has cascades, all of these
# are tried of any two parts, for they differ in nothing that is trained.
GO_ON = (0.05, 0.1, 0.2, 0.3, 0.5)
# Outputs of one part that are kept, at most: 32 MiB, of thousands of rows of hundreds of classes.
MOST_KEPT = 2**23
# Probabilities of one part that are kept beside them, at most: 8 MiB. Means of more are made of
# outputs, each time.
MOST_SHARES = 2**20


@dataclass(frozen=True, kw_only=True)
class _KnownPart:
    """A part that stands trained: its node, what it was trained with, and its outputs by rows.

    `shares` are its probabilities for all rows held back, where a mean is one of probabilities.
    """

    node: Node
    settings: Settings
    flops: int
    score: float
    outputs: Mapping[str, Tensor]
    shares: Array | None = None


@dataclass(frozen=True, kw_only=True)
class FusionCandidate:
    """A fusion of known parts, by their places, with its cost and its score.

    `weights` are those of the parts where they are fitted.
    """

    fusion: str
    members: tuple[int, ...]
    flops: float
    weights: tuple[float, ...] = ()
    score: float = math.nan


@dataclass(kw_only=True)
class Composer:
    """Proposes fusions of what stands trained. `context` is of the run."""

    context: RunContext
    _parts: list[_KnownPart] = field(default_factory=list)
    _new: list[int] = field(default_factory=list)  # parts that were not joined as yet
    _candidates: list[FusionCandidate] = field(default_factory=list)
    _passed: list[FusionCandidate] = field(default_factory=list)  # that there was no time for
    _rivals: list[FusionCandidate] = field(default_factory=list)  # the best of all, by score
    _tried: dict[str, int] = field(default_factory=lambda: {"mean": 0, "cascade": 0})
    _front: ParetoFront = field(default_factory=ParetoFront)  # of all trials: FLOPs, minus score
    _error: float = 0.0
    _left: int = 0

    def put(self, record: Record, outputs: Mapping[str, Tensor]) -> None:
        """Take in a complete trial, with its outputs where it may be a part of others."""
        score = record.val[self.context.metric.name]
        self._front.insert(record.trial, float(record.flops or 0), -score)
        self._error = record.standard_error or self._error
        strategy = parse(record.canonical)
        is_known = outputs and self._held.keys() <= outputs.keys()
        if not is_known or isinstance(strategy.root, Fusion) or strategy.flags:
            return
        settings = strategy.settings if takes_steps(strategy.root) else ()
        self._parts.append(
            _KnownPart(
                node=strategy.root,
                settings=settings,
                flops=record.flops or 0,
                score=score,
                outputs=outputs,
                shares=self._shares(outputs),
            )
        )
        self._new.append(len(self._parts) - 1)
        self._left = AT_ONCE

    def propose(self, able: Able) -> Resolved | None:
        """A fusion that gains on what costs no more, and is still to be tried.

        After a new part first the best of all by score, and then what gains most: cheap ones gain
        much on what is no dearer, and would leave no turn to what moves the upper end.
        """
        if self._left <= 0 or "parallel" not in self.context.space.topologies:
            return None
        self._join()
        # What gains nothing now never will: what no dearer gives can only get better.
        self._candidates = [each for each in self._candidates if self._gain(each) > 0]
        least = LEAST_GAIN * self._error
        worth = [each for each in self._candidates if self._gain(each) > least]
        orders = [nlargest(MOST_ASKED, worth, key=self._gain)]
        if self._left == AT_ONCE:
            orders.insert(0, nlargest(MOST_ASKED, worth, key=attrgetter("score")))
        for each in dict.fromkeys(chain(*orders)):
            self._candidates.remove(each)
            data = self.context.dataset
            resolved = resolve(self._strategy(each), data.inputs, data.target)
            if able(resolved):
                self._left -= 1
                return resolved
            self._passed.append(each)
        self._left = 0
        return None

    def choice(self) -> ChosenAmong | None:
        """What was chosen among, and how hopeful that makes the best score; None without parts."""
        if not self._parts:
            return None
        if "parallel" in self.context.space.topologies:
            self._join()
        data, metric = self.context.dataset, self.context.metric
        most = max(LEAST_RIVALS, MOST_RIVALS * RIVAL_ROWS // max(RIVAL_ROWS, len(self._rows)))
        parts = nlargest(most, self._parts, key=attrgetter("score"))
        found = [self._finished(part.outputs) for part in parts]
        found += [self._values(each) for each in self._rivals[:most]]
        scorers = [metric.prepare(data.y[self._rows], each) for each in found]
        weights = data.weights_of(self._rows)
        gains = [self._gain(each) for each in (*self._candidates, *self._passed)]
        return ChosenAmong(
            parts=len(self._parts),
            means=self._tried["mean"],
            cascades=self._tried["cascade"],
            is_whole=len(self._parts) <= self._most_joined + 1,
            gain_left=max(0.0, *gains) if gains else 0.0,
            rows=len(self._rows),
            optimism=optimism(scorers, len(self._rows), weights, seed=self.context.seed),
        )

    def _join(self) -> None:
        """Try all that the new parts make with the others."""
        # Of a run that goes on with a thousand parts, the last.
        for at in self._new[-self._most_joined :]:
            found = list(self.with_part(at))
            self._candidates += found
            self._rivals = nlargest(MOST_RIVALS, [*self._rivals, *found], key=attrgetter("score"))
        self._new.clear()

    def _gain(self, each: FusionCandidate) -> float:
        """By how much it is better than the best that costs no more."""
        return each.score - max(-self._front.best(each.flops), self.context.trivial_score)

    def _strategy(self, each: FusionCandidate) -> Strategy:
        members = [self._parts[at] for at in each.members]
        method, args = read_fusion(each.fusion)
        settings = next((part.settings for part in members if part.settings), ())
        own = tuple(tuple(p for p in part.settings if p not in settings) for part in members)
        root = Fusion(
            method=method,
            args=args,
            parts=tuple(part.node for part in members),
            settings=own if any(own) else (),
        )
        return Strategy(
            root=root, flags=(("train", "subsets"), ("rows", "all")), settings=settings
        )

    def _can_fit(self, newest: int) -> bool:
        """Whether weights can be fitted to rows held back, and scored without a training."""
        return CALIBRATION in self._parts[newest].outputs and len(self._held) == 1

    def with_part(self, newest: int) -> Iterator[FusionCandidate]:
        """All that a part makes with those before it."""
        best = sorted(range(newest), key=lambda at: -self._parts[at].score)
        best = best[: self._most_joined]
        fusions = self.context.space.fusions
        # A threshold or weights are fitted to rows that are held back; where there are none it
        # would take trainings out of fold.
        if "mean" in fusions and best:
            means = list(self._means(best, newest))
            yield from means
            if FITTED in fusions and self._can_fit(newest):
                for each in nlargest(BEST_FITTED, means, key=attrgetter("score")):
                    yield self._weighted(each.members)
        has_cascades = any(text.startswith("cascade") for text in fusions)
        if has_cascades and CALIBRATION in self._parts[newest].outputs:
            for share, at in product(GO_ON, best):
                yield self._cascade(share, (at, newest))

    def _means(self, best: Sequence[int], newest: int) -> Iterator[FusionCandidate]:
        """Of the newest part and one or two of the others, all; and a greedy one of more."""
        small = [self._mean((at, newest)) for at in best]
        if self.context.space.most_parts > 2:
            small += [self._mean((*pair, newest)) for pair in combinations(best, 2)]
        self._tried["mean"] += len(small)
        yield from small
        if self.context.space.most_parts < 3:
            return
        grown = max(small, key=attrgetter("score"))
        while len(grown.members) < MOST_MEMBERS:
            rest = [at for at in best if at not in grown.members]
            larger = [self._mean((*grown.members, at)) for at in rest]
            better = max(larger, key=lambda each: each.score, default=grown)
            if better.score <= grown.score:
                return
            grown = better
            yield grown

    def _mean(self, members: tuple[int, ...]) -> FusionCandidate:
        flops = sum(self._parts[at].flops for at in members)
        return self._scored(FusionCandidate(fusion="mean", members=members, flops=flops))

    def _weighted(self, members: tuple[int, ...]) -> FusionCandidate:
        """A sum whose weights are fitted to rows that none of them has learnt from."""
        context, parts = self.context, [self._parts[at] for at in members]
        target, data = context.dataset.target, context.device_dataset
        rows = data.rows(context.dataset.splits.calibration)
        module = PostHocSum(len(parts), target)
        weights, y = data.weights_of(rows), data.y[rows].cpu()
        own = None if weights is None else weights.cpu()
        module.fit_post_hoc([part.outputs[CALIBRATION] for part in parts], y, own)
        flops = sum(part.flops for part in parts) + 2 * len(parts) * target.n_outputs
        alpha = tuple(module.alpha.tolist())
        return self._scored(
            FusionCandidate(fusion=FITTED, members=members, flops=flops, weights=alpha)
        )

    def _cascade(self, share: float, members: tuple[int, int]) -> FusionCandidate:
        """The cheaper first; its threshold from rows that it has not learnt from."""
        first, second = sorted(members, key=lambda at: self._parts[at].flops)
        flops = self._parts[first].flops + share * self._parts[second].flops
        self._tried["cascade"] += 1
        return self._scored(
            FusionCandidate(fusion=f"cascade[{share:g}]", members=(first, second), flops=flops)
        )

    def _scored(self, each: FusionCandidate) -> FusionCandidate:
        """With its score on the rows held back."""
        score = self.context.metric.score(self._y, self._values(each), self._row_weights)
        return replace(each, score=-math.inf if math.isnan(score) else float(score))

    def _values(self, each: FusionCandidate) -> Array:
        """What a fusion gives for the rows held back: probabilities, or values in their unit."""
        parts = [self._parts[at] for at in each.members]
        if each.fusion == "mean":
            shares = [part.shares for part in parts if part.shares is not None]
            if len(shares) == len(parts):
                return np.asarray(sum(shares[1:], shares[0]) / len(shares))
        outs = {
            name: self.joined(each, [part.outputs[name] for part in parts]) for name in self._held
        }
        return self._finished(outs)

    def joined(self, each: FusionCandidate, outs: Sequence[Tensor]) -> Tensor:
        """Raw outputs (n, n_outputs) of a fusion for some rows, from those of its members."""
        if each.fusion == "mean":
            return mean_of(self.context.dataset.target, outs)
        if each.weights:
            found: Tensor = Sum(each.weights, learned=False)(*outs)
            return found
        (share,), (first, second) = weights_of(read_fusion(each.fusion)[1]), outs
        held = confidence(self._parts[each.members[0]].outputs[CALIBRATION])
        goes_on = confidence(first) < torch.quantile(held, share)
        return torch.where(goes_on.unsqueeze(1), second, first)

    @cached_property
    def _held(self) -> dict[str, NDArray[np.int64]]:
        """The rows that all parts here were scored on, by the names of their outputs."""
        return held_rows(self.context)

    @cached_property
    def _rows(self) -> NDArray[np.int64]:
        return np.concatenate([*self._held.values()])

    @cached_property
    def _y(self) -> Array:
        """The true values of these rows, and below how much each counts."""
        return self.context.dataset.y[self._rows]

    @cached_property
    def _row_weights(self) -> Array | None:
        return self.context.dataset.weights_of(self._rows)

    @cached_property
    def _most_joined(self) -> int:
        """With how many of the parts a new one is joined."""
        size = max(1, len(self._rows) * self.context.dataset.target.n_outputs)
        return max(2, min(MOST_JOINED, math.isqrt(2 * MOST_NUMBERS // size)))

    def _shares(self, outputs: Mapping[str, Tensor]) -> Array | None:
        """Probabilities of a part, whose mean with others' is that of the outputs; or None."""
        target = self.context.dataset.target
        averages = all(task_of(part).is_calibrated for part, _, _ in target.fields)
        is_masked = self.context.device_dataset.seen is not None
        is_large = len(self._rows) * target.n_outputs > MOST_SHARES
        return self._finished(outputs) if averages and not is_masked and not is_large else None

    def _finished(self, outs: Mapping[str, Tensor]) -> Array:
        """Raw outputs for rows held back, by their names, as probabilities or values."""
        data = self.context.device_dataset
        found = [finished_rows(outs[name], data, rows) for name, rows in self._held.items()]
        return np.concatenate([each.numpy() for each in found])


def may_be_part(context: RunContext, record: Record) -> bool:
    """Whether the outputs of a trial may be joined with others' by arithmetic.

    Not where it was scored on fewer folds than the best, nor of a ranking of very many items.
    """
    splits = context.dataset.splits
    size = (len(splits.validation) + len(splits.calibration)) * context.dataset.target.n_outputs
    is_part = record.topology in ("single", "sequential")
    return is_part and record.n_folds == context.folds and size <= MOST_KEPT
