"""The exponential moving average of a network's weights, kept beside it as a second network.

PyTorch's `AveragedModel` averages whole numbers too and cuts them to whole ones again, which moves
the column indices of a table's stem; and it copies its counter to the device at every step.
"""

from collections.abc import Collection

import torch
from torch import Tensor

from autosynth.composite import Composite


class Average:
    """`model` follows `source`: after the first update equal to it, then `decay` of its old self.

    Floating buffers (statistics of batch normalisation) are averaged as parameters are. Only the
    pieces that are trained, by `names`, have anything to average.
    """

    def __init__(self, source: Composite, names: Collection[str], decay: float) -> None:
        self.model = source.twin()
        self.decay = decay
        self.started = False
        self.averaged, self.current = _floats(self.model, names), _floats(source, names)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights that the source has now."""
        torch._foreach_lerp_(self.averaged, self.current, 1 - self.decay if self.started else 1.0)
        self.started = True


def _floats(model: Composite, names: Collection[str]) -> list[Tensor]:
    """Its floating tensors themselves: training changes them in place."""
    modules = [module for name, module in model.modules_by_name.items() if name in names]
    tensors = [each for m in modules for each in (*m.parameters(), *m.buffers())]
    return [each.detach() for each in tensors if each.is_floating_point()]
