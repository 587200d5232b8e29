"""Why a search found what it found: what mattered, what its time went into, what was lengthened.

Read from a run's folder, as it is or as it was left.
"""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autosynth.front import ParetoFront
from autosynth.record import Record, cost_of, preference
from autosynth.run.state import read_state
from autosynth.scratch import scratch
from autosynth.study import storage
from autosynth.study.agenda import (
    LONGER,
    TUNED,
    by_strategy,
    length_of,
    still_gains,
    without_length,
)
from autosynth.study.auction import SPARED_WHY
from autosynth.study.mattered import FEWEST_TRIALS, Mattered, what_mattered

# Strategies whose lengths are told, the best.
_MOST = 8


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What seconds of workers went into, all of them together."""

    what: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Lengthened:
    """A strategy, the lengths it was trained at with their scores, and why it was no longer."""

    strategy: str
    lengths: tuple[tuple[float, float], ...]
    why: str


@dataclass(frozen=True, kw_only=True)
class SearchReasons:
    """What explains a run; `workers` had `seconds` of wall clock each, `choices` may be none.

    `chosen` are seconds of trainings by why they had their turn. `spared` are how many strategies
    were trained for longer whatever they had shown, and how many of them are on the front.
    """

    metric: str
    trials: int
    workers: int
    seconds: float
    choices: tuple[Mattered, ...]
    spent: tuple[Spent, ...]
    chosen: tuple[Spent, ...]
    lengthened: tuple[Lengthened, ...]
    spared: tuple[int, int]
    ended_early: tuple[tuple[str, int], ...]


def search_reasons(
    folder: Path, asked: Mapping[str, Any], records: Sequence[Record]
) -> SearchReasons:
    """What explains a run.

    Args:
        folder: of the run.
        asked: what its run.toml says.
        records: of the run.

    Raises:
        RunError: the sampler's journal in the folder cannot be read.
    """
    metric, cost = str(asked["search"]["metric"]), str(asked["search"]["cost"])
    journal = folder / "study.journal"
    choices: list[Mattered] = []
    if journal.exists():
        seed = int(asked["search"].get("seed", 0))
        with scratch(
            "why"
        ) as place:  # to open a journal is to write to it, and it is the driver's
            copy = Path(shutil.copyfile(journal, place / journal.name))
            storage.mend(copy)
            choices = what_mattered(storage.open_study(copy, seed=seed), seed=seed)
    workers = int(asked["search"].get("workers") or asked.get("plan", {}).get("workers", 1))
    seconds = read_state(folder).whole_seconds
    ended = Counter(r.state for r in records if r.state in ("pruned", "stopped", "failed"))
    return SearchReasons(
        metric=metric,
        trials=sum(r.kind == "strategy" and r.state == "complete" for r in records),
        workers=workers,
        seconds=seconds,
        choices=tuple(choices),
        spent=tuple(_spent(records, workers * seconds)),
        chosen=tuple(_chosen(records)),
        lengthened=tuple(lengthened(records, metric, cost)),
        spared=spared_strategies(records, metric, cost),
        ended_early=tuple(ended.items()),
    )


def reasons_text(found: SearchReasons) -> str:
    """What explains a run, as lines."""
    return "\n".join([*_choice_lines(found), "", *_spent_lines(found), "", *_longer_lines(found)])


def _choice_lines(found: SearchReasons) -> Iterator[str]:
    if not found.choices:
        yield (
            f"Which choices mattered cannot be said: of {found.trials} complete trials fewer than "
            f"{FEWEST_TRIALS} were chosen by the space's questions."
        )
        return
    yield "How much of the errors' variance each choice explains, with 95 % intervals over trials"
    for each in found.choices:
        share, low, high = (max(0.0, value) for value in (each.share, each.low, each.high))
        yield f"  {each.choice:12} {share:5.0%}   {low:4.0%} to {high:.0%}"


def _spent_lines(found: SearchReasons) -> Iterator[str]:
    several = f" of {found.workers} workers" if found.workers > 1 else ""
    total = found.workers * found.seconds
    yield f"What the {total:.0f} seconds{several} went into"
    for each in found.spent:
        share = each.seconds / total if total else 0.0
        yield f"  {each.seconds:7.1f} s  {share:4.0%}  {each.what}"
    if found.chosen:
        yield "Of trainings, by why each had its turn"
    for each in found.chosen:
        yield f"  {each.seconds:7.1f} s        {each.what}"


def _chosen(records: Sequence[Record]) -> Iterator[Spent]:
    """Seconds of trainings by why they had their turn, the most first."""
    found: Counter[str] = Counter()
    for record in records:
        if record.kind == "strategy" and record.chosen:
            found[record.chosen] += record.train_seconds or 0.0  # type: ignore[assignment]
    return (Spent(what=what, seconds=seconds) for what, seconds in found.most_common())


def spared_strategies(records: Sequence[Record], metric: str, cost: str) -> tuple[int, int]:
    """How many strategies were trained on whatever they had shown; and are on the front."""
    done = [r for r in records if r.kind == "strategy" and r.state == "complete"]
    keys = {without_length(r.canonical) for r in done if r.chosen == SPARED_WHY}
    best = ParetoFront()
    for record in done:
        best.insert(record.trial, cost_of(record, cost), -record.val[metric])
    front = {without_length(r.canonical) for r in done if r.trial in set(best)}
    return len(keys), len(keys & front)


def _longer_lines(found: SearchReasons) -> Iterator[str]:
    n, kept = found.spared
    if n:
        yield (
            f"Whatever they had shown, {n} strategies were trained for longer, to see what is "
            f"missed: {kept} of them are on the front"
        )
    ended = ", ".join(f"{n} {state}" for state, n in found.ended_early)
    yield f"Trials: {found.trials} complete" + (f", {ended}" if ended else "")
    if found.lengthened:
        yield f"How long the best networks were trained ({found.metric} by length), why no longer"
    for each in found.lengthened:
        scores = ", ".join(f"{length:g}: {score:.4f}" for length, score in each.lengths)
        yield f"  {each.strategy}"
        yield f"      {scores}; {each.why}"


def _spent(records: Sequence[Record], total: float) -> list[Spent]:
    """Seconds by what they went into, the most first; what is left over last."""
    trained = [r for r in records if r.kind == "strategy"]
    done = [r for r in trained if r.state == "complete"]
    longer = [r for r in done if r.origin in (LONGER, TUNED)]
    first = [r for r in done if r.origin not in (LONGER, TUNED)]
    parts = {
        "first trainings of single components": [r for r in first if r.topology == "single"],
        "first trainings of composites": [r for r in first if r.topology != "single"],
        "longer and joint trainings": longer,
        "trainings that did not end": [r for r in trained if r.state != "complete"],
    }
    found = {what: sum(r.train_seconds or 0.0 for r in group) for what, group in parts.items()}
    found["what frozen networks give, once"] = sum(r.once_seconds or 0.0 for r in trained)
    found["scores on validation rows"] = sum(r.eval_seconds or 0.0 for r in done)
    found["the last training"] = sum(r.refit_seconds or 0.0 for r in trained)
    known = sorted(found.items(), key=lambda pair: -pair[1])
    spent = [Spent(what=what, seconds=seconds) for what, seconds in known if seconds > 0]
    rest = total - sum(each.seconds for each in spent)
    what = "the rest: reading, measuring steps, choosing, waiting, scores on test, the report"
    return [*spent, Spent(what=what, seconds=rest)] if rest > 0 else spent


def lengthened(records: Sequence[Record], metric: str, cost: str) -> list[Lengthened]:
    """The best strategies that take steps: at what lengths they were trained, why no longer."""
    groups = [g for g in by_strategy(records).values() if g[-1].samples_seen]
    best = sorted(groups, key=lambda group: min(preference(r, metric, cost) for r in group))
    return [
        Lengthened(
            strategy=" | ".join(filter(None, (group[0].strategy, group[0].settings))),
            lengths=tuple((length_of(r), r.val[metric]) for r in group),
            why=_why_no_longer(group, metric),
        )
        for group in best[:_MOST]
    ]


def _why_no_longer(group: Sequence[Record], metric: str) -> str:
    last = group[-1]
    share = min(last.best_fractions.values(), default=1.0)
    if share < 1:
        return f"it was best after {share:.0%} of its schedule"
    if not still_gains(group, metric):
        gain = last.val[metric] - max(r.val[metric] for r in group[:-1])
        return f"its last lengthening brought {gain:+.4f}"
    return "others promised more, or time ran out"
