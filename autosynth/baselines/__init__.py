"""What would do without us: simple models on the same rows, beside the composites."""

from autosynth.baselines.model import BASELINES, BaselineResult, run
from autosynth.baselines.process import BaselineRun, run_in_process, start

__all__ = ["BASELINES", "BaselineResult", "BaselineRun", "run", "run_in_process", "start"]
