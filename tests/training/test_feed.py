"""A dataset as tensors: batches of raw values, a regression target standardised."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autosynth.data.spec import Dataset
from autosynth.training import gather
from autosynth.training.feed import feed

CPU = torch.device("cpu")


def test_a_batch_holds_raw_inputs_and_codes_of_its_rows(digits: Dataset) -> None:
    data = feed(digits, CPU, digits.splits.train)
    inputs, y = data.batch(data.rows(np.array([5, 3, 5])))
    assert inputs["image"].dtype == torch.uint8
    assert inputs["image"].tolist() == digits.x["image"][[5, 3, 5]].tolist()
    assert y.tolist() == digits.y[[5, 3, 5]].tolist()
    assert (data.center, data.spread) == ((0.0,), (1.0,))


def test_a_regression_target_is_standardised_by_training_rows(prices: Dataset) -> None:
    train = prices.splits.train
    data = feed(prices, CPU, train)
    assert data.center[0] == pytest.approx(prices.y[train].mean(), rel=1e-6)
    assert data.spread[0] == pytest.approx(prices.y[train].std(), rel=1e-5)
    assert data.y[train].mean().item() == pytest.approx(0, abs=1e-5)
    assert data.y[train].std(correction=0).item() == pytest.approx(1, abs=1e-4)
    back = data.y.double() * data.spread[0] + data.center[0]
    np.testing.assert_allclose(back.numpy(), prices.y, rtol=1e-6)


def test_a_target_without_spread_is_left_at_its_centre(prices: Dataset) -> None:
    same = np.flatnonzero(prices.y == prices.y[7])
    data = feed(prices, CPU, same)
    assert data.spread == (1.0,)
    assert data.y[7].item() == 0.0


def test_a_map_is_read_where_it_lies(
    prices: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "_LARGE", 0)
    np.save(tmp_path / "x.npy", prices.x["table"])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = feed(replace(prices, x={"table": mapped}), CPU, prices.splits.train)
    assert data.inputs["table"].data_ptr() == mapped.ctypes.data  # no copy
    rows = np.array([9, 2, 30, 2])
    inputs, y = data.batch(data.rows(rows))
    np.testing.assert_array_equal(inputs["table"].numpy(), prices.x["table"][rows])
    back = y.double() * data.spread[0] + data.center[0]
    np.testing.assert_allclose(back.numpy(), prices.y[rows], rtol=1e-6)


@pytest.mark.gpu
def test_what_a_device_has_no_room_for_is_gathered_on_the_host(
    prices: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "ROOM", 0.0)
    data = feed(prices, torch.device("cuda"), prices.splits.train)
    assert data.inputs["table"].device.type == "cpu"
    rows = np.array([9, 2, 30, 2])
    inputs, _ = data.batch(data.rows(rows))
    assert inputs["table"].is_cuda
    np.testing.assert_array_equal(inputs["table"].cpu().numpy(), prices.x["table"][rows])
