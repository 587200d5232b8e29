"""A family of another package, found by its entry point, in everything a family is in."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autosynth.components import Family
from autosynth.errors import ConfigError
from autosynth.plugin import with_plugins

GROUP = "autosynth.components"
Install = Callable[[str, str, str, str], None]
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


def test_a_family_of_another_package_is_searched_ranked_exported_and_used(
    install: Install, in_package: Callable[[str], str], tmp_path: Path
) -> None:
    """In a process of its own, which starts where the package is installed."""
    install(GROUP, "mixer", "my_mixer:Mixer", FAMILY)
    (tmp_path / "mine.toml").write_text(SPACE)
    assert "mixer: linear maps over tokens" in in_package(CALLS)
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
    value: str,
    name: str,
    message: str,
    install: Install,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    install(GROUP, name, value, FAMILY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_mixer", raising=False)
    with pytest.raises(ConfigError, match=f"'{name}' = '{value}' .*{message}"):
        with_plugins({}, GROUP, Family)


def test_a_family_is_found_once(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(GROUP, "mixer", "my_mixer:Mixer", FAMILY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "my_mixer", raising=False)
    found = with_plugins({}, GROUP, Family)
    assert list(found) == ["mixer"]
    with pytest.raises(ConfigError, match="there is a component of that name already; rename it"):
        with_plugins(found, GROUP, Family)
