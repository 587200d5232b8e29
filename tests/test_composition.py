"""The study of composing: what it trains, that it goes on, what it compares."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from autosynth.composite import cost, resolve
from autosynth.errors import ConfigError, RunError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse, parts

FOLDER = Path(__file__).parents[1] / "results" / "composition"
SPECS = (
    InputSpec(name="x", kind="series", shape=(1, 40)),
    InputSpec(name="x", kind="series", shape=(3, 300)),
    InputSpec(name="x", kind="image", shape=(1, 28, 28)),
)
TARGET = TargetSpec(name="y", task="classification", classes=("a", "b", "c"))
ONE, OTHER = "cnn[depth=3, patch=4, width=16] | dropout=0.1", "gru[depth=1, patch=8, width=16]"


@pytest.fixture
def study() -> Iterator[ModuleType]:
    """The command's module; its neighbours are found beside it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module("study")


@pytest.fixture
def source(tmp_path: Path) -> str:
    """Series of two classes that are told apart by their slope."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 160)
    x = np.linspace(-1, 1, 40) * (2 * y[:, None, None] - 1) + rng.normal(size=(160, 1, 40))
    np.savez(tmp_path / "slopes.npz", x=x[:120], y=y[:120], x_test=x[120:], y_test=y[120:])
    return str(tmp_path / "slopes.npz")


@pytest.mark.parametrize("spec", SPECS, ids=["short", "long", "image"])
def test_every_level_resolves_and_changes_one_thing(study: ModuleType, spec: InputSpec) -> None:
    found = study.levels((spec,), TARGET)
    names = [(x.factor, x.pair, x.name) for x in found if x.pair]
    assert len(set(names)) == len(names)
    for level in found:
        resolved = resolve(parse(level.strategy), (spec,), TARGET)
        assert str(resolved.short_form) == level.strategy
        if level.factor == "fusion" and level.name.startswith("cascade"):
            one, other = (str(part) for part in parts(resolved.strategy.root))
            prices = [cost(resolve(parse(text), (spec,), TARGET)).flops for text in (one, other)]
            assert prices == sorted(prices)
    by_name = {(x.pair, x.name): parse(x.strategy) for x in found}
    for pair in {x.pair for x in found if x.pair}:
        base, staged = by_name[pair, "base: mean(a, b)"], by_name[pair, "staged"]
        assert replace(staged, flags=()) == base


def test_a_study_goes_on_and_reports(
    study: ModuleType, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    levels = study.levels(SPECS[:1], TARGET)
    (stack, *_) = [x.strategy for x in levels if x.name == "stack[mlp]"]
    bases = {x.strategy for x in levels if x.name.startswith("base")}
    given = [source, "--metric", "roc_auc", "--steps", "2", "--out", str(tmp_path), "--only"]
    study.main([*given, ONE, *bases, "--seeds", "1"])
    study.main([*given, ONE, *bases, stack, "--seeds", "2"])
    assert "5 trainings" in capsys.readouterr().out
    folder = tmp_path / "slopes"
    runs = study.read(folder / "runs.jsonl")
    assert len({(run.strategy, run.seed) for run in runs}) == len(runs) == 2 * 4
    page = (folder / "table.md").read_text()
    (folder / "table.md").unlink()
    study.main(["--report", "--name", "slopes", "--out", str(tmp_path)])
    assert (folder / "table.md").read_text() == page
    assert "| stack[mlp] | " in page
    assert (folder / "front.png").stat().st_size > 10_000
    with pytest.raises(ConfigError, match="has 2 steps, not 3"):
        study.main([source, "--metric", "roc_auc", "--steps", "3", "--out", str(tmp_path)])


def test_a_subset_keeps_test_and_its_shares(study: ModuleType) -> None:
    dataset = study.load_data("mnist1d", seed=0)
    found, whole = study.fewer(dataset, 1000), dataset.splits
    assert [len(part) for part in (found.train, found.calibration, found.validation)] == [
        800,
        100,
        100,
    ]
    for name in ("train", "calibration", "validation"):
        rows = getattr(found, name)
        assert np.isin(rows, getattr(whole, name)).all()
        assert np.abs(np.bincount(dataset.y[rows]) / len(rows) - 0.1).max() < 0.015
    assert np.array_equal(found.test, whole.test)


def test_a_cut_line_is_dropped_and_a_bad_one_named(study: ModuleType, tmp_path: Path) -> None:
    path, run = tmp_path / "runs.jsonl", made(study, ONE, 0, 0.5, 0.5)
    study.append(path, run)
    with path.open("a") as file:
        file.write('{"strategy": "cn')
    assert study.read(path) == [run]
    study.append(path, replace(run, seed=1))
    assert [each.seed for each in study.read(path)] == [0, 1]
    path.write_text("{}\n" + path.read_text())
    with pytest.raises(RunError, match="jsonl:1 is not a run"):
        study.read(path)


def made(study: ModuleType, text: str, seed: int, test: float, select: float, flops: int = 1000):  # type: ignore[no-untyped-def]
    """A run that hits the first `test` of 200 rows."""
    return study.Run(
        strategy=text, seed=seed, select={"accuracy": select}, test={"accuracy": test},
        flops=flops, worst_flops=flops, params=1, train_flops=1.0, train_seconds=1.0,
        hits=study.pack(np.arange(200) < 200 * test),
    )  # fmt: skip


def test_differences_are_paired_and_choices_are_on_select(study: ModuleType) -> None:
    both = f"mean({ONE.split(' |')[0]}, {OTHER})"
    level = importlib.import_module("levels").Level
    schedule = study.Schedule(
        data="x", metric="accuracy", batch_size=8, steps=1, dearest="", seconds=0.0,
        rows={"test": 200}, labels="",
        levels=tuple(level(factor="", pair="", name="", strategy=t) for t in (ONE, OTHER, both)),
    )  # fmt: skip
    runs = [made(study, ONE, s, 0.6 + s / 10, 0.8) for s in range(3)]
    runs += [made(study, OTHER, s, 0.65 + s / 10, 0.7, 2000) for s in range(3)]
    runs += [made(study, both, s, 0.9, 0.9, 2000) for s in range(2)]
    sheet = study.Sheet(schedule, runs)
    found = sheet.difference(OTHER, ONE)
    assert found.seeds == 3
    assert found.mean == pytest.approx(0.05)
    # Seeds differ by far more than that: only what is paired is sure.
    assert 0.02 < found.low < 0.05 < found.high < 0.09
    assert sheet.difference(both, ONE).seeds == 2
    assert sheet.singles() == [ONE, OTHER]
    assert sheet.best(sheet.singles()) == ONE  # though the other is better on test
    assert sheet.best([both, OTHER], most_flops=1500) is None
    assert sheet.front([OTHER, ONE, both]) == [ONE, both]
