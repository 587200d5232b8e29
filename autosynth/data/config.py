"""What a user asks of the reading of data, beside the source itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from autosynth.data.spec import Task

_LISTS = ("target", "drop", "keep", "features")


class DataArguments(TypedDict, total=False):
    """The keywords of `load`, `search` and `train` about data; each may be left out.

    - `target`: the column to predict, or several; a table needs it.
    - `test`, `validation`: sources of the same form, in the place of official parts.
    - `task`: classification, multilabel or regression, where the target would say otherwise;
      forecasting, of a series whose rows are steps in time; ranking, of interactions.
    - `drop`, `keep`: columns to leave out, and those to use though they look like an id or a
      constant, by name or pattern.
    - `columns`: the kind to read a column as: number, category, text, date, image or audio.
    - `group`: a column of which no value stands in two splits; it is no feature.
    - `time`: a column by which later rows are held out; of forecasts, the time of a step.
    - `horizon`, `history`: of forecasts, the steps ahead, and the steps that are read.
    - `user`: of interactions, the column of users; their `target` is the column of items, and the
      task is ranking.
    - `features`: tables about users or items, one row each.
    """

    target: str | Sequence[str] | None
    test: Any
    validation: Any
    task: Task | None
    drop: str | Sequence[str]
    keep: str | Sequence[str]
    columns: Mapping[str, str] | None
    group: str | None
    time: str | None
    horizon: int | None
    history: int | None
    user: str | None
    features: Any


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """`DataArguments`, with everything in its place."""

    target: tuple[str, ...] = ()
    test: Any = None
    validation: Any = None
    task: Task | None = None
    drop: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    group: str | None = None
    time: str | None = None
    horizon: int | None = None
    history: int | None = None
    user: str | None = None
    features: tuple[Any, ...] = ()
    seed: int = 0

    @classmethod
    def from_arguments(cls, arguments: DataArguments, seed: int = 0) -> "DataConfig":
        """What is asked; a name alone is a list of one. Raises TypeError for another keyword."""
        given: dict[str, Any] = {
            name: value for name, value in arguments.items() if value is not None
        }
        for name in _LISTS:
            value = given.get(name, ())
            several = isinstance(value, list | tuple)
            given[name] = tuple(value) if several else (value,)
        return cls(**given, seed=seed)

    @property
    def column_options(self) -> list[str]:
        """The options in use that name columns of a table."""
        named = {
            "--drop": self.drop, "--keep": self.keep, "--column": self.columns,
            "--group": self.group, "--time": self.time,
        }  # fmt: skip
        return [option for option, value in named.items() if value]

    def to_dict(self) -> dict[str, Any]:
        """What is asked as plain values, as run.toml keeps them."""
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name == "seed" or value is None or value == () or value == {}:
                continue
            plain = value
            if isinstance(value, tuple):
                plain = [each if isinstance(each, str) else type(each).__name__ for each in value]
            found[name] = plain if isinstance(plain, str | int | list | dict) else str(plain)
        return found
