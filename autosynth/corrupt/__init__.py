"""Corruptions of data by kind and severity: what the world does to inputs after the training."""

from autosynth.corrupt.corruption import SEVERITIES, Corruption
from autosynth.corrupt.registry import CORRUPTIONS, blank_like, corrupt

__all__ = ["CORRUPTIONS", "SEVERITIES", "Corruption", "blank_like", "corrupt"]
