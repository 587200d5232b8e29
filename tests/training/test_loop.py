"""The training loop: what it learns, what stops it, and that every setting has its effect."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from autosynth.budget import Deadline
from autosynth.composite import Composite, build, resolve
from autosynth.errors import TrialError
from autosynth.piece import Stem
from autosynth.spec import Dataset, InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig, batch_size, schedule
from autosynth.training.devicedataset import DeviceDataset, sample, to_device
from autosynth.training.loop import Outcome, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.phase import PhaseTrainer, learning_rate

CPU = torch.device("cpu")
NONE = np.array([], dtype=np.int64)
PLAIN = "lr=0.01 smoothing=0.0 average=none schedule=onecycle augment=none weight_decay=0.0"
SMALL = "cnn[width=8, depth=2, stages=2]"


def plan(steps: int = 60, batch: int = 64) -> TrainerConfig:
    return TrainerConfig(device="cpu", batch_size=batch, steps=steps)


def run(
    dataset: Dataset, text: str, steps: int = 60, **options: object
) -> tuple[Outcome, DeviceDataset]:
    data = to_device(dataset, CPU, dataset.splits.train)
    rows = options.pop("rows", TrainingRows(train=dataset.splits.train, calibration=NONE))
    batch = options.pop("batch", 64)
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    return train(resolved, data, rows, plan(steps, batch), **options), data  # type: ignore[arg-type]


def accuracy(outcome: Outcome, data: DeviceDataset, dataset: Dataset) -> float:
    rows = dataset.splits.test
    return float((outputs(outcome.model, data, rows).argmax(1) == dataset.y[rows]).mean())


def weights(outcome: Outcome) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in outcome.model.parameters()])


@pytest.mark.parametrize("schedule", ["onecycle", "cosine", "wsd", "constant", "free"])
@pytest.mark.parametrize("average", ["none", "ema"])
def test_digits_are_learnt(schedule: str, average: str, digits: Dataset) -> None:
    text = f"{SMALL} | lr=0.02 schedule={schedule} average={average}"
    outcome, data = run(digits, text, steps=90)
    assert accuracy(outcome, data, digits) > 0.8  # chance is 0.1
    assert (outcome.steps, outcome.samples_seen, outcome.stopped) == (90, 90 * 64, "")
    assert not outcome.model.bf16


@pytest.mark.parametrize("text", ["gru[width=8, depth=1]", "mean(cnn[width=8], mlp[width=8])"])
def test_waves_of_unequal_length_are_learnt(text: str, waves: Dataset) -> None:
    outcome, data = run(waves, f"{text} | lr=0.02 average=ema", steps=80, batch=32)
    assert accuracy(outcome, data, waves) > 0.8  # chance is a third


@pytest.mark.parametrize("average", ["none", "ema"])
def test_a_regression_is_learnt_in_its_own_unit(average: str, prices: Dataset) -> None:
    # A table's stem holds column numbers, which an average of weights must leave alone.
    text = f"mlp[width=16] | lr=0.02 average={average} augment=none"
    outcome, data = run(prices, text, steps=150, batch=32)
    rows = prices.splits.test
    found, y = outputs(outcome.model, data, rows), prices.y[rows]
    assert 1 - ((found - y) ** 2).mean() / y.var() > 0.9
    assert abs(found.mean() - y.mean()) < 40


def test_an_average_leaves_whole_numbers_alone(prices: Dataset) -> None:
    text = "mlp[width=4] | average=ema"
    before = dict(built(text, prices).named_buffers())
    # 600 steps: then the share 1 / 30 was once rounded so that columns moved.
    outcome, _ = run(prices, text, steps=600, batch=8, until={"together": 0.05})
    for name, value in outcome.model.named_buffers():
        if not value.is_floating_point():
            assert torch.equal(value, before[name]), name


def built(text: str, dataset: Dataset) -> Composite:
    return build(resolve(parse(text), dataset.inputs, dataset.target))


def test_the_average_follows_the_weights(digits: Dataset) -> None:
    # One step: the average is what the step left. More: between the old and the new.
    first = {"together": 1 / 30}  # of a schedule of one step the learning rate is 0
    one = [
        run(digits, f"{SMALL} | average={name}", steps=30, until=first)[0]
        for name in ("none", "ema")
    ]
    assert [each.steps for each in one] == [1, 1]
    torch.testing.assert_close(weights(one[0]), weights(one[1]))
    many = [run(digits, f"{SMALL} | average={name}", steps=30)[0] for name in ("none", "ema")]
    apart = (weights(many[0]) - weights(many[1])).norm()
    moved = (weights(many[0]) - weights(one[0])).norm()
    assert 0 < apart < moved


@pytest.mark.parametrize("text", [f"{SMALL} | dropout=0.2", "gru[width=8] | augment=strong"])
def test_one_seed_gives_one_result(text: str, digits: Dataset) -> None:
    first, _ = run(digits, text, steps=12, seed=3)
    torch.rand(7)  # whoever else draws numbers changes nothing
    before = torch.get_rng_state()
    again, _ = run(digits, text, steps=12, seed=3)
    assert torch.equal(before, torch.get_rng_state())
    other, _ = run(digits, text, steps=12, seed=4)
    assert torch.equal(weights(first), weights(again))
    assert not torch.equal(weights(first), weights(other))


@pytest.mark.parametrize(
    "change",
    [
        "lr=0.005",
        "weight_decay=0.5",
        "dropout=0.3",
        "smoothing=0.1",
        "average=ema",
        "schedule=cosine",
        "augment=light",
        "augment=strong",
    ],
)
@pytest.mark.parametrize("kind", ["digits", "waves"])
def test_every_setting_changes_what_is_trained(
    change: str, kind: str, request: pytest.FixtureRequest
) -> None:
    dataset = request.getfixturevalue(kind)
    name = change.split("=")[0]
    kept = " ".join(each for each in PLAIN.split() if not each.startswith(f"{name}="))
    base, _ = run(dataset, f"mlp[width=8] | {PLAIN}", steps=6)
    changed, _ = run(dataset, f"mlp[width=8] | {kept} {change}", steps=6)
    assert (weights(base) - weights(changed)).abs().max() > 1e-6


def test_weight_decay_leaves_vectors_alone(digits: Dataset) -> None:
    kept = PLAIN.replace(" weight_decay=0.0", "")
    matrices, vectors = {}, {}
    for decay in (0.0, 5.0):
        model = run(digits, f"mlp[width=8] | {kept} weight_decay={decay}", steps=40)[0].model
        named = [(name, float(p.detach().norm())) for name, p in model.named_parameters()]
        matrices[decay] = sum(size for name, size in named if name.endswith("up.weight"))
        vectors[decay] = sum(size for name, size in named if name.endswith("_n2.weight"))
    assert matrices[5.0] < 0.5 * matrices[0.0]
    assert vectors[5.0] > 0.8 * vectors[0.0]


def test_a_steep_gradient_is_clipped_and_a_flat_one_left_as_it_is(
    digits: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a phase's gradients together have a norm of 1 at most when the weights move."""
    data = to_device(digits, CPU, digits.splits.train)
    resolved = resolve(parse(f"mlp[width=8] | {PLAIN}"), digits.inputs, digits.target)
    (phase,) = resolved.training_plan.phases

    def norm(scale: float) -> float:
        """The norm of the first step's gradients, with outputs so much larger at first."""
        model = build(resolved, training=True)
        model.fit_inputs(*sample(data, digits.splits.train))
        with torch.no_grad():
            model.modules_by_name["head0"].out.weight.mul_(scale)
        trainer = PhaseTrainer(
            model, phase, data, digits.splits.train, resolved.settings, steps=9, batch=64, seed=0
        )
        norms: list[float] = []

        def look(rate: float) -> None:
            grads = [p.grad.flatten() for p in trainer.parameters if p.grad is not None]
            norms.append(float(torch.cat(grads).norm()))

        monkeypatch.setattr(trainer.optimizer, "step", look)
        trainer.step(1)
        return norms[0]

    assert norm(100.0) == pytest.approx(1.0, rel=1e-3)
    assert 0.1 < norm(0.0) < 0.9


