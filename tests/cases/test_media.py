"""The folders of pictures and sounds of ../shared/cases, made by its script."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from autosynth.data import encode, load_dataset

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
