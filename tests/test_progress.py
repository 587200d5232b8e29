"""Progress: one live line on a terminal, plain lines elsewhere, the same numbers in both."""

import io
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autosynth.errors import UnknownNameError
from autosynth.progress import Progress

ROOT = Path(__file__).parents[1]


def screen(written: str) -> list[str]:
    """The lines that a terminal shows: a carriage return goes to the start, CSI K clears."""
    lines, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[K|\r|\n|[^\r\n\x1b]", written):
        if token == "\x1b[K":
            lines[row] = lines[row][:column]
        elif token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        else:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + token + line[column + 1 :]
            column += 1
    return lines


def live() -> tuple[io.StringIO, Progress]:
    stream = io.StringIO()
    return stream, Progress(stream, live=True)


def trial(progress: Progress, number: int, state: str, score: float | None = None) -> None:
    progress.trial(number=number, strategy=f"cnn[width={number}]", state=state, score=score)


def test_piped_every_trial_is_one_line() -> None:
    stream = io.StringIO()
    with Progress(stream) as progress:
        progress.status(running=1, seconds_left=10)
        progress.trial(
            number=7, strategy="cnn > gru | lr=0.002", state="complete", score=0.98125,
            flops=1_234_567, seconds=3.14,
        )  # fmt: skip
        progress.trial(
            number=8, strategy="lstm", state="failed", flops=999_700, seconds=None,
            reason="loss is not\nfinite",
        )  # fmt: skip
        progress.say("almost done")
    first, second, third = stream.getvalue().splitlines()
    assert first.split() == [
        *("trial", "7", "complete", "0.9812", "1.23M", "FLOPs", "3.1", "s"),
        *("cnn", ">", "gru", "|", "lr=0.002"),
    ]
    assert second.split() == [
        *("trial", "8", "failed", "-", "1M", "FLOPs", "-", "lstm", "(loss", "is", "not", "finite)")
    ]
    assert third == "almost done"
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_live_one_line_counts_and_names_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    stream, progress = live()
    progress.status(running=2, front=3, seconds_left=3725.2)
    trial(progress, 1, "complete", 0.5)
    trial(progress, 2, "complete", 0.9)
    trial(progress, 3, "complete", 0.7)
    trial(progress, 4, "pruned", 0.95)  # on a part of the schedule: no best
    trial(progress, 5, "failed")
    (line,) = screen(stream.getvalue())
    assert line == (
        "3 done, 2 running, 1 pruned, 1 failed | best 0.9000 | front 3 | 1:02:05 left | "
        "cnn[width=2]"
    )


def test_a_line_that_was_said_stays_and_the_live_line_goes_on_below() -> None:
    stream, progress = live()
    trial(progress, 1, "complete", 0.5)
    progress.say("a warning that is rather longer than it has to be, for the test's sake")
    trial(progress, 2, "pruned")
    said, below = screen(stream.getvalue())
    assert said.startswith("a warning")
    assert below.startswith("1 done, 0 running, 1 pruned | best 0.5000")


def test_the_live_line_is_gone_at_the_end() -> None:
    stream, progress = live()
    with progress:
        trial(progress, 1, "complete", 0.5)
    stream.write("board\n")
    assert screen(stream.getvalue()) == ["board", ""]


@pytest.mark.parametrize("columns", [12, 40, 80])
def test_the_live_line_is_cut_to_the_width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    stream, progress = live()
    progress.status(running=1, front=2, seconds_left=61)
    progress.trial(number=1, strategy="cnn > " * 30, state="complete", score=0.5)
    (line,) = screen(stream.getvalue())
    assert len(line) == columns - 1  # a full line would make many terminals begin a new one
    assert line.endswith("…")


def test_the_same_numbers_are_not_drawn_without_end() -> None:
    stream, progress = live()
    progress.status(running=1, seconds_left=500)
    for tick in range(2000):
        progress.status(seconds_left=500 - tick / 1000)
    assert stream.getvalue().count("\r") < 20


def test_what_is_not_told_again_stays() -> None:
    stream, progress = live()
    progress.status(done=41, best=123.456789)
    progress.status(pruned=2)
    (line,) = screen(stream.getvalue())
    assert line == "41 done, 0 running, 2 pruned | best 123.46"


def test_an_unknown_status_is_refused() -> None:
    _, progress = live()
    with pytest.raises(UnknownNameError, match=r"unknown status 'runing'.*'running'"):
        progress.status(runing=1)


@pytest.mark.parametrize(("term", "lives"), [("xterm", True), ("dumb", False)])
def test_a_terminal_gets_a_live_line_unless_it_can_not(term: str, lives: bool) -> None:
    code = (
        "from autosynth.progress import Progress\n"
        "with Progress() as p:\n"
        "    p.trial(number=3, strategy='gru', state='complete', score=0.25)\n"
        "print('end')"
    )
    parent, child = pty.openpty()
    environment = {**os.environ, "TERM": term, "PYTHONPATH": str(ROOT), "COLUMNS": "80"}
    subprocess.run([sys.executable, "-c", code], stdout=child, env=environment, check=True)
    os.close(child)
    written = os.read(parent, 4096).decode()
    os.close(parent)
    assert ("1 done, 0 running" in written) is lives
    assert ("trial   3" in written) is not lives
    shown = screen(written)[:-1]
    assert shown[-1] == "end"
    assert len(shown) == (1 if lives else 2)


@pytest.mark.parametrize("live", [True, False])
def test_names_change_nothing_of_a_terminal(live: bool) -> None:
    stream = io.StringIO()
    name = "mlp@a\x1b[2J\r\u202eb"
    with Progress(stream, live=live) as progress:
        progress.say(f"input {name}\nof a table")
        progress.trial(number=1, strategy=name, state="complete", score=0.5, reason=name)
        progress.status(leader=name, best=0.9)
    written = stream.getvalue().replace("\x1b[K", "")
    if live:
        written = "".join(part for part in written.split("\r"))
    assert not {"\x1b", "\r", "\u202e"} & set(written)
    assert r"mlp@a\x1b[2J\r\u202eb" in written
