"""A request in, a run context out: device found, baseline scored, plan measured, data kept."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import torch

from autosynth.atomic import write_text_atomic
from autosynth.budget import Deadline
from autosynth.bundle.info import weight_facts
from autosynth.composite import cost
from autosynth.errors import ConfigError
from autosynth.options import Options, check_device_name
from autosynth.progress import Progress
from autosynth.run.baseline import keep_baseline
from autosynth.run.state import read_plan, write_run
from autosynth.spec import Dataset
from autosynth.study.agenda import ladder
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.latency import untrained_latency_ms
from autosynth.study.probe import fixed_plan, probe
from autosynth.study.restrict import default_space, restrict
from autosynth.study.shelf import KEPT_WEIGHTS
from autosynth.study.space import Space
from autosynth.study.spacefile import load_space
from autosynth.task.metric import Metric
from autosynth.task.score import default_metric, find_metric
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.store import STORE, STORED, ValueStore
from autosynth.training.weights import save_tensors

# Rows of test that exports are checked on: enough for every part of a cascade to have some.
EXAMPLE_ROWS = 256
_Limit = TypeVar("_Limit", int, float)


def prepare_space(dataset: Dataset, options: Options) -> Space:
    """The space of a request, restricted to its data."""
    space = load_space(options.space or default_space(dataset.inputs))
    return restrict(space, dataset.inputs, dataset.target.task, len(dataset.splits.train))


def prepare_metric(dataset: Dataset, options: Options) -> Metric:
    """The metric of a request, or the task's own."""
    target = dataset.target
    return find_metric(options.metric, target) if options.metric else default_metric(target)


def prepare(
    dataset: Dataset,
    space: Space,
    options: Options,
    folder: Path,
    deadline: Deadline,
    progress: Progress,
) -> RunContext:
    """Everything that stands before the first trial.

    A run that goes on keeps its baseline and its plan, as far as it has them.
    """
    metric = prepare_metric(dataset, options)
    device = torch.device(options.device)
    data = to_device(dataset, device, dataset.splits.train, ValueStore(folder / STORE))
    keep_baseline(dataset, metric, folder, options.seed, progress)
    plan = read_plan(folder) or _plan(dataset, data, space, options, deadline)
    plan.use_threads()
    write_run(folder, dataset, options, plan)
    _keep_data(folder, dataset, data)
    return RunContext(
        dataset=dataset,
        device_dataset=data,
        space=space,
        trainer_config=plan,
        metric=metric,
        trivial_score=trivial_score(dataset, metric),
        folder=folder,
        seed=options.seed,
        cost=options.cost,
        max_flops=_least(options.max_flops, space.max_flops),
        max_params=_least(options.max_params, space.max_params),
        max_latency_ms=_least(options.max_latency_ms, space.max_latency_ms),
    )


def _least(*limits: _Limit | None) -> _Limit | None:
    return min((limit for limit in limits if limit is not None), default=None)


def check_limits(dataset: Dataset, space: Space, options: Options) -> None:
    """A limit that no single component meets is a mistake, and best said at once.

    Raises:
        ConfigError: with the limit, and the smallest single component; or that of the disk is no
            number.
    """
    KEPT_WEIGHTS.allowed()
    STORED.allowed()
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
    limit_ms = _least(options.max_latency_ms, space.max_latency_ms)
    if limit_ms is not None:
        _check_latency(dataset, space, options, limit_ms)


def _check_latency(dataset: Dataset, space: Space, options: Options, limit: float) -> None:
    """Time single components, cheapest first, until one is within the limit."""
    data = to_device(dataset, torch.device(options.device), dataset.splits.train)
    least = math.inf
    for _, resolved in ladder(dataset, space):
        least = min(least, untrained_latency_ms(resolved, data, dataset.splits, limit))
        if least <= limit:
            return
    raise ConfigError(
        f"no strategy of space {space.name!r} can meet --max-latency {limit:g}: its fastest "
        f"single component takes {least:.3g} ms for a row on {options.device}; raise the limit"
    )


def _plan(
    dataset: Dataset, data: DeviceDataset, space: Space, options: Options, deadline: Deadline
) -> TrainerConfig:
    """By the clock where there is a budget, else the same on every machine."""
    budget = options.budget_seconds
    if budget is None:
        n_train = len(dataset.splits.train)
        plan = fixed_plan(options.device, n_train, inputs=dataset.inputs, target=dataset.target)
        return replace(plan, deterministic=options.deterministic)
    return probe(
        dataset,
        data,
        space,
        device=options.device,
        deadline=deadline,
        budget=budget,
        workers=options.workers,
        deterministic=options.deterministic,
    )


def _keep_data(folder: Path, dataset: Dataset, data: DeviceDataset) -> None:
    """What a bundle needs of the data: specs and encoders, and a few raw rows to verify with."""
    content = {
        "name": dataset.name,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "target": asdict(dataset.target),
        "encoders": dict(dataset.encoders),
        "scales": [scale.to_dict() for scale in data.scales],
        **({"card": facts} if (facts := weight_facts(dataset)) else {}),
    }
    write_text_atomic(folder / "data.json", json.dumps(content) + "\n")
    rows = data.rows(dataset.splits.test[:EXAMPLE_ROWS])
    sample = {name: v.cpu().contiguous() for name, v in data.batch(rows)[0].items()}
    save_tensors(sample, folder / "sample.safetensors")


def check_device(name: str) -> str:
    """A torch device name: `auto` is the first GPU there is, else the processor.

    Raises:
        UnknownNameError: no such kind of device.
        ConfigError: the device is not on this machine.
    """
    check_device_name(name)
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {name!r} is not on this machine, which has {torch.cuda.device_count()} GPUs "
            "that PyTorch can use; leave --device out, or say --device cpu"
        )
    return name
