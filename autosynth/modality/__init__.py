"""The kinds of input, one a file, and the one dict that names them."""

from autosynth.modality.modality import SEVERITIES, Corruption, Modality, Picture, TrainingLength
from autosynth.modality.registry import MODALITIES, augment

__all__ = [
    "MODALITIES",
    "SEVERITIES",
    "Corruption",
    "Modality",
    "Picture",
    "TrainingLength",
    "augment",
]
