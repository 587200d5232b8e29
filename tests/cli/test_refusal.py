"""The command line refuses bad input: exit code 2, one message, nothing written."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autosynth.cli import main

Capture = pytest.CaptureFixture[str]
Flowers = Callable[[int], pd.DataFrame]


@pytest.fixture
def bad(flowers: Flowers, here: Path) -> Path:
    """A folder with tables to stumble over, and places that cannot be written."""
    flowers(60).to_csv(here / "good.csv", index=False)
    flowers(60).assign(kind="rose").to_csv(here / "one_class.csv", index=False)
    flowers(60).head(0).to_csv(here / "header.csv", index=False)
    (here / "empty.csv").touch()
    (here / "ragged.csv").write_text("a,b\n1,2\n1,2,3\n")
    (here / "song.mp3").write_bytes(b"la")
    (here / "closed").mkdir(mode=0o500)
    (here / "space.toml").write_text('name = "x"\nfamlies = ["cnn"]\n')
    return here


GOOD = ("good.csv", "--target", "kind")
BAD_INPUT: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no command": ((), ("name a command", "--help")),
    "command": (("serach", "digits"), ("'serach'", "Did you mean 'search'?")),
    "option": (("search", "digits", "--buget", "1m"), ("'--buget'", "Did you mean '--budget'?")),
    "cut option": (("search", "digits", "--max-f", "9"), ("'--max-f'", "'--max-flops'")),
    "extra": (("inspect", "digits", "iris"), ("unexpected argument 'iris'",)),
    "no data": (("inspect",), ("DATA", "autosynth inspect --help")),
    "no value": (("search", "digits", "--budget"), ("--budget", "expected one argument")),
    "data": (("inspect", "digit"), ("'digit'", "Did you mean 'digits'?")),
    "missing file": (("search", "goood.csv"), ("'goood.csv'", "neither a path", "good.csv")),
    "not data": (("inspect", "song.mp3"), ("song.mp3", ".csv")),
    "no target": (("search", "good.csv"), ("good.csv", "--target", "petal, leaf, kind")),
    "target": (("inspect", "good.csv", "--target", "kin"), ("'kin'", "Did you mean 'kind'?")),
    "targets": (("search", *GOOD, "--target", "kind"), ("named twice: kind, kind",)),
    "drop": (("inspect", *GOOD, "--drop", "leav"), ("'leav'", "Did you mean 'leaf'?")),
    "empty": (("inspect", "empty.csv", "--target", "kind"), ("empty.csv", "empty")),
    "header": (("inspect", "header.csv", "--target", "kind"), ("header.csv", "no rows")),
    "ragged": (("inspect", "ragged.csv", "--target", "a"), ("ragged.csv:3", "3 cells")),
    "one class": (("inspect", "one_class.csv", "--target", "kind"), ("one class, 'rose'",)),
    "task": (("search", "digits", "--task", "regresion"), ("'regresion'", "'regression'?")),
    "task of text": (("inspect", *GOOD, "--task", "regression"), ("numbers", "'rose'")),
    "test": (("inspect", *GOOD, "--test", "no.csv"), ("'no.csv'", "neither a path")),
    "metric": (("search", "digits", "--metric", "acuracy"), ("'acuracy'", "'accuracy'?")),
    "metric of another task": (("search", "digits", "--metric", "r2"), ("'r2'", "for class")),
    "cost": (("search", "digits", "--cost", "flop"), ("'flop'", "Did you mean 'flops'?")),
    "device": (("search", "digits", "--device", "cude"), ("'cude'", "--device", "'cuda'?")),
    "space": (("search", "digits", "--space", "smal"), ("'smal'", "Did you mean 'small'?")),
    "space file": (("search", "digits", "--space", "space.toml"), ("'famlies'", "'families'?")),
    "space of another kind": (
        ("search", "digits", "--space", "table"), ("'table'", "image", "--space")
    ),
    "budget 0": (("search", "digits", "--budget", "0"), ("budget", "'0'", "10m")),
    "budget ten": (("search", "digits", "--budget", "ten"), ("budget", "'ten'", "10m")),
    "trials": (("search", "digits", "--trials", "0"), ("--trials", "at least 1", "'0'")),
    "workers": (("search", "digits", "--workers", "two"), ("--workers", "'two'")),
    "seed": (("search", "digits", "--seed", "1.5"), ("--seed", "'1.5'")),
    "flops": (("search", "digits", "--max-flops", "5Q"), ("--max-flops", "'5Q'")),
    "latency": (
        ("search", "digits", "--max-latency", "0"), ("--max-latency", "above 0", "'0'")
    ),
    "latency limit": (
        ("search", "digits", "--space", "small", "--trials", "1", "--max-latency", "1e-6",
         "--out", "run"),
        ("'small'", "--max-latency 1e-06", "ms for a row on cpu", "raise the limit"),
    ),
    "limit": (
        ("search", "digits", "--space", "small", "--trials", "1", "--max-flops", "10",
         "--out", "run"),
        ("--max-flops", "10"),
    ),
    "file in the way": (
        ("search", *GOOD, "--trials", "1", "--out", "good.csv/run"), ("good.csv/run", "--out")
    ),
    "closed folder": (
        ("search", *GOOD, "--trials", "1", "--out", "closed/run"), ("closed/run", "--out")
    ),
    "no strategy": (("train", "digits"), ("--strategy",)),
    "strategy": (("train", "digits", "--strategy", "cnn > "), ("column 7", "expected")),
    "component": (("train", "digits", "--strategy", "cnm > gru"), ("'cnm'", "'cnn'?")),
    "fusion": (("train", "digits", "--strategy", "meen(cnn, gru)"), ("'meen'", "'mean'?")),
    "component option": (
        ("train", "digits", "--strategy", "cnn[widht=8]"), ("'widht'", "'width'?")
    ),
    "setting": (("train", "digits", "--strategy", "cnn | lrr=0.1"), ("'lrr'", "'lr'?")),
    "setting out of range": (("train", "digits", "--strategy", "cnn | lr=7"), ("lr", "7")),
    "no runs": (("leaderboard",), ("no run", "autosynth search")),
    "run": (("leaderboard", "elsewhere"), ("'elsewhere'",)),
    "report": (("report", "closed"), ("closed", "run.toml")),
    "export": (("export", "closed", "-o", "model"), ("closed", "run.toml")),
    "format": (("leaderboard", "--format", "xml"), ("'xml'", "table, csv, json, markdown")),
    "model": (("predict", "closed", "digits"), ("closed",)),
    "no model": (("predict", "nowhere", "digits"), ("nowhere",)),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_INPUT)
def test_bad_input_ends_with_one_message(case: str, bad: Path, capsys: Capture) -> None:
    if case == "closed folder" and os.access(bad / "closed", os.W_OK):
        pytest.skip("this user may write everywhere")
    args, words = BAD_INPUT[case]
    before = sorted(bad.rglob("*"))
    assert main(args) == 2
    out, message = capsys.readouterr()
    assert "trial " not in out  # nothing has been trained
    assert message.startswith("autosynth: ")
    assert "Traceback" not in message
    for word in words:
        assert word in message
    assert sorted(bad.rglob("*")) == before
