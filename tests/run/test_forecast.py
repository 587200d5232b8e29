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
    assert "is the data that the model was trained on" in found.warnings[0]
    later = autosynth.evaluate(model, days(400), corrupt=True)
    assert later.robustness is not None
    assert later.warnings == ()


def test_a_search_tries_what_is_no_network(tmp_path: Path) -> None:
    run = autosynth.search(
        days(), task="forecasting", target="sold", horizon=7, trials=4, out=tmp_path / "run"
    )
    board = run.leaderboard.set_index("strategy")
    assert {"mean", "seasonal:past", "linear:past"} <= set(board.index)
    trained = board[(board["state"] == "complete") & (board["topology"] != "baseline")]
    assert len(trained) >= 1
    assert trained["val_neg_mae"].max() > board["val_neg_mae"]["mean"]
    assert len(autosynth.load(tmp_path / "run" / "bundle").predict(days())) == 1


def shops(n: int, sizes: dict[str, float]) -> pd.DataFrame:
    parts = [days(n).assign(shop=name, sold=days(n)["sold"] * by) for name, by in sizes.items()]
    return pd.concat(parts).sample(frac=1, random_state=0)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of shops of which one sells a million times as much, with days that lack."""
    home = tmp_path_factory.mktemp("chain")
    frame = shops(300, {"small": 1.0, "large": 1e6, "middle": 300.0})
    frame.iloc[::20, frame.columns.get_loc("sold")] = np.nan
    frame.to_csv(home / "sales.csv", index=False)
    asked = ["--task", "forecasting", "--target", "sold", "--horizon", "7", "-o", str(home / "m")]
    strategy = "mean(mlp[width=16, depth=1], cnn[width=8, depth=1, stages=0]:past) | lr=0.01"
    assert main(["train", str(home / "sales.csv"), "--strategy", strategy, *asked]) == 0
    return home / "m"


@pytest.mark.slow
def test_series_of_any_size_are_forecast_by_one_composite(chain: Path) -> None:
    sizes = {"middle": 300.0, "new": 7e3, "large": 1e6, "small": 1.0}
    whole = shops(307, sizes)
    day = sorted(whole["day"].unique())[-7:]
    with pytest.warns(UserWarning, match="1 of 4 series were not there in training: new"):
        found = autosynth.load(chain).predict(whole[~whole["day"].isin(day)])
    assert (found.index.name, list(found.index)) == ("shop", sorted(sizes))
    for name, by in sizes.items():
        ahead = whole[(whole["shop"] == name) & whole["day"].isin(day)].sort_values("day")["sold"]
        assert np.abs(found.loc[name].to_numpy() - ahead).mean() < 6 * by


@pytest.mark.slow
def test_scores_are_by_series_and_of_all(chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = {"small": 1.0, "large": 1e6}
    found = autosynth.evaluate(chain, shops(200, sizes))
    assert found.by_series is not None
    assert dict(found.by_series["rows"]) == dict.fromkeys(sizes, found.rows // 2)
    small, large = (found.by_series.loc[name] for name in sizes)
    assert large["neg_mae"] == pytest.approx(1e6 * small["neg_mae"], rel=0.05)
    assert large["r2"] == pytest.approx(small["r2"], abs=0.02)
    assert found.scores.loc["r2", "score"] == pytest.approx(small["r2"], abs=0.05)
    (detail,) = found.details
    assert detail.worst is not None
    worst = detail.worst.iloc[0]
    size = sizes[str(detail.worst.index[0]).split()[0]]
    assert 20 * size < worst["truth"] < 300 * size
    assert set(found.to_plain()["by_series"]) == set(sizes)
    shops(200, sizes).to_csv(chain.parent / "later.csv", index=False)
    assert main(["evaluate", str(chain), str(chain.parent / "later.csv")]) == 0
    assert "above each series is scaled by itself" in capsys.readouterr().out


def test_a_part_that_reads_the_calendar_alone_starts_from_the_series(tmp_path: Path) -> None:
    asked = {"task": "forecasting", "target": "sold", "horizon": 3, "epochs": 1}
    made = train_strategy(days(), "mlp[width=8, depth=1]:calendar", **asked, out=tmp_path / "m")
    found = autosynth.load(made.folder).predict(days()).to_numpy()
    assert np.abs(found - days()["sold"].iloc[-1]).max() < 60
