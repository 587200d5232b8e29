"""What `model.json` says of a bundle: strategy, inputs, target, and where it comes from.

A frozen value in, JSON-able data out, and back with every problem named.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, get_args

from autosynth import __version__
from autosynth.bundle.folder import MODEL, damaged, read_object
from autosynth.bundle.modelcard import ExportCheck, ModelCard
from autosynth.data.encoder.registry import ENCODERS
from autosynth.errors import BundleError, StrategyError
from autosynth.jsonfields import from_fields, json_ready
from autosynth.migrate import MODEL_3, renamed
from autosynth.scale import Scale, problems_of, scales_from
from autosynth.spec import InputSpec, TargetSpec, Task
from autosynth.strategy import Strategy, from_dict, to_dict
from autosynth.training.metrics import Calibration

FORMAT = 4


@dataclass(frozen=True, kw_only=True)
class Info:
    """A bundle without its weights.

    `strategy` is canonical, `short_form` the same without defaults, for reading. `scales`, one for
    each field of the target, bring values to the target's own unit. `calibration` is what is done
    to probabilities, and where the predicted class is chosen. `flops` are per sample at inference.
    `card` says where the model comes from; `exported` how `model.pt2` was checked. `version` is of
    the AutoSynth that wrote it.
    """

    strategy: Strategy
    short_form: str
    inputs: tuple[InputSpec, ...]
    target: TargetSpec
    scales: tuple[Scale, ...] = (Scale(),)
    calibration: Calibration = Calibration()
    flops: int
    params: int
    card: ModelCard
    exported: ExportCheck | None = None
    version: str = __version__


def to_plain(info: Info) -> dict[str, Any]:
    """`info` as JSON-able data; `read_info` reads it."""
    plain = {field.name: getattr(info, field.name) for field in fields(info)}
    return {
        "format": FORMAT,
        **plain,
        "strategy": to_dict(info.strategy),
        "strategy_text": str(info.strategy),
        "inputs": [asdict(spec) for spec in info.inputs],
        "target": asdict(info.target),
        "scales": [scale.to_dict() for scale in info.scales],
        "calibration": json_ready(info.calibration),
        "card": json_ready(info.card),
        "exported": json_ready(info.exported),
    }


def read_info(folder: Path) -> Info:
    """The information of the bundle in `folder`.

    Raises:
        BundleError: `model.json` is of another format, lacks something, or contradicts itself.
    """
    path = folder / MODEL
    plain = read_object(path)
    if plain.get("format") not in _KEYS:
        raise _unreadable(path, plain)
    lacking = [name for name in _KEYS[plain["format"]] if name not in plain]
    if lacking:
        raise damaged(path, f"lacks {', '.join(lacking)}")
    try:
        info = _info(plain)
    except (KeyError, TypeError, ValueError, StrategyError) as problem:
        raise damaged(path, f"cannot be understood ({problem})") from problem
    problems = _problems(info)
    if str(info.strategy) != plain["strategy_text"]:
        problems.append("'strategy' and 'strategy_text' are not the same strategy")
    if problems:
        raise damaged(path, "; ".join(problems))
    return info


def _unreadable(path: Path, plain: Mapping[str, Any]) -> BundleError:
    """The error for a format that is not read: of a newer version, or of one long gone."""
    found, advice = plain.get("format"), "use the version that wrote it, or search again"
    if isinstance(found, int) and found > FORMAT:
        advice = "it was made by a newer AutoSynth; upgrade AutoSynth to open it"
    return BundleError(
        f"{path} is of format {found!r}, written by autosynth "
        f"{plain.get('version', 'of an unknown version')}; this is autosynth {__version__}, "
        f"which reads formats {', '.join(map(str, _KEYS))}: {advice}"
    )


_NAMES = (*(field.name for field in fields(Info)), "strategy_text")
_FORMER = {new: old for old, (new, _) in MODEL_3.items()}
_OLD_NAMES = tuple(_FORMER.get(name, name) for name in _NAMES)
_KEYS = {
    # Every value was learnt as it is, standardised: see `scales_from`.
    2: (*(name for name in _OLD_NAMES if name != "scales"), "center", "spread"),
    3: _OLD_NAMES,
    FORMAT: _NAMES,
}
"""What `model.json` holds, by the formats that are read."""


def _info(plain: Mapping[str, Any]) -> Info:
    if plain["format"] < FORMAT:
        plain = renamed(plain, MODEL_3)
        known = {field.name for field in fields(ModelCard)}  # any key was allowed in a card
        plain["card"] = {key: value for key, value in dict(plain["card"]).items() if key in known}
    return Info(
        strategy=from_dict(plain["strategy"]),
        short_form=str(plain["short_form"]),
        inputs=tuple(_input(spec) for spec in plain["inputs"]),
        target=TargetSpec.from_dict(plain["target"]),
        scales=scales_from(plain),
        calibration=from_fields(Calibration, plain["calibration"]),
        flops=int(plain["flops"]),
        params=int(plain["params"]),
        card=from_fields(ModelCard, plain["card"]),
        exported=None
        if plain["exported"] is None
        else from_fields(ExportCheck, plain["exported"]),
        version=str(plain["version"]),
    )


def _input(plain: Mapping[str, Any]) -> InputSpec:
    tuples = {name: tuple(int(n) for n in plain[name]) for name in ("shape", "cardinalities")}
    return InputSpec(**{**plain, **tuples})


def _problems(info: Info) -> list[str]:
    problems = []
    for target, _, _ in info.target.fields:
        if target.task not in get_args(Task):
            problems.append(f"task {target.task!r} is none of {', '.join(get_args(Task))}")
        elif target.task == "classification" and len(target.classes) < 2:
            problems.append(f"a classification has two classes or more, not {target.classes}")
    for spec in info.inputs:
        if spec.kind not in ENCODERS:
            problems.append(f"input {spec.name}: kind {spec.kind!r} is none of {tuple(ENCODERS)}")
    if not info.inputs:
        problems.append("there is no input")
    if len(info.scales) != len(info.target.fields):
        problems.append(f"{len(info.scales)} scales are not one for each field of the target")
    problems += [problem for scale in info.scales for problem in problems_of(scale)]
    bias, temperature = info.calibration.bias, info.calibration.temperature
    if len(bias) not in (0, len(info.target.classes)) or not all(map(math.isfinite, bias)):
        problems.append(f"the calibration's bias {bias} is not one finite number a class")
    if not (math.isfinite(temperature) and temperature > 0):
        problems.append(f"the calibration's temperature {temperature} is not above 0")
    return problems
