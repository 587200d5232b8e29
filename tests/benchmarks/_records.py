"""Records that a long search of a data set would leave, made without training anything.

Strategies are drawn from a space and resolved, so that every text, cost and column is a real one;
scores, curves and seconds are drawn around a law of cost, in the shares of states that runs have.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from autosynth.composite import Resolved, cost, resolve
from autosynth.errors import StrategyError
from autosynth.record import Record
from autosynth.spec import Dataset
from autosynth.strategy import Scalar
from autosynth.study.space import Space
from autosynth.study.suggest import walk_space
from autosynth.task.calibration import Calibration

RUNGS = (0.037, 0.111, 0.333)
# Of trials, those that end so: about what searches of five minutes left. One of ten that is
# trained to its end is a longer training of one before.
STATES = {"complete": 0.65, "pruned": 0.28, "failed": 0.02, "infeasible": 0.03, "stopped": 0.02}
LONGER_SHARE = 0.1


def synthetic_records(dataset: Dataset, space: Space, n: int, *, seed: int) -> list[Record]:
    """Baselines and strategies, `n` in all, by number."""
    rng = random.Random(seed)
    found = [_baseline(0, "majority", 0.1, None), _baseline(1, "boosting", 0.95, 10_000)]
    drawn = _strategies(dataset, space, rng)
    complete: list[tuple[Resolved, float]] = []
    while len(found) < n:
        longer = complete and rng.random() < LONGER_SHARE
        resolved, quality = rng.choice(complete) if longer else (next(drawn), rng.gauss(0.0, 1.0))
        if longer:
            settings = dict(resolved.strategy.settings)
            length = min(8.0, 2.0 * float(settings["length"]))
            strategy = replace(
                resolved.strategy, settings=tuple((settings | {"length": length}).items())
            )
            resolved = resolve(strategy, dataset.inputs, dataset.target)
        record = _trial(len(found), resolved, quality, rng)
        if record.state == "complete":
            complete.append((resolved, quality))
        found.append(record)
    return found


def _strategies(dataset: Dataset, space: Space, rng: random.Random) -> Iterator[Resolved]:
    """Strategies of a space, without end, none twice."""
    known: set[str] = set()

    def choose(name: str, choices: Sequence[Scalar]) -> Scalar:
        return rng.choice(choices)

    while True:
        try:
            resolved = resolve(walk_space(space, choose), dataset.inputs, dataset.target)
        except StrategyError:
            continue
        if (text := str(resolved.strategy)) not in known:
            known.add(text)
            yield resolved


def _baseline(number: int, name: str, accuracy: float, flops: int | None) -> Record:
    return Record(
        trial=number, seed=0, kind="baseline", strategy=name, state="complete", flops=flops,
        val={"accuracy": accuracy, "f1": accuracy, "neg_log_loss": -1.0}, train_seconds=0.5,
    )  # fmt: skip


def _trial(number: int, resolved: Resolved, quality: float, rng: random.Random) -> Record:
    price = cost(resolved)
    # An error falls with the cost, by a power as small as is seen, and differs by a strategy's
    # quality and by luck.
    length = float(resolved.settings["length"])
    error = 0.6 * (price.flops * length / 1e4) ** -0.2 * math.exp(0.3 * quality)
    error = round(min(0.9, error * math.exp(rng.gauss(0.0, 0.05))), 4)
    state = rng.choices(list(STATES), list(STATES.values()))[0]
    trained = state in ("complete", "pruned")
    curve = tuple((rung, min(0.95, error * (1 + 0.5 * (1 - rung)))) for rung in RUNGS)
    seconds = 1.0 + price.flops * length / 1e7
    record = Record(
        trial=number, seed=0, state=state,  # type: ignore[arg-type]
        strategy=str(resolved.short_form.without_settings()),
        settings=resolved.short_form.settings_text(), canonical=str(resolved.strategy),
        topology=resolved.topology, components=resolved.components, sharing=resolved.sharing,
        fusion=resolved.fusion, training=resolved.training, init=resolved.init,
        reason="" if state == "complete" else f"error {error:.4g} at 0.333 of the schedule",
        flops=price.flops, params=price.params, worst_flops=price.worst_flops, origin="sampler",
        foreseen_seconds=round(seconds, 3), curve=curve if trained else (),
        train_seconds=seconds if trained else None, train_flops=seconds * 1e9,
        samples_seen=round(20_000 * length), epochs=20.0 * length,
    )  # fmt: skip
    if state != "complete":
        return record
    right = 1 - error
    scores = dict.fromkeys(("accuracy", "balanced_accuracy", "precision", "recall", "f1"), right)
    return replace(
        record, val=scores | {"auc": right, "neg_log_loss": -2 * error},
        standard_error=math.sqrt(error * right / 360), eval_seconds=0.02, latency_ms=0.4,
        calibration=Calibration(temperature=1.1), curve=(*curve, (1.0, error)),
        best_fractions={"together": rng.choice([1.0, 1.0, 0.8])},
    )  # fmt: skip
