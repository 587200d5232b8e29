"""One phase of a training: batches in, steps of AdamW on its pieces; and who watches them.

No step waits for the device: nothing of it is read on the host but where somebody looks. A monitor
says whether a training with so much of it done will end in time.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.budget import NEVER, POLICY, Deadline
from autosynth.composite import Composite
from autosynth.composite.plan import Phase
from autosynth.errors import TrialError
from autosynth.task.loss import loss_of
from autosynth.training.adamw import AdamW
from autosynth.training.batch import bucket_by_length
from autosynth.training.devicedataset import DeviceDataset
from autosynth.training.rate import KNOWS_NO_END, learning_rate
from autosynth.training.schedulefree import ScheduleFree
from autosynth.training.weights import Average
from autosynth.training.work import Known, work_of

ScoreFunction = Callable[[NDArray[Any], NDArray[Any], NDArray[Any] | None], float]
"""The score of true values, outputs, and the weights of rows, if any: as of `Metric.score`."""
OnRung = Callable[[float, nn.Module], bool]
Told = Callable[[], bool]
"""Whether somebody wants a training to stop, for a reason that lies outside of it."""
# When a better composite may be kept, beside the end, as shares of a schedule. With the learning
# rate at 0 the end is best as a rule; a network that learns rows by heart was best before. Every
# look costs a pass over `calibration`, so that there are few, and none before the middle.
FIT_CHECKS = (0.5, 0.65, 0.8, 0.9)
# Shares of a training that the moving average of its weights reaches back over.
AVERAGE, LONG_AVERAGE = 1 / 20, 1 / 5


@dataclass
class Monitor:
    """Who looks at a training while it goes on, and the time it has.

    `setup_seconds` are the seconds of what is computed once, before the first step of a phase.
    """

    score: ScoreFunction | None
    on_rung: OnRung | None
    deadline: Deadline
    start: float
    setup_seconds: float = 0.0
    told: Told = lambda: False

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline.over

    def checks(self, phase: Phase, steps: int, n_held_back: int) -> set[int]:
        """The steps of a phase at which a better moment may be kept, by rows held back."""
        if not n_held_back or self.score is None or not phase.supervised:
            return set()
        return {round(fraction * steps) for fraction in FIT_CHECKS} | {steps}

    def value(self, data: DeviceDataset, rows: NDArray[np.int64], outputs: NDArray[Any]) -> float:
        """The score of outputs for some rows."""
        assert self.score is not None
        weights = data.score_weights
        return self.score(data.y_true[rows], outputs, None if weights is None else weights[rows])

    def late(self, done: float) -> bool:
        """Whether the training cannot end by the deadline, with so much of it done.

        Judged once a tenth of its time is spent, and with doubt at first: first steps are slow,
        and machines hiccup.
        """
        if self.deadline.at == math.inf:
            return False
        now, time_given = time.monotonic(), self.deadline.at - self.start
        worked = now - self.start - self.setup_seconds
        if worked < POLICY.judged_from * time_given:
            return False
        left = worked / done * (1 - done)
        doubt = 1.0 + POLICY.late_by * (1 - done) * time_given
        return self.deadline.over or left > self.deadline.left + doubt


def check_finite(total: Tensor, step: int, steps: int) -> None:
    """Raise TrialError where the sum of the losses so far is not finite."""
    if not math.isfinite(float(total)):
        raise TrialError(f"the loss is not finite by step {step} of {steps}; a lower lr may help")


class PhaseTrainer:
    """A phase at work on a composite, on its own rows, for `steps` steps of `batch` rows."""

    def __init__(
        self,
        model: Composite,
        phase: Phase,
        data: DeviceDataset,
        rows: NDArray[np.int64],
        settings: dict[str, float | str],
        *,
        steps: float,
        batch: int,
        seed: int,
        deadline: Deadline = NEVER,
    ) -> None:
        self.model, self.phase, self.data, self.settings = model, phase, data, settings
        self.steps, self.batch = max(1, round(steps * phase.fraction)), min(batch, len(rows))
        self.work = work_of(model.program, phase)
        self.parameters = _release(model, phase)
        self.known = Known(model, data, data.rows(rows), self.work, deadline)
        self.generator = torch.Generator(device="cpu").manual_seed(seed)
        self.numbers, self.sizes = rows, data.lengths.total(rows) if self.known.cuts else None
        self.batches = self._batches()
        decay = float(settings["weight_decay"])
        self.optimizer: AdamW | ScheduleFree = AdamW(self.parameters, weight_decay=decay)
        self.average: Average | ScheduleFree | None = None
        if settings["schedule"] == "free":
            self.optimizer = self.average = ScheduleFree(model, phase.trains, weight_decay=decay)
        elif settings["average"] == "ema":
            # Over about a twentieth of the schedule, whatever its length: long enough to even out
            # single batches, short enough to forget the weights of the higher learning rates.
            # Where these never come down, a fifth does their work.
            share = LONG_AVERAGE if settings["schedule"] in KNOWS_NO_END else AVERAGE
            self.average = Average(model, phase.trains, 1 - 1 / max(2.0, self.steps * share))
        self.learn()

    @property
    def current(self) -> Composite:
        """The composite as it would be kept now."""
        return self.average.model if self.average else self.model

    @property
    def flops(self) -> int:
        """Of one sample in one step."""
        return self.work.flops(cached=self.known.cached)

    @property
    def flops_before(self) -> int:
        """Of what was computed before the first step."""
        return self.work.static_flops() * len(self.known.rows) if self.known.kept else 0

    def learn(self) -> None:
        """Put the pieces that are trained in training mode, and the others as they are in use."""
        for name, module in self.model.modules_by_name.items():
            module.train(name in self.phase.trains)

    def step(self, number: int) -> Tensor:
        """The loss of the next batch, after the weights have moved; `number` from 1."""
        places, longest = next(self.batches)
        known, y = self.known.batch(places, str(self.settings["augment"]), longest)
        found = self.model.values(known, self.phase.outputs)
        if self.phase.supervised:
            smoothing = float(self.settings["smoothing"])
            if past := self.data.history_mask:
                found = [past.mask_logits(out, self.known.rows[places]) for out in found]
            target, balance = self.data.target, self.data.balance
            weights = self.data.weights
            if weights is not None:
                weights = weights.index_select(0, self.known.rows[places])
            found = [loss_of(target, out, y, smoothing, balance, weights) for out in found]
        loss = found[0] if len(found) == 1 else torch.stack(found).mean()
        loss.backward()
        # No single batch moves the weights far: attention diverges sooner than the others.
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step(learning_rate(number, self.steps, self.settings))
        if self.average:
            self.average.update()
        detached: Tensor = loss.detach()
        return detached

    def _batches(self) -> Iterator[tuple[Tensor, dict[str, int]]]:
        """Places among the rows for ever: each epoch in a new order, a short last one dropped.

        Beside them, how much of each text that can be cut they need.
        """
        rows, cuts = self.known.rows, self.known.cuts
        while True:
            order = torch.randperm(len(rows), generator=self.generator)
            if self.sizes is not None:
                order = bucket_by_length(order, self.sizes, self.batch, self.generator)
            numbers = self.numbers[order.numpy()]
            # Pinned, so that the copy waits for nothing.
            order = order.pin_memory() if rows.is_cuda else order
            order = order.to(rows.device, non_blocking=True)
            for start in range(0, len(rows) - self.batch + 1, self.batch):
                stop = start + self.batch
                yield order[start:stop], self.data.lengths.longest(cuts, numbers[start:stop])


class PartOutput(nn.Module):
    """A composite that gives another of its values: a part's own outputs."""

    def __init__(self, model: Composite, output: int) -> None:
        super().__init__()
        self.model, self.output = model, output

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """Outputs (batch, n_outputs)."""
        known = {i: inputs[name] for i, name in enumerate(self.model.inputs)}
        found: Tensor = self.model.values(known, (self.output,))[0]
        return found


