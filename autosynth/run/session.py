"""`search`: a dataset in, a run out: leaderboard, picture, and the best composite as a bundle."""

import io
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from autosynth.atomic import write_text_atomic
from autosynth.budget import NEVER, POLICY, Deadline
from autosynth.bundle import ModelCard, write_bundle
from autosynth.bundle.info import card_of_trial, data_facts
from autosynth.data import read_dataset
from autosynth.leaderboard import pick
from autosynth.number import printable
from autosynth.options import Options
from autosynth.progress import Progress
from autosynth.record import Record, read_all, write_record
from autosynth.report import report
from autosynth.run.finish import (
    Refit,
    compare,
    cross_validate,
    refit,
    resolved_of,
    score_test,
    sound_finalists,
)
from autosynth.run.folder import place
from autosynth.run.prepare import (
    check_device,
    check_limits,
    prepare,
    prepare_metric,
    prepare_space,
)
from autosynth.run.repeat import repeat
from autosynth.run.run import Run, open_run
from autosynth.run.sitting import Sitting
from autosynth.signature import takes_options
from autosynth.spec import Dataset
from autosynth.study import storage
from autosynth.study.agenda import Limits, why_longer
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.finalist import (
    choice_seconds,
    complete,
    expect,
    front_of,
    repeat_seconds,
    reserve_seconds,
)
from autosynth.study.lasttraining import last_form
from autosynth.study.optimism import ChosenAmong
from autosynth.study.pool import LocalPool, WorkerPool
from autosynth.study.processes import NoWorkersError, pool_of
from autosynth.study.sampler import Sampler
from autosynth.study.space import Space
from autosynth.study.trial import load_trained
from autosynth.training.config import schedule
from autosynth.training.determinism import deterministic_kernels


@takes_options
def search(
    data: Any,
    target: str | Sequence[str] | None = None,
    *,
    test: Any = None,
    validation: Any = None,
    task: str | None = None,
    drop: str | Sequence[str] = (),
    keep: str | Sequence[str] = (),
    keep_missing_words: bool = False,
    columns: Mapping[str, str] | None = None,
    weight: Any = None,
    class_weight: Any = None,
    group: str | Sequence[str] = (),
    time: str | None = None,
    horizon: int | None = None,
    history: int | None = None,
    user: str | None = None,
    features: Any = (),
    seed: int = 0,
    space: str | None = None,
    budget: str | float | None = None,
    trials: int | None = None,
    metric: str | None = None,
    cost: str = "flops",
    max_flops: int | None = None,
    max_params: int | None = None,
    max_latency_ms: float | None = None,
    device: str = "auto",
    workers: int | None = None,
    repeats: int = 1,
    deterministic: bool = False,
    refit: bool = True,
    from_run: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    started: float | None = None,
) -> Run:
    """Search composition strategies on a dataset.

    `data` is a path, the name of a built-in set, a DataFrame, or a tuple of arrays; a table needs
    a `target`. The budget is ten minutes where neither `budget` nor `trials` is given, and counts
    from `started`, a `time.monotonic()`, or from now. With `trials` and no budget, one seed gives
    one board. `progress` is told of the search.

    Raises:
        AutosynthError: the data, an option, the space or the folder cannot be used.
    """
    options = Options.from_arguments(locals())  # the parameters: nothing else is set as yet
    began = monotonic() if started is None else started
    options = replace(options, device=check_device(options.device))
    teller = progress or Progress(stream=io.StringIO(), live=False)
    dataset = read_dataset(data, options)
    options = replace(options, metric=prepare_metric(dataset, options).name)
    chosen = prepare_space(dataset, options)
    options = replace(options, space=options.space or chosen.name)
    with deterministic_kernels(options.deterministic, options.device):
        check_limits(dataset, chosen, options)
        with place(dataset, options, out, teller.say) as (folder, state):
            sitting = Sitting(folder, state, began)
            with sitting.saving():
                whole = _Session(dataset, chosen, options, sitting, teller).run()
            sitting.save(finished=whole)
            return open_run(folder)


