"""The baselines of a run: their records, and what is kept of their outputs."""

import io
from dataclasses import replace

import numpy as np
import pytest

from autosynth.baselines import BaselineResult, run
from autosynth.data import load_dataset
from autosynth.leaderboard import build_leaderboard
from autosynth.progress import Progress
from autosynth.record import read_all, trial_dir
from autosynth.run.baselines import baseline_outputs, run_baselines
from autosynth.task.score import default_metric


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def scored(dataset, folder, seconds, budget=None, **more):
    said = io.StringIO()
    progress = Progress(stream=said, live=False)
    metric = default_metric(dataset.target)
    run_baselines(dataset, metric, folder, 0, seconds, progress, budget, **more)
    return {record.strategy: record for record in read_all(folder)}, said.getvalue()


def test_complete_baselines_keep_what_they_gave(tmp_path):
    wine = load_dataset("wine")
    records, said = scored(wine, tmp_path, 60.0)
    assert list(records) == ["majority", "logistic", "hgb"]
    for name, record in records.items():
        assert record.state == "complete"
        assert f"{name}: accuracy {record.val['accuracy']:.4f}\n" in said
        found = baseline_outputs(tmp_path, record.trial)
        assert found.dtype == np.float32
        y = wine.y[wine.splits.test]
        assert (found.argmax(1) == y).mean() == pytest.approx(record.test["accuracy"])
        assert np.allclose(found, run(name, wine).test, atol=1e-4)
    assert baseline_outputs(tmp_path, 99) is None


def test_a_cut_baseline_is_told_has_no_rank_and_keeps_nothing(digits, tmp_path):
    wide = np.random.default_rng(0).normal(size=(len(digits.y), 1, 60, 60)).astype(np.float32)
    wide[:, :, :8, :8] = digits.x["image"]
    spec = replace(digits.inputs[0], shape=(1, 60, 60))
    slow = replace(digits, inputs=(spec,), x={"image": wide})
    records, said = scored(slow, tmp_path, 3.0, budget=24.0)
    cut = records["hgb"]
    assert records["majority"].state == "complete"
    assert cut.state in ("cut", "not_run")
    assert cut.reason in said
    assert baseline_outputs(tmp_path, cut.trial) is None
    board = build_leaderboard(records.values(), metric="accuracy").set_index("strategy")
    assert board["rank"].isna()["hgb"]


def test_outputs_that_cannot_be_read_are_done_without(tmp_path):
    path = trial_dir(tmp_path, 3) / "outputs.npz"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    assert baseline_outputs(tmp_path, 3) is None


def test_a_run_that_goes_on_fits_the_baselines_it_lacks(digits, tmp_path):
    records, _ = scored(digits, tmp_path, 60.0, fit=lambda dataset, **asked: ())
    wanted: list[list[str]] = []

    def note(dataset, **asked):
        wanted.append(list(asked["names"]))
        return [
            BaselineResult(name=name, state="not_run", reason="late")
            for name in asked["names"][:2]
        ]

    scored(digits, tmp_path, 60.0, fit=note)
    scored(digits, tmp_path, 60.0, fit=note)
    assert wanted[0][0] == "majority"
    assert wanted[1] == wanted[0][2:]


def test_the_trivial_one_is_always_there(digits, tmp_path):
    def none(dataset, **asked):
        return (BaselineResult(name="majority", state="not_run", reason="late"),)

    records, _ = scored(digits, tmp_path, 60.0, fit=none)
    assert records["majority"].state == "complete"
