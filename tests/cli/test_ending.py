"""How a process of the command line ends when its reader or its user has had enough."""

import fcntl
import os
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

Flowers = Callable[[int], pd.DataFrame]
Process = Callable[..., "subprocess.Popen[str]"]


def test_a_reader_that_goes_away_is_no_error(process: Process) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    asked = process("-m", "autosynth", "datasets", stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    _, message = asked.communicate(timeout=120)
    assert message == ""
    assert asked.returncode == 141


@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="needs a pipe of known size")
def test_ctrl_c_ends_quietly(process: Process, here: Path) -> None:
    wide = pd.DataFrame({f"{'long' * 50}{i}x": [row / 2 for row in range(40)] for i in range(50)})
    wide.to_csv(here / "wide.csv", index=False)
    asked = process(
        "-m", "autosynth", "inspect", "wide.csv", "--target", wide.columns[0],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, pipesize=4096,
    )  # fmt: skip
    assert asked.stdout is not None
    deadline = time.monotonic() + 120
    while waiting(asked.stdout.fileno()) < 4096 and time.monotonic() < deadline:
        assert asked.poll() is None
        time.sleep(0.02)
    asked.send_signal(signal.SIGINT)  # it waits for its reader, who has not read so far
    time.sleep(0.1)
    out, message = asked.communicate(timeout=120)
    assert asked.returncode == 130
    assert message == ""
    assert "fingerprint" not in out  # the last line: it was in the middle of its work


@pytest.mark.slow
def test_a_search_that_is_broken_off_shows_what_is_done_and_goes_on(
    process: Process, flowers: Flowers, here: Path
) -> None:
    flowers(400).to_csv(here / "flowers.csv", index=False)
    asked = ["-m", "autosynth", "search", "flowers.csv", "--target", "kind", "--space", "small"]
    search = process(
        *asked, "--trials", "500", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        OMP_NUM_THREADS="1",
    )  # fmt: skip
    folder = here / "results" / "flowers-1"
    deadline = time.monotonic() + 240
    while len(list(folder.glob("trials/*/weights.safetensors"))) < 2:
        assert search.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    search.send_signal(signal.SIGINT)
    out, message = search.communicate(timeout=120)
    assert search.returncode == 130, message
    assert "broken off: making the leaderboard of what is done\nrank " in out
    assert out.endswith("broken off: the same command goes on with this run\n")
    assert (folder / "leaderboard.md").exists()
    assert (folder / "bundle" / "model.json").exists()
    again = process(*asked, "--trials", "1", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, message = again.communicate(timeout=240)
    assert again.returncode == 0, message
    assert "broken off" not in out
    assert [path.name for path in (here / "results").iterdir()] == ["flowers-1"]


def waiting(pipe: int) -> int:
    """The bytes that stand in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))
    return int(count)
