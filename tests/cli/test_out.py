"""Where text goes: to a terminal without what would change it, and to files of every make."""

import io
import os
import pty
import shutil
import subprocess
import threading
from collections.abc import Callable
from contextlib import redirect_stdout, suppress
from pathlib import Path

import pandas as pd
import pytest

from autosynth.atomic import atomic_path, write_text_atomic
from autosynth.cli import main
from autosynth.cli.model import put_predictions, spreadsheet_safe
from autosynth.cli.text import columns, put, put_prose, put_text, tell
from autosynth.errors import RunError

Capture = pytest.CaptureFixture[str]
Process = Callable[..., "subprocess.Popen[str]"]
GOLDEN = Path(__file__).parents[1] / "golden" / "table_text_multiclass"
BUNDLE, ROWS = str(GOLDEN / "bundle"), str(GOLDEN / "input.csv")
ESCAPE, BIDI = "\x1b[2J\x1b[31mred", "a\u202eb"
CONTROLS = {"\x1b", "\r", "\x07", "\x9b", "\u202e", "\u2066", "\u200f"}


@pytest.fixture
def hostile(here: Path) -> str:
    """A table whose columns and classes are called by control characters."""
    names = [f"{ESCAPE}\r", BIDI, "\x9b31m\x07"]
    rows = [f"{i % 7 / 3},{i % 5},w{i % 3},{(ESCAPE, BIDI)[i % 2]}" for i in range(60)]
    text = ",".join([*(f'"{name}"' for name in names), "y"]) + "\n" + "\n".join(rows) + "\n"
    (here / "t.csv").write_text(text, encoding="utf-8", newline="")
    return "t.csv"


def test_inspect_shows_names_as_escapes(hostile: str, capsys: Capture) -> None:
    assert main(["inspect", hostile, "--target", "y"]) == 0
    said = capsys.readouterr()
    assert not CONTROLS & set(said.out + said.err)
    assert r"\x1b[2J" in said.out
    assert r"a\u202eb" in said.out


@pytest.mark.parametrize("column", [ESCAPE, BIDI, "\x9b31m", "a\rb", "\udcff"])
def test_errors_show_names_as_escapes(hostile: str, capsys: Capture, column: str) -> None:
    assert main(["inspect", hostile, "--target", f"{column}!"]) == 2
    said = capsys.readouterr().err
    assert not CONTROLS & set(said)
    assert ascii(column)[1:-1] in said.replace("\\\\", "\\")


def test_lines_of_the_command_line(capsys: Capture) -> None:
    put(f"one {ESCAPE}\nline")
    put_text(f"two\nlines {BIDI}\n")
    put_prose(f"a sentence {ESCAPE}")
    tell(f"warning: {BIDI}")
    put(*columns([("a\rb", "2"), ("abcd", "3")]))
    said = capsys.readouterr()
    assert not CONTROLS & set(said.out + said.err)
    assert said.out.splitlines() == [
        r"one \x1b[2J\x1b[31mred\nline",
        "two",
        r"lines a\u202eb",
        r"a sentence \x1b[2J\x1b[31mred",
        r"a\rb  2",
        "abcd  3",
    ]


def test_data_for_programs_stay_as_they_are(capsys: Capture) -> None:
    put_text(f"{BIDI}\tx\n", is_data=True)
    assert capsys.readouterr().out == f"{BIDI}\tx\n"


def _on_terminal(*args: str) -> str:
    """What a command writes to a terminal."""
    ours, theirs = pty.openpty()
    found: list[bytes] = []

    def listen() -> None:
        with suppress(OSError):  # the end, as Linux says it
            while piece := os.read(ours, 65_536):
                found.append(piece)

    reader = threading.Thread(target=listen, daemon=True)
    reader.start()
    with open(theirs, "w", encoding="utf-8") as terminal, redirect_stdout(terminal):  # noqa: PTH123
        assert main(list(args)) == 0
    reader.join(timeout=20)
    os.close(ours)
    return b"".join(found).decode()


def test_predictions_on_a_terminal(here: Path) -> None:
    bundle = here / "bundle"
    shutil.copytree(BUNDLE, bundle)
    model = (bundle / "model.json").read_text(encoding="utf-8")
    assert '"good"' in model
    (bundle / "model.json").write_text(model.replace('"good"', r'"\u001b[31mgood"'))
    said = _on_terminal("predict", str(bundle), ROWS)
    assert r"\x1b[31mgood" in said
    assert "\x1b" not in said


