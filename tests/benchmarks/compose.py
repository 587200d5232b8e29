"""What it takes to try one more composite of parts that stand trained, and how often it lies.

Why: thousands are tried by arithmetic on kept outputs, so that one has to be nearly free; and of
thousands the best looks better than it is, so that "composing paid" has to be said by rows that no
choice has seen.

How: `python tests/benchmarks/compose.py [--parts 24] [--runs 400] [--out FILE]`

- time: the composer takes in parts one by one, with made outputs on validation and calibration
  rows; the seconds of all that it tries, over their number, for several sizes and metrics.
- claims: labels are drawn from what one part says, which is the cheapest: nothing can be better
  than that part alone. A run chooses on 1,000 validation rows among all single parts and all that
  the composer would try of them, and compares the best composite with the best single part on
  1,000 test rows, as a search does. Every interval above zero is a false claim; at most one in
  twenty is asked, and a 95 % interval has one in forty above.
"""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _common import machine, make_parser, parse, put_machine, put_table, save
from torch import Tensor

from autosynth.composite import resolve
from autosynth.plugin import TASKS
from autosynth.record import Record
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.study.composer import Composer
from autosynth.study.context import RunContext, trivial_score
from autosynth.study.params import complete_strategy
from autosynth.study.probe import fixed_plan
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space
from autosynth.task.score import paired_interval, resamples
from autosynth.training.devicedataset import to_device
from autosynth.training.output import finished_rows

CALIBRATION_ROWS = 500


def context_of(y: np.ndarray, classes: int, rows: int, metric: str, folder: Path) -> RunContext:
    """A run on a table without meaning: `rows` of each, to validate and to test."""
    n = len(y)
    train = np.arange(n - CALIBRATION_ROWS - 2 * rows)
    calibration, validation, test = np.split(
        np.arange(len(train), n), [CALIBRATION_ROWS, CALIBRATION_ROWS + rows]
    )
    spec = InputSpec(name="x", kind="table", shape=(2,), cardinalities=(0, 0))
    dataset = Dataset(
        name="made",
        source="made",
        inputs=(spec,),
        target=TargetSpec(
            name="y", task="classification", classes=tuple(map(str, range(classes)))
        ),
        x={"x": np.zeros((n, 2), np.float32)},
        y=y,
        splits=Splits(train=train, calibration=calibration, validation=validation, test=test),
        encoders={},
        fingerprint="0",
        independent=False,
    )
    score = TASKS["classification"].metrics[metric]
    return RunContext(
        dataset=dataset,
        device_dataset=to_device(dataset, torch.device("cpu"), train),
        space=restrict(load_space("table"), [spec], "classification"),
        trainer_config=fixed_plan("cpu", len(train), 1),
        metric=score,
        trivial_score=trivial_score(dataset, score),
        folder=folder,
        seed=0,
    )


def take(composer: Composer, outputs: list[Tensor], splits: Splits) -> list[Record]:
    """Have a composer take in parts with these outputs, the cheapest first; their records."""
    context = composer.context
    data, space = context.dataset, context.space
    written = [each for steps in space.ladder.values() for each in steps]
    records = []
    for number, out in enumerate(outputs):
        strategy = complete_strategy(written[number % len(written)], space)
        canonical = resolve(strategy, data.inputs, data.target).canonical
        held = out[torch.from_numpy(splits.validation)]
        record = Record(
            trial=number,
            seed=0,
            strategy=canonical,
            canonical=canonical,
            state="complete",
            topology="single",
            val={context.metric.name: scored(context, held, splits.validation)},
            flops=1_000 * (number + 1),
            standard_error=0.01,
        )
        rows = torch.from_numpy(splits.calibration)
        composer.put(record, {"validation": held, "calibration": out[rows]})
        records.append(record)
    return records


def scored(context: RunContext, out: Tensor, rows: np.ndarray) -> float:
    """The score of raw outputs for some rows."""
    found = finished_rows(out, context.device_dataset, rows).numpy()
    return float(context.metric.score(context.dataset.y[rows], found))


def seconds_each(parts: int, rows: int, classes: int, metric: str) -> tuple[float, int]:
    """Seconds of one composite that is tried, and how many are."""
    rng = np.random.default_rng(0)
    n = 200 + CALIBRATION_ROWS + 2 * rows
    y = rng.integers(0, classes, n)
    with TemporaryDirectory() as folder:
        context = context_of(y, classes, rows, metric, Path(folder))
        outputs = [
            torch.from_numpy(rng.normal(size=(n, classes)).astype(np.float32))
            for _ in range(parts)
        ]
        composer = Composer(context=context)
        take(composer, outputs, context.dataset.splits)
        begin = time.perf_counter()
        tried = sum(1 for at in range(parts) for _ in composer.with_part(at))
        return (time.perf_counter() - begin) / tried, tried


def is_false_claim(seed: int, classes: int = 3, rows: int = 1_000, parts: int = 8) -> bool:
    """Whether a run says that composing paid, where the cheapest part knows all there is."""
    rng = np.random.default_rng(seed)
    n = 200 + CALIBRATION_ROWS + 2 * rows
    knows = rng.normal(scale=1.5, size=(n, classes))
    chance = np.exp(knows) / np.exp(knows).sum(1, keepdims=True)
    y = (rng.random((n, 1)) > chance.cumsum(1)[:, :-1]).sum(1)
    others = [
        knows * rng.uniform(0.5, 1.5) + rng.normal(scale=rng.uniform(0.2, 1.5), size=knows.shape)
        for _ in range(parts - 1)
    ]
    outputs = [torch.from_numpy(each.astype(np.float32)) for each in (knows, *others)]
    with TemporaryDirectory() as folder:
        context = context_of(y, classes, rows, "accuracy", Path(folder))
        splits = context.dataset.splits
        composer = Composer(context=context)
        records = take(composer, outputs, splits)
        tried = [each for at in range(parts) for each in composer.with_part(at)]
        best = max(tried, key=lambda each: each.score)
        single = max(records, key=lambda each: each.val["accuracy"])
        test = torch.from_numpy(splits.test)
        held = [composer.joined(best, [outputs[at][test] for at in best.members])]
        held.append(outputs[single.trial][test])
        data = context.device_dataset
        ours, theirs = (finished_rows(out, data, splits.test).numpy() for out in held)
        y_test = context.dataset.y[splits.test]
        low, _ = paired_interval(
            context.metric, y_test, ours, theirs, n=resamples(len(y_test)), seed=seed
        )
        return low > 0


def main() -> None:
    """Measure both, and print a table."""
    made = make_parser(__doc__)
    made.add_argument("--parts", type=int, default=24)
    made.add_argument("--runs", type=int, default=400)
    args = parse(made)
    found = machine("cpu")
    put_machine(found)
    rows = []
    for n, classes, metric in (
        (500, 6, "accuracy"),
        (1_000, 10, "accuracy"),
        (5_000, 2, "accuracy"),
        (5_000, 2, "roc_auc"),
    ):
        seconds, tried = seconds_each(args.parts, n, classes, metric)
        text = f"{n:,} rows, {classes} classes, {metric}: {tried:,} composites of {args.parts}"
        rows.append((text, f"{1e3 * seconds:.2f} ms each"))
    false = sum(is_false_claim(seed) for seed in range(args.runs))
    rows.append((f"false claims in {args.runs} runs", f"{false} ({false / args.runs:.1%})"))
    put_table(("what", "measured"), rows)
    save(args, "compose", found, {"rows": rows})


if __name__ == "__main__":
    main()
