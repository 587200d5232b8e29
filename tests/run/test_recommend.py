"""Interactions to a board, and a bundle that recommends: visitors walk round a ring of pages."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autosynth
from autosynth.run import Run, search

PAGES = 16


def visits(users: int, seed: int) -> pd.DataFrame:
    """Everybody goes on to the next page, from anywhere; visits stand in no order."""
    rng = np.random.default_rng(seed)
    rows = [
        {"visitor": f"v{user}", "page": f"p{(start + step) % PAGES}", "at": 100 * user + step}
        for user, start in enumerate(rng.integers(0, PAGES, users))
        for step in range(rng.integers(5, 9))
    ]
    return pd.DataFrame(rows).sample(frac=1, random_state=seed)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search(
        visits(500, 0), target="page", user="visitor", time="at", task="ranking", trials=2,
        refit=False, out=tmp_path_factory.mktemp("run") / "visits",
    )  # fmt: skip


def test_what_comes_next_is_known_better_than_by_popularity(run: Run) -> None:
    board = run.leaderboard.set_index("strategy")
    scores = board["val_ndcg@10"]
    assert scores["popularity"] < scores["neighbours"] <= run.best.val["ndcg@10"]
    assert run.best.val["ndcg@10"] > 0.9
    assert {"hr@5", "hr@10", "hr@20", "ndcg@10"} <= set(run.best.val)


def test_the_bundle_recommends_what_a_user_has_not_had(run: Run) -> None:
    new = visits(30, 1)
    found = autosynth.load(run.folder / "bundle").predict(new)
    assert found.index.name == "visitor"
    assert set(found.index) == set(new["visitor"])
    assert list(found.columns) == ["prediction", *(f"top_{i}" for i in range(2, 11))]
    right = 0
    for user, own in new.sort_values("at").groupby("visitor"):
        had = set(own["page"])
        ranked = list(found.loc[user].dropna())
        assert not had & set(ranked)
        assert len(set(ranked)) == min(10, PAGES - len(had))
        right += found.loc[user, "prediction"] == f"p{(int(own['page'].iloc[-1][1:]) + 1) % PAGES}"
    assert right >= 27


def test_evaluating_gives_the_scores_of_the_search(run: Run) -> None:
    found = autosynth.evaluate(run.folder / "bundle", visits(500, 0), corrupt=True)
    row = run.leaderboard.set_index("trial").loc[run.best.trial]
    assert found.scores.loc["ndcg@10", "score"] == pytest.approx(row["test_ndcg@10"], abs=1e-6)
    assert found.details[0].ranks is not None
    assert set(found.robustness["corruption"]) == {"", "dropped"}


def test_the_bundle_exports(run: Run, tmp_path: Path) -> None:
    folder = run.export(tmp_path / "model")
    assert (folder / "model.pt2").exists()
    assert "New items are in no ranking" in (folder / "card.md").read_text()
