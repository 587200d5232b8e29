"""Small inputs of real trouble with files of tables; see `cases/README.md` beside the sets."""

from pathlib import Path

import pytest

from autosynth.data import encode, load_dataset

CASES = Path(__file__).parents[2].parent / "shared" / "cases" / "one_column_newline"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not beside this")


def test_a_column_of_quoted_lines_has_a_row_a_record() -> None:
    found = load_dataset(CASES / "text.csv", target="label")
    assert len(found.y) == 300
    in_order = {}
    for name in ("q1.csv", "q2.csv", "q5.tsv"):
        encoded = encode(CASES / name, found.encoders)
        assert len(encoded.index) == 3
        in_order[name] = encoded.x["review"]
    # The first has more words than the second, and the last is one.
    for rows in in_order.values():
        lengths = (rows > 0).sum(1)
        assert lengths[0] > lengths[2]
        assert lengths[1] > lengths[2]


def test_quoted_lines_between_tabs_are_read() -> None:
    found = load_dataset(CASES / "nl.tsv", target="label")
    assert found.target.classes == ("neg", "pos")
    assert len(found.y) == 300
