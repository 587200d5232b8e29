"""On a GPU: searches end with a bundle that a machine without one can use."""

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

import autosynth
from autosynth.run import search, train_strategy
from autosynth.training.weights import load_tensors

pytestmark = pytest.mark.gpu

STRATEGIES = [
    "cnn[width=8] > attention[depth=0, width=8, heads=2]",
    "mean(cnn[width=8], mlp[width=8]) train=subsets rows=all",
    "weighted[fit](cnn[width=8], gru[width=8])",
    "stack(cnn[width=8], mlp[width=8])",
    "cascade[.5](mlp[width=8], cnn[width=8])",
    "mean(cnn[width=8], mlp[width=8]) train=staged",
    "attend(cnn[width=8], transformer[width=8, heads=2])",
    "bilinear(cnn[width=8], lstm[width=8])",
    "mean(cnn[width=8], linear)",
    "mean(cnn[width=8], boosting[rounds=20], trees[trees=20])",
]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_search_leaves_a_bundle_that_answers_on_a_cpu(workers: int, tmp_path: Path) -> None:
    run = search("digits", trials=4, workers=workers, device="cuda", out=tmp_path / "digits")
    assert "failed" not in set(run.leaderboard["state"])
    digits = load_digits()
    found = autosynth.load(run.folder / "bundle").predict(digits.images)["prediction"]
    assert (found.astype(int).to_numpy() == digits.target).mean() > 0.5  # a short schedule


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_way_to_join_trains(strategy: str, tmp_path: Path) -> None:
    trained = train_strategy("digits", strategy, epochs=4, device="cuda", out=tmp_path / "it")
    assert trained.test["accuracy"] > 0.5


def test_a_seed_gives_the_same_weights_in_every_trial(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        run = search("digits", trials=4, device="cuda", deterministic=True, out=tmp_path / name)
        assert not torch.are_deterministic_algorithms_enabled()
        paths = sorted(run.folder.glob("trials/*/weights.safetensors"))
        found.append({path.parent.name: load_tensors(path) for path in paths})
    one, two = found
    assert len(one) >= 4
    assert one.keys() == two.keys()
    for trial, tensors in one.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, two[trial][name]), f"trial {trial}: {name}"
