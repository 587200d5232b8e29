"""AdamW by PyTorch's own kernel, without the class around it.

`torch.optim.AdamW` asks the compiler not to look at its methods, and imports it for that: 1.3
seconds of a processor and 800 modules in every process that trains. The function beneath it does
not, and moves the weights by the same bits.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

BETAS, EPSILON = (0.9, 0.999), 1e-8
"""Those of `torch.optim.AdamW`."""


class AdamW:
    """AdamW (Loshchilov and Hutter, 2019) of some parameters, with one learning rate.

    Vectors (norms, biases) are not decayed; matrices are, embeddings among them.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, weight_decay: float) -> None:
        self.groups: tuple[tuple[list[nn.Parameter], float], ...] = ([], weight_decay), ([], 0.0)
        for each in parameters:
            self.groups[each.ndim <= 1][0].append(each)
        self._moments: dict[nn.Parameter, tuple[Tensor, Tensor, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """Move the parameters that have a gradient, and take it from them."""
        for parameters, weight_decay in self.groups:
            moved = [each for each in parameters if each.grad is not None]
            if not moved:
                continue
            states = [self._state(each) for each in moved]
            first, second, steps = (list(each) for each in zip(*states, strict=True))
            adamw(
                list[Tensor](moved),
                [each.grad for each in moved if each.grad is not None],
                first,
                second,
                [],
                steps,
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=rate,
                weight_decay=weight_decay,
                eps=EPSILON,
                maximize=False,
            )
            for each in moved:
                each.grad = None

    def _state(self, parameter: nn.Parameter) -> tuple[Tensor, Tensor, Tensor]:
        """Means of gradients and of their squares, and the number of steps."""
        if parameter not in self._moments:
            keep = torch.preserve_format
            self._moments[parameter] = (
                torch.zeros_like(parameter, memory_format=keep),
                torch.zeros_like(parameter, memory_format=keep),
                torch.zeros((), device=parameter.device),
            )
        return self._moments[parameter]
