"""All corruptions by kind of input and name, and their one call."""

from collections.abc import Mapping
from zlib import crc32

import numpy as np

from autosynth.corrupt.corruption import SEVERITIES, Corruption, Given
from autosynth.corrupt.ids import IDS
from autosynth.corrupt.image import IMAGE
from autosynth.corrupt.line import SERIES
from autosynth.corrupt.table import TABLE
from autosynth.corrupt.text import TEXT
from autosynth.errors import ConfigError, lookup
from autosynth.spec import Array, InputSpec

CORRUPTIONS: Mapping[str, Mapping[str, Corruption]] = {
    kind: {corruption.name: corruption for corruption in corruptions}
    for kind, corruptions in (
        ("image", IMAGE),
        ("series", SERIES),
        ("audio", SERIES),
        ("table", TABLE),
        ("text", TEXT),
        ("ids", IDS),
    )
}


def corrupt(
    x: Array,
    spec: InputSpec,
    name: str,
    severity: int,
    *,
    seed: int = 0,
    blank: Array | None = None,
) -> Array:
    """Rows of an input, damaged; those of severity 0 are as they were.

    Args:
        x: encoded rows, as `spec` says; of a text the texts themselves, (n,) objects.
        spec: of the input.
        name: one of `CORRUPTIONS[spec.kind]`.
        severity: 0 to 5.
        seed: of all randomness. One seed damages the same places at every severity, more of them.
        blank: a row that holds nothing, which missing cells of a table are taken from.

    Raises:
        UnknownNameError: no such corruption of that kind.
        ConfigError: no such severity.
    """
    found = lookup(CORRUPTIONS[spec.kind], name, "corruption", f"of {spec.kind}")
    if severity not in (0, *SEVERITIES):
        raise ConfigError(f"a severity is a whole number from 0 to 5, not {severity!r}")
    if severity == 0 or not len(x):
        return x
    rng = np.random.default_rng((seed, crc32(f"{spec.name}.{name}".encode())))
    blank = blank_like(x, spec) if blank is None else blank
    return found.damage(x, found.amounts[severity - 1], Given(spec=spec, blank=blank, rng=rng))


def blank_like(x: Array, spec: InputSpec) -> Array:
    """A row that holds nothing, of the shape of one row of `x`.

    Black, silent, or no thing at all; NaN for numbers, 0 for categories; for a series NaN where it
    has a mask, and the mean of each channel where it has none.
    """
    if spec.kind == "table":
        numeric = np.array(spec.cardinalities) <= 0
        return np.where(numeric, np.nan, 0).astype(x.dtype)
    if spec.kind == "series":
        if spec.masked:
            return np.full(x.shape[1:], np.nan, x.dtype)
        mean = x.mean(axis=(0, 2), keepdims=True, dtype=np.float64)[0]
        return np.broadcast_to(mean, x.shape[1:]).astype(x.dtype)
    return np.zeros(x.shape[1:], x.dtype)
