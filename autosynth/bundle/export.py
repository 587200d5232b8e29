"""Adds `model.pt2` to a bundle: the composite as a program that PyTorch alone runs.

`torch.export` traces it with a free batch dimension. The file is opened again and run on sample
rows, alone, in twos and together; it counts only if it gives what the live model gives.
"""

import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from autosynth.bundle.folder import (
    ENCODERS_FILE,
    MODEL,
    PROGRAM,
    WEIGHTS,
    find,
    read_object,
    replacing,
)
from autosynth.bundle.info import ExportCheck, Info, ProgramInput
from autosynth.bundle.model import Model, load, write_info
from autosynth.composite.objective import base_of, finished
from autosynth.errors import BundleError
from autosynth.jsonfields import MODEL_3, renamed
from autosynth.scale import steepness

# The exports under tests/golden are off by 6e-8 to 2e-7 in a probability, and in other units by a
# thousandth of what is allowed: what is off by more than this has lost a step, and not a digit.
TOLERANCE = 1e-4
"""How far a probability, or a value on the scale that it was learnt on, may be off."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A checked export.

    `difference` is the largest one over `rows` rows, absolute, in the unit of the output
    (probability, or the target's own); `tolerance` is what was allowed. `batches` were tried.
    """

    folder: Path
    difference: float
    tolerance: float
    rows: int
    batches: tuple[int, ...]


