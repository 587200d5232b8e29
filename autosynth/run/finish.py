"""What comes after the trials: choice, refit, the one look at test, whether composing paid."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.composite import Composite, Resolved, resolve
from autosynth.errors import TrialError
from autosynth.record import Record, read_all, worth, write
from autosynth.strategy import parse
from autosynth.study.bench import Bench
from autosynth.study.expect import STANDARD_ERROR
from autosynth.study.folds import OutOfTime, fold_outputs, other_folds
from autosynth.study.reserve import RACERS, finalists
from autosynth.study.trial import load_trained
from autosynth.training.loop import Rows, train
from autosynth.training.metrics import (
    Calibration,
    bootstrap_interval,
    evaluate,
    resamples,
    standard_error,
)
from autosynth.training.output import outputs

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Refit:
    """The winner trained on everything but test and `n_fit` rows, and its one score on test."""

    model: Composite
    test: dict[str, float]
    seconds: float
    n_train: int
    n_fit: int = 0


def resolved_of(bench: Bench, record: Record) -> Resolved:
    """The resolved strategy of a record."""
    strategy = parse(record.notes["resolved"])
    return resolve(strategy, bench.dataset.inputs, bench.dataset.target)


def calibration_of(record: Record) -> Calibration:
    """The temperature and thresholds that were fitted for a trial."""
    return Calibration.from_json(record.notes.get("calibration"))


def test_outputs(bench: Bench, record: Record, model: Composite) -> Array:
    """A model's outputs on test, with the trial's temperature and thresholds."""
    found = outputs(model, bench.feed, bench.dataset.splits.test)
    return calibration_of(record).scores(found, bench.dataset.target)


def cross_validate(bench: Bench, records: Sequence[Record], deadline: float) -> None:
    """Score the front by folds of all rows but test, as a race that ends at the deadline.

    The search's own `select` is the first fold. After each further one the better half goes on,
    two at least. Those that are left at the end get the score of all their out-of-fold outputs.

    Args:
        bench: of the run.
        records: of the trials to score.
        deadline: as `time.time()`.
    """
    select = bench.dataset.splits.select
    ranked = sorted(records, key=lambda r: worth(r, bench.metric.name))[::-1][:RACERS]
    found = {r.trial: [outputs(_trained(bench, r), bench.feed, select)] for r in ranked}
    rows, last = [select], ranked
    for inside, outside in other_folds(bench):
        ranked = _in_time(ranked, deadline - time.time())
        if len(ranked) < 2:
            break
        try:
            folds = [(r, _fold(bench, r, inside, outside, deadline)) for r in ranked]
        except OutOfTime:
            break  # slower than foreseen: this fold counts for none of them
        ranked = [record for record, fold in folds if fold is not None]
        for record, fold in folds:
            found[record.trial] += [] if fold is None else [fold]
        rows.append(outside)
        last = ranked
        ranked.sort(key=lambda r: -_score(bench, rows, found[r.trial]))
        ranked = ranked[: max(2, (len(ranked) + 1) // 2)]
    if len(rows) > 1:
        for record in last:
            score = _score(bench, rows, found[record.trial])
            y, given = bench.dataset.y[np.concatenate(rows)], np.concatenate(found[record.trial])
            error = f"{standard_error(bench.metric, y, given):.6g}"
            notes = {**record.notes, "folds": str(len(rows)), STANDARD_ERROR: error}
            write(replace(record, cv=score, notes=notes), bench.folder)


def _in_time(ranked: list[Record], seconds: float) -> list[Record]:
    """The first of them that can be trained once more, one after another, in so many seconds."""
    spent = np.cumsum([1.1 * (r.train_seconds or 0.0) for r in ranked])
    return ranked[: int((spent <= seconds).sum())]


def _fold(
    bench: Bench, record: Record, inside: Array, outside: Array, deadline: float
) -> Array | None:
    """A strategy's outputs on held-out rows; None if its training failed."""
    try:
        end = time.perf_counter() + deadline - time.time()
        return fold_outputs(bench, resolved_of(bench, record), inside, outside, end)[0]
    except TrialError:
        return None


def _score(bench: Bench, rows: Sequence[Array], found: Sequence[Array]) -> float:
    y = bench.dataset.y[np.concatenate(rows)]
    return bench.metric.score(y, np.concatenate(found))


def _trained(bench: Bench, record: Record) -> Composite:
    return load_trained(bench, record, resolved_of(bench, record))


def refit(bench: Bench, record: Record, deadline: float) -> Refit | None:
    """Train the winner on everything but test; None if it fails or there is no time.

    The schedule is the trial's: as many epochs, every phase ended at the share of it that was best
    on `fit`.
    What is fitted after the training (thresholds, weights) keeps the rows of `fit` for that.
    """
    resolved, splits = resolved_of(bench, record), bench.dataset.splits
    held = splits.fit if resolved.course.settles else splits.fit[:0]
    train_rows = np.setdiff1d(bench.learnable, held)
    rows = Rows(train=train_rows, fit=held, unlabelled=splits.unlabelled)
    more = len(rows.train) / len(splits.train)
    plan = replace(bench.plan, steps=max(1, round(bench.plan.steps * more)))
    start = time.perf_counter()
    try:
        outcome = train(
            resolved, bench.feed, rows, plan, seed=bench.seed,
            until=record.best_shares,
            deadline=start + max(1.0, deadline - time.time()),
        )  # fmt: skip
    except TrialError:
        return None
    if outcome.stopped:
        return None
    y = bench.dataset.y[bench.dataset.splits.test]
    found = test_outputs(bench, record, outcome.model)
    return Refit(
        model=outcome.model,
        test=evaluate(y, found, bench.dataset.target),
        seconds=time.perf_counter() - start,
        n_train=len(rows.train),
        n_fit=len(rows.fit),
    )


def score_test(bench: Bench) -> dict[int, Array]:
    """Score the finalists on test, once, and write it to their records; gives their outputs."""
    found: dict[int, Array] = {}
    y = bench.dataset.y[bench.dataset.splits.test]
    for record in finalists(read_all(bench.folder), bench):
        found[record.trial] = test_outputs(bench, record, _trained(bench, record))
        scores = evaluate(y, found[record.trial], bench.dataset.target)
        scores.setdefault(bench.metric.name, bench.metric.score(y, found[record.trial]))
        interval = bootstrap_interval(
            bench.metric, y, found[record.trial], n=resamples(len(y)), seed=bench.seed
        )
        write(replace(record, test=scores, test_interval=interval), bench.folder)
    return found
