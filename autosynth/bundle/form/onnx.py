"""`model.onnx`: a program of the Open Neural Network Exchange, for ONNX Runtime and others."""

import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch.export import ExportedProgram

from autosynth.bundle.form.form import ExportForm, RunForm
from autosynth.errors import BundleError

# ONNX Runtime tells of what it makes simpler; 3 are errors.
_ERRORS_ALONE = 3


class OnnxForm(ExportForm):
    """What PyTorch's exporter writes of a traced program, and ONNX Runtime runs."""

    name, file = "onnx", "model.onnx"
    needs: ClassVar[tuple[str, ...]] = ("onnx", "onnxscript", "onnxruntime")

    @property
    def made_by(self) -> str:
        """The versions of the exporter and of what ran it."""
        return f"torch {torch.__version__}, onnxruntime {version('onnxruntime')}"

    def write(self, program: ExportedProgram, names: Sequence[str], path: Path) -> None:
        """Write the file; what it lacks an operator for is refused."""
        torch_onnx: Any = import_module("torch.onnx")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own, about its own
            try:
                made = torch_onnx.export(
                    program, dynamo=True, verbose=False, input_names=names,
                    output_names=["output"],
                )  # fmt: skip
            except torch_onnx.errors.OnnxExporterError as problem:
                raise BundleError(
                    f"ONNX cannot hold this model: {_cause(problem)}. Leave onnx out of --format"
                ) from problem
        for each in (made.model.graph, *made.model.functions.values()):
            _forget_source(each)
        made.save(path, external_data=False)

    def open(self, path: Path) -> RunForm:
        """What runs it by ONNX Runtime, on the processor."""
        runtime: Any = import_module("onnxruntime")
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ALONE
        try:
            session = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as problem:  # it has an exception for each of its codes
            raise BundleError(
                f"{path}: ONNX Runtime {runtime.__version__} cannot run it: "
                f"{str(problem).strip().splitlines()[0]}"
            ) from problem
        names = [each.name for each in session.get_inputs()]
        (output,) = session.get_outputs()
        shape = [size if isinstance(size, int) else 0 for size in output.shape]
        empty = np.zeros(shape, np.float64 if "double" in output.type else np.float32)

        def run(inputs: Sequence[NDArray[Any]]) -> NDArray[Any]:
            if not len(inputs[0]):  # a recurrence of no rows ends the process
                return empty
            found: NDArray[Any] = session.run(None, dict(zip(names, inputs, strict=True)))[0]
            return found

        return run


def _cause(problem: BaseException) -> str:
    """What lies at the bottom of an exporter's error, in one line."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return f"{type(problem).__name__}: {str(problem).strip().splitlines()[0]}"


def _forget_source(graph: Any) -> None:
    """Leave out where each node was written: paths of this machine."""
    for node in graph.all_nodes() if hasattr(graph, "all_nodes") else graph:
        node.metadata_props.clear()
        node.doc_string = None
