"""Training schemes: what a phase moves and leaves, what is counted, what is fitted after."""

import itertools
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from autosynth.budget import Deadline
from autosynth.composite import Resolved, build, cost, resolve
from autosynth.spec import Dataset
from autosynth.strategy import Chain, parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import STATIC_BYTES, DeviceDataset, to_device
from autosynth.training.loop import Outcome, Trainer, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.phase import PartOutput, phase_rows
from autosynth.training.timing import time_steps
from autosynth.training.weights import Recipe

CPU = torch.device("cpu")
NONE = np.array([], dtype=np.int64)
GRU, MLP, CNN = "gru[width=8, depth=1]", "mlp[width=8, depth=1]", "cnn[width=8, depth=2]"
PLAIN = "average=none augment=none"


def resolved_of(dataset: Dataset, text: str) -> Resolved:
    return resolve(parse(text), dataset.inputs, dataset.target)


def run(
    dataset: Dataset, text: str, steps: int = 60, *, fit: bool = True,
    static_bytes: int = STATIC_BYTES, **options: object,
) -> tuple[Outcome, DeviceDataset]:  # fmt: skip
    data = replace(to_device(dataset, CPU, dataset.splits.train), static_bytes=static_bytes)
    rows = TrainingRows(
        train=dataset.splits.train, calibration=dataset.splits.calibration if fit else NONE
    )
    plan = TrainerConfig(device="cpu", batch_size=64, steps=steps)
    found = train(
        resolved_of(dataset, text), data, rows, plan, score=accuracy if fit else None,
        **options,  # type: ignore[arg-type]
    )  # fmt: skip
    return found, data


def accuracy(y: np.ndarray, out: np.ndarray, weights: object = None) -> float:
    return float((out.argmax(1) == y).mean())


def score_on_test(outcome: Outcome, data: DeviceDataset, dataset: Dataset) -> float:
    test = dataset.splits.test
    return accuracy(dataset.y[test], outputs(outcome.model, data, test))


# The others differ by more.
SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "text",
    [
        f"mean({CNN}, {MLP}) train=subsets",
        pytest.param(f"mean({CNN}, {MLP}) train=subsets rows=bootstrap", marks=SLOW),
        f"concat({CNN}, {MLP}) train=subsets rows=all",
        f"weighted({CNN}, {MLP}) train=staged",
        f"{CNN} > {MLP} train=staged earlier=free",
        pytest.param(f"{CNN} > {MLP} train=subsets rows=all", marks=SLOW),
        f"attend({CNN}, {MLP}) init=parts",
        f"sum({CNN}, {MLP}) init=masked",
        f"stack({CNN}, {MLP})",
        f"weighted[fit]({CNN}, {MLP})",
        f"cascade({MLP}, {CNN})",
        pytest.param(f"attend({CNN}, {MLP}) train=staged share=stem", marks=SLOW),
        pytest.param(f"mean({CNN}, {GRU}) share=layers train=subsets", marks=SLOW),
    ],
)
def test_digits_are_learnt(text: str, digits: Dataset) -> None:
    outcome, data = run(digits, f"{text} | lr=0.02", steps=80)
    assert score_on_test(outcome, data, digits) > 0.6  # chance is 0.1
    assert outcome.stopped == ""
    names = {name for name, _ in outcome.model.named_parameters()}
    assert names == {name for name, _ in build(resolved_of(digits, text)).named_parameters()}
    assert all(p.requires_grad for p in outcome.model.parameters())


def test_parts_on_subsets_never_meet_each_others_rows(digits: Dataset) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    phases = resolved_of(digits, f"mean({CNN}, {GRU}, {MLP}) train=subsets").training_plan.phases
    found = [phase_rows(phase, digits.splits.train, data, seed=3) for phase in phases]
    assert sorted(np.concatenate(found)) == sorted(digits.splits.train)
    for rows in found:
        shares = np.bincount(digits.y[rows]) / len(rows)
        assert np.abs(shares - np.bincount(digits.y) / len(digits.y)).max() < 0.02
    again = [phase_rows(phase, digits.splits.train, data, seed=3) for phase in phases]
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))
    drawn = resolved_of(
        digits, f"mean({CNN}, {MLP}) train=subsets rows=bootstrap"
    ).training_plan.phases
    one, other = (phase_rows(phase, digits.splits.train, data, seed=3) for phase in drawn)
    assert len(one) == len(digits.splits.train)
    assert len(np.unique(one)) == pytest.approx(0.632 * len(one), rel=0.03)
    assert not np.array_equal(one, other)


