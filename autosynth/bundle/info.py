"""What `model.json` says of a bundle: strategy, inputs, target, and where it comes from.

A frozen value in, JSON-able data out, and back with every problem named.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from autosynth import __version__
from autosynth.bundle.folder import MODEL, damaged, read_object
from autosynth.data.encoder.registry import ENCODERS
from autosynth.errors import BundleError, StrategyError
from autosynth.jsonfields import MODEL_3, from_fields, json_ready, renamed
from autosynth.plugin import TASKS
from autosynth.record import Record
from autosynth.scale import Scale, problems_of, scales_from
from autosynth.spec import Dataset, InputSpec, TargetSpec
from autosynth.strategy import Strategy, from_dict, to_dict
from autosynth.task.calibration import Calibration
from autosynth.task.task import task_of

FORMAT = 5
_OF_WEIGHTS = ("weight", "class_weights")
GIVEN = "(given in Python)"
"""What a card calls weights of rows that stood in no column."""


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """Where a model comes from and how good it is; what is not known is empty or None.

    `dataset` is the name of the data, and `fingerprint` tells them from others. The counts are of
    rows: those that the weights were trained on, those that only what is fitted after the training
    saw (`n_calibration`), those that chose, and those of the test. `metric` is what the search
    maximised. `val` and `test` are scores by metric, higher is better. With `refit`, these weights
    saw more rows than the search's own model, whose test scores are `search_test` then. `flops`
    and `params` are as the record of the trial says them; `latency_ms` is of one row alone on
    `device`. `weight` is the column that says how much each row counts, in training and in these
    scores, and `class_weights` what a row of each class was multiplied by in training.
    """

    dataset: str = ""
    fingerprint: str = ""
    metric: str = ""
    trial: int | None = None
    seed: int | None = None
    val: Mapping[str, float] = field(default_factory=dict)
    test: Mapping[str, float] = field(default_factory=dict)
    search_test: Mapping[str, float] = field(default_factory=dict)
    n_train: int | None = None
    n_calibration: int | None = None
    n_validation: int | None = None
    n_test: int | None = None
    refit: bool = False
    flops: int | None = None
    params: int | None = None
    latency_ms: float | None = None
    device: str = ""
    weight: str = ""
    class_weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ProgramInput:
    """One input of an exported program: its name, its type in PyTorch, its shape but for rows."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ExportCheck:
    """How an exported file was compared with the live model, and what it was made by.

    `difference` is the largest over `rows` sample rows in batches of `batches`, `tolerance` what
    is allowed, both in the unit of the outputs. `bytes` is the file's size, and `latency_ms` the
    median time of one row alone where it was exported; None in bundles of earlier formats.
    """

    inputs: tuple[ProgramInput, ...]
    made_by: str
    difference: float
    tolerance: float
    rows: int
    batches: tuple[int, ...]
    bytes: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, kw_only=True)
