"""The encoders by kind of input, plug-ins included, and back from what was saved of them.

Takes the JSON-able data of a dataset, a run or a bundle; gives encoders, or the specs of the
inputs that they make.
"""

from collections.abc import Mapping
from typing import Any

from autosynth.data.encoder.audio import AudioEncoder
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.frames import FramesEncoder
from autosynth.data.encoder.ids import IdsEncoder
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.encoder.text import TextEncoder
from autosynth.errors import lookup
from autosynth.plugin import with_plugin_classes
from autosynth.spec import FittedInput, InputSpec

_OWN = (
    *(ImageEncoder, FramesEncoder, SeriesEncoder, TableEncoder, TextEncoder, AudioEncoder),
    IdsEncoder,
)
ENCODERS: Mapping[str, type[Encoder]] = with_plugin_classes(
    {encoder.kind: encoder for encoder in _OWN},
    "autosynth.encoders",
    Encoder,
)


def encoder_from(plain: FittedInput) -> Encoder:
    """The encoder of one input from its saved form.

    Raises:
        UnknownNameError: there is no such kind of input.
        KeyError, TypeError, ValueError: what was saved is not whole.
    """
    encoder = lookup(ENCODERS, plain["kind"], "kind of input").from_dict(plain)
    if not all(isinstance(name, str) for name in (plain["name"], *encoder.columns)):
        raise TypeError(f"a name in the {plain['kind']} input is no text")
    return encoder


def encoders_from(plain: Mapping[str, Any]) -> tuple[Encoder, ...]:
    """The encoders of all inputs, of `Dataset.encoders`; raises as `encoder_from`."""
    return tuple(map(encoder_from, plain["inputs"]))


def input_spec(plain: FittedInput) -> InputSpec:
    """The input that a saved encoder makes; raises as `encoder_from`."""
    return encoder_from(plain).spec