def test_equal_parts_have_rows_of_their_own(digits: Dataset) -> None:
    data, rows = to_device(digits, CPU, digits.splits.train), digits.splits.train
    resolved = resolved_of(digits, f"mean({MLP}, {MLP}) train=subsets")
    plan = TrainerConfig(device="cpu", batch_size=32, steps=4)
    given = TrainingRows(train=rows, calibration=rows[:0])
    trainer = Trainer(resolved, data, given, plan, 3, 32)
    found = [trainer.phase_trainer(phase).numbers for phase in trainer.phases]
    assert sorted(np.concatenate(found)) == sorted(rows)


def test_flops_of_a_training_are_those_of_its_passes(digits: Dataset) -> None:
    text = f"mean({CNN}, {MLP})"
    flops = cost(resolved_of(digits, text)).flops
    outcome, _ = run(digits, text, steps=10, fit=False)
    # The pool and the mean have none: all of them are trained, so three passes.
    assert outcome.train_flops == 3 * flops * 10 * 64
    apart, _ = run(digits, f"{text} train=subsets rows=all", steps=10, fit=False)
    assert apart.train_flops == outcome.train_flops
    parts = [cost(resolved_of(digits, part)).flops for part in (CNN, f"{CNN} > {MLP}")]
    staged, _ = run(digits, f"{CNN} > {MLP} train=subsets rows=all", steps=10, fit=False)
    # First the convolutions with a head of their own; then they stand, computed once for a row.
    head = 2 * 8 * 10
    trunk = parts[0] - head
    rows = len(digits.splits.train)
    assert staged.train_flops == 640 * (3 * parts[0] + 3 * (parts[1] - trunk)) + rows * trunk


def test_what_does_not_fit_in_memory_is_computed_again(digits: Dataset) -> None:
    text = f"{CNN} > {MLP} train=subsets rows=all | {PLAIN}"
    kept, data = run(digits, text, steps=20, fit=False)
    again, _ = run(digits, text, steps=20, fit=False, static_bytes=1000)
    assert again.train_flops > kept.train_flops
    test = digits.splits.test
    np.testing.assert_allclose(
        outputs(again.model, data, test), outputs(kept.model, data, test), atol=1e-4
    )


class Trained:
    """A bank with one strategy, trained alone; it gives what its recipe asks for, and no other."""

    def __init__(self, dataset: Dataset, text: str, steps: int, share: float = 1.0) -> None:
        self.outcome, _ = run(dataset, text, steps=steps)
        self.recipe = Recipe(
            strategy=resolved_of(dataset, text).strategy, rows="all",
            samples=self.outcome.samples_seen,
        )  # fmt: skip
        self.share, self.asked = share, list[Recipe]()

    def __call__(self, recipe: Recipe) -> tuple[Mapping[str, Tensor], float] | None:
        self.asked.append(recipe)
        return (self.outcome.model.state_dict(), self.share) if recipe == self.recipe else None


def test_weights_of_parts_trained_before_are_taken(digits: Dataset) -> None:
    bank = Trained(digits, f"{CNN} | {PLAIN}", steps=20, share=0.65)
    text = f"mean({CNN}, {MLP}) init=parts | {PLAIN}"
    fresh, _ = run(digits, text, steps=20)
    taken, _ = run(digits, text, steps=20, bank=bank)
    assert len(bank.asked) == 2
    assert (fresh.steps, taken.steps) == (60, 40)  # one part less to train first
    assert taken.train_flops < fresh.train_flops
    # One on more rows, all from the beginning, gives that part no more time than it had.
    assert taken.best_fractions["part 1"] == 0.65
    longer, _ = run(digits, text, steps=25, bank=bank)
    assert longer.steps == 75  # what was trained for less does not serve
    again, _ = run(digits, text, steps=20, fit=False, until=taken.best_fractions)
    best = taken.best_fractions
    others = sum(max(1, round(20 * best.get(p, 1))) for p in ("part 2", "together"))
    assert again.steps == others + 13


