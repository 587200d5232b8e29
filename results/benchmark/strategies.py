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

# Multiplications and additions of a training, forward and backward: some ten seconds of one core,
# of the first 50 strategies, and two or three of what comes after them.
MOST_TRAINING_FLOPS, FEWER_TRAINING_FLOPS = 2e11, 4e10
DEAR = 50
# Draws, before a space is taken to have no more.
MOST_DRAWS = 20_000
# Of the strategies at most, that the space names.
WRITTEN_SHARE = 0.6


class Entry(NamedTuple):
    """A strategy, and its place among those that the space names; none where it was drawn."""

    resolved: Resolved
    place: int | None


def benchmark_strategies(context: RunContext, n: int) -> list[Entry]:
    """The same `n` strategies each time; fewer where there are no more.

    Each is at the length that the data asks for, and none costs more than a training may. The
    first `DEAR` are in an order by chance, and so are the others.
    """
    dear, cheap = min(n, DEAR), n - min(n, DEAR)
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
    order = [texts[at] for at in rng.permutation(len(texts))]
    first = {text: found[text] for text in order[: int(WRITTEN_SHARE * dear)]}
    later = [found[text] for text in order[len(first) :]]
    drawn = _able(context, _drawn(context, rng))
    while len(first) < dear and (new := next(drawn, None)):
        first.setdefault(new.canonical, Entry(new, None))
    every = list(first.values())
    every = [every[at] for at in rng.permutation(len(every))]
    second = {
        each.resolved.canonical: each
        for each in later
        if each.resolved.canonical not in first and _is_cheap(context, each.resolved)
    }
    second = dict(list(second.items())[: int(WRITTEN_SHARE * cheap)])
    while len(second) < cheap and (new := next(drawn, None)):
        if new.canonical not in first and _is_cheap(context, new):
            second.setdefault(new.canonical, Entry(new, None))
    rest = list(second.values())
    return [*every, *(rest[at] for at in rng.permutation(len(rest)))]


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
    data = context.dataset
    for strategy in strategies:
        settings = tuple((k, v) for k, v in strategy.settings if k not in ("schedule", "length"))
        try:
            resolved = resolve(replace(strategy, settings=settings), data.inputs, data.target)
        except StrategyError:
            continue
        if "pretrained" in resolved.components or is_forbidden(resolved, context.space):
            continue
        if _training_flops(context, resolved) <= MOST_TRAINING_FLOPS:
            yield resolved


def _training_flops(context: RunContext, resolved: Resolved) -> float:
    plan = context.trainer_config
    return 3.0 * cost(resolved).flops * plan.batch_size * plan.steps


def _is_cheap(context: RunContext, resolved: Resolved) -> bool:
    return _training_flops(context, resolved) <= FEWER_TRAINING_FLOPS
