"""The ways in which people write dates: what formats of `strptime` may be meant by a text.

Takes texts; gives formats that could read them, and reads texts in one of these. A text is brought
to a plain form where a format does not read it as it stands: names of weekdays are left out,
months have three letters, `a.m.` is AM, a quarter is its first month. So that `Monday, 3rd
September 2024 4:05 p.m.` and `3 Sep 2024 04:05 PM` are one format.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import pandas as pd

from autosynth.errors import DataError

ISO = "ISO8601"
"""The word of pandas for all that the standard allows, a time of day or none."""

DAY_FIRST, MONTH_FIRST, YEAR_FIRST = "day first", "month first", "year first"
ORDERS = (MONTH_FIRST, DAY_FIRST, YEAR_FIRST)
"""In what order numbers may stand where a text does not tell; the first where nothing else does.
"""
_MONTH = "Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec"
# What the zones of RFC 2822 are behind UTC; other abbreviations mean different things to many.
_ZONES = {
    **dict.fromkeys(("UTC", "GMT", "UT", "Z"), "+0000"),
    **{"EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500"},
    **{"MST": "-0700", "MDT": "-0600", "PST": "-0800", "PDT": "-0700"},
}
_MONTHS = {
    "Jan": "janvier janv januar jänner jän enero ene gennaio gen janeiro januari",
    "Feb": "février fevrier févr fevr fév februar febrero febbraio fevereiro fev februari",
    "Mar": "mars märz maerz mrz marzo março marco maart mrt",
    "Apr": "avril avr abril abr aprile",
    "May": "mai mayo maggio mag maio mei",
    "Jun": "juin juni junio giugno giu junho",
    "Jul": "juillet juil juli julio luglio lug julho",
    "Aug": "août aout agosto ago augustus",
    "Sep": "septembre septiembre setiembre settembre sett setembro set",
    "Oct": "octobre oktober okt octubre ottobre ott outubro out",
    "Nov": "novembre noviembre novembro",
    "Dec": "décembre decembre déc dezember dez diciembre dic dicembre dezembro",
}
"""Months in French, German, Spanish, Italian, Portuguese and Dutch, whole and short.

