"""The strategies of the benchmark on a set: those that its space names, and others by chance.

Their texts say nothing of schedule and length, which a task adds: what these are by default may
change, and what was trained is known by its text.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from autosynth.composite import Resolved, cost, resolve
from autosynth.errors import StrategyError
from autosynth.strategy import Strategy, parse
from autosynth.study.agenda import candidates, ladder
from autosynth.study.chosen import Choices
from autosynth.study.context import RunContext
from autosynth.study.restrict import is_forbidden
from autosynth.study.suggest import suggest

# Multiplications and additions of a training, forward and backward: some ten seconds of one core.
MOST_TRAINING_FLOPS = 2e11
# Draws, before a space is taken to have no more.
MOST_DRAWS = 20_000
# Of the strategies at most, that the space names.
WRITTEN_SHARE = 0.6


class Entry(NamedTuple):
    """A strategy, and its place among those that the space names; none where it was drawn."""

    resolved: Resolved
    place: int | None


def benchmark_strategies(context: RunContext, n: int) -> list[Entry]:
    """The same `n` strategies each time, in an order by chance; fewer where there are no more.

    Each is at the length that the data asks for, and none costs more than a training may.
    """
    rng = np.random.default_rng(0)
    named = [
        *(pair[1] for pair in ladder(context.dataset, context.space)),
        *(
            pair[1]
            for pair in candidates(context.dataset, context.space, context.space.composites)
        ),
    ]
    found: dict[str, Entry] = {}
    for each in _able(context, (r.strategy for r in named)):
        found.setdefault(each.canonical, Entry(each, len(found)))
    texts = list(found)
    kept = [texts[at] for at in rng.permutation(len(texts))[: int(WRITTEN_SHARE * n)]]
    found = {text: found[text] for text in kept}
    for each in _able(context, _drawn(context, rng)):
        if len(found) >= n:
            break
        found.setdefault(each.canonical, Entry(each, None))
    every = list(found.values())
    return [every[at] for at in rng.permutation(len(every))]


def bare_text(resolved: Resolved) -> str:
    """A canonical strategy without schedule and length."""
    strategy = parse(resolved.canonical)
    settings = tuple((k, v) for k, v in strategy.settings if k not in ("schedule", "length"))
    return str(replace(strategy, settings=settings))


def _drawn(context: RunContext, rng: np.random.Generator) -> Iterator[Strategy]:
    for _ in range(MOST_DRAWS):
        yield suggest(Choices(rng), context.space)


def _able(context: RunContext, strategies: Iterator[Strategy]) -> Iterator[Resolved]:
    """Those that this data can have, within the most that a training may cost."""
    plan, data = context.trainer_config, context.dataset
    for strategy in strategies:
        settings = tuple((k, v) for k, v in strategy.settings if k not in ("schedule", "length"))
        try:
            resolved = resolve(replace(strategy, settings=settings), data.inputs, data.target)
        except StrategyError:
            continue
        if "pretrained" in resolved.components or is_forbidden(resolved, context.space):
            continue
        if 3 * cost(resolved).flops * plan.batch_size * plan.steps <= MOST_TRAINING_FLOPS:
            yield resolved
