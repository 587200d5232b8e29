"""One schedule for all trainings of a set: measured once, stored, and held when the study goes on.

Takes a dataset and its levels; gives the length at which the dearest training takes the seconds
asked for, on one thread. A short training with the same steps for all says which strategy learns
most from them, not where each would end.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from levels import Level

from autosynth.atomic import write_text_atomic
from autosynth.composite import resolve
from autosynth.errors import ConfigError
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.loop import TrainingRows
from autosynth.training.timing import time_steps

WARMUP, TIMED = 1, 3


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """What all trainings of a set have in common, and what was trained.

    `dearest` is the strategy whose training takes longest, foreseen to take `seconds`; empty where
    the steps were given. `rows` are the numbers of rows of each split; `labels` the test labels of
    two classes, packed.
    """

    data: str
    metric: str
    batch_size: int
    steps: int
    dearest: str
    seconds: float
    rows: dict[str, int]
    labels: str
    levels: tuple[Level, ...]

    @property
    def plan(self) -> TrainerConfig:
        """The plan of every training: one thread of a processor."""
        return TrainerConfig(device="cpu", batch_size=self.batch_size, steps=self.steps, threads=1)


def measure(
    dataset: Dataset, data: DeviceDataset, levels: Sequence[Level], batch_size: int
) -> tuple[str, float]:
    """The strategy whose training is the dearest, and its seconds for one step of the schedule."""
    torch.set_num_threads(1)
    plan = TrainerConfig(device="cpu", batch_size=batch_size, steps=1000, threads=1)
    rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration)
    found: dict[str, float] = {}
    for level in levels:
        if level.strategy not in found:
            resolved = resolve(parse(level.strategy), dataset.inputs, dataset.target)
            found[level.strategy] = time_steps(
                resolved, data, rows, plan, warmup=WARMUP, steps=TIMED
            )
    dearest = max(found, key=found.__getitem__)
    return dearest, found[dearest]


def save(path: Path, schedule: Schedule) -> None:
    """Write it as JSON."""
    write_text_atomic(path, json.dumps(asdict(schedule), indent=1) + "\n")


def load(path: Path) -> Schedule:
    """What `save` wrote.

    Raises:
        ConfigError: there is none.
    """
    if not path.exists():
        raise ConfigError(f"no study in {path.parent}: run it with DATA first")
    plain: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    found = [Level(**level) for level in plain.pop("levels")]
    return Schedule(**plain, levels=tuple(found))


def renew(known: Schedule, fresh: Schedule) -> Schedule:
    """A stored schedule with the levels of today; the rest must be what it was."""
    if (known.data, known.rows, known.metric) != (fresh.data, fresh.rows, fresh.metric):
        raise ConfigError(
            f"the folder holds a study of {known.data} ({known.rows}, {known.metric}), not of "
            f"{fresh.data} ({fresh.rows}, {fresh.metric}); give another --name"
        )
    return replace(known, levels=fresh.levels)
