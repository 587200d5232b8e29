"""Which parts that stand trained join well: fusions of their outputs, tried by arithmetic.

Parts that were trained alone have outputs on `validation` and `calibration` rows. A mean of some,
or a cascade of two, is a few operations on those: hundreds are tried in the time of one step of a
training. Those that move the front become trials like any other, which have next to nothing left
to train: their parts are taken as they stand.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.composite import resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.composite.fusion import weights_of
from autosynth.composite.join import confidence
from autosynth.composite.objective import mean_of
from autosynth.front import ParetoFront
from autosynth.record import Record
from autosynth.strategy import Fusion, Node, Settings, Strategy, parse
from autosynth.study.agenda import Able
from autosynth.study.context import RunContext
from autosynth.study.fold import CALIBRATION, held_rows
from autosynth.study.space import read_fusion
from autosynth.training.output import finished_rows

# Of the parts, by score, that are joined with each other: the best of more differ in luck.
MOST_JOINED = 24
# Pairs, by score, that a third part is tried beside.
BEST_PAIRS = 12
# Parts of a mean that is grown one by one, for as long as it gains (Caruana et al., 2004): each
# costs its inference, and its training once more at the end.
MOST_MEMBERS = 8
# Trials after each new part: then it is the trainings' turn, which bring more parts.
AT_ONCE = 3
# Of the standard error of a score, that one has to gain on what is no dearer. The error of a
# difference to its own parts is far smaller than that: with a quarter, a search of credit_taiwan
# exported a single network.
LEAST_GAIN = 0.1
# Outputs of one part that are kept, at most: 64 MiB, of thousands of rows of hundreds of classes.
MOST_KEPT = 2**24


@dataclass(frozen=True, kw_only=True)
class _KnownPart:
    """A part that stands trained: its node, what it was trained with, and its outputs by rows."""

    node: Node
    settings: Settings
    flops: int
    score: float
    outputs: Mapping[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class FusionCandidate:
    """A fusion of known parts, by their places, with its cost and its score."""

    fusion: str
    members: tuple[int, ...]
    flops: float
    score: float = math.nan


@dataclass(kw_only=True)
class Composer:
    """Proposes fusions of what stands trained. `context` is of the run."""

    context: RunContext
    _parts: list[_KnownPart] = field(default_factory=list)
    _new: list[int] = field(default_factory=list)  # parts that were not joined as yet
    _candidates: list[FusionCandidate] = field(default_factory=list)
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
            )
        )
        self._new.append(len(self._parts) - 1)
        self._left = AT_ONCE

    def propose(self, able: Able) -> Strategy | None:
        """The fusion that gains most on what costs no more, and is still to be tried."""
        if self._left <= 0 or "parallel" not in self.context.space.topologies:
            return None
        # Of a run that goes on with a thousand parts, the last.
        for at in self._new[-MOST_JOINED:]:
            self._candidates += self.with_part(at)
        self._new.clear()
        # What gains nothing now never will: what no dearer gives can only get better.
        self._candidates = [each for each in self._candidates if self._gain(each) > 0]
        for each in sorted(self._candidates, key=self._gain, reverse=True):
            if self._gain(each) <= LEAST_GAIN * self._error:
                break
            self._candidates.remove(each)
            strategy = self._strategy(each)
            data = self.context.dataset
            if able(resolve(strategy, data.inputs, data.target)):
                self._left -= 1
                return strategy
        self._left = 0
        return None

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

    def with_part(self, newest: int) -> Iterator[FusionCandidate]:
        """All that a part makes with those before it."""
        best = sorted(range(newest), key=lambda at: -self._parts[at].score)[:MOST_JOINED]
        fusions = self.context.space.fusions
        if "mean" in fusions and best:
            yield from self._means(best, newest)
        # A threshold is fitted to rows that are held back; where there are none it would take
        # trainings out of fold.
        for text in fusions if CALIBRATION in self._parts[newest].outputs else ():
            method, args = read_fusion(text)
            if method == "cascade" and len(weights_of(args)) == 1:
                for at in best:
                    yield self._cascade(text, weights_of(args)[0], (at, newest))

    def _means(self, best: Sequence[int], newest: int) -> Iterator[FusionCandidate]:
        """Of the newest part and one or two of the best; and a greedy one of more."""
        pairs = [self._mean((at, newest)) for at in best]
        yield from pairs
        if self.context.space.most_parts < 3:
            return
        chosen = sorted(pairs, key=lambda each: -each.score)[:BEST_PAIRS]
        for one, other in combinations(sorted({pair.members[0] for pair in chosen}), 2):
            yield self._mean((one, other, newest))
        grown = chosen[0]
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
        return self._tried(FusionCandidate(fusion="mean", members=members, flops=flops))

    def _cascade(self, text: str, share: float, members: tuple[int, int]) -> FusionCandidate:
        """The cheaper first; its threshold from rows that it has not learnt from."""
        first, second = sorted(members, key=lambda at: self._parts[at].flops)
        flops = self._parts[first].flops + share * self._parts[second].flops
        return self._tried(FusionCandidate(fusion=text, members=(first, second), flops=flops))

    def _tried(self, each: FusionCandidate) -> FusionCandidate:
        """With its score on the rows held back."""
        parts = [self._parts[at] for at in each.members]
        outs = {
            name: self.joined(each, [part.outputs[name] for part in parts]) for name in self._held
        }
        return replace(each, score=self._score(outs))

    def joined(self, each: FusionCandidate, outs: Sequence[Tensor]) -> Tensor:
        """Raw outputs (n, n_outputs) of a fusion for some rows, from those of its members."""
        if each.fusion == "mean":
            return mean_of(self.context.dataset.target, outs)
        (share,), (first, second) = weights_of(read_fusion(each.fusion)[1]), outs
        held = confidence(self._parts[each.members[0]].outputs[CALIBRATION])
        goes_on = confidence(first) < torch.quantile(held, share)
        return torch.where(goes_on.unsqueeze(1), second, first)

    @cached_property
    def _held(self) -> dict[str, NDArray[np.int64]]:
        """The rows that all parts here were scored on, by the names of their outputs."""
        return held_rows(self.context)

    def _score(self, outs: Mapping[str, Tensor]) -> float:
        """Of raw outputs for rows held back, by their names."""
        data = self.context.device_dataset
        found = [finished_rows(out, data, self._held[name]).numpy() for name, out in outs.items()]
        rows = np.concatenate([self._held[name] for name in outs])
        return float(self.context.score(rows, np.concatenate(found)))


def may_be_part(context: RunContext, record: Record) -> bool:
    """Whether the outputs of a trial may be joined with others' by arithmetic.

    Not where it was scored on fewer folds than the best, nor of a ranking of very many items.
    """
    splits = context.dataset.splits
    size = (len(splits.validation) + len(splits.calibration)) * context.dataset.target.n_outputs
    is_part = record.topology in ("single", "sequential")
    return is_part and record.n_folds == context.folds and size <= MOST_KEPT
