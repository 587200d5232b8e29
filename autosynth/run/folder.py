"""A run's folder: which one a request goes to, how far it got, and what can be read from it."""

import json
import os
import platform
import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import tomli_w
import torch

from autosynth import __version__
from autosynth.atomic import write_text_atomic
from autosynth.bundle import export as export_bundle
from autosynth.bundle import write_bundle
from autosynth.bundle.info import card_of_trial
from autosynth.composite import Resolved, build, resolve
from autosynth.data.encoder.registry import input_spec
from autosynth.errors import AutosynthError, RunError
from autosynth.jsonfields import from_fields
from autosynth.leaderboard import build_leaderboard, composing_sentence, remarks
from autosynth.leaderboard import pick as pick_of
from autosynth.leaderboard.rank import COSTS
from autosynth.options import Options
from autosynth.record import Record, read_all, weights_path
from autosynth.scale import scales_from
from autosynth.spec import Dataset, TargetSpec
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.weights import load_tensors, load_weights

RESULTS = Path("results")
RUN_FILE, STATE_FILE = "run.toml", "state.json"
# What may differ between a run and a request that goes on with it.
_FREE = ("budget_seconds", "trials", "workers", "refit", "device")


@dataclass(frozen=True, kw_only=True)
class RunState:
    """How far a run got: seconds spent, in all its sessions, and whether it came to its end."""

    elapsed_seconds: float = 0.0
    finished: bool = False