def test_the_learning_rate_rises_and_falls_as_the_schedule_says() -> None:
    onecycle = {"lr": 0.1, "schedule": "onecycle"}
    assert learning_rate(0, 100, onecycle) == pytest.approx(0.004)
    assert learning_rate(8, 100, onecycle) == pytest.approx(0.1)
    # Halfway between the peak and the end the cosine is at its middle.
    assert learning_rate(54, 100, onecycle) == pytest.approx(0.05)
    assert learning_rate(100, 100, onecycle) == pytest.approx(0.0)
    cosine = {"lr": 0.1, "schedule": "cosine"}
    assert learning_rate(0, 100, cosine) == pytest.approx(0.1)
    assert learning_rate(50, 100, cosine) == pytest.approx(0.05)
    assert learning_rate(100, 100, cosine) == pytest.approx(0.0)


def test_a_trunk_does_not_know_how_long_it_will_be() -> None:
    short, long = ({"lr": 0.1, "schedule": "wsd", "length": length} for length in (1.0, 3.0))
    for step in range(1, 801):
        assert learning_rate(step, 1000, short) == pytest.approx(learning_rate(step, 3000, long))
    assert learning_rate(5, 1000, short) == pytest.approx(0.1 * (0.04 + 0.96 / 2))
    assert learning_rate(850, 1000, short) == pytest.approx(0.05)  # 1 - sqrt(1/4)
    assert learning_rate(1000, 1000, short) == pytest.approx(0.0)
    constant = {"lr": 0.1, "schedule": "constant", "length": 1.0}
    assert [learning_rate(step, 1000, constant) for step in (10, 500, 1000)] == [0.1] * 3


