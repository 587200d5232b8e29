"""Pictures in a row: folders of folders, arrays, columns that name folders; read and broken."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import autosynth
from autosynth.data.encoder.frames import FramesEncoder
from autosynth.data.load import encode
from autosynth.errors import DataError
from autosynth.spec import Dataset, InputSpec


def a_film(rng: np.random.Generator, steps: int, first: int = 0) -> np.ndarray:
    """Pictures (steps, 9, 8) whose darkest value says which step it is."""
    dark = np.arange(first, first + steps)[:, None, None] * 10
    return np.clip(dark + rng.integers(100, 150, (steps, 9, 8)), 0, 255).astype(np.uint8)


def write(folder: Path, film: np.ndarray, name: str = "frame_{}.png") -> None:
    folder.mkdir(parents=True)
    for number, picture in enumerate(film, 1):
        Image.fromarray(picture).save(folder / name.format(number))


def films(
    folder: Path,
    classes: Sequence[str] = ("left", "right"),
    rows: int = 12,
    steps: Callable[[int], int] = lambda row: 4,
    name: str = "frame_{}.png",
) -> dict[str, np.ndarray]:
    """CLASS/ROW/frame_1.png, ...; gives the pictures of each row by the name of its folder."""
    rng, found = np.random.default_rng(0), {}
    for number, label in enumerate(classes):
        for row in range(rows):
            film = found[f"{label}/{row}"] = a_film(rng, steps(row), number)
            write(folder / label / str(row), film, name)
    return found


def told(dataset: Dataset, word: str) -> list[str]:
    return [line for line in (*dataset.summary, *dataset.warnings) if word in line]


def test_a_folder_below_a_class_is_a_row(tmp_path: Path) -> None:
    made = films(tmp_path / "films", steps=lambda row: 11)  # 10 comes after 9, not after 1
    dataset = autosynth.load_dataset(tmp_path / "films")
    (spec,) = dataset.inputs
    assert (spec.kind, spec.shape, spec.masked) == ("frames", (1, 11, 9, 8), False)
    assert dataset.target.classes == ("left", "right")
    x = dataset.x["frames"]
    assert x.dtype == np.uint8
    rows = sorted(made, key=lambda name: (name.partition("/")[0], name))
    np.testing.assert_array_equal(x[:, 0], np.stack([made[name] for name in rows]))
    assert "--column frames=image" in told(dataset, "are one row")[0]
    encoded = encode(tmp_path / "films" / "left", dataset.encoders)
    assert list(encoded.index) == [name.partition("/")[2] for name in rows[:12]]
    np.testing.assert_array_equal(encoded.x["frames"], x[:12])
    one = encode(tmp_path / "films" / "right" / "7", dataset.encoders)
    np.testing.assert_array_equal(one.x["frames"][0, 0], made["right/7"])


def test_folders_of_parts_hold_classes_and_these_rows(tmp_path: Path) -> None:
    films(tmp_path / "d" / "training_set", rows=20)
    films(tmp_path / "d" / "val", rows=16)
    films(tmp_path / "d" / "test", rows=10)
    dataset = autosynth.load_dataset(tmp_path / "d")
    splits = dataset.splits
    assert dataset.inputs[0].kind == "frames"
    assert [len(splits.train), len(splits.validation), len(splits.test)] == [40, 32, 20]
    # To predict, the rows of the test part are taken, as of pictures.
    assert len(encode(tmp_path / "d", dataset.encoders).index) == 20


def test_a_test_part_in_another_folder_is_read_as_rows(tmp_path: Path) -> None:
    films(tmp_path / "a")
    films(tmp_path / "b", rows=1)  # too few to be told by their names
    dataset = autosynth.load_dataset(tmp_path / "a", test=tmp_path / "b")
    assert len(dataset.splits.test) == 2


@pytest.mark.parametrize("name", ["{:03}.jpg", "IM-0001-{:04}.png", "slice{}.tif"])
def test_pictures_count_in_any_usual_way(tmp_path: Path, name: str) -> None:
    films(tmp_path / "films", name=name)
    assert autosynth.load_dataset(tmp_path / "films").inputs[0].kind == "frames"


def test_rows_of_unequal_length_are_masked_and_a_far_longer_one_is_cut(tmp_path: Path) -> None:
    def steps(row: int) -> int:
        return 40 if row == 11 else 3 + row % 3

    made = films(tmp_path / "films", rows=20, steps=steps)
    dataset = autosynth.load_dataset(tmp_path / "films")
    (spec,) = dataset.inputs
    assert (spec.shape, spec.masked) == ((1, 5, 9, 8), True)
    assert any("3 ... 5 pictures a row" in line for line in dataset.summary)
    assert told(dataset, "the middle of each is kept")
    encoded = encode(tmp_path / "films", dataset.encoders)
    for name, x in zip(encoded.index, encoded.x["frames"], strict=True):
        film = made[name]
        start = max(0, len(film) - 5) // 2
        known = film[start : start + 5]
        np.testing.assert_array_equal(x[0, : len(known)], known)
        assert np.isnan(x[0, len(known) :]).all()


def test_pictures_that_do_not_count_anew_are_rows_by_themselves(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number in range(40):
        place = tmp_path / "photos" / ("cat", "dog")[number % 2] / f"batch{number // 20}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(a_film(rng, 1)[0]).save(place / f"IMG_{number}.png")
    dataset = autosynth.load_dataset(tmp_path / "photos")
    assert (dataset.inputs[0].kind, len(dataset.y)) == ("image", 40)


def test_what_folders_mean_can_be_told(tmp_path: Path) -> None:
    films(tmp_path / "films")
    alone = autosynth.load_dataset(tmp_path / "films", columns={"frames": "image"})
    assert (alone.inputs[0].kind, len(alone.y)) == ("image", 96)
    films(tmp_path / "odd")
    for path in (tmp_path / "odd").rglob("*.png"):
        path.rename(path.with_stem("abcd"[int(path.stem[-1]) - 1]))
    assert autosynth.load_dataset(tmp_path / "odd").inputs[0].kind == "image"
    rows = autosynth.load_dataset(tmp_path / "odd", columns={"frames": "frames"})
    assert (rows.inputs[0].kind, len(rows.y)) == ("frames", 24)
    assert not told(rows, "are one row")
    flat = tmp_path / "flat" / "left"
    write(flat, a_film(np.random.default_rng(0), 20))
    with pytest.raises(DataError, match=r"stand in no folder of a row .*CLASS/ROW/001\.png"):
        autosynth.load_dataset(tmp_path / "flat", columns={"frames": "frames"})


def test_broken_pictures_are_missing_steps_and_empty_rows_are_left_out(tmp_path: Path) -> None:
    films(tmp_path / "films", steps=lambda row: 3 + row % 2)
    (tmp_path / "films" / "left" / "0" / "frame_2.png").write_bytes(b"no picture")
    for file in (tmp_path / "films" / "left" / "1").iterdir():
        file.write_bytes(b"nor this")
    dataset = autosynth.load_dataset(tmp_path / "films")
    assert len(dataset.y) == 23
    assert (
        "left/0/frame_2.png" in told(dataset, "5 pictures of 'frames' count as missing steps")[0]
    )
    assert told(dataset, "1 rows of 'frames' without any picture left out")
    assert np.isnan(dataset.x["frames"][0, 0, 1]).all()
    assert not np.isnan(dataset.x["frames"][0, 0, 0]).any()


def test_a_model_that_missed_none_reads_the_picture_before(tmp_path: Path) -> None:
    films(tmp_path / "films")
    dataset = autosynth.load_dataset(tmp_path / "films")
    new = a_film(np.random.default_rng(1), 3)
    write(tmp_path / "new" / "row", new)
    encoded = encode(tmp_path / "new", dataset.encoders)
    np.testing.assert_array_equal(encoded.x["frames"][0, 0], new[[0, 1, 2, 2]])
    assert "the one before stands there" in encoded.warnings[0]


@pytest.mark.parametrize(("axes", "shape"), [((2, 3), (3, 4)), ((2, 4), (3, 4))])
def test_five_axes_are_frames(axes: tuple[int, int], shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (40, 6, 3, 9, 8), np.uint8)
    given = x if axes == (2, 3) else np.moveaxis(x, 2, 4)
    dataset = autosynth.load_dataset((given, np.arange(40) % 2))
    assert dataset.inputs[0].shape == (3, 6, 9, 8)
    np.testing.assert_array_equal(dataset.x["frames"], np.moveaxis(x, 2, 1))
    # Shares of white, with the channels elsewhere: as images are brought back.
    other = np.moveaxis(x, 2, 4) if axes == (2, 3) else x
    found = encode((other / 255).astype(np.float32), dataset.encoders)
    np.testing.assert_array_equal(found.x["frames"], np.moveaxis(x, 2, 1))
    assert any("brought to 0 to 255" in text for text in found.warnings)


def test_four_axes_are_frames_where_they_are_said_to_be(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((40, 6, 9, 8), dtype=np.float32), np.arange(40) % 2
    np.savez(tmp_path / "a.npz", x=x, y=y)
    dataset = autosynth.load_dataset(tmp_path / "a.npz", columns={"x": "frames"})
    assert dataset.inputs[0].shape == (1, 6, 9, 8)
    np.testing.assert_array_equal(dataset.x["frames"][:, 0], x)
    with pytest.raises(DataError, match=r"channels seem to stand before the steps.*swapaxes"):
        autosynth.load_dataset((rng.random((40, 3, 6, 9, 8)), y))


def test_a_list_of_unequal_arrays_is_padded_and_so_is_a_test_part() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.random((3 + i % 3, 1, 9, 8), dtype=np.float32) for i in range(40)]
    y, test = np.arange(40) % 2, rng.random((4, 7, 1, 9, 8), dtype=np.float32)
    dataset = autosynth.load_dataset((rows, y))
    (spec,) = dataset.inputs
    assert (spec.shape, spec.masked) == ((1, 5, 9, 8), True)
    sizes = (~np.isnan(dataset.x["frames"][:, 0, :, 0, 0])).sum(1)
    assert sizes.tolist() == [3 + i % 3 for i in range(40)]
    both = autosynth.load_dataset((rows, y, test * 255, y[:4]))
    np.testing.assert_allclose(both.x["frames"][40:, 0], test[:, 1:6, 0], rtol=1e-5)
    assert told(both, "brought to 0 to 1")
    found = encode(test, dataset.encoders)
    np.testing.assert_allclose(found.x["frames"][:, 0], test[:, 1:6, 0])


def test_a_column_may_name_folders(tmp_path: Path) -> None:
    made = films(tmp_path / "films", rows=10)
    names = list(made)
    frame = pd.DataFrame({"scan": [f"films/{name}" for name in names], "age": range(20, 40)})
    frame["ill"] = ["no", "yes"] * 10
    frame.to_csv(tmp_path / "patients.csv", index=False)
    dataset = autosynth.load_dataset(
        tmp_path / "patients.csv", target="ill", columns={"scan": "frames"}
    )
    assert {each.name: each.kind for each in dataset.inputs} == {
        "table": "table",
        "scan": "frames",
    }
    np.testing.assert_array_equal(dataset.x["scan"][3, 0], made[names[3]])
    alone = autosynth.load_dataset(tmp_path / "patients.csv", target="ill")  # by what it names
    np.testing.assert_array_equal(alone.x["scan"], dataset.x["scan"])
    assert "of the pictures that column 'scan' names or holds" in "\n".join(alone.summary)
    found = encode(tmp_path / "patients.csv", dataset.encoders)
    np.testing.assert_array_equal(found.x["scan"], dataset.x["scan"])
    frame.assign(scan="nowhere").to_csv(tmp_path / "lost.csv", index=False)
    with pytest.raises(DataError, match="names folders of pictures, and none of .* holds any"):
        autosynth.load_dataset(tmp_path / "lost.csv", target="ill", columns={"scan": "frames"})


@pytest.mark.parametrize("how", ["numbers", "absolute", "some_missing"])
def test_folders_of_pictures_are_seen_in_a_column(how: str, tmp_path: Path) -> None:
    made = list(films(tmp_path / "films", rows=10).values())
    names: list[Any] = list(range(100, 120))
    for name, film in zip(names, made, strict=True):
        write(tmp_path / str(name), film)
    if how == "absolute":
        names = [str(tmp_path / str(name)) for name in names]
    if how == "some_missing":
        names = ["", *(f"./{name}" for name in names[1:])]
    frame = pd.DataFrame({"scan": names, "age": range(20, 40), "ill": ["no", "yes"] * 10})
    frame.to_csv(tmp_path / "patients.csv", index=False)
    dataset = autosynth.load_dataset(tmp_path / "patients.csv", target="ill")
    assert [each.kind for each in dataset.inputs] == ["table", "frames"]
    found = encode(tmp_path / "patients.csv", dataset.encoders)
    (key,) = set(found.x) - {"table"}
    np.testing.assert_array_equal(found.x[key][-1, 0], made[-1])
    assert len(found.x[key]) == sum(map(bool, names))


def test_a_column_of_folders_of_classes_is_no_column_of_frames(tmp_path: Path) -> None:
    made = list(films(tmp_path / "films", rows=10).values())
    for name in ("cats", "dogs"):
        write(tmp_path / name, made[0])
    frame = pd.DataFrame(
        {"pet": ["cats", "dogs"] * 10, "age": range(20, 40), "y": list("aabb") * 5}
    )
    frame.to_csv(tmp_path / "pets.csv", index=False)
    dataset = autosynth.load_dataset(tmp_path / "pets.csv", target="y")
    assert [each.kind for each in dataset.inputs] == ["table"]


def test_a_model_of_arrays_reads_folders(tmp_path: Path) -> None:
    made = films(tmp_path / "films")
    x = np.stack(list(made.values()))[:, :, None]
    dataset = autosynth.load_dataset((x / np.float32(255), np.arange(24) % 2))
    found = encode(tmp_path / "films", dataset.encoders)
    wanted = np.stack([made[str(name)] for name in found.index])[:, None] / 255
    np.testing.assert_allclose(found.x["frames"], wanted, atol=1e-6)


def test_a_quick_look_reads_means_and_deviations_over_the_steps() -> None:
    x = np.zeros((2, 1, 4, 16, 16), np.float32)
    x[0, 0, :, 2:4, 4:6] = np.array([1.0, 3.0, 1.0, 3.0])[:, None, None]
    x[1, 0, 2:] = np.nan
    spec = InputSpec(name="x", kind="frames", shape=x.shape[1:], masked=True)
    found = FramesEncoder.few_numbers(x, spec)
    assert found.shape == (2, 128)
    assert np.isfinite(found).all()
    assert found[0, 1 * 8 + 2] == pytest.approx(2)
    assert found[0, 64 + 1 * 8 + 2] == pytest.approx(1)
    assert found[0].sum() == pytest.approx(3)


def test_many_large_rows_are_read_some_after_another(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, steps in (("a", 16), ("b", 15)):
        write(tmp_path / name, rng.integers(0, 255, (steps, 128, 128)).astype(np.uint8))
    (tmp_path / "a" / "frame_3.png").write_bytes(b"broken")
    names = [str(tmp_path / "ab"[row % 2]) for row in range(70)]  # of a megabyte each
    frame = pd.DataFrame({"scan": [*names[:66], str(tmp_path / "none"), *names[66:]]})
    encoder = FramesEncoder.fit(frame["scan"], np.arange(60), "scan")
    found = encoder.transform(frame)
    assert encoder.shape == (1, 16, 128, 128)
    assert found.keep is not None
    assert found.keep.tolist() == [row for row in range(71) if row != 66]
    for row in (2, 68):
        np.testing.assert_array_equal(found.values[row], found.values[0])
    told = "; ".join(found.warnings)
    assert "35 pictures of 'scan' count as missing steps, as they cannot be read: " in told
    assert "1 rows of 'scan' without any picture left out: rows 66" in told
