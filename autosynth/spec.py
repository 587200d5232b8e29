"""What a dataset is: named inputs, one target, four splits, and encoders that are plain data.

Takes nothing but values; every later part of AutoSynth reads these types and no file.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autosynth.plugin import TASKS
from autosynth.scale import PLAIN, NumberUnit, Scale

Array = NDArray[Any]
RowNumbers = NDArray[np.int64]
"""Numbers of rows in a dataset, (n,)."""
FittedInput = Mapping[str, Any]
"""What was fitted on training rows for one input, as JSON-able data."""

Kind = str
"""The name of a kind of input: what `data.encoder.registry.ENCODERS` knows, plug-ins included."""
DATE = -1
"""In `cardinalities`: the column holds dates, as days since 1970-01-01."""


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One named input of a dataset, as an array with the rows first.

    `shape` is the shape of one row, one axis alone or channels before the others:

    - image: `(channels, height, width)`, uint8 or float32, raw values;
    - series: `(channels, steps)`, float32, raw values; NaN where a step is missing or past the
      end of a shorter series;
    - table: `(columns,)`, float32. A numeric column holds raw values, NaN where missing. A
      categorical one holds codes; `cardinalities[j]` is the number of codes for it, 0 for a
      numeric column, and `DATE` for one of dates, in days since 1970-01-01;
    - text: `(length,)`, int32 codes of tokens, 0 after its end; `cardinalities` is one number, one
      more than the largest code;
    - audio: `(samples,)`, float32 in -1 ... 1, one channel, `rate` samples a second; NaN past the
      end of a shorter one;
    - frames: `(channels, steps, height, width)`, uint8 or float32, raw values of pictures in a
      row; NaN where one is missing or past the end of a shorter row;
    - ids: `(length,)`, int32 codes of things met before, the newest first, 0 after the oldest;
      `cardinalities` as for a text.

    `of` names the input that this is another reading of: a pretrained network reads text in its
    own vocabulary, as `text.minilm` beside `text`. No other component reads it.

    `anchored` says of a series that the network reads it as its change from the last known step of
    each channel: where it goes from there is what is forecast.

    `masked` says that rows have missing steps or unequal lengths: the network carries a mask.

    `tokens` are as many as the columns of a wide table share; 0 where each has one of its own.

    `spellings` are of a text what each code stands for, in the letters of its tokenizer, for what
    looks into words; a space is one before a word. Empty where they are not known.
    """

    name: str
    kind: Kind
    shape: tuple[int, ...]
    cardinalities: tuple[int, ...] = ()
    masked: bool = False
    of: str = ""
    rate: int = 0
    anchored: bool = False
    tokens: int = 0
    spellings: tuple[str, ...] = field(default=(), compare=False, repr=False)

    @property
    def grid(self) -> tuple[int, ...]:
        """What its values stand on: pixels, steps, columns, tokens, samples or places."""
        if self.tokens:
            return (self.tokens,)
        return self.shape[1:] or self.shape

    @property
    def is_line(self) -> bool:
        """Whether a row is one or several channels of steps, as that of a series."""
        return len(self.shape) == 2


@dataclass(frozen=True, kw_only=True)
class TargetSpec:
    """What is predicted. What the name of its task means stands in `autosynth/task`.

    `classes` are the user's own names of classes, labels or items, in the order of their codes and
    of the outputs. `steps` are those of a forecast, and `base` the input whose first channel's
    last known value it is the change from, which is counted in `base_unit`; `by_row` says that its
    values are on the scale of each row's own series, from which `predict` brings them back. `form`
    is how numbers are written, by an example, where they are not plain. Dates are numbers of days
    since 1970-01-01 and spans of time of seconds, as `unit` says; `forms` are the formats in which
    their cells are read, and `form` the one in which predicted dates are printed. `parts` are
    several targets, each of a task of its own.
    """

    name: str
    task: str
    classes: tuple[str, ...] = ()
    steps: int = 1
    base: str = ""
    by_row: bool = False
    base_unit: NumberUnit = PLAIN
    form: str = ""
    forms: tuple[str, ...] = ()
    unit: str = ""
    parts: tuple["TargetSpec", ...] = ()

    @property
    def n_outputs(self) -> int:
        """The number of network outputs."""
        return int(TASKS[self.task].n_outputs(self))

    @property
    def n_columns(self) -> int:
        """The number of columns that its true values take."""
        return int(TASKS[self.task].n_columns(self))

    @property
    def is_coded(self) -> bool:
        """Whether a true value is the code of one class."""
        return bool(TASKS[self.task].is_coded)

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TargetSpec":
        """The target of which `dataclasses.asdict` made JSON-able data.

        Raises:
            KeyError, TypeError: the data is not whole.
        """
        parts = tuple(cls.from_dict(part) for part in plain["parts"])
        unit = NumberUnit(**plain.get("base_unit", {}))
        lists = {name: tuple(plain.get(name, ())) for name in ("classes", "forms")}
        if not all(isinstance(each, str) for names in lists.values() for each in names):
            raise TypeError("the classes of a target, and the forms of its cells, are texts")
        return cls(**{**plain, **lists, "parts": parts, "base_unit": unit})

    @property
    def fields(self) -> tuple["Field", ...]:
        """The targets that it is made of, one or several, and where each one stands."""
        return tuple(_fields(self.parts or (self,)))


