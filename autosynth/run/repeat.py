"""The front trained again on other seeds: how good one training is, is partly luck.

Takes the records of a run; trains what stands on the front again until it has the trainings that
were asked for, and has its score be the mean of them. What the mean puts off the front makes room
for others, which have their turn then.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from autosynth.budget import Deadline
from autosynth.composite import Resolved
from autosynth.composite.plan import Phase
from autosynth.errors import TrialError
from autosynth.record import Record, read_all, write_record
from autosynth.study.context import RunContext
from autosynth.study.finalist import a_training, front_of
from autosynth.study.fold import OutOfTime, fold_outputs, held_rows
from autosynth.study.trial import scored_outputs
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import finished_rows
from autosynth.training.phase import samples_of
from autosynth.training.weights import Recipe, Weights, alone_of


def repeat(
    context: RunContext, times: int, deadline: Deadline, say: Callable[[str], None]
) -> None:
    """Write to the records of the front the scores of `times` trainings each, and their mean.

    Each is of a seed of its own, the first of them the search's. What there is no time for keeps
    the trainings that it has. Weights stay those of the first.

    Args:
        context: of the run.
        times: trainings of a strategy in all.
        deadline: by which all must have ended.
        say: is told where time ran out.
    """
    seeds = [_OneSeed(context, context.seed + number, deadline) for number in range(times)]
    failed: set[int] = set()
    while lacking := [
        record
        for record in front_of(read_all(context.folder), context)
        if len(record.repeats) < times and record.trial not in failed
    ]:
        record = min(lacking, key=lambda each: (len(each.repeats), a_training(each)))
        number = max(1, len(record.repeats))
        if 1.1 * a_training(record) * record.n_folds > deadline.left:
            failed.add(record.trial)
            continue
        try:
            found = seeds[number].scores(record)
        except (OutOfTime, TrialError):
            failed.add(record.trial)
            continue
        write_record(_with(record, found, context.metric.name), context.folder)
    if failed:
        say(
            f"warning: not all of the front was trained {times} times: time ran out, or a "
            f"training failed, for {', '.join(f'trial {trial}' for trial in sorted(failed))}"
        )


def _with(record: Record, found: dict[str, float], metric: str) -> Record:
    """A record with the scores of one more training."""
    had = record.repeats or (record.val[metric],)
    n = len(had)
    val = {k: (n * v + found[k]) / (n + 1) for k, v in record.val.items() if k in found}
    return replace(record, val=val, repeats=(*had, found[metric]))


@dataclass
class _OneSeed:
    """Trainings on one seed, of which each part that composites share is trained once."""

    context: RunContext
    seed: int
    deadline: Deadline
    _known: dict[Recipe, tuple[Weights, float]] = field(default_factory=dict)

    def scores(self, record: Record) -> dict[str, float]:
        """All scores of a strategy's training on the rows that its trial was scored on.

        Raises:
            OutOfTime: it would not end in time.
            TrialError: it cannot be trained on this seed.
        """
        context = self.context
        resolved = context.resolved(record.canonical)
        for part in self._parts(resolved):
            self._remember(part, self._train(part))
        outcome = self._train(resolved)
        self._remember(resolved, outcome)
        rows, values, _ = scored_outputs(context, outcome.model)
        every, found = [rows], [values]
        names = list(held_rows(context).items())[1 : record.n_folds]
        for (_, held), (inside, outside) in zip(names, context.other_folds(), strict=False):
            raw, _ = fold_outputs(context, resolved, inside, outside, self.deadline, self.seed)
            every.append(held)
            found.append(finished_rows(raw, context.device_dataset, held).cpu().numpy())
        return context.scores(np.concatenate(every), np.concatenate(found))

    def _parts(self, resolved: Resolved) -> list[Resolved]:
        """The parts of a composite that are trained as if alone, and are not known as yet."""
        plan = resolved.training_plan
        if len(plan.phases) < 2:
            return []
        new: dict[str, Resolved] = {}
        for phase in plan.phases:
            part = alone_of(resolved, phase)
            if part and self._recipe(part) == self._recipe(part, resolved, phase):
                new[part.canonical] = part
        return [each for each in new.values() if self._recipe(each) not in self._known]

    def _train(self, resolved: Resolved) -> Outcome:
        splits = self.context.dataset.splits
        outcome = train(
            resolved,
            self.context.device_dataset,
            TrainingRows(
                train=splits.train, calibration=splits.calibration, unlabelled=splits.unlabelled
            ),
            self.context.trainer_config,
            seed=self.seed,
            score=self.context.metric.score,
            deadline=self.deadline,
            bank=self._known.get,
        )
        if outcome.stopped or outcome.cut:
            raise OutOfTime("a training on another seed would not have ended in its time")
        return outcome

    def _recipe(
        self, part: Resolved, whole: Resolved | None = None, phase: Phase | None = None
    ) -> Recipe:
        """What a part is known by that was trained alone; or by that a phase of a `whole` asks."""
        phase, whole = phase or part.training_plan.phases[0], whole or part
        config, rows = self.context.trainer_config, len(self.context.dataset.splits.train)
        steps = config.steps * float(whole.settings["length"])
        samples = samples_of(phase, steps, min(config.batch_size, rows))
        return Recipe(strategy=part.strategy, rows=phase.rows, samples=samples)

    def _remember(self, resolved: Resolved, outcome: Outcome) -> None:
        if len(resolved.training_plan.phases) == 1:
            share = min(outcome.best_fractions.values(), default=1.0)
            state = {key: value.cpu() for key, value in outcome.model.state_dict().items()}
            self._known[self._recipe(resolved)] = state, share
