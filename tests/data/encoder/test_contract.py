"""What every encoder promises: one class a kind, and a saved form that comes back as it was."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from PIL import Image

from autosynth.data.encoder.encoder import Encoder, Transformed
from autosynth.data.encoder.frame import fit_frame
from autosynth.data.encoder.frames import FramesEncoder
from autosynth.data.encoder.ids import IdsEncoder
from autosynth.data.encoder.image import ImageEncoder
from autosynth.data.encoder.registry import ENCODERS, encoder_from, encoders_from, input_spec
from autosynth.data.encoder.series import SeriesEncoder
from autosynth.data.encoder.table import TableEncoder
from autosynth.data.source.layout import infer_layout
from autosynth.errors import UnknownNameError
from autosynth.modality import MODALITIES
from autosynth.spec import SeenItems
from autosynth.testing import ENCODER_CHECKS, EncoderCase, check_encoder

GOLDEN = Path(__file__).parents[2] / "golden"
SAVED = [*GOLDEN.glob("*/bundle/encoders.json"), *GOLDEN.glob("*/run/data.json")]


def saved(path: Path) -> dict[str, Any]:
    plain = json.loads(path.read_text(encoding="utf-8"))
    encoders: dict[str, Any] = plain.get("encoders", plain)
    return encoders


def one_of_each() -> list[dict[str, Any]]:
    """A saved encoder of each kind, and of each set of keys."""
    found = [each for path in sorted(SAVED) for each in saved(path)["inputs"]]
    return list({(each["kind"], *each): each for each in found}.values())


EACH = one_of_each()
NAMES = [f"{each['kind']}-{len(each)}" for each in EACH]


def test_a_kind_has_one_encoder() -> None:
    assert set(ENCODERS) == set(MODALITIES)
    assert [encoder.kind for encoder in ENCODERS.values()] == list(ENCODERS)
    assert {each["kind"] for each in EACH} == set(ENCODERS)


@pytest.mark.parametrize("path", SAVED, ids=lambda path: str(path.relative_to(GOLDEN).parent))
def test_what_is_saved_comes_back_as_it_was(path: Path) -> None:
    plain = saved(path)
    again = [encoder.to_dict() for encoder in encoders_from(plain)]
    assert json.dumps(again) == json.dumps(plain["inputs"])  # the order of keys, too


@pytest.mark.parametrize("plain", EACH, ids=NAMES)
def test_an_encoder_says_what_it_reads_and_makes(plain: dict[str, Any]) -> None:
    encoder = encoder_from(plain)
    assert encoder == ENCODERS[plain["kind"]].from_dict(plain)
    assert input_spec(plain) == encoder.spec
    assert (encoder.spec.name, encoder.spec.kind) == (plain["name"], plain["kind"])
    assert encoder.row_format.columns == encoder.columns
    assert bool(encoder.columns) == ("width" in plain)


@pytest.mark.parametrize("plain", EACH, ids=NAMES)
def test_what_is_not_whole_is_refused(plain: dict[str, Any]) -> None:
    lacking = {key: value for key, value in plain.items() if key not in ("shape", "columns")}
    with pytest.raises(KeyError, match=r"shape|columns|column"):
        encoder_from(lacking)
    with pytest.raises(UnknownNameError, match="Did you mean 'series'"):
        encoder_from({**plain, "kind": "serie"})


ROWS = 30


def of_columns(kind: str) -> Callable[[pd.DataFrame, np.ndarray], Encoder]:
    """The encoder of a kind among those that the columns of a frame make."""

    def fit(rows: pd.DataFrame, train: np.ndarray) -> Encoder:
        encoders, _ = fit_frame(rows, train, width=None, arrays=list(rows))
        return next(encoder for encoder in encoders if encoder.kind == kind)

    return fit


def of_arrays(
    encoder: type[ImageEncoder] | type[SeriesEncoder] | type[FramesEncoder],
) -> Callable[..., Encoder]:
    def fit(rows: np.ndarray, train: np.ndarray) -> Encoder:
        return encoder.fit_array(rows[train], infer_layout(rows, encoder.kind, "here"))

    return fit


def cells(rng: np.random.Generator) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "height": rng.normal(170, 9, ROWS),
            "town": rng.choice(["Bern", "Basel", "Chur"], ROWS),
            "met": [f"2024-03-{1 + i * 7 % 28:02d}" for i in range(ROWS)],
        }
    )


def pictures(folder: Path, sizes: list[tuple[int, int]]) -> pd.DataFrame:
    rng = np.random.default_rng(len(sizes))
    for i, size in enumerate(sizes):
        pixels = rng.integers(0, 255, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{len(sizes)}_{i}.png")
    return pd.DataFrame({"photo": [f"{folder}/{len(sizes)}_{i}.png" for i in range(len(sizes))]})


def sounds(folder: Path, sizes: list[int], rate: int) -> pd.DataFrame:
    rng = np.random.default_rng(rate)
    for i, size in enumerate(sizes):
        soundfile.write(folder / f"{rate}_{i}.wav", rng.normal(0, 0.1, size), rate)
    return pd.DataFrame({"clip": [f"{folder}/{rate}_{i}.wav" for i in range(len(sizes))]})


def in_cells(rows: Sequence[np.ndarray]) -> pd.DataFrame:
    """Arrays in the cells of a column."""
    return pd.DataFrame({"inside": pd.Series(list(rows))})


def histories(sizes: list[int]) -> SeenItems:
    ends = np.cumsum(sizes)
    codes = np.random.default_rng(0).integers(0, 9, ends[-1])
    return SeenItems(codes=codes, start=ends - sizes, stop=ends)


def sentences(rng: np.random.Generator, words: list[str], rows: int) -> pd.DataFrame:
    return pd.DataFrame({"review": [" ".join(rng.choice(words, 9)) for _ in range(rows)]})


def cases(folder: Path) -> dict[str, EncoderCase]:
    rng = np.random.default_rng(0)
    numbered = pd.DataFrame(
        rng.normal(size=(ROWS, 8)).cumsum(axis=1), columns=[f"load_{i}" for i in range(8)]
    )
    lines = rng.normal(size=(ROWS, 20, 2)).astype(np.float32)
    lines[3, 15:] = np.nan  # a training row
    strange = pd.DataFrame({"height": ["tall", 1e300], "town": ["Oz", 3], "met": ["never", ""]})
    words = ["a", "plot", "of", "very", "good", "actors", "played", "badly"]
    return {
        "table": EncoderCase(fit=of_columns("table"), rows=cells(rng), unseen=strange),
        "series of columns": EncoderCase(
            fit=of_columns("series"), rows=numbered, unseen=numbered.iloc[:2] * 1e6
        ),
        "series": EncoderCase(
            fit=of_arrays(SeriesEncoder), rows=lines, unseen=rng.normal(size=(3, 33, 2)) * 1e6
        ),
        "images": EncoderCase(
            fit=of_arrays(ImageEncoder), rows=rng.integers(0, 9, (ROWS, 8, 9, 3), np.uint8),
            unseen=np.full((2, 8, 9, 3), 255, np.uint8),
        ),
        "bright images": EncoderCase(
            fit=of_arrays(ImageEncoder), rows=rng.random((ROWS, 8, 9), np.float32),
        ),
        "frames": EncoderCase(
            fit=of_arrays(FramesEncoder), rows=unequal(rng.random((ROWS, 5, 1, 8, 9))),
            unseen=unequal(rng.random((3, 9, 1, 8, 9))),
        ),
        "frames files": EncoderCase(
            fit=lambda rows, train: FramesEncoder.fit(rows["frames"], train, "frames"),
            rows=scans(folder / "scans", ROWS, 4), unseen=scans(folder / "longer", 2, 9),
        ),
        "image files": EncoderCase(
            fit=of_columns("image"), rows=pictures(folder, [(9, 8 + i % 3) for i in range(ROWS)]),
            unseen=pictures(folder, [(3, 40), (40, 3)]),
        ),
        "audio files": EncoderCase(
            fit=of_columns("audio"), rows=sounds(folder, [300 + i for i in range(ROWS)], 2000),
            unseen=sounds(folder, [5000, 10], 4000),
        ),
        "series in cells": EncoderCase(
            fit=of_columns("series"),
            rows=in_cells([rng.normal(size=9 + i % 5) for i in range(ROWS)]),
            unseen=in_cells([rng.normal(size=99), np.full(3, 1e6)]),
        ),
        "images in cells": EncoderCase(
            fit=of_columns("image"), rows=in_cells(rng.integers(0, 9, (ROWS, 8, 9), np.uint8)),
            unseen=in_cells(np.full((2, 8, 9), 255, np.uint8)),
        ),
        "image bytes": EncoderCase(
            fit=of_columns("image"), rows=pictures(folder, [(9, 8 + i % 2) for i in range(ROWS)])
            .map(lambda path: Path(path).read_bytes()),
        ),
        "text": EncoderCase(
            fit=of_columns("text"), rows=sentences(rng, words, ROWS),
            unseen=pd.DataFrame({"review": ["\u4e16\u754c \u00fc", "word " * 900, ""]}),
        ),
        "ids": EncoderCase(
            fit=lambda rows, train: IdsEncoder.fit((rows.stop - rows.start)[train], 9),
            rows=histories([i % 7 for i in range(ROWS)]), unseen=histories([90, 0, 1]),
        ),
    }  # fmt: skip


def unequal(x: np.ndarray) -> np.ndarray:
    """Rows of frames that end one picture after another."""
    x = x.astype(np.float32)
    for row in range(len(x)):
        x[row, x.shape[1] - row % 3 :] = np.nan
    return x


def scans(folder: Path, rows: int, steps: int) -> pd.DataFrame:
    """A column of folders with pictures of three sizes."""
    rng = np.random.default_rng(0)
    for row in range(rows):
        (folder / str(row)).mkdir(parents=True)
        for step in range(steps):
            pixels = rng.integers(0, 255, (9, 8 + row % 3), np.uint8)
            Image.fromarray(pixels).save(folder / str(row) / f"{step}.png")
    return pd.DataFrame({"frames": [str(folder / str(row)) for row in range(rows)]})


CASES = ("table", "series of columns", "series", "images", "bright images", "image files",
         "audio files", "series in cells", "images in cells", "frames",
         "frames files", "image bytes", "text", "ids")  # fmt: skip


@pytest.fixture(scope="module")
def all_cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, EncoderCase]:
    return cases(tmp_path_factory.mktemp("files"))


def test_every_encoder_is_held_to_the_contract(all_cases: dict[str, EncoderCase]) -> None:
    assert set(all_cases) == set(CASES)
    assert {case.encoder.kind for case in all_cases.values()} == set(ENCODERS)


@pytest.mark.parametrize("check", ENCODER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CASES)
def test_every_encoder_keeps_the_contract(
    check: Callable[[EncoderCase], None], name: str, all_cases: dict[str, EncoderCase]
) -> None:
    check(all_cases[name])


class Forgetful(TableEncoder):
    """Comes back from its saved form without one of its columns."""

    def to_dict(self) -> dict[str, Any]:
        plain = super().to_dict()
        return {**plain, "columns": plain["columns"][:-1]}


class Sorting(TableEncoder):
    """Puts the rows in an order of its own."""

    def transform(self, rows: Any, place: str = "", folders: Any = "") -> Transformed:
        found = super().transform(rows, place, folders)
        return replace(found, values=found.values[np.argsort(found.values[:, 0])])


class Centring(TableEncoder):
    """Takes the mean of the rows at hand, not of those of the training."""

    def transform(self, rows: Any, place: str = "", folders: Any = "") -> Transformed:
        found = super().transform(rows, place, folders)
        return replace(found, values=found.values - np.nanmean(found.values, 0))


class Wide(TableEncoder):
    """Makes a column more than it says."""

    def transform(self, rows: Any, place: str = "", folders: Any = "") -> Transformed:
        found = super().transform(rows, place, folders)
        return replace(found, values=np.column_stack([found.values, found.values[:, 0]]))


class Endless(TableEncoder):
    """Lets large numbers through as infinite ones."""

    def transform(self, rows: Any, place: str = "", folders: Any = "") -> Transformed:
        found = super().transform(rows, place, folders)
        numbers = pd.to_numeric(rows["height"], errors="coerce").to_numpy(np.float64)
        far = (np.abs(numbers) > 1e30)[:, None]
        return replace(found, values=np.where(far, np.float32(np.inf), found.values))


class Silent(TableEncoder):
    """Leaves rows out, and says nothing."""

    def transform(self, rows: Any, place: str = "", folders: Any = "") -> Transformed:
        found = super().transform(rows, place, folders)
        keep = np.flatnonzero(~np.isnan(found.values).any(1))
        return Transformed(values=found.values[keep], keep=keep)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (Forgetful, "comes back as"),
        (Sorting, "rows differ in another order"),
        (Centring, "a code is none of|rows differ in another order"),
        (Wide, "rows have shape"),
        (Endless, "a value is infinite"),
        (Silent, "no warning says so"),
    ],
)
def test_the_contract_finds_an_encoder_that_breaks_it(
    broken: type[TableEncoder], message: str, all_cases: dict[str, EncoderCase]
) -> None:
    case = all_cases["table"]

    def fit(rows: pd.DataFrame, train: np.ndarray) -> Encoder:
        right = case.fit(rows, train)
        assert isinstance(right, TableEncoder)
        return broken(name=right.name, cells=right.cells)

    with pytest.raises(AssertionError, match=message) as caught:
        check_encoder(fit, case.rows, case.unseen)
    assert caught.value.__notes__[0].startswith("check_")


def test_what_is_learnt_from_held_out_rows_is_found(all_cases: dict[str, EncoderCase]) -> None:
    case = all_cases["table"]

    def fit(rows: pd.DataFrame, train: np.ndarray) -> Encoder:
        return case.fit(rows, np.arange(len(rows)))

    rows = case.rows.assign(town=["Bern", "Genf", "Chur"] * (ROWS // 3))  # one is in none of train
    with pytest.raises(AssertionError, match="learns from rows that are not training's"):
        check_encoder(fit, rows)
