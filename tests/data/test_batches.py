"""One path for data of any size: a source read as one batch is what it is read in many."""

import gc
import pickle
import wave
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

from autosynth.data import Dataset, encode_parts, read_dataset
from autosynth.data.encoder.apply import merge_warnings
from autosynth.data.source.mappedarray import MappedArray
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import DataError
from autosynth.options import DataConfig
from autosynth.testing import check_source

SEVENS = Batching(rows=7)
SMALL = Batching(most_bytes=1_000, rows=30)
Source = tuple[Any, dict[str, Any]]
"""What is read, and what is asked of it."""


def table(n: int = 160) -> pd.DataFrame:
    """Columns of every kind; some are of one kind in their first rows and of another later."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "height": rng.normal(size=n),
            "count": rng.integers(0, 100, n),
            "half": [*range(n - 2), 0.5, 1.5],
            "town": np.array(["Bern", "Basel", "Chur", "Zürich"])[rng.integers(0, 4, n)],
            "flag": rng.random(n) < 0.5,
            "when": (np.datetime64("2020-01-01") + rng.integers(0, 999, n)).astype(str),
            "late": [None] * (n // 2) + [1.5, 2.5] * (n // 4),
            "word": [str(i % 7) for i in range(n - 3)] + ["none of", "these", "these"],
            "goal": np.array(["no", "yes"])[rng.integers(0, 2, n)],
        }
    )
    frame.loc[::50, "height"] = np.nan
    frame.loc[::70, "town"] = None
    frame.loc[40:50, "goal"] = None
    return frame


def write(frame: pd.DataFrame, path: Path) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=70)
    elif ".jsonl" in path.name:
        frame.to_json(path, orient="records", lines=True)
    elif path.suffix in (".arrow", ".feather"):
        stored = pa.Table.from_pandas(frame)
        kind = pa.ipc.new_file if path.suffix == ".feather" else pa.ipc.new_stream
        with kind(str(path), stored.schema) as file:
            file.write_table(stored, max_chunksize=90)
    else:
        frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


def a_table(name: str) -> Callable[[Path], Source]:
    return lambda folder: (write(table(), folder / name), {"target": "goal"})


def texts(folder: Path) -> Source:
    note = [f"it was, all in all, number {i * i % 50} of them" for i in range(46)]
    return write(table(48).iloc[:46].assign(note=note), folder / "t.csv"), {"target": "goal"}


def blanks(folder: Path) -> Source:
    """Several blanks between cells, which Arrow does not read."""
    frame = table()[["height", "count", "half", "flag", "word"]].dropna().iloc[-200:]
    frame["word"] = frame["word"].str.replace(" ", "")
    lines = ["a   b  c d word goal", *(f"{'   '.join(map(str, row))} {row[1] % 3}" for row in
             frame.itertuples(index=False))]  # fmt: skip
    (folder / "t.txt").write_text("\n".join(lines))
    return folder / "t.txt", {"target": "goal"}


def parts(folder: Path) -> Source:
    write(table(), folder / "train.csv")
    write(table(120), folder / "dev.csv")
    write(table(80), folder / "test.csv")
    return folder, {"target": "goal"}


def beside(folder: Path) -> Source:
    other = write(table(80), folder / "other.parquet")
    return write(table(), folder / "t.csv"), {"target": "goal", "test": other}


def labels(folder: Path) -> Source:
    words = [f"it is {'very ' * (i % 3)}good that number {i % 35}" for i in range(45)]
    lines = [f"{'ab'[i % 2]} {text}" for i, text in enumerate(words)]
    (folder / "t.txt").write_text("\n".join(lines))
    return folder / "t.txt", {}


def arrays(kind: str, form: str = "npz") -> Callable[[Path], Source]:
    def made(folder: Path) -> Source:
        rng = np.random.default_rng(0)
        x: Any = rng.normal(size=(300, 12))
        if kind == "image":
            x = rng.integers(0, 255, (300, 9, 10, 3), dtype=np.uint8)
        elif kind == "floats":
            x = rng.random((300, 9, 10, 3))
            x[[3, 11, 80, 81, 82, 200], 0] = np.nan
        elif kind == "series":
            x = rng.normal(size=(300, 40, 3)).astype(np.float32)
            x[[7, 200]], x[9, 30:], x[250, 3] = np.nan, np.nan, np.inf
        y = rng.integers(0, 2, 300).astype(float)
        y[[5, 20]] = np.nan
        if form == "arrays":
            return (x, y), {}
        found = {"x": x, "y": y}
        if form == "parts":
            cut = slice(None, 200), slice(200, None)
            found = {"x_train": x[cut[0]], "y_train": y[cut[0]]}
            found |= {"x_test": x[cut[1]], "y_test": y[cut[1]]}
        np.savez(folder / "t.npz", **found)
        return folder / "t.npz", {}

    return made


def whole_numbers(folder: Path) -> Source:
    """The first thousand images could be bytes."""
    x = np.arange(1_100 * 64).reshape(1_100, 8, 8) % 251
    x[1_050:] += 1_000
    return (x, np.arange(1_100) % 2), {}


def pictures(folder: Path) -> Source:
    for number in range(60):
        path = folder / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), 4 * number, np.uint8)).save(path)
    (folder / "a" / "broken.png").write_bytes(b"no picture")
    return folder, {}


def named_pictures(folder: Path) -> Source:
    """A column of pictures, of which some are gone and one is broken."""
    for number in range(3):
        Image.fromarray(np.full((8, 8), 80 * number, np.uint8)).save(folder / f"{number}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    photo = [f"{i % 3}.png" for i in range(60)]
    photo[5::10] = [f"gone{i}.png" for i in range(6)]
    photo[17] = "broken.png"
    frame = pd.DataFrame({"photo": photo, "size": range(60), "goal": ["a", "b"] * 30})
    frame.loc[33, "photo"] = None
    return write(frame, folder / "t.csv"), {"target": "goal"}


def sounds(folder: Path) -> Source:
    """One is silent, one is cut, and one is no sound."""
    rng = np.random.default_rng(0)
    for number in range(40):
        path = folder / "ab"[number % 2] / f"{number:02}.wav"
        path.parent.mkdir(exist_ok=True)
        samples = rng.integers(-9_000, 9_000, 400, np.int16) * (number != 21)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8_000, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
    (folder / "a" / "99.wav").write_bytes(b"no sound")
    return folder, {}


def ucr(folder: Path) -> Source:
    rng = np.random.default_rng(0)
    for part, n in (("TRAIN", 40), ("TEST", 20)):
        lines = ["\t".join([str(i % 2), *map("{:.3f}".format, rng.normal(size=30))])
                 for i in range(n)]  # fmt: skip
        (folder / f"Wave_{part}.tsv").write_text("\n".join(lines) + "\n")
    return folder, {}


def ts(folder: Path) -> Source:
    """Series of unequal length."""
    head = ["@problemName Wave", "@univariate true", "@equalLength false"]
    for part, n in (("TRAIN", 40), ("TEST", 20)):
        lines = [
            ",".join(f"{np.sin(i + step / 4):.4f}" for step in range(20 + i % 5))
            + f":{'ab'[i % 2]}"
            for i in range(n)
        ]
        text = "\n".join([*head, "@classLabel true a b", "@data", *lines, ""])
        (folder / f"Wave_{part}.ts").write_text(text)
    return folder / "Wave_TRAIN.ts", {}


def idx(folder: Path) -> Source:
    for part, n in (("train", 60), ("t10k", 20)):
        x = np.arange(n * 30).astype(np.uint8)
        head = bytes([0, 0, 8, 3]) + np.array([n, 6, 5], ">u4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + x.tobytes())
        head = bytes([0, 0, 8, 1]) + np.array([n], ">u4").tobytes()
        labels = bytes(i % 3 for i in range(n))
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels)
    return folder, {}


def hours(folder: Path) -> Source:
    step = np.arange(600)
    frame = pd.DataFrame(
        {
            "when": pd.date_range("2024-01-01", periods=600, freq="h").astype(str),
            "heat": np.sin(step / 24 * 2 * np.pi) + step % 7 / 9,
            "wind": step % 11 / 3,
        }
    )
    return write(frame, folder / "t.csv"), {
        "target": "heat", "task": "forecasting", "horizon": 3,
    }  # fmt: skip


def hours_of_several(folder: Path) -> Source:
    source, asked = hours(folder)
    frame = pd.read_csv(source)
    other = frame[:400].assign(heat=lambda f: 900 * f["heat"])
    both = pd.concat([frame.assign(room="hall"), other.assign(room="attic")])
    return write(both.sample(frac=1, random_state=0), folder / "several.csv"), asked


def bought(folder: Path) -> Source:
    n = np.arange(900)
    frame = pd.DataFrame({"who": n % 60, "what": n // 60 * 7 % 31 + n % 3, "paid": n % 13 / 2})
    about = pd.DataFrame({"what": range(40), "price": [i * i % 17 for i in range(40)]})
    features = write(about, folder / "about.parquet")
    return write(frame, folder / "t.csv"), {"user": "who", "target": "what", "features": features}


FORMS: Mapping[str, Callable[[Path], Source]] = {
    **{name: a_table(name) for name in ("t.csv", "t.csv.gz", "t.tsv", "t.parquet", "t.arrow",
                                        "t.feather", "t.jsonl", "t.jsonl.gz")},
    "texts": texts,
    "blanks": blanks,
    "folder of tables": parts,
    "table and another": beside,
    "label lines": labels,
    "frame": lambda folder: (table(), {"target": "goal", "time": "when"}),
    "npz table": arrays("table"),
    "npz images": arrays("image"),
    "npz series": arrays("series"),
    "npz parts": arrays("image", "parts"),
    "table arrays": arrays("table", "arrays"),
    "image arrays": arrays("image", "arrays"),
    "images with gaps": arrays("floats", "arrays"),
    "images of whole numbers": whole_numbers,
    "series arrays": arrays("series", "arrays"),
    "image folder": pictures,
    "column of pictures": named_pictures,
    "audio folder": sounds,
    "ucr": ucr,
    "ts": ts,
    "idx": idx,
    "built-in": lambda folder: ("iris", {}),
    "forecast": hours,
    "forecast of several": hours_of_several,
    "interactions": bought,
}  # fmt: skip


def read(source: Any, batching: Batching = BY_SIZE, **asked: Any) -> Dataset:
    return read_dataset(source, DataConfig.from_arguments({**asked, "seed": 0}), batching)


def assert_same_arrays(here: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    assert list(here) == list(there)
    for name, values in there.items():
        assert here[name].dtype == values.dtype
        np.testing.assert_array_equal(here[name], values)


# Read by the same lines as others.
TWINS = ("t.csv.gz", "t.jsonl.gz", "t.tsv", "t.feather")


@pytest.mark.parametrize(
    "form",
    [pytest.param(each, marks=[pytest.mark.slow] * (each in TWINS)) for each in FORMS],
)
def test_one_batch_or_many_make_one_dataset(tmp_path: Path, form: str) -> None:
    """And the same rows to predict and to score on."""
    source, asked = FORMS[form](tmp_path)
    check_source(source, **asked)


@pytest.mark.parametrize("form", ["t.csv", "npz images", "image folder", "ucr"])
def test_rows_to_predict_come_in_parts(tmp_path: Path, form: str) -> None:
    source, asked = FORMS[form](tmp_path)
    assert len(list(encode_parts(source, read(source, **asked).encoders, SEVENS))) > 2


class Restless:
    """Values that are others at every look."""

    def __init__(self) -> None:
        self.calls = 0

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self.calls += 1
        return np.random.default_rng(self.calls).normal(size=(60, 3))


def test_a_source_that_breaks_the_contract_is_told_how() -> None:
    y = np.arange(60) % 2
    with pytest.raises(AssertionError, match="table|fingerprint"):
        check_source((Restless(), y))


@pytest.mark.parametrize(
    "form", ["t.csv", "t.csv.gz", "t.parquet", "t.jsonl", "blanks", "label lines", "npz table",
             "npz images", "npz series", "npz parts", "table and another", "folder of tables"]
)  # fmt: skip
def test_what_is_larger_than_memory_stays_on_disk(tmp_path: Path, form: str) -> None:
    """Only what is said of all rows is then said of some: the fingerprint, and a few ranges."""
    source, asked = FORMS[form](tmp_path)
    there, here = read(source, **asked), read(source, SMALL, **asked)
    assert_same_arrays(here.x, there.x)
    assert all(isinstance(values, MappedArray) for values in here.x.values())
    assert here.encoders == there.encoders
    assert sorted(here.warnings) == sorted(there.warnings)
    sampled = ("fingerprint", "text,", "(channels", "lengths ")
    told = [
        [line for line in data.summary if not any(word in line for word in sampled)]
        for data in (here, there)
    ]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "a,goal\n" + "1,x\n" * 9000 + "1\n", r"t\.csv:9002: 1 cells, where the header"),
        ("t.csv", "a,a,goal\n" + "1,2,x\n" * 9000, "column names stand twice: a"),
        ("t.jsonl", '{"a": 1, "goal": 2}\n' * 900 + "{", r"t\.jsonl:901: no JSON"),
        ("t.parquet", "PAR1" * 900, r"t\.parquet cannot be read"),
        ("t.csv", "a,goals\n" + "1,x\n" * 9000, "Did you mean 'goals'"),
    ],
)
def test_large_files_that_are_wrong(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message):
        read(tmp_path / name, SMALL, target="goal")


def test_files_are_there_as_long_as_the_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    frame = table()[["height", "half", "goal"]]
    here = read(write(frame, tmp_path / "t.csv"), SMALL, target="goal", keep="half")
    x = here.x["table"]
    assert isinstance(x, MappedArray)
    size = Path(str(x.filename)).stat().st_size
    sent = pickle.dumps(here, protocol=5)
    assert len(sent) < size + 100_000  # labels and splits: the rows are named, not copied
    again = pickle.loads(sent)
    np.testing.assert_array_equal(again.x["table"], x)
    del here, x, again
    gc.collect()
    assert list(tmp_path.glob("autosynth-*")) == []


def test_a_part_without_a_picture_that_can_be_read_is_told(tmp_path: Path) -> None:
    """Pictures are named relative to the table, whichever way it is read."""
    for number in range(3):
        pixels = np.full((8, 8), 80 * number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    photo = [f"{i % 3}.png" for i in range(20)] + ["gone.png"] * 10
    frame = pd.DataFrame({"photo": photo, "goal": ["a", "b"] * 15})
    there = read(write(frame, tmp_path / "t.csv"), target="goal")
    *found, last = encode_parts(tmp_path / "t.csv", there.encoders, Batching(rows=10))
    assert [len(part.index) for part in found] == [10, 10]
    assert not len(last.index)
    assert last.warnings[0].startswith("rows 20 to 29: 10 pictures of 'photo' do not exist")


def test_what_batches_say_is_said_once_of_all() -> None:
    """Counts add up, rows are numbered through, and no more than five are listed."""
    first = ("2 series without any value left out: rows 3, 6", "series of 9 steps are cut to 8")
    second = ("1 series without any value left out: rows 0", "series of 9 steps are cut to 8")
    more = ("4 of 7 rows left out, whose a cannot be read: x.wav (no file), row 1 (), row 2 (), "
            "row 3 ()", "5 of 6 sounds in a (83.3%) are cut to 3.50 s")  # fmt: skip
    again = ("3 of 7 rows left out, whose a cannot be read: row 0 (), row 1 (), row 5 ()",
             "column 'a': 2 values are no numbers; taken as missing")  # fmt: skip
    last = ("column 'a': 5 values are no numbers; taken as missing",
            "series 'b': in 1 rows the training mean stands for missing steps")  # fmt: skip
    texts = (first, second, more, again, last)
    found = merge_warnings([(range(7 * i, 7 * i + 7), each) for i, each in enumerate(texts)])
    assert found == (
        "3 series without any value left out: rows 3, 6, 7",
        "series of 9 steps are cut to 8",
        "7 of 35 rows left out, whose a cannot be read: x.wav (no file), row 15 (), row 16 (), "
        "row 17 (), row 21 (), ...",
        "5 of 34 sounds in a (14.7%) are cut to 3.50 s",
        "column 'a': 7 values are no numbers; taken as missing",
        "series 'b': in 1 rows the training mean stands for missing steps",
    )
