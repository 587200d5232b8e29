"""What proposes strategies, and learns what came of them: an optuna study, behind a small face.

The driver asks for a strategy, written down or of the sampler's own choice, and tells what came of
it. What the sampler knows is kept in the study's storage.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import optuna

from autosynth.composite import Resolved
from autosynth.strategy import Scalar, Strategy, parse
from autosynth.study import storage
from autosynth.study.context import RunContext
from autosynth.study.params import answers_for
from autosynth.study.pruner import Curve
from autosynth.study.space import Space
from autosynth.study.suggest import by_values, suggest

_ORIGIN, _WRITTEN = "origin", "written"


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A trial of the study, and who asked for it."""

    trial: optuna.Trial
    origin: str


class Sampler:
    """Proposes strategies of a space, and learns from what came of them."""

    def __init__(self, study: optuna.Study, space: Space) -> None:
        self.study, self.space = study, space

    @classmethod
    def of_run(
        cls, context: RunContext, say: Callable[[str], None] = lambda text: None
    ) -> "Sampler":
        """The sampler of a run, with what it learnt in earlier sittings.

        Trials that a killed process left running are failed, so that nothing is made of them.
        `say` is told where the study is damaged.

        Raises:
            RunError: the study in the folder is of another space, or cannot be read.
        """
        storage.mend(context.journal, say)
        study = storage.open_study(
            context.journal, seed=context.seed, fingerprint=context.space.fingerprint
        )
        storage.reap(study)
        storage.name_metrics(study, context.metric.name, context.cost)
        return cls(study, context.space)

    def enqueue(self, params: Mapping[str, Scalar], origin: str) -> None:
        """Have the next proposal answer some questions so; the others are the sampler's."""
        self.study.enqueue_trial(dict(params), user_attrs={_ORIGIN: origin})

    def enqueue_written(self, strategy: Strategy, origin: str) -> None:
        """Have the next proposal be a strategy as it is, which the space need not suggest.

        It answers no questions, and the sampler learns nothing from it.
        """
        self.study.enqueue_trial({}, user_attrs={_ORIGIN: origin, _WRITTEN: str(strategy)})

    def ask_for(self, resolved: Resolved, origin: str) -> None:
        """Have the next proposal be a strategy: by the answers that make it, if there are any."""
        if params := answers_for(resolved, self.space):
            by_value = storage.asks_by_value(self.study)
            self.enqueue(by_values(params, self.space) if by_value else params, origin)
        else:
            self.enqueue_written(resolved.strategy, origin)

    def propose(self) -> Proposal:
        """The next trial: what was enqueued first, or one of the sampler's choice."""
        trial = self.study.ask()
        return Proposal(trial=trial, origin=str(trial.user_attrs.get(_ORIGIN, "sampler")))

    def strategy(self, proposal: Proposal) -> Strategy:
        """The strategy that the answers make. Raises StrategyError where they make none."""
        if written := proposal.trial.user_attrs.get(_WRITTEN):
            return parse(str(written))
        by_value = storage.asks_by_value(self.study)
        return suggest(proposal.trial, self.space, by_value=by_value)

    def curves(self) -> dict[int, Curve]:
        """What the trials of the study have shown, by their number in it."""
        return storage.curves(self.study)

    def begin(self, proposal: Proposal, *, cost: float, canonical: str) -> None:
        """Note what is known of it before it is trained."""
        storage.start(proposal.trial, cost=cost, strategy=canonical)

    def rung(self, proposal: Proposal, done: float, error: float) -> None:
        """Note its error with a share of the schedule done."""
        storage.write_rung(proposal.trial, done, error)

    def finish(self, proposal: Proposal, *, error: float, cost: float) -> None:
        """It was trained to the end."""
        storage.finish(self.study, proposal.trial, error=error, cost=cost)

    def prune(self, proposal: Proposal, *, constraint: float, why: str) -> None:
        """It was not trained to the end, and is so far behind."""
        storage.prune(self.study, proposal.trial, constraint=constraint, why=why)

    def fail(self, proposal: Proposal, why: str) -> None:
        """It broke: nothing is learnt from it."""
        storage.fail(self.study, proposal.trial, why=why)
