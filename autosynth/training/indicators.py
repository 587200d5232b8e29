"""What may come true of a row, as columns of 0 and 1: what stems relate raw values to."""

import torch
from torch import Tensor
from torch.nn import functional as F

from autosynth.spec import TargetSpec

MOST_CLASSES = 64
"""Columns for the classes of one target; where there are more, several share one."""


def class_indicators(y: Tensor, target: TargetSpec) -> Tensor:
    """Columns (B, n): a class of each, labels as they are, and values above their median.

    Args:
        y: true values (B,) or (B, columns).
        target: what they are values of.
    """
    columns = y.unsqueeze(1) if y.dim() == 1 else y
    found = []
    for part, _, at in target.fields:
        values = columns[:, at]
        if part.is_coded:
            n = min(len(part.classes), MOST_CLASSES)
            found.append(F.one_hot(values[:, 0].long() % n, n))
        elif part.task == "multilabel":
            found.append(values > 0.5)
        else:
            found.append(values > values.median(0).values)
    return torch.cat(found, 1).float()
