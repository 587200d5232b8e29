"""Data given in Python: the cases of ../shared/cases, and a model that predicts for each row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.bundle import load
from autosynth.data import encode, load_dataset, read_labelled
from autosynth.estimator import AutoSynthClassifier
from autosynth.run.train import train_strategy

CASES = Path(__file__).parents[2].parent / "shared" / "cases"


@pytest.fixture(scope="module")
def churn() -> Path:
    path = CASES / "arrow_strings" / "train.csv"
    if not path.is_file():
        pytest.skip("the cases are not beside the repository")
    return path


@pytest.mark.parametrize("backend", ["pyarrow", "numpy_nullable"])
def test_arrow_strings(churn: Path, backend: str) -> None:
    plain = load_dataset(pd.read_csv(churn), target="churn")
    frame = pd.read_csv(churn, dtype_backend=backend)
    data = load_dataset(frame, target="churn")
    assert len(data.y) == 500
    assert data.target.classes == ("No", "Yes")
    assert (data.inputs, data.fingerprint) == (plain.inputs, plain.fingerprint)
    assert data.summary[1:] == plain.summary[1:]
    found = encode(frame, plain.encoders)
    assert np.array_equal(found.x["table"], plain.x["table"], equal_nan=True)
    assert len(read_labelled(frame, plain.encoders, plain.target)) == 500


def table(n: int = 400) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    return frame.assign(y=np.where(frame["a"] > 0, "up", "down"))


@pytest.mark.slow
def test_every_row_has_its_own_prediction(tmp_path: Path) -> None:
    frame = table()
    train_strategy(frame, "mlp[width=16]", target="y", epochs=30, out=tmp_path / "run")
    model = load(tmp_path / "run")
    part = frame.sample(200, random_state=0)
    part["p"] = model.predict(part)["prediction"]
    assert (part["p"] == part["y"]).mean() > 0.9
    whole = model.predict(frame.reset_index(drop=True))["prediction"]
    assert (part["p"] == whole[part.index]).all()


@pytest.mark.slow
def test_an_estimator_takes_any_frame_and_predicts_in_order() -> None:
    frame = table()
    x, y = frame[["a", "b"]], frame["y"]
    named = x.set_axis([f"r{i}" for i in range(len(x))])
    target = y.set_axis(named.index).sample(frac=1, random_state=0)
    model = AutoSynthClassifier(trials=1, budget=None, space="small", refit=False)
    model.fit(named.convert_dtypes(dtype_backend="pyarrow"), target)
    part = frame.sample(200, random_state=0)
    found = model.predict(part[["a", "b"]])
    assert (found == part["y"].to_numpy()).mean() > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("form", ["several", "unequal"])
def test_an_estimator_takes_arrays_of_any_form(form: str) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    steps = [rng.normal(2 * label, 1, size=rng.integers(9, 20)) for label in y]
    x = {"steps": np.stack([row[:9] for row in steps]), "photo": rng.random((200, 8, 8))}
    source = steps if form == "unequal" else x
    model = AutoSynthClassifier(trials=1, budget=None, space="small", refit=False).fit(source, y)
    assert (model.predict(source) == y).mean() > 0.8
