"""`model.pt2`: a program of PyTorch alone that gives what the live model gives, for any batch."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autosynth.bundle import ModelCard, export, load, write_bundle
from autosynth.bundle.form import FORMS
from autosynth.bundle.formcheck import TOLERANCE, check_form
from autosynth.bundle.info import ProgramInput
from autosynth.components import FAMILIES
from autosynth.composite import FUSIONS, build, resolve
from autosynth.errors import BundleError
from autosynth.scale import Scale, fit_scale
from autosynth.strategy import parse
from autosynth.task.calibration import Calibration
from autosynth.training.weights import load_tensors, save_tensors

Make = Callable[..., Any]

# Every family, every fusion, every kind of sharing and every kind of input, in few exports: each
# takes seconds. The slow test below takes all families on all inputs.
COVERING = (
    ("image", "attend(cnn[depth=1, stages=1], lstm[depth=1, width=8, patch=4])"),
    ("image", "mean(cnn[depth=1, stages=1], gru[depth=1, patch=4]) share=layers"),
    ("image", "cnn[depth=1, stages=1] > mlp[depth=1]"),
    ("image", "mean(mlp[depth=1], pretrained[size=40, stop=4])"),
    ("series", "weighted(transformer[depth=1], mlp[depth=1])"),
    ("masked", "concat(cnn[depth=1, stages=1], attention)"),
    ("masked", "gru[depth=1, width=8, patch=4] > gru[depth=1, width=8] share=full"),
    ("masked", "gated(cnn[depth=1, stages=1] > transformer[depth=1], lstm[depth=1, patch=4])"),
    ("table", "sum(mlp[depth=1], transformer[depth=1]) share=stem"),
    ("number", "attention[depth=0]"),
    ("series", "stack(cnn[depth=1, stages=1], mlp[depth=1])"),
    ("number", "weighted[fit](mlp[depth=1], transformer[depth=1])"),
    ("table", "bilinear(mlp[depth=1], attention[depth=0])"),
    ("masked", "cascade(mlp[depth=1], cnn[depth=1, stages=1], gru[depth=1, width=8, patch=4])"),
    ("text", "mean(bag[ngram=3], cnn[depth=1, stages=0, norm=none])"),
)
# Tracing a recurrence takes about a tenth of a second a token.
PRODUCT = (
    *FAMILIES,
    *(f"{method}(cnn, gru[depth=1])" for method in FUSIONS),
    "cnn > gru > attention",
    "concat(cnn, lstm[depth=1], attention) > transformer",
    "transformer > transformer share=full",
    "mean(cnn, gru[depth=1]) share=layers",
    "sum(cnn, transformer) share=stem",
)


def run(folder: Path, *inputs: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        output: torch.Tensor = torch.export.load(folder / "model.pt2").module()(*inputs)
    return output.numpy()


def check(made: Any, out: Path) -> None:
    """The exported program against a composite that was never on disk, for several batches."""
    report = export(made.folder, out, sample=made.case.sample)
    (x,) = made.case.sample.values()
    expected, spread = made.expected(), 1.0
    if made.case.dataset.target.task == "regression":
        spread = 3.0
    program = torch.export.load(out / "model.pt2").module()
    for size in (1, 2, 7, len(x)):
        with torch.inference_mode():
            output = program(x[:size]).numpy()
        np.testing.assert_allclose(output, expected[:size], atol=TOLERANCE * spread)
    with torch.inference_mode():
        assert len(program(torch.cat([x] * 30))) == 30 * len(x)
    found = report.forms["pt2"]
    assert 0 <= found.difference <= found.tolerance == TOLERANCE * spread
    assert (report.folder, found.rows) == (out, len(x))
    assert set(found.batches) == {1, 3, 256, len(x)}


@pytest.mark.parametrize(("kind", "strategy"), COVERING)
def test_the_program_gives_what_the_model_gives(
    make: Make, tmp_path: Path, kind: str, strategy: str
) -> None:
    check(make(kind, strategy), tmp_path / "export")


@pytest.mark.parametrize(("threshold", "going"), [(0.0, "none"), (0.36, "some"), (1.1, "all")])
def test_an_exported_cascade_skips_the_rows_that_are_sure(
    make: Make, tmp_path: Path, threshold: float, going: str
) -> None:
    made = make("image", "cascade(mlp[depth=1], cnn[depth=1, stages=1])", threshold=threshold)
    (gate,) = [m for m in made.model.modules_by_name.values() if hasattr(m, "threshold")]
    seen: list[int] = []
    gate.register_forward_hook(lambda module, args, rows: seen.append(len(rows)))
    check(made, tmp_path / "export")
    rows = len(next(iter(made.case.sample.values())))
    assert {"none": seen[0] == 0, "some": 0 < seen[0] < rows, "all": seen[0] == rows}[going]


def all_programs() -> list[tuple[str, str]]:
    """Every strategy on every kind; a number has no classes to be sure of."""
    kinds = ("image", "series", "masked", "table", "number", "text")
    pairs = [(kind, text) for text in PRODUCT for kind in kinds]
    return [pair for pair in pairs if pair[0] != "number" or "cascade" not in pair[1]]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "strategy"), all_programs())
def test_all_programs_give_what_their_models_give(
    make: Make, tmp_path: Path, kind: str, strategy: str
) -> None:
    check(make(kind, strategy), tmp_path / "export")


def test_an_export_is_a_bundle_whose_card_works_without_autosynth(
    make: Make, tmp_path: Path
) -> None:
    made = make("image", "mlp[depth=1]", calibration=Calibration(bias=(0.0, 0.5, -0.5)))
    out = tmp_path / "deep" / "export"
    report = export(made.folder, out, sample=made.case.sample)
    model = load(out)
    np.testing.assert_allclose(
        model.predict(made.case.raw).iloc[:, 1:].to_numpy(), made.expected(), atol=1e-6
    )
    exported = model.info.exported["pt2"]
    assert exported == report.forms["pt2"]
    assert exported.bytes == (out / "model.pt2").stat().st_size
    assert exported.inputs == (ProgramInput(name="image", dtype="uint8", shape=(1, 8, 8)),)
    source = load(made.folder).info
    assert replace(model.info, exported={}, files={}) == replace(source, files={})

    page = (out / "card.md").read_text()
    assert f"| `model.pt2` | {exported.difference:.3g} |" in page
    assert "only from folders you trust" in page
    assert "calibration's `bias`" in page
    code = page.split("## Deploy")[1].split("```python\n")[1].split("```")[0]
    code += "\nimport sys\nprint('autosynth' in sys.modules, program(x).shape)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=out, capture_output=True, text=True, check=False, env={},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "False torch.Size([3, 3])"
    zeros = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    shown = [float(n) for n in re.findall(r"\d\.\d+(?:e-\d+)?", done.stdout)][:9]
    np.testing.assert_allclose(shown, run(out, zeros).flatten(), atol=1e-4)


def test_a_model_is_exported_in_place_and_again(make: Make) -> None:
    made = make("table", "mlp[depth=1]")
    for _ in range(2):
        export(made.folder, made.folder, sample=made.case.sample)
    names = {path.name for path in made.folder.iterdir()}
    assert names == {
        "model.json", "strategy.txt", "encoders.json", "weights.safetensors", "card.md",
        "model.pt2",
    }  # fmt: skip


def test_the_bundle_of_another_model_is_kept_unless_forced(make: Make, tmp_path: Path) -> None:
    out = tmp_path / "out"
    card = ModelCard(dataset="toy", trial=3, fingerprint="a")
    first = make("table", "mlp[depth=1]", card=card)
    export(first.folder, out, sample=first.case.sample)
    export(first.folder, out, sample=first.case.sample)
    kept = (out / "weights.safetensors").read_bytes()
    for strategy, changes in (
        ("mlp[depth=1, width=8]", {}),
        ("mlp[depth=1]", {"trial": 4}),
        ("mlp[depth=1]", {"dataset": "other", "fingerprint": "b"}),
    ):
        other = make("table", strategy, card=replace(card, **changes))
        with pytest.raises(BundleError, match=r"\(trial 3 of toy\), and this is .*: name another"):
            export(other.folder, out, sample=other.case.sample)
        assert (out / "weights.safetensors").read_bytes() == kept
    export(other.folder, out, sample=other.case.sample, force=True)
    assert load(out).info.card.dataset == "other"
    (out / "model.json").write_text("{")  # nothing of it can be read: exporting again mends it
    export(other.folder, out, sample=other.case.sample)
    assert load(out).info.card.dataset == "other"


def test_no_row_of_the_sample_and_no_path_is_stored(make: Make, tmp_path: Path) -> None:
    made = make("series", "mlp[depth=1]")
    sample = {"series": torch.full((4, 2, 16), 1.2345678)}
    export(made.folder, tmp_path / "out", sample=sample)
    content = (tmp_path / "out" / "model.pt2").read_bytes()
    assert sample["series"].numpy()[0, 0, :4].tobytes() not in content
    assert str(Path(__file__).parents[2]).encode() not in content


def test_two_inputs_are_taken_in_the_order_of_model_json(
    make: Make, cases: dict[str, Any], tmp_path: Path
) -> None:
    data, other = cases["masked"].dataset, cases["table"].dataset
    inputs = (*data.inputs, *other.inputs)
    resolved = resolve(
        parse("concat(gru[depth=1]:series, mlp[depth=1]:table)"), inputs, data.target
    )
    model = build(resolved, seed=3).eval()
    sample = {**cases["table"].sample, **cases["masked"].sample}
    encoders = {"inputs": [*data.encoders["inputs"], *other.encoders["inputs"]]}
    folder = write_bundle(tmp_path / "b", resolved=resolved, model=model, encoders=encoders)
    export(folder, tmp_path / "out", sample=sample)
    plain = json.loads((tmp_path / "out" / "model.json").read_text())
    assert [each["name"] for each in plain["exported"]["pt2"]["inputs"]] == ["series", "table"]
    with torch.inference_mode():
        expected = model(sample).softmax(-1).numpy()
    found = run(tmp_path / "out", sample["series"], sample["table"])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_one_row_is_enough_to_check_on(make: Make, tmp_path: Path) -> None:
    made = make(
        "number", "mlp[depth=1]", scales=(Scale(center=1e7, spread=0.5),)
    )  # float32 could not hold it
    report = export(made.folder, tmp_path / "out", sample={"table": made.case.sample["table"][:1]})
    assert report.forms["pt2"].difference < 1e-5
    values = run(tmp_path / "out", made.case.sample["table"])
    assert values.shape == (48,)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, 1e7 + (made.expected() - 7.0) / 3.0 * 0.5, atol=1e-5)


@pytest.mark.parametrize("kind", ["log", "quantile"])
def test_values_are_exported_in_their_own_unit(make: Make, tmp_path: Path, kind: Any) -> None:
    prices = np.exp(np.random.default_rng(0).normal(7, 2, 500))
    scale = fit_scale(kind, prices, factor=1.2)
    made = make("number", "mlp[depth=1]", scales=(scale,))
    report = export(made.folder, tmp_path / "out", sample=made.case.sample)
    live = load(made.folder).predict(made.case.raw)["prediction"].to_numpy()
    values = run(tmp_path / "out", made.case.sample["table"])
    assert report.forms["pt2"].difference <= report.forms["pt2"].tolerance
    assert np.ptp(live) > 100
    np.testing.assert_allclose(values, live, rtol=1e-4)
    assert load(tmp_path / "out").info.scales == (scale,)


def test_a_program_that_differs_is_refused(make: Make, tmp_path: Path) -> None:
    made = make("image", "mlp[depth=1]")
    export(made.folder, tmp_path / "out", sample=made.case.sample)
    with torch.no_grad():
        next(p for name, p in made.model.named_parameters() if "head" in name).mul_(1.01)
    write_bundle(
        made.folder, resolved=made.resolved, model=made.model,
        encoders=made.case.dataset.encoders,
    )  # fmt: skip
    with pytest.raises(BundleError, match=r"differs from the live model by .* with a batch of"):
        check_form(
            FORMS["pt2"], tmp_path / "out" / "model.pt2", load(made.folder),
            [made.case.sample["image"].numpy()],
        )  # fmt: skip


def test_what_is_refused_is_not_kept(make: Make, tmp_path: Path) -> None:
    made = make("image", "mlp[depth=1]")
    with pytest.raises(BundleError, match=r"with a batch of 1; up to -1 is allowed. It was not"):
        export(made.folder, tmp_path / "out", sample=made.case.sample, tolerance=-1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_sample_that_does_not_fit_is_refused(make: Make, tmp_path: Path) -> None:
    made = make("image", "mlp[depth=1]")
    out = tmp_path / "out"
    with pytest.raises(BundleError, match="lacks the input 'image'; it has photo"):
        export(made.folder, out, sample={"photo": torch.zeros(2, 1, 8, 8)})
    with pytest.raises(BundleError, match=r"'image' has shape \(2, 1, 9, 8\); one row or more of"):
        export(made.folder, out, sample={"image": torch.zeros(2, 1, 9, 8)})
    with pytest.raises(BundleError, match=r"'image' has shape \(0, 1, 8, 8\)"):
        export(made.folder, out, sample={"image": torch.zeros(0, 1, 8, 8)})
    nan = torch.full((2, 1, 8, 8), float("nan"))
    with pytest.raises(BundleError, match="outputs that are not finite on the sample"):
        export(made.folder, out, sample={"image": nan})
    assert not out.exists()


def test_tensors_are_kept_as_they_are(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6, dtype=torch.uint8).view(2, 3).T, "b": torch.zeros(0, 4)}
    save_tensors(tensors, tmp_path / "t.safetensors")
    found = load_tensors(tmp_path / "t.safetensors")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        torch.testing.assert_close(found[name], tensor)
    with pytest.raises(BundleError, match="nothing.safetensors: is cut off or no safetensors"):
        load_tensors(tmp_path / "nothing.safetensors")
