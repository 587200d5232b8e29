"""Outputs in, the table of predictions out, in the user's own names and units."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.bundle.info import Info
from autosynth.spec import TargetSpec
from autosynth.training.metrics import Calibration

FIRST_ITEMS = 10
Columns = dict[str, Any]


def prediction_frame(output: NDArray[Any], info: Info, index: Any) -> pd.DataFrame:
    """One row a row of `output`.

    - classification: `prediction`, the user's own name of a class, and `proba_<class>` for each,
      in [0, 1], rows summing to 1. Thresholds fitted for metrics such as F1 move `prediction`
      alone and leave the probabilities as they are;
    - multilabel: `prediction`, the names of the labels that hold, joined by `|`, and
      `proba_<label>` for each;
    - regression: `prediction` in the target's own unit;
    - forecasting: `step_1`, `step_2`, ...: the values that come next;
    - ranking: `prediction`, the item that comes first, and `top_2` to `top_10`; None where nothing
      is left that the user has not had;
    - several targets: the same for each, as `<target>.prediction` and so on.
    """
    if not info.target.parts:
        columns = _columns(info.target, output, info.calibration)
        return pd.DataFrame(columns, index=index)
    found: Columns = {}
    for part, outputs, _ in info.target.fields:
        own = output[:, outputs]
        own = own[:, 0] if part.task == "regression" else own
        pairs = _columns(part, own, Calibration()).items()
        found |= {f"{part.name}.{name}": values for name, values in pairs}
    return pd.DataFrame(found, index=index)


def _columns(target: TargetSpec, output: NDArray[Any], calibration: Calibration) -> Columns:
    if target.task == "regression":
        return {"prediction": output}
    if target.task == "forecasting":
        return {f"step_{i + 1}": output[:, i] for i in range(output.shape[1])}
    names = np.array(target.classes, dtype=object)
    if target.task == "ranking":
        return _items(names, output)
    # The probabilities are at their temperature already.
    scores = Calibration(bias=calibration.bias).scores(output, target)
    if target.task == "multilabel":
        chosen: Any = ["|".join(names[row]) for row in scores >= 0.5]
    else:
        chosen = names[scores.argmax(axis=1)]
    return {"prediction": chosen, **{f"proba_{n}": output[:, i] for i, n in enumerate(names)}}


def _items(names: NDArray[Any], output: NDArray[Any]) -> Columns:
    most = min(FIRST_ITEMS, len(names))
    order = np.argsort(-output, axis=1, kind="stable")[:, :most]
    titles = ["prediction", *(f"top_{i}" for i in range(2, most + 1))]
    first = names[order]
    first[np.take_along_axis(output, order, axis=1) <= 0] = None
    return {title: first[:, i] for i, title in enumerate(titles)}
