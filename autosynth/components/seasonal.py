"""The family `seasonal`: what a series did one period before says what it does next."""

from collections.abc import Sequence

import torch
from torch import Tensor

from autosynth.components.family import Config, Hyperparameter
from autosynth.components.fitted import FitRows, FittedFamily, FittedModel
from autosynth.data.framing.season import find_period
from autosynth.errors import StrategyError
from autosynth.modality.convolution import last_known
from autosynth.piece import Piece
from autosynth.spec import InputSpec, TargetSpec

# Histories, spread over the training rows, in which the period is looked for: the one that most
# of them show is taken.
_LOOKED_AT = 32


class SeasonalModel(FittedModel):
    """Each step ahead by the one a period before it: its change from the last, times a weight.

    The weights are those of least squares, a line for each step. Where a history shows no period,
    the last value of all stands for the one before: its change is 0, and the mean change is left.
    """

    places: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, at: int, spec: InputSpec, steps: int, period: int) -> None:
        super().__init__()
        self.at, self.length, self.period = at, spec.shape[1], period
        for name, tensor in (
            ("places", torch.full((steps,), self.length - 1)),
            ("weight", torch.zeros(steps)),
            ("bias", torch.zeros(steps)),
        ):
            self.register_buffer(name, tensor)

    def forward(self, *raw: Tensor) -> Tensor:
        """Changes from the last known value, (B, steps)."""
        return self._before(raw[self.at]) * self.weight + self.bias

    def _before(self, series: Tensor) -> Tensor:
        """The target's own past one period before each step ahead, less its last known value."""
        own = series[:, 0]
        change = own[:, self.places] - last_known(series[:, :1]).squeeze(1)
        return change.nan_to_num()

    @torch.no_grad()
    def fit(self, it: FitRows) -> str:
        """Find the period, if none is given, and the line of every step ahead."""
        series, steps = it.raw[self.at].cpu(), len(self.places)
        period = self.period or self._found(series[:, 0])
        if period:
            self.places.copy_(self.length - period + torch.arange(steps) % period)
        x, y = self._before(series).double(), it.y.cpu().double().reshape(len(it.y), -1)
        known = ~y.isnan()
        n = known.sum(0).clamp(min=1)
        mean_x, mean_y = (torch.where(known, each, 0).sum(0) / n for each in (x, y))
        dx, dy = (torch.where(known, a - b, 0) for a, b in ((x, mean_x), (y, mean_y)))
        spread = dx.square().sum(0)
        slope = torch.where(spread > 0, (dx * dy).sum(0) / spread.clamp(min=1e-300), 0)
        self.weight.copy_(slope)
        self.bias.copy_(mean_y - slope * mean_x)
        return ""

    def _found(self, past: Tensor) -> int:
        """The period that most histories (rows, steps) show; 0 where most show none."""
        rows = past[:: max(1, len(past) // _LOOKED_AT)]
        found = [find_period(row.numpy()) for row in rows]
        return max(sorted(set(found)), key=found.count)

    @property
    def flops(self) -> int:
        """A subtraction and a multiply-add a step."""
        return 3 * len(self.places)

    @property
    def n_fitted(self) -> int:
        """The period, and a line a step."""
        return 1 + 2 * len(self.places)


class Seasonal(FittedFamily):
    """The seasonal naive forecast (Hyndman and Athanasopoulos, 2021), each step with a line."""

    name = "seasonal"
    about = "a forecast by the values of one period before, with a line for every step ahead"
    options = {
        "period": Hyperparameter(
            about="steps after which the series comes back; 0: found in its history",
            default=0,
            low=0,
            high=4096,
        )
    }
    kinds = ("series",)
    tasks = ("forecasting",)

    def model(self, config: Config, inputs: Sequence[InputSpec], target: TargetSpec) -> Piece:
        """Its model, of the target's own past.

        Raises:
            StrategyError: it does not read that, or the period is longer.
        """
        at = next((i for i, spec in enumerate(inputs) if spec.name == target.base), None)
        if at is None:
            raise StrategyError(
                f"{self.name} reads the past of the target, {target.base!r}, and here it reads "
                f"{', '.join(spec.name for spec in inputs)}; name {target.base} after the colon"
            )
        spec, period = inputs[at], int(config["period"])
        if period > spec.shape[1]:
            raise StrategyError(
                f"{self.name}[period={period}] reads one period before, and a history has "
                f"{spec.shape[1]} steps; a period may be that at most, or --history longer"
            )
        make = lambda: SeasonalModel(at, spec, target.steps, period)  # noqa: E731
        return Piece(make, 3 * target.steps, 1 + 2 * target.steps, learns="fit")
