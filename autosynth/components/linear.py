"""A linear model of all features: logistic regression of classes, ridge regression of values.

Of a forecast the features are the lags of every series, as changes from its last value. With a
penalty on absolute weights, in part or alone, it is the elastic net or the lasso: weights of
features that say little are 0. They are multiplied all the same, and cost what others do.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.components.linearfit import Features, fit_linear
from autosynth.modality import MODALITIES
from autosynth.modality.registry import features_of
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec

L1 = {"l2": 0.0, "elastic": 0.5, "l1": 1.0}
"""The share of each penalty that is on absolute weights; the rest is on squared ones."""
# Whose moments are taken at once, in float64: of 6,000 rows they are 200 MB.
_COLUMNS_AT_ONCE = 4096


class Columns(NamedTuple):
    """Features of inputs by their place: numbers, of which some may be missing, and codes.

    `gaps` are the places among the numbers of those that may be missing; `starts` is where the
    codes of each column begin in a line of all, of `n_codes`.
    """

    numbers: tuple[int, ...]
    gaps: tuple[int, ...]
    codes: tuple[int, ...]
    starts: tuple[int, ...]
    n_codes: int


@lru_cache(maxsize=64)
def feature_columns(inputs: tuple[InputSpec, ...]) -> Columns:
    """The columns of the features of some inputs, side by side."""
    pairs = [(card, spec) for spec in inputs for card in MODALITIES[spec.kind].cards(spec)]
    numbers = tuple(at for at, (card, _) in enumerate(pairs) if not card)
    codes = tuple(at for at, (card, _) in enumerate(pairs) if card)
    ends = np.cumsum([0, *(pairs[at][0] for at in codes)]).tolist()
    # Of a table any cell, of what stands on a grid only where training rows had gaps.
    gappy = [spec.masked or len(spec.shape) == 1 for card, spec in pairs if not card]
    gaps = tuple(at for at, may_lack in enumerate(gappy) if may_lack)
    return Columns(numbers, gaps, codes, tuple(ends[:-1]), ends[-1])


class LinearModel(FittedModel):
    """Numbers standardised, with a weight each and one for being missing; a weight a category."""

    takes_weights = True
    at_numbers: Tensor
    at_gaps: Tensor
    at_codes: Tensor
    starts: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(
        self, inputs: Sequence[InputSpec], target: TargetSpec, penalty: str = "l2"
    ) -> None:
        super().__init__()
        self.inputs, self.target, self.penalty = tuple(inputs), target, penalty
        self.columns = feature_columns(tuple(inputs))
        n, k = len(self.columns.numbers), target.n_outputs
        for name, places in (
            ("at_numbers", self.columns.numbers),
            ("at_gaps", self.columns.gaps),
            ("at_codes", self.columns.codes),
            ("starts", self.columns.starts),
        ):
            tensor = torch.tensor(places, dtype=torch.long)
            self.register_buffer(name, tensor, persistent=False)
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))
        self.weight = nn.Parameter(torch.zeros(k, n + len(self.columns.gaps)))
        self.embedding = nn.Parameter(torch.zeros(self.columns.n_codes, k))
        self.bias = nn.Parameter(torch.zeros(k))

    def forward(self, *raw: Tensor) -> Tensor:
        """Outputs (B, n_outputs)."""
        numbers, codes = self._features(raw)
        out: Tensor = F.linear(numbers, self.weight, self.bias)
        return out + self.embedding[codes].sum(1) if self.columns.codes else out

    def _features(self, raw: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Standardised numbers and which are missing, side by side, and the places of codes."""
        found = features_of(raw, self.inputs)
        numbers = found[:, self.at_numbers]
        missing = numbers.isnan()
        numbers = ((numbers - self.mean) * self.scale).nan_to_num()
        codes = found[:, self.at_codes].long() + self.starts
        return torch.cat([numbers, missing[:, self.at_gaps].float()], 1), codes

    @torch.no_grad()
    def fit(self, it: FitRows) -> str:
        """Fit it to the loss of the target, with a penalty that is chosen on rows held out."""
        cells = [features_of(part, self.inputs)[:, self.at_numbers] for part in it.parts()]
        weights = None if it.weights is None else it.weights.cpu()
        blocks = torch.split(torch.cat(cells), _COLUMNS_AT_ONCE, 1)
        found = [_moments(block, weights) for block in blocks]
        mean, spread, known = (torch.cat(each) for each in zip(*found, strict=True))
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(spread > 1e-12, 1 / spread.clamp(min=1e-12), 0.0))
        parts = [self._features(part) for part in it.parts()]
        dense, codes = (torch.cat(each).numpy() for each in zip(*parts, strict=True))
        with torch.enable_grad():
            fitted = fit_linear(
                self._joined(dense, codes),
                it.y.cpu(),
                self.target,
                seed=it.seed,
                deadline=it.deadline,
                weights=weights,
                l1=L1[self.penalty],
            )
        weight, bias = torch.from_numpy(fitted.weight), torch.from_numpy(fitted.bias)
        # What was missing in every row is a second bias, and no sign of anything.
        absent = np.flatnonzero(~known[self.at_gaps].numpy())
        always = (absent + len(self.columns.numbers)).tolist()
        bias = bias + weight[always].sum(0)
        weight[always] = 0.0
        self.weight.copy_(weight[: dense.shape[1]].T)
        self.embedding.copy_(weight[dense.shape[1] :])
        self.bias.copy_(bias)
        return fitted.cut

    def _joined(self, dense: NDArray[np.float32], codes: NDArray[np.int64]) -> Features:
        """All features of the rows: sparse, where there are categories."""
        if not self.columns.codes:
            return dense
        rows, width = codes.shape
        ones = np.ones(rows * width, np.float32)
        flags = csr_array(
            (ones, codes.ravel(), np.arange(rows + 1) * width),
            shape=(rows, self.columns.n_codes),
        )
        return csr_array(hstack([csr_array(dense), flags], format="csr"))

    @property
    def n_fitted(self) -> int:
        """Weights and biases."""
        return sum(each.numel() for each in self.parameters())

    @property
    def flops(self) -> int:
        """Of one row: 2 a weight that it meets."""
        return linear_flops(self.columns, self.target)


