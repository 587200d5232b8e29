"""What one trial was and did: a frozen record in, a JSON file out, and back; and who beats whom.

A run consists of these files alone (`trials/000012/record.json`); leaderboard, report and bundle
read nothing else about a trial.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from autosynth import __version__
from autosynth.atomic import flush_folder, unwritable, write_text_atomic
from autosynth.errors import NewerRunError, RunError
from autosynth.front import layers
from autosynth.jsonfields import RECORD_1, from_fields, json_ready, renamed
from autosynth.task.calibration import Calibration

RECORD_VERSION = 4
"""Of what is written. Version 1 is read by the table of `autosynth.jsonfields`; version 2 had no
`weights_dropped`, version 3 no `chosen`."""
# Numbers over that are no measure of anything, and no float of numpy's integers.
_MOST = 2.0**62
RecordKind = Literal["strategy", "baseline"]
RecordState = Literal["complete", "cut", "pruned", "failed", "infeasible", "stopped", "not_run"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One trial, or one baseline (`kind`), as it ended.

    `strategy` is resolved and without its settings; for a baseline it is the baseline's name.
    `canonical` is the strategy in canonical form with its settings: what was trained, and is not
    trained again. `components` are joined by "+". `reason` says why a trial is not complete, or of
    a complete one what was cut short for want of time; `cut` is a baseline that had no time for
    all its rows or rounds, whose scores are no bar. `note` says more of a complete one.

    `val` and `test` hold scores by metric name, higher is better; `test` is empty until scored,
    and `test_interval` the 95 % interval of the metric that ranks, there. `standard_error` is that
    of the validation score, which is of `n_folds` folds. What was trained on several seeds has in
    `repeats` the score of each, and in `val` their means. On few rows `cv` is the score over
    the folds of the last choice, whose own `standard_error` then is, and `expected` what all
    scores together let expect on new rows. `calibration` was fitted for the trial, and
    `refit_test` are the test scores of the winner trained again on more rows, which took
    `refit_seconds`.

    `flops` are a sample's, at inference, as expected, and `worst_flops` those of one that goes
    through all parts of a cascade; `train_flops` the whole training's. `foreseen_seconds` are what
    one training was foreseen to take, `once_seconds` what its frozen networks took over all rows
    before, `known_seconds` what parts took that stood trained, and `eval_seconds` the scoring on
    `validation`. `epochs` are the passes that it made
    over its training rows, in all its phases; `samples_seen` counts trainings out of fold, too.

    `best_fractions` are, by phase of the training, the fraction (0 to 1) of its schedule after
    which it was best on `calibration`, where not at its end. `curve` pairs the fraction of the
    schedule (0 to 1) with the validation error there. `still_gaining` says why a longer training
    may pay. `origin` says who proposed the trial: ladder, portfolio, known, part, composed,
    longer, tuned, sampler or given; `chosen` why it had its turn, where the search weighed it.

    Where `weights_dropped`, a limit of disk had no room for its weights: it is chosen no more.
    """

    version: int = RECORD_VERSION
    trial: int
    seed: int
    kind: RecordKind = "strategy"
    strategy: str
    canonical: str = ""
    settings: str = ""
    topology: str = ""
    components: str = ""
    sharing: str = ""
    fusion: str = ""
    training: str = ""
    init: str = ""
    state: RecordState
    reason: str = ""
    note: str = ""
    val: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    test_interval: tuple[float, ...] = ()
    standard_error: float | None = None
    repeats: tuple[float, ...] = ()
    n_folds: int = 1
    cv: float | None = None
    expected: float | None = None
    calibration: Calibration = Calibration()
    refit_test: Mapping[str, float] = field(default_factory=dict)
    refit_seconds: float | None = None
    flops: int | None = None
    params: int | None = None
    worst_flops: int | None = None
    latency_ms: float | None = None
    foreseen_seconds: float | None = None
    once_seconds: float | None = None
    known_seconds: float | None = None
    eval_seconds: float | None = None
    train_flops: float | None = None
    train_seconds: float | None = None
    samples_seen: int | None = None
    epochs: float | None = None
    best_fractions: Mapping[str, float] = field(default_factory=dict)
    curve: tuple[tuple[float, float], ...] = ()
    still_gaining: str = ""
    origin: str = ""
    chosen: str = ""
    weights_dropped: bool = False


