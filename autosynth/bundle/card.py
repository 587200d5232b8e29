"""The card of a bundle: what it is, where it comes from, how good it is and how it is used.

Takes an `Info`, gives a page of Markdown. Everything on it stands in `model.json` too.
"""

from collections.abc import Callable, Iterable, Mapping

from autosynth.bundle.info import ExportCheck, Info, ModelCard
from autosynth.modality import MODALITIES
from autosynth.strategy import topology
from autosynth.task.target import DAYS
from autosynth.task.task import task_of

# Classes that are listed by name; all of them stand in `model.json`.
_FIRST = 20


def card_text(info: Info) -> str:
    """The card as Markdown."""
    sections = (
        _what(info),
        _use(info),
        _deploy(info),
        _data(info),
        _scores(info),
        _cost(info),
        _limits(info),
    )
    return "\n\n".join(section for section in sections if section) + "\n"


def _what(info: Info) -> str:
    target, name = info.target, info.card.dataset or "a dataset"
    kinds = " and ".join(dict.fromkeys(spec.kind for spec in info.inputs))
    lines = [
        f"# `{info.short_form}`",
        "",
        f"A {topology(info.strategy.root)} composite of neural networks that predicts "
        f"`{target.name}` ({target.task}) from {kinds} data, made for {name} by AutoSynth "
        f"{info.version}.",
        "",
        "The strategy in full:",
        "",
        f"    {info.strategy}",
    ]
    return "\n".join(lines)


def _use(info: Info) -> str:
    given = task_of(info.target).gives
    return f"""## Use

```python
import autosynth

model = autosynth.load("path/to/this/folder")
model.predict("new.csv")   # or a DataFrame, or arrays: what the search took, without the target
```

or `autosynth predict path/to/this/folder new.csv -o predictions.csv`. Both give {given}. Loading
opens `model.json`, `strategy.txt`, `encoders.json` and `weights.safetensors`, and runs no code
from this folder."""


def _deploy(info: Info) -> str:
    if not info.exported:
        return ""
    shown = [_SHOWN[name](check) for name, check in info.exported.items() if name in _SHOWN]
    lines = [
        "## Deploy, without AutoSynth",
        "",
        *("\n".join(each) + "\n" for each in shown),
        "One row or more at once. Inputs are raw values, encoded as `encoders.json` says, and "
        f"outputs {_given(info)}.",
        _bias(info),
        "Checked after it was saved and opened again, on held-out rows, against the live model:",
        "",
        "| file | largest difference | allowed | rows | batches | MB | one row alone | made by |",
        "| --- | ---: | ---: | ---: | --- | ---: | ---: | --- |",
        *(_checked(name, check) for name, check in info.exported.items()),
    ]
    if "pt2" in info.exported:
        lines += [
            "",
            "**Load `model.pt2` only from folders you trust**: it is a zip that torch unpickles, "
            "and a forged\none can run code. The other files cannot.",
        ]
    return "\n".join(lines)


def _given(info: Info) -> str:
    """What the outputs of an exported file are."""
    gives = "float64 values in the target's own unit"
    if info.target.classes:
        gives = (
            f"float32 probabilities (rows, {info.target.n_outputs}), in the order of the classes"
        )
    if info.target.unit:
        since = " since 1970-01-01" if info.target.unit == DAYS else ""
        gives = f"float64 values in {info.target.unit}{since}"
    if info.target.by_row:
        gives += ", less the `center` of the row's series in `encoders.json` and over its `spread`"
    if info.target.parts:
        gives = "the probabilities or values of each target, side by side"
    return gives


def _with_pt2(check: ExportCheck) -> list[str]:
    names = [f"x{i}" for i in range(len(check.inputs))] if len(check.inputs) > 1 else ["x"]
    return [
        "```python",
        "import torch",
        "",
        'program = torch.export.load("model.pt2").module()',
        *(
            f"{name} = torch.zeros(3, {_numbers(each.shape)}, dtype=torch.{each.dtype})"
            f"  # {each.name}"
            for name, each in zip(names, check.inputs, strict=True)
        ),
        "with torch.inference_mode():",
        f"    print(program({', '.join(names)}))",
        "```",
    ]


def _with_onnx(check: ExportCheck) -> list[str]:
    inputs = ", ".join(
        f"{each.name!r}: np.zeros((3, {_numbers(each.shape)}), np.{each.dtype})"
        for each in check.inputs
    )
    return [
        "```python",
        "import numpy as np",
        "import onnxruntime",
        "",
        'session = onnxruntime.InferenceSession("model.onnx")',
        f"print(session.run(None, {{{inputs}}})[0])",
        "```",
    ]


_SHOWN: Mapping[str, Callable[[ExportCheck], list[str]]] = {
    "pt2": _with_pt2,
    "onnx": _with_onnx,
}


