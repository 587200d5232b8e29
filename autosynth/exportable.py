"""Operations that ONNX has no operator for: as the library has them, and as they are exported."""

import torch
from torch import Tensor


def searched(ascending: Tensor, values: Tensor, *, right: bool = False) -> Tensor:
    """How many numbers stand before each value: `torch.searchsorted`, and what it is exported as.

    ONNX has no such operator. In an exported program the range is halved, step by step.

    Args:
        ascending: (n,), or (rows, n) for values of (rows, m); n is 1 or more.
        values: that are looked for, of the same type.
        right: whether numbers equal to a value stand before it.
    """
    if not torch.compiler.is_exporting():
        return torch.searchsorted(ascending, values.contiguous(), right=right)
    size = ascending.shape[-1]
    place = torch.zeros_like(values, dtype=torch.long)
    step = 1 << (size.bit_length() - 1)
    while step:
        ahead = place + step
        at = (ahead - 1).clamp(max=size - 1)
        there = ascending[at] if ascending.dim() == 1 else ascending.gather(-1, at)
        is_before = there <= values if right else there < values
        place = torch.where(is_before & (ahead <= size), ahead, place)
        step //= 2
    return place


def running_max(x: Tensor) -> Tensor:
    """The largest so far along the last axis, of 1 or more: `x.cummax(-1).values`."""
    if not torch.compiler.is_exporting():
        return x.cummax(-1).values
    step = 1
    while step < x.shape[-1]:
        x = torch.cat((x[..., :step], torch.maximum(x[..., step:], x[..., :-step])), -1)
        step *= 2
    return x
