"""Fusions of what stands trained: chosen by arithmetic, and trained for nothing."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from autosynth.composite import resolve
from autosynth.data import load_dataset
from autosynth.record import Record, read_all
from autosynth.strategy import parse
from autosynth.study.composer import Composer
from autosynth.study.context import RunContext
from autosynth.study.driver import Driver
from autosynth.study.fold import held_rows
from autosynth.study.history import RunHistory
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space

MakeBench = Callable[..., RunContext]
MakeDriver = Callable[..., Driver]


@pytest.fixture
def context(context_of: MakeBench, tmp_path: Path) -> RunContext:
    """A table, where a trial is one training."""
    wine = load_dataset("wine")
    space = restrict(load_space("table"), wine.inputs, "classification")
    return context_of(replace(wine, independent=False), tmp_path, steps=40, space=space)


def trial(context: RunContext, number: int, strategy: str, score: float, flops: int) -> Record:
    resolved = resolve(parse(strategy), context.dataset.inputs, context.dataset.target)
    return Record(
        trial=number, seed=0, strategy=strategy, state="complete", topology=resolved.topology,
        canonical=resolved.canonical, val={context.metric.name: score}, flops=flops,
        standard_error=0.01, samples_seen=10,
    )  # fmt: skip


def knowing(context: RunContext, rows: slice) -> dict[str, torch.Tensor]:
    """Outputs that know the class of some validation rows, and guess that of the others."""
    y = torch.from_numpy(context.dataset.y[context.dataset.splits.validation])
    out = torch.zeros(len(y), context.dataset.target.n_outputs)
    known = torch.arange(len(y))[rows]
    out[known, y[known]] = 5.0
    out[:, 0] += 0.1
    return {"validation": out}


def test_parts_that_err_on_different_rows_are_joined(context: RunContext) -> None:
    composer = Composer(context=context)
    composer.put(trial(context, 0, "linear", 0.6, 100), knowing(context, slice(0, None, 2)))
    assert composer.propose(lambda resolved: True) is None  # one alone joins nothing
    composer.put(trial(context, 1, "boosting", 0.6, 200), knowing(context, slice(1, None, 2)))
    found = composer.propose(lambda resolved: True)
    assert found is not None
    assert found.components == "boosting+linear"
    assert found.strategy.flag("train", "") == "subsets"


def test_what_gains_nothing_on_what_is_no_dearer_is_not_proposed(context: RunContext) -> None:
    composer = Composer(context=context)
    everything = knowing(context, slice(0, None, 2))
    composer.put(trial(context, 0, "linear", 0.67, 100), everything)
    composer.put(trial(context, 1, "boosting", 0.67, 200), everything)  # errs on the same rows
    assert composer.propose(lambda resolved: True) is None
    composer.put(trial(context, 2, "trees", 0.6, 50), knowing(context, slice(1, None, 2)))
    perfect = trial(context, 3, "mlp", 1.0, 60)
    composer.put(perfect, {})  # as good as can be, and cheaper than any of them joined
    assert composer.propose(lambda resolved: True) is None


def test_all_means_and_cascades_are_scored_and_the_best_that_is_left_is_told(
    context: RunContext,
) -> None:
    composer = Composer(context=context)
    assert composer.choice() is None
    families = ["linear", "boosting", "trees", "mlp", "gru"]
    rng = torch.Generator().manual_seed(0)
    rows = len(context.dataset.splits.validation)
    for number, family in enumerate(families):
        outputs = {"validation": torch.randn(rows, 3, generator=rng)}
        composer.put(trial(context, number, family, 0.4, 100 * number + 100), outputs)
    choice = composer.choice()
    assert choice is not None
    assert (choice.parts, choice.is_whole, choice.rows) == (5, True, rows)
    assert choice.means == 10 + 10  # pairs and triples
    assert choice.cascades == 0  # no rows to fit a threshold to
    assert choice.optimism is not None
    assert choice.gain_left > 0
    proposed = composer.propose(lambda resolved: True)
    after = composer.choice()
    assert proposed is not None
    assert after is not None
    assert after.gain_left <= choice.gain_left
    composer.put(trial(context, 9, "lstm", 1.0, 1), {})  # perfect, and cheaper than all
    last = composer.choice()
    assert last is not None
    assert last.gain_left == 0.0


def test_parts_of_other_settings_are_joined_with_their_own(context: RunContext) -> None:
    composer = Composer(context=context)
    one, other = slice(0, None, 2), slice(1, None, 2)
    composer.put(trial(context, 0, "mlp | lr=0.002", 0.6, 100), knowing(context, one))
    composer.put(trial(context, 1, "gru | lr=0.004", 0.6, 200), knowing(context, other))
    found = composer.propose(lambda resolved: True)
    assert found is not None
    assert "gru | lr=0.004, mlp)" in str(found.short_form)
    assert found.settings["lr"] == 0.002


def test_a_search_joins_what_it_has_trained_and_trains_nothing_again(
    context: RunContext, driver_of: MakeDriver, tmp_path: Path
) -> None:
    driver_of(context, trials=16).run()
    records = {record.canonical: record for record in read_all(tmp_path)}
    composed = [record for record in records.values() if record.origin == "composed"]
    assert composed
    for record in composed:
        assert record.state == "complete"
        assert record.samples_seen == 0  # its parts stand trained
        assert (record.known_seconds or 0) > 0
        assert record.train_seconds is not None


def test_parts_of_a_written_composite_are_trials_of_their_own(
    context: RunContext, driver_of: MakeDriver, tmp_path: Path
) -> None:
    written = parse("mean(mlp[width=32, depth=2], mlp[width=64, depth=3]) train=subsets rows=all")
    space = replace(context.space, composites=(written,), composites_first=True)
    driver_of(replace(context, space=space), trials=12).run()
    records = read_all(tmp_path)
    (composite,) = [record for record in records if record.origin == "portfolio"]
    parts = [record for record in records if record.origin == "part"]
    assert parts
    assert all(record.topology == "single" for record in parts)
    assert all(record.trial < composite.trial for record in parts)
    assert composite.samples_seen == 0  # its parts are taken as they stand
    assert composite.state == "complete"


def test_what_is_removed_from_the_store_is_computed_again(
    context: RunContext, driver_of: MakeDriver, tmp_path: Path
) -> None:
    driver_of(context, trials=8).run()
    before = RunHistory(context, read_all(tmp_path)).composer.choice()
    assert before is not None
    assert before.parts > 1
    shutil.rmtree(tmp_path / "store")
    assert RunHistory(context, read_all(tmp_path)).composer.choice() == before


@pytest.mark.slow
def test_of_few_rows_parts_are_joined_on_all_folds(
    context_of: MakeBench, driver_of: MakeDriver, tmp_path: Path
) -> None:
    wine = load_dataset("wine")
    space = restrict(load_space("table"), wine.inputs, "classification")
    context = context_of(wine, tmp_path, steps=40, space=space)
    assert context.folds > 1
    driver_of(context, trials=12).run()
    composed = [record for record in read_all(tmp_path) if record.origin == "composed"]
    assert composed
    rows = sum(map(len, held_rows(context).values()))
    for record in composed:
        assert record.state == "complete"
        assert record.n_folds == context.folds
        assert record.samples_seen == 0
        hits = record.val["accuracy"] * rows
        assert hits == pytest.approx(round(hits))