Short ones that are the English ones too, as most are, stand there already.
"""
_DAYS = (
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so "
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mer jeu ven sam dim "
    "lunes martes miércoles miercoles jueves viernes sábado sabado domingo mié jue vie sáb dom "
    "lunedì martedì mercoledì giovedì venerdì sabato domenica gio sab "
    "segunda terça quarta quinta sexta seg ter qua qui sex "
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo"
)
"""Days of the week in these languages; but `mar`, which is a month in others."""
_OWN_MONTH = {name: month for month, names in _MONTHS.items() for name in names.split()}
_LETTER = r"[^\W\d_]"
_PLAIN: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"(?<=:\d\d),(?=\d)"), "."),  # the fraction of a second, as Python's logs have it
    (re.compile(r"[\s,]+"), " "),
    (re.compile(rf"(?i)^(?:{'|'.join(_DAYS.split())})(?:-feira)?\.? (?=\d)"), ""),
    (
        re.compile(rf"(?i)(?<!{_LETTER})(?:{'|'.join(_OWN_MONTH)})(?!{_LETTER})"),
        lambda match: _OWN_MONTH[match[0].lower()],
    ),
    (re.compile(rf"(?i) del? (?={_MONTH}|\d{{4}})"), " "),  # 3 de mayo de 2024
    (re.compile(r"(?i)(?<=\b1)er\b|(?<=\d)\.?[ºª]"), ""),  # 1er, 1º
    (
        re.compile(
            r"(?i)\b(mon|tue|tues|wed|weds|wednes|thu|thur|thurs|fri|sat|satur|sun)(day)?\b\.? ?"
        ),
        "",
    ),
    (
        re.compile(
            r"(?i)(?<![a-z])(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
            r"(?:(?<=jan)uary|(?<=feb)ruary|(?<=mar)ch|(?<=apr)il|(?<=jun)e|(?<=jul)y"
            r"|(?<=aug)ust|(?<=sep)t(?:ember)?|(?<=oct)ober|(?<=nov)ember|(?<=dec)ember)?"
            r"(?![a-z])\.?(?! ?\d{1,2}\.)"
        ),
        lambda match: match[1].title(),
    ),
    (re.compile(r"(?i)(?<=\d)(st|nd|rd|th)\b( of\b)?"), ""),
    (re.compile(rf"(?<=\d)\. ?(?={_MONTH})"), " "),  # 3. May 2024
    (re.compile(r"(?i) ?\b([ap])\.?m\b\.?|(?<=\d) ?([ap])\.?m\b\.?"), r" \1\2M"),
    (re.compile(r"(?i)(?<=\d)t(?=\d)"), " "),
    (re.compile(r"(?<=\d{4}):(?=\d\d:)"), " "),  # 10/Oct/2000:13:55:36, of servers' logs
    (re.compile(r"(\.\d{6})\d+"), r"\1"),
    (
        re.compile(rf"(?<=[\d M])({'|'.join(_ZONES)})(?![A-Za-z])"),
        lambda match: _ZONES[match[1]],
    ),
    (
        re.compile(r"^(?:(?P<y>\d{4})[ -]?Q(?P<q>[1-4])|Q(?P<r>[1-4])[ -/]?(?P<z>\d{4}))$"),
        lambda match: f"{match['y'] or match['z']}-{3 * int(match['q'] or match['r']) - 2:02}",
    ),
    (re.compile(r"^(\d{4})-?W(\d\d)$"), r"\1-W\2-1"),  # a week is its Monday
)
_TIME = re.compile(
    r"(?P<hour>\d{1,2})(?P<minute>:\d{2})?(?P<second>:\d{2})?(?P<part>\.\d{1,6})?"
    r"(?P<half> [apAP]M)?(?P<zone> ?[+-]\d{2}:?\d{2})?$"
)
# Feb 03 14:05:01 +0000 2020, as `date` and Twitter print it
_CLOCK_INSIDE = re.compile(r"^(\w{3} \d{1,2}) (\d{1,2}:\d{2}(?::\d{2})?)( [+-]\d{4})? (\d{4})$")
_SPLIT = re.compile(r"^(.*?\d{2,4}) (\d{1,2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?| [AaPp]M).*)$")
_SHAPES: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = tuple(
    (re.compile(rf"^{pattern}$"), forms)
    for pattern, forms in (
        (r"\d{4}(?P<s>[-/. ])\d{1,2}(?P=s)\d{1,2}", ("%Y{s}%m{s}%d",)),
        (r"\d{4}(?P<s>[-/.])\d{1,2}", ("%Y{s}%m",)),
        (r"\d{1,2}(?P<s>[-/.])\d{4}", ("%m{s}%Y",)),
        (r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{4}", ("%m{s}%d{s}%Y", "%d{s}%m{s}%Y")),
        (
            r"\d{1,2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{2}",
            ("%m{s}%d{s}%y", "%d{s}%m{s}%y", "%y{s}%m{s}%d"),
        ),
        (r"\d{1,2}(?P<s>[-/. ]?)[A-Z][a-z]{2}(?P=s)\d{4}", ("%d{s}%b{s}%Y",)),
        (r"\d{1,2}(?P<s>[-/. ]?)[A-Z][a-z]{2}(?P=s)\d{2}", ("%d{s}%b{s}%y",)),
        (r"[A-Z][a-z]{2}(?P<s>[-/. ])\d{1,2}(?P=s)\d{4}", ("%b{s}%d{s}%Y",)),
        (r"\d{4}(?P<s>[-/. ]?)[A-Z][a-z]{2}(?P=s)\d{1,2}", ("%Y{s}%b{s}%d",)),
        (r"\d{4}(?P<s>[-/. ]?)[A-Z][a-z]{2}", ("%Y{s}%b",)),
        (r"[A-Z][a-z]{2}(?P<s>[-/. ]?)\d{4}", ("%b{s}%Y",)),
        (r"[A-Z][a-z]{2}(?P<s>[-/])\d{2}", ("%b{s}%y",)),
        (r"\d{4}-W\d{2}-\d", ("%G-W%V-%u",)),
        (r"\d{8}(?P<s> ?)\d{6}", ("%Y%m%d{s}%H%M%S",)),
        (r"\d{8}(?P<s> ?)\d{4}", ("%Y%m%d{s}%H%M",)),
        (r"\d{8}", ("%Y%m%d",)),
    )
)
_ISO = re.compile(r"^\d{4}-\d{2}-\d{2}(?: \d{2}:\d{2}|$)")
_MOST_SHAPES = 40
_ORDER = re.compile(r"%([dmyY]).*?%([dm]).*?%([dyY])")


def plain_dates(texts: "pd.Series[Any]") -> "pd.Series[Any]":
    """Texts of dates in one manner of writing; see above."""
    texts = texts.str.strip()
    for pattern, put in _PLAIN:
        texts = texts.str.replace(pattern, put, regex=True)
    return texts.str.strip()


def formats_of(texts: Iterable[str]) -> tuple[str, ...]:
    """The formats that plain texts may be written in, those of the most frequent shapes first.

    Where a format with the month first fits, the one with the day first is beside it; no text is
    read here, and a 13th month is still to be found.
    """
    shapes = pd.Series([re.sub(r"\d", "9", text) for text in texts])
    often = shapes.str.replace(rf"(?:{_MONTH})(?![a-z])", "Jan", regex=True).value_counts()
    found: dict[str, None] = {}
    for shape in often.index[:_MOST_SHAPES]:
        found |= dict.fromkeys(_formats(str(shape)))
    return tuple(found)


def _formats(text: str) -> list[str]:
    if found := _CLOCK_INSIDE.match(text):
        day, time, zone, year = found.groups()
        return [
            form.replace(" %Y", f"{_time(time)}{' %z' if zone else ''} %Y")
            for form in _days(f"{day} {year}")
        ]
    found = _SPLIT.match(text)
    day, clock = found.groups() if found else (text, "")
    time = _time(clock)
    if time is None:
        return []
    iso = [ISO] if _ISO.match(text) and " %p" not in time else []
    return iso + [form + time for form in _days(day)]


def _days(text: str) -> list[str]:
    for pattern, forms in _SHAPES:
        if found := pattern.match(text):
            return [form.replace("{s}", found.groupdict().get("s") or "") for form in forms]
    return []


def _time(text: str) -> str | None:
    """The format of a time of day, with the blank before it; None where it is none."""
    if not text:
        return ""
    found = _TIME.match(text)
    if found is None or not (found["minute"] or found["half"]):
        return None
    form = " %I" if found["half"] else " %H"
    form += ":%M" * bool(found["minute"]) + ":%S" * bool(found["second"])
    zone = found["zone"] or ""
    form += ".%f" * bool(found["part"]) + " %p" * bool(found["half"])
    return form + (" %z" if zone.startswith(" ") else "%z" if zone else "")


def order_of(form: str) -> str:
    """In which of `ORDERS` numbers stand in a format; empty where the text itself tells."""
    found = _ORDER.match(form)
    if found is None or "%b" in form or "%B" in form:
        return ""
    kinds = {"dmy": DAY_FIRST, "dmY": DAY_FIRST, "mdy": MONTH_FIRST, "mdY": MONTH_FIRST}
    return {**kinds, "ymd": YEAR_FIRST}.get("".join(found.groups()), "")


def parse_dates(texts: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    """The moments of texts in one format, UTC where none is said; NaT for all others."""
    found = _parse(texts, form)
    lost = found.isna() & texts.notna()
    if not lost.any():
        return found
    left = texts[lost]
    simple = plain_dates(left)
    bare = _plain_format(form)
    changed = (simple != left) | (bare != form)
    if changed.any():
        again = _parse(simple[changed], bare)
        found = found.astype("datetime64[us, UTC]")
        found.loc[again.index] = again.astype("datetime64[us, UTC]")
    return found


def _parse(texts: "pd.Series[Any]", form: str) -> "pd.Series[Any]":
    try:
        return pd.to_datetime(texts, format=form, utc=True, errors="coerce")
    except ValueError as error:  # of a model whose file was changed
        raise DataError(
            f"dates are to be read in the format {form!r}, which is none ({error}). What was "
            "saved of the model is damaged: export it again."
        ) from error


def _plain_format(form: str) -> str:
    """A format for texts as `plain_dates` has them: without words that it leaves out."""
    form = re.sub(r"%[aA]\.?", "", form.replace("%B", "%b").replace("%b.", "%b"))
    form = re.sub(r"(?<=%[dmY])T(?=%)", " ", form.replace("%p", " %p"))
    return re.sub(r"[\s,]+", " ", form).strip()


def wrong_format(form: str) -> str:
    """What is wrong with a format that a user wrote; empty where nothing is."""
    example = "a format says where day, month and year stand, such as date:%d/%m/%Y"
    if form == ISO:
        return ""
    if not re.search(r"%[YyGcxFD]", form):
        return f"{example}; %Y or %y, the year, is not in {form!r}"
    moment = datetime(2001, 2, 3, 4, 5, 6)
    try:
        pd.to_datetime(pd.Series([moment.strftime(form)]), format=form)
    except ValueError as error:
        return f"{example}; {form!r} is none ({str(error).rstrip('.').splitlines()[0]})"
    return ""
