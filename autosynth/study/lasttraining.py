"""The last training of a strategy, on everything but test; its parts side by side where they can.

Nothing else is trained then, so that what needs nothing of the other parts is a job of its own, of
the workers that the search leaves. It comes to what it would come to in the whole.
"""

from collections import deque
from dataclasses import replace

import numpy as np

from autosynth.budget import POLICY, Deadline
from autosynth.composite import Resolved
from autosynth.errors import AutosynthError, lacking
from autosynth.record import Record
from autosynth.strategy import Chain, Fusion, Node, Settings, parse
from autosynth.study.agenda import LENGTH
from autosynth.study.context import RunContext
from autosynth.study.job import Done, Event, Failed, Job, Lost
from autosynth.study.pool import WorkerPool
from autosynth.study.space import Space
from autosynth.study.trial import initial_record
from autosynth.training.config import TrainerConfig
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.part import part_weights, train_part
from autosynth.training.phase import Told
from autosynth.training.weights import alone_of
from autosynth.training.work import seconds_of

# Seconds that are waited for workers at a time, before the clock is looked at.
_WAIT_SECONDS = 1.0
# Of the training that the data ask for, below which one serves to choose alone: forecasts, which
# begin with a half, learn by heart what is longer.
_SCREEN = 0.5


def last_rows(context: RunContext, resolved: Resolved) -> TrainingRows:
    """Everything but test, and those of `calibration` where something is fitted afterwards."""
    splits = context.dataset.splits
    held = splits.calibration if resolved.training_plan.post_hoc else splits.calibration[:0]
    train_rows = np.setdiff1d(context.learnable, held)
    return TrainingRows(train=train_rows, calibration=held, unlabelled=splits.unlabelled)


def train_last(
    context: RunContext, record: Record, deadline: Deadline, pool: WorkerPool | None = None
) -> Outcome:
    """Train the strategy of a record for the last time.

    The schedule is the trial's: as many epochs, every phase ended at the share of it that was best
    on `calibration`.

    Args:
        context: of the run.
        record: of the trial.
        deadline: by which it must have ended; it is stopped as soon as it will not.
        pool: the workers there are, if any.

    Raises:
        TrialError: it cannot be trained.
    """
    resolved = context.resolved(record.canonical)
    given = _side_by_side(context, record, resolved, deadline, pool) if pool else {}
    rows = last_rows(context, resolved)
    return train(
        resolved,
        context.device_dataset,
        rows,
        _plan(context, rows),
        seed=context.seed,
        until=record.best_fractions,
        deadline=deadline,
        given=given,
    )


def train_last_part(context: RunContext, job: Job, told: Told = lambda: False) -> Done | Failed:
    """What a worker does with a part of a last training: its weights, or why there are none."""
    resolved = context.resolved(job.strategy)
    rows = last_rows(context, resolved)
    blank = initial_record(context, job, "failed")
    try:
        outcome = train_part(
            resolved,
            context.device_dataset,
            rows,
            _plan(context, rows),
            job.part,
            seed=job.seed,
            deadline=job.deadline,
            until=job.until,
            told=told,
        )
    except Exception as error:  # the whole is then trained without it, and says so itself
        reason = str(error) if isinstance(error, AutosynthError) else lacking(error)
        record = replace(blank, reason=reason or type(error).__name__)
        return Failed(number=job.number, part=job.part, record=record)
    if outcome.stopped or outcome.cut:
        record = replace(blank, state="stopped", reason=outcome.stopped or outcome.cut)
        return Done(number=job.number, part=job.part, record=record)
    record = replace(blank, state="complete", train_seconds=outcome.seconds)
    weights = part_weights(outcome.model, resolved, job.part)
    return Done(number=job.number, part=job.part, record=record, weights=weights)


def seconds_side_by_side(
    context: RunContext, canonical: str, workers: int, seconds: float
) -> float:
    """The time of a last training by so many workers, of a trial's that took one `seconds`.

    Of what takes no steps nothing is foreseen: all of it together is what `seconds` have left.
    """
    if not canonical:  # of a run before strategies had one
        return seconds
    known = context.phase_seconds  # it is asked before every trial
    if canonical not in known:
        known[canonical] = _phase_seconds(context, canonical)
    apart, rest, own, has_fits = known[canonical]
    fits = max(0.0, seconds - own) if has_fits else 0.0
    if own:  # the last training may be longer than the trial's
        seconds = fits + (seconds - fits) * (sum(apart) + rest) / own
    total = sum(apart) + rest + fits
    if workers < 2 or not apart or not total:
        return seconds
    loads = [0.0] * workers  # the longest first, each to the worker that is free first
    for taken in sorted((*apart, fits), reverse=True):
        loads[loads.index(min(loads))] += taken
    return seconds * min(1.0, (max(loads) / POLICY.workers_worth + rest) / total)


