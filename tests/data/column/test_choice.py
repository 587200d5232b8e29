"""What the user says of columns goes before what they look like; all that is wrong is told."""

import numpy as np
import pandas as pd
import pytest

from autosynth.data.column.choice import choose
from autosynth.data.column.column import Column, IgnoredColumn
from autosynth.data.column.inference import infer_columns
from autosynth.data.encoder.frame import fit_frame
from autosynth.errors import DataError

N = 60
FRAME = pd.DataFrame(
    {
        "id": range(N),
        "code": [f"u{i}" for i in range(N)],
        "grade": [i * 7 % 5 for i in range(N)],
        "note": [f"row {i * 7 % N} has this to say" for i in range(N)],
        "when": ["2020-01-31", "2021-05-02"] * (N // 2),
        "one": [7] * N,
        "nothing": [None] * N,
    }
)


def understood(**options: object) -> dict[str, str]:
    choice = choose(list(FRAME.columns), "here", **options)  # type: ignore[arg-type]
    found = infer_columns(FRAME, np.arange(N), choice)
    return {c.name: c.kind if isinstance(c, Column) else "aside" for c in found}


def test_kept_columns_are_used_as_what_they_look_like() -> None:
    plain = understood()
    assert [name for name, kind in plain.items() if kind == "aside"] == [
        *("id", "code", "one", "nothing")
    ]
    kept = understood(keep=["id", "code", "one", "nothing"])
    assert kept == {**plain, "id": "number", "code": "text", "one": "number"}
    assert isinstance(infer_columns(FRAME[["nothing"]], np.arange(N))[0], IgnoredColumn)


def test_a_kind_goes_before_content() -> None:
    kinds = {"grade": "category", "when": "text", "note": "text", "id": "number"}
    assert understood(kinds=kinds).items() >= kinds.items()
    assert understood(kinds={"[gi]*d*": "number"})["grade"] == "number"


def test_a_number_by_word_stays_out_of_series() -> None:
    rows = np.random.default_rng(0).normal(size=(N, 6)).cumsum(1)
    frame = pd.DataFrame(rows, columns=[f"load{i}" for i in range(6)])
    kinds = [f.kind for f in fit_frame(frame, np.arange(N), width=None)[0]]
    assert kinds == ["series"]
    told = fit_frame(frame, np.arange(N), width=None, kinds={"load*": "number"})[0]
    assert [f.kind for f in told] == ["table"]


def test_all_that_is_wrong_with_the_words_is_told_at_once() -> None:
    with pytest.raises(DataError, match="no column of here") as raised:
        choose(
            list(FRAME.columns), "here",
            kinds={"grade": "numbr", "nots": "text"}, keep=["cod"], drop=["x*", "grade"],
        )  # fmt: skip
    assert str(raised.value).splitlines() == [
        "column 'grade' cannot be read as 'numbr'; kinds of columns are number, category, date, "
        "text, image, audio. Did you mean 'number'?",
        *(
            f"column {name!r}, {what}, is no column of here; its columns: id, code, grade, note, "
            f"when, one, nothing.{hint}"
            for name, what, hint in (
                ("nots", "to be read as text", " Did you mean 'note'?"),
                ("cod", "to be kept", " Did you mean 'code'?"),
                ("x*", "to be dropped", ""),
            )
        ),
        "columns cannot be dropped and used at once: grade.",
    ]


def test_all_kinds_that_do_not_fit_are_told_at_once() -> None:
    with pytest.raises(DataError, match="cannot be read as number") as raised:
        understood(kinds={"code": "number", "note": "date", "id": "category", "nothing": "text"})
    assert str(raised.value).splitlines() == [
        "column 'id' cannot be read as category: no value repeats (it begins '0', '1', '2').",
        "column 'code' cannot be read as number: 0% of its values are numbers (it begins 'u0', "
        "'u1', 'u2').",
        "column 'note' cannot be read as date: its values are no dates in a format that is known "
        "(it begins 'row 0 has this to say', 'row 7 has this to say', 'row 14 has this to say').",
        "column 'nothing' cannot be read as text: no value in any training row.",
    ]


def test_a_kind_may_have_a_detail_and_others_take_none() -> None:
    choice = choose(list(FRAME.columns), "here", kinds={"wh*": "date:%Y-%m-%d", "id": "number"})
    assert choice.details == {"when": "%Y-%m-%d"}
    assert choice.kinds["when"] == "date"
    (column,) = infer_columns(FRAME[["when"]], np.arange(N), choice)
    assert isinstance(column, Column)
    assert column.forms == ("%Y-%m-%d",)
    with pytest.raises(DataError, match="takes no detail") as raised:
        choose(list(FRAME.columns), "here", kinds={"grade": "category:x", "when": "date:dd/mm"})
    assert str(raised.value).splitlines() == [
        "column 'grade' cannot be read as 'category:x': category takes no detail after a colon; "
        "date, number, series, image, frames, audio do.",
        "column 'when' cannot be read as 'date:dd/mm': a format says where day, month and year "
        "stand, such as date:%d/%m/%Y; %Y or %y, the year, is not in 'dd/mm'.",
    ]
    with pytest.raises(DataError, match="date:%d/%m/%Y: 0% of its values fit that"):
        understood(kinds={"when": "date:%d/%m/%Y"})
