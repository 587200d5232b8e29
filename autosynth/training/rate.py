"""The learning rate over a training: schedules by name, as shares of a peak.

Some come down to 0 over the whole training, so that how long it is has to be known before. Others
stay at the peak (`constant`), and `wsd` comes down at the end alone: what it is before that does
not depend on how long it goes on, so that a longer training begins where a shorter one was.
"""

import math
from collections.abc import Mapping

from autosynth.strategy import Scalar

# The share of a one-cycle schedule in which the learning rate rises, from a 25th of its peak, as
# PyTorch's OneCycleLR begins. Short, for schedules here are short: most steps are to go downhill.
WARMUP, FIRST_RATE = 0.08, 0.04
# Of a training of length 1, in which the rate rises where the schedule does not know its end.
TRUNK_WARMUP = 0.01
# Of a training, in which `wsd` comes down: a fifth is as good as any more in Hägele et al.
COOL_DOWN = 0.2
KNOWS_NO_END = ("constant", "free")
"""Schedules that never come down: what is kept is an average of the weights."""


def learning_rate(step: int, steps: int, settings: Mapping[str, Scalar]) -> float:
    """The learning rate of a step, from 1 to `steps`.

    `cosine` falls from the peak to 0 (Loshchilov and Hutter, 2017); `onecycle` rises first over
    8 % of the schedule (Smith and Topin, 2018, arXiv:1708.07120). `constant` and `free` rise over
    a hundredth of a training of length 1 and stay there; `wsd` does so and comes down over the
    last fifth, as 1 minus a square root (Hägele et al., 2024, arXiv:2405.18392).
    """
    peak, schedule = float(settings["lr"]), settings["schedule"]
    done = step / steps
    if schedule == "cosine":
        return peak * _cosine(done)
    warmup = WARMUP if schedule == "onecycle" else TRUNK_WARMUP / float(settings["length"])
    if done < warmup:
        return peak * (FIRST_RATE + (1 - FIRST_RATE) * done / warmup)
    if schedule == "onecycle":
        return peak * _cosine((done - warmup) / (1 - warmup))
    if schedule == "wsd" and done > 1 - COOL_DOWN:
        return peak * (1 - math.sqrt((done - 1 + COOL_DOWN) / COOL_DOWN))
    return peak


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
