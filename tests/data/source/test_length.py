"""Lengths that a few very long rows do not decide, and what is kept of these."""

import numpy as np
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.source.length import middle, stack_unequal, usual_length, usual_steps
from autosynth.errors import DataError


@pytest.mark.parametrize(
    ("lengths", "wanted"),
    [
        ([0.5] * 120 + [600.0], 0.5),
        ([0.5] * 9 + [30.0], 0.5),
        ([0.5] * 8 + [30.0] * 2, 30.0),  # one in five is no exception
        (np.linspace(1, 10, 50), 10.0),
        ([1.0, 1.5, 1.9, 2.0] * 9 + [3.9], 3.9),
        ([3.0], 3.0),
    ],
)
def test_few_long_ones_do_not_decide(lengths: list[float], wanted: float) -> None:
    assert usual_length(lengths) == wanted


def test_series_are_not_cut_where_padding_costs_nothing() -> None:
    assert usual_steps([4, 5, 100]) == 100
    assert usual_steps([400] * 20 + [1_000_000]) == 400
    assert usual_steps([400] * 20, [700, 9_000]) == 700


def test_the_middle_is_kept() -> None:
    assert list(range(10))[middle(10, 4)] == [3, 4, 5, 6]
    assert list(range(3))[middle(3, 4)] == [0, 1, 2]


def rows(*lengths: int) -> list[list[np.ndarray]]:
    return [[np.arange(n, dtype=np.float32)] for n in lengths]


def test_stacked_series_are_told_and_fit_memory() -> None:
    x, told = stack_unequal(rows(3, 2, 9), 3, "a.ts")
    assert told == (
        "1 of 3 series in a.ts (33.3%) are longer than 3 steps: the middle of each is kept",
    )
    np.testing.assert_array_equal(x[:, 0], [[0, 1, 2], [0, 1, np.nan], [3, 4, 5]])
    start, _ = stack_unequal(rows(3, 9), 3, "a.ts", "start")
    np.testing.assert_array_equal(start[1, 0], [0, 1, 2])


def test_padding_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSYNTH_PADDED_MB", "3")
    wasteful = [*rows(*[1] * 99), *rows(10_000)]
    with pytest.raises(
        DataError, match=r"a.ts, whose series have 1 to 10,000 steps, holds 4 MB .* padded to one"
    ):
        stack_unequal(wasteful, 10_000, "a.ts")


def padded(long: int, n: int = 30, usual: int = 200) -> np.ndarray:
    """Series of about the usual number of steps, the first one far longer."""
    x = np.full((n, 1, long), np.nan, np.float32)
    x[:, 0, :usual] = np.sin(np.arange(usual) / 9) + np.arange(n)[:, None]
    x[0, 0] = np.arange(long)
    x[1, 0, usual - 50 :] = np.nan
    return x


def test_one_long_array_among_short_ones() -> None:
    x, y = padded(5_000), np.arange(30) % 2
    data = load_dataset((x, y))
    assert data.inputs[0].shape == (1, 200)
    told = "1 of 30 series in arrays (3.3%) are longer than 200 steps: the middle of each is kept"
    assert told in data.warnings
    np.testing.assert_array_equal(data.x["series"][0, 0], np.arange(2_400, 2_600))
    new = encode(x[:5, :, :4_000], data.encoders)
    np.testing.assert_array_equal(new.x["series"][0, 0], np.arange(1_900, 2_100))
    np.testing.assert_array_equal(new.x["series"][1:], data.x["series"][1:5])


def write_ts(path, lengths: list[int]) -> str:
    lines = ["@problemName x", "@equalLength false", "@classLabel true a b", "@data"]
    for row, n in enumerate(lengths):
        values = ",".join(str((row * 7 + i) % 10) for i in range(n))
        lines.append(f"{values}:{'ab'[row % 2]}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def test_one_long_line_of_a_ts_file(tmp_path) -> None:
    main = write_ts(tmp_path / "x_TRAIN.ts", [200] * 29 + [100_000])
    write_ts(tmp_path / "x_TEST.ts", [220] * 9 + [100_000])
    data = load_dataset(main)
    assert data.inputs[0].shape == (1, 220)
    assert [text[:45] for text in data.warnings] == [
        "1 of 30 series in x_TRAIN.ts (3.3%) are longe",
        "1 of 10 series in x_TEST.ts (10.0%) are longe",
    ]
    new = encode(write_ts(tmp_path / "new.ts", [300, 10, 90_000]), data.encoders)
    assert new.x["series"].shape == (3, 1, 220)
    assert new.x["series"][0, 0, 0] == 0 + 40 % 10
    assert np.isfinite(new.x["series"][1]).sum() == 10
    assert "2 of 3 series in new.ts (66.7%) are longer than 220 steps" in new.warnings[0]
