"""Reads a source into a `Dataset`: rows, target, splits, encoders, and what to tell the user.

Takes a source and what is asked of it; the framing that it needs does the work: rows that stand
for themselves, windows of a series to forecast, or interactions to rank.
"""

from typing import Unpack

from autosynth.data.framing.interactions import load_interactions
from autosynth.data.framing.rows import load_rows
from autosynth.data.framing.windows import load_windows
from autosynth.data.source.read import Source
from autosynth.errors import DataError
from autosynth.options import DataArguments, DataConfig, takes_options
from autosynth.spec import Dataset


@takes_options
def load_dataset(source: Source, *, seed: int = 0, **arguments: Unpack[DataArguments]) -> Dataset:
    """Read `source` and understand it.

    Args:
        source: a built-in name (`BUILTIN`), a path, a frame, `(x, y)` or `(x, y, x_test, y_test)`,
            a map-style dataset of torch, `openml:ID` or `hf:NAME`.
        seed: decides the rows of each split that is not official.
        arguments: the options below.

    Raises:
        ConfigError: an option is not what it may be.
        DataNotFoundError: no such path or built-in set.
        DataError: the data cannot be read, or there is nothing in it to learn.
    """
    return read_dataset(source, DataConfig.from_arguments({**arguments, "seed": seed}))


def read_dataset(source: Source, config: DataConfig) -> Dataset:
    """As `load_dataset`, of what is asked in one value."""
    if config.task == "forecasting":
        return _forecast(source, config)
    if config.task == "ranking" or config.user or config.features:
        return load_interactions(source, config)
    if config.horizon is not None or config.history is not None:
        raise DataError("--horizon and --history are of forecasts. Add --task forecasting.")
    return load_rows(source, config)


def _forecast(source: Source, config: DataConfig) -> Dataset:
    if len(config.target) > 1:
        raise DataError(
            f"a forecast is of one column, not of {', '.join(config.target)}. Name one with "
            "--target; the others are read beside it."
        )
    return load_windows(
        source, target=next(iter(config.target), None), test=config.test, drop=config.drop,
        horizon=config.horizon, history=config.history, time=config.time,
    )  # fmt: skip
