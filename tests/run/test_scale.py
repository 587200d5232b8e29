"""A target with heavy tails from end to end: learnt on its scale, undone wherever it is read."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import autosynth
from autosynth.bundle import evaluate, export
from autosynth.data import load_dataset
from autosynth.run.train import Trained, train_strategy
from autosynth.training.weights import save_tensors


@pytest.fixture(scope="module")
def prices() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(1500, 3)), columns=list("abc"))
    inner = 1.5 * frame["a"] + 0.7 * frame["b"] + 0.3 * rng.normal(size=1500)
    frame["price"] = 100 * np.exp(inner)
    return frame


@pytest.fixture(scope="module")
def trained(prices: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    out = tmp_path_factory.mktemp("model")
    return train_strategy(
        prices, "mlp[width=32]", target="price", out=out / "bundle", epochs=30, device="cpu"
    )


def test_a_training_is_scored_in_the_unit_of_the_target(
    prices: pd.DataFrame, trained: Trained
) -> None:
    data = load_dataset(prices, target="price")
    model = autosynth.load(trained.folder)
    assert model.info.scales == data.scales
    assert data.scales[0].kind == "log"
    assert trained.test["r2"] > 0.6
    rows = data.splits.test
    found = model.predict(prices.iloc[rows])["prediction"].to_numpy()
    y = data.y[rows]
    assert 1 - ((y - found) ** 2).sum() / ((y - y.mean()) ** 2).sum() == pytest.approx(
        trained.test["r2"], abs=1e-4
    )
    scores = evaluate(model, prices.iloc[rows]).scores
    assert scores.loc["r2", "score"] == pytest.approx(trained.test["r2"], abs=1e-4)


def test_nothing_is_predicted_below_zero(prices: pd.DataFrame, trained: Trained) -> None:
    far = prices.drop(columns="price") * -4
    found = autosynth.load(trained.folder).predict(far)["prediction"]
    assert (found >= 0).all()
    assert found.max() < 5 * prices["price"].max()


def test_an_export_predicts_the_same(
    prices: pd.DataFrame, trained: Trained, tmp_path: Path
) -> None:
    data = load_dataset(prices, target="price")
    sample = {name: torch.from_numpy(x[:50].copy()) for name, x in data.x.items()}
    save_tensors(sample, tmp_path / "sample.safetensors")
    export(trained.folder, tmp_path / "out", sample=sample)
    program = torch.export.load(tmp_path / "out" / "model.pt2").module()
    found = program(*sample.values()).detach().numpy()
    live = autosynth.load(trained.folder).predict(prices[:50])["prediction"]
    np.testing.assert_allclose(found, live, rtol=1e-4)
