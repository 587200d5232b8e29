"""A kind of input of another package, found by its entry points, in everything a kind is in."""

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from autosynth.data.encoder.encoder import Encoder
from autosynth.errors import ConfigError
from autosynth.modality import Modality
from autosynth.plugin import with_plugin_classes, with_plugins

Python = Callable[..., "subprocess.CompletedProcess[str]"]
HERE = Path(__file__).parent
BOTH = """[autosynth.encoders]
bits = bits_kind.encoder:BitsEncoder
[autosynth.modalities]
bits = bits_kind.modality:Bits
"""
SPACE = """
name = "fingerprints"
about = "a kind of another package"
kinds = ["bits", "table"]
families = ["mlp", "attention"]
topologies = ["single", "parallel"]
max_parts = 2
fusions = ["mean", "concat"]
inits = ["random", "masked"]
composites = ["mean(mlp:bits, attention:bits)", "concat(mlp:bits, mlp:table)"]
[family.mlp]
width = [4, 8]
patch = [1, 2]
[family.attention]
width = [4, 8]
[settings]
lr = [0.01]
length = [0.1]
[defaults]
lr = 0.01
length = 0.1
[defaults.mlp]
width = 8
patch = 1
[defaults.attention]
width = 8
[ladder]
mlp = ["mlp[width=4]"]
attention = ["attention[width=4]"]
"""


def write_info(folder: Path, entry_points: str) -> None:
    """What pip leaves of a package."""
    info = folder / "bits_kind-1.0.dist-info"
    info.mkdir(exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bits-kind\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def fingerprints(rows: int = 150) -> pd.DataFrame:
    """Fingerprints of 24 bits, the first of which says the class most of the time."""
    rng = random.Random(0)
    numbers = [rng.getrandbits(24) for _ in range(rows)]
    return pd.DataFrame(
        {
            "print": [f"{number:06x}" for number in numbers],
            "weight": [rng.gauss(3, 1) for _ in numbers],
            "side": [("low", "high")[number >> 23 and rng.random() < 0.9] for number in numbers],
        }
    )


CALLS = """
import csv
from autosynth.cli import main
read = ["--target", "side", "--column", "print=bits"]
assert main(["inspect", "data.csv", *read]) == 0
assert main(["inspect", "data.csv", "--target", "side", "--column", "print=bitz"]) == 2
assert main(["search", "data.csv", *read, "--drop", "weight", "--trials", "1"]) == 2
words = ["--space", "mine.toml", "--trials", "4", "--no-refit", "--out", "run"]
assert main(["search", "data.csv", *read, *words]) == 0
with open("run/leaderboard.csv") as file:
    rows = list(csv.DictReader(file))
done = [row for row in rows if row["state"] == "complete" and row["topology"] == "single"]
assert done
assert main(["export", "run", "--pick", done[0]["trial"], "-o", "model"]) == 0
assert main(["predict", "model", "new.csv", "-o", "preds.csv"]) == 0
assert main(["evaluate", "model", "data.csv", "--corrupt"]) == 0
masked = "mlp[width=4]:print init=masked | augment=light lr=0.01 length=0.1"
assert main(["train", "data.csv", *read, "--strategy", masked, "--out", "trained"]) == 0
"""


@pytest.mark.slow
def test_a_kind_of_another_package_is_read_searched_exported_and_used(
    tmp_path: Path, python: Python
) -> None:
    data = fingerprints()
    data.to_csv(tmp_path / "data.csv", index=False)
    new = data.drop(columns="side").sample(frac=0.2, random_state=0)
    new.to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "mine.toml").write_text(SPACE)
    write_info(tmp_path, BOTH)
    ran = python(CALLS, HERE)
    assert ran.returncode == 0, ran.stderr
    assert "input       print: 24 bits" in ran.stdout
    assert "Did you mean 'bits'?" in ran.stderr
    assert "there is no search space for inputs of kind bits" in ran.stderr
    assert (tmp_path / "model" / "model.pt2").exists()
    predicted = pd.read_csv(tmp_path / "preds.csv")
    assert len(predicted) == len(new)
    assert set(predicted["prediction"]) <= {"high", "low"}
    card = (tmp_path / "model" / "card.md").read_text()
    assert "input `print`: bits, 24 bits a row" in card
    assert "Of longer fingerprints the first bits are read." in card
    assert "flipped" in ran.stdout


CONTRACTS = """
import pandas as pd
from autosynth.components import FAMILIES
from autosynth.testing import INPUTS, check_encoder, check_family
from bits_kind.encoder import BitsEncoder
fit = lambda rows, train: BitsEncoder.fit(rows["print"], train, "print")
rows = pd.DataFrame({"print": [f"{i * 37 % 256:02x}" for i in range(20)]})
check_encoder(fit, rows, unseen=pd.DataFrame({"print": ["ffff", "no", ""]}))
for name in ("mlp", "gru"):
    check_family(FAMILIES[name], options="width=4, depth=1", inputs=[INPUTS["bits"]])
"""


def test_it_keeps_the_contracts_that_are_shipped(tmp_path: Path, python: Python) -> None:
    write_info(tmp_path, BOTH)
    ran = python(CONTRACTS, HERE)
    assert ran.returncode == 0, ran.stderr


def test_a_kind_with_an_encoder_alone_is_told(tmp_path: Path, python: Python) -> None:
    write_info(tmp_path, BOTH.split("[autosynth.modalities]")[0])
    ran = python("import autosynth.modality", HERE)
    assert ran.returncode
    assert "of one name; bits: there is one alone" in ran.stderr


def encoders() -> object:
    return with_plugin_classes({}, "autosynth.encoders", Encoder)


def modalities() -> object:
    return with_plugins({}, "autosynth.modalities", Modality)


@pytest.mark.parametrize(
    ("entry_points", "find", "message"),
    [
        (BOTH.replace(":BitsEncoder", ":BitEncoder"), encoders, "cannot be loaded: module 'bits_"),
        (
            BOTH.replace(":BitsEncoder", ":DIGITS"),
            encoders,
            "must give an autosynth.data.encoder.",
        ),
        (BOTH.replace("bits = bits_kind.enc", "text = bits_kind.enc"), encoders, "kind is 'text'"),
        (BOTH.replace(":Bits\n", ":ByteStem\n"), modalities, "an autosynth.modality.Modality"),
        (BOTH.replace(":Bits\n", ":flip\n"), modalities, "must give an autosynth.modality.Modal"),
    ],
)
def test_what_is_wrong_with_an_entry_point_is_said(
    entry_points: str,
    find: Callable[[], object],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_info(tmp_path, entry_points)
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match=message):
        find()
