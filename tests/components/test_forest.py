"""Forests written by hand: sums of leaves, comparisons, saved states of any size, an export."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from autosynth.components.forest import PAIRS_AT_ONCE, Forest, forest_flops
from autosynth.components.forestnodes import (
    ForestTree,
    constant_tree,
    float32_at_most,
    pack_forest,
)

NAN = float("nan")


def numbers_tree() -> ForestTree:
    """Feature 0 <= 1.5 (missing: yes) ? (feature 1 <= 2 (missing: no) ? 1 : 2) : 4."""
    return ForestTree(
        feature=np.array([0, 1, 0, 0, 0]),
        threshold=np.array([1.5, 2.0, 0, 0, 0]),
        left=np.array([1, 2, 0, 0, 0]),
        right=np.array([4, 3, 0, 0, 0]),
        is_leaf=np.array([False, False, True, True, True]),
        missing_left=np.array([True, False, False, False, False]),
        values=np.array([[0], [0], [1], [2], [4]], np.float64),
        sets=np.full(5, -1),
        goes_left=np.zeros((0, 0), bool),
    )


def codes_tree(missing_left: bool = False) -> ForestTree:
    """Feature 2 is the code 0 or 2 ? 10 : 20."""
    return ForestTree(
        feature=np.array([2, 0, 0]),
        threshold=np.zeros(3),
        left=np.array([1, 0, 0]),
        right=np.array([2, 0, 0]),
        is_leaf=np.array([False, True, True]),
        missing_left=np.array([missing_left, False, False]),
        values=np.array([[0], [10], [20]], np.float64),
        sets=np.array([0, -1, -1]),
        goes_left=np.array([[True, False, True]]),
    )


def by_hand() -> Forest:
    nodes = pack_forest([numbers_tree(), codes_tree()], np.array([0.5]), 3)
    return Forest(3, 1).take(nodes)


ROWS = [
    ([1.0, 2.0, 0.0], 11.5),
    ([1.0, 2.5, 0.0], 12.5),
    ([2.0, 2.0, 0.0], 14.5),
    ([1.5, 2.0, 1.0], 21.5),  # at the threshold: left
    ([1.5000001, 2.0, 2.0], 14.5),
    ([NAN, NAN, NAN], 22.5),  # left, then right, then right
    ([np.inf, 0.0, 3.0], 24.5),  # a code behind the table
    ([-np.inf, 0.0, -1.0], 21.5),
    ([1.0, 0.0, 2.5], 21.5),  # no code
    ([1.0, 0.0, 1e30], 21.5),
]


@pytest.mark.parametrize(("row", "output"), ROWS)
def test_a_row_reaches_its_leaves(row: list[float], output: float) -> None:
    assert by_hand()(torch.tensor([row])).tolist() == [[output]]


def test_unknown_codes_go_where_missing_ones_go() -> None:
    forest = Forest(3, 1).take(pack_forest([codes_tree(missing_left=True)], np.zeros(1), 3))
    x = torch.tensor([[0, 0, code] for code in (NAN, 7.0, 100.0, 1.0, 0.0)])
    assert forest(x).flatten().tolist() == [10, 10, 10, 20, 10]


def test_flops_are_the_comparisons_of_the_longest_ways() -> None:
    assert by_hand().flops == 2 + 1
    assert Forest(3, 1).take(pack_forest([constant_tree(np.ones(1))], np.zeros(1), 3)).flops == 0
    assert forest_flops(100, leaves=31) == 3000
    assert forest_flops(100, depth=6, leaves=31) == 600
    assert forest_flops(100, depth=20) == 2000
    with pytest.raises(ValueError, match="give depth, leaves or both"):
        forest_flops(100)


def test_rounds_have_a_tree_for_each_output() -> None:
    trees = [numbers_tree(), codes_tree(), numbers_tree(), codes_tree()]
    forest = Forest(3, 2).take(pack_forest(trees, np.array([0.0, 1.0]), 3))
    assert forest(torch.tensor([[1.0, 2.0, 0.0]])).tolist() == [[2, 21]]
    assert forest.flops == 6
    with pytest.raises(ValueError, match="3 trees of 1 values do not make up whole rounds for 2"):
        pack_forest(trees[:3], np.zeros(2), 3)


def test_shares_become_finite_logits() -> None:
    """Two trees are sure of the first class; a third that knows nothing is counted with them."""
    tree = constant_tree(np.array([0.5, 0.0]))
    forest = Forest(1, 2, "log").take(pack_forest([tree, tree], np.zeros(2), 1))
    torch.testing.assert_close(forest(torch.zeros(1, 1)).exp(), torch.tensor([[2.5 / 3, 0.5 / 3]]))
    forest = Forest(1, 2, "logit").take(pack_forest([tree, tree], np.zeros(2), 1))
    torch.testing.assert_close(
        forest(torch.zeros(1, 1)).sigmoid(), torch.tensor([[2.5 / 3, 0.5 / 3]])
    )


def test_chunks_of_rows_change_nothing() -> None:
    forest, x = by_hand(), torch.tensor([row for row, _ in ROWS])
    many = x.repeat(PAIRS_AT_ONCE // (2 * len(ROWS)) + 1, 1)
    assert len(many) > PAIRS_AT_ONCE // forest.n_trees
    assert torch.equal(forest(many)[-len(ROWS) :], forest(x))


@pytest.mark.parametrize(
    "threshold",
    [
        0.1,
        1 / 3,
        -0.1,
        1e300,
        -1e300,
        1e-320,
        np.inf,
        -np.inf,
        16777217.0,
        2.0,
        -3.4028234663852886e38,
    ],
)
def test_rounded_thresholds_send_every_number_the_same_way(threshold: float) -> None:
    rounded = float32_at_most(np.array([threshold]))
    assert rounded.dtype == np.float32
    near = [rounded[0]]
    for end in (-np.inf, np.inf):
        with np.errstate(over="ignore"):
            near += [np.nextafter(rounded[0], np.float32(end)), np.float32(end)]
    for x in [*near, np.float32(0)]:
        assert (x <= rounded[0]) == (np.float64(x) <= threshold)


def test_a_state_of_any_size_is_loaded_into_a_forest_of_none(tmp_path: Path) -> None:
    forest, x = by_hand(), torch.tensor([row for row, _ in ROWS])
    save_file(forest.state_dict(), tmp_path / "forest.safetensors")
    empty = Forest(3, 1)
    assert empty(x).tolist() == [[0.0]] * len(x)
    # Inside another module, as a composite has it.
    whole = torch.nn.Sequential(empty)
    saved = load_file(tmp_path / "forest.safetensors")
    whole.load_state_dict({f"0.{name}": tensor for name, tensor in saved.items()})
    assert torch.equal(whole(x), forest(x))
    assert empty.flops == 3


def cut(state: dict[str, Tensor], name: str) -> None:
    state[name] = state[name][:-1]


def changed(state: dict[str, Tensor], name: str, value: int) -> None:
    state[name] = torch.full_like(state[name], value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("leaf", None, "differ in length"),
        ("bias", None, "bias has 0 outputs, and the model 1"),
        ("child", 0, "child points before its parent"),
        ("child", 10**6, "child points before its parent or beyond the nodes"),
        ("feature", 8, "feature holds a number that is not from 0 to 7"),
        ("leaf", -1, "leaf holds a number that is not from 0 to 4"),
        ("set_feature", 3, "set_feature holds a number that is not from 0 to 2"),
    ],
)
def test_a_damaged_state_says_so(name: str, value: int | None, message: str) -> None:
    state = dict(by_hand().state_dict())
    if value is None:
        cut(state, name)
    else:
        changed(state, name, value)
    with pytest.raises(RuntimeError, match=message):
        Forest(3, 1).load_state_dict(state)


def test_a_state_of_other_types_says_so() -> None:
    state = by_hand().state_dict() | {"threshold": by_hand().threshold.double()}
    with pytest.raises(RuntimeError, match=r"threshold is torch\.float64 of 1 axes, and must be"):
        Forest(3, 1).load_state_dict(state)
    del state["threshold"]
    with pytest.raises(RuntimeError, match="Missing key"):
        Forest(3, 1).load_state_dict(state)


def test_a_child_stands_behind_its_parent() -> None:
    tree = numbers_tree()
    tree.left[1] = 0
    with pytest.raises(ValueError, match="a child stands before its parent"):
        pack_forest([tree], np.zeros(1), 3)


def test_an_exported_forest_gives_the_same(tmp_path: Path) -> None:
    forest, x = by_hand().eval(), torch.tensor([row for row, _ in ROWS])
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(forest, (x[:4],), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "forest.pt2")
    run = torch.export.load(tmp_path / "forest.pt2").module()
    for rows in (x, x[:1], x.repeat(PAIRS_AT_ONCE // 10, 1)):
        assert torch.equal(run(rows), forest(rows))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_a_forest_works_on_a_gpu() -> None:
    x = torch.tensor([row for row, _ in ROWS])
    assert by_hand().cuda()(x.cuda()).flatten().tolist() == [output for _, output in ROWS]
