"""The family `rocket`: features of series that need no training, and ridge regression on them.

Another part may read the features in the place of the regression: `rocket > linear`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.budget import Deadline
from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import (
    FeaturePiece,
    FitRows,
    FittedFamily,
    FittedFeatures,
    FittedModel,
)
from autosynth.components.hydra import Hydra, SparseScaler, hydra_features, hydra_flops
from autosynth.components.ridge import (
    CentredLinear,
    class_factor,
    rows_in_time,
    solve_ridge,
)
from autosynth.components.rocket import N_KERNELS, Rocket, rocket_flops
from autosynth.data.encoder.mel import frames_of
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec

# The time of a ridge regression grows with the cube of rows: 3,000 of them took 10 seconds of a
# core, and their 15,000 features 180 MB, which are also kept where another part reads them.
MOST_ROWS = 6_000
# Of the time, for the features: what is left solves the regression.
_FEATURE_SHARE = 0.6


class _Line(NamedTuple):
    """What a series is to the kernels: so many steps of so many channels."""

    steps: int
    channels: int


def _line(spec: InputSpec) -> _Line:
    if spec.kind == "audio":  # the picture of it: frames of bands
        frames = frames_of(spec)
        return _Line(frames.count, frames.bands)
    return _Line(spec.shape[1], spec.shape[0])


class RocketFeatures(FittedFeatures):
    """Features of each input side by side, those of Hydra scaled."""

    def __init__(self, config: Config, inputs: Sequence[InputSpec]) -> None:
        super().__init__()
        self.config, self.inputs = dict(config), tuple(inputs)
        lines, groups = [_line(spec) for spec in inputs], int(config["groups"])
        features, multi = int(config["features"]), config["pools"] == "four"
        self.rockets = nn.ModuleList(
            Rocket(*line, features // len(lines), multi=multi) for line in lines
        )
        self.hydras = nn.ModuleList(Hydra(*line, groups) for line in lines if groups)
        self.scalers = nn.ModuleList(
            SparseScaler(hydra_features(line.steps, groups)) for line in lines if groups
        )

    def forward(self, *raw: Tensor) -> Tensor:
        """Features (B, n)."""
        return self._scaled(self._features(raw))

    def _lines(self, raw: Sequence[Tensor]) -> list[Tensor]:
        """Each input as (B, steps, channels)."""
        pairs = zip(self.inputs, raw, strict=True)
        return [x if spec.kind == "audio" else x.transpose(1, 2) for spec, x in pairs]

    def _features(self, raw: Sequence[Tensor]) -> list[Tensor]:
        """Of Rocket for each input, then of Hydra as they come."""
        lines = self._lines(raw)
        return [
            each(line)
            for group in (self.rockets, self.hydras)
            for each, line in zip(group, lines, strict=False)
        ]

    def _scaled(self, found: list[Tensor]) -> Tensor:
        n = len(self.rockets)
        rest = [each(x) for each, x in zip(self.scalers, found[n:], strict=True)]
        return torch.cat([*found[:n], *rest], 1)

    @torch.no_grad()
    def fit_features(self, it: FitRows) -> tuple[FitRows, str]:
        """Draw the kernels, and make the features of the rows.

        Of more than 6,000 rows as many are drawn, which is no want of time; and of these as many
        as there is time for.
        """
        generator = torch.Generator().manual_seed(it.seed)
        order = torch.randperm(len(it.y), generator=generator)[:MOST_ROWS]
        raw = [x[order.to(x.device)].cpu() for x in it.raw]
        for group in (self.rockets, self.hydras):
            for each, line in zip(group, self._lines(raw), strict=False):
                assert isinstance(each, Rocket | Hydra)
                each.fit(line, it.seed)
        features = self._of_rows(raw, it.deadline)
        n = len(features[0])
        for scaler, x in zip(self.scalers, features[len(self.rockets) :], strict=True):
            assert isinstance(scaler, SparseScaler)
            scaler.fit(x)
        own = None if it.weights is None else it.weights.cpu()[order[:n]]
        y = it.y.cpu()[order[:n]]
        rows = replace(it, raw=(self._scaled(features),), y=y, weights=own)
        return rows, f"{n:,} of {len(order):,} rows" if n < len(order) else ""

    def _of_rows(self, raw: Sequence[Tensor], deadline: Deadline) -> list[Tensor]:
        """Features of rows in order, as far as there is time: of a tenth of them at least."""
        sizes = [each.rows_at_once() for each in self.rockets if isinstance(each, Rocket)]
        rows, n = min(sizes), len(raw[0])
        until = deadline.within(_FEATURE_SHARE * deadline.left)
        chunks: list[list[Tensor]] = []
        for start in range(0, n, rows):
            if until.over and start >= n // 10 and start > 1:
                break
            chunks.append(self._features([x[start : start + rows] for x in raw]))
        return [torch.cat(parts) for parts in zip(*chunks, strict=True)]

    @property
    def feature_flops(self) -> int:
        """Of one row, as known before the fit."""
        return _flops(self.config, self.inputs)


class RocketModel(RocketFeatures, FittedModel):
    """The features, and a linear map of them."""

    takes_weights = True

    def __init__(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> None:
        super().__init__(config, inputs)
        self.target = target
        self.map = CentredLinear(_n_features(config, inputs), target.n_outputs)

    def forward(self, *raw: Tensor) -> Tensor:
        """Outputs (B, n_outputs)."""
        found: Tensor = self.map(super().forward(*raw))
        return found

    @torch.no_grad()
    def fit(self, it: FitRows) -> str:
        """Fit the features, and solve the regression on them."""
        rows, cut = self.fit_features(it)
        (features,), y, weights = rows.raw, rows.y, rows.weights
        if (n := rows_in_time(features, it.deadline)) < len(features):
            features, y = features[:n], y[:n]
            weights = None if weights is None else weights[:n]
            cut = f"{n:,} of {min(MOST_ROWS, len(it.y)):,} rows"
        wanted = y.reshape(len(y), -1).float()
        if self.target.is_coded:
            wanted = 2 * F.one_hot(y.long(), self.target.n_outputs).float() - 1
        found, factor = solve_ridge(features, wanted, weights=weights), 1.0
        if self.target.is_coded:
            factor = class_factor(found.scores, y.long(), weights)
        found.fill(self.map, factor)
        return cut

    @property
    def flops(self) -> int:
        """Of one row, as known before the fit: 2 a weight, and the features."""
        return self.feature_flops + 2 * self.map.weight.numel()

    @property
    def n_fitted(self) -> int:
        """The weights and the bias of the map; kernels are drawn, and not fitted."""
        return self.map.weight.numel() + self.map.bias.numel()


def _n_features(config: Config, inputs: Sequence[InputSpec]) -> int:
    lines, groups = [_line(spec) for spec in inputs], int(config["groups"])
    kept = N_KERNELS * (8 if config["pools"] == "four" else 1)
    own = len(lines) * kept * max(1, int(config["features"]) // len(lines) // kept)
    return own + sum(hydra_features(steps, groups) for steps, _ in lines if groups)


def _flops(config: Config, inputs: Sequence[InputSpec]) -> int:
    lines, groups = [_line(spec) for spec in inputs], int(config["groups"])
    features, multi = int(config["features"]) // len(lines), config["pools"] == "four"
    found = sum(rocket_flops(*line, features, multi=multi) for line in lines)
    return found + sum(hydra_flops(*line, groups) for line in lines if groups)


class RocketFamily(FittedFamily):
    """MultiRocket and Hydra (Tan et al., 2022; Dempster, Schmidt and Webb, 2023)."""

    name = "rocket"
    draws = True
    about = (
        "features of thousands of fixed convolutions (MultiRocket, Hydra), ridge on them; of "
        "6,000 rows at most"
    )
    # Chosen by validation scores on mnist1d, where four pools gain 1.7 points of accuracy over
    # one; on six sets of the UCR and UEA archives both are equal; 50,000 features gain nothing.
    options = {
        "features": Hyperparameter(
            about="of the convolutions, with Rocket's biases", default=10_000, low=336, high=50_000
        ),
        "pools": Hyperparameter(
            about="what is kept of each: the share above a bias, or four things of it and of the "
            "differences",
            default="four",
            choices=("one", "four"),
        ),
        "groups": Hyperparameter(
            about="of Hydra's competing kernels; 0: none", default=64, low=0, high=512
        ),
    }
    kinds = ("series", "audio")
    tasks = ("classification", "regression")
    # Not for forecasts, whose last rows a part after it would hold out: rows are drawn here.
    features_for = ("classification", "regression", "multilabel", "multitask")

    def problem(self, config: Config) -> str | None:
        """Half of the groups read the series, half its differences."""
        if int(config["groups"]) % 2:
            return f"groups must be even, not {config['groups']}: half read the differences"
        return None

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model, whose cost is known before the fit."""
        n = _n_features(config, inputs) * target.n_outputs
        make = lambda: RocketModel(config, inputs, target)  # noqa: E731
        return Piece(make, _flops(config, inputs) + 2 * n, n + target.n_outputs, learns="fit")

    def features(self, config: Config, inputs: Sequence[InputSpec]) -> FeaturePiece:
        """Its features alone."""
        make = lambda: RocketFeatures(config, inputs)  # noqa: E731
        return FeaturePiece(make, _n_features(config, inputs), _flops(config, inputs))