def broken(waves: Dataset) -> Dataset:
    x = waves.x["wave"].copy()
    x[5, 0, 3] = np.inf
    return replace(waves, x={"wave": x})


def test_a_loss_that_is_not_finite_fails_the_trial(waves: Dataset) -> None:
    with pytest.raises(TrialError, match="the loss is not finite by step 10 of 10; a lower lr"):
        run(broken(waves), "gru[width=4]", steps=10)


def test_it_fails_before_its_outputs_are_scored(waves: Dataset) -> None:
    def score(y: NDArray, found: NDArray, weights: object) -> float:
        assert np.isfinite(found).all()
        return 0.0

    rows = TrainingRows(train=waves.splits.train, calibration=waves.splits.calibration)
    with pytest.raises(TrialError, match="the loss is not finite by step 5 of 10"):
        run(broken(waves), "gru[width=4]", steps=10, rows=rows, score=score)


def test_a_rung_reports_and_may_stop(digits: Dataset) -> None:
    seen: list[float] = []

    def on_rung(share: float, model: Composite) -> bool:
        assert isinstance(model, Composite)
        seen.append(share)
        return len(seen) == 2

    outcome, _ = run(digits, "mlp[width=4]", steps=1620, batch=8, on_rung=on_rung)
    assert seen == pytest.approx([1 / 9, 1 / 3])
    assert (outcome.stopped, outcome.steps, outcome.samples_seen) == ("pruned", 540, 4320)


def test_rungs_of_few_steps_are_left_out() -> None:
    assert plan(3240).rungs() == pytest.approx((1 / 27, 1 / 9, 1 / 3))
    assert plan(600).rungs() == pytest.approx((1 / 3,))
    assert plan(170).rungs() == ()


def test_a_longer_schedule_trains_for_longer_and_reports_at_the_same_shares(
    digits: Dataset,
) -> None:
    seen: list[float] = []

    def on_rung(share: float, model: Composite) -> bool:
        seen.append(share)
        return False

    text = "mlp[width=4] | length=1.5"
    until = {"together": 0.34}  # of 600 steps
    outcome, _ = run(digits, text, steps=400, batch=8, on_rung=on_rung, until=until)
    assert (outcome.steps, outcome.samples_seen) == (204, 1632)
    assert seen == pytest.approx([1 / 3])


