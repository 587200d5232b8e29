"""The built-in sets: there without a network, and what they are said to be."""

from pathlib import Path

import numpy as np
import pytest

from autosynth.data import BUILTIN, load_dataset
from autosynth.data.source.mnist1d import generate

SHAPES = {
    "digits": ("image", (1, 8, 8), 10, 1_797),
    "mnist1d": ("series", (1, 40), 10, 5_000),
    "breast_cancer": ("table", (30,), 2, 569),
    "wine": ("table", (13,), 3, 178),
    "iris": ("table", (4,), 3, 150),
    "diabetes": ("table", (10,), 1, 442),
}


def test_every_set_is_listed_here() -> None:
    assert set(BUILTIN) == set(SHAPES)
    assert all(builtin.description for builtin in BUILTIN.values())


@pytest.mark.parametrize("name", list(SHAPES))
def test_a_set_is_what_it_is_said_to_be(name: str) -> None:
    data = load_dataset(name)
    kind, shape, outputs, rows = SHAPES[name]
    assert data.name == data.source == name
    assert (data.inputs[0].kind, data.inputs[0].shape) == (kind, shape)
    assert data.target.n_outputs == outputs
    assert data.x[data.inputs[0].name].shape == (rows, *shape)
    assert not np.isnan(data.x[data.inputs[0].name]).any()
    assert data.warnings == ()


def test_names_of_classes() -> None:
    assert load_dataset("breast_cancer").target.classes == ("benign", "malignant")
    assert load_dataset("digits").target.classes == tuple("0123456789")


def test_mnist1d_is_the_published_set(shared: Path) -> None:
    with np.load(shared / "mnist1d" / "mnist1d.npz") as published:
        for name, values in zip(("x", "y", "x_test", "y_test"), generate(), strict=True):
            np.testing.assert_allclose(values, published[name], rtol=0, atol=1e-12)


def test_mnist1d_by_its_own_figures() -> None:
    x, y, x_test, y_test = generate()
    everything = np.concatenate([x, x_test])
    assert everything.mean() == pytest.approx(0, abs=1e-12)
    assert everything.std() == pytest.approx(1)
    assert y[:5].tolist() == [2, 6, 4, 5, 6]
    assert y_test[:5].tolist() == [2, 6, 3, 9, 4]
    np.testing.assert_allclose(x[0, :3], [-0.33200567, -0.47191037, -0.77869708], atol=1e-8)
