"""A model as one traced program: encoded inputs to probabilities, or to values in their unit."""

import warnings

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from autosynth.bundle.info import Info
from autosynth.bundle.model import Model
from autosynth.composite.objective import base_of, finished
from autosynth.errors import BundleError


class Deployed(nn.Module):
    """Encoded inputs, in order, to probabilities, or to values in the target's own unit."""

    def __init__(self, module: nn.Module, info: Info) -> None:
        super().__init__()
        self.module = module
        self.names = tuple(spec.name for spec in info.inputs)
        self.info = info

    def forward(self, *inputs: Tensor) -> Tensor:
        """Outputs of encoded inputs, rows first."""
        named, info = dict(zip(self.names, inputs, strict=True)), self.info
        base = base_of(info.target, named.get(info.target.base))
        temperature = info.calibration.temperature
        return finished(info.target, self.module(named), info.scales, base, temperature)


def traced(model: Model, example: tuple[Tensor, ...]) -> ExportedProgram:
    """The program of a model that is changed by it, with a free number of rows.

    Args:
        model: one that nothing else uses.
        example: inputs whose shapes and types are taken.

    Raises:
        BundleError: PyTorch cannot trace it.
    """
    module = model.module.requires_grad_(False).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    # Two rows of zeros: nothing depends on values, and the file keeps no row of anybody's data.
    zeros = tuple(torch.zeros(2, *tensor.shape[1:], dtype=tensor.dtype) for tensor in example)
    free = Dim("batch", min=1)
    with warnings.catch_warnings():
        # A recurrent layer keeps a list of its own parameters, and tracing puts it back.
        warnings.filterwarnings("ignore", r"(?s)The tensor attributes? .*_flat_weights")
        try:
            program = torch.export.export(
                Deployed(module, model.info).eval(),
                zeros,
                dynamic_shapes=(tuple({0: free} for _ in zeros),),
            )
        except (RuntimeError, ValueError) as problem:
            raise BundleError(
                f"torch.export {torch.__version__} cannot export {model.strategy}: {problem}"
            ) from problem
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # would store paths of this machine
    return program
