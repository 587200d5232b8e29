"""Strategies made real: resolved against families and data, costed exactly, built as networks."""

from autosynth.composite.build import Composite, build, trained
from autosynth.composite.canonical import INITS, SHARING, TRAINING
from autosynth.composite.cost import Cost, cost
from autosynth.composite.fusion import FUSIONS
from autosynth.composite.resolve import Resolved, resolve
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
