"""Bundles: a trained composite as a folder of data, which is loaded, predicts and is exported."""

from autosynth.bundle.export import Exported, export
from autosynth.bundle.info import Info
from autosynth.bundle.model import Model, load
from autosynth.bundle.write import write

__all__ = [
    "Exported",
    "Info",
    "Model",
    "export",
    "load",
    "write",
]
