"""How a model scores on damaged inputs: every corruption of every input, by severity."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from autosynth.bundle.model import Model
from autosynth.cell import text_of
from autosynth.data.encoder.apply import apply
from autosynth.data.encoder.encoder import Encoder
from autosynth.data.encoder.registry import encoders_from
from autosynth.data.framing.framing import LabelledRows
from autosynth.data.source.rows import as_frame
from autosynth.modality import MODALITIES, SEVERITIES
from autosynth.spec import Array, InputSpec

ABSENT = "absent"
"""A whole input is missing, where there are several: as bad as it gets, so severity 5."""
_MOST_ROWS = 2_000
_MOST_VALUES = 2**25  # of all inputs together
_LEAST_ROWS = 100

Scores = Mapping[str, float]
Score = Callable[[Mapping[str, Array]], Scores]
"""Inputs in, every metric out; NaN where an output is not finite."""


class _Damaged(NamedTuple):
    """One damage of one input, and all inputs with it."""

    input: str
    corruption: str
    severity: int
    amount: float
    x: Mapping[str, Array]


def rows_for(labelled: LabelledRows, seed: int) -> LabelledRows:
    """The rows on which robustness is measured: all, or as many as take bearable time."""
    size = sum(int(np.prod(values.shape[1:])) for values in labelled.x.values())
    most = max(_LEAST_ROWS, min(_MOST_ROWS, _MOST_VALUES // max(size, 1)))
    if len(labelled) <= most:
        return labelled
    chosen = np.random.default_rng(seed).choice(len(labelled), most, replace=False)
    return labelled.only(np.sort(chosen))


def robustness_of(
    model: Model, labelled: LabelledRows, score: Score, metric: str, seed: int
) -> pd.DataFrame:
    """`Evaluation.robustness`: the clean scores, then those of every corruption and severity."""
    clean = score(labelled.x)
    rows: list[dict[str, Any]] = [
        {"input": "", "corruption": "", "severity": 0, "amount": 0.0, **clean, "left": 1.0}
    ]
    for each in _damaged(model, labelled, seed):
        found = score(each.x)
        left = _share(metric, found[metric], clean[metric])
        rows.append({**each._asdict(), **found, "left": left})
        del rows[-1]["x"]
    return pd.DataFrame(rows)


def _share(metric: str, score: float, clean: float) -> float:
    """Of the clean score; of a loss, the clean loss over the loss. NaN where that says nothing."""
    if not (np.isfinite(score) and np.isfinite(clean)):
        return float("nan")
    if metric.rpartition(".")[2].startswith("neg_"):
        return clean / score if score < 0 else 1.0
    return max(score, 0.0) / clean if clean > 0 else float("nan")


def _damaged(model: Model, labelled: LabelledRows, seed: int) -> Iterator[_Damaged]:
    encoders = {each.name: each for each in encoders_from(model.encoders)}
    tokenisations: dict[str, list[InputSpec]] = {}  # of one text, in several vocabularies
    for spec in model.info.inputs:
        tokenisations.setdefault(spec.of or spec.name, []).append(spec)
    for root, specs in tokenisations.items():
        blanks = {spec.name: _blank(encoders[spec.name], spec, labelled) for spec in specs}
        fitting = [c for c in MODALITIES[specs[0].kind].corruptions if c.fits(specs[0])]
        for corruption, severity in product(fitting, SEVERITIES):
            amount = corruption.amounts[severity - 1]
            x = _corrupted(labelled, specs, encoders, corruption.name, severity, seed, blanks)
            yield _Damaged(root, corruption.name, severity, amount, {**labelled.x, **x})
        if len(tokenisations) > 1:
            n = len(labelled)
            x = {name: np.repeat(blank[None], n, axis=0) for name, blank in blanks.items()}
            yield _Damaged(root, ABSENT, SEVERITIES[-1], 1.0, {**labelled.x, **x})


def _corrupted(
    labelled: LabelledRows,
    specs: list[InputSpec],
    encoders: Mapping[str, Encoder],
    name: str,
    severity: int,
    seed: int,
    blanks: Mapping[str, Array],
) -> Mapping[str, Array]:
    first, modality = specs[0], MODALITIES[specs[0].kind]
    if not modality.in_cells:
        x = labelled.x[first.name]
        blank = blanks[first.name]
        return {first.name: modality.corrupt(x, first, name, severity, seed=seed, blank=blank)}
    # Typos are made in the text itself, before it is cut into tokens.
    inputs = [encoders[spec.name] for spec in specs]
    assert labelled.raw is not None  # what holds a text is read row by row
    frame, (column,) = as_frame(labelled.raw.whole()).rename(columns=str), inputs[0].columns
    texts = np.array(["" if pd.isna(v) else text_of(v) for v in frame[column]], dtype=object)
    changed = modality.corrupt(texts, first, name, severity, seed=seed)
    return apply(inputs, pd.DataFrame({column: changed}), labelled.source).x


def _blank(encoder: Encoder, spec: InputSpec, labelled: LabelledRows) -> Array:
    """A row of an input that holds nothing; of cells, what its encoder makes of empty ones."""
    if not MODALITIES[spec.kind].blank_in_cells:
        return MODALITIES[spec.kind].blank(labelled.x[spec.name], spec)
    empty = pd.DataFrame({n: pd.Series([None], dtype=object) for n in encoder.columns})
    blank: Array = apply([encoder], empty, labelled.source).x[spec.name][0]
    return blank
