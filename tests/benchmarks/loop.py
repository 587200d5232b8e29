"""Samples per second of our training loop, as a ratio to a plain PyTorch loop.

Why: the loop's choices (data on the device, no host waits, channels last, bfloat16 where a probe
finds it faster, fused AdamW) must pay: at least 1.5 for 2-D CNNs of 8 to 64 channels on a CPU, and
never below 1 for any family.

How: `python tests/benchmarks/loop.py [--quick] [--device D] [--only TEXT] [--out FILE]`

- ours: `autosynth.training.loop.train` without augmentation and averaging, so that both loops do
  one step's work (ours clips gradients and moves the learning rate on top). In float32 and in
  bfloat16; taken is what the search's probe takes: bfloat16 where it is FASTER times as fast.
  `as set` is the same with the default settings, augmentation and averaging included.
- plain: the same composite in float32, contiguous weights, torch's default AdamW, a DataLoader
  over a TensorDataset (shuffled) with 0 and with 2 processes; the loss is never read. Its
  processes are started before the clock. The ratio is to the faster of the two.
- NCHW: a composite's tokens are channels last in any loop. For 2-D CNNs the plain loop is
  therefore also run on the same network, same weights, on contiguous tensors (_contiguous.py).

Then, at the same accuracy: both loops on built-in sets for as many steps, test accuracy side by
side. The order of the arms is turned round each repetition; figures are medians (least-largest).
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
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
from _contiguous import Contiguous, check
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from autosynth.components import FAMILIES
from autosynth.composite import Composite, Resolved, build, resolve
from autosynth.data import load_dataset
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.strategy import parse as parse_strategy
from autosynth.study.probe import FASTER
from autosynth.task.loss import loss_of
from autosynth.training.config import TrainerConfig, batch_size
from autosynth.training.devicedataset import DeviceDataset, to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.timing import time_steps

SAME_WORK = "augment=none average=none smoothing=0"
N_ROWS, WARM_STEPS, LOADERS = 4096, 3, (0, 2)
WIDTHS, PATCHES = (8, 16, 32, 64), (1, 2)
TARGET_CNN, TARGET_ANY = 1.5, 1.0
SPECS = {
    "image": InputSpec(name="image", kind="image", shape=(1, 28, 28)),
    "series": InputSpec(name="series", kind="series", shape=(1, 128)),
    "table": InputSpec(
        name="table", kind="table", shape=(24,), cardinalities=(0,) * 18 + (3, 4, 6, 9, 13, 20)
    ),
}
ACCURACY = (
    ("digits", "cnn[width=16]"), ("digits", "cnn[width=32]"), ("digits", "transformer"),
    ("mnist1d", "cnn[width=32]"), ("mnist1d", "gru"), ("breast_cancer", "mlp"),
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Place:
    """What both loops are given: data on the host and on the device, and rows to learn from."""

    dataset: Dataset
    data: DeviceDataset
    rows: TrainingRows
    batch: int

    @property
    def device(self) -> torch.device:
        return self.data.device


def make_place(dataset: Dataset, device: str) -> Place:
    train_rows = dataset.splits.train
    return Place(
        dataset=dataset,
        data=to_device(dataset, torch.device(device), train_rows),
        rows=TrainingRows(train=train_rows, calibration=train_rows[:0]),
        batch=batch_size(len(train_rows)),
    )


def noise(spec: InputSpec, seed: int) -> Dataset:
    """Random rows of one input, in ten classes: the time of a step does not depend on values."""
    rng = np.random.default_rng(seed)
    if spec.kind == "image":
        x = rng.integers(0, 256, (N_ROWS, *spec.shape), dtype=np.uint8)
    else:
        x = rng.standard_normal((N_ROWS, *spec.shape)).astype(np.float32)
    for column, codes in enumerate(spec.cardinalities):
        if codes:
            x[:, column] = rng.integers(0, codes, N_ROWS)
    rows = np.arange(N_ROWS)
    return Dataset(
        name="noise", source="noise", inputs=(spec,),
        target=TargetSpec(name="y", task="classification", classes=tuple("abcdefghij")),
        x={spec.name: x}, y=rng.integers(0, 10, N_ROWS),
        splits=Splits(train=rows, calibration=rows[:0], validation=rows[:0], test=rows[:0]),
        encoders={}, fingerprint="noise",
    )  # fmt: skip


def resolved_of(text: str, place: Place) -> Resolved:
    return resolve(parse_strategy(text), place.dataset.inputs, place.dataset.target)


def plan_of(place: Place, steps: int, low: bool, family: str) -> TrainerConfig:
    return TrainerConfig(
        device=str(place.device), batch_size=place.batch, steps=steps, bf16=(family,) * low
    )


def network(resolved: Resolved, place: Place, seed: int = 0) -> Composite:
    """The composite as `build` gives it, with the statistics of the training rows."""
    model = build(resolved, seed)
    rows = place.rows.train
    model.fit_inputs({k: torch.from_numpy(v[rows]) for k, v in place.dataset.x.items()})
    return model


def loader_of(place: Place, processes: int) -> "DataLoader[tuple[Tensor, ...]]":
    rows = place.rows.train
    names = [spec.name for spec in place.dataset.inputs]
    tensors = [torch.from_numpy(place.dataset.x[name][rows]) for name in names]
    return DataLoader(
        TensorDataset(*tensors, torch.from_numpy(place.dataset.y[rows])), batch_size=place.batch,
        shuffle=True, drop_last=True, num_workers=processes, persistent_workers=processes > 0,
        pin_memory=place.device.type == "cuda",
    )  # fmt: skip


def for_ever(loader: "DataLoader[tuple[Tensor, ...]]") -> Iterator[tuple[Tensor, ...]]:
    while True:
        yield from loader


def plain(model: nn.Module, place: Place, steps: int, processes: int, warm: int) -> float:
    """Train as a user's own script would; samples a second, `warm` steps left out."""
    device = place.device
    names = [spec.name for spec in place.dataset.inputs]
    model = model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters())
    batches = for_ever(loader_of(place, processes))
    start = time.perf_counter()
    for step in range(warm + steps):
        if step == warm:
            _wait(device)
            start = time.perf_counter()
        *values, y = next(batches)
        inputs = {n: v.to(device) for n, v in zip(names, values, strict=True)}
        loss = loss_of(place.dataset.target, model(inputs), y.to(device))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    _wait(device)
    return steps * place.batch / (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ours(resolved: Resolved, place: Place, plan: TrainerConfig) -> float:
    """Train with our loop; samples a second."""
    done = train(resolved, place.data, place.rows, plan)
    return done.samples_seen / done.seconds


def arms_of(text: str, place: Place, steps: int) -> dict[str, Callable[[], float]]:
    """Every loop that is run on one strategy."""
    same, as_set = resolved_of(f"{text} | {SAME_WORK}", place), resolved_of(text, place)
    family = same.components
    single, half = (plan_of(place, steps, low, family) for low in (False, True))
    arms: dict[str, Callable[[], float]] = {
        "ours float32": lambda: ours(same, place, single),
        "ours bfloat16": lambda: ours(same, place, half),
        "as set float32": lambda: ours(as_set, place, single),
        "as set bfloat16": lambda: ours(as_set, place, half),
    }
    for n in LOADERS:
        arms[f"plain {n}"] = lambda n=n: plain(  # type: ignore[misc]
            network(same, place), place, steps, n, WARM_STEPS
        )
    if family == "cnn" and len(place.dataset.inputs[0].shape) == 3:
        model = network(same, place)
        check(model, Contiguous(model), _few(place))
        arms["NCHW 0"] = lambda: plain(Contiguous(model), place, steps, 0, WARM_STEPS)
    return arms


def _few(place: Place) -> dict[str, Tensor]:
    return {name: torch.from_numpy(values[:32]) for name, values in place.dataset.x.items()}


def speed(text: str, place: Place, args: argparse.Namespace) -> dict[str, Any]:
    """All loops on one strategy, and their ratios."""
    same = resolved_of(f"{text} | {SAME_WORK}", place)
    first = plan_of(place, 100, False, same.components)
    step = time_steps(same, place.data, place.rows, first, warmup=1, steps=3)
    steps = int(min(2000, max(2 if args.quick else 8, args.seconds / step)))
    found = interleave(arms_of(text, place, steps), args.repeats)
    middle = {name: spread(values) for name, values in found.items()}
    low = middle["ours bfloat16"].median > FASTER * middle["ours float32"].median
    precision = "bfloat16" if low else "float32"
    rival = max((f"plain {n}" for n in LOADERS), key=lambda name: middle[name].median)
    chosen = found[f"ours {precision}"]
    result: dict[str, Any] = {
        "strategy": text, "kind": place.dataset.inputs[0].kind, "steps": steps,
        "batch": place.batch, "precision": precision, "rival": rival, "samples_per_second": middle,
        "ratio": ratio(chosen, found[rival]),
        "ratio_plain_0": ratio(chosen, found["plain 0"]),
        "ratio_float32": ratio(found["ours float32"], found[rival]),
        "ratio_as_set": ratio(found[f"as set {precision}"], found[rival]),
    }  # fmt: skip
    if "NCHW 0" in found:
        result["ratio_nchw"] = ratio(chosen, found["NCHW 0"])
    return result


def accuracy(name: str, text: str, args: argparse.Namespace) -> dict[str, Any]:
    """Test accuracy of both loops after as many steps, and the ratio of their speeds there."""
    place = make_place(load_dataset(name, seed=args.seed), args.device)
    steps = 20 if args.quick else args.steps
    same, as_set = resolved_of(f"{text} | {SAME_WORK}", place), resolved_of(text, place)
    scores: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}

    def note(arm: str, model: nn.Module, rate: float) -> None:
        test = place.dataset.splits.test
        hit = outputs(model, place.data, test).argmax(1) == place.dataset.y[test]
        scores.setdefault(arm, []).append(float(hit.mean()))
        rates.setdefault(arm, []).append(rate)

    for seed in range(1 if args.quick else args.seeds):
        model = network(same, place, seed)
        torch.manual_seed(seed)
        note("plain", model, plain(model, place, steps, 0, 0))
        for arm, resolved, low in (
            ("float32", same, False), ("bfloat16", same, True), ("as set", as_set, False),
        ):  # fmt: skip
            plan = plan_of(place, steps, low, resolved.components)
            done = train(resolved, place.data, place.rows, plan, seed=seed)
            note(arm, done.model, done.samples_seen / done.seconds)
    return {
        "data": name, "strategy": text, "steps": steps, "n_test": len(place.dataset.splits.test),
        "accuracy": {arm: spread(values) for arm, values in scores.items()},
        "ratio": {arm: ratio(values, rates["plain"]) for arm, values in rates.items()},
    }  # fmt: skip


