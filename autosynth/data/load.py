"""Reads a source into a `Dataset`, and other data of its form with what the dataset learnt.

Takes a source and what is asked of it; the framing that it needs does the work: rows that stand
for themselves, windows of a series to forecast, or interactions to rank.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

from autosynth.data.framing.framing import Encoded, Framing, LabelledRows
from autosynth.data.framing.interactions import InteractionFraming
from autosynth.data.framing.rows import RowFraming
from autosynth.data.framing.windows import WindowFraming
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.data.source.read import Source
from autosynth.options import DataArguments, DataConfig
from autosynth.signature import takes_options
from autosynth.spec import Dataset, TargetSpec

FRAMINGS: Mapping[str, type[Framing]] = {
    "rows": RowFraming,
    "windows": WindowFraming,
    "interactions": InteractionFraming,
}
"""What a row is, by the name under which a dataset keeps what is known of it."""


@takes_options
def load_dataset(source: Source, *, seed: int = 0, **arguments: Unpack[DataArguments]) -> Dataset:
    """Read `source` and understand it.

    Args:
        source: a built-in name (`BUILTIN`), a path, `openml:ID` or `hf:NAME`; a frame of any
            library; `(x, y)` or `(x, y, x_test, y_test)` of arrays of any, where `x` may be
            several in a dict, or a list of series of unequal length; a dict of columns or of
            arrays; a map-style dataset of torch, a dataset of the package `datasets` or a bunch
            of scikit-learn.
        seed: decides the rows of each split that is not official.
        arguments: the options below.

    Raises:
        ConfigError: an option is not what it may be.
        DataNotFoundError: no such path or built-in set.
        DataError: the data cannot be read, or there is nothing in it to learn.
    """
    return read_dataset(source, DataConfig.from_arguments({**arguments, "seed": seed}))


def read_dataset(source: Source, config: DataConfig, batching: Batching = BY_SIZE) -> Dataset:
    """As `load_dataset`, of what is asked in one value.

    `batching` says how much of the source may be in memory at once.
    """
    return FRAMINGS[_framing_name(config)].load(source, config, batching)


def encode(source: Any, encoders: Mapping[str, Any], batching: Batching = BY_SIZE) -> Encoded:
    """Encode the rows of `source`: a path, a built-in name, a frame or `x` of any library.

    `encoders` are those of a dataset (`Dataset.encoders`); the target column may be there and is
    not looked at. A source that has an official test part inside gives that part, any other all of
    its rows. Columns may stand in any order, categories never seen are 0, rows that hold nothing
    to read (a broken image, a series of NaN) are left out with a warning. To forecast, the end of
    a series is a row, named by its last time, or of several by the name of each; of interactions
    there is a row for each user. Raises `DataError` where columns lack, shapes differ, or no row
    is left.
    """
    return framing_of(encoders, batching).encode(source)


def encode_parts(
    source: Any, encoders: Mapping[str, Any], batching: Batching = BY_SIZE
) -> Iterator[Encoded]:
    """As `encode`; of rows that are too many for memory, a part after another.

    A part may have no row that can be read; its warnings say which rows it holds.
    """
    return framing_of(encoders, batching).encode_parts(source)


def read_labelled(
    source: Any,
    encoders: Mapping[str, Any],
    target: TargetSpec,
    columns: Sequence[str] = (),
    batching: Batching = BY_SIZE,
) -> LabelledRows:
    """The rows of `source` that a model can be scored on; of its test part, where it has one.

    Args:
        source: as `load_dataset` takes it.
        encoders: of the model.
        target: of the model.
        columns: that hold the true values, where they are not named as in training.
        batching: how much of the source may be in memory at once.

    Raises:
        DataError: no labels, columns or shapes that do not fit, or no row that can be scored.
    """
    return framing_of(encoders, batching).labelled(source, target, columns)


def _framing_name(config: DataConfig) -> str:
    if config.task == "forecasting":
        return "windows"
    if config.task == "ranking" or config.user or config.features:
        return "interactions"
    return "rows"


def framing_of(encoders: Mapping[str, Any], batching: Batching = BY_SIZE) -> Framing:
    """How rows of other data are made as those of a dataset were, by its `encoders`.

    Who reads much in small pieces keeps it: what the encoders say is read once.
    """
    name = next((name for name in FRAMINGS if name in encoders), "rows")
    return FRAMINGS[name](encoders=encoders, batching=batching)
