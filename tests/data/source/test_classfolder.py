"""Folders of sounds: paths in one column, classes by sub-folder, parts by name."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from autosynth.data import load_dataset
from autosynth.data.source.classfolder import AUDIO_COLUMN as COLUMN
from autosynth.data.source.raw import Raw, RawRows, RowFormat
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


def sizes(raw: Raw) -> list[int]:
    return [len(part) if part else 0 for part in (raw.main, raw.validation, raw.test)]


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("training_set", "valid", "test_set"), [6, 4, 2]),
        (("Train", "EVAL", "TEST"), [6, 4, 2]),
        (("seg_train/seg_train", "seg_val/seg_val", "seg_test/seg_test"), [6, 4, 2]),
        (("TrainingImages", "validation_data", "testset"), [6, 4, 2]),
        (("data/x/train", "data/x/dev", "data/x/test"), [6, 4, 2]),
        (("train-clean", "dev-clean", "test-clean"), [6, 4, 2]),
        (("train2017", "val2017", "holdout"), [6, 4, 2]),
        (("train", "dev", "eval"), [6, 4, 2]),
    ],
)
def test_parts_go_by_the_words_of_their_names(
    tmp_path: Path, names: tuple[str, ...], wanted: list[int]
) -> None:
    for name, n in zip(names, (3, 2, 1), strict=True):
        fill(tmp_path / name, n)
    raw = read_source(tmp_path)
    assert sizes(raw) == wanted
    assert raw.warnings == ()
    assert raw.main is not None
    assert set(raw.main.y) == {"no", "yes"}
    assert read_unlabelled(tmp_path, SPEC).main.index == ["no/0.wav", "yes/0.wav"]


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("word", ["train", "test", "Validation"])
def test_a_class_may_be_called_like_a_part(tmp_path: Path, word: str, deep: bool) -> None:
    fill(tmp_path)
    if deep:
        fill(tmp_path / word)
    else:
        fill(tmp_path / "other", 3)
        (tmp_path / "other" / "no").rename(tmp_path / word)
        for path in sorted((tmp_path / "other").rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
        (tmp_path / "other").rmdir()
    raw = read_source(tmp_path)
    assert raw.main is not None
    if deep and word == "train":  # no/ and yes/ stand beside a folder that holds both again
        assert set(raw.main.y) == {"no", "yes", "train"}
    elif deep:
        assert sizes(raw) == ([6, 0, 6] if word == "test" else [6, 6, 0])
        return
    assert set(raw.main.y) == {"no", "yes", word}
    assert f"folder {word!r} is read as a class" in raw.assumed[0]
    assert len(read_unlabelled(tmp_path, SPEC).main) == len(raw.main)


def test_what_belongs_to_no_part_is_counted(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "test")
    fill(tmp_path / "train_masks", 2)
    fill(tmp_path / "more", 1)
    (tmp_path / "train" / "loose.wav").write_bytes(b"RIFF")
    (tmp_path / "train" / "no" / "notes.txt").write_text("text")
    raw = read_source(tmp_path)
    assert sizes(raw) == [6, 0, 6]
    assert raw.warnings == (
        "7 sounds belong to no class of a part, and are left out: train_masks 4, more 2, train 1",
        "1 files are no sounds that can be read, and are left out: train 1 (.txt 1)",
    )


def test_a_test_part_without_classes_is_predicted_and_not_scored(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "a.wav").write_bytes(b"RIFF")
    raw = read_source(tmp_path)
    assert sizes(raw) == [6, 0, 0]
    assert "1 sounds belong to no class of a part, and are left out: test 1" in raw.warnings
    assert read_unlabelled(tmp_path, SPEC).main.index == ["a.wav"]


def test_train_and_test_without_classes_are_no_classes(tmp_path: Path) -> None:
    for part in ("train", "test"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "a.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match="no sub-folder a class"):
        read_source(tmp_path)


def test_hidden_folders_and_those_of_tools_are_not_looked_into(tmp_path: Path) -> None:
    fill(tmp_path)
    for name in (".ipynb_checkpoints", "__MACOSX", "@eaDir", "no/.cache", "yes/#recycle"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(b"RIFF")
    for name in ("Thumbs.db", ".DS_Store", "._0.wav", "desktop.ini"):
        (tmp_path / "no" / name).write_bytes(b"RIFF")
    raw = read_source(tmp_path)
    assert sizes(raw) == [6, 0, 0]
    assert raw.warnings == ()
    assert len(read_unlabelled(tmp_path, SPEC).main) == 6


def test_linked_folders_are_followed_once(tmp_path: Path) -> None:
    far = fill(tmp_path / "far")
    near = tmp_path / "near"
    near.mkdir()
    (near / "no").symlink_to(far / "no")
    (near / "yes").symlink_to(far / "yes")
    (far / "yes" / "up").symlink_to(far)  # a loop
    (near / "again").symlink_to(far / "no")
    (near / "home").symlink_to(near)
    raw = read_source(near)
    assert raw.main is not None
    assert raw.main.y.value_counts().to_dict() == {"again": 3, "yes": 3}
    assert "2 links lead to folders that are read already" in raw.warnings[0]


def test_a_folder_goes_by_its_own_name_where_a_link_leads_to_it(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "also").symlink_to(tmp_path / "no")
    raw = read_source(tmp_path)
    assert raw.main is not None
    assert set(raw.main.y) == {"no", "yes"}
    assert "also" in raw.warnings[0]


def test_a_class_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    for label in ("no", "yes", "odd"):
        (tmp_path / label).mkdir()
        for i in range(8):
            sound = np.sin(np.arange(400 + i)) / 2
            soundfile.write(tmp_path / label / f"{i}.wav", sound, 8_000)
    for i in range(2):
        (tmp_path / "no" / f"{i}.wav").write_bytes(b"no sound")
    data = load_dataset(tmp_path)
    assert "rows whose inputs cannot be read, by class: no 2" in data.warnings
    for path in (tmp_path / "odd").iterdir():
        path.rename(path.with_suffix(".m4a"))
        path.with_suffix(".m4a").write_bytes(b"no sound")
    with pytest.raises(DataError, match=r"class 'odd' of .* not one of its 8 rows can be read"):
        load_dataset(tmp_path)


def test_files_beside_the_only_folder_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "all")
    (tmp_path / "a sample.wav").write_bytes(b"RIFF")
    raw = read_source(tmp_path)
    assert sizes(raw) == [6, 0, 0]
    assert raw.warnings == (
        "1 sounds belong to no class of a part, and are left out: no folder 1",
    )
