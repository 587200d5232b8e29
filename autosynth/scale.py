"""Scales of numbers: the one that a target is learnt on, and the unit that float32 can hold.

A `Scale` (values as they are, their logarithm, or quantiles) is fitted on training values in the
target's own unit; it brings values to standardised ones, and back. `composite/objective.py` goes
the same way back behind a network. A `NumberUnit` comes before the cast to float32 wherever a
number is read whose differences the cast would lose.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

ScaleKind = Literal["linear", "log", "quantile"]
Values = NDArray[np.float64]

# Quantiles of training values that a quantile scale is made of, at most: 256 steps between them,
# each .4 % of the rows, and a few kilobytes in a bundle.
N_KNOTS = 257


LOST = 2.0**24 * 1e-4
"""Numbers that are so many times as large as their spread lose a ten-thousandth of it in float32,
whose rounding is 2^-24 of a number: dates within eleven days, milliseconds since 1970 within a
decade."""
_SIZES = 1e-9, 1e15
"""Spreads of which float32 holds squares and their sums; stems cut bins of 1e-12 and more."""


@dataclass(frozen=True, kw_only=True)
class NumberUnit:
    """What numbers are counted from, and in: `center` and `size`, in float64 before any cast.

    Ordinary numbers are counted from 0 in ones: they stay as they are.
    """

    center: float = 0.0
    size: float = 1.0

    def encoded(self, values: Values) -> Values:
        """Numbers as they are counted: what lies beyond float64 then is infinite."""
        if self == PLAIN:
            return values
        with np.errstate(over="ignore"):
            return np.asarray((values - self.center) / self.size)

    def decoded(self, counted: Values) -> Values:
        """Counted numbers as they were, float64."""
        return counted if self == PLAIN else np.asarray(counted * self.size + self.center)

    def to_list(self) -> list[float]:
        """As JSON-able data: center and size."""
        return [self.center, self.size]

    @classmethod
    def from_list(cls, plain: Sequence[float]) -> "NumberUnit":
        """The unit of which `to_list` made JSON-able data."""
        center, size = map(float, plain)
        return cls(center=center, size=size)


PLAIN = NumberUnit()


def fit_unit(values: Values, *, whole: int = 0, steps: bool = False) -> NumberUnit:
    """The unit of numbers: `PLAIN` where float32 holds them as well as their differences.

    Args:
        values: of training rows, of any shape; those that are not finite are not looked at.
        whole: what the center is a multiple of: 7 days keep the phases of week and day.
        steps: on the last axis the values stand in their order, and what changes between two
            counts as well.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return PLAIN
    center, spread = float(_center(known)), float(_spread(known))
    if steps:
        with np.errstate(over="ignore", invalid="ignore"):
            changes = np.diff(values)
        changes = changes[np.isfinite(changes)]
        change = float(_spread(changes)) if len(changes) else 0.0
        spread = min(spread, change) if change else spread
    return _unit_of(center, spread, whole)


def fit_units(values: Values, *, whole: int = 0) -> list[NumberUnit]:
    """As `fit_unit`, of each column of `values` (rows, columns); as many known ones at once."""
    finite = np.isfinite(values)
    counts = finite.sum(0)
    # Numbers that are not finite go last; quantiles depend on no order of the others.
    ordered = values if finite.all() else np.sort(np.where(finite, values, np.nan), axis=0)
    units = [PLAIN] * values.shape[1]
    for count in np.unique(counts[counts > 0]).tolist():
        own = np.flatnonzero(counts == count)
        known = ordered[:count, own]
        pairs = zip(own.tolist(), _center(known).tolist(), _spread(known).tolist(), strict=True)
        for column, center, spread in pairs:
            units[column] = _unit_of(center, spread, whole)
    return units


