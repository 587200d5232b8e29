"""Points in, and which of them none beats: the front, and the layers below it.

Leaderboard, pruner and the end of a search go by this one order. `layers` is the definition, over
all points at once; `ParetoFront` and `ParetoLayers` keep the same up for two coordinates as points
come in, for a driver that asks after every event.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

# Of the dearest single component: what is as cheap need not be cheaper. On a log scale of cost the
# sampler would else go after ever smaller networks, which nobody wants.
CHEAP_SHARE = 0.01


def layers(points: ArrayLike) -> NDArray[np.int64]:
    """The layer of each point: 1 for the front, 2 for the front of what is left, and so on.

    One point dominates another if it is no larger in any coordinate and smaller in one; equal
    points share a layer. The layers are those of non-dominated sorting in Deb et al., NSGA-II
    (2002); a point's layer is also the length of the longest chain of points that dominate each
    other and end with it, which is how they are found here: two coordinates in O(n log n) (Jensen,
    2003), others in O(n²) time and O(n) memory.

    Args:
        points: shape `(n, d)`; every coordinate is to be made small. Infinities may stand in it.

    Returns:
        Shape `(n,)`, from 1.

    Raises:
        ValueError: if `points` is not two-dimensional, or a coordinate is not a number.
    """
    values = np.asarray(points, dtype=np.float64)
    if values.size == 0:
        return np.zeros(len(values), dtype=np.int64)
    if values.ndim != 2 or np.isnan(values).any():
        raise ValueError(f"points are n rows of d numbers without NaN; got shape {values.shape}")
    order = np.lexsort(values.T[::-1])  # by the first coordinate, of equal ones by the second, ...
    ordered = values[order]
    new = np.r_[True, (ordered[1:] != ordered[:-1]).any(axis=1)]
    distinct = ordered[new]
    # What dominates a point stands before it.
    found = _layers_of_pairs(distinct) if distinct.shape[1] == 2 else _layers_of_many(distinct)
    layer = np.empty(len(values), dtype=np.int64)
    layer[order] = found[np.cumsum(new) - 1]
    return layer


def _layers_of_pairs(distinct: NDArray[np.float64]) -> NDArray[np.int64]:
    """Of pairs in order: what came before and has no larger second coordinate dominates."""
    least: list[float] = []  # the least second coordinate in each layer so far, which ascends
    found = np.empty(len(distinct), dtype=np.int64)
    for i, y in enumerate(distinct[:, 1].tolist()):
        at = bisect_right(least, y)  # the first layer with nothing that dominates
        least[at : at + 1] = [y]
        found[i] = at + 1
    return found


def _layers_of_many(distinct: NDArray[np.float64]) -> NDArray[np.int64]:
    found = np.ones(len(distinct), dtype=np.int64)
    for i, point in enumerate(distinct):
        before = found[:i][(distinct[:i] <= point).all(axis=1)]
        found[i] = before.max(initial=0) + 1
    return found


class _Staircase:
    """Points none of which dominates another: `xs` ascend, `ys` descend, both strictly.

    `numbers` are those of the points that stand at each place.
    """

    __slots__ = ("xs", "ys", "numbers")

    def __init__(self, xs: list[float], ys: list[float], numbers: list[list[int]]) -> None:
        self.xs, self.ys, self.numbers = xs, ys, numbers

    def dominates(self, x: float, y: float) -> bool:
        """Whether one of its points dominates this one."""
        at = bisect_right(self.xs, x) - 1  # of those no larger in x the least in y
        return at >= 0 and (self.ys[at] < y or (self.ys[at] == y and self.xs[at] < x))

    def join(self, x: float, y: float, number: int) -> bool:
        """Take a point in beside an equal one; false where there is none."""
        at = bisect_left(self.xs, x)
        if at == len(self.xs) or self.xs[at] != x or self.ys[at] != y:
            return False
        self.numbers[at].append(number)
        return True

    def replace(self, coming: "_Staircase") -> "_Staircase":
        """Take a staircase in that none of this one dominates; give what it dominates of this one.

        That lies in one piece, if every point of this one that has no smaller x than the first
        and no smaller y than the last of `coming` is dominated by some of it: so it is for one
        point, and for what another point has driven out of the layer before.
        """
        start = bisect_left(self.xs, coming.xs[0])
        end = bisect_right(self.ys, -coming.ys[-1], lo=start, key=lambda y: -y)
        gone = _Staircase(self.xs[start:end], self.ys[start:end], self.numbers[start:end])
        self.xs[start:end] = coming.xs
        self.ys[start:end] = coming.ys
        self.numbers[start:end] = coming.numbers
        return gone

    def __len__(self) -> int:
        """How many points, equal ones counted each."""
        return sum(map(len, self.numbers))


class ParetoFront:
    """The points that no other dominates, of all that came: two coordinates, both to be small.

    Points are known by a number, such as a trial's; equal ones are all members. To take one in
    costs O(log m) comparisons for m members, and as much as to move a list for those that leave.
    """

    def __init__(self) -> None:
        self._stairs = _Staircase([], [], [])

    def insert(self, number: int, x: float, y: float) -> bool:
        """Take in a point; gives whether it is on the front. What it dominates leaves for ever.

        Raises:
            ValueError: a coordinate is not a number.
        """
        _check(x, y)
        if self._stairs.dominates(x, y):
            return False
        if not self._stairs.join(x, y, number):
            self._stairs.replace(_Staircase([x], [y], [[number]]))
        return True

    def best(self, x: float) -> float:
        """The least y among points that are no larger in `x`; infinity where there is none."""
        at = bisect_right(self._stairs.xs, x) - 1
        return self._stairs.ys[at] if at >= 0 else math.inf

    def hypervolume(self, x: float, y: float) -> float:
        """The area between the front and a reference point that is worse: what is dominated of it.

        Members that are no better than the reference in both coordinates add nothing (Zitzler and
        Thiele, 1998).
        """
        stairs, area = self._stairs, 0.0
        for left, right, low in zip(stairs.xs, [*stairs.xs[1:], x], stairs.ys, strict=False):
            if left < x and low < y:
                area += (min(right, x) - left) * (y - low)
        return area

    def __iter__(self) -> Iterator[int]:
        """The members' numbers, from the least x on; of equal points as they came."""
        return (number for numbers in self._stairs.numbers for number in numbers)

    def __len__(self) -> int:
        return len(self._stairs)


