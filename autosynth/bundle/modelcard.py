"""Where the model of a bundle comes from: data, scores, cost; `card` makes a page of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Where a model comes from and how good it is; what is not known is empty or None.

    `dataset` is the name of the data, and `fingerprint` tells them from others. The counts are of
    rows: those that the weights were trained on, those that only what is fitted after the training
    saw (`n_calibration`), those that chose, and those of the test. `metric` is what the search
    maximised. `val` and `test` are scores by metric, higher is better. With `refit`, these weights
    saw more rows than the search's own model, whose test scores are `search_test` then. `flops`
    and `params` are as the record of the trial says them; `latency_ms` is of one row alone on
    `device`.
    """

    dataset: str = ""
    fingerprint: str = ""
    metric: str = ""
    trial: int | None = None
    seed: int | None = None
    val: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    search_test: Mapping[str, float] = field(default_factory=dict)
    n_train: int | None = None
    n_calibration: int | None = None
    n_validation: int | None = None
    n_test: int | None = None
    refit: bool = False
    flops: int | None = None
    params: int | None = None
    latency_ms: float | None = None
    device: str = ""


@dataclass(frozen=True, kw_only=True)
class ProgramInput:
    """One input of an exported program: its name, its type in PyTorch, its shape but for rows."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """How `model.pt2` was compared with the live model, and by which version of PyTorch.

    `difference` is the largest over `rows` sample rows in batches of `batches`, `tolerance` what
    is allowed, both in the unit of the outputs.
    """

    inputs: tuple[ProgramInput, ...]
    torch: str
    difference: float
    tolerance: float
    rows: int
    batches: tuple[int, ...]
