"""What a dataset is: named inputs, one target, four splits, and encoders that are plain data.

Takes nothing but values; every later part of AutoSynth reads these types and no file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Kind = Literal["image", "series", "table", "text"]
Task = Literal["classification", "regression"]


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One named input of a dataset, as an array with the rows first.

    `shape` is the shape of one row:

    - image: `(channels, height, width)`, uint8 or float32, raw values;
    - series: `(channels, steps)`, float32, raw values; NaN where a step is missing or past the
      end of a shorter series;
    - table: `(columns,)`, float32. A numeric column holds raw values, NaN where missing. A
      categorical one holds codes `1 ... k`, and 0 for missing or never seen in training;
      `cardinalities[j]` is k + 1 for it and 0 for a numeric column;
    - text: `(length,)`, int32 codes of tokens, 0 after its end; `cardinalities` is one number, one
      more than the largest code.

    `of` names the input that this is another reading of: a pretrained network reads text in its
    own vocabulary, as `text.minilm` beside `text`. No other component reads it.

    `masked` says that a series has missing steps or unequal lengths: the network carries a mask.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    cardinalities: tuple[int, ...] = ()
    masked: bool = False
    of: str = ""

    @property
    def grid(self) -> tuple[int, ...]:
        """What its values stand on: pixels, steps, columns or tokens."""
        return self.shape if self.kind in ("table", "text") else self.shape[1:]


@dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """What is predicted: `classes` are the user's own names in code order; none for numbers."""

    name: str
    task: Task
    classes: tuple[str, ...] = ()

    @property
    def n_outputs(self) -> int:
        """The number of network outputs: one a class, one for a regression."""
        return len(self.classes) if self.task == "classification" else 1


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Row numbers: `train`, `fit` (early stopping, thresholds), `select` (ranking), `test`.

    `fit` is empty below 2,000 rows; out-of-fold predictions do its work there. `unlabelled` rows
    have no target: what stands in `y` for them means nothing.
    """

    train: NDArray[np.int64]
    fit: NDArray[np.int64]
    select: NDArray[np.int64]
    test: NDArray[np.int64]
    unlabelled: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset in memory. `x[name]` and `y` hold all rows; `splits` holds row numbers.

    `y` is int64 class codes, or float32 values in the target's own unit. `encoders` is JSON-able
    and is all that `data.encode` needs to read raw data of the same form again. `understood` are
    the lines `autosynth inspect` prints; `warnings` what a user should know before training.
    """

    name: str
    source: str
    inputs: tuple[InputSpec, ...]
    target: TargetSpec
    x: Mapping[str, NDArray[Any]]
    y: NDArray[Any]
    splits: Splits
    encoders: Mapping[str, Any]
    fingerprint: str
    understood: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
