"""Finds numbered columns that are the steps of a series.

Takes numeric columns with their training values. Columns of one stem that are numbered without a
gap, four or more, are a series where neighbours go together more than other pairs do: names alone
say little (`V1` ... `V28`), and a letter nothing of a few columns (`s1` ... `s6`). Short ones of
several stems with the same numbers are one by name (`BILL_AMT1` ... `6` and `PAY_AMT1` ... `6`),
and stems with the same numbers are its channels.

And an order of a table's columns in which neighbours have to do with each other: numbered ones
stand together in the order of their numbers; these groups, and the columns between them, follow
the leaves of a hierarchical clustering by absolute rank correlation (average linkage, leaves in
optimal order; Bar-Joseph et al. 2001, as in scipy).
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

_NUMBERED = re.compile(r"^(.*?)(\d+)$")
_MIN_STEPS = 4
_SHORT = 12
_SAMPLE = 2_000
_MIN_GROUP = 3
_MIN_NEIGHBOUR = 0.5
_MIN_GAIN = 0.3  # of what is left to 1
_MOST_NAMED = 3
# Of 20,000 steps all pairs are 3 GB; those of so many steps with all others say the same.
_MOST_STEPS = 1_000
# Such names say that the columns are anonymous, or the cells of a picture.
_ANONYMOUS = re.compile(
    r"^([a-z]|var|feat|feature|col|column|field|item|pc|pca|dim|unnamed)?[\s_.:\-]*$", re.I
)
_CELLS = re.compile(r"^(pixel|px)[\s_.\-]*$", re.I)


@dataclass(frozen=True, kw_only=True)
class Group:
    """Columns of a series: their places by channel, and by step in each; a stem a channel."""

    stems: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]


def numbered(names: Sequence[str]) -> dict[str, list[tuple[int, int]]]:
    """(number, place) of the columns of each stem, by number."""
    stems: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for index, name in enumerate(names):
        match = _NUMBERED.match(name)
        if match:
            stems[match[1]].append((int(match[2]), index))
    return {stem: sorted(columns) for stem, columns in stems.items()}


def find_groups(names: Sequence[str], x: NDArray[np.float64]) -> list[Group]:
    """The series among numeric columns; `x` holds one column a name, NaN where missing."""
    alike: dict[tuple[int, ...], dict[str, tuple[int, ...]]] = defaultdict(dict)
    for stem, columns in numbered(names).items():
        numbers = tuple(number for number, _ in columns)
        consecutive = numbers == tuple(range(numbers[0], numbers[0] + len(numbers)))
        if consecutive and len(numbers) >= _MIN_STEPS and not _CELLS.match(stem):
            alike[numbers][stem] = tuple(index for _, index in columns)
    sample = x[:: max(1, len(x) // _SAMPLE)]
    groups = []
    for numbers, stems in alike.items():
        named = {stem: indices for stem, indices in stems.items() if not _ANONYMOUS.match(stem)}
        by_name = len(numbers) <= _SHORT and len(named) > 1 and _measures(sample, named)
        chosen = {
            stem: indices
            for stem, indices in stems.items()
            if (by_name and stem in named)
            or ((stem in named or len(indices) > _SHORT) and _moves_together(sample[:, indices]))
        }
        if chosen:
            groups.append(Group(stems=tuple(chosen), places=tuple(chosen.values())))
    return groups


def group_name(group: Group) -> str:
    """A name made of the stems: `BILL_AMT_PAY_AMT`."""
    stems = [stem.strip(" _.-") or "series" for stem in group.stems]
    more = f"_and_{len(stems) - _MOST_NAMED}" if len(stems) > _MOST_NAMED else ""
    return "_".join(stems[:_MOST_NAMED]) + more


def _measures(x: NDArray[np.float64], stems: Mapping[str, Sequence[int]]) -> bool:
    """Whether every column has three values or more: flags are no measure."""
    indices = [index for columns in stems.values() for index in columns]
    return all(len(np.unique(x[~np.isnan(x[:, column]), column])) > 2 for column in indices)


def _moves_together(x: NDArray[np.float64]) -> bool:
    """Whether neighbours are correlated, and clearly more than other pairs are."""
    known = np.isfinite(x)
    mean = np.where(known, x, 0.0).sum(0) / np.maximum(known.sum(0), 1)
    x = np.where(known, x - mean, 0.0)
    scale = np.sqrt((x**2).sum(0))
    if not (scale > 0).all() or len(x) < _MIN_STEPS:
        return False
    x = x / scale
    near = np.abs((x[:, :-1] * x[:, 1:]).sum(0)).mean()
    if near <= _MIN_NEIGHBOUR:
        return False
    steps = np.arange(x.shape[1])
    some = steps[:: -(-len(steps) // _MOST_STEPS)]
    together = np.abs(x[:, some].T @ x)
    others = together[np.abs(some[:, None] - steps) > 1].mean()
    return bool(near - others > _MIN_GAIN * (1 - others))


_MAX_OPTIMAL = 300
# The time grows with the square: 1.3 s for 2,000. Wider tables are read in the order they have.
_MAX_GROUPS = 2_000
_MAX_COLUMNS = 5_000  # whose correlations are 200 MB


def order_columns(x: NDArray[np.float64], names: Sequence[str]) -> list[int]:
    """The places of `names` in their new order; `x` holds one column a name, NaN where missing."""
    groups = _groups(names)
    if not 3 <= len(groups) <= _MAX_GROUPS or len(names) > _MAX_COLUMNS:
        return [column for group in groups for column in group]
    step = max(1, len(x) // _SAMPLE)
    near = _affinity(_correlation(x[::step][:_SAMPLE]), groups)
    # Late: a tenth of a second of a processor, for tables of three columns or more alone.
    cluster: Any = import_module("scipy.cluster.hierarchy")
    distance = (1.0 - near)[np.triu_indices(len(near), 1)]
    tree = cluster.linkage(distance, method="average")
    if len(groups) <= _MAX_OPTIMAL:
        tree = cluster.optimal_leaf_ordering(tree, distance)
    return [column for leaf in cluster.leaves_list(tree) for column in groups[leaf]]


def _groups(names: Sequence[str]) -> list[list[int]]:
    """Places of numbered columns of one stem, three or more, together; each other place alone."""
    grouped: dict[int, list[int]] = {}
    for found in numbered(names).values():
        if len(found) >= _MIN_GROUP:  # one list a stem: of 20,000 a list each were gigabytes
            places = [place for _, place in found]
            grouped |= dict.fromkeys(places, places)
    groups: list[list[int]] = []
    done: set[int] = set()
    for place in range(len(names)):
        if place not in done:
            groups.append(grouped.get(place, [place]))
            done.update(groups[-1])
    return groups


def _correlation(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absolute Spearman correlation; a missing value takes the middle rank."""
    ranks = np.empty_like(x)
    for column in range(x.shape[1]):
        present = ~np.isnan(x[:, column])
        own = pd.Series(x[present, column]).rank().to_numpy()  # ties have their mean rank
        ranks[:, column] = 0.0
        ranks[present, column] = own - own.mean() if len(own) else own
    norm = np.sqrt((ranks**2).sum(0))
    ranks /= np.where(norm > 0, norm, 1.0)
    return np.clip(np.abs(ranks.T @ ranks), 0.0, 1.0)


def _affinity(
    correlation: NDArray[np.float64], groups: Sequence[Sequence[int]]
) -> NDArray[np.float64]:
    """Mean correlation between the columns of two groups; 1 on the diagonal."""
    place, size = np.concatenate(groups), np.array([len(group) for group in groups])
    first = np.cumsum(size) - size
    summed = np.add.reduceat(correlation[place], first, axis=0)
    near = np.add.reduceat(summed[:, place], first, axis=1) / np.outer(size, size)
    np.fill_diagonal(near, 1.0)
    return np.clip((near + near.T) / 2, 0.0, 1.0)
