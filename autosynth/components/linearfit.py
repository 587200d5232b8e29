"""A linear map from features to a target's outputs: the loss and a penalty, minimised by L-BFGS.

Whatever the task, its loss is convex in the outputs, and so in the map: logistic regression of
classes and labels, ridge regression of values. The penalty is chosen on rows that are held out.

With a share of the penalty on absolute weights it is the elastic net (Zou and Hastie, 2005), which
sets weights to 0. A weight is then the difference of two numbers that are 0 or more, so that the
same solver finds it, for every loss, within bounds; and a deadline can end it at any iteration,
which libraries' own solvers of one loss each do not allow. With the same penalty outputs equal
those of `LogisticRegression` and `ElasticNet` of scikit-learn (`test_linearfit.py`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize
from torch import Tensor

from autosynth.budget import Deadline
from autosynth.spec import TargetSpec
from autosynth.task.loss import loss_of

Features: TypeAlias = Any
"""Rows times features of about unit size: a float32 array, or a sparse `csr_array`."""
# Of half the squared weights, over the sum of the losses: scikit-learn's 1 / C. Features that are
# about as many as rows ask for a strong one, and few for none.
_PENALTIES = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
# Weights settle in some dozens; what needs more gains less than the penalty is sure of. Which of
# them are 0 is settled late, so that the last fit of an elastic net goes on to the end.
_ROUGHLY = {"maxiter": 200, "gtol": 1e-5, "ftol": 1e-7}
_EXACTLY = {"maxiter": 5_000, "maxfun": 50_000, "gtol": 1e-8, "ftol": 1e-14}
_SEARCH_SHARE = 0.7
"""Of the time, in which a penalty is sought."""
# Rows, below which one part of them says too little of a penalty: each of five is held out once.
_FEW_ROWS, _FOLDS = 1_000, 5


class LinearMap(NamedTuple):
    """Weights `(features, outputs)`, a bias `(outputs,)`, the penalty, and what it was cut of."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]
    penalty: float
    cut: str = ""


class _Rows(NamedTuple):
    """Rows to fit to: features, true values, and how much each counts, if not all alike."""

    x: Features
    y: Tensor
    weights: Tensor | None

    def only(self, rows: NDArray[np.int64]) -> "_Rows":
        """Some of them."""
        own = None if self.weights is None else self.weights[rows]
        return _Rows(self.x[rows], self.y[rows], own)

    @property
    def total(self) -> float:
        """As how many rows they count."""
        return len(self.y) if self.weights is None else float(self.weights.sum())

    def loss(self, out: Tensor, target: TargetSpec) -> Tensor:
        """The mean loss of outputs."""
        if self.weights is None:
            return loss_of(target, out, self.y)
        return loss_of(target, out, self.y, weights=self.weights / self.weights.mean())


class _Penalty(NamedTuple):
    """Of half the squared weights, and a share `l1` of absolute ones, over the sum of losses."""

    strength: float
    l1: float


def fit_linear(
    x: Features,
    y: Tensor,
    target: TargetSpec,
    *,
    seed: int,
    deadline: Deadline,
    weights: Tensor | None = None,
    l1: float = 0.0,
) -> LinearMap:
    """The map of least loss, at the penalty that is best on rows held out.

    Args:
        x: features of the rows.
        y: true values of as many, as `loss_of` takes them.
        target: what they are of.
        seed: which rows are held out; of a forecast the last ones are, for neighbouring rows are
            nearly the same.
        deadline: by which it ends: with the penalties that were tried by then, and with as many
            iterations as there was time for, of which the map says.
        weights: of the rows, 0 or more; a row of weight 2 is as two, for the penalty, too.
        l1: the share of the penalty that is on absolute weights, 0 to 1; the rest is on squares.
    """
    if l1:  # of sums in float32 the rounding would decide which weights are 0
        x = x.astype(np.float64)
    whole, rows = _Rows(x, y, weights), np.arange(len(y))
    order = rows[::-1].copy() if target.base else np.random.default_rng(seed).permutation(rows)
    held = np.array_split(order, _FOLDS)[: _FOLDS if len(y) < _FEW_ROWS else 1]
    # The last fit, which sees all rows, has the rest of the time.
    search = deadline.within(_SEARCH_SHARE * deadline.left)
    fits = [_blank(x, target)] * len(held)
    best: tuple[float, LinearMap] | None = None
    for strength in _PENALTIES[::-1]:
        losses, penalty = [], _Penalty(strength, l1)
        for number, out in enumerate(held):
            inside = np.setdiff1d(order, out)
            fits[number] = _minimised(whole.only(inside), target, fits[number], penalty, search)
            losses.append(_loss(whole.only(out), target, fits[number]))
        loss = float(np.mean(losses))
        if best is None or loss < best[0]:
            best = loss, fits[0]
        elif not l1 or fits[0].weight.any():
            break  # weaker penalties only fit more of the noise; but not while all weights are 0
        if search.over:
            break
    assert best is not None
    return _minimised(whole, target, best[1], _Penalty(best[1].penalty, l1), deadline, last=True)


