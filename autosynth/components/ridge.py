"""Ridge regression of many features, in closed form, its penalty chosen on rows left out.

Takes features (n, d) of training rows and targets (n, k); gives a linear map with the scale of the
features in it, and what it would say of each row had it been fitted on all others. Of classes,
whose targets are 1 and -1, these scores say by what factor they become log-odds: ridge regression
alone gives no probabilities.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.budget import Deadline

# Rows that are solved to know the time of more.
_TIMED_ROWS = 512
# Of the authors of Rocket, from 0.001 to 1,000.
PENALTIES = tuple(10 ** (-3 + 6 * step / 9) for step in range(10))
# Features that are multiplied at once in float32; their sums are added up in float64, since the
# least penalties are lost in the rounding of 50,000 features.
_FEATURES_AT_ONCE = 2_048
# Of factors for scores, natural logarithms. Scores lie about -1 and 1: 0.05 leaves all classes
# alike, and above 150 no row is in doubt.
_FACTORS = (-3.0, 5.0)


class CentredLinear(nn.Module):
    """A linear map (B, d) to (B, k) of features less their means.

    Means stay apart from the bias: within it, their products would cancel those of the features,
    and of 50,000 features lose the fourth digit in float32.
    """

    mean: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, n_features: int, n_outputs: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("weight", torch.zeros(n_outputs, n_features))
        self.register_buffer("bias", torch.zeros(n_outputs))

    def forward(self, features: Tensor) -> Tensor:
        """Scores or values of each row."""
        return F.linear(features - self.mean, self.weight, self.bias)


@dataclass(frozen=True, kw_only=True)
class RidgeFit:
    """A ridge regression: `scores` are (n, k), of every row by a fit on the others.

    `mean` is (d,), `weight` (k, d) and `bias` (k,), in the features' own scale.
    """

    mean: Tensor
    weight: Tensor
    bias: Tensor
    penalty: float
    scores: Tensor

    def fill(self, layer: CentredLinear, factor: float = 1.0) -> None:
        """Make `layer` this regression; what it gives is times `factor`."""
        layer.mean.copy_(self.mean)
        layer.weight.copy_(self.weight * factor)
        layer.bias.copy_(self.bias * factor)


def solve_ridge(
    features: Tensor,
    targets: Tensor,
    penalties: Sequence[float] = PENALTIES,
    weights: Tensor | None = None,
) -> RidgeFit:
    """Fit on standardised features, with the penalty of the least squared error on rows left out.

    As scikit-learn's `RidgeCV`: one decomposition serves all penalties and all rows (Rifkin and
    Lippert, 2007, "Notes on regularized least squares"). Its time grows with the cube of rows or
    of features, whichever are fewer.

    Args:
        features: (n, d), float32, two rows and more. One that is the same in all rows has no say.
        targets: (n, k); of classes 1 and -1.
        penalties: above 0, on the squares of standardised weights.
        weights: (n,) of the rows, above 0, which multiply their squared errors. Rows and targets
            times the roots of these are plain ones again.
    """
    root = None if weights is None else weights.double().sqrt()[:, None]
    mean, deviation = _moments(features, weights)
    wanted = targets.double()
    centre = wanted.mean(0) if root is None else root[:, 0].square() @ wanted / root.square().sum()
    wanted = _times(wanted - centre, root)
    if len(features) <= features.shape[1]:
        values, left = _decomposed(_gram(features, mean, deviation, root), len(features) - 1)
    else:
        scaled = _times((features - mean).double() / deviation, root)
        values, right = _decomposed(scaled.T @ scaled, features.shape[1])
        some = values > values[-1] * 1e-10
        values = values[some]
        left = scaled @ right[:, some] / values.sqrt()
    aligned = left.T @ wanted
    # Of two errors one is what no weights reach; where there are features enough there is none.
    full = left.shape[1] == len(features) - 1
    beyond = torch.zeros_like(wanted) if full else wanted - left @ aligned
    # What the bias has of each row, beside the weights.
    own = 1 / len(features) if root is None else (root.square() / root.square().sum())[:, 0]
    free = (1 - own - left.square().sum(1)).clamp(min=0) * (not full)
    best = None
    for penalty in penalties:
        shrunk = penalty / (values + penalty)
        errors = beyond + left @ (shrunk[:, None] * aligned)
        errors = errors / (free + left.square() @ shrunk)[:, None].clamp(min=1e-12)
        loss = float(errors.square().mean())
        if best is None or loss < best[0]:
            best = (loss, penalty, errors)
    assert best is not None, "there is no penalty to choose from"
    _, penalty, errors = best
    dual = _times(left @ (aligned / (values + penalty)[:, None]), root)
    weight = _weights(features, mean, deviation, dual)
    scores = (
        wanted + centre - errors if root is None else (wanted - errors) / root + centre
    ).float()
    return RidgeFit(mean=mean, weight=weight, bias=centre.float(), penalty=penalty, scores=scores)


def rows_in_time(features: Tensor, deadline: Deadline) -> int:
    """Of how many rows `solve_ridge` ends by a deadline, as far as a few of them say.

    Few rows are solved, and the operations that more of them take are counted: two a pair of rows
    and feature, and nine a cube of rows for the decomposition, or of features where these are
    fewer.
    """
    n, d = features.shape
    if deadline.at == math.inf or n <= _TIMED_ROWS:
        return n
    start = time.monotonic()
    solve_ridge(features[:_TIMED_ROWS], torch.zeros(_TIMED_ROWS, 1), PENALTIES[:1])
    pace = (time.monotonic() - start) / _operations(_TIMED_ROWS, d)
    able = [m for m in range(_TIMED_ROWS, n + 1, 64) if pace * _operations(m, d) <= deadline.left]
    return n if pace * _operations(n, d) <= deadline.left else max(able, default=_TIMED_ROWS)


def _operations(n: int, d: int) -> float:
    few, many = min(n, d), max(n, d)
    return 2.0 * few * few * many + 9.0 * few**3


def _times(rows: Tensor, root: Tensor | None) -> Tensor:
    return rows if root is None else rows * root


def _moments(features: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation of each feature; of one that never differs, infinity."""
    parts = [_std_mean(part.double(), weights) for part in _blocks(features)]
    deviation, mean = (torch.cat(each) for each in zip(*parts, strict=True))
    # Rounded sums of equal values leave a deviation, too.
    same = deviation <= 1e-6 * mean.abs()
    return mean.float(), deviation.masked_fill(same, torch.inf).float()