def test_a_look_on_a_rung_changes_nothing(digits: Dataset) -> None:
    seen: list[float] = []

    def look(share: float, model: Composite) -> bool:
        model.eval()
        seen.append(share)
        return False

    text = "cnn[width=4, depth=1, stages=1] | dropout=0.2 average=none"
    until = {"together": 0.35}
    plain, _ = run(digits, text, steps=360, batch=8, until=until)
    looked, _ = run(digits, text, steps=360, batch=8, until=until, on_rung=look)
    assert seen == pytest.approx([1 / 3])
    assert torch.equal(weights(plain), weights(looked))


def test_a_training_that_cannot_end_in_time_is_stopped_early(digits: Dataset) -> None:
    outcome, _ = run(digits, "mlp[width=4]", steps=100_000, deadline=Deadline.after(2.0))
    assert outcome.stopped == "out of time"
    assert outcome.seconds < 2  # it does not wait for its deadline to know
    late, _ = run(digits, "mlp[width=4]", steps=100_000, deadline=Deadline.after(-1.0))
    assert (late.stopped, late.steps) == ("out of time", 1)


def test_the_best_moment_on_fit_is_kept(digits: Dataset) -> None:
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration)
    values, found = iter([0.1, 0.9, 0.3, 0.2, 0.5]), []

    def score(y: NDArray, out: NDArray, weights: object) -> float:
        assert y.tolist() == digits.y[digits.splits.calibration].tolist()
        found.append(out)
        return next(values)

    outcome, data = run(digits, SMALL, steps=40, rows=rows, score=score)
    assert len(found) == 5
    assert outcome.best_fractions == {"together": 0.65}
    assert outcome.steps == 40
    np.testing.assert_array_equal(outputs(outcome.model, data, rows.calibration), found[1])


def test_a_regression_is_scored_in_its_own_unit(prices: Dataset) -> None:
    rows = TrainingRows(train=prices.splits.train, calibration=prices.splits.calibration)

    def score(y: NDArray, out: NDArray, weights: object) -> float:
        np.testing.assert_allclose(y, prices.y[rows.calibration], rtol=1e-5)
        assert out.shape == y.shape
        assert 3000 < out.mean() < 7000
        return -float(((y - out) ** 2).mean())

    assert run(prices, "mlp[width=4]", steps=10, rows=rows, score=score)[0].stopped == ""


@pytest.mark.parametrize(
    ("text", "until", "steps"),
    [
        (SMALL, {"together": 0.65}, 26),
        # A part is as long as the whole, and what joins them a fifth.
        (f"concat({SMALL}, mlp[width=4]) train=subsets", {"part 1": 0.5, "joining": 0.25}, 62),
    ],
)
def test_until_ends_phases_early_and_complete(
    digits: Dataset, text: str, until: dict[str, float], steps: int
) -> None:
    outcome, _ = run(digits, text, steps=40, until=until)
    assert (outcome.steps, outcome.stopped) == (steps, "")