def _blank(x: Features, target: TargetSpec) -> LinearMap:
    k = target.n_outputs
    return LinearMap(np.zeros((x.shape[1], k)), np.zeros(k), _PENALTIES[-1])


def _outputs(x: Features, found: LinearMap) -> Tensor:
    product = np.asarray(x @ found.weight.astype(x.dtype))
    return torch.from_numpy(product + found.bias.astype(x.dtype))


def _loss(rows: _Rows, target: TargetSpec, found: LinearMap) -> float:
    return float(rows.loss(_outputs(rows.x, found), target))


def _minimised(
    rows: _Rows,
    target: TargetSpec,
    start: LinearMap,
    penalty: _Penalty,
    deadline: Deadline,
    *,
    last: bool = False,
) -> LinearMap:
    """The map of least loss at one penalty, sought from a start; the `last` fit is exact."""
    x, n, shape, taken = rows.x, rows.total, start.weight.shape, 0
    squares, absolute = (1 - penalty.l1) * penalty.strength / n, penalty.l1 * penalty.strength / n

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        found = _unpacked(flat, shape, penalty)
        out = _outputs(x, found).requires_grad_()
        loss = rows.loss(out, target)
        (gradient,) = torch.autograd.grad(loss, out)
        slope = gradient.numpy()
        weight = np.asarray(x.T @ slope, dtype=np.float64) + squares * found.weight
        total = float(loss.detach()) + 0.5 * squares * float((found.weight**2).sum())
        bias = slope.sum(0, dtype=np.float64)
        if not absolute:
            return total, np.append(weight, bias)
        total += absolute * float(flat[: -len(bias)].sum())
        return total, np.concatenate([(absolute + s * weight).ravel() for s in (1, -1)] + [bias])

    def look(flat: NDArray[np.float64]) -> None:
        nonlocal taken
        taken += 1
        if deadline.over:
            raise StopIteration

    options = _EXACTLY if last and absolute else _ROUGHLY
    with _one_thread():
        ended = minimize(
            value,
            _packed(start, penalty),
            jac=True,
            method="L-BFGS-B",
            bounds=_bounds(shape) if absolute else None,
            callback=look,
            options=options,
        )
    is_cut = deadline.over and not ended.success
    cut = f"{taken} of {options['maxiter']} iterations" if is_cut else ""
    return _unpacked(ended.x, shape, penalty)._replace(cut=cut)


@contextmanager
def _one_thread() -> Iterator[None]:
    """PyTorch on one thread: its others would wait, spinning, where numpy's have work.

    With two of each on two cores a fit to digits took 2.2 s instead of .13.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _packed(found: LinearMap, penalty: _Penalty) -> NDArray[np.float64]:
    """Weights and bias in one line; with a penalty on absolute weights what is above and below 0.

    Both are then 0 or more.
    """
    weight = found.weight
    parts = (weight.clip(min=0), -weight.clip(max=0)) if penalty.l1 else (weight,)
    return np.concatenate([each.ravel() for each in (*parts, found.bias)])


def _unpacked(flat: NDArray[np.float64], shape: tuple[int, ...], penalty: _Penalty) -> LinearMap:
    size = shape[0] * shape[1]
    weight = flat[:size] - flat[size : 2 * size] if penalty.l1 else flat[:size]
    return LinearMap(weight.reshape(shape), flat[-shape[1] :], penalty.strength)


def _bounds(shape: tuple[int, ...]) -> Bounds:
    """What `_packed` gives is 0 or more, but for the bias."""
    return Bounds(np.append(np.zeros(2 * shape[0] * shape[1]), np.full(shape[1], -np.inf)))