class Info:
    """A bundle without its weights.

    `strategy` is canonical, `short_form` the same without defaults, for reading. `scales`, one for
    each field of the target, bring values to the target's own unit. `calibration` is what is done
    to probabilities, and where the predicted class is chosen. `flops` are per sample at inference.
    `card` says where the model comes from; `exported` how each exported file was checked, by the
    name of its form. `files` are the SHA-256 sums of the other files, but for the card, which
    follows from this; none in bundles of earlier formats. `version` is of the AutoSynth that wrote
    it.
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
    exported: Mapping[str, ExportCheck] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    version: str = __version__


def to_plain(info: Info) -> dict[str, Any]:
    """`info` as JSON-able data; `read_info` reads it."""
    plain = {field.name: getattr(info, field.name) for field in fields(info)}
    return {
        "format": FORMAT,
        **plain,
        "strategy": to_dict(info.strategy),
        "strategy_text": str(info.strategy),
        "inputs": [_plain_input(spec) for spec in info.inputs],
        "target": asdict(info.target),
        "scales": [scale.to_dict() for scale in info.scales],
        "calibration": json_ready(info.calibration),
        "card": _plain_card(info.card),
        "exported": json_ready(info.exported),
        "files": dict(info.files),
    }


def _plain_card(card: ModelCard) -> dict[str, Any]:
    """A card without what is said of weights where there are none: earlier versions read it."""
    plain: dict[str, Any] = json_ready(card)
    return {key: value for key, value in plain.items() if value or key not in _OF_WEIGHTS}


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
_NAMES_4 = tuple(name for name in _NAMES if name != "files")
_FORMER = {new: old for old, (new, _) in MODEL_3.items()}
_OLD_NAMES = tuple(_FORMER.get(name, name) for name in _NAMES_4)
_KEYS = {
    # Every value was learnt as it is, standardised: see `scales_from`.
    2: (*(name for name in _OLD_NAMES if name != "scales"), "center", "spread"),
    3: _OLD_NAMES,
    4: _NAMES_4,
    FORMAT: _NAMES,
}
"""What `model.json` holds, by the formats that are read."""


def _info(plain: Mapping[str, Any]) -> Info:
    if plain["format"] < 5:
        plain = dict(plain) | {"exported": _one_export(plain["exported"]), "files": {}}
    if plain["format"] < 4:
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
        exported={
            str(name): from_fields(ExportCheck, check)
            for name, check in dict(plain["exported"]).items()
        },
        files={str(name): str(known) for name, known in dict(plain["files"]).items()},
        version=str(plain["version"]),
    )


def _one_export(plain: Any) -> dict[str, Any]:
    """What formats before the fifth said of their one export, as what is said of several."""
    if plain is None:
        return {}
    made_by = {"made_by": f"torch {plain['torch']}"} if "torch" in plain else {}
    return {"pt2": {k: v for k, v in plain.items() if k != "torch"} | made_by}


def _plain_input(spec: InputSpec) -> dict[str, Any]:
    """Without what its encoder knows, and what reads it keeps with its weights."""
    plain = asdict(spec)
    del plain["spellings"]
    return plain


def _input(plain: Mapping[str, Any]) -> InputSpec:
    tuples = {name: tuple(int(n) for n in plain[name]) for name in ("shape", "cardinalities")}
    return InputSpec(**{**plain, **tuples})


def _problems(info: Info) -> list[str]:
    problems = []
    parts = info.target.parts or (info.target,)
    for target in parts:
        if target.task not in TASKS:
            problems.append(f"task {target.task!r} is none of {', '.join(TASKS)}")
        else:
            problems += task_of(target).problems(target)
    for spec in info.inputs:
        if spec.kind not in ENCODERS:
            problems.append(f"input {spec.name}: kind {spec.kind!r} is none of {tuple(ENCODERS)}")
    if not info.inputs:
        problems.append("there is no input")
    if len(info.scales) != len(parts):
        problems.append(f"{len(info.scales)} scales are not one for each field of the target")
    problems += [problem for scale in info.scales for problem in problems_of(scale)]
    bias, temperature = info.calibration.bias, info.calibration.temperature
    if len(bias) not in (0, len(info.target.classes)) or not all(map(math.isfinite, bias)):
        problems.append(f"the calibration's bias {bias} is not one finite number a class")
    if not (math.isfinite(temperature) and temperature > 0):
        problems.append(f"the calibration's temperature {temperature} is not above 0")
    return problems


def card_of_trial(
    record: Record, *, dataset: str, fingerprint: str, metric: str, **more: Any
) -> ModelCard:
    """The card of a trial's model, with `more` fields of `ModelCard` or others in their place."""
    known = {name: getattr(record, name) for name in ("trial", "seed", "val", "test")}
    known |= {name: getattr(record, name) for name in ("flops", "params", "latency_ms")}
    return ModelCard(dataset=dataset, fingerprint=fingerprint, metric=metric, **{**known, **more})


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """The rows of each split, and what they count, by the fields of `ModelCard`."""
    splits = dataset.splits
    return {
        "n_train": len(splits.train),
        "n_calibration": len(splits.calibration),
        "n_validation": len(splits.validation),
        "n_test": len(splits.test),
        **weight_facts(dataset),
    }


def weight_facts(dataset: Dataset) -> dict[str, Any]:
    """What rows and classes count, by the fields of `ModelCard`; nothing where all count alike."""
    facts: dict[str, Any] = {}
    if dataset.weights is not None:
        facts["weight"] = dataset.weight or GIVEN
    if dataset.class_weights:
        named = zip(dataset.target.classes, dataset.class_weights, strict=True)
        facts["class_weights"] = dict(named)
    return facts
