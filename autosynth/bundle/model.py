"""A trained composite as a bundle: written as a folder of data, and loaded again to predict.

Takes raw data in the form the search took it in, gives predictions. Opens JSON, text and
safetensors alone, and runs no code from the folder.
"""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from autosynth import __version__
from autosynth.bundle.card import card_text
from autosynth.bundle.folder import (
    CARD,
    ENCODERS_FILE,
    MODEL,
    STRATEGY,
    WEIGHTS,
    damaged,
    find,
    read_object,
    read_text,
    replacing,
    sha256_of,
    write_object,
)
from autosynth.bundle.form import FORMS, RunForm
from autosynth.bundle.info import Info, ModelCard, read_info, to_plain
from autosynth.composite import Composite, Resolved, build, cost, resolve
from autosynth.composite.objective import base_of, finished, mask_seen
from autosynth.data import Encoded, framing_of
from autosynth.data.encoder.registry import input_spec
from autosynth.data.framing.framing import Framing
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import BundleError, DataError, StrategyError, UnknownNameError
from autosynth.scale import Scale
from autosynth.spec import SeenItems
from autosynth.strategy import Strategy
from autosynth.task.calibration import Calibration
from autosynth.task.task import task_of
from autosynth.training.weights import load_weights, save_weights

# Rows at once: what every layer makes of them has to fit in memory beside each other.
BATCH = 512
# Parameters are saved as float32; so many are built before it is known that they do not fit.
_PARAMETER_BYTES, _HARMLESS = 4, 2**24


@dataclass(frozen=True, kw_only=True)
class Model:
    """A trained composite with all it needs to predict. Made by `load`."""

    folder: Path
    info: Info
    encoders: Mapping[str, Any]
    resolved: Resolved
    module: Composite
    quick: RunForm | None = None
    """Of a checked `model.onnx`, where ONNX Runtime is installed: it gives the same sooner."""

    @property
    def strategy(self) -> Strategy:
        """The canonical strategy; `str` of it is one line."""
        return self.info.strategy

    def predict(self, source: Any) -> pd.DataFrame:
        """Predictions for every row of `source`; what should be known of a row is warned about.

        Args:
            source: a path, a DataFrame or arrays, as the search took them; the target column is
                not needed, and not looked at where it is there.

        Returns:
            One row a row, with the columns that the task gives, such as `prediction`, in the
            user's own names and scale. The index is that of the frame that was given; of other
            sources it holds row numbers, or names of files.

        Raises:
            DataError: no rows, columns or shapes that do not fit, or a row without finite output.
        """
        frames = list(self.predict_parts(source))
        return frames[0] if len(frames) == 1 else pd.concat(frames)

    def predict_parts(self, source: Any, batching: Batching = BY_SIZE) -> Iterator[pd.DataFrame]:
        """As `predict`; of a table too large for memory, a part of its rows after another."""
        rows = 0
        framing = self._framing if batching == BY_SIZE else framing_of(self.encoders, batching)
        for encoded in framing.encode_parts(source):
            for text in encoded.warnings:
                warnings.warn(text, stacklevel=3)
            if len(encoded.index):
                rows += len(encoded.index)
                yield self._predicted(encoded)
        if not rows:
            raise DataError("there are no rows to predict; give one or more")

    @cached_property
    def _framing(self) -> Framing:
        return framing_of(self.encoders)

    def _predicted(self, encoded: Encoded) -> pd.DataFrame:
        output = self.outputs(encoded.x, encoded.seen)
        if encoded.series_scale is not None:
            output = encoded.series_scale.unscaled(output)
        broken = np.flatnonzero(~np.isfinite(output.reshape(len(output), -1)).all(axis=1))
        if len(broken):
            raise DataError(
                f"row {encoded.index[int(broken[0])]} has no finite output ({len(broken)} of "
                f"{len(output)} rows): it misses values that no training row missed, or holds "
                "values far outside theirs; fill them in, or leave the rows out"
            )
        index = encoded.index
        if not isinstance(index, pd.Index):  # that of a frame is kept, with its names
            index = pd.Index(index, name=encoded.called)
        return pd.DataFrame(self._columns(output), index=index)

    def _columns(self, output: NDArray[Any]) -> dict[str, Any]:
        target = self.info.target
        # The probabilities are at their temperature already.
        scores = Calibration(bias=self.info.calibration.bias).scores(output, target)
        return task_of(target).columns(target, output, scores)

    def outputs(
        self, x: Mapping[str, NDArray[Any]], seen: SeenItems | None = None
    ) -> NDArray[Any]:
        """Probabilities (n, classes), or values in the target's unit, of encoded rows.

        What is `seen` has the probability 0.
        """
        if self.quick is None or seen is not None:
            return self.live_outputs(x, seen)
        names = [spec.name for spec in self.info.inputs]
        rows = len(x[names[0]])
        parts = [
            self.quick([np.ascontiguousarray(x[name][start : start + BATCH]) for name in names])
            for start in range(0, rows, BATCH)
        ]
        return np.concatenate(parts).astype(np.float64)

    def live_outputs(
        self, x: Mapping[str, NDArray[Any]], seen: SeenItems | None = None
    ) -> NDArray[Any]:
        """The same, by PyTorch."""
        info, parts = self.info, []
        rows = len(x[info.inputs[0].name])
        with torch.inference_mode():
            for start in range(0, rows, BATCH):
                # A copy: memory maps are read-only.
                batch = {n: torch.from_numpy(np.array(x[n][start : start + BATCH])) for n in x}
                raw = self.module(batch).double()
                if seen is not None:
                    raw = mask_seen(raw, seen.only(np.arange(start, start + len(raw))))
                base = base_of(info.target, batch.get(info.target.base))
                temperature = info.calibration.temperature
                parts.append(finished(info.target, raw, info.scales, base, temperature))
        whole: NDArray[Any] = torch.cat(parts).numpy()
        return whole


