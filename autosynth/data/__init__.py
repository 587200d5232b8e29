"""Data in, a `Dataset` out: reading, understanding, splitting and encoding."""

from autosynth.data.framing.framing import Encoded, LabelledRows
from autosynth.data.load import (
    encode,
    encode_parts,
    framing_of,
    load_dataset,
    read_dataset,
    read_labelled,
)
from autosynth.data.source.builtin import BUILTIN, Builtin
from autosynth.spec import Dataset, InputSpec, Kind, Splits, TargetSpec

__all__ = [
    "BUILTIN",
    "Builtin",
    "Dataset",
    "Encoded",
    "InputSpec",
    "Kind",
    "LabelledRows",
    "Splits",
    "TargetSpec",
    "encode",
    "encode_parts",
    "framing_of",
    "load_dataset",
    "read_dataset",
    "read_labelled",
]
