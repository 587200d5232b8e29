"""A family of another package, found by its entry point, in everything a family is in."""

import os
import subprocess
import sys
from pathlib import Path
from textwrap import indent

import pytest

from autosynth.components.family import Family
from autosynth.errors import ConfigError
from autosynth.plugin import with_plugins

FAMILY = '''
from torch import nn
from autosynth.components.family import DEPTH, NORM, PATCH, WIDTH, Family, expand
from autosynth.piece import Piece, n_tokens


class Mix(nn.Module):
    """A linear map over the tokens, channel by channel."""

    def __init__(self, tokens):
        super().__init__()
        self.linear = nn.Linear(tokens, tokens)

    def forward(self, tokens):
        x, mask = tokens
        return self.linear(x.transpose(1, 2)).transpose(1, 2), mask


class Mixer(Family):
    name = "mixer"
    about = "linear maps over tokens, and channel MLPs"
    options = {"width": WIDTH, "depth": DEPTH, "expand": expand(2), "patch": PATCH, "norm": NORM}

    def mixer(self, config, index, grid):
        n, width = n_tokens(grid), int(config["width"])
        return Piece(lambda: Mix(n), 2 * n * n * width, n * n + n), grid


FAMILY = "no family"
'''
SPACE = """
name = "mine"
about = "a family of another package"
kinds = ["table"]
families = ["mixer", "mlp"]
topologies = ["single", "parallel", "sequential"]
max_parts = 2
fusions = ["mean", "concat"]
composites = ["mean(mixer, mlp)", "mixer > mlp"]
[family.mixer]
width = [4, 8]
[family.mlp]
width = [4, 8]
[settings]
lr = [0.01]
length = [0.1]
[defaults]
lr = 0.01
length = 0.1
[defaults.mixer]
width = 8
[defaults.mlp]
width = 8
[ladder]
mixer = ["mixer[width=4]", "mixer[width=8]"]
mlp = ["mlp[width=4]"]
"""


def installed(folder: Path, value: str = "my_mixer:Mixer", name: str = "mixer") -> dict[str, str]:
    """An environment in which a package with that entry point is installed."""
    (folder / "my_mixer.py").write_text(FAMILY)
    info = folder / "my_mixer-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-mixer\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[autosynth.components]\n{name} = {value}\n")
    path = os.pathsep.join([str(folder), str(Path(__file__).parents[2])])
    return {**os.environ, "PYTHONPATH": path}


CALLS = """
import csv
from autosynth.cli import main
assert main(["components"]) == 0
words = ["--space", "mine.toml", "--trials", "2", "--no-refit", "--out", "run"]
assert main(["search", "iris", *words]) == 0
with open("run/leaderboard.csv") as file:
    rows = list(csv.DictReader(file))
done = [row for row in rows if row["state"] == "complete" and "mixer" in row["components"]]
assert done
assert main(["export", "run", "--pick", done[0]["trial"], "-o", "model"]) == 0
"""


def test_a_family_of_another_package_is_searched_ranked_exported_and_used(tmp_path: Path) -> None:
    """In a process of its own, which starts where the package is installed."""
    (tmp_path / "mine.toml").write_text(SPACE)
    ran = subprocess.run(
        [sys.executable, "-c", f"if __name__ == '__main__':\n{indent(CALLS, '    ')}"],
        env=installed(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "mixer: linear maps over tokens" in ran.stdout
    assert (tmp_path / "model" / "model.pt2").exists()


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        ("my_mixer:FAMILY", "mixer", "must give an autosynth.components.Family"),
        ("my_mixer:Mixer", "blender", "whose name is 'blender'"),
        ("my_mixer:Mixer", "mlp", "whose name is 'mlp'"),
    ],
)
def test_an_entry_point_that_is_no_family_is_named(
    value: str, name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, value, name)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_mixer", raising=False)
    with pytest.raises(ConfigError, match=f"'{name}' = '{value}' .*{message}"):
        with_plugins({}, "autosynth.components", Family)


def test_a_family_is_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_mixer", raising=False)
    found = with_plugins({}, "autosynth.components", Family)
    assert list(found) == ["mixer"]
    with pytest.raises(ConfigError, match="there is a component of that name already; rename it"):
        with_plugins(found, "autosynth.components", Family)
