"""A dataset, a space and a budget in, the plan of a run out, from a few measured steps.

How long trainings are follows from the data (`schedule`). What is measured here says how many
threads to use, which families are faster in bfloat16, and how long each strategy will take, so
that none is begun that cannot end. One thread is timed against all; of every family the smallest
size, and a large one while there is time for it: from the two a line of seconds against FLOPs.
What frozen networks compute once is timed apart, and taken off.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import torch

from autosynth.budget import NEVER, POLICY, Deadline
from autosynth.composite import Resolved, build, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.errors import StrategyError
from autosynth.spec import Dataset, InputSpec, TargetSpec
from autosynth.strategy import Strategy
from autosynth.study.params import complete_strategy
from autosynth.study.space import Space, is_fitted_family
from autosynth.training.config import TrainerConfig, schedule
from autosynth.training.devicedataset import DeviceDataset, sample
from autosynth.training.loop import TrainingRows
from autosynth.training.settle import trainings_of
from autosynth.training.timing import time_steps
from autosynth.training.work import remember, seconds_of

# bfloat16 must be this much faster to be worth its rounding. Both cases were met: on two cores
# without AMX it is no faster up to width 32, with AMX the probe took it (results/README.md).
FASTER = 1.1
# Seconds. A line through two noisy measures may meet no FLOPs below zero, and no step is free.
LEAST_STEP = 0.0005
# FLOPs a second: a slower processor was busy with something else while we looked. A step of the
# smallest size that took a fifth of a second had so foreseen hours for the large ones.
# A GPU is bound by launches: on an H200 a step of 32 rows at 3.1 million FLOPs each took 6.5 ms,
# one at 5 thousand 3.2 ms (results/gpu), so that with a processor's rate all but the smallest were
# foreseen to take ten times what they did, and were not begun.
SLOWEST = {"cpu": 2e9, "cuda": 5e10}
# The least of three steps counts, since other work only adds to it; the first ones are slow, for
# they allocate memory and choose kernels.
_TIMED, _WARMUP = 3, 2


def flops_by_family(resolved: Resolved) -> dict[str, int]:
    """FLOPs a sample of a strategy, by the family whose work they are."""
    found: dict[str, int] = {}
    for step in resolved.program.steps:
        if step.family:
            found[step.family] = found.get(step.family, 0) + step.flops
    return found


def foreseen_seconds(
    plan: TrainerConfig,
    resolved: Resolved,
    *,
    has_fit: bool = True,
    known: Mapping[str, float] = MappingProxyType({}),
) -> float:
    """The time that a full training of a strategy will take; 0 where nothing was measured.

    `has_fit`: there are held-back rows, on which what comes after the training can be fitted.
    `known` phases are trained already, each in so many seconds, and take nothing; but they do in
    trainings out of fold.
    """
    course, length = resolved.training_plan, float(resolved.settings["length"])
    further = trainings_of(course.program, course.post_hoc, has_fit=has_fit) - 1
    seconds = 0.0
    for phase in course.phases:
        if phase.name in known:
            seconds += further * known[phase.name]
        else:
            seconds += (1 + further) * seconds_of(plan, course.program, phase) * length
    return seconds


def fixed_plan(
    device: str,
    n_train: int,
    steps: int | None = None,
    inputs: Iterable[InputSpec] = (),
    target: TargetSpec | None = None,
) -> TrainerConfig:
    """A plan without a clock: the same on every machine, so that a seed gives one board.

    `steps` are those of the data's own schedule if left out.
    """
    batch, own = schedule(n_train, inputs, target)
    return TrainerConfig(device=device, batch_size=batch, steps=own if steps is None else steps)


def shortened(
    plan: TrainerConfig, quickest: float, deadline: Deadline, budget: float
) -> TrainerConfig:
    """A plan with fewer steps where not even the quickest training could end in time."""
    left = deadline.left - POLICY.report_seconds
    most = POLICY.cheapest_share * max(left, POLICY.least_planned_share * budget)
    if quickest <= most:
        return plan
    return replace(plan, steps=max(1, int(plan.steps * most / quickest)))


def probe(
    dataset: Dataset,
    data: DeviceDataset,
    space: Space,
    *,
    device: str,
    deadline: Deadline,
    budget: float,
    workers: int | None = None,
    deterministic: bool = False,
    clock: Callable[..., float] = time_steps,
) -> TrainerConfig:
    """Measure what steps take, and set threads, precision and ceiling.

    Args:
        dataset: what will be trained on.
        data: the same on the device.
        space: restricted to the data; its ladder is what is timed.
        device: a torch device name.
        deadline: of the run; what was not timed in the share of measuring is foreseen from the
            rest.
        budget: of the whole run, in seconds.
        workers: processes that will share the trials; None for as many as are worth having.
        deterministic: no precision is chosen by the clock on a GPU: a seed would else give other
            weights on another day.
        clock: gives the seconds of a step; takes what `time_steps` takes.
    """
    batch, steps = schedule(len(dataset.splits.train), dataset.inputs, dataset.target)
    base = TrainerConfig(device=device, batch_size=batch, steps=steps, deterministic=deterministic)
    rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration)
    on_gpu = data.device.type == "cuda"
    before = deadline.left
    if on_gpu:
        _warm_up(dataset, data, rows, space, base)
    loading = before - deadline.left  # no measuring
    timer = StepTimer(data, rows, deadline.within(POLICY.probe_share * budget), clock)
    if not on_gpu and (workers or 1) == 1:
        cores, shared = torch.get_num_threads(), workers is None
        shared = shared and budget >= POLICY.workers_from_seconds
        threads = _threads(dataset, timer, space, base, shared=shared)
        if threads == 1 and shared:
            workers = max(1, min(cores, int(free_gigabytes() / POLICY.worker_gigabytes)))
        base = replace(base, threads=threads, workers=workers or 1)
        base.use_threads()
    sizes = {
        family: _sizes(steps, dataset, space)
        for family, steps in space.ladder.items()
        if not is_fitted_family(family)  # takes no steps
    }
    low: list[str] = []
    lines: dict[str, tuple[float, float]] = {}
    for family in sorted(filter(sizes.get, sizes), key=lambda each: _flops(sizes[each][0])):
        if timer.left <= 0 and lines:
            lines[family] = max(lines.values(), key=lambda line: line[1])
            continue
        faster, lines[family] = seconds_line(family, sizes[family], timer, base)
        low.extend([family] if faster else [])
    plan = replace(
        base,
        step_seconds=lines,
        once_seconds=timer.once_seconds(),
        bf16=tuple(low),
        ceiling_seconds=budget * POLICY.ceiling_share,
    )
    singles = [each for found in sizes.values() for each in found]
    quickest = min((foreseen_seconds(plan, each) for each in singles), default=0.0)
    # Every worker has yet to load a GPU's libraries.
    until = deadline.earlier(loading) if (workers or 1) > 1 else deadline
    return shortened(plan, quickest, until, budget)


def _warm_up(
    dataset: Dataset, data: DeviceDataset, rows: TrainingRows, space: Space, plan: TrainerConfig
) -> None:
    """A step of one single component, which loads the libraries of a GPU.

    That took over 3 seconds on an H200, once a process: more than a short run has for measuring,
    and what was timed with it came out eight times as slow as it was.
    """
    ladders = (
        _sizes(steps, dataset, space)
        for family, steps in space.ladder.items()
        if not is_fitted_family(family)
    )
    if smallest := min((size for found in ladders for size in found), key=_flops, default=None):
        time_steps(smallest, data, rows, plan, warmup=0, steps=1)


def _sizes(written: Iterable[Strategy], dataset: Dataset, space: Space) -> list[Resolved]:
    """The ladder of a family by cost: its sizes that read different inputs are not written so."""
    found = (_resolve(complete_strategy(strategy, space), dataset) for strategy in written)
    return sorted((each for each in found if each is not None), key=_flops)


class StepTimer:
    """Times training steps, and apart from them what frozen networks compute for their rows."""

    def __init__(
        self,
        data: DeviceDataset,
        rows: TrainingRows,
        deadline: Deadline = NEVER,
        clock: Callable[..., float] = time_steps,
    ) -> None:
        self.data, self.rows, self.deadline, self.clock = data, rows, deadline, clock
        self.spent: dict[str, tuple[float, float]] = {}  # seconds and FLOPs by family

    @property
    def left(self) -> float:
        """Seconds until measuring has to end."""
        return self.deadline.left

    def step_seconds(self, resolved: Resolved, plan: TrainerConfig) -> float:
        """The time of a step of a training."""
        if resolved.program.frozen:
            self._remember(resolved, plan)
        return self.clock(
            resolved,
            self.data,
            self.rows,
            plan,
            warmup=_WARMUP,
            steps=_TIMED,
            patience=max(0.0, min(POLICY.patience_seconds, self.left)),
        )

    def once_seconds(self) -> dict[str, float]:
        """Seconds a FLOP of what is computed once, by family."""
        return {family: seconds / flops for family, (seconds, flops) in self.spent.items()}

    def _remember(self, resolved: Resolved, plan: TrainerConfig) -> None:
        """Have the memory know the rows that will be timed: they are those of trials, too."""
        program, memory = resolved.program, self.data.memory
        parts = max(phase.n_units for phase in resolved.training_plan.phases)
        few = self.data.rows(self.rows.train[: plan.batch_size * (_WARMUP + _TIMED) * parts])
        model = build(resolved)
        model.fit_inputs(*sample(self.data, self.rows.train))
        before = memory.lacking(program)
        _, seconds = remember(model.to(self.data.device), self.data, few)
        after = memory.lacking(program)
        for at in before:
            step = program.step(at)
            flops = float((before[at] - after[at]) * step.flops)
            if flops > 0:
                was = self.spent.get(step.family, (0.0, 0.0))
                self.spent[step.family] = (was[0] + seconds, was[1] + flops)


def free_gigabytes() -> float:
    """Memory that is free, in units of 1e9 bytes; infinite where the system does not say."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9
    except (AttributeError, ValueError, OSError):
        return math.inf


