"""Parts that say what comes next: of a series by its season, of a history by what is near."""

import numpy as np
import pytest
import torch

from autosynth.components.fitted import FitRows
from autosynth.components.neighbours import NeighboursModel
from autosynth.components.seasonal import SeasonalModel
from autosynth.composite import resolve
from autosynth.data.encoder.ids import FIRST_ITEM
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse

PAST = InputSpec(name="past", kind="series", shape=(1, 24), anchored=True)


def waves(rows: int, ahead: int = 5, period: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    """Histories of 24 steps that come back every 6, and the changes ahead of each."""
    steps = torch.arange(24 + ahead) + torch.arange(rows)[:, None]
    line = (2 * torch.pi * steps / period).sin() * 3 + 10
    past, coming = line[:, :24], line[:, 24:]
    return past[:, None], coming - past[:, -1:]


@pytest.mark.parametrize("period", [0, 6])
def test_a_season_is_found_and_comes_back(period: int) -> None:
    past, ahead = waves(50)
    model = SeasonalModel(0, PAST, 5, period)
    model.fit(FitRows(raw=(past,), y=ahead / 7))  # whatever unit they are learnt in
    torch.testing.assert_close(model(past), ahead / 7, rtol=0, atol=1e-4)
    assert model.places.tolist() == [18, 19, 20, 21, 22]


def test_steps_that_are_missing_leave_the_others_as_they_are() -> None:
    past, ahead = waves(50)
    gaps = ahead.clone()
    gaps[::3, 1] = torch.nan
    model = SeasonalModel(0, PAST, 5, 6)
    model.fit(FitRows(raw=(past,), y=gaps))
    torch.testing.assert_close(model(past), ahead, rtol=0, atol=1e-4)


def test_without_a_season_the_mean_change_is_left() -> None:
    past = torch.arange(24.0).expand(30, 1, 24) + torch.arange(30.0)[:, None, None]
    model = SeasonalModel(0, PAST, 2, 0)
    model.fit(FitRows(raw=(past,), y=torch.tensor([1.0, 2.0]).expand(30, 2)))
    torch.testing.assert_close(model(past), torch.tensor([1.0, 2.0]).expand(30, 2))


def test_a_period_longer_than_a_history_is_refused() -> None:
    target = TargetSpec(name="y", task="forecasting", steps=3, base="past")
    with pytest.raises(StrategyError, match="reads one period before, and a history has 24"):
        resolve(parse("seasonal[period=25]"), [PAST], target)


def histories(rows: int, things: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    """Who had a thing has the next one round a ring next; one place in three holds another."""
    rng = np.random.default_rng(0)
    start = rng.integers(0, things, rows)
    places = (start[:, None] - np.arange(4)) % things
    places[:, 2] = rng.integers(0, things, rows)
    codes = torch.from_numpy(places + FIRST_ITEM)
    codes[::5, 3] = 0  # shorter ones
    return codes, torch.from_numpy((start + 1) % things)


@pytest.mark.parametrize("nearest", [3, 12])
def test_what_follows_a_thing_comes_first(nearest: int) -> None:
    spec = InputSpec(name="h", kind="ids", shape=(4,), cardinalities=(15,), masked=True)
    codes, y = histories(600)
    model = NeighboursModel(spec, 12, nearest)
    assert model.fit(FitRows(raw=(codes,), y=y)) == ""
    out = model(codes)
    assert (out.argmax(1) == y).float().mean() > 0.95
    assert model.similarity.count_nonzero(1).max() <= nearest
    assert out.softmax(1).sum(1).allclose(torch.ones(600))


def test_who_had_nothing_is_told_what_most_have() -> None:
    spec = InputSpec(name="h", kind="ids", shape=(4,), cardinalities=(15,), masked=True)
    codes, y = histories(600)
    y[:300] = 7
    model = NeighboursModel(spec, 12, 5)
    model.fit(FitRows(raw=(codes,), y=y))
    nothing = model(torch.zeros(2, 4, dtype=torch.int32))
    assert nothing.argmax(1).tolist() == [7, 7]
    share = (y.bincount(minlength=12) + 1) / (len(y) + 12)
    torch.testing.assert_close(nothing[0] / model.factor, share.log() + np.log(0.01))
