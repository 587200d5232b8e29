"""What a training with a frozen pretrained network takes when its features are computed once.

Why: a frozen network gives the same features for a row in every epoch. Training with the cache is
to take at most a fifth of the time without it.

How: `python tests/benchmarks/cached.py [--quick] [--size 64] [--steps N] [--out FILE]`

Both arms are whole trainings of `pretrained[size=...]` on the digits by `autosynth.training.loop`,
in turn, with one seed and without augmentation, which a frozen network does not see anyway. They
take in reading the weights, the features of the cache, and the four scores on the rows for
choosing the best moment, which go through the whole network in both. Without the cache there is
no memory for it: features are computed in every step, without gradients. The schedule is the least
that the house gives where a budget allows it. Accuracy on test is told beside: it is the same.
"""

import argparse
import time
from dataclasses import replace
from typing import Any

import torch
from _common import (
    interleave,
    machine,
    make_parser,
    parse,
    put,
    put_machine,
    put_table,
    ratio,
    save,
    spread,
)

from autosynth.composite import Resolved, resolve
from autosynth.data import load_dataset
from autosynth.plugin import TASKS
from autosynth.spec import Dataset
from autosynth.strategy import parse as parse_strategy
from autosynth.study.probe import fixed_plan
from autosynth.training.devicedataset import STATIC_BYTES, DeviceDataset, to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs

STEPS = 300
TARGET = 1 / 5
ARMS = {"with the cache": STATIC_BYTES, "without": 0}


class Trainings:
    """Both arms of one strategy on one dataset, and the accuracy of the last of each."""

    def __init__(self, args: argparse.Namespace, dataset: Dataset) -> None:
        self.args, self.dataset = args, dataset
        strategy = parse_strategy(f"pretrained[size={args.size}] | augment=none")
        self.resolved: Resolved = resolve(strategy, dataset.inputs, dataset.target)
        self.feed: DeviceDataset = to_device(
            dataset, torch.device(args.device), dataset.splits.train
        )
        self.accuracy: dict[str, float] = {}

    def seconds(self, arm: str) -> float:
        """Of one training."""
        splits, score = self.dataset.splits, TASKS["classification"].metrics["accuracy"].score
        plan = fixed_plan(self.args.device, len(splits.train), self.args.steps)
        data = replace(self.feed, static_bytes=ARMS[arm])
        start = time.perf_counter()
        rows = TrainingRows(
            train=splits.train,
            calibration=splits.calibration if len(splits.calibration) else splits.validation,
        )
        done = train(self.resolved, data, rows, plan, seed=self.args.seed, score=score)
        taken = time.perf_counter() - start
        found = outputs(done.model, self.feed, splits.test)
        self.accuracy[arm] = score(self.dataset.y[splits.test], found)
        put(f"{arm}: {taken:.1f} s")
        return taken


def main() -> None:
    parser = make_parser(__doc__ or "", repeats=3)
    parser.add_argument("--size", type=int, help="pixels a side (64; quick: 32)")
    parser.add_argument("--steps", type=int, help=f"({STEPS}; quick: 30)")
    parser.add_argument("--device", default="cpu", help="(cpu)")
    args = parse(parser)
    args.size = args.size or (32 if args.quick else 64)
    args.steps = args.steps or (30 if args.quick else STEPS)
    where = machine(args.device)
    put_machine(where)
    trainings = Trainings(args, load_dataset("digits"))
    arms = {arm: lambda arm=arm: trainings.seconds(arm) for arm in ARMS}
    found = interleave(arms, args.repeats, warm=False)
    quotient = ratio(found["with the cache"], found["without"])
    put("")
    rows: list[Any] = [
        (arm, spread(found[arm]).text(1), f"{trainings.accuracy[arm]:.4f}") for arm in ARMS
    ]
    put_table((f"{args.steps} steps at {args.size} pixels", "seconds", "accuracy"), rows)
    put(f"target    with over without, at most {TARGET:.2f}: {quotient.text()}")
    save(args, "cached", where, {"ratio": quotient, "seconds": found})


if __name__ == "__main__":
    main()
