"""`build`: a resolved strategy in, a network out that runs its program."""

from collections.abc import Mapping
from contextlib import nullcontext
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn

from autosynth.composite.program import Step
from autosynth.composite.resolve import Resolved
from autosynth.composite.stem import Stem


class Composite(nn.Module):
    """The network of a strategy: named modules, each there once, and the steps that apply them.

    `precision` names, family by family, which parts run in bfloat16; the rest is float32.
    """

    def __init__(self, resolved: Resolved) -> None:
        super().__init__()
        program = resolved.program
        self.inputs = program.inputs
        self.modules_by_name = nn.ModuleDict(
            {name: piece.make() for name, piece in program.pieces.items()}
        )
        self.steps = program.steps
        self.last_use = _last_use(program.steps, len(program.inputs))
        self.bf16: frozenset[str] = frozenset()

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Outputs (batch, n_outputs): logits of classes, or one standardised value."""
        values: dict[int, Any] = {i: inputs[name] for i, name in enumerate(self.inputs)}
        place, device = len(self.inputs), values[0].device.type
        for low, steps in groupby(self.steps, key=lambda step: step.family in self.bf16):
            scope = torch.autocast(device, torch.bfloat16) if low else nullcontext()
            with scope:
                for step in steps:
                    module = self.modules_by_name[step.name]
                    args = [values[at] for at in step.args]
                    values[place] = module(*(args if low else map(_single, args)), *step.place)
                    for at in set(step.args):
                        if self.last_use[at] == place:
                            del values[at]
                    place += 1
        outputs: Tensor = values[place - 1]
        return outputs.float()

    def fit_inputs(self, inputs: Mapping[str, Tensor]) -> None:
        """Take the stems' statistics from the raw values of training rows."""
        with torch.no_grad():
            for step in self.steps:
                module = self.modules_by_name[step.name]
                if isinstance(module, Stem):
                    module.fit(inputs[self.inputs[step.args[0]]])


def _single(value: Any) -> Any:
    """Tokens or outputs of a part that ran in bfloat16, for one that runs in float32."""
    if isinstance(value, tuple):
        return _single(value[0]), value[1]
    return value.float() if value.dtype == torch.bfloat16 else value


def _last_use(steps: tuple[Step, ...], n_inputs: int) -> dict[int, int]:
    """For each value the last one made from it, so that it can be let go there."""
    return {at: n_inputs + i for i, step in enumerate(steps) for at in step.args}


def build(resolved: Resolved, seed: int = 0) -> Composite:
    """The composite of a resolved strategy, initialised from the seed alone."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return Composite(resolved)
