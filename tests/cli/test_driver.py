"""One run, one driver, from its first second on: what is killed, locked out, or out of disk."""

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest

from autosynth.cli.entry import interrupts
from autosynth.cli.run import exit_code
from autosynth.record import Record, read_records, write_record
from autosynth.run import Run
from autosynth.run.lock import is_locked

Flowers = Callable[[int], pd.DataFrame]
Process = Callable[..., "subprocess.Popen[str]"]
SEARCH = (
    *("-m", "autosynth", "search", "flowers.csv", "--target", "kind", "--space", "small"),
    *("--no-refit", "--trials"),
)
PIPES = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
RUN = Path("results/flowers-1")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_to_end_is_an_interrupt_while_a_command_runs(name: str) -> None:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)  # tests may run where it is ignored
    try:
        with pytest.raises(KeyboardInterrupt), interrupts():  # noqa: PT012 - which, is open
            os.kill(os.getpid(), number)
            time.sleep(10)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, before)


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interrupts():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(("state", "code"), [("complete", 0), ("cut", 0), ("failed", 3)])
def test_a_search_that_fitted_nothing_has_an_exit_code_of_its_own(
    tmp_path: Path, state: str, code: int
) -> None:
    record = Record(trial=0, seed=0, kind="baseline", strategy="majority", state="failed")
    write_record(record, tmp_path)
    write_record(Record(trial=1, seed=0, strategy="mlp", state=state), tmp_path)  # type: ignore[arg-type]
    assert exit_code(Run(tmp_path)) == code


def until(search: "subprocess.Popen[str]", there: Callable[[], bool]) -> None:
    """Wait until something is there that a search makes."""
    deadline = time.monotonic() + 240
    while not there():
        assert search.poll() is None, search.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def strays(folder: Path) -> list[str]:
    """What a run that came to its end should not hold."""
    names = [path.name for path in folder.rglob("*")]
    return [n for n in names if n.startswith(".") or n.endswith((".lock.tmp", ".damaged"))]


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGTERM])
def test_what_is_killed_in_its_first_seconds_goes_on(
    process: Process, flowers: Flowers, here: Path, sign: int
) -> None:
    flowers(200).to_csv(here / "flowers.csv", index=False)
    moments: list[Callable[[], bool]] = [
        RUN.is_dir,
        (RUN / "run.toml").is_file,
        lambda: len(list(RUN.glob("trials/*/record.json"))) > 0,
        (RUN / "data.json").is_file,
        lambda: len(list(RUN.glob("trials/*/weights.safetensors"))) > 0,
    ]
    for moment in moments:
        search = process(*SEARCH, "500", **PIPES)  # of two it would have ended by itself
        # Before it is locked it may not have begun to listen: what runs before is still there.
        until(search, lambda moment=moment: moment() and is_locked(RUN))  # type: ignore[misc]
        before, _ = read_records(RUN)
        search.send_signal(sign)
        _, message = search.communicate(timeout=120)
        assert search.returncode == (-sign if sign == signal.SIGKILL else 130), message
        assert "Traceback" not in message
        after, damage = read_records(RUN)
        assert damage == []
        assert {r.trial for r in before} <= {r.trial for r in after}
    search = process(*SEARCH, "2", **PIPES)
    out, message = search.communicate(timeout=240)
    assert search.returncode == 0, message
    assert "warning: trial" not in out
    assert [path.name for path in Path("results").iterdir()] == ["flowers-1"]
    assert strays(RUN) == []
    records = [r for r in read_records(RUN)[0] if r.state == "complete"]
    names = [r.canonical or r.strategy for r in records]
    assert len(names) == len(set(names))
    assert (RUN / "bundle" / "model.json").is_file()


@pytest.mark.slow
def test_a_second_command_is_told_who_runs(process: Process, flowers: Flowers, here: Path) -> None:
    flowers(200).to_csv(here / "flowers.csv", index=False)
    first = process(*SEARCH, "500", **PIPES)
    until(first, lambda: len(list(RUN.glob("trials/*/weights.safetensors"))) > 0)
    for more in ((), ("--out", str(RUN))):
        second = process(*SEARCH, "500", *more, **PIPES)
        _, message = second.communicate(timeout=120)
        assert second.returncode == 2
        assert f"already running in 'results/flowers-1' (process {first.pid} on " in message
    board = process("-m", "autosynth", "leaderboard", str(RUN), **PIPES)
    board.communicate(timeout=120)  # and not `wait`, which leaves the pipes open
    assert board.returncode == 0
    first.send_signal(signal.SIGHUP)
    out, message = first.communicate(timeout=120)
    assert first.returncode == 130, message
    assert out.endswith("broken off: the same command goes on with this run\n")
    assert not [r for r in read_records(RUN)[0] if r.state == "failed"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [300, 3_000, 9_000, 20_000])
