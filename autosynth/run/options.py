"""What a user asks of a search, checked before anything is read or trained."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from autosynth.errors import ConfigError, unknown
from autosynth.leaderboard import COSTS

DEFAULT_BUDGET = "10m"
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options of `autosynth search` but for the data and the folder.

    `budget_seconds` of wall clock; None where `trials` alone ends the search.
    """

    budget_seconds: float | None
    trials: int | None
    space: str | None
    metric: str | None
    cost: str
    max_flops: int | None
    max_params: int | None
    device: str
    workers: int
    seed: int
    refit: bool

    def to_dict(self) -> dict[str, Any]:
        """Plain values, those that are None left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def parse_budget(text: str | float) -> float:
    """Seconds from `90`, `90s`, `10m`, `1h30m`.

    Raises:
        ConfigError: it is no such time, or not above zero.
    """
    rule = "a budget is a time above zero such as 90s, 10m or 1h30m"
    found = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", str(text).strip().lower())
    if not found or "".join(a + b for a, b in found) != str(text).strip().lower():
        raise ConfigError(f"{rule}, not {str(text)!r} (--budget)")
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in found)
    if seconds <= 0:
        raise ConfigError(f"{rule}, not {str(text)!r} (--budget)")
    return seconds


def check_device(name: str) -> str:
    """A torch device name: `auto` is the first GPU there is, else the processor.

    Raises:
        UnknownNameError: no such kind of device.
        ConfigError: the device is not on this machine.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind not in ("cpu", "cuda") or not (index.isdecimal() or not index):
        raise unknown("device", name, ["auto", "cpu", "cuda", "cuda:0"], "(--device)")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} is not on this machine, which has {torch.cuda.device_count()} GPUs "
            "that PyTorch can use; leave --device out, or say --device cpu"
        )
    return name


def make_options(
    *,
    budget: str | float | None,
    trials: int | None,
    workers: int,
    cost: str,
    device: str,
    **rest: Any,
) -> Options:
    """Options with the budget in seconds. Raises ConfigError with every problem at once."""
    problems = []
    for name, value, least in (
        ("trials", trials, 1), ("workers", workers, 1), ("max-flops", rest.get("max_flops"), 1),
        ("max-params", rest.get("max_params"), 1), ("seed", rest.get("seed"), 0),
    ):  # fmt: skip
        if value is not None and value < least:
            problems.append(f"--{name} is a whole number from {least}, not {value}")
    seconds = None
    try:
        if budget is not None or trials is None:
            seconds = parse_budget(DEFAULT_BUDGET if budget is None else budget)
    except ConfigError as error:
        problems.append(str(error))
    if problems:
        raise ConfigError("; ".join(problems))
    if cost not in COSTS:
        raise unknown("cost", cost, COSTS, "(--cost)")
    return Options(
        budget_seconds=seconds, trials=trials, workers=workers, cost=cost,
        device=check_device(device), **rest,
    )  # fmt: skip


def as_tuple(value: str | Sequence[str] | None) -> tuple[str, ...]:
    """One name, several or none, as a tuple."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
