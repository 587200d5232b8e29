"""AdamW without a schedule: steps at a constant rate, and an average that needs to know no end."""

from collections.abc import Collection

import torch
from torch import Tensor

from autosynth.composite import Composite
from autosynth.training.adamw import BETAS, EPSILON

_Pair = tuple[Tensor, Tensor]


class ScheduleFree:
    """Schedule-free AdamW (Defazio et al., 2024, arXiv:2405.15682), over the pieces by `names`.

    The model that is trained holds the places where gradients are taken, between the latest
    weights and their average; `model` is a twin of it that holds the average, which is what is
    kept. Statistics of batch normalisation are taken from the model that is trained.
    """

    def __init__(self, source: Composite, names: Collection[str], *, weight_decay: float) -> None:
        self.model = source.twin()
        twins = self.model.modules_by_name
        self._pairs: list[_Pair] = []
        self._buffers: list[_Pair] = []
        for name in [name for name in source.modules_by_name if name in names]:
            ours, twin = source.modules_by_name[name], twins[name]
            self._pairs += zip(ours.parameters(), twin.parameters(), strict=True)
            self._buffers += zip(ours.buffers(), twin.buffers(), strict=True)
        self._decay = weight_decay
        self._latest = [ours.detach().clone() for ours, _ in self._pairs]
        self._squares = [torch.zeros_like(ours) for ours, _ in self._pairs]
        self._steps, self._weight = 0, 0.0

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the weights that have a gradient, take it from them, and move their average."""
        self._steps += 1
        self._weight += rate * rate
        share = rate * rate / self._weight  # slow steps at first count little
        unbias = 1 - BETAS[1] ** self._steps
        for (ours, average), latest, square in zip(
            self._pairs, self._latest, self._squares, strict=True
        ):
            if ours.grad is None:
                continue
            square.lerp_(ours.grad.square(), 1 - BETAS[1])
            move = ours.grad / (square / unbias).sqrt_().add_(EPSILON)
            if ours.ndim > 1:
                move.add_(ours, alpha=self._decay)
            latest.sub_(move, alpha=rate)
            average.lerp_(latest, share)
            ours.copy_(latest.lerp(average, BETAS[0]))
            ours.grad = None

    @torch.no_grad()
    def update(self) -> None:
        """Take in the statistics that the model has now."""
        for ours, twin in self._buffers:
            twin.copy_(ours)
