"""One training of the benchmark, and the ledger of all: lines of JSON, added as each ends."""

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sets import BenchmarkSet

from autosynth.budget import Deadline
from autosynth.composite import Resolved, cost
from autosynth.composite.fittedpart import takes_steps
from autosynth.errors import AutosynthError
from autosynth.strategy import Strategy, parse
from autosynth.study.context import RunContext
from autosynth.study.trial import error_of, scored_outputs
from autosynth.training.config import RUNGS, TrainerConfig
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs, raw_outputs

# Seconds, after which a training is given up: few do, and they are noted as stopped.
MOST_SECONDS = 60.0
# Rows of validation and of test each, of which single components' outputs are kept.
KEPT_ROWS = 500


class _EveryRung(TrainerConfig):
    """A plan that looks at every rung, however little it may say."""

    def rungs(self, length: float = 1.0) -> tuple[float, ...]:
        return RUNGS


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be trained: a resolved strategy, on a set, by a schedule of some length.

    `schedule` is a rate over time, with the weights that are kept after a plus: `onecycle`, `wsd`,
    `constant`, `free`. `length` is that of the data's own training. `place` is its own among those
    that the space names, of none where it was drawn.
    """

    set: str
    strategy: str
    schedule: str = "onecycle"
    length: float = 1.0
    seed: int = 0
    place: int | None = None

    @property
    def key(self) -> tuple[str, str, str, float, int]:
        """What tells it from others."""
        return self.set, self.strategy, self.schedule, self.length, self.seed

    def scheduled(self) -> Strategy:
        """The strategy on that schedule."""
        strategy = parse(self.strategy)
        if not takes_steps(strategy.root):
            return strategy
        settings = {**dict(strategy.settings), "schedule": self.schedule, "length": self.length}
        return replace(strategy, settings=tuple(settings.items()))


@dataclass(frozen=True, kw_only=True)
class Training:
    """What a training came to. Errors are what a search minimises; scores, higher is better.

    `curve` are the validation errors after shares of the schedule; `outputs` those of a single
    component on the first rows of validation and test, half precision, in base64.
    """

    task: Task
    state: str = "complete"
    reason: str = ""
    topology: str = ""
    components: str = ""
    fusion: str = ""
    sharing: str = ""
    training: str = ""
    val: float | None = None
    test: float | None = None
    val_error: float | None = None
    test_error: float | None = None
    standard_error: float | None = None
    flops: int = 0
    params: int = 0
    train_flops: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    curve: tuple[tuple[float, float], ...] = ()
    outputs: dict[str, str] = field(default_factory=dict)


def trained(where: BenchmarkSet, task: Task, *, keep: bool = False) -> Training:
    """Train; with the outputs of a single component where they are to be kept."""
    context = where.context
    resolved = context.resolved(str(task.scheduled()))
    known = Training(
        task=task,
        **{
            name: getattr(resolved, name)
            for name in ("topology", "components", "fusion", "sharing", "training")
        },
    )
    start = time.monotonic()
    try:
        return _trained(context, resolved, known, keep=keep)
    except AutosynthError as error:
        seconds = round(time.monotonic() - start, 3)
        return replace(known, state="failed", reason=str(error), seconds=seconds)


def _trained(context: RunContext, resolved: Resolved, known: Training, *, keep: bool) -> Training:
    splits, data = context.dataset.splits, context.device_dataset
    curve: list[tuple[float, float]] = []

    def on_rung(done: float, model: torch.nn.Module) -> bool:
        curve.append((round(done, 4), error_of(context, model)[0]))
        return False

    outcome = train(
        resolved,
        data,
        TrainingRows(
            train=splits.train, calibration=splits.calibration, unlabelled=splits.unlabelled
        ),
        _EveryRung(**vars(context.trainer_config)),
        seed=known.task.seed,
        score=context.metric.score,
        on_rung=on_rung,
        deadline=Deadline.after(MOST_SECONDS),
    )
    known = replace(
        known,
        seconds=round(outcome.seconds, 3),
        steps=outcome.steps,
        train_flops=outcome.train_flops,
        curve=tuple(curve),
    )
    if outcome.stopped:
        return replace(known, state="stopped", reason=outcome.stopped)
    rows, found, calibration = scored_outputs(context, outcome.model)
    test = splits.test
    tested = calibration.scores(outputs(outcome.model, data, test), context.dataset.target)
    val, test_score = context.score(rows, found), context.score(test, tested)
    price, kept = cost(resolved, outcome.model), dict[str, str]()
    if keep and known.topology == "single":
        kept = {
            "validation": packed(raw_outputs(outcome.model, data, splits.validation[:KEPT_ROWS])),
            "test": packed(raw_outputs(outcome.model, data, test[:KEPT_ROWS])),
        }
    return replace(
        known,
        val=val,
        test=test_score,
        val_error=context.error(val),
        test_error=context.error(test_score),
        standard_error=context.standard_error(rows, found),
        flops=price.flops,
        params=price.params,
        outputs=kept,
    )


def packed(outputs: torch.Tensor) -> str:
    """Half-precision numbers as text."""
    return base64.b64encode(outputs.cpu().numpy().astype("<f2").tobytes()).decode("ascii")


def read(path: Path) -> Iterator[Training]:
    """The trainings in a ledger; a last line that was cut off is none."""
    for line in path.read_text().splitlines() if path.exists() else ():
        try:
            plain: dict[str, Any] = json.loads(line)
        except ValueError:
            continue
        curve = tuple((float(done), float(error)) for done, error in plain.pop("curve"))
        yield Training(**{**plain, "task": Task(**plain["task"]), "curve": curve})


def append(path: Path, training: Training) -> None:
    """Add a line; what is not finite is none."""
    plain = asdict(training)
    for name in ("val", "test", "val_error", "test_error", "standard_error"):
        value = plain[name]
        plain[name] = None if value is None or not np.isfinite(value) else float(value)
    with path.open("a") as file:
        file.write(json.dumps(plain) + "\n")
