"""A composite as a straight-line program: each step applies one named piece to earlier values.

Everything follows from this form. Cost is a sum over steps and over names. Sharing is two steps
with one name. A stem that several parts read is one step: an equal step is not made twice. A
cascade is steps whose values have fewer rows. What a training leaves as it is and what it changes
are two sets of steps: the first can be computed once. `Composite` is the network that runs it.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from autosynth.components import Grid, Piece
from autosynth.composite.join import Gather
from autosynth.piece import Learns, Stem


class Step(NamedTuple):
    """One application of the piece `name` to the values at `args`.

    `flops` is its cost in this place: a shared layer may work on several grids, and is told its
    `place`. `family` is whose work it is, empty for none. `row_fraction` is that of the rows that
    it is expected to work on.
    """

    name: str
    args: tuple[int, ...]
    flops: int
    family: str
    place: tuple[Grid, ...] = ()
    row_fraction: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Program:
    """Values 0 ... len(inputs) - 1 are raw inputs; step i gives value len(inputs) + i.

    `inputs` are those that it reads of a dataset's, in that order. `output` is the value that the
    composite gives.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    pieces: Mapping[str, Piece]
    output: int

    @cached_property
    def frozen(self) -> frozenset[str]:
        """The pieces that no training changes."""
        return self.learning("never")

    def learning(self, *how: Learns) -> frozenset[str]:
        """The pieces that learn in one of these ways."""
        return frozenset(name for name, piece in self.pieces.items() if piece.learns in how)

    def step(self, at: int) -> Step:
        """The step that gives the value `at`."""
        return self.steps[at - len(self.inputs)]

    def needed(self, wanted: Iterable[int], known: Iterable[int] = ()) -> tuple[int, ...]:
        """The values to compute, in order, for those wanted where some are known."""
        there, found, queue = set(known), set[int](), list(wanted)
        while queue:
            at = queue.pop()
            if at in there or at in found or at < len(self.inputs):
                continue
            found.add(at)
            queue.extend(self.step(at).args)
        return tuple(sorted(found))

    def names(self, wanted: Iterable[int]) -> tuple[str, ...]:
        """The pieces that the wanted values are made with, in order, each once."""
        return tuple(dict.fromkeys(self.step(at).name for at in self.needed(wanted)))


