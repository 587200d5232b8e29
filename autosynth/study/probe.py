"""A dataset, a space and a budget in, the plan of a run out, from a few measured steps.

One thread is timed against all. A large size of every family is timed in float32 and bfloat16, and
the smallest in the faster: from the two a line of seconds against FLOPs. The schedule is then as
long as the budget allows when the quicker half of the single components takes a third of the time
there is for trials, and the first composite of the portfolio, which stands for what is worth
training, fits under the ceiling.
"""

from dataclasses import replace

import torch

from autosynth.composite import Resolved, resolve
from autosynth.data.spec import Dataset
from autosynth.errors import StrategyError
from autosynth.strategy import Strategy
from autosynth.study.params import complete
from autosynth.study.space import Space
from autosynth.training.feed import Feed
from autosynth.training.loop import Rows, time_steps
from autosynth.training.plan import Plan, batch_size
from autosynth.training.settle import trainings_of
from autosynth.training.work import TRAINED, work_of

FASTER = 1.1  # bfloat16 must be this much faster to be worth its rounding
SHARE_OF_CEILING = 1 / 8
HALF_SHARE = 0.35  # of the time for trials, spent on the quicker half of the single components
FITTING = 0.8  # of the ceiling, that the portfolio's first composite takes
PRUNED_SHARE = 0.6  # of their full cost, that they take with pruning
MIN_STEPS, MAX_EPOCHS, MAX_STEPS = 60, 200, 20_000
FIXED_STEPS = 600
_TIMED, _WARMUP = 3, 2


def flops_by_family(resolved: Resolved) -> dict[str, int]:
    """FLOPs a sample of a strategy, by the family whose work they are."""
    found: dict[str, int] = {}
    for step in resolved.program.steps:
        if step.family:
            found[step.family] = found.get(step.family, 0) + step.flops
    return found


def foreseen_seconds(plan: Plan, resolved: Resolved, *, has_fit: bool = True) -> float:
    """The time that a full training of a strategy will take; 0 where nothing was measured.

    `has_fit`: there are held-back rows, on which what comes after the training can be fitted.
    """
    course = resolved.course
    seconds = 0.0
    for phase in course.phases:
        work = work_of(course.program, phase).by_family(cached=True)
        passes = {family: flops // TRAINED for family, flops in work.items()}
        seconds += phase.share * plan.seconds(passes)
    seconds *= trainings_of(course.program, course.settles, has_fit=has_fit)
    return seconds * float(resolved.settings["length"])


def fixed_plan(device: str, n_train: int, steps: int = FIXED_STEPS) -> Plan:
    """A plan without a clock: the same on every machine, so that a seed gives one board."""
    return Plan(device=device, batch_size=batch_size(n_train), steps=steps)


def probe(
    dataset: Dataset, data: Feed, space: Space, *, device: str, seconds: float, budget: float,
    workers: int = 1,
) -> Plan:  # fmt: skip
    """Measure, and set schedule length, precision and ceiling.

    Args:
        dataset: what will be trained on.
        data: the same on the device.
        space: narrowed to the data; its ladder is what is timed.
        device: a torch device name.
        seconds: of wall clock there will be for trials.
        budget: of the whole run, in seconds.
        workers: processes that will share the trials.
    """
    n_train = len(dataset.splits.train)
    base = Plan(device=device, batch_size=batch_size(n_train), steps=FIXED_STEPS)
    rows = Rows(train=dataset.splits.train, fit=dataset.splits.train[:0])
    if workers == 1:
        base = replace(base, threads=_threads(dataset, data, rows, space, base))
        base.use_threads()
    low: list[str] = []
    lines: dict[str, tuple[float, float]] = {}
    ladder: dict[str, list[Resolved]] = {}
    for family, steps in space.ladder.items():
        sizes = [_resolve(complete(s, space), dataset) for s in steps]
        ladder[family] = [size for size in sizes if size is not None]
        if not ladder[family]:
            continue
        faster, lines[family] = _line(family, ladder[family], data, rows, base)
        low.extend([family] if faster else [])
    ceiling = budget * SHARE_OF_CEILING
    one = replace(base, steps=1, step_seconds=lines)
    times = [foreseen_seconds(one, s) for sizes in ladder.values() for s in sizes]
    typical = _typical(dataset, data, rows, space, replace(base, bf16=tuple(low)))
    most = min(MAX_STEPS, MAX_EPOCHS * max(1, n_train // base.batch_size))
    fitting = FITTING * ceiling / (typical or min(times))
    steps_now = int(max(MIN_STEPS, min(_affordable(times, seconds * workers), fitting, most)))
    return replace(
        base, steps=steps_now, bf16=tuple(low), step_seconds=lines, ceiling_seconds=ceiling
    )


def _threads(dataset: Dataset, data: Feed, rows: Rows, space: Space, plan: Plan) -> int:
    """One thread or all: on a machine with other work, threads that wait for each other lose."""
    most, taken = torch.get_num_threads(), {}
    for n in sorted({1, most}):
        torch.set_num_threads(n)
        taken[n] = _typical(dataset, data, rows, space, plan)
    torch.set_num_threads(most)
    return min(taken, key=lambda n: (taken[n], -n))


def _line(
    family: str, sizes: list[Resolved], data: Feed, rows: Rows, base: Plan
) -> tuple[bool, tuple[float, float]]:
    """Whether a family is faster in bfloat16; its seconds a step at no FLOPs, and per FLOP."""
    small, large = sizes[0], sizes[max(0, len(sizes) - 2)]
    narrow = replace(base, bf16=(family,))
    single = time_steps(large, data, rows, base, warmup=_WARMUP, steps=_TIMED)
    half = time_steps(large, data, rows, narrow, warmup=_WARMUP, steps=_TIMED)
    low = half * FASTER < single
    least = time_steps(small, data, rows, narrow if low else base, warmup=_WARMUP, steps=_TIMED)
    few, many = flops_by_family(small)[family], flops_by_family(large)[family]
    slope = max(0.0, ((half if low else single) - least) / max(1, many - few))
    return low, (max(0.0005, least - slope * few), slope)


def _affordable(times: list[float], seconds: float) -> float:
    """Steps with which the quicker half of the single components takes its share of the time."""
    half = sorted(times)[: (len(times) + 1) // 2]
    return seconds * HALF_SHARE / (PRUNED_SHARE * sum(half))


def _typical(dataset: Dataset, data: Feed, rows: Rows, space: Space, plan: Plan) -> float:
    """The time of a step of the portfolio's first composite: what is worth training; 0 unknown."""
    for strategy in space.composites[:1]:
        resolved = _resolve(complete(strategy, space), dataset)
        if resolved is not None:
            return time_steps(resolved, data, rows, plan, warmup=_WARMUP, steps=_TIMED)
    return 0.0


def _resolve(strategy: Strategy, dataset: Dataset) -> Resolved | None:
    try:
        return resolve(strategy, dataset.inputs, dataset.target)
    except StrategyError:
        return None