def _checked(name: str, check: ExportCheck) -> str:
    size = "-" if check.bytes is None else f"{check.bytes / 1e6:.2f}"
    latency = "-" if check.latency_ms is None else f"{check.latency_ms:.3g} ms"
    cells = (
        f"`model.{name}`", f"{check.difference:.3g}", f"{check.tolerance:.3g}", str(check.rows),
        _numbers(check.batches), size, latency, check.made_by,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _bias(info: Info) -> str:
    if not info.calibration.bias:
        return ""
    return (
        "The class that `predict` names is the argmax of log probability plus the calibration's "
        "`bias` in `model.json`.\n"
    )


def _data(info: Info) -> str:
    card, classes = info.card, info.target.classes
    lines = ["## Data", ""]
    if card.dataset:
        lines.append(f"- dataset: {card.dataset}")
    if card.fingerprint:
        lines.append(f"- fingerprint: {card.fingerprint}")
    if card.n_train is not None:
        again = ", everything but test" if card.refit else ""
        if again and card.n_calibration:
            again += f" and {card.n_calibration:,} rows that what joins the parts was fitted to"
        lines.append(f"- trained on {card.n_train:,} rows{again}")
    if card.weight:
        lines.append(f"- weights of rows, in training and in scores: {card.weight}")
    if card.class_weights:
        named = ", ".join(f"{name} {value:.4g}" for name, value in card.class_weights.items())
        lines.append(f"- weights of classes, in training alone: {named}")
    for spec in info.inputs:
        row = MODALITIES[spec.kind].about_row(spec)
        lines.append(f"- input `{spec.name}`: {spec.kind}, {row}")
    if classes:
        more = f", ... ({len(classes)} in all)" if len(classes) > _FIRST else ""
        lines.append(f"- classes: {', '.join(classes[:_FIRST])}{more}")
    return "\n".join(lines)


def _scores(info: Info) -> str:
    card = info.card
    test = _head("test", card.n_test)
    columns: dict[str, Mapping[str, float]] = {
        _head("validation", card.n_validation): card.val,
        f"{test}, the search's own" if card.refit else "": card.search_test,
        test: card.test,
    }
    columns = {head: scores for head, scores in columns.items() if head and scores}
    if not columns:
        return ""
    names = dict.fromkeys(name for scores in columns.values() for name in scores)
    lines = [
        "## Scores",
        "",
        "Higher is better." + _searched(card) + _scaled(info),
        "",
        f"| metric | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for name in names:
        cells = (_score(scores.get(name)) for scores in columns.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _scaled(info: Info) -> str:
    units = [(part.name, part.unit) for part, _, _ in info.target.fields if part.unit]
    if units:
        listed = ", ".join(f"`{name}` in {unit}" for name, unit in units)
        return f" MAE and RMSE are of {listed}."
    if not info.target.by_row:
        return ""
    return " They are of values that are centred and scaled by series, as `encoders.json` says."


def _searched(card: ModelCard) -> str:
    parts = [f"The metric was {card.metric}"] if card.metric else []
    parts += [f"seed {card.seed}"] if card.seed is not None else []
    parts += [f"trial {card.trial}"] if card.trial is not None else []
    text = f" {', '.join(parts)}." if parts else ""
    if card.refit:
        text += (
            " Validation is of the search's own model; the weights here were trained again on more"
            " rows, and the last column is theirs."
        )
    return text


def _cost(info: Info) -> str:
    card = info.card
    lines = [
        "## Cost",
        "",
        f"- {info.flops:,} FLOPs a row (2 a multiply-add)",
        f"- {info.params:,} parameters",
    ]
    if card.latency_ms is not None:
        where = f" on {card.device}" if card.device else ""
        lines.append(f"- {card.latency_ms:.3g} ms for one row alone, the median{where}")
    return "\n".join(lines)


def _limits(info: Info) -> str:
    lines = [
        "## Limits",
        "",
        "- The scores hold for rows drawn as those above were; nothing is known of others.",
        f"- {task_of(info.target).limit}",
    ]
    if info.target.classes:
        temperature = info.calibration.temperature
        lines.append(
            "- Probabilities are the network's own and were not calibrated afterwards."
            if temperature == 1.0
            else f"- Log probabilities were divided by {temperature:.3g}, fitted on held-back "
            "rows."
        )
    for modality in reversed(tuple(MODALITIES.values())):
        specs = [spec for spec in info.inputs if spec.kind == modality.name]
        if specs and (limit := modality.limit(specs)):
            lines.append(f"- {limit}")
    return "\n".join(lines)


def _head(name: str, rows: int | None) -> str:
    return name if rows is None else f"{name} ({rows:,} rows)"


def _numbers(values: Iterable[int], join: str = ", ") -> str:
    return join.join(str(value) for value in values)


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
