"""What comes after the trials: choice, refit, the one look at test, whether composing paid.

The best composite is held against single components, those that are no networks among them. All
are chosen on `validation`; differences and their intervals are of test rows. Nothing is said where
too little was trained to say it: the reason stands in its place.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autosynth.atomic import write_text_atomic
from autosynth.budget import Deadline
from autosynth.composite import Composite, Resolved
from autosynth.errors import AutosynthError, TrialError
from autosynth.record import Record, cost_of, merit, preference, read_all, trial_dir, write_record
from autosynth.run.sweep import put_aside
from autosynth.spec import Array
from autosynth.study.agenda import PART_ALONE
from autosynth.study.context import RunContext
from autosynth.study.finalist import RACERS, a_training, finalists
from autosynth.study.fold import OutOfTime, fold_outputs
from autosynth.study.lasttraining import last_rows, train_last
from autosynth.study.optimism import ChosenAmong
from autosynth.study.pool import WorkerPool
from autosynth.study.trial import load_trained
from autosynth.task.score import (
    paired_interval,
    resamples,
    score_all,
    score_interval,
)
from autosynth.training.output import finished_rows, outputs

# Times a composite's cost, that a single component may have and is no dearer: as in the pruner.
SLACK = 1.05
# Of all trainings, by their price, that single components had. With less, the best composite would
# be held against what happened to be trained, and look good for it: then nothing is claimed.
LEAST_SHARE = 0.3


@dataclass(frozen=True, kw_only=True)
class Refit:
    """The winner trained on all but test and `n_calibration` rows, and its one score on test."""

    model: Composite
    test: dict[str, float]
    seconds: float
    n_train: int
    n_calibration: int = 0


def resolved_of(context: RunContext, record: Record) -> Resolved:
    """The resolved strategy of a record."""
    return context.resolved(record.canonical)


def sound_finalists(context: RunContext, say: Callable[[str], None]) -> list[Record]:
    """The finalists of a run, all of which can be loaded: where one cannot, the next is one.

    Args:
        context: of the run.
        say: is told of each trial that is put aside.
    """
    while True:
        last = finalists(read_all(context.folder), context)
        for record in last:
            try:
                _trained(context, record)
            except AutosynthError as problem:
                put_aside(trial_dir(context.folder, record.trial), str(problem), say)
                break
        else:
            return last


def test_outputs(context: RunContext, record: Record, model: Composite) -> Array:
    """A model's outputs on test, with the trial's temperature and thresholds."""
    found = outputs(model, context.device_dataset, context.dataset.splits.test)
    return record.calibration.scores(found, context.dataset.target)


def cross_validate(context: RunContext, records: Sequence[Record], deadline: Deadline) -> None:
    """Score the front by folds of all rows but test, as a race that ends at the deadline.

    The search's own `validation` is the first fold. After each further one the better half goes
    on, two at least. Those that are left at the end get the score of all their out-of-fold
    outputs.

    Args:
        context: of the run.
        records: of the trials to score.
        deadline: by which it must have ended.
    """
    select = context.dataset.splits.validation
    ranked = sorted(records, key=lambda r: preference(r, context.metric.name, context.cost))
    ranked = ranked[:RACERS]
    found = {
        r.trial: [outputs(_trained(context, r), context.device_dataset, select)] for r in ranked
    }
    rows, last = [select], ranked
    for inside, outside in context.other_folds():
        ranked = _in_time(ranked, deadline.left)
        if len(ranked) < 2:
            break
        try:
            folds = [(r, _fold(context, r, inside, outside, deadline)) for r in ranked]
        except OutOfTime:
            break  # slower than foreseen: this fold counts for none of them
        ranked = [record for record, fold in folds if fold is not None]
        for record, fold in folds:
            found[record.trial] += [] if fold is None else [fold]
        rows.append(outside)
        last = ranked
        ranked.sort(key=lambda r: -_score(context, rows, found[r.trial]))
        ranked = ranked[: max(2, (len(ranked) + 1) // 2)]
    if len(rows) > 1:
        for record in last:
            every, given = np.concatenate(rows), np.concatenate(found[record.trial])
            score, error = context.score(every, given), context.standard_error(every, given)
            record = replace(record, cv=score, standard_error=error)
            write_record(record, context.folder)


def _in_time(ranked: list[Record], seconds: float) -> list[Record]:
    """The first of them that can be trained once more, one after another, in so many seconds."""
    # A tenth more than the trial took: the machine may be busier now.
    spent = np.cumsum([1.1 * a_training(r) * r.n_folds for r in ranked])
    return ranked[: int((spent <= seconds).sum())]


def _fold(
    context: RunContext, record: Record, inside: Array, outside: Array, deadline: Deadline
) -> Array | None:
    """A strategy's outputs on held-out rows; None if its training failed."""
    try:
        resolved = resolved_of(context, record)
        raw, _ = fold_outputs(context, resolved, inside, outside, deadline)
    except TrialError:
        return None
    found: Array = finished_rows(raw, context.device_dataset, outside).cpu().numpy()
    return found


def _score(context: RunContext, rows: Sequence[Array], found: Sequence[Array]) -> float:
    return context.score(np.concatenate(rows), np.concatenate(found))


def _trained(context: RunContext, record: Record) -> Composite:
    return load_trained(context, record, resolved_of(context, record))


