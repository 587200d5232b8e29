"""`autosynth evaluate`: what it prints, in each format, and what it refuses."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autosynth.cli import main

Capture = pytest.CaptureFixture[str]
Flowers = Callable[[int], pd.DataFrame]


@pytest.fixture(scope="module")
def bundle(flowers: Flowers, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model of flowers, in the folder of a run."""
    folder = tmp_path_factory.mktemp("run")
    flowers(60).to_csv(folder / "old.csv", index=False)
    asked = ["train", str(folder / "old.csv"), "--target", "kind", "--strategy", "mlp"]
    assert main([*asked, "--epochs", "30", "-o", str(folder / "bundle")]) == 0
    return folder


@pytest.fixture
def new(flowers: Flowers, here: Path) -> pd.DataFrame:
    frame = flowers(40)
    frame["kind"] = frame["kind"].astype(object)
    frame.loc[0, "kind"], frame.loc[1, "kind"] = "lily", None
    frame.to_csv(here / "new.csv", index=False)
    return frame


def test_the_table_reads_well(bundle: Path, new: pd.DataFrame, capsys: Capture) -> None:
    assert main(["evaluate", str(bundle), "new.csv", "--corrupt"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert lines[0] == "38 rows of new.csv"
    assert "left out: 1 rows without a value of 'kind'" in lines
    assert "left out: 1 rows of a class of 'kind' that the model never saw ('lily')" in lines
    assert any(line.split()[:2] == ["accuracy", "1.0000"] for line in lines)
    at = lines.index("confusion: a row a true class, a column a predicted one")
    assert [line.split() for line in lines[at + 1 : at + 4]] == [
        ["rose", "tulip", "right"], ["rose", "19", ".", "100%"], ["tulip", ".", "19", "100%"],
    ]  # fmt: skip
    at = lines.index("accuracy under damage, by severity; 38 rows")
    assert lines[at + 1].split() == [
        "input", "damage", "clean", "1", "2", "3", "4", "5", "left", "at", "5"
    ]  # fmt: skip
    assert [line.split()[:3] for line in lines[at + 2 :]] == [
        ["table", "missing", "1.0000"], ["table", "noise", "1.0000"],
    ]  # fmt: skip
    assert max(map(len, lines)) <= 99


def test_csv_and_json_hold_everything(bundle: Path, new: pd.DataFrame, capsys: Capture) -> None:
    asked = ["evaluate", str(bundle), "new.csv", "--corrupt", "--format"]
    assert main([*asked, "csv"]) == 0
    out, told = capsys.readouterr()
    frame = pd.read_csv(io.StringIO(out))
    assert "left out: 1 rows" in told
    assert len(frame[frame["severity"] == 0]) == frame["metric"].nunique()
    assert set(frame["severity"]) == {0, 1, 2, 3, 4, 5}
    assert main([*asked, "json", "-o", "found.json"]) == 0
    assert "accuracy 1.0000 on 38 rows; all of it in found.json" in capsys.readouterr().out
    found = json.loads(Path("found.json").read_text())
    assert found["targets"][0]["confusion"] == {
        "classes": ["rose", "tulip"], "rows": [[19, 0], [0, 19]]
    }  # fmt: skip
    noisy = frame[(frame["corruption"] == "noise") & (frame["metric"] == "accuracy")]
    robust = [each for each in found["robustness"] if each["corruption"] == "noise"]
    assert [each["accuracy"] for each in robust] == pytest.approx(list(noisy["score"]))


def test_many_classes_are_shown_by_their_errors(
    flowers: Flowers, here: Path, capsys: Capture
) -> None:
    flowers(150).assign(kind=[f"k{i % 15}" for i in range(150)]).to_csv("many.csv", index=False)
    asked = ["train", "many.csv", "--target", "kind", "--strategy", "mlp", "--epochs", "1"]
    assert main([*asked, "-o", "model"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "model", "many.csv"]) == 0
    out = capsys.readouterr().out
    assert "confusion: the 10 of 15 classes with the most errors" in out
    assert "warning: many.csv is the data that the model was trained on" in out
    assert "others" in out


BAD: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "no label": (("plain.csv",), ("'kind' is no column of plain.csv", "--target")),
    "named otherwise": (("plain.csv", "--target", "sort"), ("'sort'", "petal, leaf")),
    "unknown alone": (("strange.csv",), ("no row of strange.csv", "'lily'", "knows 'rose'")),
    "columns": (("narrow.csv",), ("narrow.csv lacks 1 columns", "leaf")),
    "two targets": (("new.csv", "--target", "kind", "--target", "size"), ("has 1 columns",)),
    "no data": (("nowhere.csv",), ("'nowhere.csv'", "neither a path")),
    "format": (("new.csv", "--format", "xml"), ("'xml'", "table, csv, json")),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_with_one_message(
    case: str, bundle: Path, new: pd.DataFrame, capsys: Capture
) -> None:
    new.drop(columns="kind").to_csv("plain.csv", index=False)
    new.assign(kind="lily").to_csv("strange.csv", index=False)
    new.drop(columns="leaf").to_csv("narrow.csv", index=False)
    args, words = BAD[case]
    if case == "two targets":
        new.assign(size=1.0).to_csv("new.csv", index=False)
    capsys.readouterr()
    assert main(["evaluate", str(bundle), *args]) == 2
    message = capsys.readouterr().err
    assert message.startswith("autosynth: ")
    for word in words:
        assert word in message


def test_a_folder_that_holds_no_bundle_is_refused(new: pd.DataFrame, capsys: Capture) -> None:
    assert main(["evaluate", ".", "new.csv"]) == 2
    assert "lacks model.json" in capsys.readouterr().err
