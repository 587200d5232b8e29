"""The records of a run, in memory for the driver, and on disk one by one as they come.

What the driver asks before every trial is kept up as records come, so that it takes as long with
ten thousand of them as with ten. The folder is read once, and then only written.
"""

import math
import statistics
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

from torch import Tensor

from autosynth.budget import POLICY
from autosynth.composite import Resolved
from autosynth.composite.fittedpart import fitted_end, takes_steps
from autosynth.composite.plan import Phase
from autosynth.errors import AutosynthError
from autosynth.record import Record, score_of, weights_path, write_record
from autosynth.strategy import parse
from autosynth.study.composer import Composer, may_be_part
from autosynth.study.context import RunContext
from autosynth.study.finalist import a_training
from autosynth.study.fold import outputs_key
from autosynth.study.job import CUT, TrainedPart
from autosynth.study.lasttraining import seconds_side_by_side
from autosynth.study.shelf import Shelf
from autosynth.study.standings import Standings
from autosynth.study.trial import load_trained, part_outputs
from autosynth.training.phase import samples_of
from autosynth.training.store import ValueKey
from autosynth.training.weights import alone_of, unpack_tensors, write_packed


class RunHistory:
    """What was trained so far, the baseline among it."""

    def __init__(self, context: RunContext, records: Iterable[Record]) -> None:
        self.context = self._context = context
        self.done: dict[str, Record] = {}
        """Strategies that need not be trained again, by canonical form."""
        self.standings = Standings(context)
        self.shelf = Shelf(context.folder)
        self.composer = Composer(context=context)
        # Both are asked for again and again.
        self._alone: dict[tuple[str, str], str] = {}
        self._foreseen: dict[tuple[str, frozenset[str]], float] = {}
        self._fits: dict[str, float] = {}  # seconds of the longest by family, of no networks
        self.families: set[str] = set()
        """The families that stood alone in one."""
        self.n_trained = 0
        self.next_number = 0
        self.bar = -math.inf
        """The best score so far, of the baseline too."""
        self._paces: deque[float] = deque([1.0], maxlen=POLICY.pace_trials)
        for record in sorted(records, key=lambda each: each.trial):
            self._take(record)

    @property
    def pace(self) -> float:
        """How long trainings take over what was foreseen: the machine may be busier than it was.

        One that took longer says little: something else may have run for a moment.
        """
        return statistics.median_low(self._paces)

    def number(self) -> int:
        """A trial number that none has had."""
        self.next_number += 1
        return self.next_number - 1

    def add(
        self, record: Record, weights: bytes | None = None, outputs: bytes | None = None
    ) -> None:
        """Keep a trial that ended: weights and outputs first, then the record that names them.

        Raises:
            RunError: the folder cannot be written.
        """
        folder = self._context.folder
        if weights is not None:
            write_packed(weights, weights_path(folder, record.trial))
        if outputs is not None:
            self._context.store.put(self._outputs_key(record), outputs)
        write_record(record, folder)
        self._take(record, {} if outputs is None else unpack_tensors(outputs))
        if self.shelf.is_full:
            metric = self._context.metric.name
            for dropped in self.shelf.drop(list(self.standings), self._spared, metric):
                self.standings.put(dropped)
                self.done[dropped.canonical] = dropped

    def _outputs(self, record: Record) -> dict[str, Tensor]:
        """The outputs of a trial of an earlier sitting, computed again where they are not kept.

        None where they are of several folds, which would take trainings.
        """
        context = self._context
        if not may_be_part(context, record):
            return {}
        if found := context.store.find(self._outputs_key(record)):
            return found
        if context.folds > 1 or record.weights_dropped:
            return {}
        with suppress(AutosynthError):  # weights that are damaged are put aside in time
            model = load_trained(context, record, context.resolved(record.canonical))
            return part_outputs(context, model)
        return {}

    def _outputs_key(self, record: Record) -> ValueKey:
        return outputs_key(self._context, record.canonical, self._samples(record))

    def _samples(self, record: Record) -> int:
        """That the training saw, counted again in every epoch."""
        return round((record.epochs or 0.0) * len(self._context.dataset.splits.train))

    def _spared(self, records: list[Record]) -> set[int]:
        return {record.trial for record in self.standings.finalists()}

    def foreseen_seconds(self, resolved: Resolved) -> float:
        """The seconds of one training as they were measured, without what stands trained of it."""
        known: dict[str, float] = {}
        if len(resolved.training_plan.phases) > 1:
            known = {p.name: found[0].seconds for p, found in self.standing(resolved) if found}
        key = resolved.canonical, frozenset(known)
        if key not in self._foreseen:
            self._foreseen[key] = self._context.foreseen_seconds(resolved, known)
        return self._foreseen[key]

    def last_seconds(self, resolved: Resolved, workers: int) -> float:
        """The seconds of a last training, from the beginning, its parts side by side."""
        known = 0.0
        if len(resolved.training_plan.phases) > 1:
            known = sum(found[0].seconds for _, found in self.standing(resolved) if found)
        whole = self.foreseen_seconds(resolved) + known
        return seconds_side_by_side(self._context, resolved.canonical, workers, whole)

    def fit_seconds(self, resolved: Resolved) -> float:
        """What parts that are no networks and do not stand will take, by the longest of a kind."""
        root, found = resolved.strategy.root, 0.0
        for phase, known in self.standing(resolved):
            end = fitted_end(phase.unit.node if phase.unit else root) if phase.is_fit else None
            if end and not known:
                found += self._fits.get(end.family, 0.0)
        return found

    def hurries(self, resolved: Resolved, left: float) -> bool:
        """Whether a part that is no network would have less time than one of its family took.

        Cut short it would say little, and nothing could be claimed beside it.
        """
        end = fitted_end(resolved.strategy.root)
        return end is not None and self._fits.get(end.family, 0.0) > POLICY.fit_share * left

    def standing(self, resolved: Resolved) -> Iterator[tuple[Phase, list[TrainedPart]]]:
        """The phases of a strategy, each with the trainings that came to what it would."""
        config, n_rows = self._context.trainer_config, len(self._context.dataset.splits.train)
        steps = config.steps * float(resolved.settings["length"])
        for phase in resolved.training_plan.phases:
            known: list[TrainedPart] = []
            if strategy := self.alone(resolved, phase):
                samples = samples_of(phase, steps, min(config.batch_size, n_rows))
                trained = self.part(strategy)
                known = [each for each in trained if each.is_of(strategy, phase.rows, samples)]
            yield phase, known

    def alone(self, resolved: Resolved, phase: Phase) -> str:
        """The strategy of the part that a phase trains; empty where it is no such part."""
        key = resolved.canonical, phase.name
        if key not in self._alone:
            found = alone_of(resolved, phase)
            self._alone[key] = "" if found is None else found.canonical
        return self._alone[key]

    def lacking(self, resolved: Resolved) -> list[Resolved]:
        """The parts of a composite that are trained alone, on all rows, and are still to be."""
        if len(resolved.training_plan.phases) < 2:
            return []
        steps, found = float(resolved.settings["length"]), dict[str, Resolved]()
        for phase in resolved.training_plan.phases:
            strategy = self.alone(resolved, phase) if phase.rows == "all" else ""
            if strategy and strategy not in self.done:
                part = self._context.resolved(strategy)
                # One that is staged has a part of the time alone, and is of no use to it.
                length = float(part.settings["length"]) if takes_steps(part.strategy.root) else 0.0
                if math.isclose(length, steps * phase.fraction):
                    found[strategy] = part
        return list(found.values())

    def part(self, strategy: str) -> list[TrainedPart]:
        """The trainings of a strategy whose weights are there."""
        record, folder = self.done.get(strategy), self._context.folder
        if record is None or record.state != "complete" or record.weights_dropped:
            return []
        path = weights_path(folder, record.trial)
        return [
            TrainedPart(
                strategy=strategy,
                weights=path,
                samples=self._samples(record),
                share=min(record.best_fractions.values(), default=1.0),  # it had one phase
                seconds=a_training(record),
                cut=record.reason.removeprefix(CUT),
            )
        ]

    def _take(self, record: Record, outputs: Mapping[str, Tensor] | None = None) -> None:
        self.standings.put(record)
        self.next_number = max(self.next_number, record.trial + 1)
        if record.state == "complete":
            self.bar = max(self.bar, score_of(record, self._context.metric.name))
        if record.kind != "strategy":
            return
        if record.topology == "single":
            self.families.add(record.components)
        if record.state == "not_run":
            return
        self.n_trained += 1
        if record.state != "stopped":
            self.done[record.canonical] = record
        if record.state == "complete":
            self.shelf.put(record)
            self.composer.put(record, self._outputs(record) if outputs is None else outputs)
        if record.state == "complete" and (end := fitted_end(parse(record.canonical).root)):
            taken = (record.train_seconds or 0.0) / record.n_folds
            self._fits[end.family] = max(taken, self._fits.get(end.family, 0.0))
        if record.state == "complete" and record.foreseen_seconds:
            taken = (record.train_seconds or 0.0) / record.n_folds
            self._paces.append(taken / record.foreseen_seconds)