def test_a_part_trained_on_all_rows_serves_a_scheme_that_gives_it_all(digits: Dataset) -> None:
    bank = Trained(digits, f"{CNN} | {PLAIN}", steps=20)
    text = f"mean({MLP}, {CNN}) train=subsets rows=all | {PLAIN}"
    taken, data = run(digits, text, steps=20, bank=bank)
    assert taken.steps == 20
    alone = outputs(bank.outcome.model, data, digits.splits.test)
    (at,) = [i for i, r in enumerate(bank.asked) if r == bank.recipe]
    unit = resolved_of(digits, text).training_plan.phases[at].unit
    assert unit is not None
    trainer = Trainer(
        resolved_of(digits, text), data, TrainingRows(train=digits.splits.train, calibration=NONE),
        TrainerConfig(device="cpu", batch_size=64, steps=20), 0, 64, None, bank,
    )  # fmt: skip
    found = outputs(PartOutput(trainer.model, unit.output), data, digits.splits.test)
    np.testing.assert_allclose(found, alone, atol=1e-5)


@pytest.fixture(scope="module")
def alone(digits: Dataset) -> Trained:
    """A bank with the convolutions of the tests below, for as many steps."""
    return Trained(digits, f"{CNN} | {PLAIN}", steps=6)


@pytest.mark.parametrize(
    "text",
    [
        f"mean({CNN}, {MLP}) train=subsets | {PLAIN}",  # a half of the rows
        f"mean({CNN}, {MLP}) train=subsets rows=bootstrap | {PLAIN}",
        f"mean({CNN}, {MLP}) train=staged | {PLAIN}",  # a third of the schedule
        f"{CNN} > {MLP} train=staged | {PLAIN}",
        f"mean({CNN}, {MLP}) init=parts | lr=0.01 {PLAIN}",
        f"mean({CNN}, {MLP}) init=parts | dropout=0.1 {PLAIN}",
        f"mean({CNN}, {MLP}) init=parts | length=2 {PLAIN}",
        f"mean({CNN}, {GRU}) init=parts share=layers | {PLAIN}",  # another norm
        f"mean({GRU}, {MLP}) init=parts | {PLAIN}",
    ],
)
def test_another_training_takes_nothing(text: str, alone: Trained, digits: Dataset) -> None:
    taken, _ = run(digits, text, steps=6, fit=False, bank=alone)
    fresh, _ = run(digits, text, steps=6, fit=False)
    assert taken.steps == fresh.steps
    assert taken.samples_seen == fresh.samples_seen


def test_a_chain_asks_the_bank_for_its_first_part_alone(digits: Dataset) -> None:
    """The next one stands on what the first has learnt; trained as a strategy it never does."""
    bank = Trained(digits, f"{CNN} > {GRU} | {PLAIN}", steps=5)
    text = f"{CNN} > {GRU} > {MLP} init=parts | {PLAIN}"
    taken, _ = run(digits, text, steps=5, bank=bank)
    assert taken.steps == 15
    (asked,) = bank.asked
    assert not isinstance(asked.strategy.root, Chain)


@pytest.mark.parametrize("fit", [True, False])
@pytest.mark.parametrize("text", [f"weighted[fit]({CNN}, {MLP})", f"stack({CNN}, {MLP})"])
def test_what_is_fitted_is_no_worse_than_the_mean(text: str, fit: bool, digits: Dataset) -> None:
    """On rows that it was not fitted to: the parts differ, so weights have something to find."""
    settings = f"lr=0.01 schedule=onecycle {PLAIN}"
    fitted, data = run(digits, f"{text} | {settings}", steps=40, fit=fit)
    mean, _ = run(digits, f"mean({CNN}, {MLP}) | {settings}", steps=40, fit=fit)
    rows = digits.splits.test

    def log_loss(outcome: Outcome) -> float:
        proba = outputs(outcome.model, data, rows)[np.arange(len(rows)), digits.y[rows]]
        return float(-np.log(proba.clip(1e-7)).mean())

    assert log_loss(fitted) < log_loss(mean) + 0.05


def test_fitting_out_of_fold_takes_further_trainings_and_counts_them(digits: Dataset) -> None:
    held, _ = run(digits, f"weighted[fit]({CNN}, {MLP}) | {PLAIN}", steps=12, fit=True)
    folds, _ = run(digits, f"weighted[fit]({CNN}, {MLP}) | {PLAIN}", steps=12, fit=False)
    # Three further ones, of two thirds of the steps.
    assert folds.samples_seen == held.samples_seen * 3
    assert folds.train_flops == pytest.approx(3 * held.train_flops)


