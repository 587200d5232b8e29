"""Dataset, search, leaderboard, report, bundle: the one place that knows them all."""

from autosynth.run.run import Run, open_run
from autosynth.run.session import search
from autosynth.run.train import Trained, train_strategy

__all__ = ["Run", "Trained", "open_run", "search", "train_strategy"]