def export(
    bundle: str | Path,
    out: str | Path,
    *,
    sample: Mapping[str, Tensor],
    force: bool = False,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Copy a bundle to `out` and add `model.pt2`, checked against the live model.

    Args:
        bundle: the folder of a bundle; it may be `out` itself.
        out: the folder to make; an earlier bundle of the same model is replaced.
        sample: rows to check on, best held-back ones: each input as `InputSpec` says, rows first.
            None of them is stored.
        force: whether a bundle of another model may be replaced, too.
        tolerance: how far a probability, or a value as it was learnt, may be off.

    Raises:
        BundleError: the bundle or the sample does not fit, `out` holds another model's bundle,
            PyTorch cannot export the composite, or the exported program is not within the
            tolerance; nothing is written then.
    """
    source = find(bundle)
    model = load(source)
    inputs = _inputs(sample, model.info)
    place = Path(out)
    if not force:
        _check_own(place, model.info)
    with replacing(place) as temporary:
        for name in (ENCODERS_FILE, WEIGHTS):
            shutil.copyfile(source / name, temporary / name)
        path = temporary / PROGRAM
        torch.export.save(_trace(source, inputs), path)
        checked = check_program(path, model, inputs, tolerance)
        described = ExportCheck(
            inputs=tuple(
                ProgramInput(name=spec.name, dtype=_dtype(tensor), shape=spec.shape)
                for spec, tensor in zip(model.info.inputs, inputs, strict=True)
            ),
            torch=str(torch.__version__),
            difference=checked.difference,
            tolerance=checked.tolerance,
            rows=checked.rows,
            batches=checked.batches,
        )
        write_info(replace(model.info, exported=described), temporary)
    return replace(checked, folder=place)


def _check_own(place: Path, info: Info) -> None:
    """Raises `BundleError` where `place` holds the bundle of another model, which would be lost.

    A model is told by its data, its strategy and its trial. What cannot be read is lost already.
    """
    try:
        there = renamed(read_object(place.expanduser() / MODEL), MODEL_3)
        card, strategy, short_form = there["card"], there["strategy_text"], there["short_form"]
    except (BundleError, KeyError):
        return
    known = strategy, card.get("fingerprint") or "", card.get("trial")
    if known == (str(info.strategy), info.card.fingerprint, info.card.trial):
        return
    ours = _called(info.short_form, info.card.trial, info.card.dataset)
    raise BundleError(
        f"{str(place)!r} holds the bundle of another model, "
        f"{_called(short_form, card.get('trial'), card.get('dataset'))}, and this is {ours}: name "
        "another folder with -o, or have it replaced with --force (force=True from Python)"
    )


def _called(short_form: str, trial: int | None, dataset: str | None) -> str:
    return f"{short_form} (trial {trial} of {dataset})"


class _Deployed(nn.Module):
    """Raw inputs, in order, to probabilities, or to values in the target's own unit."""

    def __init__(self, module: nn.Module, info: Info) -> None:
        super().__init__()
        self.module = module
        self.names = tuple(spec.name for spec in info.inputs)
        self.info = info

    def forward(self, *inputs: Tensor) -> Tensor:
        named, info = dict(zip(self.names, inputs, strict=True)), self.info
        base = base_of(info.target, named.get(info.target.base))
        temperature = info.calibration.temperature
        return finished(info.target, self.module(named), info.scales, base, temperature)


def _inputs(sample: Mapping[str, Tensor], info: Info) -> tuple[Tensor, ...]:
    """The sample in the model's order. Raises `BundleError` where it does not fit."""
    for spec in info.inputs:
        if spec.name not in sample:
            raise BundleError(
                f"the sample to check the export on lacks the input {spec.name!r}; it has "
                f"{', '.join(sample) or 'none'}"
            )
        found = tuple(sample[spec.name].shape)
        if not found or found[0] == 0 or found[1:] != spec.shape:
            raise BundleError(
                f"the sample of {spec.name!r} has shape {found}; one row or more of {spec.shape} "
                "are needed to check the export on"
            )
    return tuple(sample[spec.name].cpu() for spec in info.inputs)


def _trace(source: Path, inputs: tuple[Tensor, ...]) -> ExportedProgram:
    model = load(source)  # a copy of its own, to be traced
    module = model.module.requires_grad_(False).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    # Two rows of zeros: nothing depends on values, and the file keeps no row of anybody's data.
    example = tuple(torch.zeros(2, *tensor.shape[1:], dtype=tensor.dtype) for tensor in inputs)
    free = Dim("batch", min=1)
    with warnings.catch_warnings():
        # A recurrent layer keeps a list of its own parameters, and tracing puts it back.
        warnings.filterwarnings("ignore", r"(?s)The tensor attributes? .*_flat_weights")
        try:
            program = torch.export.export(
                _Deployed(module, model.info).eval(),
                example,
                dynamic_shapes=(tuple({0: free} for _ in example),),
            )
        except (RuntimeError, ValueError) as problem:
            raise BundleError(
                f"torch.export {torch.__version__} cannot export {model.strategy}: {problem}"
            ) from problem
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # would store paths of this machine
    return program


def check_program(
    path: Path, model: Model, inputs: tuple[Tensor, ...], tolerance: float = TOLERANCE
) -> Exported:
    """The saved program against the live model. Raises `BundleError` beyond the tolerance."""
    program = torch.export.load(path).module()
    names = [spec.name for spec in model.info.inputs]
    while len(inputs[0]) < 3:
        inputs = tuple(torch.cat((tensor, tensor)) for tensor in inputs)
    expected = model.outputs({n: x.numpy() for n, x in zip(names, inputs, strict=True)})
    if not np.isfinite(expected).all():
        raise BundleError(
            f"the live model of {model.strategy} gives outputs that are not finite on the sample; "
            "an export cannot be checked on it"
        )
    rows = len(expected)
    allowed = _allowed(model.info, expected, tolerance)
    worst = 0.0
    for size in (1, 2, rows):
        with torch.inference_mode():
            output: Tensor = program(*(tensor[:size] for tensor in inputs))
        off = np.abs(output.double().numpy() - expected[:size])
        if not (off <= allowed[:size]).all():
            at = np.unravel_index(np.nanargmax(off / allowed[:size]), off.shape)
            raise BundleError(
                f"model.pt2 of {model.strategy} differs from the live model by {off[at]:.3g} "
                f"with a batch of {size}; up to {allowed[at]:.3g} is allowed. It was not kept."
            )
        worst = max(worst, float(off.max()))
    return Exported(
        folder=path.parent,
        difference=worst,
        tolerance=float(allowed.max()),
        rows=rows,
        batches=(1, 2, rows),
    )


def _allowed(info: Info, expected: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """How far each output may be off, in its own unit: the tolerance where it was learnt."""
    columns = expected.reshape(len(expected), -1)
    allowed = np.full(columns.shape, tolerance)
    for scale, (target, outputs, _) in zip(info.scales, info.target.fields, strict=True):
        if not target.classes:
            allowed[:, outputs] *= steepness(scale, columns[:, outputs])
    return allowed.reshape(expected.shape)


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
