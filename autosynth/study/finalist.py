"""The strategies that a run ends with: what is to be expected of each, and the time they take.

Of many scores on few rows the best is the luckiest. A Gaussian process takes each score together
with those of strategies like it, as far as its standard error says that it may be luck (Rasmussen
and Williams, 2006, chapter 2). Every strategy has a part of its own beside what it shares.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from autosynth.components import FAMILIES
from autosynth.record import Record, record_layers, score_of, worth
from autosynth.strategy import parse
from autosynth.study.context import RunContext
from autosynth.study.space import TOPOLOGIES

# The picture, the page, the bundle. A budget is to be kept within 5 % or 5 s: half of that is left
# for what goes wrong.
REPORT_SECONDS = 2.5
# Strategies that the choice by folds starts with: after the first fold the better two go on.
RACERS = 4
# Of the budget at most, for the choice by folds on small data: the trials need most of it.
CHOICE_SHARE = 0.15
# Of the winner's training, more rows counted apart. Too little, and the winner is exported as the
# search trained it, without the rows held back; too much is taken from the trials.
REFIT_FACTOR = 1.25

# Of the variance of two scores on the same rows: hard rows are hard for both. What all of this
# gives was measured on pools of 11 to 17 strategies, 25 resamples of 40, 80 and 130 rows, truth
# from 1,407 rows and more: the pick is behind the best by .0161 to .0294 instead of .0211 to .0386
# on credit_taiwan, .0049 to .0073 instead of .0052 to .0096 on digits, but .0112 to .0130 instead
# of .0100 to .0118 on mnist1d (results/README.md).
SHARED = 0.5
# Trials that are looked at, the best: a Gaussian process takes the cube of their number.
MOST = 100
# Of two scores there is no telling what is luck.
FEWEST = 3
# Where settings are counted from: a factor of two is half as far as another family, and so is
# light augmentation.
_SETTINGS = {"length": 1.0, "lr": 0.002}
_AUGMENT = {"light": 0.5, "strong": 1.0}


def finalists(records: list[Record], context: RunContext) -> list[Record]:
    """What is scored on test, and one of which is exported, by number.

    The front, the front of single components, and the best composite, by validation score. On
    small data also those that come next: a few rows do not say which of them is better. Where
    nothing is better than knowing no input, the best there is. None whose weights were dropped.
    """
    records = [record for record in records if not record.weights_dropped]
    done = complete(records, context)
    if not done:
        able = [r for r in records if r.kind == "strategy" and r.state == "complete"]
        return sorted(able, key=lambda r: worth(r, context.metric.name))[-1:]
    singles = [r for r in done if r.topology == "single"]
    chosen = [*_front(done, context), *_front(singles, context)]
    best = sorted(done, key=lambda r: (worth(r, context.metric.name), -getattr(r, context.cost)))
    chosen += best[-RACERS:] if context.is_small else best[-1:]
    chosen += [r for r in best if r.topology != "single"][-1:]
    return [record for record in done if record in chosen]


def complete(records: list[Record], context: RunContext) -> list[Record]:
    """The strategies that are trained to the end, and better than knowing no input."""
    return [
        r
        for r in records
        if r.kind == "strategy" and score_of(r, context.metric.name) > context.trivial_score
    ]


def front_of(records: list[Record], context: RunContext) -> list[Record]:
    """The strategies that none is better than at no more cost."""
    return _front(complete(records, context), context)


def _front(records: list[Record], context: RunContext) -> list[Record]:
    layer = record_layers(records, metric=context.metric.name, cost=context.cost)
    return [r for r in records if layer[r.trial] == 1]


def reserve_seconds(
    records: list[Record], context: RunContext, *, budget: float, refit: bool, coming: float = 0.0
) -> float:
    """Seconds for scoring the finalists on test, the choice by folds, the refit and the report.

    A trial of `coming` seconds may be the one that is trained again.
    """
    last = finalists(records, context)
    if not last:
        return REPORT_SECONDS
    splits = context.dataset.splits
    ratio = len(splits.test) / max(1, len(splits.validation))
    # A trial is loaded before it is scored, and its interval takes a bootstrap.
    scoring = sum((r.eval_seconds or 0.0) + 0.02 for r in last) * ratio
    scoring += 0.1 * len(last)
    after = REPORT_SECONDS + scoring
    best = max(last, key=lambda r: worth(r, context.metric.name))
    if refit:
        more = len(context.learnable) / len(splits.train)
        after += max(a_training(best), coming) * more * REFIT_FACTOR
    return after + choice_seconds(last, context, budget)


def a_training(record: Record) -> float:
    """The seconds of one training of a trial, which may have had one a fold."""
    return (record.train_seconds or 0.0) / record.n_folds


def choice_seconds(last: list[Record], context: RunContext, budget: float) -> float:
    """The time for the race of the finalists over folds, on small data."""
    if not context.is_small:
        return 0.0
    share = CHOICE_SHARE * budget
    dearest = sorted((r.train_seconds or 0.0 for r in last), reverse=True)
    # Of five folds one is `validation`, one of all racers, and three at most of the last two. A
    # tenth more, for a training may take longer than the trial's did.
    wanted = sum(dearest[:RACERS]) + 3 * sum(dearest[:2])
    two = 1.1 * sum(dearest[:2])  # fewer are no race
    return min(1.1 * wanted, share) if two <= share else 0.0


def expect(records: Sequence[Record], metric: str, floor: float) -> list[Record]:
    """The records of a run, with what is to be expected of the best of its strategies.

    Args:
        records: of one run.
        metric: the score.
        floor: the score of knowing no input; what is worse counts as this.
    """
    able = [r for r in records if r.kind == "strategy" and _score(r, metric) > -math.inf]
    best = sorted(able, key=lambda r: -_score(r, metric))[:MOST]
    if len(best) < FEWEST:
        return list(records)
    scores = np.array([max(_score(r, metric), floor) for r in best])
    expected = zip(best, smoothed(best, scores), strict=True)
    known = {record.trial: float(score) for record, score in expected}
    return [replace(r, expected=known.get(r.trial, r.expected)) for r in records]


def smoothed(records: Sequence[Record], scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores, each drawn to those of strategies like it as far as it may be luck.

    Args:
        records: (n,), with the standard errors of their scores.
        scores: (n,), higher is better.
    """
    spread = scores.std()
    if spread == 0:
        return scores
    errors = np.array([r.standard_error or 0.0 for r in records])
    alike = ConstantKernel(1.0, (0.01, 100.0)) * RBF(1.0, (0.3, 10.0))
    kernel = alike + WhiteKernel(0.1, (1e-4, 10.0))  # what is a strategy's own, and no luck
    noise = SHARED * (errors / spread) ** 2
    process = GaussianProcessRegressor(kernel, alpha=noise + 1e-6, random_state=0)
    places = np.array([_features(record) for record in records])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # at a bound of the length scale
        process.fit(places, (scores - scores.mean()) / spread)
    # Not `predict`, which takes what is a strategy's own for noise.
    found: NDArray[np.float64] = process.kernel_(places) @ process.alpha_ * spread + scores.mean()
    return found


def _score(record: Record, metric: str) -> float:
    return score_of(record, metric) if record.cv is None else record.cv


def _features(record: Record) -> list[float]:
    """What a strategy is like: families, topology, size and settings, about one apart each."""
    settings = dict(parse(record.canonical).settings)
    families = record.components.split("+")
    found = [float(name in families) for name in FAMILIES]
    found += [float(record.topology == name) for name in TOPOLOGIES]
    found.append(0.5 * math.log10(max(record.flops or 1, 1)))
    found += [0.5 * math.log2(float(settings.get(k, v)) / v) for k, v in _SETTINGS.items()]
    return [*found, _AUGMENT.get(str(settings.get("augment")), 0.0)]
