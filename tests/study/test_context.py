"""What a run's context says of outputs: its scores count the weights of rows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autosynth.data import load_dataset
from autosynth.study.context import RunContext


def test_scores_and_their_errors_count_the_weights_of_rows(
    context_of: Callable[..., RunContext], tmp_path: Path
) -> None:
    wine = load_dataset("wine")
    weights = np.linspace(0.1, 1.9, len(wine.y))
    plain = context_of(wine, tmp_path)
    context = context_of(replace(wine, weights=weights), tmp_path)
    rows = wine.splits.validation
    guess = np.where(np.arange(len(rows)) % 3 > 0, wine.y[rows], 0)
    outputs, hits = np.eye(3)[guess], guess == wine.y[rows]
    expected = np.average(hits, weights=weights[rows])
    assert abs(expected - hits.mean()) > 1e-3
    assert context.score(rows, outputs) == pytest.approx(expected)
    assert context.scores(rows, outputs)["accuracy"] == pytest.approx(expected)
    assert plain.score(rows, outputs) == pytest.approx(hits.mean())
    # Rows of unequal weight say as much as fewer rows.
    assert context.standard_error(rows, outputs) != plain.standard_error(rows, outputs)
