"""Forecasting: the next steps of a series, each learnt as its change from the last known value."""

from typing import Any

from autosynth.spec import Array, TargetSpec
from autosynth.task.regression import VALUE_METRICS
from autosynth.task.task import Task, Tensor


class Forecasting(Task):
    """Several steps, by Huber's loss, which a few steps far off do not rule."""

    name = "forecasting"
    metrics = VALUE_METRICS
    default_metric = "neg_mae"
    baselines = "forecasting"
    gives = "the columns `step_1`, `step_2`, ... (the values that come next)"

    def about(self, target: TargetSpec) -> str:
        """How many steps."""
        return f"the next {target.steps} steps"

    def loss(self, out: Tensor, y: Tensor, smoothing: float) -> Tensor:
        """Huber's loss, the mean over steps."""
        from torch.nn.functional import smooth_l1_loss

        # Squared up to half a deviation of the changes, as a straight line beyond it.
        return smooth_l1_loss(out, y.to(out.dtype), beta=0.5)

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """`step_1`, `step_2`, ...: the values that come next."""
        return {f"step_{i + 1}": output[:, i] for i in range(output.shape[1])}
