"""Makes goldens: a finished run, a bundle of its own, rows to predict, and what was predicted.

    python tests/golden/make.py NAME...      # cases of cases.py that have no folder here yet

Takes the names of cases; gives a folder each, beside this file:

- `input.csv`, `input/`, ...: rows to predict, as a user gives them;
- `run/`: what a search left, with the bundle of its best strategy; `run.csv`: its predictions;
- `bundle/`: what `export` (or `train`) made of one strategy; `bundle.csv`: its
  predictions.

Why: whatever is renamed or moved in AutoSynth, what users have saved must still open and predict
the same; `tests/test_golden.py` holds the code to it. It was all made once, by commit c4893d6,
the last one before the refactoring, with bundles of format 3; kinds of input that came later
(`frames_binary`) by the commits that brought them. It is not to be made again: a new
format gets goldens of its own beside these, and a case that has a folder is refused.

Some files are left out, so that a case stays under 200 kB (under 480 where tokens are embedded).
A run opens without the sampler's `study.journal` (which going on with it needs), without
`front.png` and `leaderboard.md` (`autosynth report` makes them again), without the outputs of
baselines and the weights of all trials but the exported one. A bundle opens without `card.md`,
which people read, and `model.pt2`, which PyTorch runs without any code of ours.
"""

import argparse
import os
import shutil
import tempfile
import zlib
from pathlib import Path
from unittest.mock import patch

import numpy as np
from cases import CASES, NEW, Case

from autosynth.cli import main
from autosynth.data.encoder.modelfolder import PACKAGES
from autosynth.run import Run, search, train_strategy

HERE = Path(__file__).resolve().parent
_KEPT = {
    *("run.toml", "state.json", "data.json", "composing.json", "importance.json"),
    *("leaderboard.csv", "sample.safetensors"),
}
"""Of a run's folder, beside its bundle and its records."""
_SPACE = """name = "{name}"
about = "a golden"
extends = "golden.toml"
families = [{families}]
composites = [{composites}]
[ladder]
"""


def make(name: str, case: Case, place: Path) -> None:
    """One golden, in a new folder. The working folder is where data and spaces are written."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    data = case.write(rng, case.rows, Path(name), True)
    made = Path("made")
    made.mkdir()
    new = case.write(rng, NEW, made / "input", False)
    asked = {"source": str(data), **case.asked}
    run = search(
        **asked, space=_space(name, case), trials=len(case.families) + len(case.composites),
        device="cpu", out=made / "run",
    )  # fmt: skip
    if case.trained:
        train_strategy(**asked, strategy=f"{case.trained} | lr=0.02 length=0.25", device="cpu",
              out=made / "bundle")  # fmt: skip
    else:
        run.export(made / "bundle", pick=_number(run, case))
    for bundle in ("run", "bundle"):
        out = str(made / f"{bundle}.csv")
        assert main(["predict", str(made / bundle), str(new), "-o", out]) == 0
    _lighten(run, case, made)
    size = sum(path.stat().st_size for path in made.rglob("*") if path.is_file())
    print(f"{name}: {size / 1000:.0f} kB")  # noqa: T201
    assert size <= case.most_bytes, f"{name} has {size} bytes"
    shutil.copytree(made, place)


def _space(name: str, case: Case) -> str:
    """A file of the families and composites of a case, beside the space that it extends."""
    shutil.copyfile(HERE / "space.toml", "golden.toml")
    quoted = {
        key: ", ".join(f'"{text}"' for text in getattr(case, key))
        for key in ("families", "composites")
    }
    singles = "".join(f'{family} = ["{text}"]\n' for family, text in case.singles.items())
    path = Path(f"{name}.toml")
    path.write_text(_SPACE.format(name=name, **quoted) + singles)
    return str(path)


def _number(run: Run, case: Case) -> int:
    """The trial of the case's first composite: the first that the search took from the list."""
    first = [r for r in run.records if r.origin == "portfolio"][0]
    assert first.state == "complete", f"{first.strategy}: {first.reason}"
    return first.trial


def _lighten(run: Run, case: Case, made: Path) -> None:
    """Drop what neither the run nor the bundle needs to be opened."""
    kept = {f"trials/{path.parent.name}/record.json" for path in run.folder.rglob("record.json")}
    if not case.trained:
        kept.add(f"trials/{_number(run, case):06d}/weights.safetensors")
    for path in [each for each in run.folder.rglob("*") if each.is_file()]:
        name = path.relative_to(run.folder).as_posix()
        if name not in kept | _KEPT and not name.startswith("bundle/"):
            path.unlink()
    for path in [*made.rglob("card.md"), *made.rglob("model.pt2")]:
        path.unlink()


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="+", choices=CASES, metavar="NAME", help=", ".join(CASES))
    names = parser.parse_args().names
    if there := [name for name in names if (HERE / name).exists()]:
        raise SystemExit(f"{', '.join(there)}: goldens are made once; name another case")
    home = Path.cwd()
    for name in names:
        # In a folder of its own, by relative paths: a run keeps the path of its data.
        # Of pretrained models of texts, every run would keep a tokenizer of a megabyte.
        with tempfile.TemporaryDirectory() as folder, patch.dict(PACKAGES, clear=True):
            os.chdir(folder)
            make(name, CASES[name], HERE / name)
            os.chdir(home)


if __name__ == "__main__":
    _main()
