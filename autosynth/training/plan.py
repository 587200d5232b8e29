"""How every training of a run goes: one schedule, one batch size, one device, rungs to stop at."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from autosynth.data.spec import InputSpec

RUNGS = (1 / 27, 1 / 9, 1 / 3)
MIN_RUNG_STEPS = 120  # fewer say little: the learning rate has only just risen


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Fixed at the start of a run, stored with it, and held when the run goes on.

    `bf16` names the families that train in bfloat16. `step_seconds` is the probe's measure of a
    training step by family, as `(seconds, seconds per FLOP of one sample)`, `once_seconds` that of
    what frozen networks give of a row, in seconds per FLOP; both are empty without a probe.
    `ceiling_seconds` is what one full training may take at most; 0 for no ceiling. `threads` is
    how many a process uses; 0 for as many as there are.
    """

    device: str
    batch_size: int
    steps: int
    bf16: tuple[str, ...] = ()
    step_seconds: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    once_seconds: Mapping[str, float] = field(default_factory=dict)
    ceiling_seconds: float = 0.0
    threads: int = 0

    def use_threads(self) -> None:
        """Have this process use as many threads as the plan says."""
        if self.threads:
            torch.set_num_threads(self.threads)

    @property
    def rungs(self) -> tuple[float, ...]:
        """Shares of a schedule at which a training reports and may be stopped."""
        return tuple(share for share in RUNGS if self.steps * share >= MIN_RUNG_STEPS)

    def seconds(self, flops: Mapping[str, int]) -> float:
        """The time foreseen for a full training, from its FLOPs a sample by family; 0 unknown."""
        step = 0.0
        for family, amount in flops.items():
            start, slope = self.step_seconds.get(family, (0.0, 0.0))
            step += start + slope * amount
        return step * self.steps

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as run.toml keeps them."""
        plain = asdict(self)
        plain["bf16"] = list(self.bf16)
        plain["once_seconds"] = dict(self.once_seconds)
        plain["step_seconds"] = {name: list(pair) for name, pair in self.step_seconds.items()}
        return plain

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> "Plan":
        """What `to_dict` gave."""
        pairs = {name: (pair[0], pair[1]) for name, pair in plain["step_seconds"].items()}
        return cls(**{**plain, "bf16": tuple(plain["bf16"]), "step_seconds": pairs})


def batch_size(n_rows: int, inputs: Iterable[InputSpec] = ()) -> int:
    """The largest power of two up to 256 that is at most an eighth of the rows, and at least 8.

    Where a text is among the inputs, a sixty-fourth, and at least 16: a word is in few rows, and
    its embedding moves by a learning rate a step, however many of them are in it. With a sound, a
    thirty-second: rows are dear, and many steps on few of them teach more than few on many.
    """
    kinds = {spec.kind for spec in inputs}
    least, share = (16, 64) if "text" in kinds else (16, 32) if "audio" in kinds else (8, 8)
    size = 256
    while size > least and size * share > n_rows:
        size //= 2
    return size
