"""A linear map from features to a target's outputs: the loss and a penalty, minimised by L-BFGS.

Whatever the task, its loss is convex in the outputs, and so in the map: logistic regression of
classes and labels, ridge regression of values. The penalty is chosen on rows that are held out.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

from autosynth.budget import Deadline
from autosynth.spec import TargetSpec
from autosynth.task.loss import loss_of

Features: TypeAlias = Any
"""Rows times features of about unit size: a float32 array, or a sparse `csr_array`."""
# Of half the squared weights, over the sum of the losses: scikit-learn's 1 / C. Features that are
# about as many as rows ask for a strong one, and few for none.
_PENALTIES = (1e-2, 1e-1, 1.0, 1e1, 1e2, 1e3)
# Weights settle in some dozens; what needs more gains less than the penalty is sure of.
_ITERATIONS = 200
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


def fit_linear(
    x: Features,
    y: Tensor,
    target: TargetSpec,
    *,
    seed: int,
    deadline: Deadline,
    weights: Tensor | None = None,
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
    """
    whole, rows = _Rows(x, y, weights), np.arange(len(y))
    order = rows[::-1].copy() if target.base else np.random.default_rng(seed).permutation(rows)
    held = np.array_split(order, _FOLDS)[: _FOLDS if len(y) < _FEW_ROWS else 1]
    # The last fit, which sees all rows, has the rest of the time.
    search = deadline.within(_SEARCH_SHARE * deadline.left)
    fits = [_blank(x, target)] * len(held)
    best: tuple[float, LinearMap] | None = None
    for penalty in _PENALTIES[::-1]:
        losses = []
        for number, out in enumerate(held):
            inside = np.setdiff1d(order, out)
            fits[number] = _minimised(whole.only(inside), target, fits[number], penalty, search)
            losses.append(_loss(whole.only(out), target, fits[number]))
        loss = float(np.mean(losses))
        if best is not None and loss >= best[0]:
            break  # weaker penalties only fit more of the noise
        best = loss, fits[0]
        if search.over:
            break
    assert best is not None
    return _minimised(whole, target, best[1], best[1].penalty, deadline)


def _blank(x: Features, target: TargetSpec) -> LinearMap:
    k = target.n_outputs
    return LinearMap(np.zeros((x.shape[1], k)), np.zeros(k), _PENALTIES[-1])


def _outputs(x: Features, found: LinearMap) -> Tensor:
    product = np.asarray(x @ found.weight.astype(np.float32))
    return torch.from_numpy(product + found.bias.astype(np.float32))


def _loss(rows: _Rows, target: TargetSpec, found: LinearMap) -> float:
    return float(rows.loss(_outputs(rows.x, found), target))


def _minimised(
    rows: _Rows, target: TargetSpec, start: LinearMap, penalty: float, deadline: Deadline
) -> LinearMap:
    """The map of least loss at one penalty, sought from a start."""
    x, n, shape, taken = rows.x, rows.total, start.weight.shape, 0

    def value(flat: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        found = _unpacked(flat, shape, penalty)
        out = _outputs(x, found).requires_grad_()
        loss = rows.loss(out, target)
        (gradient,) = torch.autograd.grad(loss, out)
        slope = gradient.numpy()
        weight = np.asarray(x.T @ slope, dtype=np.float64) + penalty / n * found.weight
        squared = 0.5 * penalty / n * float((found.weight**2).sum())
        return float(loss.detach()) + squared, np.append(weight, slope.sum(0, dtype=np.float64))

    def look(flat: NDArray[np.float64]) -> None:
        nonlocal taken
        taken += 1
        if deadline.over:
            raise StopIteration

    with _one_thread():
        ended = minimize(
            value,
            np.append(start.weight, start.bias),
            jac=True,
            method="L-BFGS-B",
            callback=look,
            options={"maxiter": _ITERATIONS, "gtol": 1e-5, "ftol": 1e-7},
        )
    cut = f"{taken} of {_ITERATIONS} iterations" if deadline.over and not ended.success else ""
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


def _unpacked(flat: NDArray[np.float64], shape: tuple[int, ...], penalty: float) -> LinearMap:
    ends = shape[0] * shape[1]
    return LinearMap(flat[:ends].reshape(shape), flat[ends:], penalty)
