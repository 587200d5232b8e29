"""A part trained apart: the same weights and figures as in the training of the whole."""

import pytest
import torch
from torch import nn

from autosynth.budget import Deadline
from autosynth.composite import resolve
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.part import part_weights, train_part
from autosynth.training.weights import alone_of, packed

CNN, MLP, DEEP = "cnn[width=8, depth=2]", "mlp[width=8, depth=1]", "mlp[width=8, depth=2]"
STEPS = 360  # of a length at which there is a rung, at a third of all phases


def accuracy(y: object, out: object, weights: object) -> float:
    return float((out.argmax(1) == y).mean())  # type: ignore[attr-defined]


ONE, TWO, THREE = "part 1", "part 2", "part 3"
FOLDS = ["fold 1", "fold 2", "fold 3"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (f"mean({MLP}, {DEEP}) train=subsets rows=all", [ONE, TWO]),
        (f"weighted[fit]({MLP}, {DEEP}, {CNN}) train=subsets", [ONE, TWO, THREE]),
        (f"stack[linear]({MLP}, {DEEP}) train=subsets rows=bootstrap", [ONE, TWO, *FOLDS]),
        (f"stack[mlp]({MLP}, {DEEP})", ["together", *FOLDS]),
        (f"concat({MLP}, {DEEP}) init=parts", [ONE, TWO]),
        (f"concat({MLP}, {DEEP}) train=staged", [ONE, TWO]),
        (f"cascade({MLP}, {DEEP}) train=subsets rows=all", [ONE, TWO]),
        (f"{MLP} > {DEEP} > {MLP} train=subsets rows=all", [ONE]),  # others stand on it
        (f"mean({MLP}, {CNN}) share=layers train=subsets", [ONE]),
        (f"mean({MLP}, {DEEP}) train=subsets init=masked", []),  # which both begin with
    ],
)
def test_a_part_comes_to_the_same_apart(text: str, parts: list[str], digits: Dataset) -> None:
    resolved = resolve(parse(f"{text} | length=.1"), digits.inputs, digits.target)
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration)
    place = (resolved, data, rows, TrainerConfig(device="cpu", batch_size=32, steps=STEPS))
    rungs: list[tuple[str, float]] = []

    def looked(at: str):  # type: ignore[no-untyped-def]
        def look(done: float, model: nn.Module) -> bool:
            rungs.append((at, done))
            return False

        return look

    whole = train(*place, score=accuracy, on_rung=looked("whole"))
    seen, flops, best, given = 0, 0.0, {}, {}
    phases = resolved.training_plan.phases
    assert [p.name for p in phases if alone_of(resolved, p)] == [
        name for name in parts if name.startswith("part")
    ]
    for name in reversed(parts):
        part = train_part(*place, name, score=accuracy, on_rung=looked("apart"))
        given[name] = part_weights(part.model, resolved, name)
        seen, flops = seen + part.samples_seen, flops + part.train_flops
        best = best | dict(part.best_fractions)
    rest = train(*place, score=accuracy, on_rung=looked("apart"), given=given)
    assert packed(rest.model.state_dict()) == packed(whole.model.state_dict())
    assert rest.samples_seen + seen == whole.samples_seen
    assert rest.train_flops + flops == whole.train_flops
    assert best | dict(rest.best_fractions) == whole.best_fractions
    told = {at: [done for where, done in rungs if where == at] for at in ("whole", "apart")}
    assert told["whole"] == told["apart"] == [1 / 3]


def test_a_training_stops_when_it_is_told_to(digits: Dataset) -> None:
    resolved = resolve(parse(MLP), digits.inputs, digits.target)
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:0])
    asked: list[int] = []

    def told() -> bool:
        asked.append(len(asked))
        return len(asked) == 7

    plan = TrainerConfig(device="cpu", batch_size=32, steps=10**6)
    outcome = train(resolved, data, rows, plan, told=told)
    assert (outcome.stopped, outcome.steps) == ("pruned", 7)


def test_what_is_trained_out_of_fold_stops_when_it_is_told_to(digits: Dataset) -> None:
    resolved = resolve(parse(f"stack[linear]({MLP}, {MLP})"), digits.inputs, digits.target)
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:0])
    asked: list[int] = []

    def told() -> bool:
        asked.append(len(asked))
        return len(asked) == 25

    plan = TrainerConfig(device="cpu", batch_size=32, steps=20)
    outcome = train(resolved, data, rows, plan, told=told)
    assert outcome.stopped == "pruned"
    assert len(asked) == 25  # twenty steps of the whole, and five of the first fold


def test_a_part_that_is_cut_short_says_so(digits: Dataset) -> None:
    text = f"mean({MLP}, boosting) train=subsets rows=all"
    resolved = resolve(parse(text), digits.inputs, digits.target)
    data = to_device(digits, torch.device("cpu"), digits.splits.train)
    rows = TrainingRows(train=digits.splits.train, calibration=digits.splits.calibration[:0])
    (name,) = [phase.name for phase in resolved.training_plan.phases if phase.is_fit]
    plan = TrainerConfig(device="cpu", batch_size=32, steps=20)
    late = train_part(resolved, data, rows, plan, name, deadline=Deadline.after(-1.0))
    assert "rounds" in late.cut
