"""What a short training says of a long one: rank correlations by schedule, with intervals.

    python results/benchmark/schedules.py        # of results/benchmark/trainings.parquet

The end is a one-cycle training of the length that the data asks for; compared are errors on the
same validation rows, and, since both err alike on these, on test rows at the end.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr, wilcoxon

HERE = Path(__file__).parent
RESAMPLES = 2000


def correlation(short: np.ndarray, end: np.ndarray) -> tuple[float, float, float]:
    """Spearman's rank correlation, and its 95 % interval by a bootstrap over strategies."""
    rng, n = np.random.default_rng(0), len(short)
    found = []
    for _ in range(RESAMPLES):
        rows = rng.integers(n, size=n)
        found.append(spearmanr(short[rows], end[rows]).statistic)
    low, high = np.nanquantile(found, [0.025, 0.975])
    return float(spearmanr(short, end).statistic), float(low), float(high)


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """A row a set, schedule and length: how well its order is that of the end."""
    table = table[(table["state"] == "complete") & (table["seed"] == 0)]
    rows = []
    ended = table[
        (table["schedule"] == "onecycle") & (table["length"] == 1) & (table["steps"] > 0)
    ]
    for name, group in table.groupby("set", sort=False):
        # Of most strategies and sets there is no one-cycle training to compare with.
        own = set(ended.loc[ended["set"] == name, "strategy"])
        group = group[group["strategy"].isin(own)]
        if not own:
            continue
        wide = group.pivot_table(
            index="strategy", columns=["schedule", "length"], values="val_error"
        )
        tests = group.pivot_table(
            index="strategy", columns=["schedule", "length"], values="test_error"
        )
        if ("wsd", 1.0) not in wide:
            continue
        # Not every schedule was trained to its end by every strategy.
        wide = wide.dropna(axis="columns", thresh=len(wide) // 2).dropna()
        end = ("onecycle", 1.0)
        tests = tests.loc[wide.index]
        full = group.set_index(["strategy", "schedule", "length"])
        rungs = {
            text: dict(zip(row["rungs"], row["rung_errors"], strict=True))
            for text, row in full.xs(end, level=("schedule", "length")).iterrows()
        }
        for share in (0.1111, 0.3333):
            at = [rungs[text].get(share, np.nan) for text in wide.index]
            rows.append(_row(name, "rung of one-cycle", share, np.array(at), wide, tests))
        for schedule, length in wide.columns:
            if (schedule, length) != end:
                short = wide[schedule, length].to_numpy()
                rows.append(_row(name, schedule, length, short, wide, tests))
        rows.append(
            _row(name, "one-cycle, the end itself", 1.0, wide[end].to_numpy(), wide, tests)
        )
    return pd.DataFrame(rows)


def of_itself(table: pd.DataFrame, schedule: str, fewest: int = 20) -> pd.DataFrame:
    """A row a set and length: its order and that of the same schedule's full trainings."""
    table = table[(table["state"] == "complete") & (table["seed"] == 0) & (table["steps"] > 0)]
    rows = []
    for name, group in table[table["schedule"] == schedule].groupby("set"):
        wide = group.pivot_table(index="strategy", columns="length", values="val_error")
        test = group[group["length"] == 1].set_index("strategy")["test_error"]
        for length in (each for each in wide.columns if each < 1):
            both = wide[[length, 1.0]].dropna()
            if len(both) < fewest:
                continue
            short = both[length].to_numpy()
            val = correlation(short, both[1.0].to_numpy())
            held = correlation(short, test.loc[both.index].to_numpy())
            rows.append(
                {
                    "set": name,
                    "length": length,
                    "n": len(both),
                    "validation": "{:.2f} [{:.2f}, {:.2f}]".format(*val),
                    "test": "{:.2f} [{:.2f}, {:.2f}]".format(*held),
                }
            )
    return pd.DataFrame(rows)


def against(table: pd.DataFrame, one: str, other: str) -> pd.DataFrame:
    """A row a set: how the test errors of one schedule, at full length, compare with another's."""
    table = table[(table["state"] == "complete") & (table["seed"] == 0) & (table["length"] == 1)]
    wide = table.pivot_table(
        index=["set", "strategy"], columns="schedule", values="test_error", sort=False
    )
    rows = []
    for name, group in wide[[one, other]].dropna().groupby("set", sort=False):
        gains = group[one] - group[other]
        rows.append(
            {
                "set": name,
                "n": len(gains),
                f"{one} better": int((gains < 0).sum()),
                "mean difference": round(float(gains.mean()), 4),
                "p (Wilcoxon)": f"{wilcoxon(gains).pvalue:.1g}",
            }
        )
    return pd.DataFrame(rows)


def _row(
    name: object,
    schedule: str,
    length: float,
    short: np.ndarray,
    wide: pd.DataFrame,
    tests: pd.DataFrame,
) -> dict[str, object]:
    end = ("onecycle", 1.0)
    known = np.isfinite(short)
    val = correlation(short[known], wide[end].to_numpy()[known])
    test = correlation(short[known], tests[end].to_numpy()[known])
    own = (schedule, length)
    return {
        "set": name,
        "schedule": schedule,
        "length": length,
        "n": int(known.sum()),
        "validation": "{:.2f} [{:.2f}, {:.2f}]".format(*val),
        "test": "{:.2f} [{:.2f}, {:.2f}]".format(*test),
        "best test error": round(float(tests[own].min()), 4) if own in tests else None,
        "median test error": round(float(tests[own].median()), 4) if own in tests else None,
    }


def main() -> None:
    """Print the tables as Markdown."""
    table = pd.read_parquet(HERE / "trainings.parquet")
    tables = compared(table), of_itself(table, "wsd"), against(table, "wsd", "onecycle")
    for found in tables:
        lines = [list(found.columns), ["---"] * len(found.columns), *found.to_numpy().tolist()]
        sys.stdout.writelines(f"| {' | '.join(map(str, line))} |\n" for line in lines)
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
