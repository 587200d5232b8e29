"""Dates are read however they are written, of any year, and the same way ever after."""

from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from autosynth.data.column.date import DATES, days_of, find_dates, read_dates
from autosynth.data.column.dateformat import ISO, parse_dates, wrong_format
from autosynth.data.column.dateorder import other_forms
from autosynth.errors import DataError

DAY = 19_846  # 2024-05-03, a Friday
MOMENT = DAY + (16 * 60 + 5) / 1440


def days(*texts: Any, forms: tuple[str, ...] = ()) -> list[float]:
    values = pd.Series(list(texts), name="when")
    found = find_dates(values)
    assert forms or found is not None, f"{texts} are no dates"
    return read_dates(values, forms or found.forms)[0].tolist()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-03", "2024-5-3", "2024/05/03", "2024.05.03", "2024 05 03", "20240503"),
        *("3 May 2024", "03 May 2024", "3. May 2024", "3rd May 2024", "3rd of May, 2024"),
        *("May 3, 2024", "May 3rd, 2024", "May 3 2024", "May-03-2024", "3-May-2024", "3-May-24"),
        *("Friday, 3 May 2024", "Fri, 3 May 2024", "Fri. May 3, 2024", "friday 3 may 2024"),
        *("03MAY2024", "3MAY24", "2024-May-03", "2024 May 3", "03/May/2024", "  3 May  2024 "),
    ],
)
def test_a_day_is_read_however_it_is_written(text: str) -> None:
    assert days(text, text) == [DAY, DAY]


@pytest.mark.parametrize(
    "text",
    [
        *("2024-05-03 16:05", "2024-05-03T16:05:00", "2024-05-03 16:05:00.000", "20240503T160500"),
        *("2024-05-03T16:05:00Z", "2024-05-03T18:05:00+02:00", "2024-05-03 11:05:00 EST"),
        *("2024-05-03 16:05:00,000", "2024-05-03T16:05:00.000000000Z", "20240503 1605"),
        *("3 May 2024 4:05 PM", "3 May 2024 04:05pm", "May 3, 2024 4:05:00 p.m."),
        *("Fri, 03 May 2024 16:05:00 GMT", "Fri May  3 16:05:00 2024", "3.5.2024 16:05"),
        *("Fri May 03 16:05:00 +0000 2024", "03/May/2024:16:05:00 +0000"),
    ],
)
def test_a_time_of_day_is_read_however_it_is_written(text: str) -> None:
    assert days(text, text) == [MOMENT, MOMENT]


@pytest.mark.parametrize(
    ("text", "month"),
    [
        *(("2024-05", 5), ("2024/05", 5), ("05/2024", 5), ("May 2024", 5), ("May-24", 5)),
        *(("Sept. 2024", 9), ("september 2024", 9), ("2024-Q3", 7), ("2024Q3", 7), ("Q3 2024", 7)),
    ],
)
def test_a_month_or_a_quarter_is_its_first_day(text: str, month: int) -> None:
    first = float((date(2024, month, 1) - date(1970, 1, 1)).days)
    assert days(text, text) == [first, first]


def test_a_week_is_its_monday() -> None:
    assert days("2024-W18") == [DAY - 4]


def test_numbers_that_tell_the_order_decide_it_for_all() -> None:
    first, second = days("3/5/2024", "31/12/2024")
    assert first == DAY
    assert days("5/3/2024 1:00 PM", "12/31/2024 1:00 AM")[0] == DAY + 13 / 24
    assert days("24/5/3", "24/5/31")[0] == DAY
    assert second == DAY + 242


def test_the_order_of_some_forms_is_that_of_all() -> None:
    """A day alone fits both orders; the times of day beside it have one."""
    texts = ["3/5/2024", "4/5/2024", "31/5/2024 10:00", "30/5/2024 11:00"]
    assert days(*texts)[0] == DAY


@pytest.mark.parametrize(
    "texts",
    [
        *(["1.2.3", "1.10.2"], ["1101-12", "2205-10"], ["May", "June"], ["a1-2", "b2-3"]),
        *(["10:30", "11:45"], ["13/13/2024", "32/1/2024"], ["2024", "2025"], ["room 1/2/2024 x"]),
    ],
)
def test_what_is_no_date(texts: list[str]) -> None:
    assert find_dates(pd.Series(texts, name="c")) is None


