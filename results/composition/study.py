"""One factor of composing at a time, on one set: trained, compared, drawn.

Why: whether to compose, and how, is asked of five factors - topology, fusion, sharing, scheme,
initialisation - around two fixed pairs of components, against single components of several sizes.

How: `python results/composition/study.py DATA --name mnist1d [--seeds 3] [--seconds 20]`

What is trained is added to `<name>/runs.jsonl` at once: the same command goes on where it was
broken off. Then, and with `--report` alone, `<name>/table.md` and `<name>/front.png` are made from
it. Splits are those of `autosynth search` with seed 0; choices are made on `select` alone.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from compare import Sheet
from ledger import Run, append, pack, read
from levels import levels
from picture import picture
from schedule import Schedule, load, measure, renew, save
from table import table

from autosynth.atomic import write_text_atomic
from autosynth.composite import cost, resolve
from autosynth.data import load_dataset as load_data
from autosynth.data.split.split import take
from autosynth.errors import AutosynthError, ConfigError
from autosynth.spec import Dataset, Splits
from autosynth.strategy import parse
from autosynth.task.score import find_metric, score_all
from autosynth.training.config import batch_size
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs

HERE = Path(__file__).parent
MOST_BATCH = 32  # smaller than a search takes: more steps in the same seconds


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", metavar="DATA", help="as for autosynth search")
    parser.add_argument("--name", help="of the folder beside this file (that of the data)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each strategy (3)")
    parser.add_argument("--seconds", type=float, default=20, help="of the dearest training (20)")
    parser.add_argument("--steps", type=int, help="of all trainings, in place of --seconds")
    parser.add_argument("--rows", type=int, help="learn from a fixed subset of so many rows")
    parser.add_argument("--metric", default="accuracy", help="accuracy, or roc_auc of two classes")
    parser.add_argument("--only", nargs="*", help="train these strategies or factors alone")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the sets' folders")
    parser.add_argument("--report", action="store_true", help="train nothing")
    return parser.parse_args(given)


def main(given: Sequence[str] | None = None) -> None:
    """Train what is missing, then compare and draw."""
    args = arguments(given)
    if args.report:
        if not (args.name or args.data):
            raise ConfigError("--report needs --name, the folder of a study")
        folder = args.out / (args.name or Path(args.data).stem)
        report(folder)
        return
    if args.data is None:
        raise ConfigError("DATA is missing: a path, or a built-in name")
    dataset = load_data(args.data, seed=0)
    if args.rows:
        dataset = replace(dataset, splits=fewer(dataset, args.rows))
    folder = args.out / (args.name or dataset.name)
    data = to_device(dataset, torch.device("cpu"), dataset.splits.train)
    schedule = prepare(dataset, data, folder, args)
    schedule.plan.use_threads()
    study(dataset, data, schedule, folder, args)
    report(folder)


def fewer(dataset: Dataset, n: int) -> Splits:
    """The splits with `n` rows to learn from, a tenth each for `fit` and `select`; all of test."""
    rng, labels, splits = np.random.default_rng(0), dataset.y, dataset.splits
    select, _ = take(splits.validation, labels, n // 10, rng)
    fit, _ = take(splits.calibration, labels, n // 10, rng)
    train_rows, _ = take(splits.train, labels, n - len(fit) - len(select), rng)
    return replace(
        splits, train=np.sort(train_rows), calibration=np.sort(fit), validation=np.sort(select)
    )


def prepare(
    dataset: Dataset, data: DeviceDataset, folder: Path, args: argparse.Namespace
) -> Schedule:
    """The stored schedule, or one that is measured now and stored."""
    find_metric(args.metric, dataset.target)
    splits, two = dataset.splits, dataset.target.n_outputs == 2
    batch = min(MOST_BATCH, batch_size(len(splits.train)))
    fresh = Schedule(
        data=dataset.name,
        metric=args.metric,
        batch_size=batch,
        steps=0,
        dearest="",
        seconds=0.0,
        rows={
            "train": len(splits.train),
            "fit": len(splits.calibration),
            "select": len(splits.validation),
            "test": len(splits.test),
        },
        labels=pack(dataset.y[splits.test] == 1) if two else "",
        levels=levels(dataset.inputs, dataset.target),
    )
    path = folder / "study.json"
    if path.exists():
        fresh = renew(load(path), fresh)
        if args.steps and args.steps != fresh.steps:
            raise ConfigError(f"{path} has {fresh.steps} steps, not {args.steps}; see --name")
    elif args.steps:
        fresh = replace(fresh, steps=args.steps)
    else:
        dearest, step = measure(dataset, data, fresh.levels, batch)
        steps = max(1, int(args.seconds / step))
        fresh = replace(fresh, steps=steps, dearest=dearest, seconds=round(step * steps, 2))
    save(path, fresh)
    return fresh


def study(
    dataset: Dataset,
    data: DeviceDataset,
    schedule: Schedule,
    folder: Path,
    args: argparse.Namespace,
) -> None:
    """Every strategy under every seed that the folder has not; one seed after the other."""
    path = folder / "runs.jsonl"
    there = {(run.strategy, run.seed) for run in read(path)}
    asked = [
        level.strategy for level in schedule.levels
        if not args.only or {level.factor, level.strategy} & set(args.only)
    ]  # fmt: skip
    wanted = [(text, seed) for seed in range(args.seeds) for text in dict.fromkeys(asked)]
    missing = [pair for pair in wanted if pair not in there]
    print(f"{len(missing)} trainings of {schedule.steps} steps", flush=True)
    for number, (text, seed) in enumerate(missing, start=1):
        run = trained(dataset, data, schedule, text, seed)
        append(path, run)
        score = run.test[schedule.metric]
        print(f"{number:4} {run.train_seconds:5.1f} s {score:.4f} seed {seed} {text}", flush=True)


def trained(
    dataset: Dataset, data: DeviceDataset, schedule: Schedule, text: str, seed: int
) -> Run:
    """Train one strategy, and score it on `select` and on test."""
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    splits, metric = dataset.splits, find_metric(schedule.metric, dataset.target)
    rows = TrainingRows(train=splits.train, calibration=splits.calibration)
    outcome = train(resolved, data, rows, schedule.plan, seed=seed, score=metric.score)
    names = sorted({"accuracy", "neg_log_loss", metric.name})
    found = {}
    for part in ("validation", "test"):
        numbers = getattr(splits, part)
        proba = outputs(outcome.model, data, numbers)
        scores = score_all(dataset.y[numbers], proba, dataset.target)
        found[part] = {name: round(scores[name], 6) for name in names}
    odds = ""
    if schedule.labels:
        sure = np.clip(proba, 1e-7, 1.0)
        odds = pack(np.log(sure[:, 1] / sure[:, 0]))
    price = cost(resolved)
    return Run(
        strategy=text, seed=seed, select=found["validation"], test=found["test"],
        flops=price.flops, worst_flops=price.worst_flops, params=price.params,
        train_flops=outcome.train_flops, train_seconds=round(outcome.seconds, 2), odds=odds,
        hits=pack(proba.argmax(axis=1) == dataset.y[splits.test]),
    )  # fmt: skip


def report(folder: Path) -> None:
    """The table and the picture of a folder's runs."""
    schedule = load(folder / "study.json")
    sheet = Sheet(schedule, read(folder / "runs.jsonl"))
    write_text_atomic(folder / "table.md", table(sheet, folder.name))
    picture(sheet, folder / "front.png", title=folder.name)
    print(f"written {folder / 'table.md'}", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AutosynthError as error:
        sys.exit(f"study.py: {error}")