def load(path: str | Path) -> Model:
    """The model of the bundle at `path`, or of the run at `path` that holds one.

    Raises:
        BundleError: a file is missing or damaged, or they do not belong together; it names the
            file and what to do.
    """
    folder = find(path)
    info = read_info(folder)
    resolved = _resolve(folder, info)
    encoders = _encoders(folder, info)
    _check_room(folder / WEIGHTS, resolved)
    module = build(resolved)
    load_weights(module, folder / WEIGHTS)
    module = module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Model(
        folder=folder,
        info=info,
        encoders=encoders,
        resolved=resolved,
        module=module,
        quick=_quick(folder, info),
    )


def _check_room(weights: Path, resolved: Resolved) -> None:
    """Raise `BundleError` for a strategy of more parameters than the file of weights has room for.

    A few bytes of text may ask for any number of them: nothing is built before.
    """
    pieces = resolved.program.pieces.values()
    needed = sum(piece.params for piece in pieces if piece.learns == "gradient")
    held = weights.stat().st_size // _PARAMETER_BYTES
    if needed > max(held, _HARMLESS):
        raise damaged(
            weights,
            f"has room for {held:,} numbers, and {resolved.short_form} has {needed:,} parameters",
        )


def _quick(folder: Path, info: Info) -> RunForm | None:
    """What runs the bundle's ONNX file, where it was checked and can be run here."""
    form = FORMS["onnx"]
    path, known = folder / form.file, info.files.get(form.file)
    if known is None or not path.is_file() or find_spec("onnxruntime") is None:
        return None
    if sha256_of(path) != known:
        raise damaged(path, "is not the file that was checked when it was exported")
    return form.open(path)


def _resolve(folder: Path, info: Info) -> Resolved:
    path = folder / STRATEGY
    if read_text(path).strip() != str(info.strategy):
        raise damaged(path, f"is not the strategy of model.json, which is {info.strategy}")
    by = f"written by autosynth {info.version}; this is {__version__}"
    try:
        resolved = resolve(info.strategy, info.inputs, info.target)
    except (StrategyError, UnknownNameError) as problem:
        raise BundleError(f"{path} cannot be built ({by}): {problem}") from problem
    # Without settings: they shaped the training, and later versions may add some.
    if str(resolved.strategy.without_settings()) != str(info.strategy.without_settings()):
        raise BundleError(
            f"{path} is not in canonical form ({by}): it says {info.strategy.without_settings()}, "
            f"which is {resolved.strategy.without_settings()} here; use the version that wrote it"
        )
    return resolved


def _encoders(folder: Path, info: Info) -> dict[str, Any]:
    path = folder / ENCODERS_FILE
    encoders = read_object(path)
    try:
        specs = [input_spec(fitted) for fitted in encoders["inputs"]]
    except (LookupError, TypeError, ValueError) as problem:
        raise damaged(path, f"is not what encodes the inputs ({problem!r})") from problem
    for spec, wanted in zip(specs, info.inputs, strict=False):
        if spec != wanted:
            raise damaged(path, f"gives {spec}, and the model reads {wanted}")
    if len(specs) != len(info.inputs):
        raise damaged(path, f"gives {len(specs)} inputs, and the model reads {len(info.inputs)}")
    return encoders


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
    costs = cost(resolved, model)
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
        write_object(temporary / ENCODERS_FILE, _read_alone(encoders, resolved))
        save_weights(model, temporary / WEIGHTS)
        write_info(info, temporary)
    return place


def write_info(info: Info, folder: Path) -> None:
    """The files of a bundle that people read: `strategy.txt`, `model.json` and `card.md`.

    The others are there already: `model.json` has the sum of each.
    """
    (folder / STRATEGY).write_text(f"{info.strategy}\n", encoding="utf-8")
    sums = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    info = replace(info, files=sums)
    write_object(folder / MODEL, to_plain(info))
    (folder / CARD).write_text(card_text(info), encoding="utf-8")


def _read_alone(encoders: Mapping[str, Any], resolved: Resolved) -> dict[str, Any]:
    """Encoders without those of inputs that the composite does not read."""
    if "inputs" not in encoders:
        return dict(encoders)
    names = {spec.name for spec in resolved.inputs}
    inputs = [fitted for fitted in encoders["inputs"] if fitted["name"] in names]
    return {**encoders, "inputs": inputs}