def cases(args: argparse.Namespace) -> list[tuple[str, str]]:
    """Kinds of input and strategies: the 2-D CNNs, and every other family on every kind."""
    found = [
        ("image", f"cnn[width={width}, depth=3, patch={patch}]")
        for patch in PATCHES
        for width in WIDTHS
    ]
    found += [
        (kind, f"{family}[width=32]")
        for kind in SPECS
        for family in FAMILIES
        if (kind, family) != ("image", "cnn") and not FAMILIES[family].reads
    ]
    chosen = [(kind, text) for kind, text in found if args.only in f"{kind} {text}"]
    return chosen[::5] if args.quick else chosen


def put_speed(found: list[dict[str, Any]]) -> None:
    heads = ("strategy", "precision", "ours/plain", "to plain 0", "to NCHW", "float32 alone",
             "as set", "ours samples/s")  # fmt: skip
    rows = []
    for each in found:
        rate = each["samples_per_second"][f"ours {each['precision']}"].median
        nchw = each["ratio_nchw"].text() if "ratio_nchw" in each else "-"
        rows.append((
            f"{each['kind']} {each['strategy']}", each["precision"], each["ratio"].text(),
            each["ratio_plain_0"].text(), nchw, each["ratio_float32"].text(),
            each["ratio_as_set"].text(), f"{rate:,.0f}",
        ))  # fmt: skip
    put("Samples a second, ours over plain (the faster of 0 and 2 loader processes):")
    put_table(heads, rows)
    cnn = [each for each in found if "ratio_nchw" in each]
    put_verdict("2-D CNN, to plain", cnn, "ratio", TARGET_CNN)
    put_verdict("2-D CNN, to NCHW", cnn, "ratio_nchw", TARGET_CNN)
    put_verdict("any family, to plain", found, "ratio", TARGET_ANY)
    put("")


