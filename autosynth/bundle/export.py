"""Adds files to a bundle that run without this package: the composite as a program.

It is traced with a free number of rows, and written in each of the forms that are asked for. Each
file is opened again and run on sample rows, in several batches; it counts only if it gives what
the live model gives.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from torch import Tensor

from autosynth.bundle.deployed import traced
from autosynth.bundle.folder import (
    ENCODERS_FILE,
    MODEL,
    WEIGHTS,
    find,
    read_object,
    replacing,
)
from autosynth.bundle.form import FORMS
from autosynth.bundle.formcheck import TOLERANCE, check_form
from autosynth.bundle.info import ExportCheck, Info
from autosynth.bundle.model import load, write_info
from autosynth.errors import BundleError, lookup
from autosynth.jsonfields import MODEL_3, renamed


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A checked export: its folder, and how each file was compared with the live model."""

    folder: Path
    forms: Mapping[str, ExportCheck]


def export(
    bundle: str | Path,
    out: str | Path,
    *,
    sample: Mapping[str, Tensor],
    forms: Sequence[str] = ("pt2",),
    force: bool = False,
    tolerance: float = TOLERANCE,
) -> Exported:
    """Copy a bundle to `out` and add a file of each form, checked against the live model.

    Args:
        bundle: the folder of a bundle; it may be `out` itself.
        out: the folder to make; an earlier bundle of the same model is replaced.
        sample: rows to check on, best held-back ones: each input as `InputSpec` says, rows first.
            None of them is stored.
        forms: names of `FORMS`: pt2, onnx.
        force: whether a bundle of another model may be replaced, too.
        tolerance: how far a probability, or a value as it was learnt, may be off.

    Raises:
        BundleError: the bundle or the sample does not fit, `out` holds another model's bundle, a
            form cannot hold the composite, or a file is not within the tolerance; nothing is
            written then.
        UnknownNameError: there is no such form.
    """
    chosen = [lookup(FORMS, name, "form") for name in dict.fromkeys(forms)]
    for form in chosen:
        form.check_installed()
    source = find(bundle)
    model = load(source)
    inputs = _inputs(sample, model.info)
    place = Path(out)
    if not force:
        _check_own(place, model.info)
    names = [spec.name for spec in model.info.inputs]
    arrays: list[NDArray[Any]] = [tensor.numpy() for tensor in inputs]
    program = traced(load(source), inputs)
    checks: dict[str, ExportCheck] = {}
    with replacing(place) as temporary:
        for name in (ENCODERS_FILE, WEIGHTS):
            shutil.copyfile(source / name, temporary / name)
        for form in chosen:
            path = temporary / form.file
            form.write(program, names, path)
            checks[form.name] = check_form(form, path, model, arrays, tolerance)
        write_info(replace(model.info, exported=checks), temporary)
    return Exported(folder=place, forms=checks)


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
