"""A folder of tables is one table in parts."""

from pathlib import Path

import numpy as np
import pytest

from autosynth.data import encode, load_dataset, read_dataset, read_labelled
from autosynth.data.source.memory import Batching
from autosynth.errors import DataError
from autosynth.options import DataConfig


def write(folder: Path, name: str, rows: int, labels: str = "ab") -> None:
    lines = [f"{i},{i % 7},{labels[i % len(labels)]}" for i in range(rows)]
    (folder / name).write_text("\n".join(["n,m,goal", *lines]) + "\n")


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train.csv", "test.csv"),
        ("goods.train.csv", "goods.test.csv"),
        ("goods.data", "goods.test"),
        ("my-training.csv", "my-test.csv"),
    ],
)
def test_parts_go_by_the_names_of_files(tmp_path: Path, train: str, test: str) -> None:
    write(tmp_path, train, 300)
    write(tmp_path, test, 40)
    write(tmp_path, "dev.csv", 120)
    data = load_dataset(tmp_path, target="goal")
    splits = data.splits
    assert (len(splits.test), len(splits.validation), len(splits.train)) == (40, 120, 300)


def test_two_files_of_one_part(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", 30)
    write(tmp_path, "goods_train.csv", 30)
    with pytest.raises(DataError, match=r"goods_train\.csv and train\.csv, which are both named"):
        load_dataset(tmp_path, target="goal")


def test_labels_that_end_with_a_point_are_those_of_training(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", 300)
    write(tmp_path, "test.csv", 40)
    path = tmp_path / "test.csv"
    path.write_text(path.read_text().replace(",a\n", ",a.\n").replace(",b\n", ",b.\n"))
    data = load_dataset(tmp_path, target="goal")
    assert data.target.classes == ("a", "b")
    assert len(data.splits.test) == 40


def test_a_test_part_of_other_classes_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", 300)
    write(tmp_path, "test.csv", 40, labels="xy")
    with pytest.raises(DataError, match="no row of the test part .* is left: its goal .*'x', 'y'"):
        load_dataset(tmp_path, target="goal")


def test_predicting_a_folder_takes_its_test_part(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", 300)
    write(tmp_path, "test.csv", 40)
    data = load_dataset(tmp_path, target="goal")
    (tmp_path / "test.csv").write_text("m,n\n3,5\n4,6\n")
    encoded = encode(tmp_path, data.encoders)
    assert len(encoded.index) == 2


HEADERLESS = [Batching(), Batching(most_bytes=1_000, rows=30)]


@pytest.mark.parametrize("batching", HEADERLESS, ids=["whole", "in pieces"])
@pytest.mark.parametrize("cells", ["numbers", "words"])
def test_a_header_that_only_the_training_file_has(
    tmp_path: Path, cells: str, batching: Batching
) -> None:
    """Of words alone nothing tells a header from a row, but for the one that training has."""
    words = [("red", "blue", "grey"), ("small", "large"), ("a", "b")]
    rows = [
        (str(i), str(i % 7), "ab"[i % 2]) if cells == "numbers" else [w[i % len(w)] for w in words]
        for i in range(300)
    ]
    lines = [",".join(row) for row in rows]
    for name, header, part in (("train.csv", ["n,m,goal"], lines), ("test.csv", [], lines[:40])):
        (tmp_path / name).write_text("\n".join([*header, *part]) + "\n")
    config = DataConfig.from_arguments({"target": "goal", "seed": 0})
    found = read_dataset(tmp_path, config, batching)
    assert len(found.splits.test) == 40
    assert "test.csv has no line of column names; they are taken from" in " ".join(found.warnings)
    assert len(encode(tmp_path, found.encoders, batching).index) == 40
    beside = DataConfig.from_arguments(
        {"target": "goal", "seed": 0, "test": tmp_path / "test.csv"}
    )
    again = read_dataset(tmp_path / "train.csv", beside, batching)
    assert len(again.splits.test) == 40
    for width, count in ((3, 7), (2, 7), (2, 1)):
        new = [",".join(row[:width]) for row in rows[:count]]
        (tmp_path / "new.csv").write_text("\n".join(new) + "\n")
        encoded = encode(tmp_path / "new.csv", found.encoders, batching)
        np.testing.assert_array_equal(encoded.x["table"], found.x["table"][:count])
    labelled = read_labelled(tmp_path / "test.csv", found.encoders, found.target, (), batching)
    np.testing.assert_array_equal(labelled.y, found.y[:40])
    (tmp_path / "new.csv").write_text("N,M\n1,2\n")
    with pytest.raises(DataError, match="lacks . columns that the model was trained on"):
        encode(tmp_path / "new.csv", found.encoders, batching)
