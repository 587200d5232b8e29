"""The ledgers of the benchmark as tables of parquet: trainings, curves, outputs; and back."""

import base64
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from trainings import Training, read

TRAININGS, OUTPUTS = "trainings.parquet", "outputs.parquet"
KEY = ["set", "strategy", "schedule", "length", "seed"]
"""What tells a training from others."""


def packed_keys(out: Path, name: str) -> set[tuple[str, str, str, float, int]]:
    """What tells the trainings of a set from others, that stand in the table."""
    path = out / TRAININGS
    if not path.exists():
        return set()
    table = pd.read_parquet(path, columns=KEY, filters=[("set", "==", name)])
    return set(table.itertuples(index=False, name=None))


def pack(work: Path, out: Path) -> Iterator[Path]:
    """Write the tables that can be made of what is in `work`, and what they had before."""
    rows: dict[tuple[object, ...], dict[str, object]] = {}
    kept: dict[tuple[object, ...], dict[str, object]] = {}
    for path in sorted(work.glob("*.jsonl")):
        for training in read(path):
            rows[training.task.key] = _row(training)
            for part, text in training.outputs.items():
                key = training.task.set, training.task.strategy, part
                names = dict(zip(("set", "strategy", "part"), key, strict=True))
                kept[key] = {**names, "outputs": base64.b64decode(text)}
    for name, found, keys in (
        (TRAININGS, rows, KEY),
        (OUTPUTS, kept, ["set", "strategy", "part"]),
    ):
        table, path = pd.DataFrame(found.values()), out / name
        if path.exists():
            table = pd.concat([pd.read_parquet(path), table]).drop_duplicates(keys, keep="last")
        if len(table):
            table = table.sort_values(keys).reset_index(drop=True)
            table.to_parquet(path, compression="zstd", index=False)
            yield path


def _row(training: Training) -> dict[str, object]:
    """One line of the table of trainings."""
    task = training.task
    plain = {k: v for k, v in vars(training).items() if k not in ("task", "curve", "outputs")}
    return {
        "set": task.set,
        "strategy": task.strategy,
        "schedule": task.schedule,
        "length": task.length,
        "seed": task.seed,
        "place": np.nan if task.place is None else float(task.place),
        **plain,
        "rungs": [done for done, _ in training.curve],
        "rung_errors": [error for _, error in training.curve],
    }
