"""What strategies came to on other data: a first guess at what they come to on new data.

A file that comes with this package holds the ends of real trainings on sets of all kinds
(`results/benchmark/experience.py` makes it). Extra trees learn from it, by the choices that a
strategy is made of, its FLOPs and what is known of the data, by which factor its error is above or
below the usual one of a set. So the first strategies of a search need not be those that somebody
wrote down. So far results/benchmark replays it, and no search goes by it.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.study.auction import DRAWS, LEAST_ERROR
from autosynth.study.encoding import AnswerColumns, Answers, costed_answers

FILE = Path(__file__).with_name("experience.json")


class Ended(NamedTuple):
    """A training that ended: of which strategy, its FLOPs among the answers, with what error."""

    answers: Answers
    error: float


def facts_of(dataset: Dataset) -> dict[str, float | str]:
    """What is known of data before any training: kinds, task, and sizes as logarithms."""
    inputs, target = dataset.inputs, dataset.target
    return {
        "data.kinds": " ".join(sorted({each.kind for each in inputs if not each.of})),
        "data.task": target.task,
        "data.rows": math.log2(len(dataset.splits.train)),
        "data.outputs": math.log2(target.n_outputs),
        "data.size": math.log2(sum(math.prod(each.shape) for each in inputs if not each.of)),
    }


class Experience:
    """Guesses errors of strategies on data of which some facts are known."""

    def __init__(
        self, known: Mapping[str, tuple[Answers, Sequence[Ended]]], seed: int = 0
    ) -> None:
        """`known` are, by set, its facts and its trainings."""
        asked: list[Answers] = []
        factors: list[float] = []
        for facts, ended in known.values():
            errors = np.log([max(each.error, LEAST_ERROR) for each in ended])
            asked += [{**each.answers, **facts} for each in ended]
            factors += (errors - np.median(errors)).tolist()
        self._columns = AnswerColumns(asked)
        forests: Any = import_module("sklearn.ensemble")
        self._forest = forests.ExtraTreesRegressor(
            DRAWS, min_samples_leaf=2, max_features=0.5, random_state=seed, n_jobs=1
        )
        self._forest.fit(self._columns.rows(asked).astype(np.float32), factors)

    def factors(self, facts: Answers, asked: Sequence[Answers]) -> NDArray[np.float64]:
        """Logarithms of error over the usual one, (DRAWS, n): what each tree says."""
        rows = self._columns.rows([{**each, **facts} for each in asked]).astype(np.float32)
        return np.array([tree.predict(rows) for tree in self._forest.estimators_])


@lru_cache(maxsize=2)
def shipped(without: tuple[tuple[str, float | str], ...] = ()) -> Experience:
    """That of the sets that the file holds, each strategy at the length that its data ask for.

    Those `without` which it is asked for are left out, by their facts: a search of one of them
    would know its answers.
    """
    plain: dict[str, Any] = json.loads(FILE.read_text())
    return experience_of(each for each in plain.values() if each["facts"] != dict(without))


def experience_of(sets: Iterable[Mapping[str, Any]]) -> Experience:
    """That of some sets, as the file holds them: facts, and FLOPs and error by strategy."""
    return Experience(
        {
            str(number): (
                each["facts"],
                [
                    Ended(costed_answers(parse(text), flops), error)
                    for text, (flops, error) in each["strategies"].items()
                ],
            )
            for number, each in enumerate(sets)
        }
    )
