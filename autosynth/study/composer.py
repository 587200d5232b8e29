"""Which parts that stand trained join well: fusions of their outputs, tried by arithmetic.

Parts that were trained alone have outputs on `validation` and `calibration` rows. A mean of some,
or a cascade of two, is a few operations on those: hundreds are tried in the time of one step of a
training. Those that move the front become trials like any other, which have next to nothing left
to train: their parts are taken as they stand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from autosynth.composite import resolve
from autosynth.composite.fittedpart import is_fitted
from autosynth.composite.fusion import weights_of
from autosynth.composite.join import confidence
from autosynth.composite.objective import mean_of
from autosynth.front import ParetoFront
from autosynth.record import Record
from autosynth.strategy import Fusion, Node, Settings, Strategy, parse
from autosynth.study.agenda import Able
from autosynth.study.context import RunContext
from autosynth.study.fold import CALIBRATION, VALIDATION, held_rows
from autosynth.study.params import is_suggested, searched_part
from autosynth.study.space import read_fusion
from autosynth.training.output import finished_rows

# Of the parts, by score, that are joined with each other: the best of more differ in luck.
MOST_JOINED = 24
# Pairs, by score, that a third part is tried beside.
BEST_PAIRS = 12
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
class _Candidate:
    """A fusion of known parts, by their places, with its score and its cost."""

    fusion: str
    members: tuple[int, ...]
    score: float
    flops: float


@dataclass(kw_only=True)
class Composer:
    """Proposes fusions of what stands trained. `context` is of the run."""

    context: RunContext
    _parts: list[_KnownPart] = field(default_factory=list)
    _new: list[int] = field(default_factory=list)  # parts that were not joined as yet
    _candidates: list[_Candidate] = field(default_factory=list)
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
        searched = self.context.space.settings
        settings = () if is_fitted(strategy.root) else strategy.settings
        self._parts.append(
            _KnownPart(
                node=searched_part(strategy.root, self.context.space),
                settings=tuple((name, v) for name, v in settings if name in searched),
                flops=record.flops or 0,
                score=score,
                outputs=outputs,
            )
        )
        self._new.append(len(self._parts) - 1)
        self._left = AT_ONCE

    def propose(self, able: Able) -> Strategy | None:
        """The fusion that gains most on what costs no more, and is still to be tried."""
        if self._left <= 0:
            return None
        # Of a run that goes on with a thousand parts, the last.
        for at in self._new[-MOST_JOINED:]:
            self._candidates += self._with_part(at)
        self._new.clear()
        # What gains nothing now never will: what no dearer gives can only get better.
        self._candidates = [each for each in self._candidates if self._gain(each) > 0]
        for each in sorted(self._candidates, key=self._gain, reverse=True):
            if self._gain(each) <= LEAST_GAIN * self._error:
                break
            self._candidates.remove(each)
            strategy = self._strategy(each)
            data = self.context.dataset
            if is_suggested(strategy, self.context.space) and able(
                resolve(strategy, data.inputs, data.target)
            ):
                self._left -= 1
                return strategy
        self._left = 0
        return None

    def _gain(self, each: _Candidate) -> float:
        """By how much it is better than the best that costs no more."""
        return each.score - max(-self._front.best(each.flops), self.context.trivial_score)

    def _strategy(self, each: _Candidate) -> Strategy:
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

    def _with_part(self, newest: int) -> Iterator[_Candidate]:
        """All that a part makes with those before it."""
        best = sorted(range(newest), key=lambda at: -self._parts[at].score)[:MOST_JOINED]
        pairs = [self._mean((at, newest)) for at in best]
        fusions = self.context.space.fusions
        if "mean" in fusions:
            yield from pairs
            if self.context.space.most_parts > 2:
                chosen = sorted(pairs, key=lambda each: -each.score)[:BEST_PAIRS]
                for one, other in combinations(sorted({p.members[0] for p in chosen}), 2):
                    yield self._mean((one, other, newest))
        # A threshold is fitted to rows that are held back; where there are none it would take
        # trainings out of fold.
        for text in fusions if CALIBRATION in self._parts[newest].outputs else ():
            method, args = read_fusion(text)
            if method == "cascade" and len(weights_of(args)) == 1:
                for at in best:
                    yield self._cascade(text, weights_of(args)[0], (at, newest))

    def _mean(self, members: tuple[int, ...]) -> _Candidate:
        found = [self._parts[at] for at in members]
        target = self.context.dataset.target
        score = self._score(
            {name: mean_of(target, [p.outputs[name] for p in found]) for name in self._held}
        )
        flops = sum(part.flops for part in found)
        return _Candidate(fusion="mean", members=members, score=score, flops=flops)

    def _cascade(self, text: str, share: float, members: tuple[int, int]) -> _Candidate:
        """The cheaper first; its threshold from rows that it has not learnt from."""
        first, second = sorted(members, key=lambda at: self._parts[at].flops)
        cheap, dear = self._parts[first], self._parts[second]
        threshold = torch.quantile(confidence(cheap.outputs[CALIBRATION]), share)
        out = cheap.outputs[VALIDATION]
        goes_on = (confidence(out) < threshold).unsqueeze(1)
        score = self._score({VALIDATION: torch.where(goes_on, dear.outputs[VALIDATION], out)})
        flops = cheap.flops + share * dear.flops
        return _Candidate(fusion=text, members=(first, second), score=score, flops=flops)

    @cached_property
    def _held(self) -> dict[str, NDArray[np.int64]]:
        """The rows that all parts here were scored on, by the names of their outputs."""
        return held_rows(self.context)

    def _score(self, outs: Mapping[str, Tensor]) -> float:
        """Of raw outputs for rows held back, by their names."""
        data = self.context.device_dataset
        found = [finished_rows(out, data, self._held[name]).numpy() for name, out in outs.items()]
        y = self.context.dataset.y[np.concatenate([self._held[name] for name in outs])]
        return float(self.context.metric.score(y, np.concatenate(found)))


def may_be_part(context: RunContext, record: Record) -> bool:
    """Whether the outputs of a trial may be joined with others' by arithmetic.

    Not where it was scored on fewer folds than the best, nor of a ranking of very many items.
    """
    splits = context.dataset.splits
    size = (len(splits.validation) + len(splits.calibration)) * context.dataset.target.n_outputs
    is_part = record.topology in ("single", "sequential")
    return is_part and record.n_folds == context.folds and size <= MOST_KEPT
