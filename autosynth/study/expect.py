"""Scores on few rows in, what is to be expected of each strategy on new ones out.

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
from autosynth.record import Record
from autosynth.strategy import parse
from autosynth.study.space import TOPOLOGIES

SHARED = 0.5  # of the variance of two scores on the same rows: hard rows are hard for both
MOST = 100  # trials that are looked at, the best: a Gaussian process takes their cube
FEWEST = 3
_SETTINGS = {"length": 1.0, "lr": 0.002}  # what a difference of a factor of two is taken from
_AUGMENT = {"light": 0.5, "strong": 1.0}


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
    score = record.val.get(metric, -math.inf) if record.state == "complete" else -math.inf
    score = score if record.cv is None else record.cv
    return -math.inf if math.isnan(score) else score


def _features(record: Record) -> list[float]:
    """What a strategy is like: families, topology, size and settings, about one apart each."""
    settings = dict(parse(record.canonical).settings)
    families = record.components.split("+")
    found = [float(name in families) for name in FAMILIES]
    found += [float(record.topology == name) for name in TOPOLOGIES]
    found.append(0.5 * math.log10(max(record.flops or 1, 1)))
    found += [0.5 * math.log2(float(settings.get(k, v)) / v) for k, v in _SETTINGS.items()]
    return [*found, _AUGMENT.get(str(settings.get("augment")), 0.0)]
