"""A leaderboard in, text out: for a terminal, a spreadsheet, a program or a page; and in words."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from autosynth.errors import RunError, lookup
from autosynth.leaderboard.outlook import outlook_of, outlook_sentence
from autosynth.leaderboard.rank import chosen
from autosynth.number import human, score_text, shorten, signed
from autosynth.record import Record


def render(
    frame: pd.DataFrame,
    fmt: str = "table",
    *,
    pareto_only: bool = False,
    sort: str | None = None,
    width: int | None = None,
) -> str:
    """The leaderboard as text that ends with a newline.

    Args:
        frame: from `build`.
        fmt: `table` or `markdown`, the columns a reader needs; `csv` or `json`, all of them.
        pareto_only: only the front.
        sort: a column; scores from the best, everything else from the least.
        width: characters a line of `table` may have; strategies and reasons are cut to fit. No
            limit if left out.

    Raises:
        UnknownNameError: no such format or column.
    """
    write = lookup(FORMATS, fmt, "format", "(--format)")
    if pareto_only:
        frame = frame[frame["pareto"] == 1]
    if sort is not None:
        lookup(dict.fromkeys(frame.columns), sort, "column", "(--sort)")
        descending = sort.startswith(("val_", "test_"))
        frame = frame.sort_values(
            sort, ascending=not descending, na_position="last", kind="stable"
        )
    return write(frame, width)


def _csv(frame: pd.DataFrame, width: int | None) -> str:
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _json(frame: pd.DataFrame, width: int | None) -> str:
    return str(frame.to_json(orient="records", indent=1, double_precision=15)) + "\n"


def _table(frame: pd.DataFrame, width: int | None) -> str:
    columns = _compact(frame)
    if width is not None and set(columns["state"]) <= {"complete"}:
        del columns["state"]  # it says nothing, and leaves room for the strategy
    if width is not None and width < _ROOM:
        del columns["epochs"]
    metric = next(name for name in columns if name.startswith("val_")).removeprefix("val_")
    short = {f"val_{metric}": "val", f"test_{metric}": "test", "latency_ms": "ms"}
    titles = [short.get(name, name) for name in columns]
    cells = list(zip(*columns.values(), strict=True))
    sizes = [max(map(len, [t, *c])) for t, c in zip(titles, columns.values(), strict=True)]
    if width is not None:
        for title, least in (("state", 12), ("strategy", 16)):
            if title not in titles:
                continue
            i = titles.index(title)
            excess = sum(sizes) + 2 * (len(sizes) - 1) - width
            sizes[i] = max(min(least, sizes[i]), sizes[i] - max(0, excess))
    lines = [_line(row, titles, sizes) for row in (tuple(titles), *cells)]
    lines.insert(1, "  ".join("-" * size for size in sizes))
    note = f"val, test: {metric}, higher is better; ms: latency; *: on the front"
    if any("≤" in flops for flops in columns["flops"]):
        note += "; ≤: where a row goes through all of a cascade"
    return "\n".join([*lines, "", note]) + "\n"


def _markdown(frame: pd.DataFrame, width: int | None) -> str:
    columns = _compact(frame, intervals=True)
    lines = [list(columns), ["---" if name in _TEXT else "---:" for name in columns]]
    for row in zip(*columns.values(), strict=True):
        cells = [cell.replace("|", "\\|") for cell in row]
        lines.append(
            [f"`{c}`" if name == "strategy" else c for name, c in zip(columns, cells, strict=True)]
        )
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


FORMATS: Mapping[str, Callable[[pd.DataFrame, int | None], str]] = {
    "table": _table,
    "csv": _csv,
    "json": _json,
    "markdown": _markdown,
}
_TEXT = ("strategy", "state")
# Characters a line, below which the strategy has no forty left beside the numbers: then it gets
# what the epochs would take.
_ROOM = 96


def _compact(frame: pd.DataFrame, *, intervals: bool = False) -> dict[str, list[str]]:
    """The columns a reader needs, as text by their titles; the front's ranks carry a star."""
    scores = [name for name in frame.columns if name.startswith(("val_", "test_"))]
    main = [name for name in scores if name.endswith(scores[0].removeprefix("val_"))][:2]
    rows: Sequence[Any] = frame.to_dict("records")
    beside = {
        f"{title} 95 %": [_interval(row, part) for row in rows]
        for part, title in (("repeats", "val"), ("test", "test"))
        if intervals and f"{part}_low" in frame and frame[f"{part}_low"].notna().any()
    }
    star = [" *" if row["pareto"] == 1 else "  " for row in rows]
    return {
        "rank": [f"{_whole(row['rank'])}{s}" for row, s in zip(rows, star, strict=True)],
        "strategy": [_strategy(row) for row in rows],
        **{name: [score_text(row[name]) for row in rows] for name in main},
        **beside,
        "flops": [_flops(row) for row in rows],
        "params": [human(row["params"]) for row in rows],
        "latency_ms": [score_text(row["latency_ms"], 2) for row in rows],
        "epochs": [score_text(row["epochs"] or None, 0) for row in rows],  # none without steps
        "trial": [_whole(row["trial"]) for row in rows],
        "state": [_outcome(row) for row in rows],
    }


def _interval(row: Mapping[str, Any], part: str) -> str:
    """The interval of the score on test, or over `repeats`, where there is one."""
    low, high = row[f"{part}_low"], row[f"{part}_high"]
    return "-" if pd.isna(low) else f"{score_text(low)} to {score_text(high)}"


