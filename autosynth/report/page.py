"""A run folder in, its leaderboard and picture out, made again from the records alone.

Writes `leaderboard.csv`, `leaderboard.md` and `front.png`. It needs `run.toml` and the records;
`composing.json` and `importance.json` add a sentence and a table where the run left them whole.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from autosynth.atomic import write_text_atomic
from autosynth.errors import RunError
from autosynth.leaderboard import build_leaderboard, composing_sentence, remarks, render
from autosynth.record import Record, read_all

PICTURE = "front.png"

# Of many choices most have a share of nothing.
_MOST_CHOICES = 12


def report(run_dir: Path) -> tuple[Path, Path, Path]:
    """Make `leaderboard.csv`, `leaderboard.md` and `front.png` of a run again; gives their paths.

    Args:
        run_dir: with `run.toml`, whose `[data] name`, `[search] metric` and `[search] cost` are
            read, and `trials/`.

    Raises:
        RunError: no such folder, no record in it, or a file that cannot be read or written.
    """
    run_dir = Path(run_dir)
    records = read_all(run_dir)
    if not records:
        raise RunError(f"{run_dir} holds no finished trial: nothing to report yet")
    metric, cost, title = _asked(run_dir)
    table, page_path, front_path = (
        run_dir / name for name in ("leaderboard.csv", "leaderboard.md", PICTURE)
    )
    write_text_atomic(table, render(build_leaderboard(records, metric=metric, cost=cost), "csv"))
    # Late: matplotlib is the one heavy library that no command needs before its end.
    front = import_module("autosynth.report.front")
    front.picture(records, front_path, metric=metric, cost=cost, title=title)
    text = page(
        records,
        metric=metric,
        cost=cost,
        title=title,
        composing=_composing(run_dir / "composing.json"),
        importance=_importance(run_dir / "importance.json"),
    )
    write_text_atomic(page_path, text)
    return table, page_path, front_path


def page(
    records: Iterable[Record],
    *,
    metric: str,
    cost: str = "flops",
    title: str,
    composing: Mapping[str, Any] | None = None,
    importance: Mapping[str, float] | None = None,
) -> str:
    """The text of `leaderboard.md`: whether composing paid, the picture, the front, all trials.

    Args:
        records: of one run.
        metric: what the ranking goes by.
        cost: a name in `leaderboard.COSTS`.
        title: the heading.
        composing: what `composing.json` holds.
        importance: how much each choice mattered, as shares of 1 by its name.
    """
    records = list(records)
    frame = build_leaderboard(records, metric=metric, cost=cost)
    parts = [
        f"# {title}",
        composing_sentence(composing),
        *remarks(records, metric=metric, cost=cost),
        f"![Score against cost, every trial a point, the front a step line]({PICTURE})",
        f"Scores are higher-is-better; `val_{metric}` ranks, `test_{metric}` is scored once, at "
        "the end, for the front and the front of single components. A star marks "
        f"the front of {metric} against {cost}.",
        "## The front",
        render(frame, "markdown", pareto_only=True).rstrip(),
        *_choices(importance),
        "## All trials",
        render(frame, "markdown").rstrip(),
    ]
    return "\n\n".join(parts) + "\n"


def _choices(importance: Mapping[str, float] | None) -> list[str]:
    if not importance:
        return []
    ordered = sorted(importance.items(), key=lambda pair: -pair[1])[:_MOST_CHOICES]
    lines = ["| choice | share |", "| --- | ---: |"]
    lines += [f"| `{name}` | {100 * share:.0f} % |" for name, share in ordered]
    return ["## Which choices mattered", "\n".join(lines)]


def _asked(run_dir: Path) -> tuple[str, str, str]:
    """Metric, cost and title, from `run.toml`."""
    path = run_dir / "run.toml"
    try:
        asked = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as problem:
        raise RunError(f"{path}: a run folder says there what was asked; {problem}") from problem
    missing = [
        f"[{table}] {key}"
        for table, key in (("data", "name"), ("search", "metric"), ("search", "cost"))
        if not isinstance(asked.get(table, {}).get(key), str)
    ]
    if missing:
        raise RunError(f"{path} lacks {', '.join(missing)}: it is no run.toml of AutoSynth")
    search, name = asked["search"], asked["data"]["name"]
    title = f"{name}: {search['metric'].replace('_', ' ')} against {search['cost']}"
    return search["metric"], search["cost"], title


def _composing(path: Path) -> dict[str, Any] | None:
    """What the run left; None where it is damaged, and the page says that it is not known."""
    held = _optional(path)
    try:
        composing_sentence(held)
    except RunError:
        return None
    return held


def _importance(path: Path) -> dict[str, float] | None:
    held = _optional(path) or {}
    able = all(isinstance(share, int | float) and 0 <= share <= 1 for share in held.values())
    return held if able else None


def _optional(path: Path) -> dict[str, Any] | None:
    """A JSON object that a page can do without; None where there is none that can be read."""
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return held if isinstance(held, dict) else None