def _threads(
    dataset: Dataset, timer: StepTimer, space: Space, plan: TrainerConfig, *, shared: bool
) -> int:
    """One thread or all: on a machine with other work, threads that wait for each other lose.

    By the first composite of the portfolio, which stands for what is worth training. Where cores
    may be `shared` among workers, all threads of one have to be about as good as these.
    """
    written = (_resolve(complete_strategy(s, space), dataset) for s in space.composites)
    typical = next((each for each in written if each and takes_steps(each.strategy.root)), None)
    most, taken = torch.get_num_threads(), {}
    for n in sorted({1, most}):
        torch.set_num_threads(n)
        taken[n] = timer.step_seconds(typical, plan) if typical and most > 1 else 0.0
    torch.set_num_threads(most)
    worth = max(1.0, POLICY.workers_worth * most) if shared else 1.0
    return most if taken[most] * worth <= taken[1] else 1


def seconds_line(
    family: str, sizes: list[Resolved], timer: StepTimer, base: TrainerConfig
) -> tuple[bool, tuple[float, float]]:
    """Whether a family is faster in bfloat16; its seconds a step at no FLOPs, and per FLOP.

    From the smallest size and the largest but one, or the last that there was time for on the way
    to it. Where that is the smallest, its seconds are taken for those of its FLOPs, as far as a
    slow processor would need them.
    """
    small = large = sizes[0]
    least = single = timer.step_seconds(small, base)
    for size in sizes[1:-1]:
        coming = (_WARMUP + _TIMED) * single * _flops(size) / max(1, _flops(large))
        if coming > POLICY.large_share * timer.left:
            break
        large, single = size, timer.step_seconds(size, base)
    few, many = flops_by_family(small)[family], flops_by_family(large)[family]
    steepest = 3 * base.batch_size / SLOWEST[timer.data.device.type]  # forward and backward
    if many <= few:
        slope = min(least / max(1, few), steepest)
        return False, (max(LEAST_STEP, least - slope * few), slope)
    narrow = replace(base, bf16=(family,))
    half = math.inf if base.keeps_float32 else _if_it_can(timer, large, narrow)
    low = half * FASTER < single
    if low:
        least = timer.step_seconds(small, narrow)
    slope = ((half if low else single) - least) / (many - few)
    slope = min(max(0.0, slope), steepest)
    return low, (max(LEAST_STEP, least - slope * few), slope)


def _if_it_can(timer: StepTimer, resolved: Resolved, plan: TrainerConfig) -> float:
    """The time of a step in bfloat16; infinite where this device cannot compute it.

    oneDNN's LSTM asks for AVX-512, as one example. It was trained in float32 a moment before.
    """
    try:
        return timer.step_seconds(resolved, plan)
    except RuntimeError:
        return math.inf


def _flops(resolved: Resolved) -> int:
    """What its families cost: that a line of seconds is drawn against."""
    return sum(flops_by_family(resolved).values())


def _resolve(strategy: Strategy, dataset: Dataset) -> Resolved | None:
    try:
        return resolve(strategy, dataset.inputs, dataset.target)
    except StrategyError:
        return None