def put_verdict(what: str, found: list[dict[str, Any]], key: str, target: float) -> None:
    if not found:
        return
    least = min(found, key=lambda each: float(each[key].median))
    under = [f"{each['kind']} {each['strategy']}" for each in found if each[key].median < target]
    put(
        f"target    {what}: at least {target}; the least is {least[key].median:.2f} "
        f"({least['kind']} {least['strategy']}); {len(under)} of {len(found)} below"
        + (f": {'; '.join(under)}" if under else "")
    )


def put_accuracy(found: list[dict[str, Any]]) -> None:
    arms = ("plain", "float32", "bfloat16", "as set")
    rows = [
        (f"{each['data']} {each['strategy']}", f"{each['steps']}",
         *(each["accuracy"][arm].text(4) for arm in arms),
         *(each["ratio"][arm].text() for arm in arms[1:]))
        for each in found
    ]  # fmt: skip
    put("At the same accuracy: test accuracy after as many steps, median (range) over seeds, and")
    put("samples a second over those of the plain loop (no loader processes) in those trainings:")
    heads = ("data, strategy", "steps", *arms, *(f"speed {arm}" for arm in arms[1:]))
    put_table(heads, rows)


def main() -> None:
    parser = make_parser(__doc__ or "")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seconds", type=float, default=0.5, help="of one repetition (0.5)")
    parser.add_argument("--only", default="", help='cases with this text, such as "image cnn"')
    parser.add_argument("--steps", type=int, default=600, help="of the accuracy part (600)")
    parser.add_argument("--seeds", type=int, default=5, help="of the accuracy part (5)")
    parser.add_argument("--no-accuracy", action="store_true", help="the speed part alone")
    args = parse(parser)
    args.seconds = 0.02 if args.quick else args.seconds
    where = machine(args.device)
    put_machine(where)
    speeds: list[dict[str, Any]] = []
    places = {kind: make_place(noise(spec, args.seed), args.device)
              for kind, spec in SPECS.items()}  # fmt: skip
    for kind, text in cases(args):
        speeds.append(speed(text, places[kind], args))
        put(f"{kind} {text}: {speeds[-1]['ratio'].text()}")
    put("")
    if speeds:
        put_speed(speeds)
    compared = () if args.no_accuracy else ACCURACY[::3] if args.quick else ACCURACY
    scores = [accuracy(name, text, args) for name, text in compared]
    if scores:
        put_accuracy(scores)
    save(args, "loop", where, {"speed": speeds, "accuracy": scores})


if __name__ == "__main__":
    main()
