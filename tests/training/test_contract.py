"""One contract over how composites are joined, shared, trained and begun, in all combinations.

Each is built and costed, trains with a finite loss and moves what it says it trains, and gives the
same outputs when it is saved and loaded. The default suite runs every pair of choices, the slow
one all of them.
"""

from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch

from autosynth.composite import SHARING, Resolved, build, cost, resolve
from autosynth.errors import StrategyError
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import Trainer, TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.weights import load_weights, save_weights

CNN = "cnn[width=8, depth=1, stages=1, norm=layer, expand=2]"
GRU, MLP = "gru[width=8, depth=1]", "mlp[width=8, depth=1, embed=8]"
TREES = (
    f"mean({CNN}, {GRU})", f"weighted({CNN}, {GRU})", f"attend({CNN}, {GRU}, {MLP})",
    f"concat({CNN}, {MLP})", f"gated({CNN} > {GRU}, {MLP})", f"bilinear({CNN}, {GRU})",
    f"weighted[fit]({CNN}, {GRU})", f"stack({CNN}, {MLP})", f"cascade({MLP}, {CNN})",
    f"{CNN} > {GRU}", f"{GRU} > {GRU}", f"sum({CNN}, {GRU}) > {MLP}",
)  # fmt: skip
TRAININGS = (
    "", "train=subsets", "train=subsets rows=bootstrap", "train=subsets rows=all", "train=staged",
    "train=staged earlier=free",
)  # fmt: skip
INITS = ("", "init=parts", "init=masked")
CHOICES = (TREES, tuple(SHARING), TRAININGS, INITS)
STEPS = 8  # a look at each share where a better moment may be kept


def covering() -> list[tuple[str, ...]]:
    """Combinations in which every pair of choices stands, few of them: the greediest next one."""
    everything = list(product(*CHOICES))
    left = {pair for row in everything for pair in combinations(enumerate(row), 2)}
    found = []
    while left:
        best = max(everything, key=lambda row: len(left & set(combinations(enumerate(row), 2))))
        left -= set(combinations(enumerate(best), 2))
        found.append(best)
    return found


def text_of(row: tuple[str, ...]) -> str:
    tree, share, training, init = row
    words = " ".join(filter(None, (f"share={share}" * (share != "none"), training, init)))
    return f"{tree} {words} | lr=0.01 average=none".replace("  ", " ")


def resolved_of(row: tuple[str, ...], dataset: Dataset) -> Resolved:
    """The strategy, or a skip: what cannot be shared, or begun, is refused with its reason."""
    try:
        return resolve(parse(text_of(row)), dataset.inputs, dataset.target)
    except StrategyError as problem:
        said = str(problem)
        assert "share" in said or "give one of them" in said, said
        pytest.skip(said)


def check(row: tuple[str, ...], digits: Dataset, folder: Path) -> None:
    resolved = resolved_of(row, digits)
    assert cost(resolved).params == sum(p.numel() for p in build(resolved).parameters())
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train[:300], calibration=digits.splits.calibration)
    plan = TrainerConfig(device="cpu", batch_size=32, steps=STEPS)
    trainer = Trainer(resolved, data, rows, plan, 0, 32)
    for phase in trainer.phases:
        phase_trainer = trainer.phase_trainer(phase)
        before = {n: p.detach().clone() for n, p in trainer.model.named_parameters()}
        losses = [float(phase_trainer.step(step)) for step in range(1, 4)]
        assert np.isfinite(losses).all()
        after = dict(trainer.model.named_parameters())
        moved = {n.split(".")[1] for n in before if not torch.equal(before[n], after[n])}
        assert moved <= phase.trains
        learning = {n.split(".")[1] for n in before} & phase.trains
        assert moved == learning, learning - moved
    outcome = train(resolved, data, rows, plan, score=lambda y, out, w: -float(out.var()))
    found = outputs(outcome.model, data, digits.splits.test)
    assert np.isfinite(found).all()
    save_weights(outcome.model, folder / "weights.safetensors")
    again = build(resolved, seed=1)
    load_weights(again, folder / "weights.safetensors")
    np.testing.assert_allclose(outputs(again, data, digits.splits.test), found, atol=1e-5)


@pytest.mark.parametrize("row", covering(), ids=text_of)
def test_every_pair_of_choices(row: tuple[str, ...], digits: Dataset, tmp_path: Path) -> None:
    check(row, digits, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("row", list(product(*CHOICES)), ids=text_of)
def test_every_combination(row: tuple[str, ...], digits: Dataset, tmp_path: Path) -> None:
    check(row, digits, tmp_path)
