"""Strategies made real: resolved against families and data, costed exactly, built as networks."""

from autosynth.composite.canonical import INITS, SHARING, TRAINING
from autosynth.composite.fusion import FUSIONS
from autosynth.composite.program import Composite
from autosynth.composite.resolve import Cost, Resolved, build, cost, resolve, trained
from autosynth.composite.settings import SETTINGS

__all__ = [
    "FUSIONS",
    "INITS",
    "SETTINGS",
    "SHARING",
    "TRAINING",
    "Composite",
    "Cost",
    "Resolved",
    "build",
    "cost",
    "resolve",
    "trained",
]
