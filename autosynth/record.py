"""What one trial was and did: a frozen record in, a JSON file out, and back.

A run consists of these files alone (`trials/000012/record.json`); leaderboard, report and bundle
read nothing else about a trial. Every write goes to a temporary file that then takes the place of
the old one, so that a reader, or a run killed half-way, never sees half a file.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

from autosynth.errors import AutosynthError, RunError

RecordKind = Literal["strategy", "baseline"]
RecordState = Literal["complete", "cut", "pruned", "failed", "infeasible", "stopped", "not_run"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One trial, or one baseline (`kind`), as it ended.

    `strategy` is resolved and without its settings; for a baseline it is the baseline's name.
    `components` are joined by "+". `reason` says why a trial is not complete; `cut` is a baseline
    that had no time for all its rows or rounds, whose scores are no bar. `val` and `test` hold
    scores by metric name, higher is better; `test` is empty until scored, and `test_interval` the
    95 % interval of the metric that ranks, there. On few rows `cv` is the score over several
    folds, and `expected` what all scores together let expect on new rows. `flops` are a sample's,
    at inference, as expected, and `worst_flops` those of one that goes through all
    parts of a cascade; `train_flops` the whole training's. `epochs` are the passes that it made
    over its training rows, in all its phases; `samples_seen` counts trainings out of fold, too.
    `best_shares` are, by phase of the training, the share (0 to 1) after which it was best on
    `calibration`, where not at its end.
    `curve` pairs the fraction of the schedule (0 to 1) with the validation error there. `origin`
    says who proposed the trial: ladder, portfolio, longer, sampler or given.
    """

    trial: int
    seed: int
    kind: RecordKind = "strategy"
    strategy: str
    settings: str = ""
    topology: str = ""
    components: str = ""
    sharing: str = ""
    fusion: str = ""
    training: str = ""
    init: str = ""
    state: RecordState
    reason: str = ""
    val: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    test_interval: tuple[float, ...] = ()
    cv: float | None = None
    expected: float | None = None
    flops: int | None = None
    params: int | None = None
    worst_flops: int | None = None
    latency_ms: float | None = None
    train_flops: float | None = None
    train_seconds: float | None = None
    samples_seen: int | None = None
    epochs: float | None = None
    best_shares: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()
    origin: str = ""
    notes: Mapping[str, str] = field(default_factory=dict)


_REQUIRED = {
    f.name for f in fields(Record) if f.default is MISSING and f.default_factory is MISSING
}
_NONE = type(None)
_JSON_TYPES: dict[str, tuple[type, ...]] = {  # text, where not named here
    **dict.fromkeys(("trial", "seed"), (int,)),
    **dict.fromkeys(("flops", "params", "worst_flops", "samples_seen"), (int, _NONE)),
    **dict.fromkeys(
        ("cv", "expected", "latency_ms", "train_flops", "train_seconds", "epochs"),
        (int, float, _NONE),
    ),
    **dict.fromkeys(("val", "test", "best_shares", "notes"), (dict,)),
    **dict.fromkeys(("curve", "test_interval"), (list,)),
}


def merit(record: Record, metric: str) -> tuple[float, float]:
    """What trials are chosen by: the score on `validation`, of equal ones minus the log loss.

    On few rows many scores are equal, and how sure a model is of them still says something.
    Minus infinity where there is no score.
    """
    score = record.val.get(metric, -math.inf) if record.state == "complete" else -math.inf
    tie = record.val.get("neg_log_loss", 0.0)
    return (-math.inf, -math.inf) if math.isnan(score) else (score, tie)


def worth(record: Record, metric: str) -> tuple[float, float]:
    """What is chosen by at the end: the expected score where it is known, else the `merit`."""
    score, tie = merit(record, metric)
    return (score if record.expected is None else record.expected), tie


def to_json(record: Record) -> str:
    """The record as indented JSON text. A score that is not finite is left out, or null."""
    plain = {f.name: _plain(getattr(record, f.name)) for f in fields(record)}
    return json.dumps(plain, indent=1, allow_nan=False) + "\n"


