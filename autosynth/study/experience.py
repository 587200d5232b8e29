"""What strategies came to on other data: a first guess at what they come to on new data.

A file that comes with this package holds the ends of real trainings on sets of all kinds
(`results/benchmark/experience.py` makes it). Extra trees learn from it, by the choices that a
strategy is made of, its FLOPs and what is known of the data, by which factor its error is above or
below the usual one of a set. So the first strategies of a search need not be those that somebody
wrote down. Runs that a search begins from are such sets, too.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from autosynth.errors import AutosynthError, RunError
from autosynth.front import layers
from autosynth.record import Record, score_of
from autosynth.strategy import Strategy, parse
from autosynth.study.agenda import by_strategy
from autosynth.study.encoding import AnswerColumns, Answers, costed_answers
from autosynth.study.foresight import DRAWS, LEAST_ERROR
from autosynth.task.metric import Metric

FILE = Path(__file__).with_name("experience.json")
# Strategies of each set that are offered on others: those nearest to its front.
BEST_OF_A_SET = 25


class Ended(NamedTuple):
    """A training that ended: of which strategy, its FLOPs among the answers, with what error."""

    answers: Answers
    error: float


class Experience:
    """Guesses errors of strategies on data of which some facts are known."""

    def __init__(
        self,
        known: Mapping[str, tuple[Answers, Sequence[Ended]]],
        strategies: Iterable[Strategy] = (),
        seed: int = 0,
    ) -> None:
        """`known` are, by set, its facts and its trainings; `strategies` are offered elsewhere."""
        self.strategies = tuple(strategies)
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


def known_elsewhere(facts: Answers, earlier: Path) -> Experience:
    """That of the sets that the file holds, and of the runs that a run has begun from.

    Sets of the same facts are left out of the file: a search of one would know its answers.

    Args:
        facts: of the data that are searched.
        earlier: the file of the runs, which need not be there.

    Raises:
        RunError: that file is damaged.
    """
    plain: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    sets = [each for each in plain.values() if each["facts"] != dict(facts)]
    if not earlier.exists():
        return experience_of(sets)
    try:
        return experience_of(sets + json.loads(earlier.read_text(encoding="utf-8")))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, AutosynthError) as error:
        raise RunError(
            f"{earlier} is damaged ({type(error).__name__}: {error}); remove it to do without it"
        ) from error


def plain_experience(
    facts: Mapping[str, Any], records: Iterable[Record], metric: Metric
) -> dict[str, Any]:
    """What a run's strategies came to at their longest trainings, as the file has it of a set."""
    records = list(records)
    trivial = next((score_of(r, metric.name) for r in records if r.kind == "baseline"), 0.0)
    known = {}
    for key, group in by_strategy(records).items():
        error = metric.error(score_of(group[-1], metric.name), trivial)
        if math.isfinite(error):
            known[key] = group[-1].flops or 0, min(error, 1.0)
    return {"facts": dict(facts), "strategies": known}


def experience_of(sets: Iterable[Mapping[str, Any]]) -> Experience:
    """That of some sets, as the file holds them: facts, and FLOPs and error by strategy."""
    known: dict[str, tuple[Answers, list[Ended]]] = {}
    strategies: dict[str, Strategy] = {}
    offered: dict[str, Strategy] = {}
    for each in (each for each in sets if each["strategies"]):
        ended = []
        for text, (flops, error) in each["strategies"].items():
            strategies.setdefault(text, parse(text))
            ended.append(Ended(costed_answers(strategies[text], flops), error))
        known[str(len(known))] = each["facts"], ended
        offered |= {text: strategies[text] for text in _nearest_front(each["strategies"])}
    return Experience(known, offered.values())


def _nearest_front(ended: Mapping[str, Sequence[float]]) -> list[str]:
    """The strategies of a set on the first layers of (FLOPs, error), so many."""
    layer = layers([(float(flops), float(error)) for flops, error in ended.values()])
    texts = list(ended)
    return [texts[at] for at in np.argsort(layer, kind="stable")[:BEST_OF_A_SET].tolist()]
