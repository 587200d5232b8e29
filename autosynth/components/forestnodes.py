"""The nodes of all trees of a forest as plain arrays, put together from those of single trees.

Takes trees as libraries have them, with thresholds in float64 and sets of categories; gives the
arrays that `Forest` computes with. NumPy alone, and of no library.

All trees stand in one line of nodes: the root of tree t is node t, and behind the roots follow the
children, two of a parent beside each other, the right one first. So a step down is `child` or
`child + 1`. A leaf is its own child.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class ForestTree:
    """One tree of n nodes, the root first and every parent before its children.

    At a node that is no leaf a row goes `left` where its `feature` is at most the `threshold`, or,
    at a node with `sets` >= 0, where its code is in that row of `goes_left` (sets, codes), which
    holds for every code where it goes, known to the training or not. A missing value goes left
    where `missing_left`, and so do codes beyond the table. `values` are (n, width): what a leaf
    adds to the outputs.
    """

    feature: Ints
    threshold: Doubles
    left: Ints
    right: Ints
    is_leaf: Flags
    missing_left: Flags
    values: Doubles
    sets: Ints
    goes_left: Flags


@dataclass(frozen=True, kw_only=True)
class ForestNodes:
    """The arrays of a forest of T trees and n nodes, which reads F features.

    `feature` (n) is a column of what `Forest` lays out of a row: its F values, where a missing one
    goes right; from F on the same, where it goes left; 2 F, which is missing always, at leaves;
    and behind it one column for each of `sets`, the comparisons with a set of categories.
    `threshold` (n) are float32, `child` (n) as the file says, `leaf` (n) the rows of `value`
    (leaves, width); equal leaves share one. `set_feature` (S) are the features whose codes are
    looked up, `sets` (S, bytes) a bit a code, the last for missing and unknown ones. `bias` (k) is
    added to the outputs. Trees stand in rounds of k / width; tree t adds to the outputs from
    (t % (k / width)) * width on.
    """

    n_features: int
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    child: NDArray[np.int32]
    leaf: NDArray[np.int32]
    value: NDArray[np.float32]
    set_feature: NDArray[np.int32]
    sets: NDArray[np.uint8]
    bias: NDArray[np.float32]


def constant_tree(values: Doubles) -> ForestTree:
    """A tree that adds `values` (width) to every row."""
    none, no = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    return ForestTree(
        feature=none,
        threshold=np.zeros(1),
        left=none,
        right=none,
        is_leaf=~no,
        missing_left=no,
        values=np.asarray(values, np.float64)[None],
        sets=none - 1,
        goes_left=np.zeros((0, 0), np.bool_),
    )


def float32_at_most(thresholds: Doubles) -> NDArray[np.float32]:
    """The greatest float32 that is no more than each threshold.

    For every float32 x, x <= t holds if and only if x <= float32_at_most(t): the largest x that is
    not above t is that number itself.
    """
    with np.errstate(over="ignore"):  # beyond the range it is infinite, and then stepped back
        nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
    return np.where(nearest.astype(np.float64) > thresholds, below, nearest)


def pack_forest(trees: Sequence[ForestTree], bias: Doubles, n_features: int) -> ForestNodes:
    """The arrays of a forest that adds up its trees.

    Args:
        trees: in rounds, see `ForestNodes`; their number is a multiple of a round.
        bias: (k,), added to the outputs.
        n_features: of a row.

    Raises:
        ValueError: trees that are not of whole rounds, or a child that stands before its parent.
    """
    if not trees:
        raise ValueError(
            "a forest has one tree or more; give `constant_tree` where none is needed"
        )
    round_of = len(bias) // trees[0].values.shape[1]
    if len(trees) % max(1, round_of) or round_of * trees[0].values.shape[1] != len(bias):
        raise ValueError(
            f"{len(trees)} trees of {trees[0].values.shape[1]} values do not make up whole rounds "
            f"for {len(bias)} outputs; give as many for every output"
        )
    starts = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    is_leaf = np.concatenate([tree.is_leaf for tree in trees])
    inner = np.flatnonzero(~is_leaf)
    left, right = (
        np.concatenate([getattr(t, side) + at for t, at in zip(trees, starts, strict=False)])[
            inner
        ]
        for side in ("left", "right")
    )
    if (np.minimum(left, right) <= inner).any():
        raise ValueError(
            "a child stands before its parent; give the nodes of a tree in that order"
        )
    place = np.empty(len(is_leaf), np.int64)
    place[starts[:-1]] = np.arange(len(trees))
    first = len(trees) + 2 * np.arange(len(inner))
    place[right], place[left] = first, first + 1
    child, feature, threshold = place.copy(), *_comparisons(trees, n_features)
    child[inner] = first
    value, leaf = _shared_rows(np.concatenate([tree.values for tree in trees]), is_leaf)
    set_feature, sets, column = _sets(trees)
    feature[column >= 0] = 2 * n_features + 1 + column[column >= 0]
    threshold[column >= 0] = 0.5
    order = np.argsort(place)
    return ForestNodes(
        n_features=n_features,
        feature=feature[order].astype(np.int32),
        threshold=threshold[order],
        child=child[order].astype(np.int32),
        leaf=leaf[order],
        value=value,
        set_feature=set_feature,
        sets=sets,
        bias=bias.astype(np.float32),
    )


def _comparisons(trees: Sequence[ForestTree], n_features: int) -> tuple[Ints, NDArray[np.float32]]:
    """The column and the threshold of every node, as if there were no categories."""
    is_leaf = np.concatenate([tree.is_leaf for tree in trees])
    feature = np.concatenate([tree.feature for tree in trees]).astype(np.int64)
    feature += n_features * np.concatenate([tree.missing_left for tree in trees])
    threshold = float32_at_most(np.concatenate([tree.threshold for tree in trees]))
    return np.where(is_leaf, 2 * n_features, feature), np.where(is_leaf, np.float32(0), threshold)


def _shared_rows(values: Doubles, is_leaf: Flags) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """The different rows of the leaves, and which of them is each node's; 0 where it has none.

    A forest of classes has a million leaves that are sure of one of a few.
    """
    rows = np.ascontiguousarray(values[is_leaf], np.float32)
    keys = rows.view(np.dtype((np.void, rows.itemsize * rows.shape[1]))).ravel()
    _, first, which = np.unique(keys, return_index=True, return_inverse=True)
    leaf = np.zeros(len(is_leaf), np.int32)
    leaf[is_leaf] = which
    return rows[first], leaf


def _sets(trees: Sequence[ForestTree]) -> tuple[NDArray[np.int32], NDArray[np.uint8], Ints]:
    """The different comparisons with sets of categories, and which is each node's; -1 for none."""
    # A bit behind the codes for what is missing or unknown, and whole bytes.
    n_bytes = -(-(max(tree.goes_left.shape[1] for tree in trees) + 1) // 8)
    found: dict[tuple[int, bytes], int] = {}
    column = np.full(sum(len(tree.feature) for tree in trees), -1, np.int64)
    start = 0
    for tree in trees:
        for node in np.flatnonzero((tree.sets >= 0) & ~tree.is_leaf):
            codes = np.full(8 * n_bytes, tree.missing_left[node])
            row = tree.goes_left[tree.sets[node]]
            codes[: len(row)] = row
            bits = np.packbits(codes, bitorder="little").tobytes()
            column[start + node] = found.setdefault((int(tree.feature[node]), bits), len(found))
        start += len(tree.feature)
    sets = np.frombuffer(b"".join(bits for _, bits in found), np.uint8).reshape(-1, n_bytes)
    return np.array([f for f, _ in found], np.int32), sets.copy(), column


def tree_depths(child: NDArray[np.int32], n_trees: int) -> Ints:
    """The comparisons on the longest way through each tree, (n_trees,)."""
    tree = node = np.arange(n_trees)
    depths, depth = np.zeros(n_trees, np.int64), 0
    while len(node):
        goes_on = child[node] != node
        node, tree, depth = child[node[goes_on]], tree[goes_on], depth + 1
        depths[tree] = depth
        node, tree = np.concatenate([node, node + 1]), np.concatenate([tree, tree])
    return depths