def rungs_of(
    phases: Sequence[Phase], index: int, steps: int, rungs: Sequence[float]
) -> dict[int, float]:
    """The steps of phase number `index` at which a training reports, and its share of the whole.

    Args:
        phases: of the training, in order.
        index: of the one that takes so many `steps`.
        steps: of that phase.
        rungs: the shares of all phases at which it reports.
    """
    phase = phases[index]
    if not phase.supervised or phase.is_fit:
        return {}
    before = sum(each.fraction for each in phases[:index])
    whole = sum(each.fraction for each in phases)
    found = {round((rung * whole - before) / phase.fraction * steps): rung for rung in rungs}
    return {step: rung for step, rung in found.items() if 0 < step <= steps}


def phase_rows(
    phase: Phase, train: NDArray[np.int64], data: DeviceDataset, seed: int
) -> NDArray[np.int64]:
    """The training rows of a phase: all, a share that no other part sees, or drawn with return.

    Shares are dealt class by class, so that every part meets every class that has enough rows.
    """
    if phase.rows == "all":
        return train
    rng = np.random.default_rng(seed if phase.rows == "disjoint" else [seed, phase.index])
    if phase.rows == "bootstrap":
        return np.sort(rng.choice(train, len(train)))
    y = data.y[data.rows(train)].cpu().numpy()
    shuffled = rng.permutation(len(train))
    if data.target.is_coded:
        shuffled = shuffled[np.argsort(y[shuffled], kind="stable")]
    return np.sort(train[shuffled[phase.index :: phase.n_units]])


def samples_of(phase: Phase, steps: float, batch: int) -> int:
    """Rows that a phase sees, of a training of so many `steps` of `batch` rows; repeats count."""
    return 0 if phase.is_fit else max(1, round(steps * phase.fraction)) * batch


def _release(model: Composite, phase: Phase) -> list[nn.Parameter]:
    """The parameters that a phase trains; the others are frozen."""
    found: list[nn.Parameter] = []
    for name, module in model.modules_by_name.items():
        module.requires_grad_(name in phase.trains)
        found += module.parameters() if name in phase.trains else []
    return found
