"""The folders of pictures and sounds of ../shared/cases, made by its script."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from autosynth import load
from autosynth.data import encode, load_dataset
from autosynth.run.train import train_strategy

SCRIPT = Path(__file__).parents[2].parent / "shared" / "cases" / "make_media.py"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    if not SCRIPT.is_file():
        pytest.skip("the cases are not beside the repository")
    spec = importlib.util.spec_from_file_location("make_media", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def pictures(make: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("media")
    make.pictures(root)
    return root


@pytest.fixture(scope="module")
def sounds(make: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The case, and the same folder without its long recording beside it."""
    root = tmp_path_factory.mktemp("media")
    make.sounds(root)
    shutil.copytree(root / "one_long", root / "without")
    (root / "without" / "high" / "long.wav").unlink()
    return root


def test_one_long_recording(sounds: Path) -> None:
    data, without = load_dataset(sounds / "one_long"), load_dataset(sounds / "without")
    assert (len(data.y), len(without.y)) == (121, 120)
    assert data.inputs == without.inputs
    told = "1 of 121 sounds in audio (0.8%) are cut to 0.50 s: their middle is kept"
    assert data.warnings == (told,)
    found = encode(sounds / "one_long" / "high" / "long.wav", data.encoders)
    assert found.x["audio"].shape == (1, 4000)


@pytest.mark.slow
def test_one_long_recording_is_no_harm(sounds: Path, tmp_path: Path) -> None:
    accuracy = {
        name: train_strategy(
            sounds / name, "cnn", device="cpu", epochs=100, out=tmp_path / name
        ).test["accuracy"]
        for name in ("without", "one_long")
    }
    assert abs(accuracy["one_long"] - accuracy["without"]) <= 0.03
    assert accuracy["without"] > 0.9


@pytest.mark.parametrize(
    ("case", "classes", "rows", "test"),
    [
        ("training_set", ("circle", "square"), 100, 20),
        ("seg", ("circle", "square"), 100, 20),
        ("class_train", ("bus", "car", "train"), 120, None),
        ("class_train_deep", ("bus", "car", "train"), 120, None),
        ("hidden", ("circle", "square"), 80, None),
        ("suffixes", ("circle", "square", "triangle"), 120, None),
        ("own_validation", ("circle", "square"), 200, 40),
    ],
)
def test_folders_of_pictures(
    pictures: Path, case: str, classes: tuple[str, ...], rows: int, test: int | None
) -> None:
    data = load_dataset(pictures / case)
    assert data.target.classes == classes
    assert len(data.y) == rows
    assert len(set(np.bincount(data.y))) == 1
    found = encode(pictures / case, data.encoders)
    assert len(found.index) == (test or rows)
    if test is not None:
        assert len(data.splits.test) == test
        np.testing.assert_array_equal(found.x["image"], data.x["image"][data.splits.test])
    told = "5 images belong to no class of a part, and are left out: seg_pred 5"
    assert data.warnings == ((told,) if case == "seg" else ())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:pixels of", "ignore:channels of")
@pytest.mark.parametrize("divisor", [1, 255])
def test_arrays_of_pictures_of_another_make(pictures: Path, tmp_path: Path, divisor: int) -> None:
    files = sorted((pictures / "training_set").glob("*/*/*.png"))
    x = np.stack([np.asarray(Image.open(file)) for file in files])
    y = np.array([file.parent.name for file in files])
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, file in enumerate(files):
        shutil.copy(file, flat / f"{number:03}.png")
    trained = x if divisor == 1 else (x / divisor).astype(np.float32)
    made = train_strategy(
        (trained, y), "cnn[width=8]", device="cpu", epochs=60, out=tmp_path / "b"
    )
    model = load(made.folder)
    wanted = model.predict(trained)["prediction"].to_numpy()
    assert (wanted == y).mean() > 0.8
    for new in (x, x / 255, np.moveaxis(x, -1, 1), x / 127.5 - 1, x * np.uint16(257), flat):
        found = model.predict(new)["prediction"].to_numpy()
        assert (found == wanted).mean() >= 0.98