def _unit_of(center: float, spread: float, whole: int) -> NumberUnit:
    """The unit of numbers around a center that nearly all lie in such a spread."""
    if not spread:
        return PLAIN
    size = 1.0 if _SIZES[0] <= spread <= _SIZES[1] or whole else spread
    if abs(center) / LOST <= spread:
        center = 0.0
    if center == 0 and size == 1:
        return PLAIN
    return NumberUnit(center=center // whole * whole if whole else center, size=size)


def _center(values: Values) -> Any:
    """A middle one of finite values: the difference of two near numbers is exact in float64."""
    return np.quantile(values, 0.5, method="lower", axis=0)


def _spread(values: Values) -> Any:
    """What nearly all finite values lie in: of a few far off, or of one mostly, the range."""
    low, high = np.quantile(values / 2, (0.05, 0.95), axis=0)
    least, most = values.min(0) / 2, values.max(0) / 2
    width = np.where(low == high, most - least, high - low)
    with np.errstate(over="ignore"):
        return np.minimum(2 * width, np.finfo(np.float64).max)  # halves: no range is infinite


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the values of one field of a target are standardised for learning, and brought back.

    A value `v` is learnt as `(g(v) - center) / spread`, and `g` goes by `kind`:

    - linear: `v` itself;
    - log: `asinh(v / unit)`, which is the logarithm of what is large against `unit`, the line near
      0, and takes values below 0;
    - quantile: the line through the points of `knots`, in the target's unit, and `normal`, the
      quantiles of the normal distribution. What lies beyond the outermost knots counts as these.

    `center` and `spread` are the mean and standard deviation of `g(v)` over training rows. On the
    way back standardised values are cut to `bounds`, those of training values, for a logarithm
    that is a little too large is a price a thousand times too high; values are multiplied by
    `factor`, for the value of a mean logarithm is less than the mean value; and they are no less
    than `lowest`, in the target's unit: 0 where no training value is negative.
    """

    kind: ScaleKind = "linear"
    center: float = 0.0
    spread: float = 1.0
    unit: float = 1.0
    bounds: tuple[float, float] | None = None
    knots: tuple[float, ...] = ()
    normal: tuple[float, ...] = ()
    factor: float = 1.0
    lowest: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Scale":
        """The scale of which `to_dict` made JSON-able data."""
        numbers = {name: float(plain[name]) for name in ("center", "spread", "unit", "factor")}
        return cls(
            kind=plain["kind"],
            bounds=_pair(plain["bounds"]),
            knots=tuple(map(float, plain["knots"])),
            normal=tuple(map(float, plain["normal"])),
            lowest=None if plain["lowest"] is None else float(plain["lowest"]),
            **numbers,
        )


def _pair(plain: Sequence[float] | None) -> tuple[float, float] | None:
    if plain is None:
        return None
    low, high = map(float, plain)
    return low, high


def scales_from(plain: Mapping[str, Any]) -> tuple[Scale, ...]:
    """The scales of saved data: its `scales`, or the `center` and `spread` of earlier versions.

    Raises:
        KeyError, TypeError, ValueError: it has neither, or they are not whole.
    """
    if "scales" in plain:
        return tuple(map(Scale.from_dict, plain["scales"]))
    pairs = zip(plain["center"], plain["spread"], strict=True)
    return tuple(Scale(center=float(mean), spread=float(std)) for mean, std in pairs)


def problems_of(scale: Scale) -> Iterator[str]:
    """What makes a scale that was read unusable, each as a sentence; nothing of a good one."""
    if scale.kind not in get_args(ScaleKind):
        yield f"scale {scale.kind!r} is none of {', '.join(get_args(ScaleKind))}"
    positive = scale.spread, scale.unit, scale.factor
    numbers = (scale.center, scale.lowest or 0.0, *positive, *(scale.bounds or ()), *scale.knots)
    if not (all(map(math.isfinite, numbers)) and min(positive) > 0):
        yield f"center {scale.center} and spread {scale.spread} are no finite scale"
    if len(scale.knots) != len(scale.normal) or (scale.kind == "quantile" and not scale.knots):
        yield "the knots of a scale are not one for each normal quantile"
    elif min((*np.diff(scale.knots), *np.diff(scale.normal)), default=1.0) <= 0:
        yield "the knots of a scale do not ascend"


def fit_scale(kind: ScaleKind, values: Values, *, factor: float = 1.0) -> Scale:
    """The scale of training values.

    Args:
        kind: of the scale.
        values: (n,) in the target's unit, finite, one or more.
        factor: that values are multiplied by on the way back.
    """
    unit = _unit(values) if kind == "log" else 1.0
    knots, normal = _knots(values) if kind == "quantile" else ((), ())
    curved = _curved(Scale(kind=kind, unit=unit, knots=knots, normal=normal), values)
    center, spread = float(curved.mean()), float(curved.std()) or 1.0
    bounds = None
    if kind == "log":
        z = (curved - center) / spread
        bounds = float(z.min()), float(z.max())
    return Scale(
        kind=kind,
        center=center,
        spread=spread,
        unit=unit,
        bounds=bounds,
        knots=knots,
        normal=normal,
        factor=factor,
        lowest=0.0 if values.min() >= 0 else None,
    )


def scaled(scale: Scale, values: Values) -> Values:
    """Values of any shape in the target's unit, as standardised ones."""
    return (_curved(scale, values) - scale.center) / scale.spread


def unscaled(scale: Scale, z: Values) -> Values:
    """Standardised values of any shape in the target's unit."""
    if scale.bounds is not None:
        z = np.clip(z, *scale.bounds)
    values = z * scale.spread + scale.center
    if scale.kind == "log":
        values = scale.unit * np.sinh(values)
    elif scale.kind == "quantile":
        values = np.interp(values, scale.normal, scale.knots)
    values = values * scale.factor
    return values if scale.lowest is None else np.maximum(values, scale.lowest)


def steepness(scale: Scale, values: Values) -> Values:
    """How far values move, in the target's unit, with a small standardised step, at most.

    Args:
        scale: of the values.
        values: (n,) or (n, columns) in the target's unit.
    """
    if scale.kind == "log":
        size = np.hypot(values / scale.factor, scale.unit)
        return np.asarray(size * scale.factor * scale.spread)
    if scale.kind == "quantile" and len(scale.knots) > 1:
        slope = float((np.diff(scale.knots) / np.diff(scale.normal)).max())
        return np.full(values.shape, slope * scale.factor * scale.spread)
    return np.full(values.shape, scale.factor * scale.spread)


def _curved(scale: Scale, values: Values) -> Values:
    if scale.kind == "log":
        return np.arcsinh(values / scale.unit)
    if scale.kind == "quantile":
        return np.interp(values, scale.knots, scale.normal)
    return values


def _unit(values: Values) -> float:
    """What is small among the values: a twentieth of those that are not 0 is smaller.

    With values below 0 it is the median of their size, for a logarithm would tear those around 0
    apart.
    """
    size = np.abs(values[values != 0])
    if not len(size):
        return 1.0
    return float(np.quantile(size, 0.5 if values.min() < 0 else 0.05))


def _knots(values: Values) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Quantiles, each once, and the normal ones; a value of many rows stands in their middle."""
    shares = np.linspace(0, 1, min(N_KNOTS, len(values)))
    half = 0.5 / len(values)
    knots, codes = np.unique(np.quantile(values, shares), return_inverse=True)
    normal = np.bincount(codes, ndtri(np.clip(shares, half, 1 - half))) / np.bincount(codes)
    return tuple(knots.tolist()), tuple(normal.tolist())
