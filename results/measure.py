"""Runs rows of the table of reference runs, and appends what each gave to `measured.jsonl`.

    python results/measure.py trec adult --data ../data             # seed 0
    python results/measure.py trec --data ../data --seeds 0 1 2
    python results/measure.py                                       # the rows there are

A row is a whole search, in a folder that is removed after it. Kept are the test score of what is
exported, that of the best single component that was scored, and of the best within a third of the
FLOPs of a network written by hand, where there is one to compare with; whether composing paid;
FLOPs, seconds, trials and the commit: rows may come from several days. Measure on a quiet machine,
one row after another.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from prepared import AIRLINE_DROPPED, PREPARED, prepared

HERE = Path(__file__).parent
OUT = HERE / "measured.jsonl"
ROWS: dict[str, tuple[str, ...]] = {
    "digits": ("digits", "--budget", "2m"),
    "trec": ("trec", "--budget", "5m"),
    "sst2": ("sst2", "--budget", "5m"),
    "airline_tweets": (
        *("airline_tweets/Tweets.csv", "--target", "airline_sentiment", "--budget", "5m"),
        *(word for name in AIRLINE_DROPPED for word in ("--drop", name)),
    ),
    "adult": ("adult", "--target", "column15", "--metric", "roc_auc", "--budget", "5m"),
    "credit_taiwan": (
        *("credit_taiwan/UCI_Credit_Card.csv", "--target", "Default"),
        *("--metric", "roc_auc", "--budget", "5m"),
    ),
    "credit_german": (
        *("credit_german/german.data", "--target", "column21"),
        *("--metric", "roc_auc", "--budget", "5m"),
    ),
    "diamonds": ("diamonds/diamonds.csv", "--target", "price", "--budget", "3m"),
    "mnist1d": ("mnist1d/mnist1d.npz", "--budget", "5m"),
    "CricketX": ("ucr/CricketX", "--budget", "5m"),
    "SwedishLeaf": ("ucr/SwedishLeaf", "--budget", "5m"),
    "MedicalImages": ("ucr/MedicalImages", "--budget", "5m"),
    "ECG200": ("ucr/ECG200", "--budget", "5m"),
    "BasicMotions": ("uea/BasicMotions", "--budget", "5m"),
    "JapaneseVowels": ("uea/JapaneseVowels", "--budget", "5m"),
    "pneumonia_mnist": (
        *("pneumonia_mnist/pneumoniamnist.npz", "--metric", "roc_auc", "--budget", "5m"),
    ),
    "fashion_mnist": ("fashion_mnist", "--budget", "10m"),
    "mnist": ("mnist", "--budget", "10m"),
    "fsdd": ("fsdd_table", "--target", "digit", "--drop", "speaker", "--budget", "5m"),
    "fsdd_without_theo": (
        *("fsdd_without_theo", "--target", "digit", "--group", "speaker", "--budget", "5m"),
    ),
    **{
        f"leaf_fold{fold}": (f"leaf_fold{fold}", "--target", "species", "--budget", "10m")
        for fold in range(1, 6)
    },
    "GunPoint": ("ucr/GunPoint", "--budget", "5m"),
    "ItalyPowerDemand": ("ucr/ItalyPowerDemand", "--budget", "5m"),
    "adult_two_targets": (
        *("adult", "--target", "column15", "--target", "column13", "--budget", "5m"),
    ),
    "sst2_pretrained": ("sst2", "--space", "pretrained", "--budget", "5m"),
    "ETTh1": (
        *("ett/ETTh1.csv", "--task", "forecasting", "--target", "OT", "--horizon", "24"),
        *("--budget", "5m"),
    ),
    "ml100k": (
        *("ml100k/u.data", "--task", "ranking", "--user", "column1", "--target", "column2"),
        *("--time", "column4", "--drop", "column3", "--budget", "5m"),
    ),
}
"""What follows `autosynth search`: the data, below the folder of them, and options."""
REFERENCE = ("run.toml", "leaderboard.csv", "leaderboard.md", "front.png", "bundle/card.md")
"""The files of a run that are kept as a reference."""
HAND_WRITTEN = {
    "mnist1d": 5_918_720,
    "CricketX": 151_685_632,
    "pneumonia_mnist": 13_296_896,
    "fashion_mnist": 13_297_920,
}
"""FLOPs of a network written by hand, whose sizes and settings Optuna tuned in five minutes."""


def measured(row: str, data: Path, seed: int, keep: Path | None) -> dict[str, Any]:
    """Run a row; gives what it gave. What a reference run consists of is copied to `keep`."""
    name, *options = ROWS[row]
    with tempfile.TemporaryDirectory(prefix="autosynth-measure-") as folder:
        source = name if name == "digits" else str(data / name)
        if name in PREPARED:
            source = str(prepared(name, data, Path(folder)))
        run, start = Path(folder) / "run", time.monotonic()
        command = [sys.executable, "-m", "autosynth", "search", source, *options]
        command += ["--seed", str(seed), "--out", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.monotonic() - start
        card = json.loads((run / "bundle/model.json").read_text())
        records = [json.loads(p.read_text()) for p in run.glob("trials/*/record.json")]
        composing = json.loads((run / "composing.json").read_text())
        for name in REFERENCE if keep else ():
            assert keep is not None
            keep.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(run / name, keep / Path(name).name)
        if keep:  # what was written anew stood in a folder that is gone
            asked = keep / "run.toml"
            asked.write_text(asked.read_text().replace(folder, str(data)))
    metric = card["card"]["metric"]
    third = HAND_WRITTEN.get(row, 0) / 3
    within = _within(records, metric, third)
    if card["flops"] <= third:  # what is exported was trained on more rows
        within = round(card["card"]["test"][metric], 5)
    singles = [
        each["test"][metric]
        for each in records
        if each.get("topology") == "single" and each.get("test", {}).get(metric) is not None
    ]
    return {
        "row": row,
        "seed": seed,
        "metric": metric,
        "exported": round(card["card"]["test"][metric], 5),
        "search": round(card["card"]["search_test"][metric], 5),
        "best_single_scored": round(max(singles), 5) if singles else None,
        "within_a_third": within,
        "composing": {k: composing.get(k) for k in ("difference", "low", "high", "withheld")},
        "optimism": (composing.get("choice") or {}).get("optimism"),
        "flops": card["flops"],
        "strategy": card["short_form"],
        "trials": sum(each.get("state") == "complete" for each in records),
        "seconds": round(seconds, 1),
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "day": time.strftime("%Y-%m-%d"),
    }


def _within(records: list[dict[str, Any]], metric: str, flops: float) -> float | None:
    """The test score of the best on validation of those scored on test within so many FLOPs."""
    able = [
        (each["val"][metric], each["test"][metric])
        for each in records
        if each.get("test", {}).get(metric) is not None and (each.get("flops") or 0) <= flops
    ]
    return round(max(able)[1], 5) if able and flops else None


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main() -> None:
    """Run the rows asked for, one after another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", help="names of rows; without one they are listed")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the sets")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--keep", action="store_true", help="seed 0 is a reference run from now")
    args = parser.parse_args()
    for unknown in [row for row in args.rows if row not in ROWS]:
        parser.error(f"there is no row {unknown!r}; the rows are {', '.join(ROWS)}")
    if not args.rows:
        sys.stdout.write("\n".join(ROWS) + "\n")
    for row in args.rows:
        for seed in args.seeds:
            keep = HERE / "reference" / row.lower() if args.keep and seed == 0 else None
            found = measured(row, args.data, seed, keep)
            with OUT.open("a") as file:
                file.write(json.dumps(found) + "\n")
            sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
