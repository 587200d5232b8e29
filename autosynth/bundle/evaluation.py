"""What an evaluation found: scores with intervals, where the errors are, and what was left out."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from autosynth.task.target import LeftOut
from autosynth.task.task import Detail


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A model on labelled data.

    `scores` has a row a metric, each higher is better: `score`, and `low` and `high` of its 95 %
    bootstrap interval over rows. `details` are one for each target. `rows` were scored, `left_out`
    says which were not.

    `robustness`, of `robust_rows` of them, has a row for each corruption and severity: `input`,
    `corruption`, `severity` (0 is clean, without an input), `amount` in the unit of the
    corruption, every metric, and `left`, the share of the clean score in `metric`; of a loss, the
    clean loss over the loss.
    """

    source: str
    metric: str
    rows: int
    scores: pd.DataFrame
    details: tuple[Detail, ...]
    left_out: tuple[LeftOut, ...] = ()
    warnings: tuple[str, ...] = ()
    robustness: pd.DataFrame | None = None
    robust_rows: int = 0

    def tidy(self) -> pd.DataFrame:
        """All scores as one table: a row for each metric, clean and under each corruption."""
        clean = self.scores.rename_axis("metric").reset_index()
        clean = clean.assign(input="", corruption="", severity=0, left=1.0)
        names = ["input", "corruption", "severity", "metric", "score", "low", "high", "left"]
        if self.robustness is None:
            return clean[names[:-1]]
        keys = ["input", "corruption", "severity", "left"]
        damaged = self.robustness[self.robustness["severity"] > 0]
        values = list(self.scores.index)
        long = damaged.melt(keys, values, var_name="metric", value_name="score")
        long["left"] = long["left"].where(long["metric"] == self.metric)
        clean["left"] = clean["left"].where(clean["metric"] == self.metric)
        return pd.concat([clean[names], long.reindex(columns=names)], ignore_index=True)

    def to_plain(self) -> dict[str, Any]:
        """Everything as JSON-able data."""
        robust = None if self.robustness is None else _records(self.robustness)
        return {
            "source": self.source,
            "metric": self.metric,
            "rows": self.rows,
            "scores": {name: _plain(row) for name, row in self.scores.iterrows()},
            "targets": [_detail(detail) for detail in self.details],
            "left_out": [{"reason": each.reason, "rows": each.rows} for each in self.left_out],
            "warnings": list(self.warnings),
            "robust_rows": self.robust_rows,
            "robustness": robust,
        }


def _detail(detail: Detail) -> dict[str, Any]:
    found: dict[str, Any] = {"name": detail.target.name, "task": detail.target.task}
    for name, frame in detail.frames.items():
        if name == "confusion":
            classes = [str(title) for title in frame.columns]
            found[name] = {"classes": classes, "rows": frame.to_numpy().tolist()}
        else:
            found[name] = _records(frame.rename_axis("name").reset_index())
    return found


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain(row) for _, row in frame.iterrows()]


def _plain(row: "pd.Series[Any]") -> dict[str, Any]:
    found = {str(name): getattr(value, "item", lambda v=value: v)() for name, value in row.items()}
    return {name: None if pd.isna(value) else value for name, value in found.items()}
