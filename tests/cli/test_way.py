"""The way from a search on the command line to predictions."""

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import shlex
import struct
import termios
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest

from autosynth.bundle.model import load
from autosynth.cli import main
from autosynth.cli.model import put_predictions
from autosynth.data.source.memory import Batching
from autosynth.record import read_all

Capture = pytest.CaptureFixture[str]
Flowers = Callable[[int], pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Searched:
    """A search that came to its end: where it was started, and what it printed."""

    home: Path
    printed: str


@pytest.fixture(scope="module")
def searched(
    flowers: Flowers, short_schedules: None, tmp_path_factory: pytest.TempPathFactory
) -> Searched:
    home = tmp_path_factory.mktemp("home")
    flowers(2400).to_csv(home / "flowers.csv", index=False)
    flowers(40).drop(columns="kind").to_csv(home / "new.csv", index=False)
    printed = io.StringIO()
    asked = "search flowers.csv --target kind --space small --trials 2"
    with contextlib.chdir(home), contextlib.redirect_stdout(printed):
        assert main(asked.split()) == 0
    return Searched(home=home, printed=printed.getvalue())


@pytest.fixture
def run(searched: Searched, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the run, as it is typed in the folder where the search was started."""
    monkeypatch.chdir(searched.home)
    return Path("results/flowers-1")


def printed(args: str, capsys: Capture) -> str:
    assert main(shlex.split(args)) == 0
    return capsys.readouterr().out


def test_search_tells_what_it_understood_did_and_found(searched: Searched, run: Path) -> None:
    text = searched.printed
    data, trials, board = (text.index(s) for s in ("kind: classification", "trial   2", "rank  "))
    assert data < trials < board
    assert re.search(
        r"^ *1 [* ]  \S", text, re.MULTILINE
    )  # one on the front may be as good, for less
    assert re.search(r"bundle .*\n +\S.*; test accuracy [01]\.\d{4}", text)
    assert "omposing paid" in text
    assert (run / "leaderboard.csv").exists()
    for name in ("front.png", "bundle"):
        assert f"{run / name}\n" in text
        assert (run / name).exists()


def test_what_search_says_to_type_next_works(searched: Searched, run: Path) -> None:
    following = searched.printed.partition("\nnext\n")[2].splitlines()
    assert len(following) == 3
    for line in following:
        command, *args = shlex.split(line.replace("DATA", "new.csv"), comments=True)
        assert command == "autosynth"
        assert main(args) == 0
    assert len(pd.read_csv("preds.csv")) == 40
    assert Path("model/model.pt2").exists()


def test_leaderboard_of_the_latest_run_in_every_format(run: Path, capsys: Capture) -> None:
    table = printed("leaderboard", capsys)
    assert table == printed(f"leaderboard {run}", capsys)
    assert table.startswith("rank  strategy")
    assert "omposing paid" in table.splitlines()[-1]
    board = pd.read_csv(io.StringIO(printed("leaderboard --format csv", capsys)))
    assert list(board["trial"]) == [
        row["trial"] for row in json.loads(printed("leaderboard --format json", capsys))
    ]
    assert printed("leaderboard --format markdown", capsys).count("\n") == len(board) + 2
    front = pd.read_csv(io.StringIO(printed("leaderboard --format csv --pareto", capsys)))
    assert 0 < len(front) < len(board)
    assert set(front["pareto"]) == {1}
    text = printed("leaderboard --format csv --sort params", capsys)
    assert pd.read_csv(io.StringIO(text))["params"].dropna().is_monotonic_increasing


def test_on_a_terminal_the_leaderboard_fits_its_width(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "84")
    parent, child = pty.openpty()
    fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("4H", 24, 84, 0, 0))
    written = bytearray()

    def read() -> None:
        with contextlib.suppress(OSError):  # how a terminal says that its other end is closed
            while chunk := os.read(parent, 4096):
                written.extend(chunk)

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(child, "w") as terminal, contextlib.redirect_stdout(terminal):
        assert main(["leaderboard"]) == 0
    reader.join()
    lines = written.decode().splitlines()
    os.close(parent)
    assert lines[0].startswith("rank  strategy")
    assert max(map(len, lines)) <= 84


def test_predictions_have_the_users_own_names(
    flowers: Flowers, run: Path, capsys: Capture
) -> None:
    text = printed(f"predict {run}/bundle new.csv", capsys)
    found = pd.read_csv(io.StringIO(text))
    assert list(found.columns) == ["row", "prediction", "proba_rose", "proba_tulip"]
    assert list(found["row"]) == list(range(40))
    assert (found["prediction"] == flowers(40)["kind"]).mean() > 0.9
    assert (found[["proba_rose", "proba_tulip"]].sum(axis=1) - 1).abs().max() < 1e-5
    assert "2400 predictions" in printed(f"predict {run}/bundle flowers.csv -o more/p.csv", capsys)
    assert len(pd.read_csv("more/p.csv")) == 2400


def test_a_table_too_large_for_memory_is_predicted_part_by_part(
    run: Path, capsys: Capture
) -> None:
    whole = printed(f"predict {run}/bundle new.csv", capsys)
    parts = list(load(f"{run}/bundle").predict_parts("new.csv", Batching(most_bytes=240)))
    assert [len(part) for part in parts] == [15, 15, 10]
    put_predictions(parts, None)
    assert capsys.readouterr().out == whole
    put_predictions(parts, "parts.csv")
    assert capsys.readouterr().out == "40 predictions in parts.csv\n"
    assert Path("parts.csv").read_text() == whole


def test_what_cannot_be_predicted_leaves_no_file(
    flowers: Flowers, run: Path, capsys: Capture
) -> None:
    flowers(60).drop(columns="petal").to_csv("no_petal.csv", index=False)
    assert main(["predict", f"{run}/bundle", "no_petal.csv", "-o", "none.csv"]) == 2
    assert "petal" in capsys.readouterr().err
    assert not Path("none.csv").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--pick 9999", "no trial 9999"),
        ("--pick bets", "best, cheapest, knee or the number of a trial"),
        ("--pick 0", "trial 0 is a baseline"),
        ("--max-flops 1", "at most 1 FLOPs"),
        ("--format pt2,onxx", "unknown format 'onxx' (--format); valid: pt2, onnx"),
    ],
)
def test_what_cannot_be_picked_is_not_exported(
    options: str, words: str, run: Path, capsys: Capture
) -> None:
    assert main(shlex.split(f"export {run} -o nothing {options}")) == 2
    assert words in capsys.readouterr().err
    assert not Path("nothing").exists()


def test_an_export_does_not_replace_that_of_another_trial(run: Path, capsys: Capture) -> None:
    done = [r.trial for r in read_all(run) if r.kind == "strategy" and r.state == "complete"]
    first, other = (f"export {run} -o chosen --pick {trial}" for trial in done[:2])
    assert "chosen" in printed(first, capsys)
    assert "chosen" in printed(first, capsys)
    assert main(shlex.split(other)) == 2
    assert "replaced with --force" in capsys.readouterr().err
    assert load("chosen").info.card.trial == done[0]
    printed(f"{other} --force", capsys)
    assert load("chosen").info.card.trial == done[1]


def test_an_export_has_the_forms_that_are_asked_for_and_is_verified(
    run: Path, capsys: Capture
) -> None:
    pytest.importorskip("onnxscript")
    printed(f"export {run} -o both --format onnx,pt2", capsys)
    text = printed("verify both", capsys)
    assert "is as it was written: " in text
    assert "model.onnx, model.pt2" in text
    with Path("both/encoders.json").open("a") as file:
        file.write(" ")
    assert main(["verify", "both"]) == 2
    assert "encoders.json is not what was written. Copy" in capsys.readouterr().err


def test_report_makes_the_files_of_a_run_again(run: Path, capsys: Capture) -> None:
    names = ("leaderboard.csv", "leaderboard.md", "front.png")
    before = (run / "leaderboard.csv").read_text()
    for name in names:
        (run / name).unlink()
    listed = printed("report", capsys).splitlines()
    assert listed == [str(run / name) for name in names]
    assert (run / "front.png").stat().st_size > 10_000
    assert (run / "leaderboard.csv").read_text() == before


def test_a_run_of_other_data_is_left_alone(run: Path, capsys: Capture) -> None:
    before = sorted(run.rglob("*"))
    assert main(["search", "iris", "--trials", "1", "--out", str(run)]) == 2
    assert "belongs to another request" in capsys.readouterr().err
    assert sorted(run.rglob("*")) == before


def test_train_makes_a_bundle_of_one_strategy(run: Path, capsys: Capture) -> None:
    text = printed(
        "train flowers.csv --target kind --strategy 'mlp[width=8, depth=1] | lr=0.01' "
        "--epochs 15 --out one", capsys
    )  # fmt: skip
    rows = [line.split() for line in text.splitlines()]
    assert ["metric", "val", "test"] in rows
    (accuracy,) = (row for row in rows if row[:1] == ["accuracy"])
    assert all(float(score) > 0.9 for score in accuracy[1:])
    assert len(printed("predict one new.csv", capsys).splitlines()) == 41
