"""A dataset as tensors: batches of raw values, a regression target standardised."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autosynth.composite.objective import in_unit
from autosynth.scale import Scale, fit_scale, scaled
from autosynth.spec import Dataset, TargetSpec
from autosynth.training.batch import gather, on_device
from autosynth.training.devicedataset import to_device

CPU = torch.device("cpu")


def test_a_batch_holds_raw_inputs_and_codes_of_its_rows(digits: Dataset) -> None:
    data = to_device(digits, CPU, digits.splits.train)
    inputs, y = data.batch(data.rows(np.array([5, 3, 5])))
    assert inputs["image"].dtype == torch.uint8
    assert inputs["image"].tolist() == digits.x["image"][[5, 3, 5]].tolist()
    assert y.tolist() == digits.y[[5, 3, 5]].tolist()
    assert data.scales == (Scale(),)


def test_a_regression_target_is_standardised_by_training_rows(prices: Dataset) -> None:
    train = prices.splits.train
    data = to_device(prices, CPU, train)
    (scale,) = data.scales
    assert scale.center == pytest.approx(prices.y[train].mean(), rel=1e-6)
    assert scale.spread == pytest.approx(prices.y[train].std(), rel=1e-5)
    assert data.y[train].mean().item() == pytest.approx(0, abs=1e-5)
    assert data.y[train].std(correction=0).item() == pytest.approx(1, abs=1e-4)
    back = in_unit(scale, data.y)
    np.testing.assert_allclose(back.numpy(), prices.y, rtol=1e-6)


def test_a_target_without_spread_is_left_at_its_centre(prices: Dataset) -> None:
    same = np.flatnonzero(prices.y == prices.y[7])
    data = to_device(prices, CPU, same)
    assert data.scales[0].spread == 1.0
    assert data.y[7].item() == 0.0


def test_a_target_is_learnt_on_the_scale_of_its_dataset(prices: Dataset) -> None:
    scale = fit_scale("log", prices.y[prices.splits.train].astype(np.float64), factor=1.1)
    data = to_device(replace(prices, scales=(scale,)), CPU, prices.splits.train)
    assert data.scales == (scale,)
    np.testing.assert_allclose(data.y, scaled(scale, prices.y.astype(np.float64)), rtol=1e-5)


def test_a_forecast_is_as_low_as_its_series_was_not_as_its_changes(prices: Dataset) -> None:
    series = np.abs(prices.x["table"][:, None, :])
    target = TargetSpec(name="load", task="forecasting", steps=2, base="past")
    ahead = np.abs(prices.x["table"][:, 2:4])
    past = replace(prices.inputs[0], name="past", kind="series", shape=(1, 7), cardinalities=())
    for y, lowest in ((ahead, 0.0), (ahead - 1, None)):
        steps = replace(prices, inputs=(past,), target=target, x={"past": series}, y=y)
        data = to_device(steps, CPU, prices.splits.train)
        assert data.y.min() < 0
        assert data.scales[0].lowest == lowest


def test_a_missing_step_ahead_is_on_no_scale(prices: Dataset) -> None:
    target = TargetSpec(name="load", task="forecasting", steps=2, base="past")
    past = replace(prices.inputs[0], name="past", kind="series", shape=(1, 7), cardinalities=())
    series = np.abs(prices.x["table"][:, None, :])
    y = np.abs(prices.x["table"][:, 2:4])
    y[::3, 0] = np.nan
    steps = replace(prices, inputs=(past,), target=target, x={"past": series}, y=y)
    data = to_device(steps, CPU, prices.splits.train)
    changes = (y - series[:, 0, -1:])[prices.splits.train]
    assert data.scales[0].center == pytest.approx(np.nanmean(changes), rel=1e-5)
    assert data.scales[0].spread == pytest.approx(np.nanstd(changes), rel=1e-5)
    assert data.scales[0].lowest == 0.0
    np.testing.assert_array_equal(np.isnan(data.y.numpy()), np.isnan(y))


def test_a_map_is_read_where_it_lies(prices: Dataset, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", prices.x["table"])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = to_device(replace(prices, x={"table": mapped}), CPU, prices.splits.train)
    assert data.inputs["table"].data_ptr() == mapped.ctypes.data  # no copy
    rows = np.array([9, 2, 30, 2])
    inputs, y = data.batch(data.rows(rows))
    np.testing.assert_array_equal(inputs["table"].numpy(), prices.x["table"][rows])
    in_order = gather(data.inputs["table"], data.rows(rows), large=0)
    np.testing.assert_array_equal(in_order.numpy(), prices.x["table"][rows])
    back = in_unit(data.scales[0], y)
    np.testing.assert_allclose(back.numpy(), prices.y[rows], rtol=1e-6)


@pytest.mark.gpu
def test_what_a_device_has_no_room_for_is_gathered_on_the_host(prices: Dataset) -> None:
    device = torch.device("cuda")
    table = on_device(prices.x["table"], device, room=0.0)
    assert table.device.type == "cpu"
    data = replace(to_device(prices, device, prices.splits.train), inputs={"table": table})
    rows = np.array([9, 2, 30, 2])
    inputs, _ = data.batch(data.rows(rows))
    assert inputs["table"].is_cuda
    np.testing.assert_array_equal(inputs["table"].cpu().numpy(), prices.x["table"][rows])
