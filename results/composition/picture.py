"""A sheet of runs in, one picture out: test score against log FLOPs, composites by factor.

The step line is the front of single components, chosen on `select` and drawn at its test score:
what stands above it was worth composing. The score axis shows the range of most composites; what
is worse is left out, and counted below the axis.
"""

from pathlib import Path
from typing import Any

import numpy as np
from compare import Sheet
from levels import BASE, FACTORS, TRIES
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from autosynth.atomic import atomic_path
from autosynth.number import human

_INK = "#222222"
# Okabe and Ito's colours, told apart with any colour vision, and in grey by their markers.
_STYLES = {
    "topology": ("#0072B2", "o"),
    "fusion": ("#D55E00", "D"),
    "sharing": ("#009E73", "s"),
    "scheme": ("#CC79A7", "^"),
    "initialisation": ("#E69F00", "P"),
    TRIES: ("#56B4E9", "*"),
}


def picture(sheet: Sheet, path: Path, *, title: str) -> None:
    """Draw the set as a PNG at `path`, in one step."""
    figure = Figure(figsize=(11, 6.4), dpi=100, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    low = _lower_edge(sheet)
    _singles(axes, sheet)
    _composites(axes, sheet)
    _dress(axes, sheet, low)
    axes.set_title(title, fontsize=15, fontweight="bold", color=_INK, loc="left", pad=10)
    figure.legend(frameon=False, fontsize=10, ncols=9, loc="outside upper left", columnspacing=1.2)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png")


def _lower_edge(sheet: Sheet) -> float:
    """A little below nine tenths of the composites; 0 without any."""
    scores = [sheet.test(text) for text in sheet.composites()]
    if not scores:
        return 0.0
    cut, high = float(np.quantile(scores, 0.1)), max(scores)
    return max(0.0, cut - 0.25 * max(high - cut, 0.01))


def _singles(axes: Any, sheet: Sheet) -> None:
    singles = sheet.singles()
    axes.scatter(
        [sheet.one(s).flops for s in singles], [sheet.test(s) for s in singles],
        s=26, marker="o", color="#8a8a8a", label="single component", zorder=2,
    )  # fmt: skip
    front = sheet.front(singles)
    if not front:
        return
    xs = [sheet.one(text).flops for text in front]
    ys = [sheet.test(text) for text in front]
    right = max(sheet.one(text).flops for text in sheet.runs)
    axes.step(
        [*xs, 1.1 * right], [*ys, ys[-1]], where="post", color=_INK, linewidth=1.4,
        label="their front", zorder=1,
    )  # fmt: skip


def _composites(axes: Any, sheet: Sheet) -> None:
    """Each composite once; the bases, which belong to all factors, are crosses."""
    composites = set(sheet.composites())
    levels = [level for level in sheet.schedule.levels if level.strategy in composites]
    # Sorted: the same lines give the same picture.
    bases = sorted({level.strategy for level in levels if level.name == BASE})
    for factor in (*FACTORS, TRIES):
        colour, marker = _STYLES[factor]
        texts = sorted({x.strategy for x in levels if x.factor == factor}.difference(bases))
        axes.scatter(
            [sheet.one(text).flops for text in texts],
            [sheet.test(text) for text in texts],
            s=90 if marker == "*" else 46, marker=marker, color=colour, alpha=0.85, label=factor,
            edgecolors="white", linewidths=0.6, zorder=3,
        )  # fmt: skip
    axes.scatter(
        [sheet.one(text).flops for text in bases], [sheet.test(text) for text in bases],
        s=90, marker="X", color=_INK, label="base", edgecolors="white",
        linewidths=0.8, zorder=4,
    )  # fmt: skip


def _dress(axes: Any, sheet: Sheet, low: float) -> None:
    axes.set_xscale("log")
    high = max((sheet.test(text) for text in sheet.runs), default=1.0)
    room = max(high - low, 0.01)
    axes.set_ylim(low - 0.03 * room, high + 0.06 * room)
    below = sum(sheet.test(text) < low for text in (*sheet.singles(), *sheet.composites()))
    note = f"; {below} strategies lie below the axis" if below else ""
    axes.set_xlabel(f"FLOPs expected of a sample (log scale){note}", fontsize=11, color=_INK)
    metric = sheet.metric.replace("_", " ")
    axes.set_ylabel(f"test {metric}, mean over seeds", fontsize=11, color=_INK)
    axes.grid(True, which="major", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: human(x)))
    axes.xaxis.set_minor_formatter(NullFormatter())
