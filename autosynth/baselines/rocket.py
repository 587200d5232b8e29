"""Random convolutions of series, and a linear model of what they give: MiniRocket.

Dempster, Schmidt and Webb (2021), "MiniRocket: a very fast (almost) deterministic transform for
time series classification", arXiv:2012.08791; the transform is sktime's, in the extra `series`.
"""

from collections.abc import Callable
from importlib import import_module

import numpy as np
from scipy.special import expit, softmax
from sklearn.linear_model import RidgeClassifierCV, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autosynth.baselines.model import LEAST_STEPS
from autosynth.baselines.table import BaselineInputs, FittedBaseline
from autosynth.spec import Array

_PENALTIES = np.logspace(-3, 3, 10)


def warm() -> None:
    """Import and compile what the transform needs: seconds, and once an environment a minute."""
    x = np.random.default_rng(0).normal(size=(4, 1, LEAST_STEPS)).astype(np.float32)
    _transform(x, 0)(x)


def fit_rocket(it: BaselineInputs) -> FittedBaseline:
    """Some 10,000 features of each series, standardised, and ridge regression, as in the paper.

    Of classes it gives the softmax of the ridge's scores, which are no probabilities themselves.
    """
    transforms = [_transform(part, it.seed) for part in _series(it.table.x, it.table.series)]

    def features(x: Array) -> Array:
        parts = zip(transforms, _series(x, it.table.series), strict=True)
        return np.concatenate([transform(part) for transform, part in parts], axis=1)

    if not it.target.is_coded:
        model = make_pipeline(StandardScaler(), RidgeCV(_PENALTIES))
        model.fit(features(it.table.x), it.y)
        return FittedBaseline(lambda x: model.predict(features(x)), None, None)
    model = make_pipeline(StandardScaler(), RidgeClassifierCV(_PENALTIES))
    model.fit(features(it.table.x), it.y)

    def predict(x: Array) -> Array:
        scores = model.decision_function(features(x))
        chance = softmax(scores, 1) if scores.ndim > 1 else _two(scores)
        found = np.zeros((len(x), it.target.n_outputs), np.float32)
        found[:, model.classes_] = chance
        return found

    return FittedBaseline(predict, None, None)


def _two(scores: Array) -> Array:
    return np.stack((expit(-2 * scores), expit(2 * scores)), 1)  # the softmax of -s and s


def _series(x: Array, shapes: tuple[tuple[int, int], ...]) -> list[Array]:
    """The columns of each series as (rows, channels, steps); gaps take the row's mean."""
    ends = np.cumsum([channels * steps for channels, steps in shapes])
    found = []
    for part, shape in zip(np.split(x, ends[:-1], axis=1), shapes, strict=True):
        values = part.reshape(len(part), *shape).astype(np.float32)
        known = ~np.isnan(values)
        total = np.where(known, values, 0).sum(2, keepdims=True)
        mean = total / known.sum(2, keepdims=True).clip(1)
        found.append(np.where(known, values, mean))
    return found


def _transform(x: Array, seed: int) -> Callable[[Array], Array]:
    library = import_module("sktime.transformations.rocket")  # takes seconds
    # All that this process may use: -1 asks for all of the machine, which numba then refuses.
    threads = import_module("numba").get_num_threads()
    transform = library.MiniRocketMultivariate(random_state=seed, n_jobs=threads).fit(x)
    return lambda part: transform.transform(part).to_numpy()
