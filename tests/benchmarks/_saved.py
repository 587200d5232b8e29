"""What searches leave and what users write for them, for `mutate.py`: bundles, runs, spaces.

The bundles and runs are those of tests/golden: of every kind of input and task.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

from _form import Form, Step

import autosynth
from autosynth.leaderboard import render
from autosynth.run import open_run
from autosynth.strategy import parse
from autosynth.study.spacefile import load_space

_GOLDEN = Path(__file__).parents[1] / "golden"
_CASES = sorted(path.parent.name for path in _GOLDEN.glob("*/bundle"))
_ONE = "table_text_multiclass"
_SPACE = _GOLDEN / "space.toml"


def _bundle(case: str, name: str) -> Form:
    """One file of a bundle, which is loaded and predicts."""
    source = _GOLDEN / case / "bundle"
    (rows,) = (_GOLDEN / case).glob("input*")

    def steps(folder: Path) -> list[Step]:
        return [lambda: autosynth.load(folder / "bundle").predict(rows)]

    return Form(
        name=f"bundle/{name}",
        data=(source / name).read_bytes,
        steps=steps,
        prepare=lambda folder: shutil.copytree(source, folder / "bundle", dirs_exist_ok=True),
    )


def _run(name: str, case: str = _ONE) -> Form:
    """One file of a run, whose board is shown, or whose best is exported, as the commands do."""
    source = _GOLDEN / case / "run"

    def show(folder: Path) -> None:
        run = open_run(folder)
        render(run.leaderboard, width=100)
        render(run.leaderboard, "markdown")
        assert isinstance(run.sentence + run.warning + run.exported, str)
        assert run.finished in (True, False)

    def export(folder: Path) -> None:
        open_run(folder).export(folder.parent / "exported", force=True)

    def steps(folder: Path) -> list[Step]:
        wanted = export if name in ("data.json", "sample.safetensors") else show
        return [lambda: wanted(folder / "run")]

    return Form(
        name=f"run/{name}",
        data=(source / name).read_bytes,
        steps=steps,
        prepare=lambda folder: shutil.copytree(source, folder / "run", dirs_exist_ok=True),
    )


def _text(name: str, data: bytes, read: object) -> Form:
    """A file by itself, which `read` takes."""
    assert callable(read)
    return Form(name=name, data=lambda: data, steps=lambda folder: [lambda: read(folder / name)])


def _parsed(path: Path) -> object:
    return parse(path.read_bytes().decode("latin-1"))


_STRATEGIES = (
    b"cascade[0.3](mean(cnn[width=32]@a, gru@b > attention[depth=2]), "
    b"stack[mlp](mlp, bag)) share=stem train=subsets rows=all | lr=0.004 dropout=0.1"
)

SAVED: Mapping[str, Form] = {
    **{f"model.json, {case}": _bundle(case, "model.json") for case in _CASES},
    **{f"encoders.json, {case}": _bundle(case, "encoders.json") for case in _CASES},
    "weights.safetensors": _bundle(_ONE, "weights.safetensors"),
    "strategy.txt": _bundle(_ONE, "strategy.txt"),
    "run.toml": _run("run.toml"),
    "record.json": _run("trials/000000/record.json"),
    "composing.json": _run("composing.json"),
    "state.json": _run("state.json"),
    "data.json": _run("data.json", "forecasting"),  # its bundle is of another trial
    "a strategy": _text("s.txt", _STRATEGIES, _parsed),
    "space": _text("s.toml", _SPACE.read_bytes(), load_space),
}
"""Forms of what is saved, by name."""
