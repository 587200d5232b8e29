"""`model.pt2`: a program that PyTorch alone runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import ExportedProgram

from autosynth.bundle.form.form import ExportForm, RunForm


class Pt2Form(ExportForm):
    """What `torch.export.save` writes and `torch.export.load` reads."""

    name, file = "pt2", "model.pt2"

    @property
    def made_by(self) -> str:
        """The version of PyTorch."""
        return f"torch {torch.__version__}"

    def write(self, program: ExportedProgram, names: Sequence[str], path: Path) -> None:
        """Write the file; the inputs of a program have places, and no names."""
        torch.export.save(program, path)

    def open(self, path: Path) -> RunForm:
        """What runs it, on the threads that PyTorch has."""
        module = torch.export.load(path).module()

        def run(inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
            with torch.inference_mode():
                output: Tensor = module(*(torch.from_numpy(np.array(x)) for x in inputs))
            return output.numpy()

        return run
