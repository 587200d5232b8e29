"""A trial that follows a script, and a bench without a clock."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from optuna.distributions import CategoricalDistribution
from optuna.trial import FixedTrial

from autosynth.data import load_dataset
from autosynth.plugin import TASKS
from autosynth.progress import Progress
from autosynth.record import Record, read_all
from autosynth.spec import Dataset
from autosynth.study import spacefile
from autosynth.study.agenda import Limits
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.driver import Driver
from autosynth.study.history import RunHistory
from autosynth.study.job import Done, Job
from autosynth.study.pool import LocalPool
from autosynth.study.probe import fixed_plan
from autosynth.study.processes import ProcessPool
from autosynth.study.pruner import RungBook
from autosynth.study.restrict import restrict
from autosynth.study.sampler import Sampler
from autosynth.study.trial import run_trial
from autosynth.training.devicedataset import to_device


class Scripted(FixedTrial):
    """A fixed trial that answers what its script leaves open from numbers in [0, 1)."""

    def __init__(self, script: dict[str, Any], numbers: list[float]) -> None:
        super().__init__(dict(script))
        self.numbers = numbers

    def _suggest(self, name: str, distribution: Any) -> Any:
        if name not in self._params:
            at = self.numbers[len(self._suggested_params) % len(self.numbers)]
            if isinstance(distribution, CategoricalDistribution):
                self._params[name] = distribution.choices[int(at * len(distribution.choices))]
            else:
                self._params[name] = int(at * (distribution.high + 1))
        return super()._suggest(name, distribution)


@pytest.fixture(scope="session")
def scripted() -> type[Scripted]:
    return Scripted


@pytest.fixture(scope="session")
def context_of() -> Callable[..., RunContext]:
    def make(dataset: Dataset, folder: Path, steps: int = 40, **changes: object) -> RunContext:
        space = restrict(spacefile.load_space("small"), dataset.inputs, dataset.target.task)
        metric = TASKS["classification"].metrics["accuracy"]
        data = to_device(dataset, torch.device("cpu"), dataset.splits.train)
        (folder / "trials").mkdir(exist_ok=True)
        known = {
            "dataset": dataset,
            "device_dataset": data,
            "space": space,
            "metric": metric,
            "folder": folder,
            "trainer_config": fixed_plan("cpu", len(dataset.splits.train), steps),
            "trivial_score": trivial_score(dataset, metric),
            "seed": 0,
            **changes,
        }
        return RunContext(**known)  # type: ignore[arg-type]

    return make


@pytest.fixture(scope="package")
def wine_context(
    context_of: Callable[..., RunContext], tmp_path_factory: pytest.TempPathFactory
) -> RunContext:
    """A run on wine where a trial is one training, with a rung at a third of 360 steps."""
    wine = replace(load_dataset("wine"), independent=False)
    return context_of(wine, tmp_path_factory.mktemp("wine"), steps=360)


@pytest.fixture(scope="package")
def processes(wine_context: RunContext) -> Iterator[ProcessPool]:
    """Two workers of that run, which take seconds to come up."""
    with ProcessPool(wine_context, 2) as pool:
        yield pool


@pytest.fixture(scope="session")
def driver_of() -> Callable[..., Driver]:
    """A driver on a pool that trains in this process, until the limits."""

    def make(context: RunContext, book: RungBook | None = None, **limits: Any) -> Driver:
        pool, sampler = LocalPool(context), Sampler.of_run(context)
        progress = Progress(live=False)
        return Driver(context, Limits(**limits), progress, pool, sampler, book)

    return make


@pytest.fixture(scope="session")
def trial_of() -> Callable[..., Record]:
    """Trains a job, or a strategy in the notation, and keeps it as the driver does."""

    def train(context: RunContext, asked: str | Job) -> Record:
        history = RunHistory(context, read_all(context.folder))
        job = asked
        if isinstance(job, str):
            canonical = str(context.resolved(job).strategy)
            job = Job(number=history.number(), strategy=canonical, bar=history.bar)
        ended = run_trial(context, job)
        history.add(ended.record, ended.weights if isinstance(ended, Done) else None)
        return ended.record

    return train
