"""Fronts and layers: what peeling gives, and the same where points come in one by one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.front import ParetoFront, ParetoLayers, layers

# Few values, so that points are often equal in one coordinate or in both.
few = st.integers(0, 9) | st.sampled_from([-0.0, math.inf, -math.inf, 0.5])
pairs = st.lists(st.tuples(few, few), max_size=50)


def dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def peeled(points: list[tuple[float, ...]]) -> list[int]:
    """The layers by their definition: take the front away, and again."""
    found, number = [0] * len(points), 0
    while 0 in found:
        number += 1
        left = [i for i, layer in enumerate(found) if layer == 0]
        for i in left:
            if not any(dominates(points[j], points[i]) for j in left):
                found[i] = -1
        found = [number if layer == -1 else layer for layer in found]
    return found


@given(
    pairs
    | st.integers(1, 4).flatmap(
        lambda d: st.lists(st.lists(few, min_size=d, max_size=d).map(tuple), max_size=30)
    )
)
def test_layers_are_what_peeling_the_front_gives(points: list[tuple[float, ...]]) -> None:
    assert layers(points).tolist() == peeled(points)


def test_layers_take_no_points_infinities_and_no_nan() -> None:
    assert layers(np.empty((0, 2))).tolist() == []
    assert layers([(0, math.inf), (1, 1), (1, math.inf)]).tolist() == [1, 1, 2]
    with pytest.raises(ValueError, match="without NaN"):
        layers([(0, math.nan)])
    with pytest.raises(ValueError, match=r"got shape \(3,\)"):
        layers([1, 2, 3])


def test_many_points_of_three_coordinates_need_no_table_of_pairs() -> None:
    points = np.random.default_rng(0).permutation(20_000)
    assert layers(np.stack([points, points, points], axis=1)[:2_000]).max() == 2_000


@given(pairs)
def test_a_front_is_the_first_layer_after_every_point(points: list[tuple[float, float]]) -> None:
    front = ParetoFront()
    for n, point in enumerate(points, start=1):
        on_it = front.insert(n - 1, *point)
        first = [i for i, layer in enumerate(peeled(points[:n])) if layer == 1]
        assert on_it == (n - 1 in first)
        assert sorted(front) == first
        assert len(front) == len(first)
        assert [points[i][0] for i in front] == sorted(points[i][0] for i in first)


@given(pairs, few)
def test_the_best_at_a_price_is_that_of_all_points(
    points: list[tuple[float, float]], price: float
) -> None:
    front = ParetoFront()
    for number, point in enumerate(points):
        front.insert(number, *point)
    assert front.best(price) == min((y for x, y in points if x <= price), default=math.inf)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
def test_the_hypervolume_counts_what_is_dominated(points: list[tuple[int, int]]) -> None:
    """On a grid the area is the number of cells that some point dominates."""
    front = ParetoFront()
    for number, point in enumerate(points):
        front.insert(number, *point)
    cells = [(i, j) for i in range(7) for j in range(8)]
    covered = [c for c in cells if any(x <= c[0] and y <= c[1] for x, y in points)]
    assert front.hypervolume(7, 8) == len(covered)


@given(pairs, st.tuples(few, few))
def test_layers_are_kept_up_as_points_come(
    points: list[tuple[float, float]], new: tuple[float, float]
) -> None:
    kept = ParetoLayers()
    for n, point in enumerate(points, start=1):
        layer = kept.insert(n - 1, *point)
        expected = peeled(points[:n])
        assert layer == expected[-1]
        found = {number: at for at, numbers in enumerate(kept, start=1) for number in numbers}
        assert [found[i] for i in range(n)] == expected
    assert len(kept) == len(points)
    asked = kept.layer(*new)
    everyone = peeled([*points, new])
    assert asked == everyone[-1]
    assert kept.n_above(asked) == sum(layer < asked for layer in everyone)


def test_thousands_of_points_stand_where_layers_puts_them() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(2_000, 2)).round(2)
    kept, front = ParetoLayers(), ParetoFront()
    for number, point in enumerate(points.tolist()):
        kept.insert(number, *point)
        front.insert(number, *point)
    expected = layers(points)
    found = {number: at for at, numbers in enumerate(kept, start=1) for number in numbers}
    assert [found[i] for i in range(len(points))] == expected.tolist()
    assert sorted(front) == np.flatnonzero(expected == 1).tolist()


@pytest.mark.parametrize("kept", [ParetoFront(), ParetoLayers()])
def test_a_point_is_two_numbers(kept: ParetoFront | ParetoLayers) -> None:
    with pytest.raises(ValueError, match=r"without NaN, not \(0, nan\)"):
        kept.insert(0, 0, math.nan)
