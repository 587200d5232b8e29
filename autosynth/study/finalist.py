"""The strategies that a run ends with: what is to be expected of each, and the time they take.

Of many scores on few rows the best is the luckiest. A Gaussian process takes each score together
with those of strategies like it, as far as its standard error says that it may be luck (Rasmussen
and Williams, 2006, chapter 2). Every strategy has a part of its own beside what it shares.
"""

import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from autosynth.budget import POLICY
from autosynth.components import FAMILIES
from autosynth.front import ParetoFront
from autosynth.record import Record, preference, score_of
from autosynth.strategy import Scalar, parse
from autosynth.study.context import RunContext
from autosynth.study.lasttraining import seconds_side_by_side
from autosynth.study.space import TOPOLOGIES

# Strategies that the choice by folds starts with: after the first fold the better two go on.
RACERS = 4

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
        return sorted(able, key=lambda r: preference(r, context.metric.name, context.cost))[:1]
    singles = [r for r in done if r.topology == "single"]
    chosen = [*_front(done, context), *_front(singles, context)]
    best = sorted(done, key=lambda r: preference(r, context.metric.name, context.cost))
    chosen += best[:RACERS] if context.is_small else best[:1]
    chosen += [r for r in best if r.topology != "single"][:1]
    numbers = {record.trial for record in chosen}
    return [record for record in done if record.trial in numbers]


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
    front = ParetoFront()
    for record in records:
        score, price = record.val[context.metric.name], float(getattr(record, context.cost))
        front.insert(record.trial, -score, price)
    members = set(front)
    return [record for record in records if record.trial in members]


def reserve_seconds(
    last: list[Record],
    context: RunContext,
    *,
    budget: float,
    refit: bool,
    repeats: int = 1,
    coming: float = 0.0,
    workers: int = 1,
) -> float:
    """Seconds for what comes after the trials.

    That is repeats, the choice by folds, scores on test, the last training and the report.
    A trial of `coming` seconds may be the one that is trained again, beside those that would be
    `last` as it stands; `workers` train its parts side by side.
    """
    if not last:
        return POLICY.report_seconds
    splits = context.dataset.splits
    ratio = len(splits.test) / max(1, len(splits.validation))
    # A trial is loaded before it is scored, and its interval takes a bootstrap.
    scoring = sum((r.eval_seconds or 0.0) + 0.02 for r in last) * ratio
    scoring += 0.1 * len(last)
    after = POLICY.report_seconds + scoring
    best = sorted(last, key=lambda r: preference(r, context.metric.name, context.cost))
    if refit:
        held_out = len(splits.calibration) + len(splits.validation)
        more = 1 + held_out / len(splits.train)
        # Any of those that race for it may be the one.
        again = max(
            seconds_side_by_side(context, r.canonical, workers, a_training(r))
            for r in best[: RACERS if context.is_small else 1]
        )
        after += max(again, coming) * more * POLICY.refit_factor
    after += repeat_seconds(last, context, repeats, budget)
    return after + choice_seconds(last, context, budget, coming)


def repeat_seconds(last: list[Record], context: RunContext, repeats: int, budget: float) -> float:
    """The time for the trainings of the front on other seeds: as foreseen, or the most of it."""
    wanted = (repeats - 1) * sum(a_training(r) * r.n_folds for r in front_of(last, context))
    return min(POLICY.refit_factor * wanted, POLICY.repeat_share * budget)


def a_training(record: Record) -> float:
    """The seconds of one training of a trial, which may have had one a fold, from the beginning.

    What stood trained of it was trained before, and would be again.
    """
    return (record.train_seconds or 0.0) / record.n_folds + (record.known_seconds or 0.0)


def choice_seconds(
    last: list[Record], context: RunContext, budget: float, coming: float = 0.0
) -> float:
    """The time for the race of the finalists over folds, on small data.

    One alone runs no race, but with a trial of `coming` seconds: a second one is worth more than
    time kept for a race that it had no rival in.
    """
    taken = [a_training(r) * r.n_folds for r in last]
    taken += [coming] if len(taken) < 2 and coming > 0 else []
    if not context.is_small or len(taken) < 2:
        return 0.0
    share = POLICY.choice_share * budget
    dearest = sorted(taken, reverse=True)
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
    scores = [(r, score_to_expect(r, metric)) for r in records if r.kind == "strategy"]
    able = sorted((pair for pair in scores if pair[1] > -math.inf), key=lambda pair: -pair[1])
    known = expectations([record for record, _ in able[:MOST]], metric, floor)
    return [replace(r, expected=known[r.trial]) if r.trial in known else r for r in records]


def expectations(best: Sequence[Record], metric: str, floor: float) -> dict[int, float]:
    """What is to be expected of the best strategies of a run, by trial; nothing of very few."""
    if len(best) < FEWEST:
        return {}
    scores = np.array([max(score_to_expect(r, metric), floor) for r in best])
    expected = zip(best, smoothed(best, scores), strict=True)
    return {record.trial: float(score) for record, score in expected}


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
    # Late: half a second of a processor, and needed where rows are few, from the third trial on.
    gaussian: Any = import_module("sklearn.gaussian_process")
    kernels = gaussian.kernels
    alike = kernels.ConstantKernel(1.0, (0.01, 100.0)) * kernels.RBF(1.0, (0.3, 10.0))
    own = kernels.WhiteKernel(0.1, (1e-4, 10.0))  # what is a strategy's own, and no luck
    noise = SHARED * (errors / spread) ** 2
    process = gaussian.GaussianProcessRegressor(alike + own, alpha=noise + 1e-6, random_state=0)
    places = np.array([_features(record) for record in records])
    # Threads wait for each other where workers have the cores: ten times as long, of so few rows.
    with warnings.catch_warnings(), _libraries().limit(limits=1, user_api="blas"):
        # Of convergence, at a bound of the length scale.
        warnings.simplefilter("ignore", import_module("sklearn.exceptions").ConvergenceWarning)
        process.fit(places, (scores - scores.mean()) / spread)
    # Not `predict`, which takes what is a strategy's own for noise.
    found: NDArray[np.float64] = process.kernel_(places) @ process.alpha_ * spread + scores.mean()
    return found


@cache
def _libraries() -> ThreadpoolController:
    """The libraries that have threads of their own, looked for once: it takes 20 ms."""
    return ThreadpoolController()


def score_to_expect(record: Record, metric: str) -> float:
    """The score that luck is taken out of: over several folds, where it was measured so."""
    return score_of(record, metric) if record.cv is None else record.cv


def _features(record: Record) -> list[float]:
    """What a strategy is like: families, topology, size and settings, about one apart each."""
    settings = _settings_of(record.canonical)
    families = record.components.split("+")
    found = [float(name in families) for name in FAMILIES]
    found += [float(record.topology == name) for name in TOPOLOGIES]
    found.append(0.5 * math.log10(max(record.flops or 1, 1)))
    found += [0.5 * math.log2(float(settings.get(k, v)) / v) for k, v in _SETTINGS.items()]
    return [*found, _AUGMENT.get(str(settings.get("augment")), 0.0)]


@lru_cache(maxsize=4 * MOST)  # of the best, which change by a few at a time
def _settings_of(canonical: str) -> dict[str, Scalar]:
    return dict(parse(canonical).settings)