def _std_mean(part: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    if weights is None:
        return torch.std_mean(part, 0, correction=0)
    each = weights.double() / weights.double().sum()
    mean = each @ part
    return (each @ (part - mean).square()).sqrt(), mean


def _blocks(features: Tensor) -> tuple[Tensor, ...]:
    return torch.split(features, _FEATURES_AT_ONCE, -1)


def _gram(features: Tensor, mean: Tensor, deviation: Tensor, root: Tensor | None) -> Tensor:
    """Products of all pairs of rows, (n, n) in float64, of standardised features."""
    total = torch.zeros(len(features), len(features), dtype=torch.float64)
    for part, middle, scale in zip(*map(_blocks, (features, mean, deviation)), strict=True):
        scaled = (part - middle) / scale
        total += scaled @ scaled.T
    return total if root is None else total * root * root.T


def _decomposed(matrix: Tensor, largest: int) -> tuple[Tensor, Tensor]:
    """The largest eigenvalues, none below 0, and their vectors as columns.

    Of products of centred rows the least value is 0, that of the bias.
    """
    values, vectors = torch.linalg.eigh(matrix)
    return values[-largest:].clamp(min=0), vectors[:, -largest:]


def _weights(features: Tensor, mean: Tensor, deviation: Tensor, dual: Tensor) -> Tensor:
    """Weights (k, d) for features in their own scale."""
    found = []
    for part, middle, scale in zip(*map(_blocks, (features, mean, deviation)), strict=True):
        found.append((dual.T.float() @ ((part - middle) / scale)) / scale)
    return torch.cat(found, 1)


def class_factor(scores: Tensor, classes: Tensor, weights: Tensor | None = None) -> float:
    """By what scores (n, k) are multiplied to be the log-odds of classes (n,) with least log loss.

    One temperature for all (Guo et al., 2017, arXiv:1706.04599); `scores` are of rows left out.
    One more row, which may be of any class, keeps few rows that are all guessed right from making
    every probability sure: with it the factor is 3 on the 27 rows of BasicMotions, without it 46.
    On CricketX, SwedishLeaf, MedicalImages and ECG200 it changes the log loss of other rows by
    .002 at the most; a row for each class would cost .04 on SwedishLeaf. `weights` (n,) are those
    of the rows.
    """

    def loss(log_factor: float) -> float:
        logits = scores.double() * math.exp(log_factor)
        smoothing = 1 / (len(classes) + 1)
        if weights is None:
            return float(F.cross_entropy(logits, classes, label_smoothing=smoothing))
        losses = F.cross_entropy(logits, classes, label_smoothing=smoothing, reduction="none")
        return float((losses * weights).sum() / weights.sum())

    found = minimize_scalar(loss, bounds=_FACTORS, method="bounded")
    return math.exp(float(found.x))
