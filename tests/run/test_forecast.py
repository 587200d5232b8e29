"""A forecast from a table to a checked export: it goes on where the series ends."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import autosynth
from autosynth.cli import main
from autosynth.data import encode, load_dataset
from autosynth.run import train_strategy


def days(n: int = 500) -> pd.DataFrame:
    """A week's pattern on a level that no training row has seen, and what foretells it."""
    rng = np.random.default_rng(0)
    steps = np.arange(n)
    return pd.DataFrame(
        {
            "day": pd.date_range("2023-01-02", periods=n).strftime("%Y-%m-%d"),
            "sold": 50 + steps * 0.5 + 20 * (steps % 7 > 4) + rng.normal(0, 0.5, n),
            "noise": rng.normal(size=n),
        }
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("forecast")
    days().to_csv(home / "sales.csv", index=False)
    asked = ["--task", "forecasting", "--target", "sold", "--horizon", "7", "-o", str(home / "m")]
    strategy = "mean(mlp[width=16, depth=1], cnn[width=8, depth=1, stages=0]:past) | lr=0.01"
    assert main(["train", str(home / "sales.csv"), "--strategy", strategy, *asked]) == 0
    return home / "m"


def test_a_bundle_forecasts_what_comes_next(model: Path) -> None:
    frame = days(507)
    found = autosynth.load(model).predict(frame[:500].sample(frac=1, random_state=0))
    assert list(found.index) == ["2024-05-15"]
    assert list(found.columns) == [f"step_{i}" for i in range(1, 8)]
    assert np.abs(found.to_numpy()[0] - frame["sold"][500:]).mean() < 5


def test_the_export_takes_a_raw_history_and_gives_values(model: Path, tmp_path: Path) -> None:
    data = load_dataset(days(), task="forecasting", target="sold", horizon=7)
    rows = data.splits.test[:20]
    sample = {name: torch.from_numpy(np.array(x[rows])) for name, x in data.x.items()}
    autosynth.bundle.export(model, tmp_path / "out", sample=sample)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    live = autosynth.load(model)
    x = encode(days(), live.encoders).x
    with torch.inference_mode():
        found = program(*(torch.from_numpy(x[spec.name]) for spec in live.info.inputs))
    np.testing.assert_allclose(found.numpy(), live.predict(days()).to_numpy(), rtol=1e-5)
    assert [spec.anchored for spec in live.info.inputs] == [True, True, False]


def test_a_forecast_is_scored_on_every_window_of_a_later_series(model: Path) -> None:
    found = autosynth.evaluate(model, days())
    known = autosynth.load(model).encoders["windows"]
    assert found.rows == len(days()) - known["history"] - known["horizon"] + 1
    assert set(found.scores.index) == {"r2", "neg_rmse", "neg_mae"}
    assert autosynth.evaluate(model, days(), corrupt=True).robustness is not None


def test_a_search_puts_its_baselines_on_the_board(tmp_path: Path) -> None:
    run = autosynth.search(
        days(), task="forecasting", target="sold", horizon=7, trials=2, out=tmp_path / "run"
    )
    board = run.leaderboard.set_index("strategy")
    assert {"mean", "last", "seasonal", "ridge"} <= set(board.index)
    assert board["val_neg_mae"]["seasonal"] > board["val_neg_mae"]["last"]
    trained = board[(board["state"] == "complete") & (board["topology"] != "baseline")]
    assert len(trained) >= 1
    assert trained["val_neg_mae"].max() > board["val_neg_mae"]["mean"]
    assert len(autosynth.load(tmp_path / "run" / "bundle").predict(days())) == 1


def test_a_part_that_reads_the_calendar_alone_starts_from_the_series(tmp_path: Path) -> None:
    asked = {"task": "forecasting", "target": "sold", "horizon": 3, "epochs": 1}
    made = train_strategy(days(), "mlp[width=8, depth=1]:calendar", **asked, out=tmp_path / "m")
    found = autosynth.load(made.folder).predict(days()).to_numpy()
    assert np.abs(found - days()["sold"].iloc[-1]).max() < 60