def test_a_file_too_large_for_the_disk_is_told_and_the_rest_goes_on_later(
    process: Process, flowers: Flowers, here: Path, size: int
) -> None:
    """The kernel refuses all that is larger: records, encoders, weights or the journal."""
    flowers(200).to_csv(here / "flowers.csv", index=False)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        search = process(*SEARCH, "3", **PIPES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    _, message = search.communicate(timeout=240)
    assert search.returncode == 2
    assert "Traceback" not in message
    assert "File too large; free some space" in message
    assert read_records(RUN)[1] == [] if RUN.is_dir() else True
    assert not [path for path in here.rglob(".*") if path.suffix != ".csv"]
    again = process(*SEARCH, "3", **PIPES)
    out, message = again.communicate(timeout=240)
    assert again.returncode == 0, message
    assert strays(RUN) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("which", "least", "told"),
    [("RLIMIT_NOFILE", 5, "ulimit -n"), ("RLIMIT_NOFILE", 8, "ulimit -n"),
     ("RLIMIT_AS", 400 * 2**20, "the memory does not suffice")],
)  # fmt: skip
def test_a_machine_that_lacks_files_or_memory_is_told(
    process: Process, flowers: Flowers, here: Path, which: str, least: int, told: str
) -> None:
    """The first of them, that the libraries are loaded: what fails is none of our lines."""
    flowers(200).to_csv(here / "flowers.csv", index=False)
    number = getattr(resource, which)
    code = (
        f"import resource, sys; resource.setrlimit({number}, ({least}, {least}))\n"
        "from autosynth.cli import main; sys.exit(main())"
    )
    search = process("-c", code, *SEARCH[2:], "2", **PIPES)
    _, message = search.communicate(timeout=240)
    assert search.returncode == 2, message
    assert "Traceback" not in message
    assert told in message


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_end_ends_the_workers_too(
    process: Process, flowers: Flowers, here: Path, sign: int
) -> None:
    flowers(200).to_csv(here / "flowers.csv", index=False)
    search = process(*SEARCH, "500", "--workers", "2", **PIPES, AUTOSYNTH_TEST=str(here))
    until(search, lambda: len(list(RUN.glob("trials/*/weights.safetensors"))) > 0)
    search.send_signal(sign)
    _, message = search.communicate(timeout=120)
    assert search.returncode == 130, message
    assert "Traceback" not in message
    assert not [pid for pid in started_with(f"AUTOSYNTH_TEST={here}") if pid != search.pid]
    assert strays(RUN) == []


def started_with(variable: str) -> list[int]:
    """The processes that have a variable in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if variable.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:  # it has ended, or is another user's
            continue
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 150 kB of its own, where this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=150k", "none", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.slow
def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_room(
    process: Process, flowers: Flowers, here: Path, small_disk: Path
) -> None:
    flowers(200).to_csv(here / "flowers.csv", index=False)
    asked = (*SEARCH, "4", "--out", str(small_disk / "run"))
    search = process(*asked, **PIPES)
    _, message = search.communicate(timeout=240)
    assert search.returncode == 2
    assert "No space left on device; free some space" in message
    assert "Traceback" not in message
    assert not list(small_disk.rglob(".*"))
    before = {r.trial for r in read_records(small_disk / "run")[0]}
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    again = process(*asked, **PIPES)
    _, message = again.communicate(timeout=240)
    assert again.returncode == 0, message
    assert before <= {r.trial for r in read_records(small_disk / "run")[0]}


@pytest.mark.slow
def test_a_folder_that_vanishes_is_told_and_not_made_again(
    process: Process, flowers: Flowers, here: Path
) -> None:
    flowers(200).to_csv(here / "flowers.csv", index=False)
    search = process(*SEARCH, "500", **PIPES)
    until(search, lambda: len(list(RUN.glob("trials/*/weights.safetensors"))) > 0)
    RUN.rename("elsewhere")
    _, message = search.communicate(timeout=120)
    assert search.returncode == 2
    assert "Traceback" not in message
    assert "results/flowers-1" in message
    assert not (RUN / "run.toml").exists()
    shutil.rmtree(RUN, ignore_errors=True)  # but perhaps for the trial that was about to end
    shutil.move("elsewhere", RUN)
    again = process(*SEARCH, "2", "--out", str(RUN), **PIPES)
    _, message = again.communicate(timeout=240)
    assert again.returncode == 0, message
