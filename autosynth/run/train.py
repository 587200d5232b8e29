"""`train_strategy`: one strategy on a dataset, without a search; its bundle and its scores out."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import torch

from autosynth.bundle import ModelCard, write_bundle
from autosynth.bundle.info import data_facts
from autosynth.composite import Cost, Resolved, cost, resolve
from autosynth.data import read_dataset
from autosynth.errors import RunError
from autosynth.options import DataArguments, Options
from autosynth.progress import Progress
from autosynth.run.folder import free_folder
from autosynth.run.prepare import check_device, prepare_metric
from autosynth.signature import takes_options
from autosynth.spec import Dataset
from autosynth.strategy import Strategy, parse
from autosynth.study.probe import fixed_plan
from autosynth.task.score import score_all
from autosynth.training.config import TrainerConfig
from autosynth.training.determinism import deterministic_kernels
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import Outcome, TrainingRows
from autosynth.training.loop import train as train_composite
from autosynth.training.output import outputs
from autosynth.training.timing import time_steps


@dataclass(frozen=True, kw_only=True)
class Trained:
    """One strategy, trained: scores on `validation` and test, cost, and the bundle's folder."""

    strategy: str
    val: dict[str, float]
    test: dict[str, float]
    cost: Cost
    seconds: float
    folder: Path


@takes_options
def train_strategy(
    source: Any,
    strategy: str | Strategy,
    *,
    metric: str | None = None,
    budget: str | float | None = None,
    epochs: float | None = None,
    device: str = "auto",
    deterministic: bool = False,
    seed: int = 0,
    out: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **data: Unpack[DataArguments],
) -> Trained:
    """Train one strategy and write it as a bundle.

    Args:
        source: as for `search`, like all that is not named otherwise here.
        strategy: in the notation, or parsed.
        metric: what the best moment of the training is chosen by.
        budget: wall clock of the training; the schedule is made as long as that allows.
        epochs: length of the schedule in passes over the training rows; that of a search on the
            same rows if neither is given.
        device: auto, cpu, cuda or cuda:N.
        deterministic: the same weights each time on one GPU, more slowly.
        seed: of splits and training.
        out: the bundle's folder; `results/<dataset>-model-<n>` if left out.
        progress: what is told of the training.
        data: the options below.

    Raises:
        AutosynthError: the data, the strategy, an option or the folder cannot be used.
        TrialError: the training itself failed.
    """
    parsed = strategy if isinstance(strategy, Strategy) else parse(strategy)
    options = Options.from_arguments(
        {
            **data,
            "metric": metric,
            "budget": budget,
            "device": device,
            "deterministic": deterministic,
            "seed": seed,
        }
    )
    device = check_device(device)
    seconds = None if budget is None else options.budget_seconds
    dataset = read_dataset(source, options)
    chosen = prepare_metric(dataset, options)
    resolved = resolve(parsed, dataset.inputs, dataset.target)
    folder = _folder(dataset.name, out)
    splits = dataset.splits
    rows = TrainingRows(
        train=splits.train, calibration=splits.calibration, unlabelled=splits.unlabelled
    )
    with deterministic_kernels(deterministic, device):
        ours = to_device(dataset, torch.device(device), splits.train)
        plan = _plan(resolved, ours, rows, device, seconds, epochs)
        if progress:
            size = f"{plan.steps:,} steps of {plan.batch_size} rows"
            progress.say(f"training {resolved.short_form} for {size}")
        outcome = train_composite(resolved, ours, rows, plan, seed=seed, score=chosen.score)
        return _bundle(dataset, ours, resolved, outcome, folder, chosen.name, seed)


def _plan(
    resolved: Resolved,
    data: DeviceDataset,
    rows: TrainingRows,
    device: str,
    seconds: float | None,
    epochs: float | None,
) -> TrainerConfig:
    plan = fixed_plan(device, len(rows.train), inputs=resolved.inputs, target=data.target)
    if seconds is not None:
        step = time_steps(resolved, data, rows, plan, warmup=2, steps=5)
        return replace(plan, steps=max(1, int(seconds / step)))
    if epochs is None:
        return plan
    return replace(plan, steps=max(1, round(epochs * len(rows.train) / plan.batch_size)))


def _folder(name: str, out: str | os.PathLike[str] | None) -> Path:
    if out is not None:
        folder = Path(out)
        if folder.exists() and any(folder.iterdir()) and not (folder / "model.json").exists():
            raise RunError(
                f"{str(folder)!r} holds something else than a bundle; name another --out"
            )
        return folder
    return free_folder(f"{name}-model")


def _bundle(
    dataset: Dataset,
    data: DeviceDataset,
    resolved: Resolved,
    outcome: Outcome,
    folder: Path,
    metric: str,
    seed: int,
) -> Trained:
    splits, target = dataset.splits, dataset.target
    val, test = (
        score_all(
            dataset.y[rows],
            outputs(outcome.model, data, rows),
            target,
            dataset.weights_of(rows),
        )
        for rows in (splits.validation, splits.test)
    )
    price = cost(resolved, outcome.model)
    card = ModelCard(
        dataset=dataset.name,
        fingerprint=dataset.fingerprint,
        metric=metric,
        seed=seed,
        val=val,
        test=test,
        flops=price.flops,
        params=price.params,
        **data_facts(dataset),
    )
    write_bundle(
        folder,
        resolved=resolved,
        model=outcome.model,
        encoders=dataset.encoders,
        scales=data.scales,
        card=card,
    )
    return Trained(
        strategy=str(resolved.short_form),
        val=val,
        test=test,
        cost=price,
        seconds=outcome.seconds,
        folder=folder,
    )
