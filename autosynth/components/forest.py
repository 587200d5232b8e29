"""Forests: trees as arrays of nodes, and the sum of their leaves as tensor arithmetic.

Takes rows (B, F), float32, missing values as NaN and categories as codes; gives outputs (B, k). It
computes what the library gave that fitted the trees: every row reaches the same leaf. All trees
and rows go down together, a fixed number of steps, so that it can be exported, moved to a GPU and
saved as safetensors.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from autosynth.components.forestnodes import ForestNodes, tree_depths

# Pairs of a row and a tree that go down at once: what bounds memory, at some 40 bytes a pair. The
# time hardly depends on it: 1,000 rows through 100 trees took 12 ms of a core with categories and
# 9 ms without (2**15: 13 and 10; 2**18: 16 and 9; 2026-11).
PAIRS_AT_ONCE = 2**16
Link = Literal["identity", "log", "logit"]
"""What becomes of the sums: nothing; shares of classes to log-probabilities; shares of labels to
logits. For these, one more tree is counted that says the same of all, so that none is infinite."""
_TYPES = {
    "feature": torch.int32,
    "threshold": torch.float32,
    "child": torch.int32,
    "leaf": torch.int32,
    "value": torch.float32,
    "set_feature": torch.int32,
    "sets": torch.uint8,
    "bias": torch.float32,
}
_AXES = {"value": 2, "sets": 2}  # of the others 1


def forest_flops(n_trees: int, *, depth: int | None = None, leaves: int | None = None) -> int:
    """An upper bound of a row's comparisons before there are trees; 1 FLOP each.

    Args:
        n_trees: all of them: of boosting the rounds times the outputs.
        depth: of a tree at most, where that is limited.
        leaves: of a tree at most, where that is limited: a tree of n leaves is n - 1 deep at most.

    Raises:
        ValueError: neither is limited.
    """
    limits = [depth, None if leaves is None else max(0, leaves - 1)]
    known = [limit for limit in limits if limit is not None]
    if not known:
        raise ValueError("trees without a limit have no bound; give depth, leaves or both")
    return n_trees * min(known)


class Forest(nn.Module):
    """The sum of the leaves that a row reaches, with a bias, for k outputs.

    It begins with no trees, and takes those of `take`, or of a state of any size: how many nodes
    there are is known after a fit alone. So what describes it are `n_features`, `n_outputs` and
    `link`. Its buffers are those of `ForestNodes`.
    """

    grown = tuple(_TYPES)

    feature: Tensor
    threshold: Tensor
    child: Tensor
    leaf: Tensor
    value: Tensor
    set_feature: Tensor
    sets: Tensor
    bias: Tensor

    def __init__(self, n_features: int, n_outputs: int, link: Link = "identity") -> None:
        super().__init__()
        self.n_features, self.n_outputs = n_features, n_outputs
        self.link: Link = link
        for name, kind in _TYPES.items():
            shape = (n_outputs,) if name == "bias" else (0,) * _AXES.get(name, 1)
            self.register_buffer(name, torch.zeros(shape, dtype=kind))
        self._measure()

    def _measure(self) -> None:
        """What the arrays say: how many trees, and how deep each is."""
        child = self.child.detach().cpu().numpy()
        inner = int((child != np.arange(len(child))).sum())
        self.n_trees = len(child) - 2 * inner
        self.depths = tuple(tree_depths(child, self.n_trees).tolist())

    @property
    def flops(self) -> int:
        """A row's comparisons, on the longest way through every tree; 1 FLOP each.

        The longest and not the mean one: no row takes more, it depends on no data, and it is what
        the trees cost where all rows go down together.
        """
        return sum(self.depths)

    def take(self, nodes: ForestNodes) -> "Forest":
        """Take over the arrays of a fitted forest; gives itself."""
        self.load_state_dict({name: torch.from_numpy(getattr(nodes, name)) for name in _TYPES})
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (B, n_outputs) of rows (B, n_features), float32, NaN where missing."""
        # A traced program has no chunks: their number would be that of the sample.
        rows = max(1, PAIRS_AT_ONCE // max(1, self.n_trees))
        chunks = (
            [x] if torch.compiler.is_exporting() or x.shape[0] <= rows else torch.split(x, rows)
        )
        sums = torch.cat([self._sums(self.tree_values(chunk)) for chunk in chunks])
        if self.link == "identity":
            return sums
        # The trees that have a say in one output.
        votes = self.n_trees * self.value.shape[1] // self.n_outputs
        if self.link == "log":
            return torch.log((sums * votes + 1 / self.n_outputs) / (votes + 1))
        return torch.log(sums * votes + 0.5) - torch.log((1 - sums) * votes + 0.5)

    def _sums(self, values: Tensor) -> Tensor:
        """Outputs (B, k) of the values (B, trees, width): every round has a tree for each part."""
        rounds = self.n_trees * values.shape[2] // self.n_outputs  # there may be no rows
        return values.reshape(values.shape[0], rounds, self.n_outputs).sum(1) + self.bias

    def tree_values(self, x: Tensor) -> Tensor:
        """What each tree gives, (B, trees, width), of rows (B, n_features)."""
        wide = self._columns(x.to(torch.float32))
        trees = torch.arange(self.n_trees, dtype=torch.int32, device=x.device)
        rows = torch.arange(x.shape[0], device=x.device) * wide.shape[1]
        node = trees.expand(x.shape[0], -1).reshape(-1)
        start = rows.unsqueeze(1).expand(-1, self.n_trees).reshape(-1)
        flat = wide.reshape(-1)
        for _ in range(max(self.depths, default=0)):
            cell = flat.index_select(0, start + self.feature.index_select(0, node))
            # False of NaN: so leaves, whose column is missing, stay where they are.
            goes_left = cell <= self.threshold.index_select(0, node)
            node = self.child.index_select(0, node) + goes_left
        values = self.value.index_select(0, self.leaf.index_select(0, node))
        return values.reshape(x.shape[0], self.n_trees, self.value.shape[1])

    def _columns(self, x: Tensor) -> Tensor:
        """Rows as nodes read them, see `ForestNodes`: (B, 2 F + 1 + sets)."""
        # Below every threshold, a missing value goes left; as NaN it is at most none, and goes
        # right.
        left = torch.where(torch.isnan(x), -torch.inf, x)
        missing = torch.full_like(x[:, :1], torch.nan)
        if not len(self.sets):
            return torch.cat([x, left, missing], 1)
        n_bytes = self.sets.shape[1]
        unknown = 8 * n_bytes - 1
        is_code = (x >= 0) & (x < unknown) & (x == torch.floor(x))
        codes = torch.where(is_code, x, unknown).to(torch.int32)
        codes = codes.index_select(1, self.set_feature)
        first = torch.arange(len(self.sets), dtype=torch.int32, device=x.device) * n_bytes
        place = (first + codes // 8).reshape(-1)
        bits = self.sets.reshape(-1).index_select(0, place).reshape(codes.shape)
        # No shift by another tensor, which ONNX lacks.
        powers = torch.tensor([1, 2, 4, 8, 16, 32, 64, 128], dtype=torch.uint8, device=x.device)
        one = powers.index_select(0, (codes % 8).reshape(-1)).reshape(codes.shape)
        goes_right = (bits & one) == 0
        return torch.cat([x, left, missing, goes_right.to(torch.float32)], 1)

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        """As PyTorch does, with buffers of the sizes of what is loaded."""
        found = {name: state_dict[prefix + name] for name in _TYPES if prefix + name in state_dict}
        *_, errors = args or (kwargs["error_msgs"],)
        if len(found) == len(_TYPES):
            if problem := self._problem(found):
                errors.append(f"{prefix or 'the forest'}: {problem}")
                return
            for name, tensor in found.items():
                old = getattr(self, name)
                setattr(self, name, torch.empty(tensor.shape, dtype=old.dtype, device=old.device))
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self._measure()

    def _problem(self, found: Mapping[str, Tensor]) -> str:
        """Why these arrays are no forest of this kind; empty if they are."""
        for name, kind in _TYPES.items():
            tensor, axes = found[name], _AXES.get(name, 1)
            if tensor.dtype != kind or tensor.dim() != axes:
                found_form = f"{tensor.dtype} of {tensor.dim()} axes"
                return f"{name} is {found_form}, and must be {kind} of {axes}"
        n_nodes, n_sets = len(found["child"]), len(found["sets"])
        sizes = {len(found[name]) for name in ("feature", "threshold", "child", "leaf")}
        if len(sizes) > 1 or len(found["set_feature"]) != n_sets:
            return (
                "feature, threshold, child and leaf differ in length, or set_feature and sets do"
            )
        if len(found["bias"]) != self.n_outputs:
            return f"bias has {len(found['bias'])} outputs, and the model {self.n_outputs}"
        if not n_nodes:
            return ""
        if not found["value"].numel() or self.n_outputs % found["value"].shape[1]:
            return f"value is {tuple(found['value'].shape)}, no part of {self.n_outputs} outputs"
        # What points nowhere would read beside the arrays, and a child before its parent go round.
        node, child = torch.arange(n_nodes), found["child"].cpu()
        goes_on = (child > node) & (child < n_nodes - 1)
        if not bool(((child == node) | goes_on).all()):
            return "child points before its parent or beyond the nodes"
        columns = 2 * self.n_features + 1 + n_sets
        most = {"feature": columns, "leaf": len(found["value"]), "set_feature": self.n_features}
        for name, end in most.items():
            if not bool(((found[name] >= 0) & (found[name] < end)).all()):
                return f"{name} holds a number that is not from 0 to {end - 1}"
        return ""
