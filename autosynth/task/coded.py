"""What tasks share whose true value is the code of one class: outputs are a logit each."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from autosynth.cell import NameMatch, missing_in, text_of
from autosynth.spec import Array, TargetSpec
from autosynth.task.target import TrueValues, left_out_of
from autosynth.task.task import Task, Tensor

MOST_INDICATORS = 64
"""Columns for the classes of one target; where there are more, several share one."""


class CodedTask(Task):
    """A task whose outputs' softmax are the probabilities of the classes."""

    is_coded: ClassVar[bool] = True
    is_standardised: ClassVar[bool] = False

    def true_column(self, values: "pd.Series[Any]", target: TargetSpec) -> TrueValues:
        """Classes are matched by their text, or another spelling of the same."""
        missing = missing_in(values)
        texts = values.map(text_of, na_action="ignore")
        match = NameMatch.of(target.classes)
        raw, names = pd.factorize(texts.to_numpy(dtype=object))
        known = [match.place(str(name)) for name in names]
        if set(known) <= {None}:  # the labels of UCI's test files end in a point (`<=50K.`)
            known = [match.place(str(name).removesuffix(".")) for name in names]
        found = [np.nan if code is None else code for code in known]
        codes = np.array([*found, np.nan], dtype=np.float64)[raw]
        keep = np.flatnonzero(~np.isnan(codes))
        strange = texts[np.isnan(codes) & ~missing]
        reason = f"of a class of {target.name!r} that the model never saw"
        left_out = left_out_of(target.name, missing, strange, reason)
        return TrueValues(y=codes[keep].astype(np.int64), keep=keep, left_out=left_out)

    def link(self, out: Tensor, temperature: float, in_unit: Callable[[Tensor], Tensor]) -> Tensor:
        """The softmax."""
        return (out / temperature).softmax(-1)

    def stacked(self, out: Tensor) -> Tensor:
        """Log probabilities."""
        return out.float().log_softmax(-1)

    def mean(self, outs: Tensor) -> Tensor:
        """Logits whose softmax is the mean of the probabilities."""
        return outs.log_softmax(-1).logsumexp(0) - math.log(len(outs))

    def indicators(self, y: Tensor, target: TargetSpec) -> Tensor:
        """A column a class."""
        from torch.nn.functional import one_hot

        n = min(len(target.classes), MOST_INDICATORS)
        return one_hot(y[:, 0].long() % n, n)

    def weight(self, y: NDArray[np.float64]) -> float:
        """One over the loss of knowing the shares of classes alone, which is their entropy."""
        share = _counts(y, 0) / y.size
        share = share[share > 0]
        return 1 / max(0.1, float(-(share * np.log(share)).sum()))

    def trivial(self, y: Array, target: TargetSpec) -> Array:
        """The shares of the classes."""
        return np.asarray(_counts(y, target.n_outputs) / len(y))


def _counts(y: Array, least: int) -> NDArray[np.int64]:
    return np.bincount(y.astype(np.int64).ravel(), minlength=least)
