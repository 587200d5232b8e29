"""How every training of a run goes: schedule, batch size, device, rungs to stop at.

How long a training is follows from the data alone (`schedule`), and from the strategy's own
`length`; what a clock reads decides how many strategies are trained, never for how long.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from autosynth.spec import InputSpec, TargetSpec

RUNGS = (1 / 27, 1 / 9, 1 / 3)
MIN_RUNG_STEPS = 120  # fewer say little: the learning rate has only just risen
FEW_ROWS = 200
MAX_EPOCHS = 100
TABLE_EPOCHS = 25  # of a table's classes, at most: networks learn rows by heart soon after
LENGTHS = {
    "text": (4, 400, 600),  # learnt by heart soon after, the bag first
    "audio": (20, 600, 1_000),  # a row costs as much as fifty of a series
    "image": (25, 1_000, 1_500),
    "": (40, 1_000, 1_500),
}
"""By kind of input: epochs, and the fewest and the most steps that they may come to.

On SwedishLeaf 300 steps gave .83 to .89 on rows held out, 1,000 .91 to .93, and 2,000 no more; on
MedicalImages 300 .64 to .67, 1,000 .68 to .71, 2,000 .70. Of texts 300 steps of 64 were best on
validation rows of sst2 (a bag .814, a cnn .770; at 970 steps .783, .765), and 300 to 450 on those
of trec (bag .804 to .813, cnn .828 to .820; at 680 .811, .822).
"""


@dataclass(frozen=True, kw_only=True)
class TrainerConfig:
    """Fixed at the start of a run, stored with it, and held when the run goes on.

    `bf16` names the families that train in bfloat16. `step_seconds` is the probe's measure of a
    training step by family, as `(seconds, seconds per FLOP of one sample)`, `once_seconds` that of
    what frozen networks give of a row, in seconds per FLOP; both are empty without a probe.
    `steps` are those of a training of length 1. `ceiling_seconds` is what one full training may
    take at most; 0 for no ceiling. `threads` is how many a process uses; 0 for as many as there
    are.
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
    def from_dict(cls, plain: Mapping[str, Any]) -> "TrainerConfig":
        """What `to_dict` gave."""
        pairs = {name: (pair[0], pair[1]) for name, pair in plain["step_seconds"].items()}
        return cls(**{**plain, "bf16": tuple(plain["bf16"]), "step_seconds": pairs})


def batch_size(n_rows: int, inputs: Iterable[InputSpec] = ()) -> int:
    """The largest power of two up to 256 that is at most a share of the rows, and at least 16.

    The share is a twenty-fourth: on few rows, many steps of few of them teach as much as as many
    steps of more, at a fraction of the time (SwedishLeaf and MedicalImages, three folds of the
    training part: 1,000 steps of 16 and of 32 rows score the same). Below 200 rows a batch has 8.
    Where a text is among the inputs, the share is a sixty-fourth: a word is in few rows, and its
    embedding moves by a learning rate a step, however many of them are in it. With a sound, a
    thirty-second: rows are dear.
    """
    kinds = {spec.kind for spec in inputs}
    share = 64 if "text" in kinds else 32 if "audio" in kinds else 24
    least = 16 if n_rows >= FEW_ROWS else 8
    size = 256
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
    kinds = {spec.kind for spec in inputs}
    size = batch_size(n_rows, inputs)
    epoch = max(1, n_rows // size)
    epochs, least, most = LENGTHS[next((k for k in LENGTHS if k in kinds), "")]
    tables = kinds == {"table"} and target is not None and target.is_coded
    longest = TABLE_EPOCHS if tables else MAX_EPOCHS
    return size, max(1, min(max(least, min(epochs * epoch, most)), longest * epoch))