class Composite(nn.Module):
    """The network of a program: named modules, each there once, and the steps that apply them.

    `bf16` names the families whose parts run in bfloat16; the rest is float32. Frozen pieces stay
    as they are in use: in evaluation mode, without gradients, whatever is asked of the whole.
    """

    def __init__(self, program: Program, modules: Mapping[str, nn.Module] | None = None) -> None:
        super().__init__()
        self.program = program
        self.inputs, self.steps = program.inputs, program.steps
        self.modules_by_name = nn.ModuleDict(
            {
                name: piece.make() if modules is None else modules[name]
                for name, piece in program.pieces.items()
            }
        )
        self.bf16: frozenset[str] = frozenset()
        self._routes: dict[tuple[tuple[int, ...], tuple[int, ...]], _Route] = {}
        for name in program.frozen:
            self.modules_by_name[name].eval().requires_grad_(False)

    def train(self, mode: bool = True) -> "Composite":
        """Training or evaluation mode; frozen pieces are in the latter."""
        super().train(mode)
        for name in self.program.frozen:
            self.modules_by_name[name].eval()
        return self

    def requires_grad_(self, requires_grad: bool = True) -> "Composite":
        """Gradients for all parameters but those of frozen pieces."""
        super().requires_grad_(requires_grad)
        for name in self.program.frozen:
            self.modules_by_name[name].requires_grad_(False)
        return self

    def forward(self, inputs: Mapping[str, Tensor]) -> Tensor:
        """Outputs (batch, n_outputs): logits of classes, or one standardised value."""
        known = {i: inputs[name] for i, name in enumerate(self.inputs)}
        outputs: Tensor = self.values(known, (self.program.output,))[0]
        return outputs

    def values(self, known: Mapping[int, Any], wanted: Sequence[int]) -> list[Any]:
        """The wanted values of the program, from known ones; tensors come as float32."""
        route = self._route(tuple(known), tuple(wanted))
        values = dict(known)
        device = next(iter(known.values()))
        device = (device[0] if isinstance(device, tuple) else device).device.type
        for low, steps in groupby(route.steps, key=lambda pair: pair[1].family in self.bf16):
            scope = torch.autocast(device, torch.bfloat16) if low else nullcontext()
            with scope:
                for value_id, step in steps:
                    module = self.modules_by_name[step.name]
                    args = [values[arg] for arg in step.args]
                    values[value_id] = module(*(args if low else map(_single, args)), *step.place)
                    for arg in route.done[value_id]:
                        del values[arg]
        return [_single(values[value_id]) for value_id in wanted]

    def _route(self, known: tuple[int, ...], wanted: tuple[int, ...]) -> "_Route":
        key = (known, wanted)
        if key not in self._routes:
            self._routes[key] = _Route(self.program, known, wanted)
        return self._routes[key]

    @cached_property
    def cuts(self) -> tuple[str, ...]:
        """The texts and histories that it may be given without what lies behind their ends.

        None beside frozen networks, whose tokens are computed once, for whole texts.
        """
        if self.program.frozen:
            return ()
        return tuple(name for i, name in enumerate(self.inputs) if self._cut(i))

    def _cut(self, raw: int) -> bool:
        reached, stems = {raw}, 0
        for value_id, step in enumerate(self.steps, len(self.inputs)):
            module = self.modules_by_name[step.name]
            # Which rows of an input go on may follow from another input, which is not in them.
            read = step.args[:1] if isinstance(module, Gather) else step.args
            if reached.isdisjoint(read):
                continue
            reached.add(value_id)
            if any(getattr(each, "whole", False) for each in module.modules()):
                return False
            stems += isinstance(module, Stem) and module.cuts
        return stems > 0

    def twin(self) -> "Composite":
        """The same network with weights of its own, equal to these."""
        copy = Composite(self.program, deepcopy(dict(self.modules_by_name)))
        copy.bf16 = self.bf16
        for module in copy.modules():
            if isinstance(module, nn.RNNBase):  # cuDNN would put its weights together every time
                module.flatten_parameters()
        return copy

    def fit_inputs(self, inputs: Mapping[str, Tensor], indicators: Tensor | None = None) -> None:
        """Let the stems take what they need, from the raw values of training rows.

        Args:
            inputs: raw values, by input.
            indicators: (B, columns), 0 and 1: what came true of the same rows.

        Raises:
            TrialError: the weights of a pretrained network are not to be found.
        """
        names = dict(enumerate(self.inputs))
        with torch.no_grad():
            for step in self.steps:
                module = self.modules_by_name[step.name]
                if isinstance(module, Stem) and step.args[0] in names:
                    raw = inputs[names[step.args[0]]]
                    module.fit(raw)
                    if indicators is not None:
                        module.initialise_from_targets(raw, indicators)


class _Route:
    """The values to compute, in order, and for each those that nothing needs after it."""

    def __init__(self, program: Program, known: tuple[int, ...], wanted: tuple[int, ...]) -> None:
        self.steps = [(at, program.step(at)) for at in program.needed(wanted, known)]
        last = {arg: at for at, step in self.steps for arg in step.args}
        self.done: dict[int, list[int]] = {at: [] for at, _ in self.steps}
        for arg, at in last.items():
            if arg not in wanted:
                self.done[at].append(arg)


def _single(value: Any) -> Any:
    """Tokens or outputs of a part that ran in bfloat16, for one that runs in float32."""
    if isinstance(value, tuple):
        return _single(value[0]), value[1]
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