def _moments(numbers: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and deviation of what is known in each column, and whether anything is."""
    numbers = numbers.double()
    known = ~numbers.isnan()
    if weights is None:
        n = known.sum(0).clamp(min=1)
        mean = numbers.nan_to_num().sum(0) / n
        spread = ((numbers - mean).nan_to_num().square().sum(0) / n).sqrt()
        return mean, spread, known.any(0)
    each = weights.double()
    total = (each @ known.double()).clamp(min=1e-12)
    mean = each @ numbers.nan_to_num() / total
    spread = (each @ (numbers - mean).nan_to_num().square() / total).sqrt()
    return mean, spread, known.any(0)


def linear_flops(columns: Columns, target: TargetSpec) -> int:
    """2 a multiply-add: a weight a number, a gap and a category, for every output."""
    met = len(columns.numbers) + len(columns.gaps) + len(columns.codes)
    return 2 * met * target.n_outputs


class Linear(FittedFamily):
    """Logistic regression of classes and labels, ridge regression of values; elastic nets."""

    name = "linear"
    about = "logistic or ridge regression on all features, the penalty chosen on rows held out"
    options = {
        "penalty": Hyperparameter(
            about="on squared weights (l2), absolute ones (l1: many are 0), or half on each",
            default="l2",
            choices=tuple(L1),
        )
    }
    kinds = ("table", "image", "series", "audio", "frames")
    tasks = ("classification", "regression", "multilabel", "multitask", "forecasting")

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model, whose cost is known before the fit."""
        columns, k = feature_columns(tuple(inputs)), target.n_outputs
        params = (len(columns.numbers) + len(columns.gaps) + columns.n_codes + 1) * k
        penalty = str(config["penalty"])
        make = lambda: LinearModel(inputs, target, penalty)  # noqa: E731
        return Piece(make, linear_flops(columns, target), params, learns="fit")