class ParetoLayers:
    """All points that came, in their layers: two coordinates, both to be small.

    To ask for a point's layer takes O(log² n). To take one in moves at most one piece of each
    layer to the next (Yakupov and Buzdalov, Incremental non-dominated sorting with O(N) insertion
    for the two-dimensional case, 2015).
    """

    def __init__(self) -> None:
        self._layers: list[_Staircase] = []
        self._sizes: list[int] = []

    def layer(self, x: float, y: float) -> int:
        """The layer, from 1, that a point has or would have.

        Raises:
            ValueError: a coordinate is not a number.
        """
        _check(x, y)
        # If a layer dominates a point, so does each before it.
        return 1 + bisect_left(self._layers, True, key=lambda each: not each.dominates(x, y))

    def insert(self, number: int, x: float, y: float) -> int:
        """Take in a point; gives its layer, from 1."""
        layer = self.layer(x, y)
        at = layer - 1
        if at < len(self._layers) and self._layers[at].join(x, y, number):
            self._sizes[at] += 1
            return layer
        coming, size = _Staircase([x], [y], [[number]]), 1
        while coming.xs:
            if at == len(self._layers):
                self._layers.append(coming)
                self._sizes.append(size)
                break
            here = self._layers[at]
            gone = here.replace(coming)
            n_gone = len(gone)
            if len(here.xs) == len(coming.xs):  # the whole layer left, and all below are one lower
                self._layers.insert(at + 1, gone)
                self._sizes[at] = size
                self._sizes.insert(at + 1, n_gone)
                break
            self._sizes[at] += size - n_gone
            coming, size, at = gone, n_gone, at + 1
        return layer

    def n_above(self, layer: int) -> int:
        """How many points stand on better layers than this one."""
        return sum(self._sizes[: layer - 1])

    def __iter__(self) -> Iterator[list[int]]:
        """The numbers of the points in each layer, from the front on."""
        return ([n for numbers in each.numbers for n in numbers] for each in self._layers)

    def __len__(self) -> int:
        return sum(self._sizes)


def _check(x: float, y: float) -> None:
    if math.isnan(x) or math.isnan(y):
        raise ValueError(f"a point is two numbers without NaN, not ({x}, {y})")
