"""A run's records in, one picture out: score against log cost, with the front as a step line.

Single components, composites and the baseline differ in colour and in marker. The front's members,
and the strategy that was chosen, carry their rank on the board, which a key under the plot spells
out: their strategies are too long for the plot.
The score axis shows the range where the trials differ; what lies below it sits on its lower edge.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from autosynth.atomic import atomic_path
from autosynth.leaderboard import COSTS, chosen, front, group_of, ranks
from autosynth.number import brief, human, score_text, shorten
from autosynth.record import Record

_WIDTH = 1200  # px
_PLOT = 640  # px; the key adds a line a member
_LINE = 22
_HEAD = 92
_FOOT = 64
# Members of the front that the key spells out: a line each, and the picture stays a page.
_MOST = 16

_INK, _GREY = "#222222", "#6b6b6b"
# Okabe and Ito's colours, told apart with any colour vision, and in grey by their markers.
_STYLES = {
    "single": ("#0072B2", "o", "single component"),
    "composite": ("#D55E00", "D", "composite"),
    "baseline": ("#4d4d4d", "s", "baseline"),
}


@dataclass(frozen=True)
class _Point:
    x: float
    y: float
    group: str
    complete: bool
    trial: int


def picture(
    records: Iterable[Record], path: Path, *, metric: str, cost: str = "flops", title: str
) -> None:
    """Draw a run's front as a PNG at `path`, in one step.

    Args:
        records: of one run.
        path: the file to write or replace.
        metric: its validation scores are drawn.
        cost: a name in `leaderboard.COSTS`.
        title: what stands above the plot; the name of the data, for one.

    Raises:
        RunError: the folder cannot be written.
    """
    records = list(records)
    members = front(records, metric=metric, cost=cost)
    shown = members[-_MOST:]  # the better ones, should there be more
    rank = ranks(records, metric=metric, cost=cost)
    best = chosen(records, metric=metric, cost=cost)
    if best is not None and best.trial in rank and best not in shown:
        shown = sorted([*shown, best], key=lambda r: (getattr(r, cost), r.trial))
    height = _PLOT + _FOOT + _LINE * (len(shown) + 1 if shown else 0)
    figure = Figure(figsize=(_WIDTH / 100, height / 100), dpi=100, facecolor="white")
    FigureCanvasAgg(figure)
    bottom = height - _PLOT
    axes = figure.add_axes((0.075, bottom / height, 0.9, (_PLOT - _HEAD) / height))
    points = _points(records, metric, cost)
    lines = _lines(records, metric, cost)
    low, high = _range([p.y for p in points if p.complete], [y for _, y in lines])
    _dress(axes, metric, cost, low, high)
    if not points:
        axes.text(0.5, 0.5, "no trial has a score", transform=axes.transAxes, ha="center")
    _limit_x(axes, points)
    _draw_lines(axes, lines, low)
    _draw_step(axes, members, metric, cost)
    _draw_points(axes, points, {r.trial for r in members}, low)
    _number(axes, {rank[r.trial]: _at(r, metric, cost, low) for r in shown}, points)
    figure.text(0.075, 1 - 30 / height, title, fontsize=15, fontweight="bold", color=_INK)
    _legend(figure, points, low, height)
    _key(figure, {rank[r.trial]: r for r in shown}, metric, cost, height)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


# ---- what is drawn ---------------------------------------------------------------------------


def _points(records: Sequence[Record], metric: str, cost: str) -> list[_Point]:
    """The trials that have a cost and a score, the last one known where they were pruned."""
    points = []
    for record in records:
        charge, score = getattr(record, cost), _last_score(record, metric)
        if charge and score is not None:
            complete = record.state == "complete"
            points.append(_Point(charge, score, group_of(record), complete, record.trial))
    return points


def _last_score(record: Record, metric: str) -> float | None:
    score = record.val.get(metric)
    if score is None and record.curve and not metric.startswith("neg_"):
        score = 1.0 - record.curve[-1][1]  # other metrics state their error as a share
    return score if score is not None and np.isfinite(score) else None


def _lines(records: Sequence[Record], metric: str, cost: str) -> list[tuple[str, float]]:
    """Baselines that have no place on a log axis of cost: they are drawn as horizontal lines."""
    found = [
        (record.strategy, record.val[metric])
        for record in records
        if group_of(record) == "baseline"
        and record.state == "complete"
        and metric in record.val
        and not getattr(record, cost)
    ]
    return sorted(found, key=lambda line: -line[1])


def _range(scores: Sequence[float], lines: Sequence[float]) -> tuple[float, float]:
    """From a little below most complete trials to a little above the best."""
    if not scores:
        return 0.0, 1.0
    ordered = np.sort(scores)
    high = float(max(ordered[-1], *lines[:1])) if lines else float(ordered[-1])
    # Half of the trials set the scale; one bad trial must not squash the others.
    spread = high - float(np.quantile(ordered, 0.5))
    low = max(float(ordered[0]), high - max(4 * spread, 1e-6 + 0.002 * abs(high)))
    room = max(high - low, 0.002 * abs(high), 1e-6)
    return low - 0.08 * room, high + 0.1 * room


def _at(record: Record, metric: str, cost: str, low: float) -> tuple[float, float]:
    return float(getattr(record, cost)), max(record.val[metric], low)


# ---- drawing ---------------------------------------------------------------------------------


def _dress(axes: Any, metric: str, cost: str, low: float, high: float) -> None:
    axes.set_xscale("log")
    axes.set_ylim(low, high)
    axes.set_xlabel(f"{COSTS[cost]} (log scale)", fontsize=11, color=_INK)
    axes.set_ylabel(f"validation {metric.replace('_', ' ')}", fontsize=11, color=_INK)
    axes.grid(True, which="major", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#9a9a9a")
    axes.tick_params(colors=_INK, labelsize=10, length=4)


def _limit_x(axes: Any, points: Sequence[_Point]) -> None:
    if points:
        least, most = min(p.x for p in points), max(p.x for p in points)
        room = max((most / least) ** 0.05, 1.15)
        axes.set_xlim(least / room, most * room)
        decades = np.log10(most / least)
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1.0,) if decades > 4 else (1.0, 3.0) if decades > 2 else (1, 2, 5))
        )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: _charge(x, brief)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _charge(cost: float, count: Callable[[float], str]) -> str:
    """A cost: milliseconds may be few, and counts are in the given form."""
    return count(cost) if cost >= 10 else f"{cost:.3g}"


def _draw_lines(axes: Any, lines: Sequence[tuple[str, float]], low: float) -> None:
    for i, (name, score) in enumerate(line for line in lines if line[1] >= low):
        axes.axhline(score, color=_STYLES["baseline"][0], linewidth=1.1, linestyle=(0, (6, 4)))
        axes.annotate(
            f"{name} {score_text(score)}",
            (0.008 + 0.15 * (i % 3), score),
            (0, 4),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            fontsize=9.5,
            color=_STYLES["baseline"][0],
            va="bottom",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )


def _draw_step(axes: Any, members: Sequence[Record], metric: str, cost: str) -> None:
    places = [(getattr(r, cost), r.val[metric]) for r in members if getattr(r, cost)]
    if places:
        xs, ys = zip(*places, strict=True)
        right = axes.get_xlim()[1]
        axes.step(
            [*xs, right],
            [*ys, ys[-1]],
            where="post",
            color=_INK,
            linewidth=1.4,
            alpha=0.75,
            zorder=2,
        )


def _draw_points(axes: Any, points: Sequence[_Point], on_front: set[int], low: float) -> None:
    """All points, those that look alike at once: one by one ten thousand take a quarter minute."""
    alike: dict[tuple[str, bool, bool, bool], list[_Point]] = {}
    for point in points:
        look = point.group, point.complete, point.trial in on_front, point.y < low
        alike.setdefault(look, []).append(point)
    for (group, complete, member, below), those in alike.items():
        colour, marker, _ = _STYLES[group]
        axes.scatter(
            [point.x for point in those],
            [max(point.y, low) for point in those],
            s=64 if member else 34 if complete else 14,
            marker="v" if below else marker,
            color=colour,
            alpha=1.0 if member else 0.6 if complete else 0.33,
            edgecolors=_INK if member else "none",
            linewidths=1.0 if member else 0.0,
            zorder=4 if member else 3,
            clip_on=not below,
        )


def _number(
    axes: Any, places: Mapping[int, tuple[float, float]], points: Sequence[_Point]
) -> None:
    """Each number beside its place, moved until it covers no other number and no member."""
    to_pixels = axes.transData.transform
    anchors = [to_pixels(place) for place in places.values()]
    crowd = to_pixels(np.array([(p.x, p.y) for p in points if p.complete]).reshape(-1, 2))
    taken: list[Any] = []
    for (number, place), anchor in zip(places.items(), anchors, strict=True):
        spots = [
            anchor + reach * np.asarray([np.cos(angle), np.sin(angle)])
            for reach in (17, 27, 40, 56)
            for angle in np.deg2rad((120, 90, 150, 60, 180, 30))
        ]

        def crowding(spot: Any) -> float:
            hard = sum(np.hypot(*(spot - other)) < 17 for other in taken)
            hard += sum(np.hypot(*(spot - other)) < 13 for other in anchors)
            soft = np.count_nonzero(np.hypot(*(spot - crowd).T) < 12)
            return float(10 * hard + soft)

        scores = [crowding(spot) + i / 100 for i, spot in enumerate(spots)]
        spot = spots[int(np.argmin(scores))]
        taken.append(spot)
        far = np.hypot(*(spot - anchor)) > 20
        axes.annotate(
            str(number),
            place,
            (spot - anchor) * 72 / axes.figure.dpi,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=10,
            color=_INK,
            fontweight="bold",
            zorder=6,
            annotation_clip=False,
            path_effects=[withStroke(linewidth=2.5, foreground="white")],
            arrowprops={
                "arrowstyle": "-",
                "color": _GREY,
                "linewidth": 0.7,
                "shrinkA": 5,
                "shrinkB": 4,
            }
            if far
            else None,
        )


def _legend(figure: Figure, points: Sequence[_Point], low: float, height: int) -> None:
    def mark(label: str, marker: str, color: str, size: float, alpha: float = 1.0) -> Line2D:
        return Line2D(
            [], [], linestyle="", label=label, marker=marker, color=color, markersize=size,
            alpha=alpha,
        )  # fmt: skip

    there = {p.group for p in points}
    handles = [
        mark(label, marker, colour, 8)
        for group, (colour, marker, label) in _STYLES.items()
        if group in there
    ]
    if any(not p.complete for p in points):
        handles.append(mark("not trained to the end", "o", _GREY, 4.5, 0.45))
    if any(p.y < low for p in points):
        handles.append(mark("below the axis", "v", _GREY, 6))
    handles.append(Line2D([], [], color=_INK, linewidth=1.4, label="front"))
    figure.legend(
        handles=handles,
        loc="upper left",
        bbox_to_anchor=(0.066, 1 - 38 / height),
        frameon=False,
        ncols=len(handles),
        fontsize=10.5,
        handletextpad=0.3,
        columnspacing=1.6,
    )


def _key(figure: Figure, shown: Mapping[int, Record], metric: str, cost: str, height: int) -> None:
    if not shown:
        return
    axes = figure.add_axes((0, 0, 1, 1), frameon=False)
    axes.set_axis_off()
    axes.set_xlim(0, _WIDTH)
    axes.set_ylim(0, height)
    y = height - _PLOT - _FOOT
    columns = ((930, metric.replace("_", " ")), (1050, "test"), (1170, cost.split("_")[0]))
    for x, name in columns:
        axes.text(x, y, name, fontsize=9.5, color=_GREY, ha="right", va="center")
    axes.text(
        90, y, "the front and rank 1, from the cheapest", fontsize=9.5, color=_GREY, va="center"
    )
    for number, record in shown.items():
        y -= _LINE
        colour, marker, _ = _STYLES[group_of(record)]
        axes.text(52, y, str(number), fontsize=10, fontweight="bold", ha="right", va="center")
        axes.scatter([70], [y], s=42, marker=marker, color=colour)
        axes.text(90, y, shorten(record.strategy, 98), fontsize=10, color=_INK, va="center")
        test = record.test.get(metric)
        cells = (record.val[metric], test, getattr(record, cost))
        texts = (score_text(cells[0]), score_text(cells[1]), _charge(cells[2], human))
        for (x, _), text in zip(columns, texts, strict=True):
            axes.text(x, y, text, fontsize=10, color=_INK, ha="right", va="center")
