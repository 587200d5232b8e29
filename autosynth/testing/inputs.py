"""Small inputs of every kind that a part reads, and raw rows of them as a dataset has them.

Numbers are far from standardised, categories are codes, series and sounds end early, and what is
missing is NaN: what a part must put up with.
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from autosynth.spec import InputSpec, TargetSpec

INPUTS: Mapping[str, InputSpec] = MappingProxyType(
    {
        "image": InputSpec(name="x", kind="image", shape=(1, 6, 8)),
        "series": InputSpec(name="x", kind="series", shape=(2, 10)),
        "masked": InputSpec(name="x", kind="series", shape=(2, 10), masked=True),
        "table": InputSpec(name="x", kind="table", shape=(5,), cardinalities=(0, 0, 4, 0, 3)),
        "text": InputSpec(name="x", kind="text", shape=(9,), cardinalities=(20,), masked=True),
        "ids": InputSpec(name="x", kind="ids", shape=(9,), cardinalities=(20,), masked=True),
        "audio": InputSpec(name="x", kind="audio", shape=(300,), masked=True, rate=2000),
    }
)
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))


def raw_rows(spec: InputSpec, rows: int, seed: int = 1) -> Tensor:
    """Raw values (rows, *shape) of an input, codes of a text as whole numbers."""
    generator = torch.Generator().manual_seed(seed)
    if spec.kind in ("text", "ids"):
        most, length = spec.cardinalities[0], spec.shape[0]
        codes = torch.randint(
            1, most, (rows, length), generator=generator, dtype=torch.int32
        )  # fmt: skip
        ends = torch.arange(rows)[:, None] % length + 1
        return codes * (torch.arange(length) < ends)
    if spec.kind == "audio":
        x = 0.1 * torch.randn(rows, *spec.shape, generator=generator)
        ends = spec.shape[0] - torch.arange(rows)[:, None] * 25
        return x.masked_fill(torch.arange(spec.shape[0]) >= ends, torch.nan)
    x = 3 + 2 * torch.randn(rows, *spec.shape, generator=generator)
    for column, codes_of in enumerate(spec.cardinalities):
        if codes_of > 0:
            x[:, column] = torch.randint(0, codes_of, (rows,), generator=generator).float()
        else:
            x[torch.rand(rows, generator=generator) < 0.3, column] = torch.nan
    return _cut_short(x) if spec.masked else x


def _cut_short(x: Tensor) -> Tensor:
    """Series of unequal length, with a gap in one channel and one in all."""
    steps = x.shape[2]
    for row in range(len(x)):
        x[row, :, steps - row % steps :] = torch.nan
    x[0, 0, 3] = torch.nan
    x[1:2, :, 4:6] = torch.nan
    return x
