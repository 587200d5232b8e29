"""Multitask: several targets in one, each of a task of its own; what is not theirs but of all."""

from typing import Any

from autosynth.plugin import MULTITASK
from autosynth.spec import Array, TargetSpec
from autosynth.task.task import Task, Tensor, task_of


class Multitask(Task):
    """The columns of the parts side by side. All else is asked of the task of each part."""

    name = MULTITASK
    metrics = {}
    default_metric = "mean_score"
    baseline = "majority"
    gives = "the columns `<target>.prediction` and so on, of each target"

    def n_outputs(self, target: TargetSpec) -> int:
        """Those of its parts."""
        return sum(part.n_outputs for part in target.parts)

    def n_columns(self, target: TargetSpec) -> int:
        """Those of its parts."""
        return sum(part.n_columns for part in target.parts)

    def loss(self, out: Tensor, y: Tensor, smoothing: float, reduction: str = "mean") -> Tensor:
        """Of its parts alone."""
        raise NotImplementedError("the loss of several targets is that of each")

    def columns(self, target: TargetSpec, output: Array, scores: Array) -> dict[str, Any]:
        """Those of each part, as `<target>.prediction` and so on."""
        found: dict[str, Any] = {}
        for part, outputs, _ in target.fields:
            task, own = task_of(part), output[:, outputs]
            own = own[:, 0] if task.is_number else own
            named = task.columns(part, own, own).items()
            found |= {f"{part.name}.{name}": values for name, values in named}
        return found
