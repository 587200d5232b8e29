"""Writes what the package knows of other data: the ends of trainings, by set.

    python results/benchmark/experience.py        # autosynth/study/experience.json

Of each set, what is known of it before any training (`sets.json`, which `make.py` writes), and of
each strategy its FLOPs and its error on validation rows at the length that the data ask for.
"""

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd

from autosynth.study.experience import FILE, Experience, experience_of

HERE = Path(__file__).parent
FACTS = HERE / "sets.json"


def ends(table: pd.DataFrame, schedule: str = "wsd") -> dict[str, dict[str, Any]]:
    """By set, its facts and by strategy FLOPs and error; those that came to an end."""
    facts = json.loads(FACTS.read_text())
    table = table[(table["seed"] == 0) & (table["length"] == 1) & (table["state"] == "complete")]
    table = table[(table["schedule"] == schedule) | (table["steps"] == 0)]
    return {
        str(name): {
            "facts": facts[str(name)],
            "strategies": {
                row["strategy"]: [int(max(row["flops"], 1)), round(float(row["val_error"]), 4)]
                for _, row in group.sort_values("strategy").iterrows()
            },
        }
        for name, group in table.groupby("set")
        if name in facts
    }


def without(found: dict[str, dict[str, Any]], left_out: str) -> Experience | None:
    """That of all sets but one; none where there is no other."""
    others = [each for name, each in found.items() if name != left_out]
    return experience_of(others) if others else None


def main() -> None:
    """Write the file."""
    found = ends(pd.read_parquet(HERE / "trainings.parquet"))
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(each)}" for name, each in found.items())
    FILE.write_text(f"{{\n{lines}\n}}\n")
    sys.stdout.write(f"written {FILE}: {sum(len(e['strategies']) for e in found.values())}\n")


if __name__ == "__main__":
    main()
