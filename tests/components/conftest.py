"""Small inputs of every kind that a family reads, and raw batches of them."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from autosynth.data.spec import InputSpec, TargetSpec

SPECS = {
    "image": InputSpec(name="x", kind="image", shape=(1, 6, 8)),
    "series": InputSpec(name="x", kind="series", shape=(2, 10)),
    "masked": InputSpec(name="x", kind="series", shape=(2, 10), masked=True),
    "table": InputSpec(name="x", kind="table", shape=(5,), cardinalities=(0, 0, 4, 0, 3)),
    "text": InputSpec(name="x", kind="text", shape=(9,), cardinalities=(20,), masked=True),
    "ids": InputSpec(name="x", kind="ids", shape=(9,), cardinalities=(20,), masked=True),
    "audio": InputSpec(name="x", kind="audio", shape=(300,), masked=True, rate=2000),
}
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))


@pytest.fixture
def target() -> TargetSpec:
    return TARGET


@pytest.fixture(params=SPECS)
def spec(request: pytest.FixtureRequest) -> InputSpec:
    return SPECS[request.param]


@pytest.fixture
def specs() -> dict[str, InputSpec]:
    return SPECS


@pytest.fixture
def raw() -> Callable[[InputSpec, int], Tensor]:
    """Raw rows: numbers far from standardised, categories, and what is missing as NaN."""

    def make(spec: InputSpec, rows: int) -> Tensor:
        generator = torch.Generator().manual_seed(1)
        if spec.kind in ("text", "ids"):
            codes = torch.randint(1, 20, (rows, 9), generator=generator, dtype=torch.int32)
            ends = torch.arange(rows)[:, None] % 9 + 1
            return codes * (torch.arange(9) < ends)
        if spec.kind == "audio":
            x = 0.1 * torch.randn(rows, *spec.shape, generator=generator)
            ends = spec.shape[0] - torch.arange(rows)[:, None] * 25
            return x.masked_fill(torch.arange(spec.shape[0]) >= ends, torch.nan)
        x = 3 + 2 * torch.randn(rows, *spec.shape, generator=generator)
        for column, codes in enumerate(spec.cardinalities):
            if codes:
                x[:, column] = torch.randint(0, codes, (rows,), generator=generator).float()
            else:
                x[torch.rand(rows, generator=generator) < 0.3, column] = torch.nan
        if spec.masked:
            steps = spec.shape[1]
            for row in range(rows):
                x[row, :, steps - row % steps :] = torch.nan
            x[0, 0, 3] = torch.nan
            x[1, :, 4:6] = torch.nan
        return x

    return make
