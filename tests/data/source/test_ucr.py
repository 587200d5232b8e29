"""UCR series: pairs of files, unequal lengths, missing steps, and lines that are wrong."""

from pathlib import Path

import numpy as np
import pytest

from autosynth.data import encode, load_dataset
from autosynth.errors import DataError


def lines(n: int, steps: int, cell: str = "{:.3f}") -> list[str]:
    values = np.sin(np.arange(n)[:, None] + np.arange(steps) / 4)
    return [
        "\t".join([str(i % 2 + 1), *(cell.format(v) for v in row)]) for i, row in enumerate(values)
    ]


def write(path: Path, rows: list[str]) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    write(tmp_path / "Wave_TEST.tsv", lines(10, 24))
    return write(tmp_path / "Wave_TRAIN.tsv", lines(40, 24))


def test_train_finds_test_and_a_folder_finds_both(pair: Path) -> None:
    by_file, by_folder = load_dataset(pair), load_dataset(pair.parent)
    for data in (by_file, by_folder):
        assert data.name == "Wave"
        assert data.inputs[0].shape == (1, 24)
        assert data.splits.test.tolist() == list(range(40, 50))
        assert data.target.classes == ("1", "2")
        assert data.warnings == ()
    assert by_file.fingerprint == by_folder.fingerprint


def test_a_file_alone_draws_its_test(pair: Path) -> None:
    data = load_dataset(pair.with_name("Wave_TEST.tsv"))
    assert len(data.y) == 10
    assert len(data.splits.test) == 2


def test_another_test_file_overrides(pair: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.tsv", lines(7, 20))
    data = load_dataset(pair, test=other)
    assert data.splits.test.tolist() == list(range(40, 47))
    assert np.isnan(data.x["series"][40:, :, 20:]).all()
    assert not np.isnan(data.x["series"][40:, :, :20]).any()


def test_unequal_lengths_are_no_warning_and_missing_steps_are(pair: Path) -> None:
    rows = lines(40, 24)
    rows[3] = "\t".join([*rows[3].split("\t")[:20], *["NaN"] * 5])
    write(pair, rows)
    data = load_dataset(pair)
    assert data.warnings == ()
    assert any("lengths 19 ... 24" in line for line in data.summary)
    cells = rows[5].split("\t")
    rows[5] = "\t".join([*cells[:9], "NaN", *cells[10:]])
    write(pair, rows)
    data = load_dataset(pair)
    assert "1 series have missing steps" in data.warnings[0]
    assert np.isnan(data.x["series"][5, 0, 8])


def test_a_series_of_nan_is_left_out(pair: Path) -> None:
    rows = lines(40, 24)
    rows[3] = "\t".join(["2", *["NaN"] * 24])
    data = load_dataset(write(pair, rows))
    assert len(data.y) == 49
    assert "1 series without any value left out: rows 3" in data.warnings[0]


def test_infinite_steps_are_missing(pair: Path) -> None:
    rows = lines(40, 24)
    rows[3] = rows[3].replace(rows[3].split("\t")[4], "inf", 1)
    data = load_dataset(write(pair, rows))
    assert "1 infinite values in series; taken as missing steps" in data.warnings
    assert not np.isinf(data.x["series"]).any()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t2.0\t3.0", r"Wave_TRAIN\.tsv:4: 3 fields, where the first line has 25"),
        ("\t".join(["1", "x", *["0"] * 23]), r"Wave_TRAIN\.tsv:4: 'x' in field 2 is no number"),
    ],
)
def test_bad_lines(pair: Path, line: str, message: str) -> None:
    rows = lines(40, 24)
    rows[3] = line
    with pytest.raises(DataError, match=message):
        load_dataset(write(pair, rows))


def test_two_sets_in_a_folder(pair: Path) -> None:
    write(pair.with_name("Other_TRAIN.tsv"), lines(40, 24))
    with pytest.raises(DataError, match="holds 2 sets: Other_TRAIN.tsv, Wave_TRAIN.tsv"):
        load_dataset(pair.parent)


def test_a_tsv_with_a_header_is_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv", ["a\tgoal", *(f"{i * 7 % 30}\t{i % 2}" for i in range(30))])
    assert load_dataset(path, target="goal").inputs[0].kind == "table"
    with pytest.raises(DataError, match="no target is named"):
        load_dataset(path)


@pytest.mark.parametrize("odd", [b"\xa8", b'"', b"1_0 x", b"\xff\xfe"])
def test_a_broken_byte_is_named(pair: Path, odd: bytes) -> None:
    path = write(pair, lines(40, 24))
    content = path.read_bytes()
    middle = content.index(b"\t", len(content) // 2)
    path.write_bytes(content[:middle] + odd + content[middle:])
    with pytest.raises(DataError, match=r"Wave_TRAIN\.tsv:\d+: .* in field \d+ is no number"):
        load_dataset(path)


def test_numbers_beyond_all_types_are_missing_steps(pair: Path) -> None:
    rows = lines(40, 24)
    rows[3] = "\t".join(["1", "9" * 400, "1e60", *["0"] * 22])
    data = load_dataset(write(pair, rows))
    assert "2 infinite values in series; taken as missing steps" in data.warnings


@pytest.mark.parametrize("offset", [1e6, -3e8, 1.7e12])
def test_values_far_from_0_keep_what_they_differ_by(offset: float, tmp_path: Path) -> None:
    """As those of their twin near 0, in training, in the test part and in prediction."""
    rng = np.random.default_rng(0)
    near = rng.integers(-400, 400, (50, 24)) / 256  # float64 holds their sums
    found = []
    for name, values in (("near", near), ("far", near + offset)):
        folder = tmp_path / name
        folder.mkdir()
        rows = ["\t".join([str(i % 2), *map(repr, map(float, r))]) for i, r in enumerate(values)]
        write(folder / "Wave_TRAIN.tsv", rows[:40])
        write(folder / "Wave_TEST.tsv", rows[40:])
        data = load_dataset(folder)
        (key,) = data.x
        again = encode(folder / "Wave_TEST.tsv", data.encoders).x[key]
        np.testing.assert_array_equal(again, data.x[key][data.splits.test])
        found.append(data.x[key])
    assert found[1].dtype == np.float32
    moved = [x - x[0, 0, 0] for x in found]
    np.testing.assert_allclose(*moved, atol=5e-4)  # an eighth of a step of 1 / 256
