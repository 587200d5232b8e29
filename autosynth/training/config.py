"""How every training of a run goes: schedule, batch size, device, rungs to stop at.

How long a training is follows from the data alone (`schedule`), and from the strategy's own
`length`; what a clock reads decides how many strategies are trained, never for how long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from autosynth.jsonfields import from_fields, json_ready
from autosynth.modality import MODALITIES, TrainingLength
from autosynth.spec import InputSpec, TargetSpec

# Factors of three, as in successive halving. What a rung says of the end was measured on four
# sets (adult, trec, cricketx, mnist1d), as rank correlations under one-cycle schedules: .89, -.18,
# -.29 and .56 at 1/27, .96, .32, .29 and .34 at 1/9, .96, .89, .90 and .88 at 1/3. So the pruner
# that reads the early ones has to doubt them.
RUNGS = (1 / 27, 1 / 9, 1 / 3)
# A rung of fewer steps says little: the learning rate has only just risen. Of the 1,000 steps of a
# short schedule this leaves the rung at 1/3 alone.
MIN_RUNG_STEPS = 120
# Below so many rows a batch may have 8: of 16 there would be too few to an epoch.
FEW_ROWS = 200
# The most: a schedule is bounded in steps, and a larger batch makes each of them dearer.
MOST_ROWS_A_BATCH = 256


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Fixed at the start of a run, stored with it, and held when the run goes on.

    `bf16` names the families that train in bfloat16. `step_seconds` is the probe's measure of a
    training step by family, as `(seconds, seconds per FLOP of one sample)`, `once_seconds` that of
    what frozen networks give of a row, in seconds per FLOP; both are empty without a probe.
    `steps` are those of a training of length 1. `ceiling_seconds` is what one full training may
    take at most; 0 for no ceiling. `threads` is how many a process uses; 0 for as many as there
    are. `workers` are the processes that train where the user names no number. `deterministic`
    ones choose nothing by the clock, and take the same kernels each time.
    """

    device: str
    batch_size: int
    steps: int
    bf16: tuple[str, ...] = ()
    step_seconds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    once_seconds: Mapping[str, float] = field(default_factory=dict)
    ceiling_seconds: float = 0.0
    threads: int = 0
    workers: int = 1
    deterministic: bool = False

    def use_threads(self) -> None:
        """Have this process use as many threads as the plan says."""
        if self.threads:
            torch.set_num_threads(self.threads)

    @property
    def keeps_float32(self) -> bool:
        """Whether nothing is trained in bfloat16, however fast that is."""
        return self.deterministic and self.device.startswith("cuda")

    def rungs(self, length: float = 1.0) -> tuple[float, ...]:
        """Shares of a schedule at which a training of a length reports and may be stopped."""
        return tuple(share for share in RUNGS if self.steps * length * share >= MIN_RUNG_STEPS)

    def seconds(self, flops: Mapping[str, int]) -> float:
        """The time foreseen for a full training, from its FLOPs a sample by family; 0 unknown."""
        step = 0.0
        for family, amount in flops.items():
            start, slope = self.step_seconds.get(family, (0.0, 0.0))
            step += start + slope * amount
        return step * self.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as run.toml keeps them."""
        return dict(json_ready(self))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "TrainerConfig":
        """What `to_dict` gave. Raises ValueError where it is none."""
        return from_fields(cls, plain)


def batch_size(n_rows: int, inputs: Iterable[InputSpec] = ()) -> int:
    """The largest power of two up to 256 that is at most a share of the rows, and at least 16.

    The share is that of the `TrainingLength` of the inputs' kinds. Below 200 rows a batch has 8.
    """
    share = _shortest(inputs).batches
    least = 16 if n_rows >= FEW_ROWS else 8
    size = MOST_ROWS_A_BATCH
    while size > least and size * share > n_rows:
        size //= 2
    return size


def schedule(
    n_rows: int, inputs: Iterable[InputSpec] = (), target: TargetSpec | None = None
) -> tuple[int, int]:
    """Rows of a batch and steps of a training of length 1, from the data alone.

    As many epochs as few rows need, in no fewer steps than a network of this size takes to settle
    and no more than a first training is worth: what gains by more is lengthened by the search.
    """
    inputs = tuple(inputs)
    size, shortest = batch_size(n_rows, inputs), _shortest(inputs)
    epoch = max(1, n_rows // size)
    steps = max(shortest.least_steps, min(shortest.epochs * epoch, shortest.most_steps))
    has_classes = target is not None and target.is_coded
    longest = max(
        each.most_epochs_of_classes if has_classes else each.most_epochs
        for each in (_schedules(inputs) or [shortest])
    )
    return size, max(1, min(steps, longest * epoch))


def _schedules(inputs: Iterable[InputSpec]) -> list[TrainingLength]:
    return [MODALITIES[spec.kind].schedule for spec in inputs]


def _shortest(inputs: Iterable[InputSpec]) -> TrainingLength:
    return min(_schedules(inputs), key=lambda each: each.epochs, default=TrainingLength())
