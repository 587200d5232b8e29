"""The small inputs of ../shared/cases whose cells are numbers, classes and categories."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autosynth.data import load_dataset
from autosynth.errors import DataError
from autosynth.run import train_strategy

CASES = Path(__file__).parents[2].parent / "shared" / "cases"
pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason="the cases are not beside the repository"
)

TWINS = [
    ("off", "off0", {"target": "y"}),
    ("epochms", "epochms_small", {"target": "y"}),
    ("meter", "meter0", {"target": "kwh", "task": "forecasting", "horizon": 24}),
]


def moved(values: Any) -> np.ndarray:
    """Rows of values as they differ from the first one's first."""
    values = np.asarray(values, dtype=np.float64)
    return values - values.ravel()[0]


@pytest.mark.parametrize(("name", "twin", "options"), TWINS, ids=[twin[0] for twin in TWINS])
def test_numbers_far_from_0_are_read_as_their_twins(
    name: str, twin: str, options: dict[str, Any]
) -> None:
    here, there = (
        load_dataset(CASES / "float32" / f"{each}.csv", **options) for each in (name, twin)
    )
    assert here.x.keys() == there.x.keys()
    # Their first column is the same; what stands beside it is drawn anew.
    key, columns = here.inputs[0].name, slice(None) if name == "meter" else slice(0, 1)
    one, other = (moved(data.x[key][:, columns]) for data in (here, there))
    np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(moved(here.y), moved(there.y), atol=1e-6)
    assert [w.replace(twin, name) for w in there.warnings] == list(here.warnings)


def test_seconds_of_a_date_are_kept() -> None:
    when, ms = (
        load_dataset(CASES / "float32" / f"{each}.csv", target="y")
        for each in ("secs", "epochms_small")
    )
    days, thousands = (data.x["table"][:, 0] for data in (when, ms))
    np.testing.assert_allclose(moved(days) * 86_400, moved(thousands) / 1000, atol=0.1)
    assert "date, 2023-05-01 ... 2023-05-01" in "\n".join(when.summary)


def test_a_target_far_from_0_is_learnt_as_numbers_without_a_false_leak() -> None:
    data = load_dataset(CASES / "float32" / "target_offset.csv", target="y")
    assert data.target.task == "regression"
    assert "999999967.09 ... 1000000024.5" in "\n".join(data.summary)
    assert np.ptp(data.y) == pytest.approx(57.37, abs=0.01)
    large = load_dataset(CASES / "float32" / "target_lum.csv", target="y")
    assert [scale.kind for scale in large.scales] == ["log"]
    told = [line.split("'")[1] for each in (data, large) for line in each.warnings]
    assert told == ["a", "a"]  # y is made of it; of c it is not


def test_a_target_out_of_range_is_told() -> None:
    with pytest.raises(DataError, match=r"'y' goes to 6.76e\+302; .* at most 1e\+60"):
        load_dataset(CASES / "float32" / "target_1e300.csv", target="y")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "twin", "options"), TWINS, ids=[twin[0] for twin in TWINS])
def test_numbers_far_from_0_are_learnt_as_their_twins(
    name: str, twin: str, options: dict[str, Any], tmp_path: Path
) -> None:
    scores = []
    for each in (name, twin):
        asked = {**options, "strategy": "mlp[width=32, depth=1]", "epochs": 40, "device": "cpu"}
        scores.append(
            train_strategy(CASES / "float32" / f"{each}.csv", **asked, out=tmp_path / each).test
        )
    here, there = scores
    if "neg_mae" in there and name == "meter":
        assert here["neg_mae"] == pytest.approx(there["neg_mae"], rel=0.05)
    else:
        key = "accuracy" if "accuracy" in there else "r2"
        assert here[key] > 0.98
        assert here[key] == pytest.approx(there[key], abs=0.01)