class _Session:
    """One sitting of a run, from its start or from where an earlier one was broken off."""

    def __init__(
        self,
        dataset: Dataset,
        space: Space,
        options: Options,
        sitting: Sitting,
        progress: Progress,
    ) -> None:
        self.options, self.folder, self.progress = options, sitting.folder, progress
        self.deadline = NEVER
        self.choice: ChosenAmong | None = None
        if options.budget_seconds is not None:
            self.deadline = Deadline(sitting.began - sitting.before + options.budget_seconds)
        for line in (*dataset.summary, *(f"warning: {text}" for text in dataset.warnings)):
            progress.say(printable(line))
        self.context = prepare(dataset, space, options, self.folder, self.deadline, progress)

    def run(self) -> bool:
        """Trials, then what comes after them. False where the trials were broken off."""
        plan = self.context.trainer_config
        workers = self.options.workers or plan.workers
        self.progress.say(
            f"run {self.folder}: {plan.steps:,} steps of {plan.batch_size} rows a training"
            + (f", bfloat16 for {', '.join(plan.bf16)}" if plan.bf16 else "")
            + (f", {workers} workers" if workers > 1 else "")
        )
        data = self.context.dataset
        _, own = schedule(len(data.splits.train), data.inputs, data.target)
        if self.options.budget_seconds is not None and plan.steps < own:
            self.progress.say(
                f"warning: these rows ask for trainings of {own:,} steps, and the budget has no "
                "time for one; a longer --budget gives better models"
            )
        try:
            with pool_of(self.context, workers) as pool:
                return self._search_with(pool)
        except NoWorkersError as problem:
            if self.options.workers:
                raise
            # Nobody has asked for them: this process can do without.
            self.progress.say(f"warning: {problem}; going on in this process alone")
            with LocalPool(self.context) as pool:
                return self._search_with(pool)

    def _search_with(self, pool: WorkerPool) -> bool:
        """Search and finish, with some workers. False where the trials were broken off."""
        whole = self.trials(pool)
        if not whole:
            pool.close()
            self.progress.say("broken off: making the leaderboard of what is done")
        try:
            self.finish(whole, pool)
        except KeyboardInterrupt:
            report(self.folder)
            raise
        return whole

    def trials(self, pool: WorkerPool) -> bool:
        """Run trials until the budget asks for what comes after them. False where broken off."""
        options, context = self.options, self.context

        def reserve(last: list[Record], coming: float) -> float:
            budget = options.budget_seconds or 0.0
            return reserve_seconds(
                last,
                context,
                budget=budget,
                refit=options.refit,
                repeats=options.repeats,
                coming=coming,
                workers=pool.size,
            )

        limits = Limits(deadline=self.deadline, trials=options.trials, reserve=reserve)
        try:
            sampler = Sampler.of_run(context, self.progress.say)
            driver = Driver(context, limits, self.progress, pool, sampler)
            driver.run()
            self.choice = driver.history.composer.choice()
        except KeyboardInterrupt:
            return False
        return True

    def finish(self, whole: bool, pool: WorkerPool) -> None:
        """Choose, refit, score on test, compare, report. No refit where it was broken off."""
        context = self.context
        if whole and self.options.repeats > 1:
            self._repeat()
        self._expect()
        last = sound_finalists(context, self.progress.say)
        if whole and context.is_small:
            budget = self.options.budget_seconds
            choice = math.inf if budget is None else choice_seconds(last, context, budget)
            # The scores on test and the report come after it, whatever the folds took.
            end = self.deadline.earlier(POLICY.after_choice_seconds).within(choice)
            cross_validate(context, last, end)
            self._expect()
        found = score_test(context)
        compare(context, found, self.choice)
        self._importance()
        if last:
            self._bundle(whole and self.options.refit, pool)
            if not complete(last, context):
                self.progress.say(
                    "warning: no strategy is better than knowing no input; the bundle holds the "
                    "best there is. More rows, other columns or a longer --budget may help"
                )
        report(self.folder)

    def _repeat(self) -> None:
        """Train the front on further seeds, in the time that is kept for it."""
        options, context = self.options, self.context
        done = front_of(read_all(self.folder), context)
        budget = options.budget_seconds
        seconds = math.inf
        if budget is not None:
            seconds = repeat_seconds(done, context, options.repeats, budget)
        end = self.deadline.earlier(POLICY.after_choice_seconds).within(seconds)
        repeat(context, options.repeats, end, self.progress.say)

    def _bundle(self, again: bool, pool: WorkerPool) -> None:
        """The best composite as a bundle, trained on everything but test where there is time."""
        context = self.context
        best = pick(read_all(self.folder), "best", metric=context.metric.name, cost=context.cost)
        # The bundle and the report come after it: half-trained, a winner is worth nothing.
        end = self.deadline.earlier(POLICY.after_refit_seconds)
        last = last_form(context, best)
        trained: Refit | None = refit(context, last, end, pool) if again else None
        resolved = resolved_of(context, last if trained else best)
        model = trained.model if trained else load_trained(context, best, resolved)
        best = replace(
            best,
            refit_test=trained.test if trained else {},
            refit_seconds=round(trained.seconds, 2) if trained else None,
            still_gaining=why_longer(read_all(self.folder), best, context.metric.name),
        )
        write_record(best, self.folder)
        write_bundle(
            self.folder / "bundle",
            resolved=resolved,
            model=model,
            encoders=context.dataset.encoders,
            scales=context.device_dataset.scales,
            calibration=best.calibration,
            card=_card(context, best, trained),
        )

    def _expect(self) -> None:
        """Write to the records what is to be expected of strategies, where rows are few."""
        if not self.context.is_few:
            return
        known = read_all(self.folder)
        judged = expect(known, self.context.metric.name, self.context.trivial_score)
        for before, after in zip(known, judged, strict=True):
            if before != after:
                write_record(after, self.folder)

    def _importance(self) -> None:
        study = storage.open_study(
            self.context.journal,
            seed=self.context.seed,
            fingerprint=self.context.space.fingerprint,
        )
        content = json.dumps(storage.importance(study), indent=1)
        write_text_atomic(self.folder / "importance.json", content + "\n")


def _card(context: RunContext, record: Record, trained: Refit | None) -> ModelCard:
    """The card of the chosen trial, trained again or as the search left it."""
    more = data_facts(context.dataset)
    if trained:
        more |= {"n_train": trained.n_train, "n_calibration": trained.n_calibration}
        more["test"] = trained.test
    return card_of_trial(
        record,
        dataset=context.dataset.name,
        fingerprint=context.dataset.fingerprint,
        metric=context.metric.name,
        refit=trained is not None,
        search_test=record.test,
        **more,
    )