class Field(NamedTuple):
    """One target, its columns among the network's outputs, and among the true values."""

    target: TargetSpec
    outputs: slice
    columns: slice


def _fields(targets: tuple[TargetSpec, ...]) -> Iterator[Field]:
    output = column = 0
    for target in targets:
        ends = output + target.n_outputs, column + target.n_columns
        yield Field(target, slice(output, ends[0]), slice(column, ends[1]))
        output, column = ends


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Row numbers of `train`, `calibration`, `validation` and `test`, and of unlabelled rows.

    `calibration` is for early stopping and thresholds, `validation` for ranking. The first is
    empty below 2,000 rows; out-of-fold predictions do its work there. `unlabelled` rows have no
    target: what stands in `y` for them means nothing.
    """

    train: NDArray[np.int64]
    calibration: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    unlabelled: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class SeenItems:
    """What each row's user had before: the things that a ranking leaves out.

    Row `i` had `codes[start[i]:stop[i]]` before, as codes of the target, oldest first. The codes
    of all users stand in one line, a user's own together and in order of time; a row knows where
    its own begin and end there. So all rows of a long history share it.
    """

    codes: NDArray[np.int64]
    start: RowNumbers
    stop: RowNumbers

    def only(self, rows: RowNumbers) -> "SeenItems":
        """That of some rows, in their order."""
        return replace(self, start=self.start[rows], stop=self.stop[rows])

    def pairs(self) -> tuple[RowNumbers, RowNumbers]:
        """Row numbers and codes, a pair for each thing that a row had before."""
        sizes = self.stop - self.start
        rows = np.repeat(np.arange(len(sizes)), sizes)
        places = np.arange(len(rows)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return rows, self.codes[self.start[rows] + places]

    def without(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Scores of 0 or more (rows, codes) with 0 for what a row had before, as shares of 1."""
        left = scores.astype(np.float64)
        left[self.pairs()] = 0.0
        shares: NDArray[np.float64] = left / np.maximum(left.sum(1, keepdims=True), 1e-300)
        return shares


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset. `x[name]` and `y` hold all rows; `splits` holds row numbers.

    Where the data is larger than a quarter of memory, `x[name]` are memory maps
    (`source/mappedarray.py`).

    `y` is (n,): int64 class codes, or float64 values in the target's own unit. Where the target
    has several columns it is (n, columns): labels as 0 or 1, float32; the steps of a forecast (NaN
    where one is missing) or the columns of several targets, codes among them, float64. `encoders`
    is JSON-able and is all that `data.encode` needs to read raw data of the same form again.
    `summary` are the lines `autosynth inspect` prints; `warnings` what a user should know before
    training. `seen` is what each row's user had before, which a ranking leaves out. `independent`
    rows may be dealt to folds at random: those of one group, of neighbouring times or of many
    copies may not, nor those beside a validation part of the user's own. `scales`, one for each
    field of the target, are what values are learnt on; none where all are learnt as they are.
    `period` is how many steps a series to forecast takes to repeat itself, 0 where it does not.

    `weights` (n,), above 0 and 1 on average over the training rows, say how much each row counts,
    in losses, fits and metrics; None where all count alike. `weight` is the column that they come
    from, empty where they were given in Python. `class_weights`, one a class in the order of the
    codes, multiply those of rows that are trained on, and have no part in metrics; with them the
    mean is 1, too. None where there are none.
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
    summary: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())
    seen: SeenItems | None = None
    independent: bool = True
    scales: tuple[Scale, ...] = ()
    period: int = 0
    weights: NDArray[np.float64] | None = None
    weight: str = ""
    class_weights: tuple[float, ...] = ()

    def weights_of(self, rows: RowNumbers) -> NDArray[np.float64] | None:
        """How much some rows count in metrics; None where all count alike."""
        return None if self.weights is None else self.weights[rows]