@dataclass(frozen=True, kw_only=True)
class DamagedTrial:
    """A trial whose record cannot be read: its folder, and why."""

    folder: Path
    problem: str

    @property
    def text(self) -> str:
        """Both, as a sentence."""
        return f"trial {int(self.folder.name)} is damaged and left out ({self.problem})"


_MEASURES = (
    *("flops", "params", "worst_flops", "latency_ms", "foreseen_seconds", "once_seconds"),
    "known_seconds",
    *("eval_seconds", "train_flops", "train_seconds", "samples_seen", "epochs"),
    *("standard_error", "refit_seconds"),
)


def score_of(record: Record, metric: str) -> float:
    """The validation score; minus infinity where a record has none that counts."""
    score = record.val.get(metric, -math.inf) if record.state == "complete" else -math.inf
    return -math.inf if math.isnan(score) else score


def cost_of(record: Record, cost: str) -> float:
    """What a record is charged, by the field of that name; infinity where it is not known."""
    known = getattr(record, cost)
    return math.inf if known is None else float(known)


def merit(record: Record, metric: str) -> tuple[float, float]:
    """What trials are chosen by: the score on `validation`, of equal ones minus the log loss.

    On few rows many scores are equal, and how sure a model is of them still says something.
    Minus infinity where there is no score.
    """
    score = score_of(record, metric)
    tie = record.val.get("neg_log_loss", 0.0)
    tie = 0.0 if math.isnan(tie) else tie  # as in its file, which leaves such a number out
    return score, tie if score > -math.inf else -math.inf


def worth(record: Record, metric: str) -> tuple[float, float]:
    """What is chosen by at the end: the expected score where it is known, else the `merit`.

    A cascade saves cost and knows no more than its parts: it has to be a standard error better.
    """
    score, tie = merit(record, metric)
    score = score if record.expected is None else record.expected
    if record.fusion.startswith("cascade"):
        score -= record.standard_error or 0.0
    return score, tie


def preference(record: Record, metric: str, cost: str) -> tuple[float, ...]:
    """The place of a strategy where one is to be handed over: the least is.

    By what it is worth, of equal ones by score, then the surer, the cheaper and the earlier.
    """
    score, tie = merit(record, metric)
    first, _ = worth(record, metric)
    return -first, -score, -tie, cost_of(record, cost), record.trial


def to_json(record: Record) -> str:
    """The record as indented JSON text. A score that is not finite is left out, or null."""
    return json.dumps(json_ready(record), indent=1, allow_nan=False) + "\n"


def from_json(text: str) -> Record:
    """The record that `to_json` wrote, or that an earlier version of AutoSynth did.

    Raises:
        RunError: the text is no JSON, or no record; or one of a newer version.
    """
    try:
        plain = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        raise RunError(f"a record is JSON text, and this is not: {problem}") from problem
    if not isinstance(plain, dict):
        raise RunError(f"a record is a JSON object, not a {type(plain).__name__}")
    version = plain.get("version", 1)
    if isinstance(version, int) and version > RECORD_VERSION:
        raise NewerRunError(
            f"this run was made by a newer AutoSynth: its records are of version {version}, and "
            f"this is autosynth {__version__}, which reads them up to version {RECORD_VERSION}; "
            "upgrade AutoSynth to open it"
        )
    try:
        if version == 1:
            plain = renamed(plain, RECORD_1)
            plain = {key: value for key, value in plain.items() if key != "notes"}
            plain["version"] = RECORD_VERSION
        elif version == 2 and isinstance(version, int):
            plain = plain | {"version": RECORD_VERSION}
        return from_fields(Record, plain)
    except (ValueError, RecursionError) as problem:
        raise RunError(f"not a record of this version of AutoSynth: {problem}") from problem


def _no_number(text: str) -> float:
    raise ValueError(f"it holds {text}, which is no number")


