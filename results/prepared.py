"""Sets that are written anew from others, since a run reads a folder: spoken digits, leaves.

    python results/prepared.py fsdd_table fsdd_without_theo leaf_fold1 --data ../data

Each is a folder of `train.csv` and `test.csv` below the folder of the sets, or another by `--out`.
Recordings and pictures are not copied: tables name them where they are, or a link does.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd
from sklearn.model_selection import StratifiedKFold

FOLDS = 5
AIRLINE_DROPPED = (
    "negativereason",
    "negativereason_confidence",
    "airline_sentiment_gold",
    "negativereason_gold",
)
"""Columns of the tweets about airlines that are known only once a tweet was judged."""
PREPARED = ("fsdd_table", "fsdd_without_theo", *(f"leaf_fold{i}" for i in range(1, FOLDS + 1)))
"""Spoken digits by official split, and by speaker; leaves with a third of their columns."""


def prepared(name: str, data: Path, out: Path) -> Path:
    """Write one of them below `out`, from the sets in `data`; gives its folder.

    Raises:
        KeyError: there is no such set.
    """
    if name not in PREPARED:
        raise KeyError(name)
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    if name.startswith("leaf"):
        train, test = _leaf(data, folder, int(name.removeprefix("leaf_fold")))
    else:
        train, test = _fsdd(data, theo_apart=name == "fsdd_without_theo")
    train.to_csv(folder / "train.csv", index=False)
    test.to_csv(folder / "test.csv", index=False)
    return folder


def _fsdd(data: Path, *, theo_apart: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Files `digit_speaker_index.wav`; test are the indices 0 to 4, or all of one speaker."""
    files = sorted((data / "fsdd").resolve().glob("*.wav"))
    parts = [file.stem.split("_") for file in files]
    table = pd.DataFrame(
        {
            "file": [str(file) for file in files],
            "digit": [f"digit{digit}" for digit, _, _ in parts],
            "speaker": [speaker for _, speaker, _ in parts],
        }
    )
    index = pd.Series([int(index) for _, _, index in parts])
    held = table["speaker"] == "theo" if theo_apart else index < 5
    return table[~held], table[held]


def _leaf(data: Path, folder: Path, fold: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The margins and the picture of each: with all columns a picture has nothing to say."""
    table = pd.read_csv(data / "leaf" / "train.csv")
    kept = ["id", "species", *(name for name in table if str(name).startswith("margin"))]
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    train, test = list(folds.split(table, table["species"]))[fold - 1]
    images = folder / "images"
    if not images.exists():
        images.symlink_to((data / "leaf" / "images").resolve())
    return table[kept].iloc[train], table[kept].iloc[test]


def main() -> None:
    """Write the sets asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=PREPARED)
    parser.add_argument("--data", type=Path, default=Path("data"), help="the folder of the sets")
    parser.add_argument("--out", type=Path, help="where to write (the folder of the sets)")
    args = parser.parse_args()
    for name in args.names:
        sys.stdout.write(f"{prepared(name, args.data, args.out or args.data)}\n")


if __name__ == "__main__":
    main()
