"""The one training loop: a composite, data on the device, a plan, and a callback that may stop it.

Takes a resolved strategy; gives the trained composite and what it took. It knows no search. A
training is the phases of the strategy's training plan, one after another, and then what is fitted.
"""

import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Composite, Resolved, build, trained
from autosynth.composite.plan import Phase
from autosynth.composite.resolve import seed_of
from autosynth.training.attempt import in_memory
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset, sample
from autosynth.training.fit import fit_phase
from autosynth.training.output import outputs
from autosynth.training.phase import (
    Monitor,
    OnRung,
    PartOutput,
    PhaseTrainer,
    ScoreFunction,
    Told,
    check_finite,
    phase_rows,
    rungs_of,
    samples_of,
)
from autosynth.training.settle import fold_name, settle, trainings_of
from autosynth.training.weights import Bank, taken_from, unpack_tensors
from autosynth.training.work import seconds_of


@dataclass(frozen=True, kw_only=True)
class TrainingRows:
    """Row numbers: what is trained on, and what the best moment is chosen on (may be empty).

    `unlabelled` rows have no target: phases that need none learn from them, too.
    """

    train: NDArray[np.int64]
    calibration: NDArray[np.int64]
    unlabelled: NDArray[np.int64] = field(default_factory=lambda: np.array([], dtype=np.int64))


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A training that ended. `stopped` says why it ended early, empty for a full schedule.

    `best_fractions` are, by phase, the fraction of its schedule after which it was best on
    `calibration`, where not at its end, and `train_flops` is all that was spent: further
    trainings, and what was computed once. `cut` says of parts that are no networks what they were
    cut short of for want of time.
    """

    model: Composite
    seconds: float
    steps: int
    samples_seen: int
    stopped: str = ""
    best_fractions: Mapping[str, float] = field(default_factory=dict)
    train_flops: float = 0.0
    cut: str = ""


def train(
    resolved: Resolved,
    data: DeviceDataset,
    rows: TrainingRows,
    config: TrainerConfig,
    *,
    seed: int = 0,
    score: ScoreFunction | None = None,
    on_rung: OnRung | None = None,
    deadline: Deadline = NEVER,
    until: Mapping[str, float] | None = None,
    bank: Bank | None = None,
    given: Mapping[str, bytes] | None = None,
    told: Told = lambda: False,
) -> Outcome:
    """Train a composite on one fixed schedule.

    Args:
        resolved: the strategy, with its settings.
        data: all rows on the device.
        rows: which of them to train on, and to choose the best moment on.
        config: schedule length, batch size, precision.
        seed: of initialisation, order and augmentation.
        score: as `Metric.score`, higher is better; needed where `rows.calibration` has rows.
        on_rung: called with the share of the schedule done and the model, or a part of it that is
            being trained alone; True stops the training.
        deadline: by which it must have ended; a training that will not is stopped as soon as
            that is clear.
        until: the fractions, above 0, at which phases are complete: the `best_fractions` of a
            training on fewer rows.
        bank: where parts are found that were trained before, alone and in the same way.
        given: the weights of what was trained apart (`part.py`), by its name: of phases, and of
            composites that were trained out of fold. What they took is not counted.
        told: whether it is to be stopped, asked after every step.

    Raises:
        TrialError: the loss is not finite, memory ran out for a quarter of the batch size too, or
            PyTorch raises another error.
    """

    def attempt(batch: int) -> Outcome:
        trainer = Trainer(resolved, data, rows, config, seed, batch, until, bank, given)
        return trainer.run(score, on_rung, deadline, told)

    return in_memory(attempt, config.batch_size)


class _FoldStoppedError(Exception):
    """A training out of fold was stopped, and with it what it is for; says why."""


class Trainer:
    """Trains one composite once, at one batch size: phase after phase, then what is fitted."""

    def __init__(
        self,
        resolved: Resolved,
        data: DeviceDataset,
        rows: TrainingRows,
        config: TrainerConfig,
        seed: int,
        batch: int,
        until: Mapping[str, float] | None = None,
        bank: Bank | None = None,
        given: Mapping[str, bytes] | None = None,
    ) -> None:
        self.resolved, self.data, self.rows, self.config = resolved, data, rows, config
        self.seed, self.batch = seed, min(batch, len(rows.train))
        # Twice as many steps of half as many rows.
        shorter = config.batch_size // batch
        self.settings = resolved.settings
        self.steps = config.steps * float(self.settings["length"]) * shorter
        self._rungs = config.rungs(float(self.settings["length"]))
        model = build(resolved, seed, training=True)
        model.fit_inputs(*sample(data, rows.train))
        self.model = model.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.bf16 = frozenset(config.bf16)
        self.post_hoc = resolved.training_plan.post_hoc
        self.until, self.best_fractions = until or {}, dict[str, float]()
        self.flops, self.samples = 0.0, 0
        self.cuts: list[str] = []
        self.deadline = NEVER
        self.told: Told = lambda: False
        self.phases = [
            phase
            for phase in resolved.training_plan.phases
            if not (bank and self._found(phase, bank))
        ]
        self.given = given or {}
        self.apart = frozenset(self.given)
        for phase in self.phases:
            if phase.name in self.given:
                self.model.load_state_dict(unpack_tensors(self.given[phase.name]), strict=False)

    def phase_trainer(self, phase: Phase, deadline: Deadline = NEVER) -> PhaseTrainer:
        """A phase of this training, ready for its first step.

        It draws its own numbers, whatever was trained before it: so it comes to the same weights
        wherever it is trained.
        """
        torch.manual_seed(self._seed(phase))
        rows = self.rows.train
        if not phase.supervised:
            rows = np.concatenate([rows, self.rows.unlabelled])
        # All parts are dealt theirs by one chance, so that none has what another has.
        rows = phase_rows(phase, rows, self.data, self.seed)
        return PhaseTrainer(
            self.model,
            phase,
            self.data,
            rows,
            {**self.settings, **dict(phase.settings)},
            steps=self.steps,
            batch=self.batch,
            seed=self._seed(phase),
            deadline=deadline,
        )

    def _seed(self, phase: Phase) -> int:
        plan = self.resolved.training_plan
        if phase.unit is not None and phase.unit in plan.alone:
            return seed_of(phase.unit, self.seed)
        return self.seed + 1000 * plan.phases.index(phase)

    def run(
        self,
        score: ScoreFunction | None,
        on_rung: OnRung | None,
        deadline: Deadline,
        told: Told = lambda: False,
    ) -> Outcome:
        """Train to the end of the training plan, or until it is stopped."""
        start, stopped, steps = time.monotonic(), "", 0
        self.deadline, self.told = deadline, told
        monitor = Monitor(score, on_rung, deadline, start, told=told)
        with torch.random.fork_rng(devices=cuda_of(self.data.device)):
            torch.manual_seed(self.seed)
            for index, phase in enumerate(self.phases):
                if phase.name in self.apart:
                    continue
                taken, stopped = self.train_phase(phase, index, monitor)
                steps += taken
                if stopped:
                    break
            fraction = self.trained_share()
            if fraction < 1 and monitor.late(fraction):
                stopped = stopped or "out of time"
            if self.post_hoc and not stopped:
                torch.manual_seed(self.seed)
                stopped = self._settle()
        self.model.bf16 = frozenset()
        return Outcome(
            model=trained(self.resolved, self.model).requires_grad_(True),
            seconds=time.monotonic() - start,
            steps=steps,
            samples_seen=self.samples,
            stopped=stopped,
            best_fractions=self.best_fractions,
            train_flops=self.flops,
            cut="; ".join(self.cuts),
        )

    def train_phase(self, phase: Phase, index: int, monitor: Monitor) -> tuple[int, str]:
        """Train one phase, and keep its best moment; the steps it took, and why it was stopped."""
        if phase.is_fit:
            rows = phase_rows(phase, self.rows.train, self.data, self.seed)
            seed, deadline = self._seed(phase), monitor.deadline
            cut = fit_phase(self.model, phase, self.data, rows, seed=seed, deadline=deadline)
            self.cuts += [cut] if cut else []
            return 0, ""
        start = time.monotonic()
        phase_trainer = self.phase_trainer(phase, monitor.deadline)
        monitor.setup_seconds += time.monotonic() - start
        rungs = rungs_of(self.phases, index, phase_trainer.steps, self._rungs)
        checks = monitor.checks(phase, phase_trainer.steps, len(self.rows.calibration))
        until = self.until.get(phase.name, 1.0)
        best: tuple[float, int, dict[str, Tensor]] | None = None
        total = torch.zeros((), device=self.data.device)
        stopped, end, step = "", max(1, round(phase_trainer.steps * until)), 0
        for step in range(1, end + 1):  # noqa: B007
            total += phase_trainer.step(step)
            if step in rungs or step in checks:
                check_finite(total, step, phase_trainer.steps)
                view = self._view(phase_trainer)
                if step in rungs and monitor.on_rung and monitor.on_rung(rungs[step], view):
                    stopped = "pruned"
                    break
                if step in checks and monitor.score is not None:
                    predictions = outputs(view, self.data, self.rows.calibration)
                    value = monitor.value(self.data, self.rows.calibration, predictions)
                    if best is None or value >= best[0]:
                        best = (value, step, deepcopy(phase_trainer.current.state_dict()))
                phase_trainer.learn()
            if monitor.told():
                stopped = "pruned"
                break
            # Steps may take seconds: a deadline that has passed is seen at once.
            is_due = step % 8 == 0 or monitor.over
            if step < end and is_due and monitor.late(self.done(index, step / end)):
                stopped = "out of time"
                break
        check_finite(total, step, phase_trainer.steps)
        self.samples += step * phase_trainer.batch
        self.flops += phase_trainer.flops_before + step * phase_trainer.batch * phase_trainer.flops
        if best is not None and not stopped:
            self.model.load_state_dict(best[2])
            if best[1] < phase_trainer.steps:
                self.best_fractions[phase.name] = best[1] / phase_trainer.steps
        elif phase_trainer.average:
            self.model.load_state_dict(phase_trainer.average.model.state_dict())
        return step, stopped

    def trained_share(self) -> float:
        """The share of all trainings here that the one on all rows is: others are out of fold."""
        if fold_name(0) in self.given:
            return 1.0
        program, has_fit = self.model.program, bool(len(self.rows.calibration))
        return 1 / trainings_of(program, self.post_hoc, has_fit=has_fit)

    def _view(self, phase_trainer: PhaseTrainer) -> nn.Module:
        """What a look sees: the composite, or the part that is trained alone."""
        output = phase_trainer.phase.outputs[-1]
        if output == self.model.program.output:
            return phase_trainer.current
        return PartOutput(phase_trainer.current, output)

    @cached_property
    def _lengths(self) -> tuple[list[float], list[float]]:
        """How long each phase is: by steps, and by the seconds foreseen.

        What is trained apart takes nothing. What no probe has measured, such as a head alone,
        counts as the cheapest of the others.
        """
        program = self.model.program
        fractions = [
            0.0 if phase.name in self.apart else phase.fraction * self.until.get(phase.name, 1.0)
            for phase in self.phases
        ]
        rates = [
            seconds_of(self.config, program, phase) / (phase.fraction or 1.0)
            for phase in self.phases
        ]
        least = min(filter(None, rates), default=1.0)
        return fractions, [s * (rate or least) for s, rate in zip(fractions, rates, strict=True)]

    def done(self, index: int, inside: float) -> float:
        """The share of the training that is done, with so much of phase number `index`.

        By steps, or by the seconds foreseen if that is more: it is given up where both say so.
        """
        return max(
            (sum(parts[:index]) + parts[index] * inside) / sum(parts) for parts in self._lengths
        )

    def without(self, inside: NDArray[np.int64]) -> "Trainer":
        """The training on some of the rows, for as many epochs."""
        steps = max(1, round(self.config.steps * len(inside) / len(self.rows.train)))
        rows = TrainingRows(train=inside, calibration=inside[:0], unlabelled=self.rows.unlabelled)
        plan = replace(self.config, steps=steps)
        return Trainer(self.resolved, self.data, rows, plan, self.seed, self.batch, self.until)

    def _settle(self) -> str:
        """Fit what is fitted afterwards; why a training that this took was stopped, or nothing."""
        rows, seed = self.rows, self.seed
        try:
            settle(
                self.model,
                self.post_hoc,
                self.data,
                rows.train,
                rows.calibration,
                seed,
                self._without,
            )
        except _FoldStoppedError as stopped:
            return str(stopped)
        return ""

    def _without(self, number: int, inside: NDArray[np.int64], _: NDArray[np.int64]) -> Composite:
        """A composite for out-of-fold outputs: one that is given, or trained here."""
        found: Composite
        if weights := self.given.get(fold_name(number)):
            found = self.model.twin()
            found.load_state_dict(unpack_tensors(weights))
        else:
            trainer, start = self.without(inside), time.monotonic()
            monitor = Monitor(None, None, self.deadline, start, told=self.told)
            for index, phase in enumerate(trainer.phases):
                stopped = trainer.train_phase(phase, index, monitor)[1]
                if stopped:
                    raise _FoldStoppedError(stopped)
            self.cuts += trainer.cuts
            self.flops += trainer.flops
            self.samples += trainer.samples
            found = trainer.model
        found.bf16 = frozenset()
        return found

    def _found(self, phase: Phase, bank: Bank) -> bool:
        """Take a part's weights from the bank, where the same training has been made before."""
        samples = samples_of(phase, self.steps, self.batch)
        weights = taken_from(bank, self.resolved, phase, samples, self.model)
        if weights is None:
            return False
        self.model.load_state_dict(weights[0], strict=False)
        if weights[1] < 1:
            self.best_fractions[phase.name] = weights[1]
        return True


def cuda_of(device: torch.device) -> list[torch.device]:
    """The devices beside the processor, whose random numbers a training leaves as they were."""
    return [device] if device.type == "cuda" else []
