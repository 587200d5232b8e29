"""A strategy as numbers, for models of how well it does: what is chosen between, by name."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from autosynth.composite.fittedpart import takes_steps
from autosynth.strategy import Fusion, Scalar, Strategy, parts, topology

Answers = Mapping[str, float | str]
"""What was chosen, by name: a number, sizes as their logarithm, or a word."""
# Where a strategy has no such choice: below all numbers that there are.
NO_CHOICE = -20.0


def answers_of(strategy: Strategy) -> dict[str, float | str]:
    """The choices that a strategy is made of, without the length of its training.

    Of several parts of one family, the largest of each size counts.
    """
    found: dict[str, float | str] = {"topology": topology(strategy.root)}
    if isinstance(strategy.root, Fusion):
        args = ",".join(str(value) for _, value in strategy.root.args)
        found["fusion"] = f"{strategy.root.method}[{args}]"
    found |= dict(strategy.flags)
    for part in parts(strategy.root):
        found[part.family] = float(found.get(part.family, 0.0)) + 1.0
        for key, value in part.config:
            _add(found, f"{part.family}.{key}", value)
    for key, value in strategy.settings if takes_steps(strategy.root) else ():
        if key != "length":
            _add(found, f"settings.{key}", value)
    return found


def costed_answers(strategy: Strategy, flops: float) -> dict[str, float | str]:
    """The same, and its FLOPs as a logarithm."""
    return {**answers_of(strategy), "flops": math.log2(max(flops, 1.0))}


def _add(found: dict[str, float | str], name: str, value: Scalar) -> None:
    if isinstance(value, str):
        found.setdefault(name, value)
        return
    number = math.log2(value) if value > 0 else NO_CHOICE / 2
    had = found.get(name, number)
    found[name] = max(float(had), number) if not isinstance(had, str) else had


class AnswerColumns:
    """The columns that some answers need: one a number, and one a word that was an answer."""

    def __init__(self, known: Sequence[Answers]) -> None:
        self._places: dict[tuple[str, str], int] = {}
        for each in known:
            for name, value in each.items():
                word = value if isinstance(value, str) else ""
                self._places.setdefault((name, word), len(self._places))

    def rows(self, asked: Sequence[Answers]) -> NDArray[np.float64]:
        """Answers as a matrix, (n, columns); what has no column is left out."""
        rows = np.full((len(asked), len(self._places)), NO_CHOICE)
        rows[:, [at for (_, word), at in self._places.items() if word]] = 0.0
        for row, each in zip(rows, asked, strict=True):
            for name, value in each.items():
                word = value if isinstance(value, str) else ""
                if (at := self._places.get((name, word))) is not None:
                    row[at] = 1.0 if isinstance(value, str) else float(value)
        return rows


def as_rows(asked: Sequence[Answers]) -> NDArray[np.float64]:
    """Answers as a matrix of all columns that they need."""
    return AnswerColumns(asked).rows(asked)
