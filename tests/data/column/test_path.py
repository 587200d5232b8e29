"""Columns that name files: which they are, where the files are looked for, what is left out."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from autosynth.data import encode, load_dataset
from autosynth.data.column.path import media_kind
from autosynth.errors import DataError

N = 40


def draw(folder: Path, names: list[str], size: tuple[int, int] = (8, 8)) -> None:
    """Grey pictures whose brightness is their place."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        Image.fromarray(np.full(size, place, np.uint8)).save(folder / name)


@pytest.fixture
def table(tmp_path: Path) -> pd.DataFrame:
    """A table with a photo a row, in a folder beside it."""
    photos = [f"photos/{i * 7 % N}.png" for i in range(N)]
    draw(tmp_path / "photos", [f"{i}.png" for i in range(N)])
    frame = pd.DataFrame(
        {"photo": photos, "age": [i * 13 % 37 for i in range(N)], "y": ["a", "b"] * (N // 2)}
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    return frame


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a.png", "B.JPG", None, "d/e.tiff", " "], "image"),
        (["a.wav", "b.flac"], "audio"),
        (["a.png"] * 9 + ["none"], "image"),
        (["a.png"] * 8 + ["none"] * 2, None),
        (["http://x.org/a.png"] * 9, None),
        (["a.wav", "b.png"], None),
        ([1, 2], None),
    ],
)
def test_kind_by_suffix(values: list[object], kind: str | None) -> None:
    assert media_kind(pd.Series(values, dtype=object)) == kind


def test_paths_are_relative_to_the_table_or_to_the_current_folder(
    tmp_path: Path, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load_dataset(tmp_path / "t.csv", target="y")
    assert [(spec.name, spec.shape) for spec in data.inputs] == [
        ("table", (1,)),
        ("photo", (1, 8, 8)),
    ]
    wanted = [i * 7 % N for i in range(N)]
    assert data.x["photo"][:, 0, 0, 0].tolist() == wanted
    encoders = json.loads(json.dumps(dict(data.encoders)))
    # Rows to predict have files of the same names elsewhere.
    other = tmp_path / "other"
    draw(other / "photos", [f"{N - 1 - i}.png" for i in range(N)])
    table.drop(columns="y").to_csv(other / "new.csv", index=False)
    found = encode(other / "new.csv", encoders).x["photo"][:, 0, 0, 0]
    assert found.tolist() == [N - 1 - i for i in wanted]
    monkeypatch.chdir(tmp_path)
    assert load_dataset(table, target="y").x["photo"][:, 0, 0, 0].tolist() == wanted


def test_a_test_part_has_its_own_folder(tmp_path: Path, table: pd.DataFrame) -> None:
    other = tmp_path / "other"
    draw(other / "photos", [f"{N - 1 - i}.png" for i in range(N)])
    table.to_csv(other / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y", test=other / "t.csv")
    first = data.x["photo"][:, 0, 0, 0]
    assert first[:N].tolist() == [N - 1 - value for value in first[N:].tolist()]


def test_rows_without_a_picture_are_left_out_of_all_inputs(
    tmp_path: Path, table: pd.DataFrame
) -> None:
    (tmp_path / "photos" / "7.png").unlink()  # row 1
    (tmp_path / "photos" / "14.png").write_bytes(b"no picture")  # row 2
    table.loc[3, "photo"] = None
    table.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y")
    assert len(data.y) == len(data.x["photo"]) == len(data.x["table"]) == N - 3
    assert data.x["table"][:, 0].tolist() == table["age"].drop([1, 2, 3]).tolist()
    splits = data.splits
    rows = np.concatenate([splits.train, splits.validation, splits.test])
    assert sorted(rows) == list(range(N - 3))
    assert [data.target.classes[code] for code in data.y] == table["y"].drop([1, 2, 3]).tolist()
    told = "\n".join(data.warnings)
    assert f"1 pictures of 'photo' do not exist, and their rows are left out: {tmp_path}" in told
    assert "1 pictures of 'photo' cannot be read" in told
    assert "1 pictures of 'photo' are not named, and their rows are left out: row 3" in told
    encoded = encode(tmp_path / "t.csv", data.encoders)
    assert list(encoded.index)[:2] == ["0", "4"]
    table = table.assign(photo="gone.png")
    with pytest.raises(DataError, match=r"no row of frame can be read .*gone\.png"):
        encode(table, data.encoders)


def test_no_picture_at_all_is_an_error(tmp_path: Path, table: pd.DataFrame) -> None:
    table["photo"] = [f"gone/{i}.png" for i in range(N)]
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(
        DataError, match=r"'photo' names pictures, and none of 21 can be read: .*--"
    ):
        load_dataset(tmp_path / "t.csv", target="y")


@pytest.mark.parametrize("form", ["{}.png", "{:03d}.png"])
def test_a_folder_beside_the_table_is_named_by_ids(tmp_path: Path, form: str) -> None:
    draw(tmp_path / "pictures", [form.format(i) for i in range(N)])
    (tmp_path / "empty").mkdir()
    # Few small numbers name files too, by chance.
    frame = pd.DataFrame({"id": [i * 7 % N for i in range(N)], "n": [0, 1, 2, 3] * (N // 4)})
    frame["y"] = ["a", "b"] * (N // 2)
    frame.to_csv(tmp_path / "train.csv", index=False)
    data = load_dataset(tmp_path / "train.csv", target="y")
    assert [spec.name for spec in data.inputs] == ["table", "pictures"]
    assert data.x["pictures"][:, 0, 0, 0].tolist() == frame["id"].tolist()
    assert "            of files that column 'id' names: pictures/..." in data.summary
    assert [
        s.name for s in load_dataset(tmp_path / "train.csv", target="y", drop=["pictures"]).inputs
    ] == ["table"]
    # To predict: other ids, in a folder of another name.
    draw(tmp_path / "new" / "later", ["90.png", "91.png"])
    pd.DataFrame({"id": [91, 90], "n": [1, 1]}).to_csv(tmp_path / "new" / "x.csv", index=False)
    encoded = encode(tmp_path / "new" / "x.csv", data.encoders)
    assert encoded.x["pictures"][:, 0, 0, 0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [
        ([(128, 100)], (1, 128, 100)),
        ([(200, 100)], (1, 96, 48)),
        ([(20, 30), (40, 50), (60, 70)], (1, 40, 50)),
        ([(120, 90), (110, 90)], (1, 96, 75)),
    ],
)
def test_one_size_for_all(
    tmp_path: Path, sizes: list[tuple[int, int]], shape: tuple[int, ...]
) -> None:
    for place, size in enumerate(sizes):
        draw(tmp_path, [f"{i}.png" for i in range(place, N, len(sizes))], size)
    frame = pd.DataFrame({"p": [f"{i}.png" for i in range(N)], "y": ["a", "b"] * (N // 2)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y")
    channels, height, width = data.inputs[0].shape
    assert channels == shape[0]
    # The median is of training rows.
    assert np.allclose((height, width), shape[1:], atol=10 if len(sizes) > 1 else 0)


def test_colour_is_by_content(tmp_path: Path) -> None:
    grey = np.repeat(np.arange(64, dtype=np.uint8).reshape(8, 8, 1), 3, 2)
    y = ["a", "b"] * (N // 2)
    for name, last in (("grey", 0), ("colour", 9)):
        (tmp_path / name).mkdir()
        for i in range(N):
            Image.fromarray(grey + np.array([0, 0, last], np.uint8)).save(
                tmp_path / name / f"{i}.png"
            )
        frame = pd.DataFrame(
            {"p": [os.fspath(tmp_path / name / f"{i}.png") for i in range(N)], "y": y}
        )
        spec = load_dataset(frame, target="y").inputs[0]
        assert spec.shape[0] == (3 if last else 1)


def test_a_picture_and_a_sound_a_row(tmp_path: Path, table: pd.DataFrame) -> None:
    (tmp_path / "calls").mkdir()
    for i in range(N):
        wave = np.sin(np.arange(400 + i) / 9) / 2
        soundfile.write(tmp_path / "calls" / f"{i}.wav", wave, 8_000)
    table["call"] = [f"calls/{i}.wav" for i in range(N)]
    (tmp_path / "calls" / "2.wav").unlink()
    (tmp_path / "photos" / "35.png").unlink()  # row 5
    table.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y")
    assert [(spec.name, spec.kind, spec.rate) for spec in data.inputs] == [
        ("table", "table", 0),
        ("photo", "image", 0),
        ("call", "audio", 8_000),
    ]
    assert {len(x) for x in data.x.values()} == {N - 2}
    lengths = (~np.isnan(data.x["call"])).sum(1)
    wanted = [400 + i for i in range(N) if i not in (2, 5)]
    assert lengths.tolist() == [min(size, data.inputs[2].shape[0]) for size in wanted]
    assert any(
        line.startswith("input       call: ") and "8000 Hz" in line for line in data.summary
    )


def test_hidden_folders_and_files_are_not_named(tmp_path: Path, table: pd.DataFrame) -> None:
    for folder in (".cache", "__MACOSX"):
        draw(tmp_path / folder, [f"{i}.png" for i in range(N)])
    table = table.drop(columns="photo").assign(id=[i * 7 % N for i in range(N)])
    table.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "photos" / "._3.png").write_bytes(b"no picture")
    data = load_dataset(tmp_path / "t.csv", target="y")
    assert [spec.name for spec in data.inputs] == ["table", "photos"]
    assert len(data.y) == N


def test_files_without_a_suffix_are_named_by_ids(tmp_path: Path, table: pd.DataFrame) -> None:
    for path in list((tmp_path / "photos").iterdir()):
        path.rename(path.with_suffix(""))
    table = table.drop(columns="photo").assign(id=[i * 7 % N for i in range(N)])
    table.to_csv(tmp_path / "t.csv", index=False)
    data = load_dataset(tmp_path / "t.csv", target="y")
    assert data.x["photos"][:, 0, 0, 0].tolist() == table["id"].tolist()


def test_a_class_whose_files_cannot_be_read_is_told(tmp_path: Path, table: pd.DataFrame) -> None:
    for photo in table["photo"][table["y"] == "b"].iloc[:5]:
        (tmp_path / photo).write_bytes(b"no picture")
    data = load_dataset(tmp_path / "t.csv", target="y")
    assert "rows whose inputs cannot be read, by y: b 5" in data.warnings
    for photo in table["photo"][table["y"] == "b"]:
        (tmp_path / photo).write_bytes(b"no picture")
    with pytest.raises(DataError, match="class 'b' of .* not one of its 20 rows can be read"):
        load_dataset(tmp_path / "t.csv", target="y")
