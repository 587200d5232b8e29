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
from autosynth.data.spec import InputSpec, Kind, TargetSpec, Task
from autosynth.errors import BundleError, StrategyError
from autosynth.strategy import Strategy, from_dict, to_dict

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Info:
    """A bundle without its weights.

    `strategy` is canonical, `brief` the same without defaults, for reading. `center`
    and `spread` bring a regression's outputs to the target's own unit. `class_bias` (one a class)
    is added to log probabilities where the predicted class is chosen. `flops` are per sample at
    inference. `card` is what `write` was told of data and scores; `exported` describes
    `model.pt2`. `version` is of the AutoSynth that wrote it.
    """

    strategy: Strategy
    brief: str
    inputs: tuple[InputSpec, ...]
    target: TargetSpec
    center: float = 0.0
    spread: float = 1.0
    class_bias: tuple[float, ...] | None = None
    flops: int
    params: int
    card: Mapping[str, Any]
    exported: Mapping[str, Any] | None = None
    version: str = __version__


def to_plain(info: Info) -> dict[str, Any]:
    """`info` as JSON-able data; `read` reads it."""
    plain = {field.name: getattr(info, field.name) for field in fields(info)}
    return {
        "format": FORMAT,
        **plain,
        "strategy": to_dict(info.strategy),
        "strategy_text": str(info.strategy),
        "inputs": [asdict(spec) for spec in info.inputs],
        "target": asdict(info.target),
    }


def read(folder: Path) -> Info:
    """The information of the bundle in `folder`.

    Raises:
        BundleError: `model.json` is of another format, lacks something, or contradicts itself.
    """
    path = folder / MODEL
    plain = read_object(path)
    if plain.get("format") != FORMAT:
        raise BundleError(
            f"{path} is of format {plain.get('format')!r}, written by autosynth "
            f"{plain.get('version', 'of an unknown version')}; this is autosynth {__version__}, "
            f"which reads format {FORMAT}: use the version that wrote it, or search again"
        )
    lacking = [name for name in _KEYS if name not in plain]
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


_KEYS = (*(field.name for field in fields(Info)), "strategy_text")


def _info(plain: Mapping[str, Any]) -> Info:
    bias = plain["class_bias"]
    return Info(
        strategy=from_dict(plain["strategy"]),
        brief=str(plain["brief"]),
        inputs=tuple(_input(spec) for spec in plain["inputs"]),
        target=TargetSpec(**{**plain["target"], "classes": tuple(plain["target"]["classes"])}),
        center=float(plain["center"]),
        spread=float(plain["spread"]),
        class_bias=None if bias is None else tuple(float(value) for value in bias),
        flops=int(plain["flops"]),
        params=int(plain["params"]),
        card=dict(plain["card"]),
        exported=None if plain["exported"] is None else dict(plain["exported"]),
        version=str(plain["version"]),
    )


def _input(plain: Mapping[str, Any]) -> InputSpec:
    tuples = {name: tuple(int(n) for n in plain[name]) for name in ("shape", "cardinalities")}
    return InputSpec(**{**plain, **tuples})


def _problems(info: Info) -> list[str]:
    problems = []
    if info.target.task not in get_args(Task):
        problems.append(f"task {info.target.task!r} is none of {', '.join(get_args(Task))}")
    elif info.target.task == "classification" and len(info.target.classes) < 2:
        problems.append(f"a classification has two classes or more, not {info.target.classes}")
    for spec in info.inputs:
        if spec.kind not in get_args(Kind):
            problems.append(f"input {spec.name}: kind {spec.kind!r} is none of {get_args(Kind)}")
    if not info.inputs:
        problems.append("there is no input")
    if not (math.isfinite(info.center) and math.isfinite(info.spread) and info.spread > 0):
        problems.append(f"center {info.center} and spread {info.spread} are no finite scale")
    bias = info.class_bias
    if bias is not None and (
        len(bias) != len(info.target.classes) or not all(map(math.isfinite, bias))
    ):
        problems.append(f"class_bias {bias} is not one finite number a class")
    return problems
