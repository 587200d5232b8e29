"""`.ts` files: channels and steps where they belong, lengths, labels, and lines that are wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.data import encode, load_dataset
from autosynth.data.source.ts import read_ts
from autosynth.errors import DataError

HEADER = """# made for a test
@problemName Wave
@timeStamps false
@missing true
@univariate false
@dimensions {channels}
@equalLength {equal}
{length}@classLabel true up down
@data
"""


def header(channels: int, steps: int = 0) -> str:
    length = f"@seriesLength {steps}\n" if steps else ""
    return HEADER.format(channels=channels, equal=str(bool(steps)).lower(), length=length)


def line(number: int, channels: int, steps: int) -> str:
    values = np.sin(number + np.arange(channels)[:, None] + np.arange(steps) / 4)
    parts = [",".join(f"{value:.4f}" for value in channel) for channel in values]
    return ":".join([*parts, ("up", "down")[number % 2]])


def write(path: Path, lines: list[str], head: str | None = None) -> Path:
    path.write_text((header(3, 20) if head is None else head) + "\n".join(lines) + "\n")
    return path


@pytest.fixture
def pair(tmp_path: Path) -> Path:
    write(tmp_path / "Wave_TEST.ts", [line(i, 3, 20) for i in range(10)])
    return write(tmp_path / "Wave_TRAIN.ts", [line(i, 3, 20) for i in range(40)])


def test_train_finds_test_and_a_folder_finds_both(pair: Path) -> None:
    by_file, by_folder = load_dataset(pair), load_dataset(pair.parent)
    for data in (by_file, by_folder):
        assert (data.name, data.target.name) == ("Wave", "label")
        assert data.inputs[0].shape == (3, 20)
        assert not data.inputs[0].masked
        assert data.splits.test.tolist() == list(range(40, 50))
        assert data.target.classes == ("down", "up")
        assert data.warnings == ()
    assert by_file.fingerprint == by_folder.fingerprint
    assert data.x["series"][3, 2, 5] == pytest.approx(np.sin(3 + 2 + 5 / 4), abs=1e-4)


@pytest.mark.parametrize(("channels", "steps"), [(12, 8), (8, 8), (1, 30), (28, 28), (40, 5)])
def test_channels_and_steps_never_change_places(tmp_path: Path, channels: int, steps: int) -> None:
    lines = [line(i, channels, steps) for i in range(40)]
    data = load_dataset(write(tmp_path / "a.ts", lines, header(channels, steps)))
    assert (data.inputs[0].kind, data.inputs[0].shape) == ("series", (channels, steps))
    new = write(tmp_path / "new.ts", lines[:3], header(channels, steps))
    assert np.array_equal(encode(new, data.encoders).x["series"], data.x["series"][:3])


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=8),
    channels=st.integers(1, 4),
    label=st.booleans(),
)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], channels: int, label: bool
) -> None:
    lines = [line(i, channels, steps) for i, steps in enumerate(lengths)]
    head = header(channels)
    if not label:
        lines = [text.rsplit(":", 1)[0] for text in lines]
        head = head.replace("true up down", "false")
    raw = read_ts(write(tmp_path_factory.getbasetemp() / "a.ts", lines, head))
    assert raw.main is not None
    assert raw.main.x.shape == (len(lengths), channels, max(lengths))
    assert (np.isfinite(raw.main.x).sum(2) == np.array(lengths)[:, None]).all()
    assert (raw.main.y is not None) == label


def test_unequal_lengths_and_missing_steps(tmp_path: Path) -> None:
    lines = [line(i, 3, 10 + i % 5) for i in range(40)]
    lines[5] = lines[5].replace(lines[5].split(",")[1], "?", 1)
    lines[6] = lines[6].rsplit(":", 1)[0] + ":?"
    data = load_dataset(write(tmp_path / "a.ts", lines, header(3)))
    assert data.inputs[0].shape == (3, 14)
    assert data.inputs[0].masked
    assert any("lengths 10 ... 14" in told for told in data.summary)
    assert any("1 series have missing steps" in told for told in data.warnings)
    assert len(data.splits.unlabelled) == 1
    assert np.isnan(data.x["series"][5, 0, 1])


def test_target_labels_are_a_regression(tmp_path: Path) -> None:
    head = header(3, 20).replace("@classLabel true up down", "@targetlabel true")
    lines = [f"{line(i, 3, 20).rsplit(':', 1)[0]}:{i / 7}" for i in range(60)]
    data = load_dataset(write(tmp_path / "a.ts", lines, head))
    assert (data.target.name, data.target.task) == ("target", "regression")
    assert data.y[7] == pytest.approx(1.0)


def test_prediction_takes_a_file_with_or_without_labels(pair: Path, tmp_path: Path) -> None:
    data = load_dataset(pair)
    bare = [line(i, 3, 20).rsplit(":", 1)[0] for i in range(4)]
    head = header(3, 20).replace("true up down", "false")
    new = write(tmp_path / "new.ts", bare, head)
    expected = data.x["series"][:4]
    assert np.array_equal(encode(new, data.encoders).x["series"], expected)
    assert np.array_equal(encode(pair, data.encoders).x["series"][:4], expected)
    assert len(encode(pair.parent, data.encoders).index) == 10  # the official test part
    with pytest.raises(DataError, match="rows without a target; one value a row is needed"):
        load_dataset(new)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("1,2:3,4:up", r"Wave_TRAIN\.ts:13: 2 channels before its label, where 3 are expected"),
        (line(1, 3, 19), r"\.ts:13: a channel of 19 steps, where the header says .* 20"),
        (line(1, 3, 20)[:-2], r"\.ts:13: label 'do' is none of those that @classLabel lists: up,"),
        (line(1, 3, 20).replace(".", "x", 1), r"\.ts:13: could not convert .* a step is a number"),
    ],
)
def test_bad_lines(pair: Path, bad: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(write(pair, [line(0, 3, 20), line(1, 3, 20), bad]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (header(3).replace("@timeStamps false", "@timeStamps true"), "a time for each step are"),
        (header(3).replace("@data\n", ""), "':' .* stands before @data|no line says @data"),
        (header(3).split("@data")[0], "no line says @data"),
        (header(3), "holds no series after @data"),
        ("const a = 1;\n", "'const a = 1;' stands before @data; a .ts file begins with lines"),
        (header(3).replace("@data", "@targetLabel true\n@data"), "says both @classLabel true and"),
    ],
)
def test_bad_headers(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "a.ts"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        load_dataset(path)


@given(cut=st.integers(0, 700))
def test_a_file_that_was_cut_off_gives_whole_series_or_an_error(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.ts"
    text = header(2, 8) + "\n".join(line(i, 2, 8) for i in range(3))
    path.write_text(text[:cut])
    try:
        raw = read_ts(path)
    except DataError:
        return
    assert raw.main is not None
    whole = text[:cut].split("@data\n")[1].splitlines()
    assert raw.main.x.shape == (len(whole), 2, 8)
    assert np.isfinite(raw.main.x).all()


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.ts"
    path.write_bytes(header(3).encode() + b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read as .ts: 'utf-8' codec"):
        load_dataset(path)


@pytest.mark.parametrize(
    ("name", "shape", "masked", "sizes"),
    [
        ("BasicMotions", (6, 100), False, (27, 0, 13, 40)),
        ("JapaneseVowels", (12, 29), True, (180, 0, 90, 370)),
    ],
)
def test_reference_sets(
    shared: Path, name: str, shape: tuple[int, int], masked: bool, sizes: tuple[int, ...]
) -> None:
    data = load_dataset(shared / "uea" / name)
    splits = data.splits
    assert (data.inputs[0].shape, data.inputs[0].masked) == (shape, masked)
    found = (splits.train, splits.calibration, splits.validation, splits.test)
    assert tuple(map(len, found)) == sizes


def test_values_far_from_0_keep_what_they_differ_by(tmp_path: Path) -> None:
    """Unequal lengths, a channel far from 0 beside one that is not."""
    rng = np.random.default_rng(0)
    series = [rng.integers(-400, 400, (2, 10 + i % 3)) / 256 for i in range(30)]
    found = []
    for name, offset in (("near", 0.0), ("far", 2.0**30)):
        rows = [
            f"{','.join(map(repr, map(float, a)))}:{','.join(map(repr, map(float, b + offset)))}:"
            f"{('up', 'down')[i % 2]}"
            for i, (a, b) in enumerate(series)
        ]
        path = write(tmp_path / f"{name}.ts", rows, header(2))
        data = load_dataset(path)
        (key,) = data.x
        np.testing.assert_array_equal(encode(path, data.encoders).x[key], data.x[key])
        found.append(data.x[key])
    np.testing.assert_array_equal(found[0][:, 0], found[1][:, 0])
    moved = [x[:, 1] - x[0, 1, 0] for x in found]
    np.testing.assert_array_equal(moved[0], moved[1])
