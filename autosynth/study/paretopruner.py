"""A pruner for any Optuna study of two objectives: an error, and a cost that is known before.

Optuna refuses `Trial.report` where there are several objectives (its issue 3450), and rules for
one would end the cheap trials that a front is made of. This one protects what is best for its
cost. It knows nothing of this package's data and networks: what trials have shown stands in the
study itself, so that it works on every storage and from several processes.

    pruner = ParetoPruner()

    def objective(trial):
        width = trial.suggest_int("width", 8, 256, log=True)
        pruner.begin(trial, cost=2.0 * width * width)
        for step in (1, 3, 9):
            error = train_until(step, width)
            pruner.report(trial, step, error)
            if pruner.should_prune(trial):
                raise optuna.TrialPruned
        return error, math.log10(2.0 * width * width)

    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(objective, n_trials=100)
"""

import math

import optuna

from autosynth.study import storage
from autosynth.study.pruner import Decision, decide, is_spared


class ParetoPruner:
    """Ends a trial where one as cheap is better and most others stand on a better layer.

    The rule is `autosynth.study.pruner.decide`; the README says where it was measured. Until five
    trials have reported at a step nothing is pruned there, and one trial in twenty never is, so
    that what was pruned by mistake can be counted.

    A pruned trial is given a constraint: without one, Optuna's TPE takes the oldest pruned trials
    for good ones where few are complete.
    """

    def __init__(
        self,
        *,
        trivial_error: float = math.inf,
        standard_error: float = 0.0,
        share_above: float = 0.5,
        spare: bool = True,
        seed: int = 0,
    ) -> None:
        """What it goes by.

        Args:
            trivial_error: of what knows nothing; a trial that is no better is not protected.
            standard_error: of a difference between two reported errors: each trial is judged as if
                its error were that much lower.
            share_above: of the trials at a step, from 0 (prune much) to 1 (prune little): fewer
                than that may stand on better layers of (error, log cost).
            spare: whether one trial in twenty is never pruned.
            seed: of which these are.

        Raises:
            ValueError: `share_above` or `standard_error` is out of its range.
        """
        if not 0 <= share_above <= 1:
            raise ValueError(f"share_above is from 0 to 1, not {share_above}")
        if not 0 <= standard_error < math.inf:
            raise ValueError(f"standard_error is 0 or more, and finite, not {standard_error}")
        self.trivial_error, self.standard_error = trivial_error, standard_error
        self.share_above, self.spare, self.seed = share_above, spare, seed

    def begin(self, trial: optuna.Trial, cost: float) -> None:
        """Note what a trial will cost, in any unit, before its first report.

        Raises:
            ValueError: the cost is not above 0.
        """
        if not 0 < cost < math.inf:
            raise ValueError(f"a cost is above 0, and finite, not {cost}")
        trial.set_user_attr(storage.COST, float(cost))

    def report(self, trial: optuna.Trial, step: float, error: float) -> None:
        """Note the error of a trial after a step: of epochs, or the share of its schedule.

        Trials are held against each other at equal steps.

        Raises:
            ValueError: the error is not finite; fail the trial instead.
        """
        if not math.isfinite(error):
            raise ValueError(f"an error is finite, not {error}: fail the trial instead")
        storage.write_rung(trial, float(step), float(error))

    def should_prune(self, trial: optuna.Trial) -> bool:
        """Whether to end a trial, by its last report.

        Raises:
            ValueError: nothing was reported, or `begin` was not called.
        """
        decision = self.decision(trial)
        if not decision.prune or (self.spare and is_spared(trial.number, self.seed)):
            return False
        storage.note_pruned(trial, constraint=decision.constraint, why=decision.why)
        return True

    def decision(self, trial: optuna.Trial) -> Decision:
        """What speaks for going on, or for ending it, in a sentence; it changes nothing.

        Raises:
            ValueError: nothing was reported, or `begin` was not called.
        """
        curves = storage.curves(trial.study)
        mine = curves.pop(trial.number, None)
        if mine is None or not mine.errors:
            raise ValueError(
                f"trial {trial.number} has no cost or no error as yet: call begin(trial, cost) "
                "once, and report(trial, step, error) before should_prune(trial)"
            )
        return decide(
            mine,
            curves.values(),
            e_ref=self.trivial_error,
            standard_error=self.standard_error,
            q=self.share_above,
        )
