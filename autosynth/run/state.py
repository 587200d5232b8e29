"""The two small files of a run: run.toml, what was asked and measured, and how far it got.

run.toml is written before anything else, so that a run that is broken off in its first second is
known for what it is; the plan of its trainings stands in it once it was measured.
"""

import json
import os
import platform
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomli_w
import torch

from autosynth import __version__
from autosynth.atomic import write_text_atomic
from autosynth.errors import AutosynthError, RunError
from autosynth.jsonfields import from_fields
from autosynth.leaderboard.rank import COSTS
from autosynth.options import Options
from autosynth.record import check_there, read_all
from autosynth.spec import Dataset
from autosynth.study.facts import facts_of
from autosynth.training.config import TrainerConfig

RUN_FILE, STATE_FILE = "run.toml", "state.json"


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How far a run got: seconds of its budget, in all sittings, and whether it came to its end.

    `earlier_seconds` are those of budgets before, where a run that had ended goes on.
    """

    elapsed_seconds: float = 0.0
    finished: bool = False
    earlier_seconds: float = 0.0

    @property
    def whole_seconds(self) -> float:
        """Of all budgets."""
        return self.earlier_seconds + self.elapsed_seconds

    def anew(self) -> "RunState":
        """That of the same run with a new budget, once it has ended."""
        return RunState(earlier_seconds=self.whole_seconds) if self.finished else self


def read_run(folder: Path) -> dict[str, Any]:
    """What run.toml says. Raises RunError where the folder is no run, or the file is damaged."""
    path = folder / RUN_FILE
    if not path.exists():
        raise RunError(
            f"{str(folder)!r} is no run: it has no {RUN_FILE}; name a folder that `autosynth "
            "search` made"
        )
    with reading(path, f"type its search again with --out {str(folder)!r}, which mends it"):
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        metric, cost = found["search"]["metric"], found["search"]["cost"]
        if not isinstance(metric, str) or cost not in COSTS:
            raise ValueError(f"its metric is {metric!r} and its cost {cost!r}")
        data = found["data"]
        if not (isinstance(data["source"], str) and isinstance(data["fingerprint"], str)):
            raise ValueError("it does not say what data it is of")
    return found


def read_plan(folder: Path) -> TrainerConfig | None:
    """The plan that a run has measured; None where it has none as yet, or it cannot be read."""
    try:
        return TrainerConfig.from_dict(read_run(folder)["plan"])
    except (RunError, LookupError, ValueError):
        return None


@contextmanager
def reading(path: Path, cure: str) -> Iterator[None]:
    """What goes wrong with a file of a run that is damaged, as one error that names it."""
    try:
        yield
    except AutosynthError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(f"{path} is damaged ({type(error).__name__}: {error}); {cure}") from error


def json_object(path: Path) -> dict[str, Any]:
    """A JSON object of a run."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"it holds a {type(found).__name__}, not a JSON object")
    return found


def read_state(folder: Path) -> RunState:
    """How far a run got; where it left no state that can be read, by what its records took."""
    try:
        with reading(folder / STATE_FILE, "it is done without"):
            return from_fields(RunState, json_object(folder / STATE_FILE))
    except RunError:
        records = read_all(folder) if folder.is_dir() else []
        return RunState(elapsed_seconds=sum(r.train_seconds or 0.0 for r in records))


def write_state(folder: Path, state: RunState) -> None:
    """Keep how far a run got.

    Raises:
        RunError: the folder is gone, or cannot be written.
    """
    check_there(folder)
    write_text_atomic(folder / STATE_FILE, json.dumps(state.__dict__) + "\n")


def write_run(
    folder: Path, dataset: Dataset, options: Options, plan: TrainerConfig | None = None
) -> None:
    """Write run.toml: what was asked, and the plan once it was measured.

    Raises:
        RunError: the folder is gone, or cannot be written.
    """
    check_there(folder)
    packages = ("torch", "optuna", "numpy", "pandas", "scikit-learn")
    content = {
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            **options.data_section(),
        },
        "facts": facts_of(dataset),
        "search": options.search_section(),
        **({} if plan is None else {"plan": plan.to_dict()}),
        "versions": {
            "autosynth": __version__,
            "python": platform.python_version(),
            **{name: version(name) for name in packages},
        },
        "machine": {
            "system": platform.system(),
            "processor": platform.machine(),
            "cores": os.cpu_count() or 1,
            "threads": torch.get_num_threads(),
            "device": device_name(options.device if plan is None else plan.device),
        },
    }
    write_text_atomic(folder / RUN_FILE, tomli_w.dumps(content))


def device_name(device: str) -> str:
    """What a reader calls a device."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"cpu ({sys.platform}, {platform.machine()})"
