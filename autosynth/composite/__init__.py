"""Strategies made real: resolved against families and data, costed exactly, built as networks."""

from autosynth.composite.build import Composite, build
from autosynth.composite.cost import Cost, cost
from autosynth.composite.fill import SHARING
from autosynth.composite.fusion import FUSIONS
from autosynth.composite.resolve import Resolved, resolve
from autosynth.composite.settings import SETTINGS

__all__ = [
    "FUSIONS",
    "SETTINGS",
    "SHARING",
    "Composite",
    "Cost",
    "Resolved",
    "build",
    "cost",
    "resolve",
]
