"""What is written is whole, or not there."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autosynth.atomic import atomic_path, unwritable, write_text_atomic

ROOT = Path(__file__).parents[1]
# Each of its steps refused once, and with all that follow: a line says what was raised.
REFUSED = """
import os, sys
from pathlib import Path
from autosynth.atomic import write_text_atomic
from autosynth.errors import RunError
for goes_on in "01":
    for at in range(1, 8):
        place = Path(sys.argv[1]) / goes_on / str(at)
        (place / "disk").mkdir(parents=True)
        (place / "disk/board.csv").write_text("old")
        (place / "count").write_bytes(bytes(8))
        if os.fork() == 0:
            os.environ |= {
                "REFUSE_UNDER": str(place / "disk"), "REFUSE_COUNT": str(place / "count"),
                "REFUSE_LOG": str(place / "log"), "REFUSE_AT": str(at), "REFUSE_ON": goes_on,
                "REFUSE_ERRNO": sys.argv[2],
            }
            try:
                write_text_atomic(place / "disk/board.csv", "new")
            except RunError as problem:
                print(problem, flush=True)
            os._exit(0)
        os.wait()
"""


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a" / "board.csv"
    write_text_atomic(path, "old\n")

    def half() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("ne")
            raise KeyboardInterrupt("ctrl-c")

    with pytest.raises(KeyboardInterrupt, match="ctrl-c"):
        half()
    assert path.read_text() == "old\n"
    assert [file.name for file in path.parent.iterdir()] == ["board.csv"]


@pytest.fixture(scope="module")
def refuse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that has chosen writes of a process fail."""
    if sys.platform != "linux" or (compiler := shutil.which("cc")) is None:
        pytest.skip("needs Linux and a C compiler")
    made = tmp_path_factory.mktemp("refuse") / "refuse.so"
    source = ROOT / "tests/benchmarks/refuse.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", made, source, "-ldl"], check=True)
    return made


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_each_step_of_a_write_may_be_refused(number: int, refuse: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, str(tmp_path), str(number)],
        env={"PYTHONPATH": str(ROOT), "LD_PRELOAD": str(refuse)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    steps = 0
    for place in sorted(tmp_path.glob("[01]/*")):
        steps += len((place / "log").read_text().splitlines()) >= int(place.name)
        removes = number == errno.ENOSPC or place.parent.name == "0"
        left = [path.read_text() for path in (place / "disk").iterdir()]
        assert {"old"} <= {*left} or left == ["new"]
        assert len(left) == 1 or not removes
    said = done.stdout.splitlines()
    assert steps >= 2 * 5  # made, written, flushed, renamed, its folder flushed
    assert [text.startswith("cannot write") for text in said] == [True] * len(said)
    assert len(said) >= 2 * 5


def test_where_no_more_files_may_be_open_the_folder_is_not_to_blame(tmp_path):
    told = str(unwritable(tmp_path / "front.png", OSError(errno.EMFILE, "Too many open files")))
    assert "front.png" in told
    assert "ulimit -n" in told
    assert "--out" not in told
