"""Corruptions: worse with severity, the same from a seed, and blind to padding."""

import numpy as np
import pytest

from autosynth.errors import ConfigError, UnknownNameError
from autosynth.modality import MODALITIES, SEVERITIES
from autosynth.spec import InputSpec

ROWS = 40
Rows = tuple[np.ndarray, InputSpec]


def corrupt(x: np.ndarray, spec: InputSpec, name: str, severity: int, **more) -> np.ndarray:
    return MODALITIES[spec.kind].corrupt(x, spec, name, severity, **more)


def blank_like(x: np.ndarray, spec: InputSpec) -> np.ndarray:
    return MODALITIES[spec.kind].blank(x, spec)


def _padded(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of unequal length, NaN past the end."""
    x = rng.normal(size=(ROWS, *shape)).cumsum(axis=-1).astype(np.float32)
    for row in range(ROWS):
        x[row, ..., shape[-1] - row % 7 * 4 :] = np.nan if row % 7 else x[row, ..., -1:]
    return x


def _table(rng: np.random.Generator) -> np.ndarray:
    numbers = rng.normal(50, 9, (ROWS, 4))
    numbers[::5, 1] = np.nan
    return np.column_stack([numbers, rng.integers(1, 4, (ROWS, 4))]).astype(np.float32)


def _examples() -> dict[str, Rows]:
    rng = np.random.default_rng(0)
    spec = InputSpec
    words = ("the", "plot", "was", "very", "good", "and", "actor", "played")
    texts = np.array([" ".join(rng.permutation(words)) for _ in range(ROWS)], dtype=object)
    history = rng.integers(1, 30, (ROWS, 12)).astype(np.int32)
    history[::3, 8:] = 0
    table = (0, 0, 0, 0, 4, 4, 4, 4)
    line = rng.normal(size=(ROWS, 2, 60)).cumsum(-1).astype(np.float32)
    sound = np.clip(_padded(rng, (200,)) / 20, -1, 1)
    return {
        "bytes": (rng.integers(0, 256, (ROWS, 3, 24, 24), np.uint8),
                  spec(name="i", kind="image", shape=(3, 24, 24))),
        "floats": (rng.random((ROWS, 1, 24, 24), np.float32),
                   spec(name="i", kind="image", shape=(1, 24, 24))),
        "line": (line, spec(name="s", kind="series", shape=(2, 60))),
        "masked": (_padded(rng, (2, 60)),
                   spec(name="s", kind="series", shape=(2, 60), masked=True)),
        "audio": (sound, spec(name="a", kind="audio", shape=(200,), masked=True, rate=8000)),
        "table": (_table(rng), spec(name="t", kind="table", shape=(8,), cardinalities=table)),
        "text": (texts, spec(name="w", kind="text", shape=(30,), cardinalities=(99,))),
        "ids": (history, spec(name="h", kind="ids", shape=(12,), cardinalities=(30,))),
    }  # fmt: skip


EXAMPLES = _examples()
CASES = [
    (example, each.name)
    for example, (_, spec) in EXAMPLES.items()
    for each in MODALITIES[spec.kind].corruptions
]


def _change(x: np.ndarray, other: np.ndarray) -> float:
    """How far rows are from what they were; a value that went missing is one deviation off."""
    if x.dtype == object:
        return float(sum(a != b for p, q in zip(x, other, strict=True)
                         for a, b in zip(p.ljust(99), q.ljust(99), strict=True)))  # fmt: skip
    gap = np.abs(x.astype(float) - other.astype(float))
    lost = np.isnan(gap) & ~np.isnan(x.astype(float))
    return float(np.nansum(gap) + lost.sum() * np.nanstd(x.astype(float)))


@pytest.mark.parametrize(("example", "name"), CASES)
def test_damage_grows_with_severity_and_comes_from_the_seed(example: str, name: str) -> None:
    x, spec = EXAMPLES[example]
    before = x.copy()
    found = [corrupt(x, spec, name, severity, seed=3) for severity in SEVERITIES]
    changes = [_change(x, other) for other in found]
    assert changes[0] > 0
    assert changes == sorted(changes)
    assert changes[-1] > 1.5 * changes[0]
    for other in found:
        assert (other.dtype, other.shape) == (x.dtype, x.shape)
    np.testing.assert_array_equal(found[2], corrupt(x, spec, name, 3, seed=3))
    if name != "contrast":  # which knows no chance
        assert _change(found[2], corrupt(x, spec, name, 3, seed=4)) > 0 or name == "blur"
    np.testing.assert_array_equal(x, before)  # what was given is as it was
    np.testing.assert_array_equal(corrupt(x, spec, name, 0), x)


@pytest.mark.parametrize(("example", "name"), [c for c in CASES if c[0] in ("masked", "audio")])
def test_what_lies_past_the_end_stays_there(example: str, name: str) -> None:
    x, spec = EXAMPLES[example]
    other = corrupt(x, spec, name, 5)
    gone = np.isnan(x)
    assert gone.any()
    assert np.isnan(other[gone]).all()
    if (example, name) == ("masked", "gap"):
        lost = np.isnan(other) & ~gone
        assert lost.any(axis=(1, 2)).all()
        assert (lost.sum(axis=(1, 2)) < (~gone).sum(axis=(1, 2))).all()  # a row keeps something
    else:
        assert np.isfinite(other[~gone]).all()
    if example == "audio":
        assert np.nanmax(np.abs(other)) <= 1


def test_values_stay_what_the_kind_allows() -> None:
    x, spec = EXAMPLES["floats"]
    for name in ("noise", "blur", "contrast", "occlusion"):
        other = corrupt(x, spec, name, 5)
        assert x.min() <= other.min()
        assert other.max() <= x.max()
    x, spec = EXAMPLES["ids"]
    other = corrupt(x, spec, "dropped", 5)
    ends = (other == 0).argmax(axis=1)
    assert all(set(b) - {0} <= set(a) for a, b in zip(x, other, strict=True))
    assert all((row[end:] == 0).all() for row, end in zip(other, ends, strict=True) if end)
    assert (other[:, 0] > 0).all()  # a history keeps one thing
    x, spec = EXAMPLES["table"]
    other = corrupt(x, spec, "unknown", 5)
    np.testing.assert_array_equal(other[:, :4], x[:, :4])
    assert set(np.unique(other[:, 4:])) == {0, 1, 2, 3}
    noisy = corrupt(x, spec, "noise", 5)
    np.testing.assert_array_equal(noisy[:, 4:], x[:, 4:])
    np.testing.assert_array_equal(np.isnan(noisy), np.isnan(x))


def test_missing_cells_are_those_of_the_blank_row() -> None:
    x, spec = EXAMPLES["table"]
    blank = np.array([np.nan] * 4 + [7] * 4, np.float32)
    other = corrupt(x, spec, "missing", 5, blank=blank)
    assert ((other[:, 4:] == 7) | (other[:, 4:] == x[:, 4:])).all()
    assert 0.3 < (other[:, 4:] == 7).mean() < 0.7


def test_a_blank_row_holds_nothing() -> None:
    for x, spec in EXAMPLES.values():
        if spec.kind == "text":
            continue
        blank = blank_like(x, spec)
        assert (blank.dtype, blank.shape) == (x.dtype, x.shape[1:])
    assert np.isnan(blank_like(*EXAMPLES["masked"])).all()
    x, spec = EXAMPLES["line"]
    np.testing.assert_allclose(blank_like(x, spec)[:, 0], x.mean(axis=(0, 2)), rtol=1e-5)


def test_unknown_names_and_severities_are_refused() -> None:
    x, spec = EXAMPLES["bytes"]
    with pytest.raises(UnknownNameError, match="'blurr' of image.*Did you mean 'blur'"):
        corrupt(x, spec, "blurr", 1)
    with pytest.raises(ConfigError, match="from 0 to 5, not 6"):
        corrupt(x, spec, "blur", 6)
