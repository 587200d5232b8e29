"""Weights on disk: what was saved is what is loaded, by whoever may read the folder."""

import os
from pathlib import Path

import torch

from autosynth.training.weights import load_tensors, save_tensors


def test_tensors_come_back_and_are_for_all_to_read(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).reshape(2, 3).t(), "b": torch.tensor([1, 2])}
    old = os.umask(0o022)
    try:
        save_tensors(tensors, tmp_path / "run" / "weights.safetensors")
    finally:
        os.umask(old)
    path = tmp_path / "run" / "weights.safetensors"
    found = load_tensors(path)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [each.name for each in path.parent.iterdir()] == ["weights.safetensors"]
