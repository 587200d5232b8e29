"""What would do without us: simple models on the same rows, beside the composites."""

from autosynth.baselines.model import BASELINES, BaselineResult, fitting, run
from autosynth.baselines.process import START_SECONDS, run_in_process

__all__ = ["BASELINES", "START_SECONDS", "BaselineResult", "fitting", "run", "run_in_process"]