def from_json(text: str) -> Record:
    """The record that `to_json` wrote.

    Raises:
        RunError: the text is no JSON, or no record of this version of AutoSynth.
    """
    try:
        plain = json.loads(text)
    except json.JSONDecodeError as problem:
        raise RunError(f"a record is JSON text, and this is not: {problem}") from problem
    if not isinstance(plain, dict):
        raise RunError(f"a record is a JSON object, not a {type(plain).__name__}")
    problems = _problems(plain)
    if problems:
        raise RunError(f"not a record of this version of AutoSynth: {'; '.join(problems)}")
    curve = tuple((float(at), float(error)) for at, error in plain.pop("curve", ()))
    interval = tuple(map(float, plain.pop("test_interval", ())))
    return Record(**plain, curve=curve, test_interval=interval)


def trial_dir(run_dir: Path, trial: int) -> Path:
    """The folder of one trial inside a run folder."""
    return run_dir / "trials" / f"{trial:06d}"


def write_record(record: Record, run_dir: Path) -> Path:
    """Write `trials/<trial>/record.json` under `run_dir`, in one step; gives its path.

    Raises:
        RunError: the folder cannot be written.
    """
    path = trial_dir(run_dir, record.trial) / "record.json"
    write_text_atomic(path, to_json(record))
    return path


def read_all(run_dir: Path) -> list[Record]:
    """All records of a run, by trial number; a trial that left none yet is passed over.

    Raises:
        RunError: there is no such folder, or a file in it is not a record; it names the file.
    """
    if not run_dir.is_dir():
        raise RunError(f"no run folder {str(run_dir)!r}: name one that `autosynth search` made")
    records = []
    for path in sorted((run_dir / "trials").glob("*/record.json")):
        try:
            records.append(from_json(path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError, RunError) as problem:
            raise RunError(
                f"{path}: {problem}; move its folder away to use the rest of the run"
            ) from problem
    return sorted(records, key=lambda record: record.trial)


def write_text_atomic(path: Path, text: str) -> None:
    """Write UTF-8 text so that `path` holds either all of it or what it held before.

    Raises:
        RunError: the folder cannot be made or written.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which takes its place when the block ends well.

    Parent folders are made. When the block raises, `path` is as it was.

    Raises:
        RunError: the folder cannot be made or written.
    """
    temporary = path.with_name(f".{uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # on the disk before it takes the place: survives a reboot
        temporary.replace(path)
    except AutosynthError:
        raise  # some are OSErrors, of another file
    except OSError as problem:
        raise _unwritable(path, problem) from problem
    finally:
        if path.parent.is_dir():
            temporary.unlink(missing_ok=True)


def _unwritable(path: Path, problem: OSError) -> RunError:
    why = problem.strerror or str(problem)
    return RunError(f"cannot write {str(path)!r}: {why}; name a folder you may write with --out")


def _plain(value: Any) -> Any:
    """`value` with JSON's own types, and without numbers that JSON does not have."""
    if isinstance(value, Mapping):
        pairs = ((str(key), _plain(item)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not None}
    if isinstance(value, tuple):
        return [item for item in map(_plain, value) if not _has_none(item)]
    if hasattr(value, "item"):  # a numpy scalar
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _has_none(item: Any) -> bool:
    return isinstance(item, list) and None in item


def _problems(plain: dict[str, Any]) -> list[str]:
    known = {f.name for f in fields(Record)}
    problems = [f"no {name!r}" for name in sorted(_REQUIRED - plain.keys())]
    problems += [f"unknown key {name!r}" for name in sorted(plain.keys() - known)]
    for name, value in plain.items():
        right = _JSON_TYPES.get(name, (str,))
        if name in known and (not isinstance(value, right) or isinstance(value, bool)):
            problems.append(f"{name} = {value!r}")
    for name, valid in (("state", get_args(RecordState)), ("kind", get_args(RecordKind))):
        if isinstance(plain.get(name), str) and plain[name] not in valid:
            problems.append(f"{name} {plain[name]!r} is none of {', '.join(valid)}")
    points = plain.get("curve")
    if isinstance(points, list) and not all(isinstance(p, list) and len(p) == 2 for p in points):
        problems.append("curve is not a list of pairs")
    return problems
