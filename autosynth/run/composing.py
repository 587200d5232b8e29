"""Whether composing paid: the best composite against single components, and against baselines.

All are chosen on `validation`; differences and their intervals are of test rows. Nothing is said
where too little was trained to say it: the reason stands in its place.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from autosynth.atomic import write_text_atomic
from autosynth.leaderboard import TRIVIAL
from autosynth.record import Record, merit, read_all
from autosynth.run.baselines import baseline_outputs
from autosynth.spec import Array
from autosynth.study.context import RunContext
from autosynth.task.score import paired_interval, resamples

SLACK = 1.05  # times a composite's cost, that a single component may have and is no dearer
LEAST_SHARE = 0.5  # of the single components as cheap, that had a turn
NEVER_HAD = ("not_run", "stopped")


def compare(context: RunContext, found: Mapping[int, Array]) -> None:
    """Write composing.json.

    Args:
        context: of the run.
        found: the outputs on test of the strategies that were scored there, by trial.
    """
    records = read_all(context.folder)
    name, scored = context.metric.name, [r for r in records if r.trial in found]
    composite = _best([r for r in scored if r.topology != "single"], name)
    content: dict[str, Any] = {"metric": name, "difference": None}
    content["singles_not_run"] = sum(r.state in NEVER_HAD for r in records if r.origin == "ladder")
    if composite is not None:
        cheap = [
            r
            for r in records
            if r.topology == "single" and _cost(r, context) <= SLACK * _cost(composite, context)
        ]
        single = _best([r for r in cheap if r.trial in found], name)
        baseline = _best([r for r in records if _informs(r)], name)
        content |= {"composite": composite.trial, "n": len(context.dataset.splits.test)}
        content["withheld"] = _withheld(records, cheap)
        if single is not None:
            content |= {"single": single.trial}
            content |= _difference(context, found[composite.trial], found[single.trial])
        outputs = baseline_outputs(context.folder, baseline.trial) if baseline else None
        if baseline is not None and outputs is not None:
            against = _difference(context, found[composite.trial], outputs)
            content["baseline"] = {"name": baseline.strategy, **against}
    write_text_atomic(context.folder / "composing.json", json.dumps(content, indent=1) + "\n")


def _withheld(records: Sequence[Record], cheap: Sequence[Record]) -> str:
    """Why nothing can be said, or nothing. `cheap` are the single components as cheap."""
    informing = [r for r in records if r.kind == "baseline" and r.strategy not in TRIVIAL]
    if informing and not any(r.state == "complete" for r in informing):
        return "no baseline that learns from the inputs was fitted to its end"
    ladder = [r for r in cheap if r.origin == "ladder"]
    had = sum(r.state not in NEVER_HAD for r in ladder)
    if ladder and had < LEAST_SHARE * len(ladder):
        return (
            f"of {len(ladder)} single components that cost no more than the best composite, only "
            f"{had} had a turn"
        )
    return ""


def _informs(record: Record) -> bool:
    """Whether a record is of a baseline that reads the inputs, and was fitted to its end."""
    return (
        record.kind == "baseline" and record.state == "complete" and record.strategy not in TRIVIAL
    )


def _difference(context: RunContext, ours: Array, other: Array) -> dict[str, float]:
    """The difference of two scores on test, and its 95 % interval by a paired bootstrap."""
    y, metric = context.dataset.y[context.dataset.splits.test], context.metric
    low, high = paired_interval(metric, y, ours, other, n=resamples(len(y)), seed=context.seed)
    difference = metric.score(y, ours) - metric.score(y, np.asarray(other))
    return {"difference": difference, "low": low, "high": high}


def _best(group: Sequence[Record], metric: str) -> Record | None:
    return max(group, key=lambda r: merit(r, metric), default=None)


def _cost(record: Record, context: RunContext) -> float:
    value = getattr(record, context.cost)
    return math.inf if value is None else float(value)
