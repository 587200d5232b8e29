"""What a user may ask of a search: names, defaults, help texts and checks, once for every face.

Takes keyword arguments as `autosynth.search` and the estimators have them, or parsed flags; gives
frozen `Options`, or one error that names everything that is wrong. The command line
(`cli/option.py`) makes its flags of the fields here, `signature.py` the help of the functions; a
test compares the signatures. Light, so that `--help` answers at once.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self, TypedDict

from autosynth.budget import parse_budget
from autosynth.errors import AutosynthError, ConfigError, together, unknown
from autosynth.number import brief_repr, is_above, is_whole_number
from autosynth.plugin import MULTITASK, TASKS
from autosynth.weight import class_weight_form, weight_form, weight_text

DEFAULT_BUDGET = "10m"
TASK_NAMES = tuple(name for name in TASKS if name != MULTITASK)
COST_NAMES = ("flops", "params", "latency_ms")
_OPTION = "option"  # the key of a field's `Option` in its metadata

_DATA = ("test", "validation")  # options that are data themselves
_NAME_COLUMNS = ("drop", "keep", "columns", "weight", "group", "time")


class DataArguments(TypedDict, total=False):
    """The keywords of `load_dataset` and `train_strategy` about data, for type checkers.

    What each means is said by the fields of `DataConfig`, which have the same names.
    """

    target: str | Sequence[str] | None
    test: Any
    validation: Any
    task: str | None
    drop: str | Sequence[str]
    keep: str | Sequence[str]
    keep_missing_words: bool
    columns: Mapping[str, str] | None
    weight: Any
    class_weight: Any
    group: str | Sequence[str]
    time: str | None
    horizon: int | None
    history: int | None
    user: str | None
    features: Any


@dataclass(frozen=True, kw_only=True)
class Option:
    """What is known of an option beside its type and default.

    `flags` of the command line, where they are not the field's name; `least` of whole numbers,
    `above` of others, that are over it;
    `repeat` of what may be several, and is a tuple; `pairs` of a dict of names, which a flag gives
    one by one; `check` raises an AutosynthError, and so does `form`, which gives the value as it
    is kept;
    `estimator_default` where the scikit-learn estimators have another default.
    """

    help: str
    metavar: str = "N"
    flags: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    least: int | None = None
    above: float | None = None
    repeat: bool = False
    pairs: bool = False
    check: Callable[[Any], object] | None = None
    form: Callable[[Any], Any] | None = None
    estimator_default: Any = None


def option(default: Any, help: str, **known: Any) -> Any:
    """A field of an options dataclass: its default, and an `Option`."""
    return field(default=default, metadata={_OPTION: Option(help=help, **known)})


def option_of(each: "Field[Any]") -> Option:
    """What is known of a field."""
    found: Option = each.metadata[_OPTION]
    return found


def flags_of(each: "Field[Any]") -> tuple[str, ...]:
    """The flags of a field on the command line, the long one last."""
    return option_of(each).flags or (f"--{each.name.replace('_', '-')}",)


def check_device_name(name: str) -> None:
    """Raise UnknownNameError for what is no kind of device; whether it is here, PyTorch knows."""
    kind, _, index = str(name).partition(":")
    if name != "auto" and (kind not in ("cpu", "cuda") or not (index.isdecimal() or not index)):
        raise unknown("device", str(name), ["auto", "cpu", "cuda", "cuda:0"], "(--device)")


def _check_columns(columns: Any) -> None:
    try:
        pairs = dict(columns)
        right = all(isinstance(text, str) for pair in pairs.items() for text in pair)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ConfigError(
            "columns say the kind of each by its name, both as text, such as {'zip': 'category'}, "
            f"not {brief_repr(columns)} (--column)"
        )


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What is asked of the reading of data, beside the data itself; with everything in its place.

    A name alone is a tuple of one, and kinds of columns are a dict.
    """

    target: tuple[str, ...] = option(None, "column to predict", metavar="COL", repeat=True)
    test: Any = option(None, "data of the same form to test on", metavar="DATA")
    validation: Any = option(None, "data of the same form to choose on", metavar="DATA")
    task: str | None = option(None, "what is asked of the target", metavar="T", choices=TASK_NAMES)
    drop: tuple[str, ...] = option(
        (), "column to leave out, by name or pattern", metavar="COL", repeat=True
    )
    keep: tuple[str, ...] = option(
        (), "column to use though it looks like an id", metavar="COL", repeat=True
    )
    keep_missing_words: bool = option(
        False, "read words such as NA or None as words, and not as no value"
    )
    columns: Mapping[str, str] = option(
        None,
        "read a column as number, category, text, date, image or audio; or arrays, also as series",
        metavar="NAME=KIND",
        flags=("--column",),
        pairs=True,
        check=_check_columns,
    )
    weight: str | tuple[float, ...] | None = option(
        None,
        "column that says how much each row counts, from 0 on; no input",
        metavar="COL",
        form=weight_form,
    )
    class_weight: tuple[str, ...] = option(
        None,
        "how much rows of a class count in training: balanced, or pairs such as yes=5",
        metavar="NAME=W",
        repeat=True,
        form=class_weight_form,
    )
    group: tuple[str, ...] = option(
        (),
        "column of which no value stands in two splits, or of series",
        metavar="COL",
        repeat=True,
    )
    time: str | None = option(None, "column by which later rows are held out", metavar="COL")
    horizon: int | None = option(None, "steps to forecast", least=1)
    history: int | None = option(None, "steps a forecast reads (some periods)", least=1)
    # Of interactions, whose target is the item that a user has next.
    user: str | None = option(None, "column of users, for the task ranking", metavar="COL")
    features: tuple[Any, ...] = option(
        (), "table about users or items", metavar="FILE", repeat=True
    )
    seed: int = option(0, "of all randomness", least=0)

    def __post_init__(self) -> None:
        """Raise what is wrong of all fields at once, and put the others in their form."""
        if wrong := problems(type(self), vars(self)):
            raise together(wrong)
        for each in fields(self):
            known, value = option_of(each), getattr(self, each.name)
            if known.form is not None:
                value = known.form(value)
            elif known.repeat:
                several = isinstance(value, list | tuple)
                value = () if value is None else tuple(value) if several else (value,)
            elif known.pairs:
                value = dict(value or ())
            elif known.least is not None and value is not None:
                value = int(value)
            elif known.above is not None and value is not None:
                value = float(value)
            object.__setattr__(self, each.name, value)

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        """Those of the arguments that are options.

        Raises:
            AutosynthError: what is wrong with them, all at once.
        """
        return cls(**{f.name: arguments[f.name] for f in fields(cls) if f.name in arguments})

    @property
    def column_options(self) -> list[str]:
        """The flags in use that name columns of a table."""
        named = {name: getattr(self, name) for name in _NAME_COLUMNS}
        if not isinstance(self.weight, str):  # a number a row
            del named["weight"]
        return [flags_of(f)[-1] for f in fields(self) if named.get(f.name)]

    def data_section(self) -> dict[str, Any]:
        """What is asked of the data as plain values, as run.toml keeps them."""
        section: dict[str, Any] = {}
        for name in DATA_NAMES:
            value = getattr(self, name)
            if value is None or value is False or (isinstance(value, tuple | dict) and not value):
                continue
            if name == "weight":
                value = weight_text(value)
            if isinstance(value, tuple):
                value = [each if isinstance(each, str) else type(each).__name__ for each in value]
            if name in _DATA and not isinstance(value, str | os.PathLike):
                value = type(value).__name__  # what is given in Python is known by its content
            section[name] = value if isinstance(value, str | int | list | dict) else str(value)
        return section


