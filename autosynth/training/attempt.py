"""Has a training made again with smaller batches where memory runs out."""

from collections.abc import Callable
from typing import TypeVar

import torch

from autosynth.errors import TrialError
from autosynth.training.determinism import refusal

_T = TypeVar("_T")


def in_memory(attempt: Callable[[int], _T], whole: int) -> _T:
    """What an attempt gives at the `whole` batch size, or a smaller one that memory is there for.

    Raises TrialError for what is the strategy's fault.
    """
    batch = whole
    while True:
        try:
            # Unnamed: what a failed attempt held on the device is free for the next.
            return attempt(batch)
        except (RuntimeError, MemoryError) as error:
            if isinstance(error, TrialError):
                raise
            if not _out_of_memory(error):
                # One strategy's fault: it is recorded with its reason, and a search goes on.
                raise TrialError(refusal(error)) from error
            # Halved twice and no more: an eighth of the rows would take eight times the steps.
            if batch * 4 <= whole:
                raise TrialError(f"out of memory at a batch of {batch} too") from error
        batch //= 2


def _out_of_memory(error: RuntimeError | MemoryError) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return "can't allocate memory" in str(error)
