"""What the user says of columns: read this one as text, use that one, leave a third out.

Takes names, or patterns of them (`shape*`); gives columns, or tells all that is wrong at once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from autosynth.cell import COMMA, POINT, form_of
from autosynth.data.column.column import COLUMN_KINDS, ColumnKind
from autosynth.data.column.dateformat import wrong_format
from autosynth.errors import DataError, did_you_mean

_SHOWN = 12


def _wrong_number(detail: str) -> str:
    """Why a detail is no number as a column may have them; empty if it is one."""
    if form_of(detail):
        return ""
    return f"after the colon stands a number as the column has them, such as {POINT} or {COMMA}"


def _unseen(detail: str) -> str:
    """Nothing yet: what is wrong is told where the array is read."""
    return ""


DETAILS: Mapping[ColumnKind, Callable[[str], str]] = {
    "date": wrong_format,
    "number": _wrong_number,
    "series": _unseen,
    "image": _unseen,
    "frames": _unseen,
    "audio": _unseen,
}
"""The kinds that take a detail, and what says of a text why it is none; empty where it is one."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Columns with the kind they are read as, those used whatever they hold, those left out.

    `details` say more of a kind, for columns that have some: `%d/%m/%Y` of `date:%d/%m/%Y`.
    `decimal` is how the table's form suggests that numbers are written, where cells do not tell.
    """

    kinds: Mapping[str, ColumnKind] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    keep: frozenset[str] = frozenset()
    drop: frozenset[str] = frozenset()
    decimal: str = ""


def choose(
    columns: Sequence[str],
    place: str,
    *,
    kinds: Mapping[str, ColumnKind] | None = None,
    keep: Sequence[str] = (),
    drop: Sequence[str] = (),
    known: Sequence[ColumnKind] = COLUMN_KINDS,
    decimal: str = "",
) -> Choice:
    """The columns that the names and patterns mean, each read as one of the `known` kinds.

    A kind may have a detail after a colon, which says how its cells are written.

    Raises:
        DataError: names that are no column of `place`, kinds that do not exist, and columns that
            are to be dropped and used; all of them in one message.
    """
    problems: list[str] = []
    named: dict[str, ColumnKind] = {}
    details: dict[str, str] = {}
    for name, told in (kinds or {}).items():
        kind, _, detail = told.partition(":")
        if kind not in known:
            problems.append(
                f"column {name!r} cannot be read as {kind!r}; kinds of columns are "
                f"{', '.join(known)}.{did_you_mean(kind, known)}"
            )
        elif wrong := _wrong_detail(kind, detail):
            problems.append(f"column {name!r} cannot be read as {told!r}: {wrong}.")
        for column in _meant(name, columns, place, f"to be read as {kind}", problems):
            named[column] = kind
            if detail:
                details[column] = detail
    kept = [c for name in keep for c in _meant(name, columns, place, "to be kept", problems)]
    lost = [c for name in drop for c in _meant(name, columns, place, "to be dropped", problems)]
    both = sorted(set(lost) & {*named, *kept})
    if both:
        problems.append(f"columns cannot be dropped and used at once: {', '.join(both[:_SHOWN])}.")
    if problems:
        raise DataError("\n".join(problems))
    return Choice(
        kinds=named,
        details=details,
        keep=frozenset(kept),
        drop=frozenset(lost),
        decimal=decimal,
    )


def date_detail(name: str, kinds: Mapping[str, ColumnKind] | None) -> str:
    """The format of dates that the user says for a column which is no input; empty if none is."""
    for pattern, told in (kinds or {}).items():
        kind, _, detail = told.partition(":")
        if kind == "date" and means(pattern, name):
            if wrong := _wrong_detail(kind, detail):
                raise DataError(f"column {name!r} cannot be read as {told!r}: {wrong}.")
            return detail
    return ""


def means(pattern: str, name: str) -> bool:
    """Whether a name or a pattern means the column `name`."""
    return pattern == name or fnmatchcase(name, pattern)


def _wrong_detail(kind: ColumnKind, detail: str) -> str:
    if not detail:
        return ""
    if kind not in DETAILS:
        return f"{kind} takes no detail after a colon; {', '.join(DETAILS)} do"
    return DETAILS[kind](detail)


def _meant(
    name: str, columns: Sequence[str], place: str, what: str, problems: list[str]
) -> list[str]:
    if name in columns:
        return [name]
    found = [column for column in columns if fnmatchcase(column, name)]
    if not found:
        more = ", ..." if len(columns) > _SHOWN else ""
        problems.append(
            f"column {name!r}, {what}, is no column of {place}; its columns: "
            f"{', '.join(columns[:_SHOWN])}{more}.{did_you_mean(name, columns)}"
        )
    return found
