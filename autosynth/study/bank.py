"""The weights of the strategies that a run has trained, by the recipe they were trained by.

A part of a composite that stood alone before need not be trained again, where its training would
be the same: the same part and settings, on all training rows, for as long.
"""

from autosynth.record import read_all, trial_dir
from autosynth.study.context import RunContext
from autosynth.training.weights import Bank, Recipe, Weights, load_tensors


def bank_of(context: RunContext) -> Bank:
    """Looks a recipe up among the complete trials of the run."""

    def look(recipe: Recipe) -> tuple[Weights, float] | None:
        if recipe.rows != "all":  # every trial was trained on all of them
            return None
        for record in read_all(context.folder):
            path = trial_dir(context.folder, record.trial) / "weights.safetensors"
            if record.canonical != str(recipe.strategy) or not path.exists():
                continue
            samples = round((record.epochs or 0.0) * len(context.dataset.splits.train))
            if record.state == "complete" and samples == recipe.samples:
                share = min(record.best_fractions.values(), default=1.0)  # it had one phase
                return load_tensors(path), share
        return None

    return look