def _phase_seconds(
    context: RunContext, canonical: str
) -> tuple[tuple[float, ...], float, float, bool]:
    """Seconds foreseen of phases that need nothing of each other, and of the others together.

    Of the last training; none of the first where there is but one. Then of all phases in the
    trial's; and whether some phases take no steps.
    """
    whole = whole_length(canonical, context.space)
    resolved = context.resolved(whole)
    apart, seconds = set(parts_apart(resolved)), _seconds_by_phase(context, resolved)
    found = tuple(taken for name, taken in seconds.items() if name in apart)
    rest = sum(taken for name, taken in seconds.items() if name not in apart)
    own = sum(seconds.values())
    if whole != canonical:
        own = sum(_seconds_by_phase(context, context.resolved(canonical)).values())
    return found, rest, own, any(phase.is_fit for phase in resolved.training_plan.phases)


def _seconds_by_phase(context: RunContext, resolved: Resolved) -> dict[str, float]:
    plan, length = resolved.training_plan, float(resolved.settings["length"])
    return {
        phase.name: length * seconds_of(context.trainer_config, plan.program, phase)
        for phase in plan.phases
    }


def whole_length(canonical: str, space: Space) -> str:
    """A strategy in which nothing is trained for the shortest of several lengths: for the next.

    The shortest serves to choose: of ten sets, nine had 1 to 47 % fewer errors at the next one
    (results/benchmark).
    """
    lengths = [float(value) for value in space.settings.get(LENGTH, ())]
    first = float(space.defaults.get(LENGTH, 1.0))
    longer = next((each for each in lengths if each > first), first)
    if first >= _SCREEN or longer == first:
        return canonical
    strategy = parse(canonical)

    def raised(own: Settings) -> Settings:
        return tuple((k, longer if k == LENGTH and float(v) <= first else v) for k, v in own)

    def within(node: Node) -> Node:
        if isinstance(node, Chain):
            return replace(node, steps=tuple(map(within, node.steps)))
        if isinstance(node, Fusion):
            own = tuple(map(raised, node.settings))
            return replace(node, parts=tuple(map(within, node.parts)), settings=own)
        return node

    return str(replace(strategy, root=within(strategy.root), settings=raised(strategy.settings)))


def last_form(context: RunContext, record: Record) -> Record:
    """What is trained of a record for the last time: at the whole length, to its end."""
    canonical = context.resolved(whole_length(record.canonical, context.space)).canonical
    if canonical == record.canonical:
        return record
    return replace(record, canonical=canonical, best_fractions={})


def parts_apart(resolved: Resolved) -> list[str]:
    """The phases of a training that need nothing of each other, where there are several."""
    phases = resolved.training_plan.phases
    found = [phase.name for phase in phases if alone_of(resolved, phase) is not None]
    return found if len(found) > 1 else []


def _plan(context: RunContext, rows: TrainingRows) -> TrainerConfig:
    more = len(rows.train) / len(context.dataset.splits.train)
    steps = max(1, round(context.trainer_config.steps * more))
    return replace(context.trainer_config, steps=steps)


def _side_by_side(
    context: RunContext,
    record: Record,
    resolved: Resolved,
    deadline: Deadline,
    pool: WorkerPool,
) -> dict[str, bytes]:
    """The weights of the parts that workers have trained in time, by the names of their phases."""
    parts = parts_apart(resolved)
    if pool.size < 2 or not parts:
        return {}
    whole = Job(
        number=record.trial,
        strategy=resolved.canonical,
        seed=context.seed,
        deadline=deadline,
        until=record.best_fractions,
    )
    waiting = deque(replace(whole, part=part) for part in parts)
    out, found = set(parts), dict[str, bytes]()

    def handle(event: Event) -> bool:
        if isinstance(event, Done | Failed | Lost):
            out.discard(event.part)
        if isinstance(event, Done) and event.weights is not None:
            found[event.part] = event.weights
        return False

    while out and not deadline.over:
        while pool.free and waiting:
            pool.start(waiting.popleft())
        pool.wait(handle, _WAIT_SECONDS)
    if out:
        pool.stop(record.trial)
    return found
