"""What users saved with earlier versions opens as it did: bundles predict the same, runs show it.

The folders of tests/golden are of the code before the refactoring (see make.py there). Nothing is
trained here.
"""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autosynth
from autosynth.cli import main
from autosynth.errors import RunError
from autosynth.run import open_run

HERE = Path(__file__).parent / "golden"
CASES = (
    "audio_binary", "forecasting", "frames_binary", "image_multiclass", "image_table_regression",
    "ranking",
    "series_binary", "series_multiclass", "series_regression", "table_binary",
    "table_regression", "table_series_multilabel", "table_targets", "table_text_multiclass",
    "text_binary",
)  # fmt: skip
EXPORTED = "forecasting"  # whose bundle is of another trial than its run's best
SPECIAL = (
    "stack[mlp](", "weighted[fit](", "cascade[0.3](", "share=layers", "share=stem",
    "]@t0",  # a tag, as it is written once it is resolved
)  # fmt: skip


def new_rows(case: str) -> Path:
    """The rows to predict: a file, or a folder."""
    (path,) = (HERE / case).glob("input*")
    return path


def stored(case: str, name: str) -> dict[str, Any]:
    plain = json.loads((HERE / case / name / "model.json").read_text(encoding="utf-8"))
    assert isinstance(plain, dict)
    return plain


def check(found: str, wanted: str) -> None:
    """One CSV text as another, of which more columns may stand in `found`: numbers within 1e-4."""
    got, right = (pd.read_csv(io.StringIO(text)) for text in (found, wanted))
    assert len(got) == len(right)
    assert set(right) <= set(got)
    for name, values in right.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(got[name], values, rtol=1e-4, atol=1e-4, err_msg=str(name))
        else:
            pd.testing.assert_series_equal(got[name], values)


def check_predictions(bundle: Path, case: str, wanted: str) -> None:
    frame = autosynth.load(bundle).predict(new_rows(case))
    check(frame.to_csv(index_label=frame.index.name or "row"), (HERE / case / wanted).read_text())


def test_every_folder_is_looked_at() -> None:
    assert sorted(path.parent.name for path in HERE.glob("*/run")) == sorted(CASES)


def test_the_goldens_hold_what_is_saved_specially() -> None:
    bundles = [stored(case, name) for case in CASES for name in ("bundle", "run/bundle")]
    assert {bundle["format"] for bundle in bundles} == {3, 4}
    kinds = {spec["kind"] for bundle in bundles for spec in bundle["inputs"]}
    assert kinds == {"table", "image", "frames", "series", "text", "audio", "ids"}
    assert {bundle["target"]["task"] for bundle in bundles} == {
        *("classification", "regression", "multilabel", "multitask", "ranking", "forecasting")
    }
    scales = {scale["kind"] for bundle in bundles for scale in bundle["scales"]}
    assert scales == {"linear", "log", "quantile"}
    strategies = [stored(case, "bundle")["strategy_text"] for case in CASES]
    assert [mark for mark in SPECIAL if not any(mark in text for text in strategies)] == []
    calibrations = [bundle["calibration"] for bundle in bundles]
    assert any(each["temperature"] != 1.0 and not each["bias"] for each in calibrations)
    assert any(each["temperature"] != 1.0 and each["bias"] for each in calibrations)


# A row that is predicted has a town of which training had no other.
@pytest.mark.filterwarnings("ignore:column 'town'.* no category of the training")
@pytest.mark.parametrize("case", CASES)
def test_a_bundle_predicts_what_it_did(case: str) -> None:
    check_predictions(HERE / case / "bundle", case, "bundle.csv")


@pytest.mark.parametrize("case", CASES)
def test_the_command_predicts_with_a_run_what_it_did(case: str, tmp_path: Path) -> None:
    out = tmp_path / "predictions.csv"
    assert main(["predict", str(HERE / case / "run"), str(new_rows(case)), "-o", str(out)]) == 0
    check(out.read_text(), (HERE / case / "run.csv").read_text())


@pytest.mark.parametrize("case", CASES)
def test_a_run_shows_its_board(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    folder = HERE / case / "run"
    assert main(["leaderboard", str(folder), "--format", "csv"]) == 0
    board = (folder / "leaderboard.csv").read_text()
    check(capsys.readouterr().out, board)
    run = open_run(folder)
    assert run.finished
    first = pd.read_csv(io.StringIO(board)).query("topology != 'baseline'").iloc[0]
    assert run.best.trial == first["trial"] == stored(case, "run/bundle")["card"]["trial"]
    assert run.best.strategy == first["strategy"]
    assert "composing" in run.sentence.lower()


def test_a_report_is_made_again(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(HERE / EXPORTED / "run", tmp_path / "run"))
    wanted = (copy / "leaderboard.csv").read_text()
    (copy / "leaderboard.csv").unlink()
    assert main(["report", str(copy)]) == 0
    check((copy / "leaderboard.csv").read_text(), wanted)
    assert (copy / "front.png").stat().st_size > 10_000


def test_the_best_of_a_run_is_exported(tmp_path: Path) -> None:
    out = open_run(HERE / EXPORTED / "run").export(tmp_path / "out", pick="best")
    assert (out / "model.pt2").exists()
    check_predictions(out, EXPORTED, "run.csv")


def test_a_trial_of_a_run_is_exported_from_its_weights(tmp_path: Path) -> None:
    number = stored(EXPORTED, "bundle")["card"]["trial"]
    assert number != stored(EXPORTED, "run/bundle")["card"]["trial"]
    out = open_run(HERE / EXPORTED / "run").export(tmp_path / "out", pick=number)
    assert (out / "model.pt2").exists()
    check_predictions(out, EXPORTED, "bundle.csv")


def damaged(path: Path, how: str) -> None:
    whole = path.read_bytes()
    key = whole.split(b'"')[1] if path.suffix == ".json" else b"search"
    changed = {
        "key": whole.replace(key, key[::-1]),
        "cut off": whole[: len(whole) // 2 - 1],
        "no text": b"\xff" + whole,
        "empty": b"",
    }
    path.write_bytes(changed[how])


@pytest.mark.parametrize("name", ["state.json", "composing.json", "trials/000002/record.json"])
@pytest.mark.parametrize("how", ["key", "cut off", "no text", "empty"])
def test_a_damaged_file_of_a_run_is_done_without(tmp_path: Path, name: str, how: str) -> None:
    shutil.copytree(HERE / "table_text_multiclass" / "run", tmp_path / "run")
    before = open_run(tmp_path / "run").leaderboard
    damaged(tmp_path / "run" / name, how)
    run = open_run(tmp_path / "run")
    assert len(run.leaderboard) == len(before) - ("trials" in name)
    assert run.sentence
    assert run.finished == ("state" not in name)
    told = "\n".join(run.damage)
    assert ("trial 2 is damaged" in told) == ("trials" in name)
    assert ("composing.json is damaged" in told) == ("composing" in name and how != "key")


@pytest.mark.parametrize("how", ["key", "cut off", "no text", "empty"])
def test_a_damaged_request_of_a_run_is_named(tmp_path: Path, how: str) -> None:
    shutil.copytree(HERE / "table_text_multiclass" / "run", tmp_path / "run")
    damaged(tmp_path / "run" / "run.toml", how)
    with pytest.raises(RunError, match=r"run\.toml is damaged .*type its search again with --out"):
        repr(open_run(tmp_path / "run").metric)
