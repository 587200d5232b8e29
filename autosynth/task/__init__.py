"""Tasks, one a file: what is asked of a target, and all that depends on it."""

from autosynth.task.metric import Metric
from autosynth.task.task import CodedTask, Task

__all__ = ["CodedTask", "Metric", "Task"]