@pytest.fixture(scope="module")
def predictions() -> str:
    """Of the bundle, as a file holds them."""
    with redirect_stdout(io.StringIO()) as out:
        assert main(["predict", BUNDLE, ROWS]) == 0
    return out.getvalue()


def test_a_link_stays_and_its_file_is_written(here: Path, predictions: str) -> None:
    (here / "far").mkdir()
    real, link, dangling = here / "far" / "p.csv", here / "link.csv", here / "new.csv"
    real.write_text("old\n")
    real.chmod(0o640)
    link.symlink_to(real)
    dangling.symlink_to(here / "far" / "q.csv")
    for out in (link, dangling):
        assert main(["predict", BUNDLE, ROWS, "-o", str(out)]) == 0
        assert out.is_symlink()
        assert out.read_text() == predictions
    assert real.stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in (here / "far").iterdir()) == ["p.csv", "q.csv"]


def test_a_pipe_with_a_name_is_written_to(here: Path, predictions: str) -> None:
    pipe, got = here / "pipe", list[str]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main(["predict", BUNDLE, ROWS, "-o", str(pipe)]) == 0
    reader.join(timeout=20)
    assert got == [predictions]
    assert pipe.is_fifo()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_standard_output_by_its_name_holds_nothing_else(
    process: Process, here: Path, predictions: str, command: str
) -> None:
    args, wanted = [command, BUNDLE, ROWS], predictions
    if command == "evaluate":
        rows = pd.read_csv(ROWS)
        rows.assign(queue=pd.read_csv(GOLDEN / "bundle.csv")["prediction"]).to_csv("rows.csv")
        args = [command, BUNDLE, "rows.csv", "--format", "csv"]
        assert main([*args, "-o", "wanted.csv"]) == 0
        wanted = (here / "wanted.csv").read_text()
    with process("-m", "autosynth", *args, "-o", "/dev/stdout", stdout=subprocess.PIPE) as ran:
        out, _ = ran.communicate()
    assert ran.returncode == 0
    assert out == wanted


def test_a_device_stays_a_device(here: Path, capsys: Capture) -> None:
    assert main(["predict", BUNDLE, ROWS, "-o", "/dev/null"]) == 0
    assert "predictions in /dev/null" in capsys.readouterr().out
    assert Path("/dev/null").is_char_device()


def test_a_pipe_that_nobody_reads_to_its_end(here: Path) -> None:
    with atomic_path(here / "new.txt") as path:
        path.write_text("whole")
    assert (here / "new.txt").read_text() == "whole"
    write_text_atomic(Path("/dev/null"), "nothing")
    with pytest.raises(RunError, match="cannot write .*name a folder you may write"):
        write_text_atomic(here / "new.txt" / "inside", "nothing")


def test_predictions_safe_for_a_spreadsheet(here: Path, capsys: Capture) -> None:
    bundle = here / "bundle"
    shutil.copytree(BUNDLE, bundle)
    model = (bundle / "model.json").read_text(encoding="utf-8")
    (bundle / "model.json").write_text(model.replace('"good"', '"=cmd()"'))
    assert main(["predict", str(bundle), ROWS]) == 0
    plain = capsys.readouterr().out
    assert main(["predict", str(bundle), ROWS, "--spreadsheet-safe"]) == 0
    safe = capsys.readouterr().out
    assert "=cmd()" in plain
    assert "'=cmd()" not in plain
    assert safe.replace("'=cmd()", "=cmd()") == plain
    assert not any(cell.startswith("=") for line in safe.splitlines() for cell in line.split(","))


def test_what_a_spreadsheet_takes_for_a_formula(capsys: Capture) -> None:
    texts = ["=1+1", "+x", "-x", "@x", "\t=1", "-1", "+1.5", "-1e5", "x=1", "'=1", ""]
    frame = pd.DataFrame({"=title": texts, "n": range(-5, 6)}, index=pd.Index(texts, name="+id"))
    put_predictions([spreadsheet_safe(frame)], None)
    found = pd.read_csv(io.StringIO(capsys.readouterr().out), keep_default_na=False, dtype=str)
    assert list(found) == ["'+id", "'=title", "n"]
    wanted = ["'=1+1", "'+x", "'-x", "'@x", "'\t=1", *texts[5:]]
    assert found["'=title"].tolist() == found["'+id"].tolist() == wanted
    assert found["n"].tolist() == [str(n) for n in range(-5, 6)]
    several = frame.set_index(["=title", "n"], append=True)
    put_predictions([spreadsheet_safe(several.assign(y=1))], None)
    assert not capsys.readouterr().out.startswith(("=", "+"))
