"""Folders of sounds: paths in one column, classes by sub-folder, parts by name."""

from pathlib import Path

import pandas as pd
import pytest

from autosynth.data.source.classfolder import AUDIO_COLUMN as COLUMN
from autosynth.data.source.raw import RawRows, RowFormat
from autosynth.data.source.read import read_source, read_unlabelled
from autosynth.errors import DataError

SPEC = RowFormat(kind="audio", columns=(COLUMN,))


def fill(folder: Path, n: int = 3, suffix: str = ".wav") -> Path:
    for label in ("no", "yes"):
        (folder / label).mkdir(parents=True)
        for number in range(n):
            (folder / label / f"{number}{suffix}").write_bytes(b"RIFF")
    return folder


def paths(rows: RawRows | None) -> list[str]:
    assert rows is not None
    assert isinstance(rows.x, pd.DataFrame)
    assert list(rows.x.columns) == [COLUMN]
    return list(rows.x[COLUMN])


def test_sub_folders_are_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "words", suffix=".FLAC")
    (tmp_path / "words" / "cover.png").write_bytes(b"")
    (tmp_path / "words" / "no" / ".hidden.wav").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    raw = read_source("words")
    assert (raw.name, raw.kind, raw.target, raw.labels) == ("words", "audio", "class", True)
    assert raw.main is not None
    assert raw.main.y is not None
    assert raw.main.y.tolist() == ["no"] * 3 + ["yes"] * 3
    assert paths(raw.main)[0] == str(tmp_path / "words" / "no" / "0.FLAC")
    assert raw.main.index[4] == "yes/1.FLAC"


def test_parts_are_official_and_prediction_takes_the_test(tmp_path: Path) -> None:
    fill(tmp_path / "train", 4)
    fill(tmp_path / "valid", 2)
    fill(tmp_path / "test", 1)
    raw = read_source(tmp_path)
    assert [len(part) for part in (raw.main, raw.validation, raw.test) if part] == [8, 4, 2]
    new = read_unlabelled(tmp_path, SPEC)
    assert paths(new.main) == paths(raw.test)
    assert new.main is not None
    assert new.main.y is None


def test_prediction_takes_a_flat_folder_or_one_file(tmp_path: Path) -> None:
    for name in ("b.ogg", "a.mp3"):
        (tmp_path / name).write_bytes(b"")
    flat = read_unlabelled(tmp_path, SPEC)
    assert paths(flat.main) == [str(tmp_path / "a.mp3"), str(tmp_path / "b.ogg")]
    one = read_unlabelled(tmp_path / "b.ogg", SPEC)
    assert one.main is not None
    assert list(one.main.index) == ["b.ogg"]
    with pytest.raises(DataError, match=r"holds sounds, but no sub-folder a class. Sort them as"):
        read_source(tmp_path)


def test_a_target_names_the_table_beside_the_files(tmp_path: Path) -> None:
    fill(tmp_path / "sounds")
    (tmp_path / "notes.csv").write_text("file,loud\nsounds/no/0.wav,1\nsounds/yes/0.wav,0\n")
    raw = read_source(tmp_path, ["loud"])
    assert raw.main is not None
    assert list(raw.main.x.columns) == ["file"]
    assert raw.source == str(tmp_path / "notes.csv")
    for spec in (RowFormat(columns=("file",)), RowFormat(kind="audio", columns=("file",))):
        new = read_unlabelled(tmp_path, spec).main
        assert new is not None
        assert list(new.x.columns) == ["file", "loud"]
    assert read_source(tmp_path / "sounds").kind == "audio"


def test_pictures_that_a_column_named_are_predicted_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    spec = RowFormat(kind="image", shape=(1, 8, 8), columns=("photo",))
    for source in (tmp_path, tmp_path / "a.png"):
        rows = read_unlabelled(source, spec).main
        assert rows is not None
        assert rows.x["photo"].tolist() == [str(tmp_path / "a.png")]