DATA_NAMES = tuple(each.name for each in fields(DataConfig) if each.name != "seed")


@dataclass(frozen=True, kw_only=True)
class Options(DataConfig):
    """All that a search can be asked, beside its data."""

    space: str | None = option(
        None, "what to choose from, by name or file (the one for such data)", metavar="NAME|FILE"
    )
    budget: str | float | None = option(
        None,
        f"wall clock, such as 90s, {DEFAULT_BUDGET} or 1h30m",
        metavar="TIME",
        check=parse_budget,
        estimator_default="5m",
    )
    trials: int | None = option(None, "so many trials, in place of a budget", least=1)
    metric: str | None = option(None, "what is maximised (accuracy, r2, ...)", metavar="M")
    cost: str = option("flops", "what is paid for the score", metavar="C", choices=COST_NAMES)
    max_flops: int | None = option(None, "nothing that costs more; such as 5M", least=1)
    max_params: int | None = option(None, "nothing larger; such as 100k", least=1)
    max_latency_ms: float | None = option(
        None,
        "nothing slower; milliseconds of one row",
        metavar="MS",
        flags=("--max-latency",),
        above=0.0,
    )
    device: str = option("auto", "auto, cpu or cuda", metavar="D", check=check_device_name)
    workers: int | None = option(
        None, "processes that train (one a core, or one with --trials alone)", least=1
    )
    repeats: int = option(
        1, "trainings of the front, each on its own seed; ranks by the mean", least=1
    )
    deterministic: bool = option(False, "the same weights each time on one GPU, more slowly")
    refit: bool = option(
        True, "train the best again on everything but test", flags=("--no-refit",)
    )
    from_run: tuple[str | os.PathLike[str], ...] = option(
        (),
        "run to begin from: what it learnt, and its trials where its data are these; repeat",
        metavar="RUN",
        flags=("--from",),
        repeat=True,
    )
    out: str | os.PathLike[str] | None = option(
        None,
        "folder of what it leaves (a new one under results)",
        metavar="DIR",
        flags=("-o", "--out"),
    )

    @property
    def budget_seconds(self) -> float | None:
        """Of wall clock; None where `trials` alone ends the search."""
        if self.budget is None and self.trials is not None:
            return None
        return parse_budget(DEFAULT_BUDGET if self.budget is None else self.budget)

    def search_section(self) -> dict[str, Any]:
        """What decides a search, as run.toml keeps it; what is None is left out."""
        budget = self.budget_seconds
        section: dict[str, Any] = {} if budget is None else {"budget_seconds": budget}
        for each in fields(self):
            value = getattr(self, each.name)
            # What is off unless asked for is left out: runs from before it was there go on.
            asked = value is not None and not (each.default is False and value is False)
            if asked and each.name not in (*DATA_NAMES, "budget", "out", "from_run"):
                section[each.name] = value
        return section