def test_whole_numbers_are_dates_where_all_are() -> None:
    numbers = pd.date_range("2024-01-30", periods=12).strftime("%Y%m%d").astype(int)
    for values in (numbers, numbers.astype(float), numbers.astype(str)):
        found = find_dates(pd.Series(values, name="c"))
        assert found is not None
        assert found.forms == ("%Y%m%d",)
        assert np.diff(read_dates(pd.Series(values), found.forms)[0]).tolist() == [1] * 11
    assert find_dates(pd.Series([*numbers, 20240230], name="c")) is None
    assert find_dates(pd.Series(numbers[:4], name="c")) is None
    assert find_dates(pd.Series(numbers[:4], name="sale_date")) is not None
    assert find_dates(pd.Series(np.arange(20_000_000, 20_000_400), name="date")) is None
    assert find_dates(pd.Series([202401, 202402, 202412], name="period")) is not None
    assert find_dates(pd.Series([202401, 202402, 202413], name="period")) is None
    assert find_dates(pd.Series([20240131140500, 20240201000000], name="time")) is not None


FAR = [2_932_896.0, -719_162.0, 0.0]


@pytest.mark.parametrize(
    "values",
    [
        ["9999-12-31", "0001-01-01", "1970-01-01"],
        ["31/12/9999", "01/01/0001", "01/01/1970"],
        ["Dec 31, 9999", "Jan 1, 0001", "Jan 1, 1970"],
        [date(9999, 12, 31), date(1, 1, 1), date(1970, 1, 1)],
        [datetime(9999, 12, 31), datetime(1, 1, 1), datetime(1970, 1, 1)],
        np.array(["9999-12-31", "0001-01-01", "1970-01-01"], "datetime64[s]"),
        pd.Series([date(9999, 12, 31), date(1, 1, 1), date(1970, 1, 1)], dtype="date32[pyarrow]"),
    ],
)
def test_dates_of_any_year(values: Any) -> None:
    assert days(*values, forms=()) == FAR or days_of_series(values) == FAR


def days_of_series(values: Any) -> list[float]:
    column = pd.Series(values)
    found = find_dates(column)
    assert found is not None
    return read_dates(column, found.forms)[0].tolist()


def test_moments_of_python_with_and_without_a_zone_and_missing_ones() -> None:
    values = pd.Series([datetime(2024, 5, 3, 16, 5), None, pd.NaT], dtype=object)
    found = read_dates(values, (DATES,))[0]
    assert found[0] == MOMENT
    assert np.isnan(found[1:]).all()
    assert days_of(pd.Series(pd.to_datetime(["2024-05-03T18:05+02:00"])))[0] == MOMENT
    assert read_dates(pd.Series(pd.period_range("2024-05", periods=1, freq="M")), (DATES,))[0] == [
        DAY - 2
    ]


@pytest.mark.parametrize(
    ("trained", "texts", "first"),
    [
        ((ISO,), ["3/5/2024", "31/5/2024"], DAY),
        ((ISO,), ["May 3, 2024", "May 4, 2024"], DAY),
        ((ISO,), ["3 May 2024 12:00 AM"], DAY),
        (("%d/%m/%Y",), ["3-5-2024", "4-5-2024"], DAY),
        (("%m/%d/%Y",), ["5.3.2024", "5.4.2024"], DAY),
        (("%m/%d/%Y",), ["3/5/2024", "31/5/2024"], DAY),
        ((DATES,), ["3 May 2024", "2024-05-04"], DAY),
        (("%Y%m%d",), ["2024-05-03 12:00"], DAY + 0.5),
    ],
)
def test_another_form_than_in_training_is_read_and_told(
    trained: tuple[str, ...], texts: list[Any], first: float
) -> None:
    values = pd.Series(texts, name="when")
    forms, told = other_forms(values, trained)
    assert "column 'when'" in told[0]
    assert read_dates(values, forms)[0][0] == first


def test_another_form_that_fits_two_readings_is_not_read() -> None:
    values = pd.Series(["3/5/2024", "4/5/2024"], name="when")
    forms, told = other_forms(values, (ISO,))
    assert forms == (ISO,)
    assert "fit %m/%d/%Y and %d/%m/%Y alike; they are missing" in told[0]


