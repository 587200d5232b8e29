"""One list of options: every face has the same names and defaults, and the same refusals."""

import inspect
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autosynth
from autosynth.cli import main
from autosynth.cli.entry import COMMANDS
from autosynth.cli.option import Parser, options_of
from autosynth.errors import (
    ArgumentError,
    BundleError,
    ConfigError,
    DataError,
    StrategyError,
    UnknownNameError,
)
from autosynth.estimator import AutoSynthClassifier, AutoSynthRegressor
from autosynth.options import (
    DATA_NAMES,
    DataArguments,
    DataConfig,
    Options,
    flags_of,
    option_of,
    parse_budget,
)
from autosynth.run import train_strategy

DEFAULTS = {each.name: each.default for each in fields(Options)}
DATA = {name: DEFAULTS[name] for name in (*DATA_NAMES, "seed")}


def signature(function: Callable[..., Any], *own: str) -> dict[str, Any]:
    """Names and defaults of the parameters, but for those that are no options."""
    shown = inspect.signature(function).parameters
    assert all(each.kind is not each.VAR_KEYWORD for each in shown.values())
    assert set(own) <= set(shown)
    return {name: each.default for name, each in shown.items() if name not in own}


def test_the_functions_take_the_fields() -> None:
    assert signature(autosynth.search, "data", "progress", "started") == DEFAULTS
    assert list(inspect.signature(autosynth.search).parameters)[:2] == ["data", "target"]
    assert signature(autosynth.load_dataset, "source") == DATA
    named = ("budget", "metric", "device", "deterministic", "out")
    more = {name: DEFAULTS[name] for name in named}
    own = ("source", "strategy", "epochs", "progress")
    assert signature(train_strategy, *own) == DATA | more
    assert tuple(DataArguments.__annotations__) == DATA_NAMES
    assert DEFAULTS.keys() == vars(Options()).keys()
    assert MISSING not in DEFAULTS.values()


@pytest.mark.parametrize("kind", [AutoSynthClassifier, AutoSynthRegressor])
def test_the_estimators_take_those_of_the_search(kind: type[AutoSynthClassifier]) -> None:
    expected = {
        each.name: option_of(each).estimator_default or each.default
        for each in fields(Options)
        if each.name not in DATA_NAMES
    }
    if kind is AutoSynthClassifier:
        expected["class_weight"] = None
    assert kind().get_params() == expected | {"verbose": False}
    with pytest.raises(ArgumentError, match=f"'buget' of {kind.__name__}.*mean 'budget'"):
        kind(buget="1m")


def test_the_command_line_takes_the_fields(capsys: pytest.CaptureFixture[str]) -> None:
    flags = {flag for each in fields(Options) for flag in flags_of(each) if len(flag) > 2}
    with pytest.raises(SystemExit, match="^0$"):
        main(["search", "--help"])
    shown = capsys.readouterr().out
    assert set(re.findall(r"^ .*?(--[\w-]+)", shown, re.MULTILINE)) == flags | {"--help"}
    assert all(f"--no-{name}" in flags or f"--{name}" in flags for name in ("refit", "budget"))
    for name, expected in (("search", DEFAULTS), ("inspect", DATA)):
        parser = Parser()
        COMMANDS[name].add_arguments(parser)
        kind = Options if name == "search" else DataConfig
        given = options_of(parser.parse_args(["digits"]))
        assert given.keys() == expected.keys()
        assert kind.from_arguments(given) == kind()


def test_help_tells_every_option() -> None:
    for function in (autosynth.search, autosynth.load_dataset, train_strategy):
        for name in DATA:
            assert f"\n    {name}: " in (inspect.getdoc(function) or "")
    assert "flops, params, latency_ms" in (autosynth.search.__doc__ or "")


