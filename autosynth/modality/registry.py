"""Every kind of input by name, those of other packages among them, and their calls on batches.

In the pyproject.toml of a package with a kind `bits`, which is an `Encoder` class for the data
and a `Modality` for the networks:

    [project.entry-points."autosynth.encoders"]
    bits = "my_package.bits:BitsEncoder"
    [project.entry-points."autosynth.modalities"]
    bits = "my_package.modality:Bits"
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from autosynth.data.encoder.registry import ENCODERS
from autosynth.errors import ConfigError
from autosynth.modality.audio import AudioModality
from autosynth.modality.frames import FramesModality
from autosynth.modality.ids import IdsModality
from autosynth.modality.image import ImageModality
from autosynth.modality.modality import Modality
from autosynth.modality.series import SeriesModality
from autosynth.modality.table import TableModality
from autosynth.modality.text import TextModality
from autosynth.plugin import with_plugins
from autosynth.spec import InputSpec

_OWN = (
    *(ImageModality(), FramesModality(), AudioModality(), TextModality(), SeriesModality()),
    *(IdsModality(), TableModality()),
)
MODALITIES: Mapping[str, Modality] = with_plugins(
    {modality.name: modality for modality in _OWN},
    "autosynth.modalities",
    Modality,
)
"""In the order in which messages name them; a model's card goes through them backwards."""

if _ALONE := sorted(set(MODALITIES) ^ set(ENCODERS)):
    raise ConfigError(
        f"a kind of input has an entry point in autosynth.encoders and one in "
        f"autosynth.modalities, of one name; {', '.join(_ALONE)}: there is one alone. Mend the "
        "package that brings it, or uninstall it"
    )


def features_of(raw: Sequence[Tensor], specs: Sequence[InputSpec]) -> Tensor:
    """What parts that are no networks read of inputs (B, ...), side by side: (B, columns)."""
    pairs = zip(raw, specs, strict=True)
    return torch.cat([MODALITIES[spec.kind].features(x, spec) for x, spec in pairs], 1)


def augment(
    inputs: dict[str, Tensor], specs: tuple[InputSpec, ...], level: str
) -> dict[str, Tensor]:
    """A changed batch of raw inputs, shapes as they were: light random changes, on the device.

    What a pretrained network reads in its own vocabulary stays as it is. `level` is none, light or
    strong.
    """
    if level == "none":
        return inputs
    return {
        spec.name: x if spec.of else MODALITIES[spec.kind].augment(x, spec, level)
        for spec in specs
        for x in (inputs[spec.name],)
    }
