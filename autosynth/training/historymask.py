"""What rows of a ranking had before, on the device: their logits are left out of the loss.

A network that is asked for the next item alone would spend itself on knowing what it had already.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from autosynth.spec import SeenItems

MAX_MASKED = 1_000
"""So many of a history's newest items are left out of the loss."""


@dataclass(frozen=True)
class HistoryMask:
    """Row `i` had `codes[start[i]:stop[i]]` before; `most` is the longest that is looked at."""

    codes: Tensor
    start: Tensor
    stop: Tensor
    most: int

    def mask_logits(self, out: Tensor, rows: Tensor) -> Tensor:
        """Logits (batch, items) of rows, `rows` on the device; -inf for what they had before."""
        items = out.shape[1]
        at = self.stop[rows, None] - 1 - torch.arange(self.most, device=out.device)
        there = at >= self.start[rows, None]
        codes = torch.where(there, self.codes[at.clamp(min=0)], items)  # a column too many
        return F.pad(out, (0, 1)).scatter(1, codes, -torch.inf)[:, :items]


def history_mask(
    seen: SeenItems, device: torch.device, max_masked: int = MAX_MASKED
) -> HistoryMask:
    """What rows had before, put on a device: the newest `max_masked` of them are looked at."""
    codes, start, stop = (
        torch.from_numpy(each).to(device) for each in (seen.codes, seen.start, seen.stop)
    )
    most = int((seen.stop - seen.start).max(initial=1))
    return HistoryMask(codes, start, stop, min(most, max_masked))
