"""Writes a bundle: a trained composite and what it needs to predict, as a folder of data."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autosynth.bundle.card import card_text
from autosynth.bundle.folder import (
    CARD,
    ENCODERS_FILE,
    MODEL,
    STRATEGY,
    WEIGHTS,
    replacing,
    write_object,
)
from autosynth.bundle.info import Info, ModelCard, to_plain
from autosynth.composite import Composite, Resolved, cost, resolve
from autosynth.scale import Scale
from autosynth.task.calibration import Calibration
from autosynth.training.weights import save_weights


def write_bundle(
    folder: str | Path,
    *,
    resolved: Resolved,
    model: Composite,
    encoders: Mapping[str, Any],
    scales: Sequence[Scale] = (Scale(),),
    calibration: Calibration | None = None,
    card: ModelCard | None = None,
) -> Path:
    """Write a bundle in one step; gives its folder.

    Inputs that the composite does not read are left out of it.

    Args:
        folder: where; a bundle that is there already is replaced, anything else never is.
        resolved: the strategy of `model`, with inputs and target.
        model: the trained composite.
        encoders: `Dataset.encoders`; of `inputs`, those that are read are written.
        scales: on which the values of each field of the target were learnt.
        calibration: of probabilities and thresholds; none if left out.
        card: what is known of data, training and scores.

    Raises:
        BundleError: the folder holds something else, or cannot be written.
    """
    if len(resolved.reads) < len(resolved.inputs):
        # Where one input is left, the strategy need not name it: its canonical form is another.
        resolved = resolve(resolved.strategy, resolved.reads, resolved.target)
    costs = cost(resolved)
    info = Info(
        strategy=resolved.strategy,
        short_form=str(resolved.short_form),
        inputs=resolved.inputs,
        target=resolved.target,
        scales=tuple(scales),
        calibration=calibration or Calibration(),
        flops=costs.flops,
        params=costs.params,
        card=card or ModelCard(),
    )
    place = Path(folder)
    with replacing(place) as temporary:
        write_info(info, temporary)
        write_object(temporary / ENCODERS_FILE, _read_alone(encoders, resolved))
        save_weights(model, temporary / WEIGHTS)
    return place


def write_info(info: Info, folder: Path) -> None:
    """The files of a bundle that people read: `model.json`, `strategy.txt` and `card.md`."""
    write_object(folder / MODEL, to_plain(info))
    (folder / STRATEGY).write_text(f"{info.strategy}\n", encoding="utf-8")
    (folder / CARD).write_text(card_text(info), encoding="utf-8")


def _read_alone(encoders: Mapping[str, Any], resolved: Resolved) -> dict[str, Any]:
    """Encoders without those of inputs that the composite does not read."""
    if "inputs" not in encoders:
        return dict(encoders)
    names = {spec.name for spec in resolved.inputs}
    inputs = [fitted for fitted in encoders["inputs"] if fitted["name"] in names]
    return {**encoders, "inputs": inputs}
