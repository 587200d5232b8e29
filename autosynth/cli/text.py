"""Lines of text: how every command shows what it gives, an evaluation among it."""

import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from autosynth.number import printable

if TYPE_CHECKING:
    import pandas as pd

    from autosynth.bundle import Evaluation
    from autosynth.task.task import Detail


# The matrix of more classes is wider than a terminal: those with the most errors are shown.
_MOST_CLASSES = 12
_MOST_ROWS = 10
# Letters of a class above its column.
_NAME = 18

Cells = list[tuple[str, ...]]


def put(*lines: str) -> None:
    """Write lines to standard output; what would end or change them is shown as an escape."""
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))


def put_text(text: str, *, is_data: bool = False) -> None:
    """Write lines that are one text; data for programs as they are, but on a terminal."""
    if is_data and not sys.stdout.isatty():
        # Names of files may hold what no encoding has.
        sys.stdout.write(text.encode(errors="backslashreplace").decode())
    else:
        sys.stdout.write(printable(text, "\n"))


def put_prose(text: str) -> None:
    """Write a sentence; on a terminal, broken between words."""
    limit = width()
    put_text((text if limit is None else textwrap.fill(text, limit)) + "\n")


def tell(text: str) -> None:
    """Write a line, or several, to standard error, where that can be written."""
    with suppress(OSError):  # such as of a full disk: the exit code says it, too
        sys.stderr.write(printable(text, "\n") + "\n")


def columns(rows: Sequence[Sequence[str]], words: int | None = None) -> list[str]:
    """Rows of cells under each other: the first `words` columns, or all, to the left."""
    rows = [list(map(printable, row)) for row in rows]
    sizes = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(size) if words is None or at < words else cell.rjust(size)
            for at, (cell, size) in enumerate(zip(row, sizes, strict=True))
        ).rstrip()
        for row in rows
    ]


