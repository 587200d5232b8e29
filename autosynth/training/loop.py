"""The one training loop: a composite, data on the device, a plan, and a callback that may stop it.

Takes a resolved strategy; gives the trained composite and what it took. It knows no search. No
step waits for the device: the loss is looked at on rungs alone.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from autosynth.composite import Composite, Resolved, build
from autosynth.errors import TrialError
from autosynth.training.augment import augment
from autosynth.training.average import Average
from autosynth.training.feed import Feed
from autosynth.training.output import outputs
from autosynth.training.plan import Plan

JUDGED_FROM = 0.05  # of the time that a training has
STATISTICS_ROWS = 8192  # at least, that means, deviations and quantiles are taken from
WARMUP = 0.08  # of the schedule, onecycle
FIT_CHECKS = (0.5, 0.65, 0.8, 0.9)  # when a better composite may be kept, beside the end
Scorer = Callable[[NDArray[Any], NDArray[Any]], float]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Row numbers: what is trained on, and what the best moment is chosen on (may be empty)."""

    train: NDArray[np.int64]
    fit: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A training that ended. `stopped` says why it ended early, empty for a full schedule."""

    model: Composite
    seconds: float
    steps: int
    samples_seen: int
    stopped: str = ""
    best_step: int = 0


OnRung = Callable[[float, Composite], bool]


def train(
    resolved: Resolved,
    data: Feed,
    rows: Rows,
    plan: Plan,
    *,
    seed: int = 0,
    score: Scorer | None = None,
    on_rung: OnRung | None = None,
    deadline: float = math.inf,
    until: float = 1.0,
) -> Outcome:
    """Train a composite on one fixed schedule.

    Args:
        resolved: the strategy, with its settings.
        data: all rows on the device.
        rows: which of them to train on, and to choose the best moment on.
        plan: schedule length, batch size, precision.
        seed: of initialisation, order and augmentation.
        score: of (targets, outputs), higher is better; needed where `rows.fit` is not empty.
        on_rung: called with the share of the schedule done and the model; True stops the training.
        deadline: `time.perf_counter()` by which it must have ended; a training that will not is
            stopped as soon as that is clear.
        until: the share of the schedule, above 0, at which it is complete.

    Raises:
        TrialError: the loss is not finite, or memory ran out for a quarter of the batch size too.
    """
    batch = plan.batch_size
    while True:
        try:
            # Unnamed: what a failed attempt held on the device is free for the next.
            return _Loop(resolved, data, rows, plan, seed, batch).run(
                score, on_rung, deadline, until
            )
        except RuntimeError as error:
            if not _out_of_memory(error):
                raise
            if batch * 4 <= plan.batch_size:
                raise TrialError(f"out of memory at a batch of {batch} too") from error
        batch //= 2


def time_steps(
    resolved: Resolved, data: Feed, rows: Rows, plan: Plan, *, warmup: int, steps: int
) -> float:
    """The least seconds that a training step took, after some to warm up: other work adds only."""
    loop = _Loop(resolved, data, rows, plan, 0, plan.batch_size)
    batches, taken = loop._batches(), []
    with torch.random.fork_rng(devices=_cuda(data.device)):
        for step in range(warmup + steps):
            start = time.perf_counter()
            float(loop._step(next(batches), step + 1))
            taken.append(time.perf_counter() - start)
    return min(taken[warmup:])


def _out_of_memory(error: RuntimeError) -> bool:
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


class _Loop:
    """One attempt at a training, at one batch size."""

    def __init__(
        self, resolved: Resolved, data: Feed, rows: Rows, plan: Plan, seed: int, batch: int
    ) -> None:
        self.settings, self.data, self.rows, self.plan, self.batch = (
            resolved.settings, data, rows, plan, min(batch, len(rows.train)),
        )  # fmt: skip
        model = build(resolved, seed)
        model.fit_inputs(_sample(data, rows.train))
        self.model = model.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.model.bf16 = frozenset(plan.bf16)
        self.shorter = plan.batch_size // batch
        self.steps = max(1, round(plan.steps * float(self.settings["length"]) * self.shorter))
        self.generator = torch.Generator(device="cpu").manual_seed(seed)
        self.seed = seed
        self.optimizer = _optimizer(self.model, self.settings)
        self.average = _average(self.model, self.settings, self.steps)

    def run(
        self, score: Scorer | None, on_rung: OnRung | None, deadline: float, until: float
    ) -> Outcome:
        """Train to the end of the schedule, or until it is stopped."""
        rungs = {round(share * self.steps): share for share in self.plan.rungs}
        checks = {round(share * self.steps) for share in FIT_CHECKS} | {self.steps}
        checks = checks if len(self.rows.fit) and score is not None else set()
        best: tuple[float, int, dict[str, Tensor]] | None = None
        start, stopped, step = time.perf_counter(), "", 0
        total = torch.zeros((), device=self.data.device)
        with torch.random.fork_rng(devices=_cuda(self.data.device)):
            torch.manual_seed(self.seed)
            batches = self._batches()
            last = max(1, round(self.steps * until))
            for step in range(1, last + 1):  # noqa: B007
                total += self._step(next(batches), step)
                if step in rungs or step in checks:
                    self._check(total, step)
                if step in rungs and on_rung and on_rung(rungs[step], self.current):
                    stopped = "pruned"
                    break
                if step in checks and score is not None:
                    value = score(_targets(self.data, self.rows.fit), self._outputs())
                    if best is None or value >= best[0]:
                        best = (value, step, _copy(self.current))
                if self._late(start, step, last, deadline):
                    stopped = "out of time"
                    break
        self._check(total, step)
        model = self.current
        if best is not None and not stopped:
            model.load_state_dict(best[2])
        model.bf16 = frozenset()
        return Outcome(
            model=model, seconds=time.perf_counter() - start, steps=step,
            samples_seen=step * self.batch, stopped=stopped, best_step=best[1] if best else step,
        )  # fmt: skip

    @property
    def current(self) -> Composite:
        """The composite as it would be kept now."""
        return self.average.model if self.average else self.model

    def _outputs(self) -> NDArray[Any]:
        return outputs(self.current, self.data, self.rows.fit)

    def _step(self, rows: Tensor, step: int) -> Tensor:
        self.model.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(step / self.steps, self.settings)
        inputs, y = self.data.batch(rows)
        inputs = augment(inputs, self.data.specs, str(self.settings["augment"]))
        loss = loss_of(self.model(inputs), y, float(self.settings["smoothing"]))
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average:
            self.average.update()
        return loss.detach()

    def _batches(self) -> Iterator[Tensor]:
        """Batches of row numbers for ever: each epoch in a new order, a short last one dropped."""
        rows = self.data.rows(self.rows.train)
        cuda = rows.is_cuda
        while True:
            # Pinned, so that the copy waits for nothing.
            order = torch.randperm(len(rows), generator=self.generator, pin_memory=cuda)
            shuffled = rows[order.to(rows.device, non_blocking=True)]
            for start in range(0, len(rows) - self.batch + 1, self.batch):
                yield shuffled[start : start + self.batch]

    def _check(self, total: Tensor, step: int) -> None:
        if not math.isfinite(float(total)):
            raise TrialError(
                f"the loss is not finite by step {step} of {self.steps}; a lower lr may help"
            )

    def _late(self, start: float, step: int, last: int, deadline: float) -> bool:
        """Whether the training cannot end by the deadline.

        Judged once a twentieth of its time is spent: first steps are slow, and machines hiccup.
        """
        if deadline == math.inf or step == last or step % 8:
            return False
        now = time.perf_counter()
        if now - start < JUDGED_FROM * (deadline - start):
            return False
        return now > deadline or now + (now - start) / step * (last - step) > deadline + 1.0


def learning_rate(done: float, settings: dict[str, float | str]) -> float:
    """The learning rate at a share of the schedule, from 0 to 1.

    `cosine` falls from the peak to 0 (Loshchilov and Hutter, 2017); `onecycle` rises first over
    15 % of the schedule (Smith and Topin, 2018, arXiv:1708.07120).
    """
    peak = float(settings["lr"])
    if settings["schedule"] == "onecycle":
        if done < WARMUP:
            return peak * (0.04 + 0.96 * done / WARMUP)
        done = (done - WARMUP) / (1 - WARMUP)
    return peak * 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


def loss_of(out: Tensor, y: Tensor, smoothing: float) -> Tensor:
    """Cross entropy of class codes, or squared error of one standardised value."""
    if y.dtype == torch.long:
        return F.cross_entropy(out, y, label_smoothing=smoothing)
    return F.mse_loss(out.squeeze(-1), y)


def _optimizer(model: nn.Module, settings: dict[str, float | str]) -> torch.optim.Optimizer:
    """AdamW; vectors (norms, biases, positions of one axis) are not decayed."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": float(settings["weight_decay"])},
            {"params": vectors, "weight_decay": 0.0},
        ],
        lr=float(settings["lr"]),
        fused=True,
    )


def _average(model: Composite, settings: dict[str, float | str], steps: int) -> Average | None:
    """An exponential moving average of all weights over about a twentieth of the schedule."""
    if settings["average"] == "none":
        return None
    decay = 1 - 1 / max(2.0, steps / 20)
    return Average(model, decay)


def _sample(data: Feed, train: NDArray[np.int64]) -> dict[str, Tensor]:
    """Raw inputs of training rows, on the host: enough of them for statistics."""
    rows = data.rows(train[:: max(1, len(train) // STATISTICS_ROWS)])
    return {name: values.cpu() for name, values in data.batch(rows)[0].items()}


def _cuda(device: torch.device) -> list[torch.device]:
    return [device] if device.type == "cuda" else []


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _targets(data: Feed, numbers: NDArray[np.int64]) -> NDArray[Any]:
    """Targets of some rows as the metrics take them: codes, or values in the target's own unit."""
    y = data.y[data.rows(numbers)].cpu().numpy()
    if data.target.task == "classification":
        codes: NDArray[Any] = y
        return codes
    return np.asarray(y, dtype=np.float64) * data.spread + data.center
