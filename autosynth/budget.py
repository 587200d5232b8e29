"""The clock of a run, the moment by which it must end, and what each thing may take of its time.

There is one clock, which nobody can set: it only goes forward, and setting the machine's time
changes nothing. It is the same in all processes of a machine, and means nothing on another: what
travels further are seconds that are left. All that is known about sharing a budget stands in one
`Policy`, so that its parts can be read beside each other.
"""

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from autosynth.errors import ConfigError
from autosynth.number import brief_repr

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
ClockFunction = Callable[[], float]
"""Seconds since some moment; never fewer than before."""


@dataclass(frozen=True)
class Deadline:
    """A moment by which something must have ended, in seconds of its clock; infinite for none.

    The clock is `time.monotonic` but where a search is simulated.
    """

    at: float = math.inf
    clock: ClockFunction = field(default=time.monotonic, compare=False, repr=False)

    @classmethod
    def after(cls, seconds: float | None, clock: ClockFunction = time.monotonic) -> "Deadline":
        """The moment so many seconds from now; None: there is none."""
        return cls(math.inf if seconds is None else clock() + seconds, clock)

    @property
    def left(self) -> float:
        """Seconds until then; below 0 where it has passed."""
        return self.at - self.clock()

    @property
    def over(self) -> bool:
        """Whether it has passed."""
        return self.left < 0

    def earlier(self, seconds: float) -> "Deadline":
        """The moment so many seconds before this one."""
        return Deadline(self.at - seconds, self.clock)

    def within(self, seconds: float) -> "Deadline":
        """This moment, or the one so many seconds from now if that comes first."""
        return Deadline(min(self.at, self.clock() + seconds), self.clock)


NEVER = Deadline()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How the time of a run is shared: seconds, and shares of what each comment names."""

    # Of the time that is left, that a part which is no network may take to be fitted by itself: of
    # large data boosting would take any time, and cut short it says what it is.
    fit_share: float = 0.08

    # Of a budget, that measuring steps may take. What was not timed by then is foreseen from the
    # rest; the more is measured, the less is begun that cannot end, and the less time is left to
    # begin it.
    probe_share: float = 0.08
    # Seconds, that the steps of one measurement may take: steps so slow are told well enough by
    # one.
    patience_seconds: float = 1.0
    # Of the time that is left for measuring, that timing a larger size may take: the other
    # families need the rest. A family whose large sizes were not timed is foreseen from its
    # smallest.
    large_share: float = 0.2

    # Of a budget, that one training may take: three such would fill it, and a search of fewer
    # compares nothing. What is foreseen to take longer stands on the board as infeasible.
    ceiling_share: float = 0.3
    # Times the ceiling, that a training may take. Other work on the machine can come after the
    # probe: without this, a search on a busy machine stopped every composite as too slow, and had
    # none.
    over_ceiling: float = 1.5
    # Of the time that is left for trials once steps are measured, within which at least the
    # cheapest single component ends. Where it could not, the schedule is cut, with a warning: no
    # clock shortens a training otherwise, and without this a short budget would end with no model
    # at all. It was a fifth of the budget: on an H200, where 15 of 20 seconds had gone into
    # loading and simple models, whole schedules were planned and nothing fitted (results/gpu).
    cheapest_share: float = 0.25
    # Of a budget, that is planned for though less is left: a run that goes on with a longer budget
    # keeps its plan, and trainings of one step would make it worthless.
    least_planned_share: float = 0.1

    # Seconds of a budget, from which on processes of their own train, one a core: each takes some
    # three to load PyTorch.
    workers_from_seconds: float = 45.0
    # Free memory in GB for each of them.
    worker_gigabytes: float = 1.5
    # Of what as many workers as cores would do together, that threads of one have to reach to be
    # taken instead: two workers were 1.45 to 1.6 times as fast as one on two cores.
    workers_worth: float = 0.75

    # Of the time for trials, that the first size of a family may take: with six families, the
    # first round of all of them ends within half of it.
    quick_share: float = 1 / 12
    # Of the time that is left, that a dear single component may take, which has its turn early:
    # the composites need the rest.
    bold_share: float = 1 / 4
    # Last trials, whose median says how a training's time compares with the foreseen: one that was
    # slow had set the pace of all, and a search on a busy machine then found nothing that fitted.
    pace_trials: int = 9

    # Whether a training is late is judged once this share of its time is spent. It was .05,
    # without the doubt below: slow first steps had then cost a run its last training.
    judged_from: float = 0.1
    # The share of its time that a training may be foreseen to be late by; less, the more is done.
    late_by: float = 0.25
    # Seconds that one row is timed for, after every trial: a median of up to 50 calls.
    latency_seconds: float = 0.03

    # Of the budget at most, for the choice by folds on small data: the trials need most of it.
    choice_share: float = 0.15
    # Of the budget at most, for training the front again on other seeds (`--repeats`).
    repeat_share: float = 0.5
    # Of the winner's training, more rows counted apart. Too little, and the winner is exported as
    # the search trained it, without the rows held back; too much is taken from the trials.
    refit_factor: float = 1.25
    # Seconds for the picture, the page and the bundle. A budget is to be kept within 5 % or 5 s:
    # half of that is left for what goes wrong.
    report_seconds: float = 2.5
    # Seconds before the end by which the choice by folds, and then the last training, must have
    # ended: scores on test and the report come after the one, the bundle after the other.
    after_choice_seconds: float = 1.5
    after_refit_seconds: float = 1.0

    # Seconds after a job's end that a worker has to answer: it ends its step, and one whose step
    # hangs is ended and its job given to another.
    grace_seconds: float = 8.0
    # Seconds between two notes in the run's folder of how long a sitting has gone: so much of it
    # is not counted when the machine goes off, and the run goes on that much longer.
    save_seconds: float = 2.0


POLICY = Policy()


def parse_budget(text: str | float) -> float:
    """Seconds from `90`, `90s`, `10m`, `1h30m`.

    Raises:
        ConfigError: it is no such time, or not above zero.
    """
    rule = "a budget is a time above zero such as 90s, 10m or 1h30m"
    shown = brief_repr(str(text))
    parts = re.findall(r"(\d+(?:\.\d+)?)([smhd]?)", str(text).strip().lower())
    if not parts or "".join(a + b for a, b in parts) != str(text).strip().lower():
        raise ConfigError(f"{rule}, not {shown} (--budget)")
    seconds = sum(float(amount) * _UNITS[unit] for amount, unit in parts)
    if not 0 < seconds < float("inf"):
        raise ConfigError(f"{rule}, not {shown} (--budget)")
    return seconds