def test_the_asked_share_goes_on_in_a_trained_cascade(digits: Dataset) -> None:
    outcome, data = run(digits, f"cascade[0.2]({MLP}, {CNN}) | lr=0.01", steps=120)
    (gate,) = [m for m in outcome.model.modules_by_name.values() if hasattr(m, "threshold")]
    seen: list[int] = []
    gate.register_forward_hook(lambda m, args, rows: seen.append(len(rows)))
    fit = digits.splits.calibration
    outputs(outcome.model, data, fit)
    assert sum(seen) == pytest.approx(0.2 * len(fit), abs=2)


def test_a_training_of_parts_apart_is_judged_late_by_the_time_of_its_parts(
    digits: Dataset,
) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=NONE)
    text = f"concat({CNN}, {MLP}) train=subsets rows=all"

    def done(plan: TrainerConfig, index: int, inside: float, **until: float) -> float:
        trainer = Trainer(resolved_of(digits, text), data, rows, plan, 0, 64, until)
        return trainer.done(index, inside)

    plan = TrainerConfig(device="cpu", batch_size=64, steps=10)
    # By steps: two parts of a whole schedule each, and what joins them, of a fifth.
    assert done(plan, 1, 0.5) == pytest.approx(1.5 / 2.2)
    assert done(plan, 1, 0.5, joining=0.5) == pytest.approx(1.5 / 2.1)
    # By seconds, where the first part is the dear one. A head was not timed: it is as quick as the
    # quicker part.
    measured = replace(plan, step_seconds={"mlp": (0.001, 0.0), "cnn": (0.003, 0.0)})
    assert done(measured, 1, 0.5) == pytest.approx(3.5 / 4.2)
    # What was foreseen may be wrong: a part thought cheap is not late for being slow.
    wrong = replace(plan, step_seconds={"mlp": (0.003, 0.0), "cnn": (0.001, 0.0)})
    assert done(wrong, 0, 0.5) == pytest.approx(0.5 / 2.2)


def test_hidden_pieces_are_restored_better_with_training(digits: Dataset) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    resolved = resolved_of(digits, f"transformer[width=16, depth=1] init=masked | {PLAIN}")
    rows = TrainingRows(train=digits.splits.train, calibration=NONE)
    trainer = Trainer(
        resolved, data, rows, TrainerConfig(device="cpu", batch_size=64, steps=200), 0, 64
    )
    phase_trainer = trainer.phase_trainer(resolved.training_plan.phases[0])
    losses = [float(phase_trainer.step(step)) for step in range(1, phase_trainer.steps + 1)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])


def test_trainings_out_of_fold_are_not_begun_where_they_cannot_end(digits: Dataset) -> None:
    alone, _ = run(digits, f"mean({CNN}, {MLP})", steps=300, fit=False)
    assert alone.seconds > 0.6  # below, the doubt of a second would be all of the time
    deadline = Deadline.after(1.3 * alone.seconds)
    late, _ = run(digits, f"stack({CNN}, {MLP})", steps=300, fit=False, deadline=deadline)
    assert late.stopped == "out of time"
    assert late.samples_seen <= alone.samples_seen


def test_the_time_of_a_step_takes_in_all_phases_and_trainings(digits: Dataset) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    plan = TrainerConfig(device="cpu", batch_size=64, steps=1)
    # Each look at this clock is a second after the last one: a step takes one.
    clock = itertools.count().__next__

    def seconds(text: str, fit: int = 0) -> float:
        rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:fit])
        resolved = resolved_of(digits, text)
        return time_steps(resolved, data, rows, plan, warmup=1, steps=2, clock=clock)

    assert seconds(f"mean({CNN}, {GRU})") == 1
    assert seconds(f"mean({CNN}, {GRU}) | length=4") == 4
    assert seconds(f"mean({CNN}, {GRU}) init=parts") == 3  # each alone, then together
    assert seconds(f"weighted[fit]({CNN}, {GRU})") == pytest.approx(3)  # out of fold
    assert seconds(f"weighted[fit]({CNN}, {GRU})", 9) == 1


def test_rows_without_a_target_serve_what_needs_none(digits: Dataset) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    resolved = resolved_of(digits, f"{CNN} init=masked")
    few, rest = np.split(digits.splits.train, [200])
    rows = TrainingRows(train=few, calibration=NONE, unlabelled=rest)
    trainer = Trainer(
        resolved, data, rows, TrainerConfig(device="cpu", batch_size=64, steps=20), 0, 64
    )
    masked, together = (trainer.phase_trainer(phase) for phase in trainer.phases)
    assert list(masked.known.rows.numpy()) == [*few, *rest]
    assert list(together.known.rows.numpy()) == list(few)