def refit(
    context: RunContext, record: Record, deadline: Deadline, pool: WorkerPool | None = None
) -> Refit | None:
    """Train the winner on everything but test; None if it fails or there is no time.

    What is fitted after the training (thresholds, weights) keeps the rows of `calibration` for
    that. Where there are several workers its parts are trained side by side.
    """
    start, rows = time.monotonic(), last_rows(context, resolved_of(context, record))
    ends = deadline if deadline.left > 1.0 else Deadline.after(1.0)
    try:
        outcome = train_last(context, record, ends, pool)
    except TrialError:
        return None
    # Cut short for want of time it may be far less than what the search has.
    if outcome.stopped or (outcome.cut and not record.reason):
        return None
    data, test = context.dataset, context.dataset.splits.test
    found = test_outputs(context, record, outcome.model)
    return Refit(
        model=outcome.model,
        test=score_all(data.y[test], found, data.target, data.weights_of(test)),
        seconds=time.monotonic() - start,
        n_train=len(rows.train),
        n_calibration=len(rows.calibration),
    )


def score_test(context: RunContext) -> dict[int, Array]:
    """Score the finalists on test, once, and write it to their records; gives their outputs."""
    found: dict[int, Array] = {}
    test = context.dataset.splits.test
    y, weights = context.dataset.y[test], context.dataset.weights_of(test)
    n = resamples(len(y))
    for record in finalists(read_all(context.folder), context):
        given = test_outputs(context, record, _trained(context, record))
        found[record.trial] = given
        scores = score_all(y, given, context.dataset.target, weights)
        if not np.isnan(score := context.score(test, given)):
            scores.setdefault(context.metric.name, score)
        interval = score_interval(context.metric, y, given, weights, n=n, seed=context.seed)
        known = () if np.isnan(interval[0]) else interval
        write_record(replace(record, test=scores, test_interval=known), context.folder)
    return found


def compare(
    context: RunContext, found: Mapping[int, Array], choice: ChosenAmong | None = None
) -> None:
    """Write composing.json.

    Args:
        context: of the run.
        found: the outputs on test of the strategies that were scored there, by trial.
        choice: what was chosen among; None where nobody knows.
    """
    records = read_all(context.folder)
    name = context.metric.name
    scored = [r for r in records if r.trial in found and _is_defined(context, found[r.trial])]
    composite = _best([r for r in scored if r.topology != "single"], name)
    content: dict[str, Any] = {"metric": name, "difference": None}
    content["choice"] = choice.to_dict() if choice else None
    if composite is not None:
        cheap = [
            r
            for r in records
            if r.topology == "single"
            and cost_of(r, context.cost) <= SLACK * cost_of(composite, context.cost)
        ]
        single = _best([r for r in cheap if r in scored], name)
        content |= {"composite": composite.trial, "n": len(context.dataset.splits.test)}
        content["withheld"] = _withheld(context, records, cheap)
        if single is not None:
            content |= {"single": single.trial}
            content |= _difference(context, found[composite.trial], found[single.trial])
        any_single = _best([r for r in scored if r.topology == "single"], name)
        if any_single is not None:
            content["at_any_cost"] = {
                "single": any_single.trial,
                **_difference(context, found[composite.trial], found[any_single.trial]),
            }
    write_text_atomic(context.folder / "composing.json", json.dumps(content, indent=1) + "\n")


def _is_defined(context: RunContext, output: Array) -> bool:
    """Whether the metric says anything of the test rows: some need two classes."""
    return not np.isnan(context.score(context.dataset.splits.test, output))


def _withheld(context: RunContext, records: Sequence[Record], cheap: Sequence[Record]) -> str:
    """Why nothing can be said, or nothing. `cheap` are the single components as cheap."""
    if cut := [r for r in cheap if r.state == "complete" and r.reason]:
        return f"{cut[0].strategy} was {cut[0].reason}: with more time it may be better"
    what = "train_seconds" if context.trainer_config.step_seconds else "train_flops"
    spent = [(r, float(getattr(r, what) or 0.0)) for r in records if r.kind == "strategy"]
    total = sum(price for _, price in spent)
    # A part that was trained for a composite counts as the composite's.
    ours = sum(p for r, p in spent if r.topology == "single" and r.origin != PART_ALONE)
    if ours < LEAST_SHARE * total:
        unit = "seconds" if context.trainer_config.step_seconds else "operations"
        return (
            f"single components had {ours / total:.0%} of the {unit} of all trainings, and need "
            f"{LEAST_SHARE:.0%} to be held against composites"
        )
    return ""


def _difference(context: RunContext, ours: Array, other: Array) -> dict[str, float]:
    """The difference of two scores on test, and its 95 % interval by a paired bootstrap."""
    test, metric, n = context.dataset.splits.test, context.metric, resamples(len(ours))
    y, weights = context.dataset.y[test], context.dataset.weights_of(test)
    low, high = paired_interval(metric, y, ours, other, weights, n=n, seed=context.seed)
    difference = context.score(test, ours) - context.score(test, np.asarray(other))
    return {"difference": difference, "low": low, "high": high}


def _best(group: Sequence[Record], metric: str) -> Record | None:
    return max(group, key=lambda r: merit(r, metric), default=None)
