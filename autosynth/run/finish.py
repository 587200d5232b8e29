"""What comes after the trials: choice, refit, the one look at test, whether composing paid."""

import json
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold, StratifiedKFold

from autosynth.composite import Composite, Resolved, resolve
from autosynth.errors import TrialError
from autosynth.record import Record, read_all, write, write_text_atomic
from autosynth.strategy import parse
from autosynth.study.bench import Bench
from autosynth.study.reserve import RACERS, finalists
from autosynth.study.trial import load_trained
from autosynth.training.loop import Rows, train
from autosynth.training.metrics import (
    Calibration,
    bootstrap_interval,
    evaluate,
    paired_interval,
    resamples,
)
from autosynth.training.output import outputs

FOLDS = 5
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
    """Score the front by 5-fold over all rows but test, as a race that ends at the deadline.

    The search's own `select` is the first fold. After each further one the better half goes on,
    two at least. Those that are left at the end get the score of all their out-of-fold outputs.

    Args:
        bench: of the run.
        records: of the trials to score.
        deadline: as `time.time()`.
    """
    select = bench.dataset.splits.select
    ranked = sorted(records, key=lambda r: -r.val[bench.metric.name])[:RACERS]
    found = {r.trial: [outputs(_trained(bench, r), bench.feed, select)] for r in ranked}
    rows, last = [select], ranked
    for inside, outside in _other_folds(bench):
        ranked = _in_time(ranked, deadline - time.time())
        if len(ranked) < 2:
            break
        try:
            folds = [(r, _fold(bench, r, inside, outside, deadline)) for r in ranked]
        except _OutOfTime:
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
            notes = {**record.notes, "folds": str(len(rows))}
            write(replace(record, cv=score, notes=notes), bench.folder)


class _OutOfTime(Exception):
    """A race has no time for the fold that it is in."""


def _in_time(ranked: list[Record], seconds: float) -> list[Record]:
    """The first of them that can be trained once more, one after another, in so many seconds."""
    spent = np.cumsum([1.1 * (r.train_seconds or 0.0) for r in ranked])
    return ranked[: int((spent <= seconds).sum())]


def _other_folds(bench: Bench) -> Iterator[tuple[Array, Array]]:
    """The rows inside and outside of the folds that `select` leaves to be made."""
    train = bench.dataset.splits.train
    classes = bench.dataset.target.task == "classification"
    kind = StratifiedKFold if classes else KFold
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of classes with fewer rows than folds
        folds = list(
            kind(FOLDS - 1, shuffle=True, random_state=bench.seed).split(
                train, bench.dataset.y[train]
            )
        )
    for _, held in folds:
        yield np.setdiff1d(bench.learnable, train[held]), train[held]


def _fold(
    bench: Bench, record: Record, inside: Array, outside: Array, deadline: float
) -> Array | None:
    """A strategy's outputs on held-out rows, trained on the others; None if that failed.

    Raises:
        _OutOfTime: it would not have ended by the deadline.
    """
    rows = Rows(train=inside, fit=inside[:0], unlabelled=bench.dataset.splits.unlabelled)
    try:
        outcome = train(
            resolved_of(bench, record), bench.feed, rows, bench.plan, seed=bench.seed,
            deadline=time.perf_counter() + max(0.0, deadline - time.time()),
        )  # fmt: skip
    except TrialError:
        return None
    if outcome.stopped:
        raise _OutOfTime
    return outputs(outcome.model, bench.feed, outside)


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


def compare(bench: Bench, found: dict[int, Array]) -> None:
    """Write composing.json: the best composite against the front of single components.

    Both are chosen on `select`: the composite with the best score, and the best single component
    that costs no more than 1.05 times as much. The interval is a paired bootstrap over test rows.
    """
    everything = read_all(bench.folder)
    records = [r for r in everything if r.trial in found]
    name = bench.metric.name
    left_out = sum(r.state in ("not_run", "stopped") for r in everything if r.origin == "ladder")

    def best(group: list[Record]) -> Record | None:
        return max(group, key=lambda r: (r.val[name], -_cost(bench, r)), default=None)

    composite = best([r for r in records if r.topology != "single"])
    single = None
    if composite is not None:
        limit = 1.05 * _cost(bench, composite)
        single = best([r for r in records if r.topology == "single" and _cost(bench, r) <= limit])
    content: dict[str, Any] = {"metric": name, "difference": None, "singles_not_run": left_out}
    if composite is not None and single is not None:
        y = bench.dataset.y[bench.dataset.splits.test]
        low, high = paired_interval(
            bench.metric, y, found[composite.trial], found[single.trial],
            n=resamples(len(y)), seed=bench.seed,
        )  # fmt: skip
        content |= {
            "composite": composite.trial, "single": single.trial,
            "difference": composite.test[name] - single.test[name],
            "low": low, "high": high, "n": len(y),
        }  # fmt: skip
    write_text_atomic(bench.folder / "composing.json", json.dumps(content, indent=1) + "\n")


def _cost(bench: Bench, record: Record) -> float:
    value = getattr(record, bench.cost)
    return math.inf if value is None else float(value)
