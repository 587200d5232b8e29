"""On a GPU: the same curve as on a CPU, and no waiting for the device inside a step."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch

from autosynth.composite import resolve
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.testing import INPUTS
from autosynth.training.config import TrainerConfig
from autosynth.training.determinism import deterministic_kernels
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import Trainer, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.phase import PhaseTrainer
from autosynth.training.timing import time_steps

pytestmark = pytest.mark.gpu

NONE = np.array([], dtype=np.int64)
EXACT = "dropout=0.0 augment=none"  # random numbers of a GPU are not those of a CPU
CASES = [
    ("digits", "cnn[width=8]"),
    ("digits", "mean(gru[width=8], transformer[width=8, heads=2])"),
    ("digits", "concat(cnn[width=8] > lstm[width=8], mlp[width=8]) share=stem"),
    ("waves", "sum(attention[width=8, heads=2], cnn[width=8])"),
    ("waves", "gru[width=8] > gru[width=8] share=full"),
    ("prices", "gated(mlp[width=8], transformer[width=8, heads=2])"),
]
# Of every family, on any kind of input: on pictures and films a `cnn` halves the grid, and tokens
# are brought from one grid to another.
ANY = (
    "concat(cnn[width=8, depth=2] > lstm[width=8], transformer[width=8, heads=2], "
    "attention[width=8, heads=2], mlp[width=8])"
)
TASKS = ("multilabel", "forecasting", "multitask", "ranking")
WAYS = [
    f"sum({ANY[7:-1]}) > mlp[width=8]",
    "mean(cnn[width=8], gru[width=8]) init=masked",
    "stack(cnn[width=8], mlp[width=8]) train=subsets",
    "cascade(mlp[width=8], cnn[width=8] > attention[depth=0, width=8, heads=2])",
    "bilinear(cnn[width=8], gru[width=8]) train=staged",
    "attend(cnn[width=8], transformer[width=8, heads=2]) share=layers init=parts",
]


@pytest.fixture
def full_precision() -> Iterator[None]:
    """float32 that is float32: convolutions and recurrences would use TF32."""
    before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = before


def loop(dataset: Dataset, text: str, device: str, bf16: tuple[str, ...] = ()) -> PhaseTrainer:
    where = torch.device(device)
    data = to_device(dataset, where, dataset.splits.train)
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    rows = TrainingRows(train=dataset.splits.train, calibration=NONE)
    made = TrainerConfig(device=device, batch_size=32, steps=60, bf16=bf16)
    return Trainer(resolved, data, rows, made, 0, 32).phase_trainer(
        resolved.training_plan.phases[-1]
    )


def curve(dataset: Dataset, text: str, device: str, steps: int) -> list[float]:
    phase_trainer = loop(dataset, text, device)
    return [float(phase_trainer.step(step + 1)) for step in range(steps)]


@pytest.mark.usefixtures("full_precision")
@pytest.mark.parametrize(("kind", "text"), CASES)
def test_the_loss_falls_as_on_a_cpu(kind: str, text: str, request: pytest.FixtureRequest) -> None:
    dataset = request.getfixturevalue(kind)
    here = curve(dataset, f"{text} | lr=0.002 {EXACT}", "cpu", 20)
    there = curve(dataset, f"{text} | lr=0.002 {EXACT}", "cuda", 20)
    # Differences of rounding grow with every step: tight at first, looser later.
    np.testing.assert_allclose(there[:5], here[:5], rtol=1e-3)
    np.testing.assert_allclose(there, here, rtol=3e-2)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("average", ["none", "ema"])
@pytest.mark.parametrize("augment", ["none", "light", "strong"])
@pytest.mark.parametrize(("kind", "text"), CASES)
def test_no_step_waits_for_the_device(
    kind: str, text: str, augment: str, average: str, request: pytest.FixtureRequest
) -> None:
    dataset = request.getfixturevalue(kind)
    settings = f"average={average} augment={augment} dropout=0.1 smoothing=0.0"
    phase_trainer = loop(dataset, f"{text} | {settings}", "cuda")
    for step in range(1, 4):  # libraries are loaded, moments of the optimizer are made
        phase_trainer.step(step)
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        # Past the end of an epoch too: digits have 37 batches, the others 7 and 9.
        for step in range(4, 52):
            phase_trainer.step(step)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("full_precision")
@pytest.mark.parametrize("kind", INPUTS)
def test_every_kind_of_input_trains_as_on_a_cpu(kind: str, noise: Callable[..., Dataset]) -> None:
    same_curve(noise(kind), ANY)


@pytest.mark.usefixtures("full_precision")
@pytest.mark.parametrize("task", TASKS)
def test_every_task_trains_as_on_a_cpu(task: str, noise: Callable[..., Dataset]) -> None:
    """What has no value, or was had before, is left out of the loss there, too."""
    same_curve(noise("ids" if task == "ranking" else "masked", task), "mlp[width=8]")


def same_curve(dataset: Dataset, text: str) -> None:
    here, there = (curve(dataset, f"{text} | lr=0.002 {EXACT}", on, 8) for on in ("cpu", "cuda"))
    np.testing.assert_allclose(there[:4], here[:4], rtol=2e-3)
    np.testing.assert_allclose(there, here, rtol=3e-2)


@pytest.mark.filterwarnings("ignore:Synchronization debug mode is a prototype")
@pytest.mark.parametrize("augment", ["none", "light", "strong"])
@pytest.mark.parametrize(
    ("kind", "task"),
    [*((kind, "classification") for kind in INPUTS), *(("series", task) for task in TASKS)],
)
def test_no_kind_and_no_task_waits_for_the_device(
    kind: str, task: str, augment: str, noise: Callable[..., Dataset]
) -> None:
    waits_for_nothing(noise(kind, task), f"{ANY} init=masked | augment={augment} smoothing=0.0")


def waits_for_nothing(dataset: Dataset, text: str) -> None:
    """In any phase: where it learns without targets, too."""
    where = torch.device("cuda")
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    rows = TrainingRows(train=dataset.splits.train, calibration=NONE)
    data = to_device(dataset, where, dataset.splits.train)
    made = TrainerConfig(device="cuda", batch_size=32, steps=60)
    trainer = Trainer(resolved, data, rows, made, 0, 32)
    for phase in trainer.phases:
        phase_trainer = trainer.phase_trainer(phase)
        for step in range(1, 4):
            phase_trainer.step(step)
        torch.cuda.synchronize()
        try:
            torch.cuda.set_sync_debug_mode("error")
            for step in range(4, 13):  # past the end of an epoch of seven batches
                phase_trainer.step(step)
        finally:
            torch.cuda.set_sync_debug_mode("default")


def weights(dataset: Dataset, text: str) -> dict[str, torch.Tensor]:
    """What one seed gives with deterministic kernels."""
    rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration)
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    made = TrainerConfig(device="cuda", batch_size=32, steps=40, deterministic=True)
    with deterministic_kernels(True, "cuda"):
        data = to_device(dataset, torch.device("cuda"), dataset.splits.train)
        done = train(resolved, data, rows, made, score=lambda y, out, w: -float(np.nanvar(out)))
        outputs(done.model, data, dataset.splits.test)
    return done.model.state_dict()


def same_weights(dataset: Dataset, text: str) -> None:
    one, two = weights(dataset, text), weights(dataset, text)
    assert one.keys() == two.keys()
    assert [name for name in one if not torch.equal(one[name], two[name])] == []


@pytest.mark.parametrize("kind", INPUTS)
def test_a_seed_gives_the_same_weights_of_every_kind_of_input(
    kind: str, noise: Callable[..., Dataset]
) -> None:
    same_weights(noise(kind), f"{ANY} init=masked | augment=strong dropout=0.1")


@pytest.mark.parametrize("text", WAYS)
def test_a_seed_gives_the_same_weights_in_every_way_to_join(text: str, digits: Dataset) -> None:
    same_weights(digits, f"{text} | augment=strong dropout=0.1")


@pytest.mark.parametrize("task", TASKS)
def test_a_seed_gives_the_same_weights_of_every_task(
    task: str, noise: Callable[..., Dataset]
) -> None:
    same_weights(noise("series", task), ANY)


@pytest.mark.parametrize("family", ["cnn", "gru", "lstm", "transformer", "attention", "mlp"])
def test_every_family_trains_in_bfloat16(family: str, waves: Dataset) -> None:
    phase_trainer = loop(waves, f"{family}[width=8] | lr=0.01", "cuda", bf16=(family,))
    losses = [float(phase_trainer.step(step)) for step in range(1, 41)]
    assert np.isfinite(losses).all()
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_a_training_learns_and_leaves_random_numbers_as_they_were(digits: Dataset) -> None:
    device = torch.device("cuda")
    data = to_device(digits, device, digits.splits.train)
    resolved = resolve(parse("cnn[width=8] | lr=0.02"), digits.inputs, digits.target)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration)
    made = TrainerConfig(device="cuda", batch_size=64, steps=180)
    before = torch.cuda.get_rng_state()
    outcome = train(
        resolved, data, rows, made, score=lambda y, out, w: float((out.argmax(1) == y).mean())
    )
    assert torch.equal(before, torch.cuda.get_rng_state())
    found = outputs(outcome.model, data, digits.splits.test)
    assert (found.argmax(1) == digits.y[digits.splits.test]).mean() > 0.85


def test_an_averaged_recurrence_lies_in_one_piece(digits: Dataset) -> None:
    """Else cuDNN warns that it puts the weights together at every call, and a warning fails."""
    data = to_device(digits, torch.device("cuda"), digits.splits.train)
    resolved = resolve(parse("gru[width=8] | average=ema"), digits.inputs, digits.target)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration)
    made = TrainerConfig(device="cuda", batch_size=64, steps=20)
    done = train(resolved, data, rows, made, score=lambda y, out, w: float(out.var()))
    assert np.isfinite(outputs(done.model, data, digits.splits.test)).all()


@pytest.mark.parametrize(("device", "seconds"), [("cuda", 1.0), ("cpu", 5.0)])
def test_the_first_step_of_a_gpu_says_nothing_of_the_others(
    device: str, seconds: float, digits: Dataset
) -> None:
    """It loads kernels; with no patience left on a processor one step has to do."""
    data = to_device(digits, torch.device(device), digits.splits.train)
    resolved = resolve(parse("mlp[width=8]"), digits.inputs, digits.target)
    rows = TrainingRows(train=digits.splits.train, calibration=NONE)
    made = TrainerConfig(device=device, batch_size=32, steps=60)
    ticks = iter([0.0, 5.0, 5.0, 6.0])
    found = time_steps(
        resolved, data, rows, made, warmup=2, steps=3, patience=0.0, clock=lambda: next(ticks)
    )
    assert found == seconds