def width() -> int | None:
    """Of the terminal; None where the output is read by something else."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def put_bundle(folder: Path) -> None:
    """Where a bundle is, and what to type to use it."""
    put(f"bundle   {folder}", "next", f"  autosynth predict {quoted(folder)} DATA -o preds.csv")


def quoted(path: Path) -> str:
    """A path as it has to be typed."""
    return shlex.quote(str(path))


def lines_of(evaluation: "Evaluation", limit: int | None) -> Iterator[str]:
    """Scores, where the errors are, and what damage costs; words are broken at `limit`."""
    by = f", weighed by {evaluation.weight!r}" if evaluation.weight else ""
    yield f"{evaluation.rows} rows of {evaluation.source}{by}"
    lines = [f"left out: {each.rows} rows {each.reason}" for each in evaluation.left_out]
    for text in (*lines, *(f"warning: {text}" for text in evaluation.warnings)):
        yield from textwrap.wrap(text, limit) if limit else [text]
    yield ""
    head = ("metric", "score", "95 % interval", "")
    rows = [
        (str(name), _number(row["score"]), _interval(row["low"], row["high"]), "")
        for name, row in evaluation.scores.iterrows()
    ]
    yield from columns([head, *rows], 1)
    if evaluation.by_series is not None:
        yield ""
        yield from _by_series(evaluation, evaluation.by_series)
    for detail in evaluation.details:
        yield ""
        yield from _detail(detail, named=len(evaluation.details) > 1)
    if evaluation.robustness is not None:
        yield ""
        yield from _robustness(evaluation, evaluation.robustness)


def _interval(low: float, high: float) -> str:
    return "-" if low != low else f"{_number(low)} to {_number(high)}"


def _by_series(evaluation: "Evaluation", frame: "pd.DataFrame") -> Iterator[str]:
    """The scores of each series; of many, of those in which the metric is worst."""
    yield "above each series is scaled by itself; here it is in its own unit"
    few = frame if len(frame) <= _MOST_CLASSES else frame.nsmallest(_MOST_ROWS, evaluation.metric)
    if len(few) < len(frame):
        yield f"the {len(few)} of {len(frame)} series with the worst {evaluation.metric}"
    yield from _frame(few, "series", whole=("rows",))


def _detail(detail: "Detail", named: bool) -> Iterator[str]:
    suffix = f" of {detail.target.name}" if named else ""
    if detail.confusion is not None:
        yield from _confusion(detail.confusion, suffix)
    if detail.labels is not None:
        more = _more(len(detail.labels), "labels")
        yield f"labels{suffix}{more}: rows that have it, that are predicted to, and both"
        top = detail.labels.nlargest(_MOST_ROWS, "true")
        yield from _frame(top, "label", whole=("true", "predicted", "right"))
    if detail.residuals is not None:
        unit = f", in {detail.target.unit}" if detail.target.unit else ""
        yield f"residuals{suffix}, prediction minus truth{unit}"
        yield from _frame(detail.residuals.head(24), "value")
    if detail.worst is not None:
        yield ""
        yield f"furthest off{suffix}"
        yield from _frame(detail.worst.head(5), "row")
    if detail.ranks is not None:
        yield f"place of the true item{suffix}, from 1; quantiles of the rows"
        yield from _frame(detail.ranks, "")


def _confusion(counts: "pd.DataFrame", suffix: str) -> Iterator[str]:
    """The matrix; of many classes, those with the most errors."""
    table = counts.to_numpy()
    wrong = table.sum(axis=1) + table.sum(axis=0) - 2 * table.diagonal()
    chosen = list(range(len(table)))
    if len(counts) > _MOST_CLASSES:
        order = sorted(chosen, key=lambda i: (-wrong[i], i))
        chosen = sorted(order[:_MOST_ROWS])
        yield f"confusion{suffix}: the {_MOST_ROWS} of {len(counts)} classes with the most errors"
    else:
        yield f"confusion{suffix}: a row a true class, a column a predicted one"
    names = [_cut(str(counts.columns[i])) for i in chosen]
    others = [i for i in range(len(counts)) if i not in chosen]
    rows: Cells = [("", *names, *(["others"] if others else []), "right")]
    for i, name in zip(chosen, names, strict=True):
        whole = table[i].sum()
        cells = [table[i, j] for j in chosen]
        cells += [table[i, others].sum()] if others else []
        right = f"{table[i, i] / whole:.0%}" if whole else "-"
        rows.append((name, *(str(cell) if cell else "." for cell in cells), right))
    yield from columns(rows, 1)


def _robustness(evaluation: "Evaluation", frame: "pd.DataFrame") -> Iterator[str]:
    """One line a corruption: the metric by severity, and the share that is left at the worst."""
    clean, damaged = frame.iloc[0], frame.iloc[1:]
    yield f"{evaluation.metric} under damage, by severity; {evaluation.robust_rows} rows"
    rows: Cells = [("input", "damage", "clean", "1", "2", "3", "4", "5", "left at 5")]
    for (name, what), group in damaged.groupby(["input", "corruption"], sort=False):
        scores = dict(zip(group["severity"], group[evaluation.metric], strict=True))
        cells = [_number(scores[level]) if level in scores else "" for level in range(1, 6)]
        left = group["left"].iloc[-1]
        remaining = "-" if left != left else f"{left:.0%}"
        rows.append((str(name), str(what), _number(clean[evaluation.metric]), *cells, remaining))
    yield from columns(rows, 2)


def _frame(frame: "pd.DataFrame", title: str, whole: Sequence[str] = ()) -> Iterator[str]:
    rows: Cells = [(title, *map(str, frame.columns))]
    for name, row in frame.iterrows():
        cells = [
            str(int(cell)) if c in whole else cell if isinstance(cell, str) else _number(cell)
            for c, cell in row.items()
        ]
        rows.append((_cut(str(name), 40), *cells))
    yield from columns(rows, 1)


def _number(value: float) -> str:
    """Four decimals; of large and of tiny numbers, about four digits."""
    size = abs(value)
    if value != value:
        return "-"
    if size >= 1e6 or 0 < size < 1e-3:
        return f"{value:.3g}"
    decimals = next((d for limit, d in ((10, 4), (100, 2), (1000, 1)) if size < limit), 0)
    return f"{value:.{decimals}f}"


def _more(count: int, what: str) -> str:
    return f", the {_MOST_ROWS} most frequent of {count} {what}" if count > _MOST_ROWS else ""


def _cut(name: str, most: int = _NAME) -> str:
    return name if len(name) <= most else f"{name[: most - 3]}..."