def read_run(folder: Path) -> dict[str, Any]:
    """What run.toml says. Raises RunError where the folder is no run, or the file is damaged."""
    try:
        found = tomllib.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RunError(
            f"{str(folder)!r} is no run: it has no {RUN_FILE}; name a folder that `autosynth "
            "search` made"
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RunError(f"cannot read {str(folder / RUN_FILE)!r}: {error}") from error
    with _reading(folder / RUN_FILE):
        metric, cost = found["search"]["metric"], found["search"]["cost"]
        if not isinstance(metric, str) or cost not in COSTS:
            raise ValueError(f"its metric is {metric!r} and its cost {cost!r}")
        if not isinstance(found["data"]["source"], str) or not found["data"]["fingerprint"]:
            raise ValueError("it does not say what data it is of")
    return found


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """What goes wrong with a file of a run that is damaged, as one error that names it."""
    try:
        yield
    except AutosynthError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{path} is damaged ({type(error).__name__}: {error}); copy the run's folder again, "
            "or take the file from a copy"
        ) from error


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON object of a run."""
    found = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(found, dict):
        raise TypeError(f"it holds a {type(found).__name__}, not a JSON object")
    return found


def read_state(folder: Path) -> RunState:
    """How far a run got; nothing where it left no state. Raises RunError where it is damaged."""
    path = folder / STATE_FILE
    if not path.exists():
        return RunState()
    with _reading(path):
        return from_fields(RunState, _read_object(path))


def write_state(folder: Path, state: RunState) -> None:
    """Keep how far a run got."""
    write_text_atomic(folder / STATE_FILE, json.dumps(state.__dict__) + "\n")


def write_run(
    folder: Path,
    dataset: Dataset,
    options: Options,
    trainer_config: TrainerConfig,
) -> None:
    """Write run.toml: what was asked, and what was resolved from it."""
    packages = ("torch", "optuna", "numpy", "pandas", "scikit-learn")
    content = {
        "data": {
            "name": dataset.name,
            "source": dataset.source,
            "fingerprint": dataset.fingerprint,
            **options.data_section(),
        },
        "search": options.search_section(),
        "plan": trainer_config.to_dict(),
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
            "device": device_name(trainer_config.device),
        },
    }
    write_text_atomic(folder / RUN_FILE, tomli_w.dumps(content))


def device_name(device: str) -> str:
    """What a reader calls a device."""
    if device.startswith("cuda"):
        return torch.cuda.get_device_name(torch.device(device))
    return f"cpu ({sys.platform}, {platform.machine()})"


def latest() -> Path:
    """The run that was worked on last. Raises RunError where there is none."""
    runs = [path.parent for path in RESULTS.glob(f"*/{RUN_FILE}")]
    if not runs:
        raise RunError(
            f"there is no run under {str(RESULTS)!r}; name a run's folder, or make one with "
            "`autosynth search`"
        )
    return max(runs, key=lambda run: max(path.stat().st_mtime for path in run.iterdir()))


def numbered_folders(stem: str) -> dict[int, Path]:
    """The folders under `results` that are called `<stem>-<n>`, by their number."""
    pattern = re.compile(rf"{re.escape(stem)}-(\d+)")
    there = RESULTS.iterdir() if RESULTS.is_dir() else ()
    return {int(match[1]): path for path in there if (match := pattern.fullmatch(path.name))}


def free_folder(stem: str) -> Path:
    """The folder under `results` with the number after the last."""
    return RESULTS / f"{stem}-{max(numbered_folders(stem), default=0) + 1}"


def place(
    dataset: Dataset, options: Options, out: str | os.PathLike[str] | None
) -> tuple[Path, RunState]:
    """The folder of a request, made where it is not there, and how far a run in it got.

    Without `out`, an unfinished run of the same request on the same data goes on, and otherwise
    the next number is taken. A finished run named by `out` goes on with the new budget.

    Raises:
        RunError: the folder cannot be written, or belongs to other data or another request.
    """
    if out is None:
        folder, state = _numbered(dataset, options)
    else:
        folder, state = Path(out), RunState()
        if folder.exists() and any(folder.iterdir()):
            _check_same(folder, dataset, options)
            state = read_state(folder)
            if state.finished:
                state = RunState()
    _make(folder)
    return folder, state


def _make(folder: Path) -> None:
    try:
        (folder / "trials").mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise RunError(
            f"cannot write the run folder {str(folder)!r}: {error.strerror or error}; name one "
            "you may write with --out"
        ) from error


def _numbered(dataset: Dataset, options: Options) -> tuple[Path, RunState]:
    for _, folder in sorted(numbered_folders(dataset.name).items(), reverse=True):
        if not (folder / RUN_FILE).exists():
            continue
        state = read_state(folder)
        if not state.finished and not _difference(folder, dataset, options):
            return folder, state
    return free_folder(dataset.name), RunState()


def _check_same(folder: Path, dataset: Dataset, options: Options) -> None:
    difference = _difference(folder, dataset, options)
    if difference:
        raise RunError(
            f"the run in {str(folder)!r} belongs to another request: {difference}; name another "
            "folder with --out"
        )


def _difference(folder: Path, dataset: Dataset, options: Options) -> str:
    """In what a run and a request differ, or nothing."""
    run = read_run(folder)
    if run["data"]["fingerprint"] != dataset.fingerprint:
        return f"its data is {run['data']['source']!r} with other content or another target"
    now = options.search_section()
    for name in sorted({*run["search"], *now} - {*_FREE}):
        if run["search"].get(name) != now.get(name):
            return f"its {name} is {run['search'].get(name)!r}, not {now.get(name)!r}"
    return ""


@dataclass(frozen=True)
class Run:
    """A run's folder, and what can be read from it."""

    folder: Path

    @cached_property
    def asked(self) -> dict[str, Any]:
        """What run.toml says."""
        return read_run(self.folder)

    @property
    def metric(self) -> str:
        """The metric that ranks."""
        return str(self.asked["search"]["metric"])

    @property
    def cost(self) -> str:
        """The cost on the other axis."""
        return str(self.asked["search"]["cost"])

    @property
    def records(self) -> list[Record]:
        """All trials and baselines, by number."""
        return read_all(self.folder)

    @property
    def leaderboard(self) -> pd.DataFrame:
        """The ranked table, best first."""
        return build_leaderboard(self.records, metric=self.metric, cost=self.cost)

    @property
    def sentence(self) -> str:
        """Whether composing paid here."""
        path = self.folder / "composing.json"
        with _reading(path):
            return composing_sentence(_read_object(path) if path.exists() else None)

    @property
    def finished(self) -> bool:
        """Whether it came to its end; a run that was broken off goes on when asked for again."""
        return read_state(self.folder).finished

    @property
    def best(self) -> Record:
        """The strategy that was chosen. Raises RunError where nothing is complete."""
        return pick_of(self.records, "best", metric=self.metric, cost=self.cost)

    @property
    def warning(self) -> str:
        """What a user should know of the chosen strategy; empty where nothing."""
        return "\n".join(remarks(self.records, metric=self.metric, cost=self.cost))

    @property
    def exported(self) -> str:
        """The strategy that the bundle holds, and its score on test."""
        best = self.best
        scores = best.refit_test or best.test
        again = ", trained again on all rows but test" if best.refit_test else ""
        text = " | ".join(filter(None, (best.strategy, best.settings)))
        said = f"test {self.metric} {scores[self.metric]:.4f}" if self.metric in scores else ""
        return "; ".join(filter(None, (text, said + again)))

    def export(
        self,
        path: str | os.PathLike[str] | None = None,
        pick: str | int = "best",
        max_flops: int | None = None,
        *,
        force: bool = False,
    ) -> Path:
        """A bundle with `model.pt2`, compared with the live model on held-out rows.

        Args:
            path: the folder to make; `export` in the run's folder if left out.
            pick: best, knee, or the number of a trial.
            max_flops: strategies of more are not considered.
            force: whether a bundle of another model in that folder is replaced.
        """
        record = pick_of(
            self.records, pick, metric=self.metric, cost=self.cost, max_flops=max_flops
        )
        target = Path(path) if path is not None else self.folder / "export"
        with tempfile.TemporaryDirectory(prefix="autosynth-export-") as name:
            source = self.folder / "bundle"
            if record.trial != self.best.trial or not source.is_dir():
                source = self._bundle_of(record, Path(name) / "bundle")
            sample = load_tensors(self.folder / "sample.safetensors")
            export_bundle(source, target, sample=sample, force=force)
        return target

    def _bundle_of(self, record: Record, folder: Path) -> Path:
        """A bundle of any complete trial, from the weights that the search kept."""
        with _reading(self.folder / "data.json"):
            data = _read_object(self.folder / "data.json")
            resolved, scales = _resolved(data, record), scales_from(data)
            dataset, fingerprint = str(data["name"]), str(data["fingerprint"])
        model = build(resolved, record.seed)
        weights = weights_path(self.folder, record.trial)
        if not weights.exists():
            raise RunError(
                f"the weights of trial {record.trial} were not kept; pick another, or train its "
                "strategy with `autosynth train`"
            )
        load_weights(model, weights)
        return write_bundle(
            folder,
            resolved=resolved,
            model=model,
            encoders=data["encoders"],
            scales=scales,
            calibration=record.calibration,
            card=card_of_trial(
                record,
                dataset=dataset,
                fingerprint=fingerprint,
                metric=self.metric,
            ),
        )


def _resolved(data: dict[str, Any], record: Record) -> Resolved:
    inputs = [input_spec(fitted) for fitted in data["encoders"]["inputs"]]
    target = TargetSpec.from_dict(data["target"])
    return resolve(parse(record.canonical), inputs, target)


def open_run(path: str | os.PathLike[str] | None = None) -> Run:
    """The run in a folder, or the one that was worked on last."""
    folder = latest() if path is None else Path(path)
    if not (folder / RUN_FILE).exists():
        read_run(folder)
    return Run(folder)
