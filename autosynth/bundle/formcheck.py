"""An exported file against the live model: what it gives, and how long that takes."""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from autosynth.bundle.form import ExportForm, RunForm
from autosynth.bundle.info import ExportCheck, Info, ProgramInput
from autosynth.bundle.model import Model
from autosynth.errors import BundleError
from autosynth.scale import steepness

# The exports under tests/golden are off by 6e-8 to 2e-7 in a probability, and in other units by a
# thousandth of what is allowed: what is off by more than this has lost a step, and not a digit.
TOLERANCE = 1e-4
"""How far a probability, or a value on the scale that it was learnt on, may be off."""
BATCHES = (1, 3, 256)
"""Rows at a time that an export is tried with, beside all of the sample."""
# Runs of one row, of which the median is its latency; those before them warm up.
_RUNS, _WARM_UP = 20, 3


def check_form(
    form: ExportForm,
    path: Path,
    model: Model,
    inputs: Sequence[NDArray[Any]],
    tolerance: float = TOLERANCE,
) -> ExportCheck:
    """What a saved file gives and the live model, in several batches.

    Args:
        form: that of the file.
        path: of the file.
        model: the live one.
        inputs: encoded rows of each input, in the model's order; one row or more.
        tolerance: how far a probability, or a value as it was learnt, may be off.

    Raises:
        BundleError: beyond the tolerance, or where the live model gives nothing finite.
    """
    rows = len(inputs[0])
    names = [spec.name for spec in model.info.inputs]
    expected = model.live_outputs(dict(zip(names, inputs, strict=True)))
    if not np.isfinite(expected).all():
        raise BundleError(
            f"the live model of {model.strategy} gives outputs that are not finite on the sample; "
            "an export cannot be checked on it"
        )
    allowed, run, worst = _allowed(model.info, expected, tolerance), form.open(path), 0.0
    batches = tuple(sorted({*BATCHES, rows}))
    for size in batches:
        places = np.arange(size) % rows
        found = run([x[places] for x in inputs])
        if found.shape != (size, *expected.shape[1:]):
            raise BundleError(
                f"{path.name} of {model.strategy} gives outputs of shape {found.shape} for a "
                f"batch of {size} rows, and the live model of {expected.shape}. It was not kept."
            )
        off = np.abs(found.astype(np.float64) - expected[places])
        if not (off <= allowed[places]).all():
            at = np.unravel_index(np.nanargmax(off / allowed[places]), off.shape)
            raise BundleError(
                f"{path.name} of {model.strategy} differs from the live model by {off[at]:.3g} "
                f"with a batch of {size}; up to {allowed[places][at]:.3g} is allowed. It was not "
                "kept."
            )
        worst = max(worst, float(off.max(initial=0.0)))
    return ExportCheck(
        inputs=tuple(
            ProgramInput(name=spec.name, dtype=str(x.dtype), shape=spec.shape)
            for spec, x in zip(model.info.inputs, inputs, strict=True)
        ),
        made_by=form.made_by,
        difference=worst,
        tolerance=float(allowed.max()),
        rows=rows,
        batches=batches,
        bytes=path.stat().st_size,
        latency_ms=_latency_ms(run, [x[:1] for x in inputs]),
    )


def _latency_ms(run: RunForm, one: Sequence[NDArray[Any]]) -> float:
    """The median time of one row alone, in milliseconds."""
    taken = []
    for _ in range(_WARM_UP + _RUNS):
        start = time.perf_counter()
        run(one)
        taken.append(time.perf_counter() - start)
    return 1e3 * median(taken[_WARM_UP:])


def _allowed(info: Info, expected: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """How far each output may be off, in its own unit: the tolerance where it was learnt."""
    columns = expected.reshape(len(expected), -1)
    allowed = np.full(columns.shape, tolerance)
    for scale, (target, outputs, _) in zip(info.scales, info.target.fields, strict=True):
        if not target.classes:
            allowed[:, outputs] *= steepness(scale, columns[:, outputs])
    return allowed.reshape(expected.shape)
