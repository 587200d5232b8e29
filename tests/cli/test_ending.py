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


def waiting(pipe: int) -> int:
    """The bytes that stand in a pipe."""
    (count,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"    "))
    return int(count)
