"""The baseline of a run: what knows the target alone."""

import io
from pathlib import Path

import pytest

from autosynth.data import load_dataset
from autosynth.progress import Progress
from autosynth.record import read_all
from autosynth.run.baseline import keep_baseline
from autosynth.task.score import default_metric


@pytest.mark.parametrize(("name", "baseline"), [("wine", "majority"), ("diabetes", "mean")])
def test_it_is_scored_once_and_told(name: str, baseline: str, tmp_path: Path) -> None:
    dataset, said = load_dataset(name), io.StringIO()
    metric = default_metric(dataset.target)
    for _ in range(2):  # a run that goes on has it
        progress = Progress(stream=said, live=False)
        keep_baseline(dataset, metric, tmp_path, 0, progress)
    (record,) = read_all(tmp_path)
    assert (record.kind, record.strategy, record.state) == ("baseline", baseline, "complete")
    assert (record.flops, record.params) == (0, 0)
    score = record.val[metric.name]
    assert said.getvalue() == f"baseline    {baseline}: {metric.name} {score:.4f}\n"
    y = dataset.y[dataset.splits.test]
    if baseline == "majority":
        assert record.test["accuracy"] == pytest.approx((y == 1).mean())
    else:
        assert record.test["r2"] == pytest.approx(0.0, abs=0.05)
