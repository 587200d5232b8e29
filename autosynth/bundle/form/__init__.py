"""The files that a model can be exported as, by the names that `--format` has."""

from collections.abc import Mapping

from autosynth.bundle.form.form import ExportForm, RunForm
from autosynth.bundle.form.onnx import OnnxForm
from autosynth.bundle.form.pt2 import Pt2Form

FORMS: Mapping[str, ExportForm] = {form.name: form for form in (Pt2Form(), OnnxForm())}

__all__ = ["FORMS", "ExportForm", "RunForm"]