def test_a_wrong_keyword_is_told_with_all_else_that_is_wrong() -> None:
    with pytest.raises(ArgumentError, match=r"'buget' of search; .*Did you mean 'budget'\?$"):
        autosynth.search("digits", buget="1m")
    rule = r"'buget'.*'tgt'.*--task.*--cost.*--workers is a whole number from 1, not 0"
    with pytest.raises(TypeError, match=rule) as caught:
        autosynth.search("digits", buget="1m", tgt="x", task="regresion", cost="flop", workers=0)
    for word in ("'budget'?", "'regression'?", "'flops'?", "'target'?"):
        assert word in str(caught.value)
    with pytest.raises(ArgumentError, match="Did you mean 'epochs'"):
        train_strategy("digits", "mlp", epoks=2)
    with pytest.raises(ArgumentError, match="Did you mean 'target'"):
        autosynth.load_dataset("digits", taget="x")


def test_every_wrong_value_is_told_at_once() -> None:
    rule = (
        r"--horizon.*a budget is.*--trials.*'flop'.*--max-flops.*"
        r"--max-latency is a number above 0, not -1.*'cudo'.*--workers"
    )
    with pytest.raises(ConfigError, match=rule):
        autosynth.search(
            "digits",
            budget="ten",
            trials=0,
            workers=0,
            cost="flop",
            device="cudo",
            max_flops=0.5,
            max_latency_ms=-1,
            horizon="2",
        )
    with pytest.raises(UnknownNameError, match="unknown cost 'flop'.*Did you mean 'flops'"):
        autosynth.search("digits", cost="flop")
    with pytest.raises(ConfigError, match=r"columns say the kind.*'zip' \(--column\)"):
        autosynth.load_dataset("digits", columns="zip")


def own_metric(y: Any, output: Any) -> float:
    return 0.0


WRONG = [
    ({"metric": own_metric}, "--metric is a name, not <function.*of your own is not taken"),
    ({"metric": ["accuracy"]}, r"--metric is a name, not \['accuracy'\]"),
    ({"metric": "auc_roc"}, r"unknown metric 'auc_roc' .*\(--metric\).*Did you mean 'roc_auc'"),
    ({"space": {"a": 1}}, "--space is a name, not {'a': 1}"),
    ({"space": "imges"}, "unknown search space 'imges'.*Did you mean 'image'"),
    ({"space": "x" * 400_000}, "a search space is the name of one .* cannot be one"),
    ({"task": own_metric}, "--task is a name"),
    ({"cost": ["flops"]}, "--cost is a name"),
    ({"device": 3}, "--device is a name, not 3"),
    ({"refit": "no"}, "refit is True or False, not 'no'"),
    ({"keep_missing_words": "yes"}, "keep_missing_words is True or False, not 'yes'"),
    ({"seed": None}, "--seed is a whole number from 0, not None"),
    ({"trials": 2.5}, "--trials is a whole number from 1, not 2.5"),
    ({"workers": "two"}, "--workers is a whole number from 1, not 'two'"),
    ({"budget": "ten"}, "a budget is a time above zero .*, not 'ten'"),
    ({"budget": "9" * 400_000}, "a budget is a time above zero .*, not '9+…9+'"),
    ({"out": 3}, "--out is a path, not 3"),
    ({"target": 5}, "--target names a column by a text, .* not 5"),
    ({"drop": [3]}, r"--drop names a column by a text, .* not \[3\]"),
    ({"group": [1]}, r"--group names a column by a text, .* not \[1\]"),
    ({"columns": ["a"]}, r"columns say the kind of each .* not \['a'\] \(--column\)"),
    ({"columns": {"zip": 3}}, "columns say the kind of each .* not {'zip': 3}"),
    ({"columns": {3: "category"}}, "columns say the kind of each .* not {3: 'category'}"),
    ({"progress": "yes"}, "progress has the methods say, trial, status, .* not 'yes'"),
    ({"started": "now"}, r"started is a time.monotonic\(\), not 'now'"),
]


