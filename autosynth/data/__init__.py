"""Data in, a `Dataset` out: reading, understanding, splitting and encoding."""

from autosynth.data.framing.encode import Encoded, encode, encode_parts
from autosynth.data.load import load_dataset, read_dataset
from autosynth.data.source.builtin import BUILTIN, Builtin
from autosynth.spec import Dataset, InputSpec, Kind, Splits, TargetSpec

__all__ = [
    "BUILTIN",
    "Builtin",
    "Dataset",
    "Encoded",
    "InputSpec",
    "Kind",
    "Splits",
    "TargetSpec",
    "encode",
    "encode_parts",
    "load_dataset",
    "read_dataset",
]
