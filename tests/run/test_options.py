"""What is asked of a search: budgets, limits and devices, refused all at once."""

from typing import Any

import pytest

from autosynth.errors import ConfigError, UnknownNameError
from autosynth.run.options import as_tuple, check_device, make_options, parse_budget

REST: dict[str, Any] = {"space": None, "metric": None, "seed": 0, "refit": True}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("10m", 600),
        ("1h30m", 5400),
        (45, 45),
        (" 1.5m ", 90),
        ("1d", 86400),
    ],
)
def test_a_budget_is_a_time(text: str | int, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["0", "ten", "", "-5m", "10 m 3", "5x", "m"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"above zero such as 90s, 10m or 1h30m"):
        parse_budget(text)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError, match=r"--trials.*--workers.*--max-flops.*a budget is"):
        make_options(
            budget="ten", trials=0, workers=0, cost="flops", device="cpu",
            max_flops=0, max_params=None, **REST,
        )  # fmt: skip


def test_trials_alone_take_no_budget_and_nothing_takes_ten_minutes() -> None:
    rest = {"max_flops": None, "max_params": None, **REST}
    asked = make_options(budget=None, trials=3, workers=1, cost="flops", device="cpu", **rest)
    assert asked.budget_seconds is None
    plain = make_options(budget=None, trials=None, workers=1, cost="flops", device="cpu", **rest)
    assert plain.budget_seconds == 600


def test_a_device_that_is_not_here_is_refused() -> None:
    assert check_device("cpu") == "cpu"
    with pytest.raises(UnknownNameError, match=r"unknown device 'cudo'.*Did you mean 'cuda'"):
        check_device("cudo")
    with pytest.raises(ConfigError, match=r"not on this machine.*--device cpu"):
        check_device("cuda:99")


def test_names_are_listed() -> None:
    assert (as_tuple(None), as_tuple("a"), as_tuple(["a", "b"])) == ((), ("a",), ("a", "b"))