@pytest.mark.parametrize(("given", "message"), WRONG, ids=lambda v: str(v)[:30])
def test_a_value_of_a_wrong_kind_is_told_in_a_short_sentence(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(autosynth.AutosynthError, match=message) as caught:
        autosynth.search("digits", **{"trials": 1, **given})
    assert len(str(caught.value)) < 400


def test_values_of_wrong_kinds_are_told_together() -> None:
    rule = "--seed.*--space is a name.*--metric is a name.*refit is True"
    with pytest.raises(ConfigError, match=rule):
        autosynth.search("digits", seed=None, space=3, metric=own_metric, refit="x")
    with pytest.raises(ConfigError, match="started is a.*progress has|progress has.*started is a"):
        autosynth.search("digits", started="now", progress=3)


@pytest.mark.parametrize("epochs", ["two", -1, float("nan"), 0])
def test_epochs_are_a_number_above_zero(epochs: Any) -> None:
    with pytest.raises(ConfigError, match=r"epochs is a number above zero, not .*\(--epochs\)"):
        train_strategy("digits", "mlp", epochs=epochs)


@pytest.mark.parametrize("given", [5, None])
def test_a_strategy_to_train_is_a_text(given: Any) -> None:
    with pytest.raises(StrategyError, match="a strategy is a text"):
        train_strategy("digits", given)


@pytest.mark.parametrize("given", [3, None, "x" * 400_000])
def test_what_can_be_no_bundle_is_said_to_be_none(given: Any) -> None:
    for use in (autosynth.load, lambda path: autosynth.evaluate(path, "digits")):
        with pytest.raises(BundleError, match="a bundle is a folder") as caught:
            use(given)
        assert len(str(caught.value)) < 200


def test_a_path_that_no_file_can_have_is_no_data() -> None:
    with pytest.raises(DataError, match="data is .* 'x+…x+' cannot be one"):
        autosynth.load_dataset("x" * 400_000)


def test_a_numpy_truth_value_is_one() -> None:
    assert Options(refit=np.bool_(False)).refit == np.bool_(False)


def test_the_first_parameter_has_its_old_name_too() -> None:
    with pytest.raises(autosynth.AutosynthError, match="'digit'.*Did you mean 'digits'"):
        autosynth.search(source="digit")


def test_values_come_in_one_form() -> None:
    config = DataConfig.from_arguments({"target": "a", "drop": ["b"], "columns": [("c", "date")]})
    assert (config.target, config.drop, config.keep) == (("a",), ("b",), ())
    assert config.columns == {"c": "date"}
    assert config.column_options == ["--drop", "--column"]
    assert config.data_section() == {"target": ["a"], "drop": ["b"], "columns": {"c": "date"}}
    options = Options.from_arguments({"max_flops": 5e6, "workers": np.int64(2), "out": "x"})
    assert (options.max_flops, type(options.max_flops)) == (5_000_000, int)
    assert type(options.workers) is int
    assert replace(options) == options
    section = options.search_section()
    assert section["budget_seconds"] == 600
    assert not {"out", "budget", "trials", "target", "deterministic"} & section.keys()
    more = Options(deterministic=True, max_latency_ms=np.float32(2)).search_section()
    assert (more["deterministic"], more["max_latency_ms"], more["refit"]) == (True, 2.0, True)
    assert type(more["max_latency_ms"]) is float


def test_a_frame_to_test_on_is_an_option() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    assert DataConfig(test=frame).data_section()["test"] == "DataFrame"


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
    assert Options(budget=text, trials=3).budget_seconds == seconds


@pytest.mark.parametrize("text", ["0", "ten", "", "-5m", "10 m 3", "5x", "m"])
def test_what_is_no_budget_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"above zero such as 90s, 10m or 1h30m"):
        Options(budget=text)


def test_trials_alone_take_no_budget_and_nothing_takes_ten_minutes() -> None:
    assert Options(trials=3).budget_seconds is None
    assert Options().budget_seconds == 600


def test_the_options_are_light() -> None:
    code = "import autosynth.options, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pandas", "sklearn"} & set(done.stdout.split())
