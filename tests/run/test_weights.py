"""Weights from the command line to the bundle: what is written, gone on with, and scored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

import autosynth
from autosynth.bundle import evaluate
from autosynth.cli import main
from autosynth.errors import RunError
from autosynth.run import train_strategy

LINEAR = "linear"


def rows(n: int = 900, seed: int = 0) -> pd.DataFrame:
    """A rare class that overlaps the other, and weights that go with a column."""
    rng = np.random.default_rng(seed)
    rare = rng.random(n) < 0.12
    return pd.DataFrame(
        {
            "a": rng.normal(size=n) + 1.2 * rare,
            "b": rng.normal(size=n),
            "w": rng.integers(1, 6, n),
            "kind": np.where(rare, "yes", "no"),
        }
    )


def recall(model: Any, frame: pd.DataFrame) -> float:
    found = model.predict(frame)["prediction"]
    return float((found[frame["kind"] == "yes"] == "yes").mean())


def test_balanced_classes_are_found_more_often(tmp_path: Path) -> None:
    frame, new = rows(), rows(seed=1)
    recalls, losses = [], []
    for number, more in enumerate(
        [{}, {"class_weight": "balanced"}, {"class_weight": {"yes": 3}}]
    ):
        trained = train_strategy(frame, LINEAR, target="kind", out=tmp_path / str(number), **more)
        model = autosynth.load(trained.folder)
        recalls.append(recall(model, new))
        losses.append(trained.test["neg_log_loss"])
        assert dict(model.info.card.class_weights).keys() == ({"no", "yes"} if more else set())
    assert recalls[1] > recalls[2] + 0.1 > recalls[0] + 0.2
    assert losses[1] < losses[0]  # and so are the probabilities other than those of the data
    card = (tmp_path / "1" / "card.md").read_text()
    assert "- weights of classes, in training alone: no 0.5" in card


def test_a_bundle_is_scored_by_weights_where_there_are_some(tmp_path: Path) -> None:
    frame, new = rows(), rows(seed=1)
    folder = train_strategy(frame, LINEAR, target="kind", weight="w", out=tmp_path / "m").folder
    model = autosynth.load(folder)
    assert model.info.card.weight == "w"
    assert "- weights of rows, in training and in scores: w" in (folder / "card.md").read_text()
    proba = model.predict(new.drop(columns=["w", "kind"]))["proba_yes"].to_numpy()
    found = evaluate(folder, new)
    expected = sk.roc_auc_score(new["kind"] == "yes", proba, sample_weight=new["w"])
    assert found.scores.loc["roc_auc", "score"] == pytest.approx(expected, abs=1e-6)
    assert (found.weight, found.to_plain()["weight"]) == ("w", "w")
    plain = evaluate(folder, new.drop(columns="w"))
    expected = sk.roc_auc_score(new["kind"] == "yes", proba)
    assert plain.scores.loc["roc_auc", "score"] == pytest.approx(expected, abs=1e-6)
    assert (plain.weight, "weight" in plain.to_plain()) == ("", False)
    robust = evaluate(folder, new, corrupt=True).robustness
    assert robust is not None
    assert robust.loc[0, "roc_auc"] == pytest.approx(found.scores.loc["roc_auc", "score"])


def test_scores_of_a_training_are_of_weighted_rows(tmp_path: Path) -> None:
    frame = rows()
    trained = train_strategy(frame, LINEAR, target="kind", weight="w", out=tmp_path / "m")
    data = autosynth.load_dataset(frame, target="kind", weight="w")
    test = frame.iloc[data.splits.test]
    proba = autosynth.load(trained.folder).predict(test)["proba_yes"].to_numpy()
    expected = sk.roc_auc_score(test["kind"] == "yes", proba, sample_weight=test["w"])
    assert trained.test["roc_auc"] == pytest.approx(expected, abs=1e-6)
    assert expected != pytest.approx(sk.roc_auc_score(test["kind"] == "yes", proba), abs=1e-4)


SPACE = """
name = "mine"
about = "small"
kinds = ["table"]
families = ["mlp", "linear", "boosting"]
topologies = ["single", "parallel"]
fusions = ["mean"]
[family.mlp]
width = [8, 16]
[settings]
lr = [0.01]
[defaults]
lr = 0.01
[defaults.mlp]
width = 8
[ladder]
mlp = ["mlp[width=8]"]
linear = ["linear"]
boosting = ["boosting"]
"""


@pytest.fixture
def asked(tmp_path: Path, short_schedules: None) -> dict[str, Any]:
    space = tmp_path / "mine.toml"
    space.write_text(SPACE)
    more = {"weight": "w", "class_weight": "balanced", "metric": "roc_auc"}
    return {"target": "kind", "space": str(space), "trials": 3, **more}


def test_a_search_writes_what_rows_and_classes_count(
    asked: dict[str, Any], tmp_path: Path
) -> None:
    frame, out = rows(), tmp_path / "run"
    run = autosynth.search(frame, out=out, **asked)
    assert run.asked["data"]["weight"] == "w"
    assert run.asked["data"]["class_weight"] == ["balanced"]
    model = autosynth.load(out / "bundle")
    assert model.info.card.weight == "w"
    assert model.info.card.class_weights["yes"] > 3
    other = next(r for r in run.records if r.kind == "strategy" and r.trial != run.best.trial)
    exported = autosynth.load(run.export(tmp_path / "other", pick=other.trial))
    assert (exported.info.card.weight, dict(exported.info.card.class_weights)) == (
        model.info.card.weight,
        dict(model.info.card.class_weights),
    )
    # The board's scores are of weighted rows; those of the retrained model, on test, too.
    data = autosynth.load_dataset(frame, target="kind", weight="w")
    held = frame.iloc[data.splits.validation]
    proba = exported.predict(held)["proba_yes"].to_numpy()
    expected = sk.roc_auc_score(held["kind"] == "yes", proba, sample_weight=held["w"])
    assert other.val["roc_auc"] == pytest.approx(expected, abs=1e-6)
    test = frame.iloc[data.splits.test]
    proba = model.predict(test)["proba_yes"].to_numpy()
    expected = sk.roc_auc_score(test["kind"] == "yes", proba, sample_weight=test["w"])
    assert model.info.card.test["roc_auc"] == pytest.approx(expected, abs=1e-6)
    shares = np.average(frame["kind"].iloc[data.splits.train] == "yes",
                        weights=frame["w"].iloc[data.splits.train])  # fmt: skip
    baseline = next(r for r in run.records if r.kind == "baseline")
    given = np.full(len(test), shares)
    loss = sk.log_loss(test["kind"] == "yes", given, sample_weight=test["w"])
    assert baseline.test["neg_log_loss"] == pytest.approx(-loss, abs=1e-6)
    with pytest.raises(RunError, match="its weight is 'w', not None"):
        autosynth.search(frame, out=out, **{**asked, "weight": None})
    with pytest.raises(RunError, match=r"its class_weight is \['balanced'\], not \['yes=2'\]"):
        autosynth.search(frame, out=out, **{**asked, "class_weight": "yes=2"})
    assert autosynth.search(frame, out=out, **asked).finished


@pytest.mark.slow
def test_workers_have_the_weights_too(asked: dict[str, Any], tmp_path: Path) -> None:
    boards = [
        autosynth.search(rows(), out=tmp_path / str(n), workers=n, **asked).leaderboard
        for n in (1, 2)
    ]
    ladder = ["linear", "boosting"]
    scores = [board.set_index("strategy")["val_roc_auc"] for board in boards]
    for name in ladder:
        assert scores[0][name] == scores[1][name]


def test_the_command_line_takes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows().to_csv("old.csv", index=False)
    rows(seed=1).to_csv("new.csv", index=False)
    words = ["--target", "kind", "--weight", "w"]
    assert main(["inspect", "old.csv", *words, "--class-weight", "yes=5"]) == 0
    shown = capsys.readouterr().out
    assert "weights     column w:" in shown
    assert "of classes: no 0." in shown
    pairs = ["--class-weight", "yes=5", "--class-weight", "no=2"]
    assert main(["train", "old.csv", *words, *pairs, "--strategy", LINEAR, "-o", "m"]) == 0
    weights = json.loads(Path("m/model.json").read_text())["card"]["class_weights"]
    assert weights["yes"] / weights["no"] == pytest.approx(2.5)
    capsys.readouterr()
    assert main(["evaluate", "m", "new.csv"]) == 0
    assert capsys.readouterr().out.startswith("900 rows of new.csv, weighed by 'w'\n")
    assert main(["predict", "m", "new.csv", "-o", "preds.csv"]) == 0
    assert main(["inspect", "old.csv", "--target", "a", "--class-weight", "balanced"]) == 2
    assert "--class-weight is of the classes of a classification" in capsys.readouterr().err
