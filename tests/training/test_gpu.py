"""On a GPU: the same curve as on a CPU, and no waiting for the device inside a step."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from autosynth.composite import resolve
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import Trainer, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.phase import PhaseTrainer

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
        resolved, data, rows, made, score=lambda y, out: float((out.argmax(1) == y).mean())
    )
    assert torch.equal(before, torch.cuda.get_rng_state())
    found = outputs(outcome.model, data, digits.splits.test)
    assert (found.argmax(1) == digits.y[digits.splits.test]).mean() > 0.85