def test_dates_of_pandas_that_were_saved_as_text_are_nothing_to_tell() -> None:
    values = pd.Series(["2024-05-03", "2024-05-04 12:00:00"])
    assert other_forms(values, (DATES,)) == ((ISO,), ())
    assert other_forms(pd.to_datetime(values, format=ISO), (ISO,)) == ((ISO,), ())


def test_the_same_form_and_a_stray_word_change_nothing() -> None:
    values = pd.Series(["2024-05-03", "unknown"] * 9, name="when")
    assert other_forms(values, (ISO,)) == ((ISO,), ())
    assert other_forms(pd.Series([None, None]), (ISO,)) == ((ISO,), ())


def test_formats_of_models_that_were_saved_before() -> None:
    texts = pd.Series(["January 31, 2020", "jan. 31 2020", "Friday, January 31, 2020"])
    assert parse_dates(texts, "%B %d, %Y").nunique() == 1
    assert parse_dates(texts, "%b %d, %Y").notna().all()
    assert parse_dates(pd.Series(["31/1/2020", "2020-01-31"]), "%d/%m/%Y").notna().tolist() == [
        *(True, False)
    ]


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d%b%y", "%A, %d %B %Y %I:%M %p", ISO, "%Y%j"])
def test_formats_that_a_user_may_say(form: str) -> None:
    assert not wrong_format(form)


@pytest.mark.parametrize("form", ["dd/mm/yyyy", "%d/%m", "%d/%m/%Q%Y", "day first"])
def test_what_is_no_format(form: str) -> None:
    assert "such as date:%d/%m/%Y" in wrong_format(form)


def test_a_format_that_is_none_is_told() -> None:
    with pytest.raises(DataError, match="the format '%t.%m.%Y', which is none"):
        read_dates(pd.Series(["01.02.2024"]), ("%t.%m.%Y",))


@pytest.mark.parametrize(
    ("texts", "days"),
    [
        (["3. Mai 2024", "11. Oktober 2023", "1. März 2024", "24. Dez. 2023"], "de"),
        (
            ["Freitag, 3. Mai 2024", "Mi., 11. Okt. 2023", "Fr, 1. Mrz 2024", "So 24. Dez 2023"],
            "de",
        ),
        (["3 mai 2024", "11 octobre 2023", "1er mars 2024", "24 déc. 2023"], "fr"),
        (
            ["ven. 3 mai 2024", "mercredi 11 oct. 2023", "ven. 1 mars 2024", "dim. 24 DÉC. 2023"],
            "fr",
        ),
        (
            ["3 de mayo de 2024", "11 de octubre de 2023", "1 de marzo de 2024", "24 dic 2023"],
            "es",
        ),
        (["3 maggio 2024", "11 ott 2023", "1º marzo 2024", "24 dicembre 2023"], "it"),
        (["sexta-feira, 3 de maio de 2024", "11 out 2023", "1 março 2024", "24 dez 2023"], "pt"),
        (["vrijdag 3 mei 2024", "wo 11 okt. 2023", "1 maart 2024", "24 december 2023"], "nl"),
        (["03-Mai-2024", "11-Okt-2023", "01-Mrz-2024", "24-Dez-2023"], "de, with lines"),
        (["3 May 2024", "Wednesday, 11 Oct 2023", "Mar 1 2024", "Sun 24 Dec 2023"], "en"),
    ],
)
def test_months_and_days_of_the_week_have_names_in_other_languages(
    texts: list[str], days: str
) -> None:
    column = pd.Series(texts * 5, name="when")
    found = find_dates(column, named=True)
    assert found is not None, days
    read, told = read_dates(column, found.forms)
    wanted = pd.to_datetime(["2024-05-03", "2023-10-11", "2024-03-01", "2023-12-24"])
    np.testing.assert_array_equal(read, np.tile((wanted - pd.Timestamp(0)).days, 5))
    assert not told


def test_words_that_are_names_of_months_alone_are_no_dates() -> None:
    assert find_dates(pd.Series(["mars", "venus", "gen 3", "set 12", "out of 10"] * 9)) is None
