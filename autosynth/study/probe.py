"""A dataset, a space and a budget in, the plan of a run out, from a few measured steps.

One thread is timed against all. A large size of every family is timed in float32 and bfloat16, and
the smallest in the faster: from the two a line of seconds against FLOPs. The schedule is then as
long as the budget allows when the quicker half of the single components takes a third of the time
there is for trials, ten epochs at least, and the first composite of the portfolio, which stands
for what is worth training, fits under the ceiling. What frozen networks compute once is timed
apart, and taken off.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import torch

from autosynth.composite import Resolved, build, resolve
from autosynth.data.spec import Dataset, InputSpec
from autosynth.errors import StrategyError
from autosynth.strategy import Strategy
from autosynth.study.params import complete
from autosynth.study.space import Space
from autosynth.training.feed import Feed
from autosynth.training.known import remember
from autosynth.training.loop import Rows, sample, time_steps
from autosynth.training.memory import Memory
from autosynth.training.plan import Plan, batch_size
from autosynth.training.settle import trainings_of
from autosynth.training.work import seconds_of

FASTER = 1.1  # bfloat16 must be this much faster to be worth its rounding
SHARE_OF_CEILING = 1 / 8
HALF_SHARE = 0.35  # of the time for trials, spent on the quicker half of the single components
FITTING = 0.8  # of the ceiling, that the portfolio's first composite takes
PRUNED_SHARE = 0.6  # of their full cost, that they take with pruning
MIN_STEPS, MIN_EPOCHS, MAX_EPOCHS, MAX_STEPS = 60, 10, 200, 20_000
TABLE_EPOCHS = 25  # of a table's classes, at most: networks learn rows by heart soon after
FIXED_STEPS = 600
LEFT_SHARE = 0.3  # of the time for trials, at least, that frozen networks leave
_TIMED, _WARMUP = 3, 2
_NO_KERNEL = "could not create a primitive"  # oneDNN: an LSTM in bfloat16 asks for AVX-512


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
    seconds = sum(seconds_of(plan, course.program, phase) for phase in course.phases)
    seconds *= trainings_of(course.program, course.settles, has_fit=has_fit)
    return seconds * float(resolved.settings["length"])


def once_seconds(plan: Plan, resolved: Resolved, memory: Memory, n_rows: int) -> float:
    """The time that frozen networks will take over the rows that the memory lacks; 0 unknown."""
    program, seconds = resolved.program, 0.0
    for at, lacking in memory.lacking(program, n_rows).items():
        step = program.step(at)
        seconds += lacking * step.flops * plan.once_seconds.get(step.family, 0.0)
    return seconds


def fixed_plan(
    device: str, n_train: int, steps: int = FIXED_STEPS, inputs: Iterable[InputSpec] = ()
) -> Plan:
    """A plan without a clock: the same on every machine, so that a seed gives one board."""
    return Plan(device=device, batch_size=batch_size(n_train, inputs), steps=steps)


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
    base = Plan(
        device=device, batch_size=batch_size(n_train, dataset.inputs), steps=FIXED_STEPS
    )  # fmt: skip
    timer = _Timer(data, Rows(train=dataset.splits.train, fit=dataset.splits.fit))
    if workers == 1:
        base = replace(base, threads=_threads(dataset, timer, space, base))
        base.use_threads()
    low: list[str] = []
    lines: dict[str, tuple[float, float]] = {}
    ladder: dict[str, list[Resolved]] = {}
    for family, steps in space.ladder.items():
        sizes = [_resolve(complete(s, space), dataset) for s in steps]
        # Those that read different inputs are not written in the order of their cost.
        ladder[family] = sorted((size for size in sizes if size is not None), key=_flops)
        if not ladder[family]:
            continue
        faster, lines[family] = _line(family, ladder[family], timer, base)
        low.extend([family] if faster else [])
    ceiling = budget * SHARE_OF_CEILING
    base = replace(base, step_seconds=lines, once_seconds=timer.once_seconds())
    one = replace(base, steps=1)
    times = [foreseen_seconds(one, s) for sizes in ladder.values() for s in sizes]
    typical = _typical(dataset, timer, space, replace(base, bf16=tuple(low)))
    once = sum(
        once_seconds(base, size, data.memory, len(dataset.y))
        for sizes in ladder.values() for size in sizes
    )  # fmt: skip
    seconds = max(LEFT_SHARE * seconds, seconds - once / workers)
    most = min(MAX_STEPS, _most_epochs(dataset) * max(1, n_train // base.batch_size))
    fitting = FITTING * ceiling / (typical or min(times))
    # Few well trained say more than many that are not: under the ceiling, some epochs at least.
    least = MIN_EPOCHS * max(1, n_train // base.batch_size)
    wanted = max(least, _affordable(times, seconds * workers))
    steps_now = int(max(MIN_STEPS, min(wanted, fitting, most)))
    return replace(base, steps=steps_now, bf16=tuple(low), ceiling_seconds=ceiling)


def _most_epochs(dataset: Dataset) -> int:
    tables = all(spec.kind == "table" for spec in dataset.inputs)
    return TABLE_EPOCHS if tables and dataset.target.is_coded else MAX_EPOCHS


class _Timer:
    """Times training steps, and apart from them what frozen networks compute for their rows."""

    def __init__(self, data: Feed, rows: Rows) -> None:
        self.data, self.rows = data, rows
        self.spent: dict[str, tuple[float, float]] = {}  # seconds and FLOPs by family

    def step_seconds(self, resolved: Resolved, plan: Plan) -> float:
        """The time of a step of a training."""
        if resolved.program.frozen:
            self._remember(resolved, plan)
        return time_steps(resolved, self.data, self.rows, plan, warmup=_WARMUP, steps=_TIMED)

    def once_seconds(self) -> dict[str, float]:
        """Seconds a FLOP of what is computed once, by family."""
        return {family: seconds / flops for family, (seconds, flops) in self.spent.items()}

    def _remember(self, resolved: Resolved, plan: Plan) -> None:
        """Have the memory know the rows that will be timed: they are those of trials, too."""
        program, memory, n = resolved.program, self.data.memory, len(self.data.y)
        parts = max(phase.of for phase in resolved.course.phases)
        few = self.data.rows(self.rows.train[: plan.batch_size * (_WARMUP + _TIMED) * parts])
        model = build(resolved)
        model.fit_inputs(*sample(self.data, self.rows.train))
        before = memory.lacking(program, n)
        _, seconds = remember(model.to(self.data.device), self.data, few)
        after = memory.lacking(program, n)
        for at in before:
            step = program.step(at)
            flops = float((before[at] - after[at]) * step.flops)
            if flops > 0:
                was = self.spent.get(step.family, (0.0, 0.0))
                self.spent[step.family] = (was[0] + seconds, was[1] + flops)


def _threads(dataset: Dataset, timer: _Timer, space: Space, plan: Plan) -> int:
    """One thread or all: on a machine with other work, threads that wait for each other lose."""
    most, taken = torch.get_num_threads(), {}
    for n in sorted({1, most}):
        torch.set_num_threads(n)
        taken[n] = _typical(dataset, timer, space, plan)
    torch.set_num_threads(most)
    return min(taken, key=lambda n: (taken[n], -n))


def _line(
    family: str, sizes: list[Resolved], timer: _Timer, base: Plan
) -> tuple[bool, tuple[float, float]]:
    """Whether a family is faster in bfloat16; its seconds a step at no FLOPs, and per FLOP."""
    small, large = sizes[0], sizes[max(0, len(sizes) - 2)]
    narrow = replace(base, bf16=(family,))
    single = timer.step_seconds(large, base)
    half = _if_it_can(timer, large, narrow)
    low = half * FASTER < single
    least = timer.step_seconds(small, narrow if low else base)
    few, many = flops_by_family(small)[family], flops_by_family(large)[family]
    slope = max(0.0, ((half if low else single) - least) / (many - few)) if many > few else 0.0
    return low, (max(0.0005, least - slope * few), slope)


def _if_it_can(timer: _Timer, resolved: Resolved, plan: Plan) -> float:
    """The time of a step in bfloat16; infinite where this processor has no kernel for it."""
    try:
        return timer.step_seconds(resolved, plan)
    except RuntimeError as error:
        if _NO_KERNEL not in str(error):
            raise
        return math.inf


def _affordable(times: list[float], seconds: float) -> float:
    """Steps with which the quicker half of the single components takes its share of the time."""
    half = sorted(times)[: (len(times) + 1) // 2]
    return seconds * HALF_SHARE / (PRUNED_SHARE * sum(half))


def _typical(dataset: Dataset, timer: _Timer, space: Space, plan: Plan) -> float:
    """The time of a step of the portfolio's first composite: what is worth training; 0 unknown."""
    for strategy in space.composites[:1]:
        resolved = _resolve(complete(strategy, space), dataset)
        if resolved is not None:
            return timer.step_seconds(resolved, plan)
    return 0.0


def _flops(resolved: Resolved) -> int:
    """What its families cost: that a line of seconds is drawn against."""
    return sum(flops_by_family(resolved).values())


def _resolve(strategy: Strategy, dataset: Dataset) -> Resolved | None:
    try:
        return resolve(strategy, dataset.inputs, dataset.target)
    except StrategyError:
        return None
