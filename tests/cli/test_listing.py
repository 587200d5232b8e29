"""The command line's help and lists: all that there is, at once."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autosynth.cli import main
from autosynth.cli.entry import COMMANDS
from autosynth.components import FAMILIES
from autosynth.composite import FUSIONS, SETTINGS, SHARING
from autosynth.data import BUILTIN
from autosynth.leaderboard import COSTS
from autosynth.leaderboard.render import FORMATS
from autosynth.options import COST_NAMES
from autosynth.study import spacefile

Capture = pytest.CaptureFixture[str]
Flowers = Callable[[int], pd.DataFrame]
Process = Callable[..., "subprocess.Popen[str]"]
HEAVY = ("torch", "numpy", "pandas", "sklearn", "scipy", "optuna", "matplotlib", "PIL")


def test_help_loads_nothing_heavy(process: Process) -> None:
    asked = process(
        "-X", "importtime", "-m", "autosynth", "--help",
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    text, times = asked.communicate()
    assert asked.returncode == 0
    assert all(f"  {name} " in text for name in COMMANDS)
    loaded = {line.rpartition("|")[2].strip().split(".")[0] for line in times.splitlines()}
    assert "autosynth" in loaded
    assert loaded & set(HEAVY) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="^0$"):
        main([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: autosynth {command} ")


def test_search_has_the_options_of_the_design(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="^0$"):
        main(["search", "--help"])
    text = capsys.readouterr().out
    for option in (
        *("--target", "--test", "--task", "--drop", "--space", "--budget", "--trials"),
        *("--metric", "--cost", "--max-flops", "--max-params", "--device", "--workers"),
        *("--seed", "--no-refit", "--out", "--max-latency", "--deterministic"),
    ):
        assert f" {option}" in text


def test_version(capsys: Capture) -> None:
    with pytest.raises(SystemExit, match="^0$"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("autosynth 0.")


def test_what_is_checked_early_is_what_there_is(capsys: Capture) -> None:
    assert tuple(COSTS) == COST_NAMES
    assert main(["leaderboard", "--format", "yaml"]) == 2
    assert f"valid: {', '.join(FORMATS)}" in capsys.readouterr().err


def test_datasets_and_spaces_are_listed(capsys: Capture) -> None:
    assert main(["datasets"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == list(BUILTIN)
    assert main(["spaces"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == spacefile.names()
    assert all(len(line.split()) > 3 for line in listed)


def test_components_lists_every_registry_with_its_options(capsys: Capture) -> None:
    assert main(["components"]) == 0
    text = capsys.readouterr().out
    for family in FAMILIES.values():
        part = text.split(f"\n  {family.name}: ")[1].split("\n\n")[0]
        rows = {line.split()[0]: line.split() for line in part.splitlines()[1:]}
        assert list(rows) == list(family.options)
        for name, option in family.options.items():
            assert option.default is None or rows[name][1] == str(option.default)
    for name in (*FUSIONS, *SHARING, *SETTINGS):
        assert f"\n  {name} " in text


def test_inspect_says_what_would_be_read_and_warns(
    flowers: Flowers, here: Path, capsys: Capture
) -> None:
    flowers(60).assign(same=1).to_csv(here / "flowers.csv", index=False)
    assert main(["inspect", "flowers.csv", "--target", "kind", "--drop", "leaf"]) == 0
    text = capsys.readouterr().out
    assert "kind: classification, 2 classes: rose (30), tulip (30)" in text
    assert "column      petal" in text
    assert "leaf" not in text
    assert "warning     column set aside: same" in text
