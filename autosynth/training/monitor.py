"""Watches a training that goes on: who is told of it, and whether it will end in time.

Takes a score, a callback and a deadline; says whether a training with so much of it done is late.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.errors import TrialError

JUDGED_FROM = 0.1  # of the time that a training has
LATE_BY = 0.25  # of it, that it may be foreseen to be late by; less, the more of it is done
ScoreFunction = Callable[[NDArray[Any], NDArray[Any]], float]
OnRung = Callable[[float, nn.Module], bool]


@dataclass
class Monitor:
    """Who looks at a training while it goes on, and the time it has.

    `setup_seconds` are the seconds of what is computed once, before the first step of a phase.
    """

    score: ScoreFunction | None
    on_rung: OnRung | None
    deadline: float
    start: float
    setup_seconds: float = 0.0

    @property
    def over(self) -> bool:
        """Whether the deadline has passed."""
        return time.perf_counter() > self.deadline

    def late(self, done: float) -> bool:
        """Whether the training cannot end by the deadline, with so much of it done.

        Judged once a tenth of its time is spent, and with doubt at first: first steps are slow,
        and machines hiccup.
        """
        if self.deadline == math.inf:
            return False
        now = time.perf_counter()
        worked = now - self.start - self.setup_seconds
        if worked < JUDGED_FROM * (self.deadline - self.start):
            return False
        left = worked / done * (1 - done)
        doubt = 1.0 + LATE_BY * (1 - done) * (self.deadline - self.start)
        return now > self.deadline or now + left > self.deadline + doubt


def check_finite(total: Tensor, step: int, steps: int) -> None:
    """Raise TrialError where the sum of the losses so far is not finite."""
    if not math.isfinite(float(total)):
        raise TrialError(f"the loss is not finite by step {step} of {steps}; a lower lr may help")
