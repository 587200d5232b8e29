"""The settings of a training that a strategy carries after the bar, and what they may be."""

from collections.abc import Mapping
from dataclasses import dataclass

from autosynth.components.family import problem_of
from autosynth.errors import StrategyError, unknown
from autosynth.strategy import Scalar


@dataclass(frozen=True, kw_only=True)
class TrainingSetting:
    """One setting: a number from `low` to `high`, or one of `choices`."""

    about: str
    default: float | str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    def check(self, value: object) -> str | None:
        """What is wrong with a value, or None."""
        return problem_of(value, self.choices, self.low, self.high, whole=False)


# What holds where neither a strategy nor a space says otherwise.
SETTINGS: dict[str, TrainingSetting] = {
    # The setting that matters most: spaces try it in factors of two. Attention and MLPs are more
    # careful, and want half of it (results/composition).
    "lr": TrainingSetting(about="peak learning rate of AdamW", default=0.004, low=1e-6, high=1.0),
    "weight_decay": TrainingSetting(
        about="weight decay of AdamW", default=0.01, low=0.0, high=10.0
    ),
    "dropout": TrainingSetting(
        about="share of residual changes dropped", default=0.0, low=0.0, high=0.9
    ),
    # Calms wrong and ambiguous labels. The loss of rankings leaves it out.
    "smoothing": TrainingSetting(about="label smoothing", default=0.05, low=0.0, high=0.5),
    # What single batches move last is evened out: a short schedule has few steps to do so.
    "average": TrainingSetting(
        about="weights kept: the last, or their moving average",
        default="ema",
        choices=("none", "ema"),
    ),
    # Of as many steps `wsd` leaves fewer test errors than `onecycle` for 21 of 23 strategies on
    # CricketX, 12 of 15 on mnist1d, 7 of 7 on adult and 10 of 23 on trec (results/benchmark).
    "schedule": TrainingSetting(
        about="learning rate over time",
        default="wsd",
        choices=("wsd", "onecycle", "cosine", "constant", "free"),
    ),
    # On Fashion-MNIST twice the steps gave half a point, within a third of the FLOPs of a network
    # written by hand (results/README.md).
    "length": TrainingSetting(
        about="steps of the training, over those of the run's plan",
        default=1.0,
        low=0.1,
        high=10.0,
    ),
    # Spaces of texts have none (of a sentence every word may be the one that matters), and so have
    # images from 30,000 rows on: shifts cost a point of Fashion-MNIST at so short a schedule.
    "augment": TrainingSetting(
        about="random changes of the training inputs",
        default="light",
        choices=("none", "light", "strong"),
    ),
}


def complete_settings(given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """All settings in a fixed order, defaults in. Raises StrategyError, UnknownNameError."""
    for name in given:
        if name not in SETTINGS:
            raise unknown("setting", name, SETTINGS, "after the bar")
    problems = [
        f"{name} {problem}"
        for name, value in given.items()
        if (problem := SETTINGS[name].check(value))
    ]
    if problems:
        raise StrategyError(f"settings after the bar: {'; '.join(problems)}")
    filled: dict[str, Scalar] = {}
    for name, setting in SETTINGS.items():
        value = given.get(name, setting.default)
        filled[name] = float(value) if not setting.choices else value
    return filled