def problems(cls: type[DataConfig], values: Mapping[str, Any]) -> list[AutosynthError]:
    """What is wrong of the values that are fields of `cls`."""
    named = [each for each in fields(cls) if each.name in values]
    return [problem for each in named for problem in _problem(each, values[each.name])]


def _problem(each: "Field[Any]", value: Any) -> Iterator[AutosynthError]:
    known, flag = option_of(each), flags_of(each)[-1]
    if value is None and each.default is None:
        return
    if wrong := _wrong_type(each, value):
        # A flag that says no takes no value: it is wrong in Python alone.
        yield ConfigError(f"{each.name if each.type is bool else flag} {wrong}")
        return
    if known.least is not None and not is_whole_number(value, known.least):
        shown = brief_repr(value)
        yield ConfigError(f"{flag} is a whole number from {known.least}, not {shown}")
    if known.above is not None and not is_above(value, known.above):
        yield ConfigError(f"{flag} is a number above {known.above:g}, not {brief_repr(value)}")
    if known.choices and value not in known.choices:
        yield unknown(each.name, str(value), known.choices, f"({flag})")
    if check := known.check or known.form:
        try:
            check(value)
        except AutosynthError as error:
            yield error


_TEXTS, _PATHS = (str, str | None), (str | os.PathLike[str] | None,)


def _wrong_type(each: "Field[Any]", value: Any) -> str:
    """What is wrong with the type of a value, by the field's own; empty for nothing."""
    known, shown = option_of(each), brief_repr(value)
    named = [value]
    if known.repeat and isinstance(value, list | tuple):
        named = list(value)
    is_column = known.metavar == "COL"
    if is_column and not known.form and not all(isinstance(name, str) for name in named):
        return f"names a column by a text, such as '0' for one that a frame numbers, not {shown}"
    is_path = known.metavar.endswith("FILE") and isinstance(value, os.PathLike)
    if each.type in _TEXTS and not (isinstance(value, str) or is_path):
        more = "; a function of your own is not taken" if callable(value) else ""
        return f"is a name, not {shown}{more}"
    if each.type in _PATHS and not isinstance(value, str | os.PathLike):
        return f"is a path, not {shown}"
    # NumPy has a truth value of its own.
    if each.type is bool and not isinstance(getattr(value, "item", lambda: value)(), bool):
        return f"is True or False, not {shown}"
    return ""
