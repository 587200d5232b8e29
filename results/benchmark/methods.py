"""What a replayed search does next: methods by name, each a class of one small interface."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

import numpy as np
import optuna
from pools import LEVELS, Pool

from autosynth.front import layers
from autosynth.study.auction import Action, Auction
from autosynth.study.encoding import as_rows
from autosynth.study.foresight import Arm
from autosynth.study.pruner import Curve, RungBook, doubt
from autosynth.study.storage import tpe_sampler

optuna.logging.set_verbosity(optuna.logging.ERROR)
# Strategies, before Optuna's samplers propose any.
STARTUP = 16


class Method(ABC):
    """One way to search. It is asked for actions, and told what came of each."""

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool, self.arms = pool, list(pool.arms)
        self.rng = np.random.default_rng(seed)
        self.fresh = [self.arms[at] for at in self.rng.permutation(len(self.arms))]

    @abstractmethod
    def choose(self) -> Action | None:
        """What is trained next; None where nothing is left, or nothing until something ends."""

    def told(self, action: Action, error: float | None) -> None:  # noqa: B027
        """What came of an action; None where it was stopped."""

    def stops(self, action: Action) -> float | None:
        """The share of a training after which it is stopped; None where it is not."""
        return None


class Random(Method):
    """Everything at full length, in an order by chance."""

    def choose(self) -> Action | None:
        if not self.fresh:
            return None
        arm = self.fresh.pop()
        return Action(arm=arm, level=self.pool.last(arm))


class ConstantEpochs(Method):
    """Everything at the shortest length by chance; after each twenty the front to its end.

    i-Epoch of Egele et al. (2024, arXiv:2404.04111) for two objectives: two layers are finished.
    """

    BATCH = 20

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__(pool, seed)
        self.short: dict[str, tuple[Arm, float]] = {}
        self.finished: set[str] = set()
        self.to_finish: list[Arm] = []
        self.begun = 0

    def choose(self) -> Action | None:
        if self.begun and self.begun % self.BATCH == 0 or not self.fresh:
            self._plan()
        if self.to_finish:
            arm = self.to_finish.pop()
            self.finished.add(arm.key)
            return Action(arm=arm, level=self.pool.last(arm), why="front")
        if not self.fresh:
            return None
        self.begun += 1
        return Action(arm=self.fresh.pop(), level=0)

    def _plan(self) -> None:
        if not self.short:
            return
        known = list(self.short.values())
        points = np.array([[error, np.log(arm.cost)] for arm, error in known])
        front = [known[at][0] for at in np.flatnonzero(layers(points) <= 2)]
        self.to_finish += [
            arm for arm in front
            if arm.key not in self.finished and arm.takes_steps and arm not in self.to_finish
        ]  # fmt: skip

    def told(self, action: Action, error: float | None) -> None:
        if action.level == 0 and error is not None:
            self.short[action.arm.key] = action.arm, error


class Asha(Method):
    """Asynchronous halving by non-dominated layers: the better third of a rung goes on.

    MO-ASHA (Schmucker et al., 2021, arXiv:2106.12639), ranked by layer and then by crowding.
    """

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__(pool, seed)
        self.shown: list[dict[str, tuple[Arm, float]]] = [{}, {}, {}]
        self.promoted: list[set[str]] = [set(), set(), set()]

    def choose(self) -> Action | None:
        for level in (1, 0):
            rung = list(self.shown[level].values())
            if len(rung) < 3:
                continue
            points = np.array([[error, np.log(arm.cost)] for arm, error in rung])
            layer = layers(points)
            order = np.lexsort((-_crowding(points, layer), layer))
            for at in order[: len(rung) // 3]:
                arm = rung[at][0]
                if arm.key not in self.promoted[level] and self.pool.last(arm) > level:
                    self.promoted[level].add(arm.key)
                    return Action(arm=arm, level=level + 1, why="promoted")
        if not self.fresh:
            return None
        return Action(arm=self.fresh.pop(), level=0)

    def told(self, action: Action, error: float | None) -> None:
        if error is not None:
            self.shown[action.level][action.arm.key] = action.arm, error


def _crowding(points: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """The distance to a point's neighbours on its layer; infinite at both ends."""
    found = np.zeros(len(points))
    for each in np.unique(layer):
        ours = np.flatnonzero(layer == each)
        for column in points.T:
            order = ours[np.argsort(column[ours])]
            width = max(float(np.ptp(column[ours])), 1e-12)
            found[order[[0, -1]]] = np.inf
            found[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / width
    return found


class OfSampler(Method):
    """An Optuna sampler's proposals, each taken for the strategy of the table most like it."""

    sampler: Callable[[int], optuna.samplers.BaseSampler]

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__(pool, seed)
        # FLOPs follow from what is chosen, and are no choice.
        chosen = [{k: v for k, v in arm.answers.items() if k != "flops"} for arm in self.arms]
        rows = as_rows(chosen)
        kept = np.ptp(rows, axis=0) > 0
        self.rows = rows[:, kept]
        self.choices = [np.unique(column) for column in self.rows.T]
        self.left = set(range(len(self.arms)))
        self.trials: dict[str, optuna.Trial] = {}
        self.study = optuna.create_study(
            directions=["minimize", "minimize"], sampler=type(self).sampler(seed)
        )

    def choose(self) -> Action | None:
        if not self.left:
            return None
        if len(self.arms) - len(self.left) < STARTUP:  # as these samplers begin, by chance
            at = int(self.rng.choice(sorted(self.left)))
            self.left.remove(at)
            return Action(arm=self.arms[at], level=self.pool.last(self.arms[at]))
        trial = self.study.ask()
        asked = [
            float(choices[trial.suggest_int(str(at), 0, len(choices) - 1)])
            for at, choices in enumerate(self.choices)
        ]
        left = sorted(self.left)
        scale = np.maximum(np.ptp(self.rows, axis=0), 1e-9)
        distance = (np.abs(self.rows[left] - np.array(asked)) / scale).sum(1)
        at = left[int(distance.argmin())]
        self.left.remove(at)
        # The study is told of what was trained, not of what was asked for.
        self.study.tell(trial, state=optuna.trial.TrialState.FAIL)
        self.trials[self.arms[at].key] = trial
        return Action(arm=self.arms[at], level=self.pool.last(self.arms[at]))

    def told(self, action: Action, error: float | None) -> None:
        at = next(i for i, arm in enumerate(self.arms) if arm is action.arm)
        distributions: dict[str, optuna.distributions.BaseDistribution] = {
            str(i): optuna.distributions.IntDistribution(0, len(choices) - 1)
            for i, choices in enumerate(self.choices)
        }
        params = {
            str(i): int(np.flatnonzero(choices == self.rows[at, i])[0])
            for i, choices in enumerate(self.choices)
        }
        cost = float(np.log(action.arm.cost))
        state = optuna.trial.TrialState
        if error is None:
            self.study.add_trial(
                optuna.create_trial(params=params, distributions=distributions, state=state.PRUNED)
            )
        else:
            self.study.add_trial(
                optuna.create_trial(
                    params=params, distributions=distributions, values=[error, cost]
                )
            )


class Tpe(OfSampler):
    """MO-TPE, multivariate and in groups: Optuna's own."""

    sampler = staticmethod(tpe_sampler)


class Nsga(OfSampler):
    """NSGA-II: Optuna's own."""

    sampler = staticmethod(
        lambda seed: optuna.samplers.NSGAIISampler(population_size=16, seed=seed)
    )


class Before(Tpe):
    """Near to the search as it was: what the space names, then TPE, pruned at a third with slack.

    All at full length; turns, longer trainings and composing are left out.
    """

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__(pool, seed)
        self.book, self.number = RungBook(), 0
        named = sorted(pool.places, key=pool.places.__getitem__, reverse=True)
        self.named = [at for key in named for at, arm in enumerate(self.arms) if arm.key == key]

    def choose(self) -> Action | None:
        while self.named:
            at = self.named.pop()
            self.left.discard(at)
            arm = self.arms[at]
            return Action(arm=arm, level=self.pool.last(arm))
        return super().choose()

    def stops(self, action: Action) -> float | None:
        error = self.pool.rung.get(action.arm.key, np.nan)
        if not np.isfinite(error):
            return None
        self.number += 1
        curve = Curve(cost=action.arm.cost, errors={1 / 3: error})
        verdict = self.book.decide(
            self.number, curve, e_ref=self.pool.trivial,
            standard_error=doubt(1 / 3, error, 0.02),
        )  # fmt: skip
        self.book.write(self.number, curve)
        return 1 / 3 if verdict.prune else None


class OfAuction(Method):
    """The largest expected gain in hypervolume for its price, with nothing known before."""

    experienced = False

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__(pool, seed)
        self.trained: dict[str, int] = {}
        self.auction = Auction(
            lengths=LEVELS,
            price=self._price,
            seed=seed,
            guess=pool.guess if self.experienced else None,
        )

    def _price(self, arm: Arm, level: int) -> float:
        """As it is foreseen."""
        true = self.pool.price(arm, level, self.trained.get(arm.key))
        return true * self.pool.foreseen[arm.key]

    def choose(self) -> Action | None:
        # At the shortest length and at the next, as a search offers them.
        action = self.auction.choose(
            [
                Action(arm=arm, level=level)
                for arm in self.fresh
                for level in range(min(1, self.pool.last(arm)) + 1)
            ]
        )
        if action is None:
            return None
        self.fresh = [arm for arm in self.fresh if arm is not action.arm]
        self.auction.start(action)
        return action

    def told(self, action: Action, error: float | None) -> None:
        arm, level = action.arm, action.level
        price = self.pool.price(arm, level, self.trained.get(arm.key))
        self.auction.end(arm.key, level, error, price=price)
        self.trained[arm.key] = level


class Experienced(OfAuction):
    """The same, with what all other sets say of errors."""

    experienced = True


class Written(Method):
    """What the space names first, in its order, and then the others by chance; at full length."""

    def __init__(self, pool: Pool, seed: int) -> None:
        super().__init__(pool, seed)
        self.fresh.sort(key=lambda arm: -pool.places.get(arm.key, np.inf))

    def choose(self) -> Action | None:
        if not self.fresh:
            return None
        arm = self.fresh.pop()
        return Action(arm=arm, level=self.pool.last(arm))


METHODS: Mapping[str, type[Method]] = {
    "random": Random,
    "written": Written,
    "epochs": ConstantEpochs,
    "asha": Asha,
    "tpe": Tpe,
    "nsga2": Nsga,
    "before": Before,
    "auction": OfAuction,
    "experienced": Experienced,
}
