"""Bundles: a trained composite as a folder of data, which predicts, is scored and is exported."""

from autosynth.bundle.evaluation import Evaluation, evaluate
from autosynth.bundle.export import Exported, export
from autosynth.bundle.info import Info, ModelCard
from autosynth.bundle.model import Model, load, write_bundle
from autosynth.bundle.verify import Verified, verify

__all__ = [
    "Evaluation",
    "Exported",
    "Info",
    "Model",
    "ModelCard",
    "Verified",
    "evaluate",
    "export",
    "load",
    "verify",
    "write_bundle",
]
