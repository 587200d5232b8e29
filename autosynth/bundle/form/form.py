"""What a form of an exported model is: a file that one library writes, and one runs.

All are made of the same traced program: encoded inputs in the model's order, with a free number of
rows, to probabilities or to values in the target's own unit.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from numpy.typing import NDArray
from torch.export import ExportedProgram

from autosynth.errors import BundleError

RunForm = Callable[[Sequence[NDArray[Any]]], NDArray[Any]]
"""Encoded inputs, in the model's order and of as many rows each, to outputs, rows first."""


class ExportForm(ABC):
    """One kind of file that runs without this package."""

    name: ClassVar[str]
    """As `--format` has it."""
    file: ClassVar[str]
    """Its name in the folder of a bundle."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Modules that are no part of a plain installation: those of the extra of the same name."""

    def check_installed(self) -> None:
        """Raises `BundleError` where a module is missing."""
        missing = [name for name in self.needs if find_spec(name) is None]
        if missing:
            raise BundleError(
                f"--format {self.name} needs {', '.join(missing)}, which is not installed: "
                f"pip install 'autosynth[{self.name}]'"
            )

    @property
    @abstractmethod
    def made_by(self) -> str:
        """The library that writes it, with its version."""

    @abstractmethod
    def write(self, program: ExportedProgram, names: Sequence[str], path: Path) -> None:
        """Write the file.

        Args:
            program: the traced model.
            names: of its inputs.
            path: where.

        Raises:
            BundleError: the library cannot write this model; it says what it lacks.
        """

    @abstractmethod
    def open(self, path: Path) -> RunForm:
        """What runs the file, on as many threads as the library likes."""
