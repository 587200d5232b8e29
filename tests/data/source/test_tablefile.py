"""A folder of tables is one table in parts."""

from pathlib import Path

import pytest

from autosynth.data import encode, load_dataset
from autosynth.errors import DataError


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
