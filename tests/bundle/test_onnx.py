"""`model.onnx`: what ONNX Runtime gives of a model, and that `predict` is it where it stands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autosynth.bundle import export, load, verify
from autosynth.bundle.folder import PROGRAMS
from autosynth.bundle.form import FORMS
from autosynth.bundle.formcheck import TOLERANCE
from autosynth.errors import BundleError, UnknownNameError
from autosynth.exportable import running_max, searched
from autosynth.scale import fit_scale
from tests.bundle.test_export import COVERING

Make = Callable[..., Any]
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")


def exported(made: Any, out: Path) -> Any:
    export(made.folder, out, sample=made.case.sample, forms=("onnx",))
    return runtime.InferenceSession(str(out / "model.onnx"))


def given(session: Any, made: Any, rows: slice) -> np.ndarray:
    (found,) = session.run(None, {n: x.numpy()[rows] for n, x in made.case.sample.items()})
    return found


# What is no network, and what the covering list has beside those that every run of tests tries.
QUICK = [COVERING[i] for i in (0, 6, 8, 11, 13, 14)]
SLOW = (
    *(each for each in COVERING if each not in QUICK),
    ("table", "boosting"),
    ("table", "mean(trees, linear) train=subsets rows=all"),
    ("number", "weighted[fit](boosting, trees) train=subsets rows=all"),
    ("text", "tfidf"),
    ("text", "tfidf[chars=5]"),
    ("series", "rocket[features=2000, groups=0]"),
    ("series", "rocket[features=2000]"),
    ("image", "linear"),
)


@pytest.mark.parametrize(
    ("kind", "strategy"),
    [*QUICK, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)],
)
def test_onnx_runtime_gives_what_the_model_gives(
    make: Make, tmp_path: Path, kind: str, strategy: str
) -> None:
    made = make(kind, strategy)
    session = exported(made, tmp_path / "out")
    spread = 3.0 if made.case.dataset.target.task == "regression" else 1.0
    expected = made.expected()
    for rows in (slice(0, 1), slice(3, 10), slice(None)):
        found = given(session, made, rows)
        np.testing.assert_allclose(found, expected[rows], atol=TOLERANCE * spread)


def test_a_recurrence_is_one_operator(make: Make, tmp_path: Path) -> None:
    made = make("series", "gru[depth=1]")
    exported(made, tmp_path / "out")
    nodes = onnx.load(tmp_path / "out" / "model.onnx").graph.node
    assert sum(node.op_type == "GRU" for node in nodes) == 2  # one a direction
    assert len(nodes) < 120
    run = FORMS["onnx"].open(tmp_path / "out" / "model.onnx")
    assert run([np.zeros((0, 2, 16), np.float32)]).shape == (0, 3)


@pytest.mark.parametrize("kind", ["log", "quantile"])
def test_values_are_in_their_own_unit(make: Make, tmp_path: Path, kind: Any) -> None:
    prices = np.exp(np.random.default_rng(0).normal(7, 2, 500))
    made = make("number", "mlp[depth=1]", scales=(fit_scale(kind, prices, factor=1.2),))
    session = exported(made, tmp_path / "out")
    live = load(made.folder).predict(made.case.raw)["prediction"].to_numpy()
    found = given(session, made, slice(None))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, live, rtol=1e-4)


def test_predictions_are_those_of_the_file_that_was_checked(make: Make, tmp_path: Path) -> None:
    made = make("table", "mlp[depth=1]")
    out = tmp_path / "out"
    exported(made, out)
    model = load(out)
    assert model.quick is not None
    assert set(verify(out).files) >= {"model.onnx", "weights.safetensors"}
    frame = model.predict(made.case.raw)
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), made.expected(), atol=1e-5)
    assert load(made.folder).quick is None
    content = (out / "model.onnx").read_bytes()
    (out / "model.onnx").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match=r"model.onnx: is not the file that was checked"):
        load(out)
    (out / "model.onnx").unlink()  # the bundle is whole without it
    assert load(out).quick is None


def test_no_row_of_the_sample_and_no_path_is_stored(make: Make, tmp_path: Path) -> None:
    made = make("series", "mlp[depth=1]")
    sample = {"series": torch.full((4, 2, 16), 1.2345678)}
    export(made.folder, tmp_path / "out", sample=sample, forms=("onnx",))
    content = (tmp_path / "out" / "model.onnx").read_bytes()
    assert sample["series"].numpy()[0, 0, :4].tobytes() not in content
    assert b"site-packages" not in content
    assert str(Path(__file__).parents[2]).encode() not in content


def test_every_form_is_a_file_that_a_bundle_may_hold() -> None:
    assert [form.file for form in FORMS.values()] == list(PROGRAMS)
    assert [f"model.{name}" for name in FORMS] == list(PROGRAMS)


def test_several_forms_stand_beside_each_other_and_on_the_card(make: Make, tmp_path: Path) -> None:
    made = make("image", "mlp[depth=1]")
    out = tmp_path / "out"
    report = export(made.folder, out, sample=made.case.sample, forms=("pt2", "onnx", "pt2"))
    assert list(report.forms) == ["pt2", "onnx"]
    plain = json.loads((out / "model.json").read_text())["exported"]
    assert plain["onnx"]["latency_ms"] > 0
    assert plain["onnx"]["bytes"] == (out / "model.onnx").stat().st_size
    page = (out / "card.md").read_text()
    assert page.count("| `model.") == 2
    code = page.split("import onnxruntime\n")[1].split("```")[0]
    names: dict[str, Any] = {"np": np, "onnxruntime": runtime}
    exec(code.replace("model.onnx", str(out / "model.onnx")), names)
    assert names["session"].get_inputs()[0].name == "image"


def test_an_unknown_form_and_one_that_is_not_installed_are_told(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make("image", "mlp[depth=1]")
    with pytest.raises(UnknownNameError, match="onxx"):
        export(made.folder, tmp_path / "out", sample=made.case.sample, forms=("onxx",))
    monkeypatch.setattr("autosynth.bundle.form.form.find_spec", lambda name: None)
    with pytest.raises(BundleError, match=r"onnxruntime, which is not installed: pip install"):
        export(made.folder, tmp_path / "out", sample=made.case.sample, forms=("onnx",))
    assert not (tmp_path / "out").exists()


def test_the_largest_so_far_is_found_by_doubling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    for size in (1, 2, 3, 8, 13):
        x = torch.randn(3, size, generator=torch.Generator().manual_seed(size))
        torch.testing.assert_close(running_max(x), x.cummax(-1).values)


@pytest.mark.parametrize("right", [False, True])
def test_places_are_found_by_halving_as_they_are_by_the_library(
    right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    for size in (1, 2, 3, 7, 8, 9, 100):
        line = torch.from_numpy(np.sort(rng.integers(0, 30, size)))
        values = torch.from_numpy(rng.integers(-2, 33, (4, 11)))
        expected = torch.searchsorted(line, values, right=right)
        torch.testing.assert_close(searched(line, values, right=right), expected)
        rows = torch.from_numpy(np.sort(rng.integers(0, 30, (4, size)), axis=1))
        expected = torch.searchsorted(rows, values, right=right)
        torch.testing.assert_close(searched(rows, values, right=right), expected)
