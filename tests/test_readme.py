"""The README tells the truth: its code runs, its strategies resolve, its tree is the tree."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from autosynth.cli import main
from autosynth.composite import resolve
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
IMAGE = InputSpec(name="image", kind="image", shape=(1, 28, 28))
DIGIT = TargetSpec(name="digit", task="classification", classes=tuple("0123456789"))


@pytest.mark.usefixtures("short_schedules")
def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, _ = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert 'budget="1m"' in code
    # The same calls, cut short.
    exec(code.replace('budget="1m"', 'trials=1, space="small"'), {})
    assert (tmp_path / "model" / "model.pt2").exists()


def test_its_study_runs() -> None:
    _, code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    known: dict[str, Any] = {}
    exec(code, known)
    states = [trial.state.name for trial in known["study"].trials]
    assert len(states) == 30
    assert {"COMPLETE", "PRUNED"} >= set(states)
    assert known["study"].best_trials


def test_its_steps_never_write_to_one_place_twice() -> None:
    places = re.findall(r"^ {4}autosynth \S.*? -o (\S+)", README, re.MULTILINE)
    places += re.findall(r'\.export\("(\w+)"', README)
    assert len(places) >= 3
    assert len(places) == len(set(places))


def test_its_strategies_resolve() -> None:
    lines = re.findall(r"^ {6}(\S.*?)(?: {3,}\S.*)?$", README, re.MULTILINE)
    fusions = "mean|attend|sum|weighted|stack|cascade"
    strategies = [line for line in lines if re.match(rf"(cnn|{fusions})\b", line)]
    assert len(strategies) >= 6
    for text in strategies:
        assert resolve(parse(text), [IMAGE], DIGIT).short_form


def test_its_commands_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    commands = re.findall(r"^ {4}autosynth (\w+) ?(.*?)(?: {2,}#.*)?$", README, re.MULTILINE)
    assert len(commands) >= 6
    for name, rest in commands:
        with pytest.raises(SystemExit, match="0"):
            main([name, "--help"])
        told = capsys.readouterr().out
        for word in shlex.split(rest):
            if word.startswith("-"):
                assert word in told


def test_its_tree_is_the_tree() -> None:
    told = set(re.findall(r"^ {6}(\w+(?:\.py|/))", README, re.MULTILINE))
    there = {
        path.name if path.suffix else f"{path.name}/"
        for path in (ROOT / "autosynth").iterdir()
        if path.name not in ("__init__.py", "__main__.py", "__pycache__", "py.typed")
    }
    assert told == there


def test_what_it_links_to_exists() -> None:
    text = re.sub(r"^ {4}.*$", "", README, flags=re.MULTILINE)  # without what is shown as typed
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / target).exists(), target
