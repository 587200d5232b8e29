"""A request in, a bench out: data read, baselines scored, plan measured, folder made."""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from autosynth.baselines import BaselineResult, run_in_process
from autosynth.baselines import run as run_baseline
from autosynth.composite import cost
from autosynth.data.spec import Dataset, TargetSpec
from autosynth.errors import ConfigError
from autosynth.leaderboard import TRIVIAL
from autosynth.progress import Progress
from autosynth.record import Record, read_all, write, write_text_atomic
from autosynth.run.folder import read_run, write_run
from autosynth.run.options import Options
from autosynth.study.bench import Bench, trivial_score
from autosynth.study.narrow import default_space, narrow
from autosynth.study.probe import FIXED_STEPS, fixed_plan, probe
from autosynth.study.space import Space
from autosynth.study.spacefile import load as load_space
from autosynth.study.study import claim, ladder
from autosynth.training.feed import Feed, feed
from autosynth.training.metrics import Metric, default_metric, evaluate, find_metric
from autosynth.training.plan import Plan
from autosynth.training.weights import save_tensors

BASELINE_SHARE = 1 / 10
BASELINE_SECONDS = 30.0  # at most, and always without a budget
TRIALS_SHARE = 0.7  # of what is left of a budget, for trials: the rest scores, chooses and refits
SAMPLE_ROWS = 256


def prepare_space(dataset: Dataset, options: Options) -> Space:
    """The space of a request, narrowed to its data."""
    space = load_space(options.space or default_space(dataset.inputs))
    return narrow(space, dataset.inputs, dataset.target.task, len(dataset.splits.train))


def prepare_metric(dataset: Dataset, options: Options) -> Metric:
    """The metric of a request, or the task's own."""
    target = dataset.target
    return find_metric(options.metric, target) if options.metric else default_metric(target)


def prepare(
    dataset: Dataset,
    space: Space,
    options: Options,
    asked: Mapping[str, Any],
    folder: Path,
    started: float,
    progress: Progress,
) -> Bench:
    """Everything that stands before the first trial.

    A run that goes on keeps its baselines and its plan. `started` is `time.time()` at the start.
    """
    metric = prepare_metric(dataset, options)
    if not any(r.kind == "baseline" for r in read_all(folder)):
        seconds = BASELINE_SECONDS
        if options.budget_seconds is not None:
            spent = time.time() - started
            seconds = max(1.0, min(seconds, options.budget_seconds * BASELINE_SHARE - 0.1 * spent))
        run_baselines(dataset, metric, folder, options.seed, seconds, progress)
    device = torch.device(options.device)
    data = feed(dataset, device, dataset.splits.train)
    known = (folder / "run.toml").exists()
    if known:
        plan = Plan.from_dict(read_run(folder)["plan"])
        plan.use_threads()
    else:
        plan = _plan(dataset, data, space, options, started)
    write_run(folder, dataset, asked, options, plan)
    _keep_data(folder, dataset, data)
    return Bench(
        dataset=dataset, feed=data, space=space, plan=plan, metric=metric,
        trivial_score=trivial_score(dataset, metric), folder=folder, seed=options.seed,
        cost=options.cost, max_flops=_least(options.max_flops, space.max_flops),
        max_params=_least(options.max_params, space.max_params),
    )  # fmt: skip


def _least(*limits: int | None) -> int | None:
    return min((limit for limit in limits if limit is not None), default=None)


def check_limits(dataset: Dataset, space: Space, options: Options) -> None:
    """A limit that no single component meets is a mistake, and best said at once.

    Raises:
        ConfigError: with the limit, and the smallest single component.
    """
    prices = [cost(resolved) for _, resolved in ladder(dataset, space)]
    for name, limit in (
        ("flops", _least(options.max_flops, space.max_flops)),
        ("params", _least(options.max_params, space.max_params)),
    ):
        smallest = min(getattr(price, name) for price in prices)
        if limit is not None and smallest > limit:
            raise ConfigError(
                f"no strategy of space {space.name!r} can meet --max-{name} {limit:,}: its "
                f"smallest single component has {smallest:,}; raise the limit"
            )


def _plan(dataset: Dataset, data: Feed, space: Space, options: Options, started: float) -> Plan:
    if options.budget_seconds is None:
        return fixed_plan(
            options.device, len(dataset.splits.train), FIXED_STEPS, inputs=dataset.inputs
        )
    left = options.budget_seconds - (time.time() - started)
    return probe(
        dataset, data, space, device=options.device, seconds=max(1.0, left * TRIALS_SHARE),
        budget=options.budget_seconds, workers=options.workers,
    )  # fmt: skip


def _keep_data(folder: Path, dataset: Dataset, data: Feed) -> None:
    """What a bundle needs of the data: specs and encoders, and a few raw rows to verify with."""
    content = {
        "name": dataset.name, "source": dataset.source, "fingerprint": dataset.fingerprint,
        "target": asdict(dataset.target),
        "encoders": dict(dataset.encoders), "center": data.center, "spread": data.spread,
    }  # fmt: skip
    write_text_atomic(folder / "data.json", json.dumps(content) + "\n")
    rows = data.rows(dataset.splits.test[:SAMPLE_ROWS])
    sample = {name: v.cpu().contiguous() for name, v in data.batch(rows)[0].items()}
    save_tensors(sample, folder / "sample.safetensors")


def run_baselines(
    dataset: Dataset, metric: Metric, folder: Path, seed: int, seconds: float, progress: Progress
) -> None:
    """Fit the baselines in a process of their own, and write their records."""
    threads = torch.get_num_threads()  # what the user allows this process
    for result in run_in_process(dataset, seconds=seconds, seed=seed, threads=threads):
        if result.name in TRIVIAL and result.state != "complete":
            result = run_baseline(result.name, dataset, seed=seed)  # takes no time: always there
        record = _baseline_record(dataset, metric, result, claim(folder), seed)
        write(record, folder)
        score = record.val.get(metric.name)
        said = record.reason if score is None else f"{metric.name} {score:.4f}"
        progress.say(f"baseline    {record.strategy}: {said}")


def _scores(
    metric: Metric, target: TargetSpec, y: NDArray[Any], output: NDArray[Any]
) -> dict[str, float]:
    """All metrics of the target, and the one that ranks."""
    found = evaluate(y, output, target)
    return {**found, metric.name: metric.score(y, output)}


def _baseline_record(
    dataset: Dataset, metric: Metric, result: BaselineResult, number: int, seed: int
) -> Record:
    target, y, splits = dataset.target, dataset.y, dataset.splits
    val, test = (
        {} if found is None else _scores(metric, target, y[rows], found)
        for rows, found in ((splits.select, result.select), (splits.test, result.test))
    )
    return Record(
        trial=number, seed=seed, kind="baseline", strategy=result.name, topology="baseline",
        state=result.state, reason=result.reason, val=val, test=test, flops=result.flops,
        params=result.params, train_seconds=result.train_seconds, origin="baseline",
        notes={"rows": result.note} if result.note else {},
    )  # fmt: skip
