"""After the trials: the choice among the front on small data, and the winner trained again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Resolved, build
from autosynth.data import load_dataset
from autosynth.plugin import TASKS
from autosynth.record import Record, read_all
from autosynth.run import finish
from autosynth.run.finish import cross_validate, refit, resolved_of
from autosynth.study import spacefile
from autosynth.study.composer import may_be_part
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.finalist import a_training
from autosynth.study.fold import fold_outputs
from autosynth.study.history import RunHistory
from autosynth.study.job import Done, Job
from autosynth.study.lasttraining import train_last
from autosynth.study.probe import fixed_plan
from autosynth.study.restrict import restrict
from autosynth.study.trial import run_trial
from autosynth.training.devicedataset import to_device


@pytest.fixture
def context(tmp_path: Path) -> RunContext:
    wine, metric = load_dataset("wine"), TASKS["classification"].metrics["accuracy"]
    (tmp_path / "trials").mkdir()
    return RunContext(
        dataset=wine, device_dataset=to_device(wine, torch.device("cpu"), wine.splits.train),
        space=restrict(spacefile.load_space("small"), wine.inputs, "classification"),
        trainer_config=fixed_plan("cpu", len(wine.splits.train), 40), metric=metric,
        trivial_score=trivial_score(wine, metric), folder=tmp_path, seed=0,
    )  # fmt: skip


def trained(context: RunContext, *texts: str) -> list[Record]:
    history, found = RunHistory(context, read_all(context.folder)), []
    for text in texts:
        job = Job(number=history.number(), strategy=str(context.resolved(text).strategy))
        ended = run_trial(context, job)
        assert isinstance(ended, Done), ended.record.reason
        history.add(ended.record, ended.weights)
        found.append(ended.record)
    return found


@pytest.fixture
def folds(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The strategies that were trained on further folds."""
    found: list[str] = []

    def noted(context: RunContext, resolved: Resolved, *rest: Any) -> Any:
        found.append(resolved.canonical)
        return fold_outputs(context, resolved, *rest)

    monkeypatch.setattr(finish, "fold_outputs", noted)
    return found


def test_the_front_is_scored_over_all_folds(context: RunContext, folds: list[str]) -> None:
    records = trained(context, "mlp[width=16]", "cnn[width=8]")
    cross_validate(context, records, NEVER)
    after = read_all(context.folder)
    assert sorted(folds) == sorted(2 * [r.canonical for r in records])
    assert all(r.cv is not None and 0.4 < r.cv <= 1 for r in after)
    # What one training takes is known as before, and that it may be a part of others.
    assert [a_training(r) for r in after] == [a_training(r) for r in records]
    assert all(may_be_part(context, r) for r in after)


def test_after_each_fold_the_better_half_goes_on(context: RunContext, folds: list[str]) -> None:
    records = trained(context, *(f"mlp[width={width}]" for width in (4, 8, 16, 32)))
    cross_validate(context, records, NEVER)
    assert len(folds) == 4 + 2
    assert sum(r.cv is not None for r in read_all(context.folder)) == 2


def test_without_time_or_a_rival_there_is_no_race(context: RunContext) -> None:
    records = trained(context, "mlp[width=16]", "mlp[width=8]")
    cross_validate(context, records[:1], NEVER)
    cross_validate(context, records, Deadline.after(0.0))
    assert [r.cv for r in read_all(context.folder)] == [None, None]


def test_a_fold_that_takes_longer_than_foreseen_counts_for_none(context: RunContext) -> None:
    records = [
        replace(r, train_seconds=0.0) for r in trained(context, "mlp[width=16]", "cnn[width=8]")
    ]
    slow = replace(context, trainer_config=replace(context.trainer_config, steps=100_000))
    cross_validate(slow, records, Deadline.after(2.0))
    assert [r.cv for r in read_all(context.folder)] == [None, None]


def test_the_winner_learns_from_everything_but_test(context: RunContext) -> None:
    (record,) = trained(context, "mlp[width=16]")
    again = refit(context, record, NEVER)
    assert again is not None
    assert (again.n_train, again.n_calibration) == (len(context.learnable), 0)
    assert again.test["accuracy"] > 0.5


def test_the_winner_is_trained_as_far_as_was_best(context: RunContext) -> None:
    (record,) = trained(context, "mlp[width=16] | average=none")
    (phase,) = resolved_of(context, record).training_plan.phases
    early = refit(context, replace(record, best_fractions={phase.name: 0.05}), NEVER)
    late = refit(context, replace(record, best_fractions={phase.name: 1.0}), NEVER)
    assert early is not None
    assert late is not None
    first = dict(build(resolved_of(context, record), context.seed).named_parameters())

    def moved(model: torch.nn.Module) -> float:
        return sum(
            float((value - first[name]).detach().square().sum())
            for name, value in model.named_parameters()
        )

    assert moved(early.model) < 0.1 * moved(late.model)


def test_rows_to_fit_a_threshold_on_are_kept_for_it(context: RunContext) -> None:
    splits = context.dataset.splits
    cut = replace(splits, train=splits.train[10:], calibration=splits.train[:10])
    context = replace(context, dataset=replace(context.dataset, splits=cut))
    (record,) = trained(context, "cascade(mlp[width=4], mlp[width=16])")
    again = refit(context, record, NEVER)
    assert again is not None
    assert (again.n_train, again.n_calibration) == (len(context.learnable) - 10, 10)
    (gate,) = [m for m in again.model.modules_by_name.values() if hasattr(m, "threshold")]
    seen: list[int] = []
    gate.register_forward_hook(lambda module, args, rows: seen.append(len(rows)))
    again.model(context.device_dataset.batch(context.device_dataset.rows(cut.calibration))[0])
    assert seen == [3]  # .3 of the ten rows that it was fitted to


def test_a_last_training_that_was_cut_short_is_not_taken(
    context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    (record,) = trained(context, "boosting")
    whole = refit(context, record, NEVER)
    assert whole is not None

    def cut(*given: Any) -> Any:
        return replace(train_last(*given), cut="2 of 100 rounds")

    monkeypatch.setattr(finish, "train_last", cut)
    assert refit(context, record, NEVER) is None
    # Nothing better is known of what the search had to cut short itself.
    assert refit(context, replace(record, reason="cut short: 3 of 100 rounds"), NEVER)