def _flops(row: Mapping[str, Any]) -> str:
    """FLOPs as expected, and for a cascade those of a row that goes through all of it."""
    expected, worst = row["flops"], row["worst_flops"]
    if pd.isna(expected) or pd.isna(worst) or worst <= expected:
        return human(expected)
    return f"{human(expected)} ≤{human(worst)}"


def _strategy(row: Mapping[str, Any]) -> str:
    if row["topology"] == "baseline":
        return f"{row['strategy']} (baseline)"
    return " | ".join(filter(None, (row["strategy"], row["settings"])))


def _outcome(row: Mapping[str, Any]) -> str:
    state = str(row["state"]).replace("_", " ")
    return f"{state}: {' '.join(row['reason'].split())}" if row["reason"] else state


def _whole(number: Any) -> str:
    return "-" if pd.isna(number) else str(int(number))


def _line(row: Sequence[str], titles: Sequence[str], sizes: Sequence[int]) -> str:
    cells = []
    for cell, title, size in zip(row, titles, sizes, strict=True):
        shown = shorten(cell, size)
        cells.append(shown.ljust(size) if title in _TEXT else shown.rjust(size))
    return "  ".join(cells).rstrip()


def composing_sentence(composing: Mapping[str, Any] | None) -> str:
    """Whether composing paid, and how much was tried, from a run's `composing.json`, or None.

    Raises:
        RunError: what it holds is not what a run left.
    """
    try:
        known = (composing or {}).get("choice")
        return " ".join([_composing(composing), *(_chosen_among(known) if known else ())])
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"composing.json of the run is damaged ({error!r}); remove it to do without it"
        ) from error


def _composing(composing: Mapping[str, Any] | None) -> str:
    if not composing or composing.get("difference") is None:
        return (
            "Whether composing paid is not known: it takes a complete composite and a "
            "complete single component that costs no more."
        )
    if composing.get("withheld"):
        return f"Whether composing paid cannot be said of this run: {composing['withheld']}."
    baseline = composing.get("baseline")
    others = [composing, *([baseline] if baseline else [])]
    verdict = "Whether composing paid is open in this run"
    if all(each["low"] > 0 for each in others):
        verdict = "Composing paid in this run"
    elif any(each["high"] < 0 for each in others):
        verdict = "Composing did not pay in this run"
    dear, other = composing.get("at_any_cost"), ""
    if dear and dear["single"] != composing["single"]:
        other = f"; against the best one at any cost (trial {dear['single']}) {_shown(dear)}"
    beside = f"; against the baseline {baseline['name']} {_shown(baseline)}" if baseline else ""
    return (
        f"{verdict}: the best composite (trial {composing['composite']}) against the front of "
        f"single components (trial {composing['single']}) is "
        f"{_shown(composing, composing['metric'])} over {composing['n']:,} test rows of one "
        f"seed{other}{beside}."
    )


def _chosen_among(choice: Mapping[str, Any]) -> Iterator[str]:
    """How many fusions were scored, how far the best are from the front; and how hopeful it is."""
    rows, scored = choice["rows"], choice["means"] + choice["cascades"]
    if scored:
        every = "All" if choice["is_whole"] else "Not all, but"
        left = "none is better than the front at its cost"
        if choice["gain_left"] > 0:
            left = (
                "what was not made a trial is at most "
                f"{choice['gain_left']:.4f} better than the front at its cost"
            )
        yield (
            f"{every} {choice['means']:,} means of two or three of the {choice['parts']} parts "
            f"trained alone and {choice['cascades']:,} cascades of two were scored on {rows:,} "
            f"rows held back: {left}."
        )
    if choice["optimism"] is not None:
        yield (
            f"For having been chosen on these {rows:,} rows, the best score on them is about "
            f"{choice['optimism']:.4f} too high."
        )


def _shown(found: Mapping[str, Any], metric: str = "") -> str:
    low, high = signed(found["low"]), signed(found["high"])
    named = " ".join(filter(None, (signed(found["difference"]), metric)))
    return f"{named}, 95 % interval {low} to {high}"


def remarks(records: Iterable[Record], *, metric: str, cost: str = "flops") -> list[str]:
    """What a user should know of the chosen strategy: why it, and whether it may gain yet."""
    records = list(records)
    best = chosen(records, metric=metric, cost=cost)
    if best is None:
        return []
    gaining = (
        f"The best strategy (trial {best.trial}) may gain by a longer training: "
        f"{best.still_gaining}. Give the search more time with --budget."
    )
    found = outlook_of(records, metric=metric, cost=cost)
    return [
        *_luckier(best, records, metric),
        *([gaining] if best.still_gaining else []),
        *([outlook_sentence(found)] if found else []),
    ]


def _luckier(best: Record, records: Sequence[Record], metric: str) -> Iterator[str]:
    """That the highest score is another strategy's, where rows are few."""
    judged = [r for r in records if r.kind == "strategy" and r.expected is not None]
    highest = max(judged, key=lambda r: r.val[metric], default=best)
    if best.expected is not None and highest.val[metric] > best.val[metric]:
        yield (
            f"Trial {highest.trial} has the highest score ({highest.val[metric]:.4f}), but on so "
            f"few rows that is partly luck: beside strategies like it, {highest.expected:.4f} is "
            f"to be expected of it on new rows, and {best.expected:.4f} of trial {best.trial}."
        )
