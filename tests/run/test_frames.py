"""Pictures in a row, from folders to predictions: their order alone tells the class."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import autosynth
from autosynth.bundle.export import export
from autosynth.data.load import encode
from autosynth.run import train_strategy


def films(folder: Path, rows: int, seed: int, *, labelled: bool = True) -> dict[str, str]:
    """A bright spot goes to the left or to the right; gives the class of each row's folder.

    Of all pictures together nothing tells which, as the spot comes by the same places.
    """
    rng, found = np.random.default_rng(seed), {}
    for row in range(rows):
        label = ("left", "right")[row % 2]
        place = folder / label / f"{row}" if labelled else folder / f"{row}"
        place.mkdir(parents=True)
        found[str(row)] = label
        columns = np.linspace(1, 8, 4 + row // 2 % 3).round().astype(int)
        height = rng.integers(1, 8)
        for step, column in enumerate(columns if label == "right" else columns[::-1], 1):
            pixels = rng.integers(0, 60, (10, 10), np.uint8)
            pixels[height : height + 2, column] = 230
            Image.fromarray(pixels).save(place / f"frame_{step}.png")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["cnn[width=16] > gru[width=16]", "gru[width=16]"])
def test_the_order_of_pictures_is_learnt_exported_and_predicted(
    tmp_path: Path, strategy: str
) -> None:
    films(tmp_path / "films", 240, seed=0)
    wanted = films(tmp_path / "new", 40, seed=1, labelled=False)
    trained = train_strategy(
        tmp_path / "films", strategy=strategy, device="cpu", out=tmp_path / "run"
    )
    assert trained.test["accuracy"] >= 0.9
    encoders = autosynth.load(tmp_path / "run").encoders
    x = encode(tmp_path / "new", encoders).x["frames"]
    export(tmp_path / "run", tmp_path / "model", sample={"frames": torch.from_numpy(x)})
    found = autosynth.load(tmp_path / "model").predict(tmp_path / "new")
    classes = dict(zip(map(str, found.index), found["prediction"], strict=True))
    assert set(classes) == set(wanted)
    assert np.mean([classes[row] == label for row, label in wanted.items()]) >= 0.9
    program = torch.export.load(tmp_path / "model" / "model.pt2").module()
    for rows in (1, 5):  # the batch is free
        assert program(torch.zeros(rows, 1, 6, 10, 10)).shape == (rows, 2)
