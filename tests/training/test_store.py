"""The store of known values: by what made them, within a limit, and never needed."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autosynth.errors import ConfigError
from autosynth.training.store import ValueKey, ValueStore, rows_digest
from autosynth.training.weights import packed

KEY = ValueKey(program="cnn | lr=0.002", rows="all 5", seed=0, samples=640, weights="")
VALUE = {"validation": torch.arange(12.0).view(4, 3), "fold 1": torch.ones(2, 3)}


@pytest.fixture
def store(tmp_path: Path) -> ValueStore:
    return ValueStore(tmp_path / "store")


def files(store: ValueStore) -> list[Path]:
    return sorted(path for path in store.folder.rglob("*") if path.is_file())


def test_what_was_put_is_found_by_any_process(store: ValueStore) -> None:
    assert store.find(KEY) == {}
    store.put(KEY, packed(VALUE))
    found = ValueStore(store.folder).find(KEY)
    assert found.keys() == VALUE.keys()
    assert all(torch.equal(found[name], value) for name, value in VALUE.items())


@pytest.mark.parametrize(
    "change",
    [
        {"program": "cnn | lr=0.004"},
        {"rows": "all 6"},
        {"seed": 1},
        {"samples": 1280},
        {"weights": "(1.0,)"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_where_one_thing_that_made_it_is_another_nothing_is_found(
    store: ValueStore, change: dict[str, object]
) -> None:
    store.put(KEY, packed(VALUE))
    assert store.find(replace(KEY, **change)) == {}  # type: ignore[arg-type]


def test_that_some_weights_made_it_is_known_without_them(store: ValueStore) -> None:
    assert not store.has(KEY)
    store.put(replace(KEY, weights="(1.0,)"), packed(VALUE))
    assert store.has(KEY)
    assert not store.has(replace(KEY, program="gru"))


def test_rows_are_told_apart_by_number_order_and_part() -> None:
    one, other = np.array([1, 2, 3]), np.array([4])
    found = {
        rows_digest(one),
        rows_digest(one[::-1]),
        rows_digest(one, other),
        rows_digest(other, one),
        rows_digest(np.array([1, 2]), np.array([3, 4])),
    }
    assert len(found) == 5
    assert rows_digest(one.astype(np.int32), other) in found


def test_what_was_used_longest_ago_goes(tmp_path: Path) -> None:
    content = packed({"x": torch.zeros(1000)})
    store = ValueStore(tmp_path / "store", most_bytes=2 * len(content) + 100)
    keys = [replace(KEY, seed=seed) for seed in range(3)]
    for number, key in enumerate(keys[:2]):
        store.put(key, content)
        os.utime(store.folder / key.place, (number, number))
    assert store.find(keys[0])  # now it is the newest
    store.put(keys[2], content)
    assert [bool(store.find(key)) for key in keys] == [True, False, True]
    store.put(KEY, packed({"x": torch.zeros(10_000)}))  # alone over the limit
    assert len(files(store)) == 2


def test_a_damaged_value_is_none(store: ValueStore) -> None:
    store.put(KEY, packed(VALUE))
    (path,) = files(store)
    path.write_bytes(path.read_bytes()[:50])
    assert store.find(KEY) == {}
    assert not files(store)


def test_a_run_that_went_away_is_not_made_again(tmp_path: Path) -> None:
    ValueStore(tmp_path / "gone" / "store").put(KEY, packed(VALUE))
    assert not (tmp_path / "gone").exists()


def test_the_limit_is_the_users(store: ValueStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTOSYNTH_STORE_MB", "0")
    store.put(KEY, packed(VALUE))
    assert store.find(KEY) == {}
    monkeypatch.setenv("AUTOSYNTH_STORE_MB", "lots")
    with pytest.raises(ConfigError, match="AUTOSYNTH_STORE_MB is 'lots'"):
        store.put(KEY, packed(VALUE))
