"""Map-style datasets of torch: tensors, arrays, pictures and numbers, stacked to arrays."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from autosynth.data import encode, load_dataset
from autosynth.errors import DataError


class Rows(Dataset[Any]):
    def __init__(self, rows: list[Any], classes: list[str] | None = None) -> None:
        self.rows = rows
        if classes:
            self.classes = classes

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> Any:
        return self.rows[row]


def picture(value: int, mode: str = "L", size: tuple[int, int] = (9, 10)) -> Image.Image:
    return Image.new("RGB", size, (value, 0, 50)).convert(mode)


def test_tensors() -> None:
    x, y = torch.rand(40, 3, 12, 12, requires_grad=True), torch.arange(40) % 2
    data = load_dataset(TensorDataset(x, y))
    assert (data.inputs[0].kind, data.inputs[0].shape) == ("image", (3, 12, 12))
    assert np.array_equal(data.x["image"], x.detach().numpy())
    assert data.target.classes == ("0", "1")
    assert data.name == "tensordataset"


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("P", 3), ("RGBA", 3)])
def test_pictures_with_named_classes(mode: str, channels: int) -> None:
    source = Rows([(picture(i, mode), i % 2) for i in range(40)], classes=["cat", "dog"])
    data = load_dataset(source)
    assert data.inputs[0].shape == (channels, 10, 9)
    assert data.x["image"].dtype == np.uint8
    assert data.target.classes == ("cat", "dog")
    assert np.array_equal(data.y, np.arange(40) % 2)


def test_a_test_set_of_its_own_and_prediction() -> None:
    rows = [(np.arange(20, dtype=np.float32) * i, float(i)) for i in range(60)]
    data = load_dataset(Rows(rows), test=Rows(rows[:7]))
    assert data.target.task == "regression"
    assert len(data.splits.test) == 7
    name = data.inputs[0].name
    bare, paired = (
        encode(Rows([x for x, _ in rows]), data.encoders),
        encode(Rows(rows), data.encoders),
    )
    assert np.array_equal(bare.x[name], data.x[name][:60])
    assert np.array_equal(paired.x[name], bare.x[name])


class Endless(IterableDataset[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([(1, 2)])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (Endless(), "Endless can only be iterated over, .* give a map-style dataset"),
        (DataLoader(Rows([(1, 2)])), "DataLoader can only be iterated over"),
        (Rows([]), "Rows is an empty dataset"),
        (Rows([(1, 2), (1, 2, 3)]), r"row 1 of Rows is 3 values, not \(x, y\)"),
        (Rows([{"x": 1}]), r"row 0 of Rows is dict, not \(x, y\)"),
        (
            Rows([(torch.zeros(3, 4), 0), (torch.zeros(4, 5), 1)]),
            r"x of row 1 of Rows has shape \(4, 5\), and that of row 0 \(3, 4\); .* Resize",
        ),
        (object(), "data is a path, .* or a map-style dataset of torch; this is object"),
    ],
)
def test_what_is_no_dataset_of_pairs(source: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load_dataset(source)