@contextmanager
def memory_for(rows: int) -> Iterator[list[int]]:
    """A device on which a composite runs on no more than so many rows at once."""
    tried: list[int] = []

    def refuse(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if isinstance(module, Stem) and module.training:
            tried.append(len(args[0]))
            if tried[-1] > rows:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = nn.modules.module.register_module_forward_pre_hook(refuse)
    try:
        yield tried
    finally:
        hook.remove()


def test_out_of_memory_halves_the_batch_and_doubles_the_steps(digits: Dataset) -> None:
    with memory_for(20) as tried:
        outcome, _ = run(digits, "mlp[width=4]", steps=6, batch=64)
    assert tried == [64, 32] + [16] * 24
    assert (outcome.steps, outcome.samples_seen) == (24, 6 * 64)


def test_out_of_memory_at_a_quarter_fails_the_trial(digits: Dataset) -> None:
    with (
        memory_for(10) as tried,
        pytest.raises(TrialError, match="out of memory at a batch of 16"),
    ):
        run(digits, "mlp[width=4]", steps=6, batch=64)
    assert tried == [64, 32, 16]


def test_the_parts_of_a_cascade_may_share_layers(digits: Dataset) -> None:
    text = "cascade[0.3](mlp[width=8, depth=1], cnn[width=8, depth=1, stages=0]) share=layers"
    outcome, _ = run(digits, text, steps=3)  # their batch norms are one, in two places
    assert outcome.steps == 3


def test_another_error_is_not_taken_for_out_of_memory(digits: Dataset) -> None:
    def fail(module: nn.Module, args: tuple[object, ...]) -> None:
        if isinstance(module, Stem):
            raise RuntimeError("a shape is wrong")

    hook = nn.modules.module.register_module_forward_pre_hook(fail)
    try:
        with pytest.raises(TrialError, match="PyTorch cannot train it: a shape is wrong"):
            run(digits, "mlp[width=4]", steps=6)
    finally:
        hook.remove()


def test_bfloat16_learns_as_well(digits: Dataset) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    resolved = resolve(parse(f"{SMALL} | lr=0.02"), digits.inputs, digits.target)
    rough = TrainerConfig(device="cpu", batch_size=64, steps=60, bf16=("cnn",))
    rows = TrainingRows(train=digits.splits.train, calibration=NONE)
    outcome = train(resolved, data, rows, rough)
    assert accuracy(outcome, data, digits) > 0.75
    assert not torch.equal(weights(outcome), weights(train(resolved, data, rows, plan())))


def test_batches_are_at_most_a_twenty_fourth_of_the_rows() -> None:
    assert [batch_size(n) for n in (10, 199, 200, 767, 768, 3200, 60_000)] == [
        8, 8, 16, 16, 32, 128, 256,
    ]  # fmt: skip


def test_a_schedule_follows_from_the_data_alone() -> None:
    series = InputSpec(name="s", kind="series", shape=(1, 128))
    assert schedule(400, (series,)) == (16, 1000)  # 40 epochs
    assert schedule(40, (series,)) == (8, 500)  # no more than 100 epochs
    assert schedule(800, (series,)) == (32, 1000)
    assert schedule(60_000, (series,)) == (256, 1500)
    text = InputSpec(name="t", kind="text", shape=(9,), cardinalities=(50,))
    assert schedule(4400, (series, text)) == (64, 400)  # texts are soon learnt by heart
    table = InputSpec(name="x", kind="table", shape=(3,), cardinalities=(0, 0, 0))
    classes = TargetSpec(name="y", task="classification", classes=("a", "b"))
    assert schedule(640, (table,), classes) == (16, 1000)
    assert schedule(320, (table,), classes) == (16, 500)  # 25 epochs
    assert schedule(320, (table,), TargetSpec(name="y", task="regression")) == (16, 1000)


def test_batches_of_texts_are_smaller() -> None:
    text = InputSpec(name="t", kind="text", shape=(9,), cardinalities=(50,))
    assert [batch_size(n, (text,)) for n in (10, 4400, 9000, 60_000)] == [8, 64, 128, 256]


def test_every_row_is_seen_once_an_epoch(digits: Dataset) -> None:
    seen: list[int] = []
    marked = {tuple(row.flatten().tolist()): i for i, row in enumerate(digits.x["image"])}

    def look(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        if isinstance(module, Stem):
            seen.extend(marked[tuple(r.flatten().tolist())] for r in args[0])

    hook = nn.modules.module.register_module_forward_pre_hook(look)
    try:
        run(digits, "mlp[width=4] | augment=none", steps=36, batch=100)
    finally:
        hook.remove()
    epochs = [seen[i : i + 1200] for i in (0, 1200, 2400)]
    train_rows = sorted({marked[tuple(r.flatten().tolist())] for r in digits.x["image"][:1200]})
    for epoch in epochs:
        assert sorted(set(epoch)) == train_rows
    assert epochs[0] != epochs[1]
    assert len(seen) == 3600
