"""What a phase reads that does not change while it trains: raw inputs, and values computed once.

The values of frozen parts are computed for all rows before the first step and kept on the device,
where they fit there; otherwise they are computed again in every step, without gradients.
"""

from typing import Any

import torch
from torch import Tensor

from autosynth.composite import Composite
from autosynth.training.augment import augment
from autosynth.training.feed import Feed
from autosynth.training.work import Work

MOST_BYTES = 2**30
CHUNK = 512


class Known:
    """The edge of a phase for its rows, cut into batches by their place among these."""

    def __init__(self, model: Composite, data: Feed, rows: Tensor, work: Work) -> None:
        self.data, self.rows, self.inputs = data, rows, model.inputs
        self.kept: dict[int, Any] = {}
        deep = tuple(at for at in work.edge if at >= len(model.inputs))
        if deep and self._fits(model, deep):
            self.kept = self._compute(model, deep)
        self.cached = bool(self.kept) or not deep
        edge = work.edge if self.cached else range(len(model.inputs))
        self.raw = tuple(at for at in edge if at < len(model.inputs))

    def batch(self, places: Tensor, level: str) -> tuple[dict[int, Any], Tensor]:
        """Known values and targets of the rows at some places; raw inputs are augmented."""
        rows = self.rows[places]
        known: dict[int, Any] = {at: _take(value, places) for at, value in self.kept.items()}
        if not self.raw:
            return known, self.data.y.index_select(0, rows)
        inputs, y = self.data.batch(rows)
        inputs = augment(inputs, self.data.specs, level)
        known.update((at, inputs[self.inputs[at]]) for at in self.raw)
        return known, y

    def _fits(self, model: Composite, deep: tuple[int, ...]) -> bool:
        few = values(model, self.data, self.rows[:8], deep)
        size = sum(_bytes(value) for value in few) / max(1, min(8, len(self.rows)))
        return size * len(self.rows) <= MOST_BYTES

    def _compute(self, model: Composite, deep: tuple[int, ...]) -> dict[int, Any]:
        chunks = [values(model, self.data, part, deep) for part in torch.split(self.rows, CHUNK)]
        return {at: _join([c[i] for c in chunks]) for i, at in enumerate(deep)}


@torch.no_grad()
def values(model: Composite, data: Feed, rows: Tensor, wanted: tuple[int, ...]) -> list[Any]:
    """Values of the program for some rows, as in use: nothing augmented, nothing dropped."""
    model.eval()
    inputs, _ = data.batch(rows)
    return model.values({i: inputs[name] for i, name in enumerate(model.inputs)}, wanted)


def _take(value: Any, places: Tensor) -> Any:
    if isinstance(value, tuple):
        return _take(value[0], places), None if value[1] is None else _take(value[1], places)
    return value.index_select(0, places)


def _join(chunks: list[Any]) -> Any:
    if isinstance(chunks[0], tuple):
        tokens, masks = zip(*chunks, strict=True)
        return _join(list(tokens)), None if masks[0] is None else _join(list(masks))
    return torch.cat(chunks)


def _bytes(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(_bytes(each) for each in value if each is not None)
    size: int = value.numel() * value.element_size()
    return size