def _implausible(record: Record) -> list[str]:
    """Values that have the right type and cannot be: what is reckoned with them would break."""
    measures = {name: value for name in _MEASURES if (value := getattr(record, name)) is not None}
    found = [f"{name} = {v}" for name, v in measures.items() if not 0 <= v < _MOST]
    scores = [*record.val.values(), *record.test.values(), *record.refit_test.values()]
    scores += record.repeats
    rates = [*record.best_fractions.values(), *(at for at, _ in record.curve)]
    found += [f"a score of {v}" for v in scores if not abs(v) < _MOST]
    found += [f"a fraction of {v}" for v in rates if not 0 <= v <= 1]
    if not 0 < record.n_folds < _MOST:
        found.append(f"n_folds = {record.n_folds}")
    if record.kind == "strategy" and record.flops == 0:
        found.append("flops = 0")
    return found


def trial_dir(run_dir: Path, trial: int) -> Path:
    """The folder of one trial inside a run folder."""
    return run_dir / "trials" / f"{trial:06d}"


def claim(folder: Path) -> int:
    """The next free trial number of a run, made ours by making its folder.

    Raises:
        RunError: the run's folder is gone, or cannot be written.
    """
    check_there(folder)
    names = [path.name.partition(".")[0] for path in (folder / "trials").glob("[0-9]*")]
    taken = [int(name) for name in names if name.isdecimal()]  # of those put aside, too
    number = max(taken, default=-1) + 1
    while True:
        try:
            trial_dir(folder, number).mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as problem:
            raise unwritable(trial_dir(folder, number), problem) from problem
        else:
            return number


def weights_path(run_dir: Path, trial: int) -> Path:
    """Where a trial's weights are kept."""
    return trial_dir(run_dir, trial) / "weights.safetensors"


def check_there(run_dir: Path) -> None:
    """A run's folder that went away is not to be made again by what is written to it.

    Raises:
        RunError: it is gone.
    """
    if not run_dir.exists():
        raise RunError(
            f"the run's folder {str(run_dir)!r} is gone; type the same command again to begin anew"
        )


def write_record(record: Record, run_dir: Path) -> Path:
    """Write `trials/<trial>/record.json` under `run_dir`, in one step; gives its path.

    Raises:
        RunError: the folder cannot be written, or is gone.
    """
    check_there(run_dir)
    path = trial_dir(run_dir, record.trial) / "record.json"
    write_text_atomic(path, to_json(record))
    try:
        flush_folder(path.parents[1])  # which holds the name of the trial's folder
    except OSError as problem:
        raise unwritable(path, problem) from problem
    return path


def read_all(run_dir: Path) -> list[Record]:
    """All records of a run that can be read, by trial number.

    A trial that left none yet is passed over, and so is one whose record is damaged: those are
    told where a search begins and where a board is shown (`read_records`).

    Raises:
        RunError: there is no such folder, or a record in it is one of a newer version.
    """
    return read_records(run_dir)[0]


def read_records(run_dir: Path) -> tuple[list[Record], list[DamagedTrial]]:
    """All records of a run by trial number, and the trials whose records are damaged.

    Raises:
        RunError: there is no such folder, or a record in it is one of a newer version; it is
            named.
    """
    if not run_dir.is_dir():
        raise RunError(f"no run folder {str(run_dir)!r}: name one that `autosynth search` made")
    records, damage = [], []
    for path in sorted((run_dir / "trials").glob("*/record.json")):
        if not path.parent.name.isdecimal():  # put aside
            continue
        try:
            record = from_json(path.read_text(encoding="utf-8"))
            if trial_dir(run_dir, record.trial) != path.parent:
                raise RunError(f"it is the record of trial {record.trial}")
            if problems := _implausible(record):
                raise RunError("; ".join(problems))
            records.append(record)
        except NewerRunError as problem:
            raise NewerRunError(f"{path}: {problem}") from problem
        except (OSError, UnicodeDecodeError, RunError) as problem:
            damage.append(DamagedTrial(folder=path.parent, problem=f"{path.name}: {problem}"))
    return sorted(records, key=lambda record: record.trial), damage


def record_layers(records: Sequence[Record], *, metric: str, cost: str) -> dict[int, int]:
    """The layer of each record by its score on `validation` and its cost, by trial number.

    Args:
        records: which all have that score and that cost.
        metric: of the scores, higher is better.
        cost: the field of a record that is charged.
    """
    points = [(-record.val[metric], float(getattr(record, cost))) for record in records]
    numbers = layers(np.asarray(points, dtype=float).reshape(-1, 2))
    return {record.trial: int(n) for record, n in zip(records, numbers, strict=True)}
