"""A task of another package, found by its entry point: searched, exported, evaluated and used."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autosynth.errors import ConfigError, UnknownNameError
from autosynth.options import DataConfig
from autosynth.plugin import Registry

GROUP = "autosynth.tasks"
Install = Callable[[str, str, str, str], None]
TASK = '''
import numpy as np
from torch.nn.functional import poisson_nll_loss
from autosynth.errors import DataError
from autosynth.task import Metric
from autosynth.task.metric import by_name, negated_mean
from autosynth.task.regression import Regression


def prepare_neg_deviance(y, output):
    """Minus the mean deviance of Poisson counts."""
    rate = np.maximum(output.astype(np.float64), 1e-9)
    return negated_mean(2 * (np.where(y > 0, y * np.log(np.maximum(y, 1) / rate), 0) - y + rate))


class Count(Regression):
    """How often something happens: Poisson's loss of the logarithm of its rate."""

    name = "count"
    metrics = by_name(
        Metric(name="neg_deviance", prepare=prepare_neg_deviance, relative=True),
        *Regression.metrics.values(),
    )
    default_metric = "neg_deviance"
    is_standardised = False

    def encode(self, column):
        found = super().encode(column)
        if found.y.min() < 0:
            raise DataError(f"{column.name!r} counts, and has {found.y.min():g} in a row")
        return found

    def loss(self, out, y, smoothing, reduction="mean"):
        return poisson_nll_loss(out.squeeze(-1), y.to(out.dtype), reduction=reduction)

    def link(self, out, temperature, in_unit):
        return out.double().exp()


COUNT = "no task"
'''
SPACE = """
name = "mine"
about = "one small network"
kinds = ["table"]
families = ["mlp"]
topologies = ["single"]
[family.mlp]
width = [8, 16]
[settings]
lr = [0.01]
length = [0.3]
[defaults]
lr = 0.01
length = 0.3
[defaults.mlp]
width = 16
[ladder]
mlp = ["mlp[width=16]", "mlp[width=8]"]
"""
CALLS = """
import pytest
from autosynth.cli import main
words = ["--target", "visits", "--task", "count"]
with pytest.raises(SystemExit):
    main(["search", "--help"])
assert main(["inspect", "train.csv", *words]) == 0
more = ["--space", "mine.toml", "--trials", "1", "--no-refit", "--out", "run"]
assert main(["search", "train.csv", *words, *more]) == 0
assert main(["export", "run", "-o", "model"]) == 0
assert main(["predict", "model", "new.csv", "-o", "predictions.csv"]) == 0
assert main(["evaluate", "model", "new.csv"]) == 0
assert main(["inspect", "new.csv", "--target", "sunny", "--task", "count"]) == 2
"""


def frame(rows: int, seed: int) -> pd.DataFrame:
    """Visits a day, more of them where it is sunny; `sunny` is below 0 now and then."""
    rng = np.random.default_rng(seed)
    sunny, noise = rng.normal(size=(2, rows))
    return pd.DataFrame(
        {"sunny": sunny, "noise": noise, "visits": rng.poisson(np.exp(1 + 0.8 * sunny))}
    )


@pytest.mark.slow
def test_a_task_of_another_package_is_searched_exported_evaluated_and_used(
    install: Install, in_package: Callable[[str], str], tmp_path: Path
) -> None:
    install(GROUP, "count", "my_count:Count", TASK)
    new = frame(200, 1)
    frame(500, 0).to_csv(tmp_path / "train.csv", index=False)
    (tmp_path / "mine.toml").write_text(SPACE)
    new.to_csv(tmp_path / "new.csv", index=False)
    said = in_package(CALLS)
    assert "ranking, count" in " ".join(said.split())
    assert "target      visits: count, 0 ..." in said
    board = pd.read_csv(tmp_path / "run" / "leaderboard.csv")
    strategies = board[(board["state"] == "complete") & (board["topology"] != "baseline")]
    assert (strategies["val_neg_deviance"] < 0).all()
    assert "mean" in set(board["strategy"])
    predictions = pd.read_csv(tmp_path / "predictions.csv")["prediction"]
    assert (predictions > 0).all()  # by the link, and not by cutting them off
    assert predictions.nunique() > 100
    assert predictions.corr(np.exp(1 + 0.8 * new["sunny"])) > 0.8
    assert (tmp_path / "model" / "model.pt2").exists()


def test_a_task_that_nobody_brings_is_unknown() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown task 'count' \(--task\); valid: class"):
        DataConfig(task="count")


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("my_count:COUNT", "count", "must give an autosynth.task.Task whose name is 'count'"),
        ("my_count:Count", "events", "whose name is 'events'"),
        ("my_count:Count", "ranking", "there is a task of that name already; rename it"),
    ],
)
def test_an_entry_point_that_is_no_task_is_named(
    value: str,
    name: str,
    message: str,
    install: Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(GROUP, name, value, TASK)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_count", raising=False)
    tasks = Registry(
        {"ranking": "autosynth.task.ranking:Ranking"}, GROUP, "autosynth.task.task:Task"
    )
    assert list(tasks) == list(dict.fromkeys(["ranking", name]))
    with pytest.raises(ConfigError, match=f"'{name}' = '{value}' .*{message}"):
        tasks[name]
