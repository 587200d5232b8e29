"""The time that must be left for what comes after the trials of a run."""

import math

from autosynth.pareto import record_layers
from autosynth.record import Record, worth
from autosynth.study.context import RunContext

REPORT_SECONDS = 2.5  # the picture, the page, the bundle
RACERS = 4  # strategies that the choice by folds starts with
CHOICE_SHARE = 0.15  # of the budget at most, for the choice by folds on small data
REFIT_FACTOR = 1.25  # of the winner's training, more rows counted apart


def finalists(records: list[Record], context: RunContext) -> list[Record]:
    """What is scored on test, and one of which is exported, by number.

    The front, the front of single components, and the best composite, by validation score. On
    small data also those that come next: a few rows do not say which of them is better. Where
    nothing is better than knowing no input, the best there is.
    """
    done = complete(records, context)
    if not done:
        able = [r for r in records if r.kind == "strategy" and r.state == "complete"]
        return sorted(able, key=lambda r: worth(r, context.metric.name))[-1:]
    singles = [r for r in done if r.topology == "single"]
    chosen = [*_front(done, context), *_front(singles, context)]
    best = sorted(done, key=lambda r: (worth(r, context.metric.name), -getattr(r, context.cost)))
    chosen += best[-RACERS:] if context.is_small else best[-1:]
    chosen += [r for r in best if r.topology != "single"][-1:]
    return [record for record in done if record in chosen]


def complete(records: list[Record], context: RunContext) -> list[Record]:
    """The strategies that are trained to the end, and better than knowing no input."""
    return [
        r
        for r in records
        if r.kind == "strategy"
        and r.state == "complete"
        and r.val.get(context.metric.name, -math.inf) > context.trivial_score
    ]


def front_of(records: list[Record], context: RunContext) -> list[Record]:
    """The strategies that none is better than at no more cost."""
    return _front(complete(records, context), context)


def _front(records: list[Record], context: RunContext) -> list[Record]:
    layer = record_layers(records, metric=context.metric.name, cost=context.cost)
    return [r for r in records if layer[r.trial] == 1]


def reserve_seconds(
    records: list[Record], context: RunContext, *, budget: float, refit: bool, coming: float = 0.0
) -> float:
    """Seconds for scoring the finalists on test, the choice by folds, the refit and the report.

    A trial of `coming` seconds may be the one that is trained again.
    """
    last = finalists(records, context)
    if not last:
        return REPORT_SECONDS
    splits = context.dataset.splits
    ratio = len(splits.test) / max(1, len(splits.validation))
    scoring = sum((r.eval_seconds or 0.0) + 0.02 for r in last) * ratio
    scoring += 0.1 * len(last)
    after = REPORT_SECONDS + scoring
    best = max(last, key=lambda r: worth(r, context.metric.name))
    if refit:
        more = len(context.learnable) / len(splits.train)
        after += max(a_training(best), coming) * more * REFIT_FACTOR
    return after + choice_seconds(last, context, budget)


def a_training(record: Record) -> float:
    """The seconds of one training of a trial, which may have had one a fold."""
    return (record.train_seconds or 0.0) / record.n_folds


def choice_seconds(last: list[Record], context: RunContext, budget: float) -> float:
    """The time for the race of the finalists over folds, on small data."""
    if not context.is_small:
        return 0.0
    share = CHOICE_SHARE * budget
    dearest = sorted((r.train_seconds or 0.0 for r in last), reverse=True)
    wanted = sum(dearest[:RACERS]) + 3 * sum(dearest[:2])
    two = 1.1 * sum(dearest[:2])  # fewer are no race
    return min(1.1 * wanted, share) if two <= share else 0.0
