"""Series at prediction that are not as whole as those of training: their network has no mask."""

import json

import numpy as np
import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.encoder.series import SeriesEncoder, filled
from autosynth.data.source.layout import infer_layout

GAP = np.float32(np.nan)


def waves(rows: int = 40, steps: int = 20) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, 2, steps)).astype(np.float32).cumsum(axis=2)


def test_gaps_lie_on_the_line_between_neighbours_and_ends_hold() -> None:
    x = np.array([[[GAP, 1, GAP, GAP, 4, GAP], [GAP] * 6]], np.float32)
    assert filled(x).tolist() == [[[1, 1, 2, 3, 4, 4], [0] * 6]]
    assert np.isnan(x[0, 0, 0])  # what was given stays


def test_rows_with_gaps_are_read_where_training_had_none() -> None:
    x = waves()
    encoder = SeriesEncoder.fit_array(x, infer_layout(x, "series", "x"))
    assert not encoder.masked
    new = waves(4)
    new[1, 0, 5:8] = GAP
    new[2, :, 15:] = GAP  # ends early
    new[3, 1] = GAP
    found = encoder.transform(new, "x")
    assert found.keep is not None
    assert found.keep.tolist() == [0, 1, 2]
    assert np.isfinite(found.values).all()
    assert (found.values[2, :, 15:] == new[2, :, 14:15]).all()
    assert (
        "2 series have missing steps or end early, which none did in training" in found.warnings[0]
    )
    assert "1 series with a channel without any value left out: rows 3" in found.warnings[1]


def test_shorter_rows_are_read_where_training_had_one_length() -> None:
    x = waves()
    encoder = SeriesEncoder.fit_array(x, infer_layout(x, "series", "x"))
    found = encoder.transform(x[:, :, :12], "x")
    assert found.values.shape == x.shape
    assert np.isfinite(found.values).all()


@pytest.mark.parametrize("column", ["load", "heat"])
def test_a_forecast_goes_on_over_a_gap_in_what_is_known(column: str) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"load": rng.normal(size=400).cumsum(), "heat": rng.normal(size=400)})
    data = load_dataset(frame, task="forecasting", target="load", horizon=4, history=8)
    frame.loc[395:397, column] = np.nan
    found = encode(frame, data.encoders)
    assert all(np.isfinite(values).all() for values in found.x.values())
    assert any("3 steps of" in text and "none did in training" in text for text in found.warnings)


def test_series_far_from_0_keep_their_steps() -> None:
    walk = np.cumsum(np.random.default_rng(0).normal(size=(60, 2, 40)), axis=2)
    offset = np.array([1e9, -3.5])[:, None]
    data = load_dataset((walk + offset, np.arange(60) % 2))
    x = data.x["series"].astype(float)
    np.testing.assert_allclose(np.diff(x, axis=2), np.diff(walk, axis=2), atol=1e-4)
    np.testing.assert_array_equal(x[:, 1], (walk[:, 1] - 3.5).astype("f4"))
    again = encode(walk[:3] + offset, json.loads(json.dumps(data.encoders))).x["series"]
    np.testing.assert_array_equal(again, data.x["series"][:3])
    assert "counted from" in "\n".join(data.summary)
    plain = load_dataset((walk, np.arange(60) % 2))
    assert "units" not in plain.encoders["inputs"][0]
