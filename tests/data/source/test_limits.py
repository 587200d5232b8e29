"""What files may hold: small ones that declare or unpack to much, and lines that do not end."""

import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from autosynth.data import encode, load_dataset, read_dataset
from autosynth.data.source.limits import COLUMNS, LIMITS, LINE, UNPACKED
from autosynth.data.source.memory import BY_SIZE, Batching
from autosynth.errors import ConfigError, DataError
from autosynth.options import DataConfig

README = Path(__file__).parents[3] / "README.md"
PIECES = Batching(most_bytes=1_000, rows=30)
CONFIG = DataConfig.from_arguments({"target": "b", "seed": 0})
both = pytest.mark.parametrize("batching", [BY_SIZE, PIECES], ids=["whole", "pieces"])


@pytest.fixture
def encoders(tmp_path: Path) -> object:
    """Of a table of a word `a` and a class `b`."""
    path = tmp_path / "good.csv"
    path.write_text("a,b\n" + "".join(f"w{i % 3},{'xy'[i % 2]}\n" for i in range(60)))
    return load_dataset(path, target="b").encoders


def refused(path: Path, batching: Batching, encoders: object, match: str) -> None:
    """To learn of it, and to predict."""
    with pytest.raises(DataError, match=match):
        read_dataset(path, CONFIG, batching)
    with pytest.raises(DataError, match=match):
        encode(path, encoders, batching)  # type: ignore[arg-type]


def test_the_readme_lists_every_limit() -> None:
    text = README.read_text(encoding="utf-8")
    for limit in LIMITS:
        (line,) = [line for line in text.splitlines() if f"| `{limit.variable}` |" in line]
        assert f"{limit.most:,}" in line
        assert not limit.ratio or f"{limit.ratio} times" in line


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.variable)
def test_a_limit_is_set_by_its_variable(limit: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(limit, type(UNPACKED))
    limit.check(limit.allowed(), "a file")
    with pytest.raises(DataError, match=rf"^a file holds .* {limit.variable}\.$"):
        limit.check(limit.allowed() + 2**20, "a file")
    monkeypatch.setenv(limit.variable, "7")
    assert limit.allowed(packed=10**9) == (7 if limit.counts else 7 * 2**20)
    for wrong in ("", "many", "-1", "\u0663", "1.5"):
        monkeypatch.setenv(limit.variable, wrong)
        with pytest.raises(ConfigError, match=f"{limit.variable} is .*a whole number of"):
            limit.allowed()


def dictionary(path: Path, cells: list[object], n: int) -> Path:
    """A column of few long values, of which the file holds each once."""
    values = pa.DictionaryArray.from_arrays(
        pa.array(np.arange(n) % len(cells), pa.int32()), pa.array(cells)
    )
    # Arrow's own schema, which says that it is a dictionary, is left out: it would stay one.
    table = pa.table({"a": values, "b": pa.array(np.array(["x", "y"])[np.arange(n) % 2])})
    with parquet.ParquetWriter(
        path, table.schema, store_schema=False, compression="zstd"
    ) as writer:
        writer.write_table(table)
    return path


@both
@pytest.mark.parametrize("size", [3_000, 400_000])
def test_a_parquet_of_few_long_texts(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batching: Batching,
    size: int,
    encoders: object,
) -> None:
    monkeypatch.setenv(UNPACKED.variable, "4")
    path = dictionary(tmp_path / "t.parquet", [f"{i}" + "y" * size for i in range(3)], 3_000)
    assert path.stat().st_size < 20_000
    refused(path, batching, encoders, "t.parquet holds .* MB or more unpacked; at most 4 MB")


@both
def test_a_parquet_of_bytes_in_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batching: Batching, encoders: object
) -> None:
    monkeypatch.setenv(UNPACKED.variable, "4")
    cells = [{"bytes": b"y" * 100_000, "path": "x"}] * 90
    table = pa.table({"a": cells, "b": ["x", "y"] * 45})
    parquet.write_table(table, tmp_path / "t.parquet", compression="zstd")
    refused(tmp_path / "t.parquet", batching, encoders, "t.parquet holds .* more unpacked")


@both
def test_what_is_no_bomb_is_read_as_before(tmp_path: Path, batching: Batching) -> None:
    path = dictionary(tmp_path / "t.parquet", ["some words " * 20, "others " * 30, "x"], 600)
    data = read_dataset(path, CONFIG, batching)
    assert len(data.y) == 600


@both
@pytest.mark.parametrize(
    "content",
    [b"a,b\nx,y\n" + b"z" * 3 * 2**20 + b",y\n", b"z" * 3 * 2**20, b"a,b\r" + b"z" * 3 * 2**20],
    ids=["cell", "no line", "mac"],
)
def test_a_line_without_an_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batching: Batching,
    content: bytes,
    encoders: object,
) -> None:
    monkeypatch.setenv(LINE.variable, "1")
    (tmp_path / "t.csv").write_bytes(content)
    refused(tmp_path / "t.csv", batching, encoders, "t.csv holds .* in one line or cell")


@both
@pytest.mark.parametrize("before", [0, 3_000])
def test_a_cell_of_lines_without_an_end(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batching: Batching,
    before: int,
    encoders: object,
) -> None:
    monkeypatch.setenv(LINE.variable, "1")
    cell = ("z" * 1023 + "\n") * 2_000
    (tmp_path / "t.csv").write_text("a,b\n" + "x,y\n" * before + f'"{cell}",y\nx,x\n')
    refused(tmp_path / "t.csv", batching, encoders, "in one line or cell; at most 1 MB")


@both
def test_a_line_of_json_without_an_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batching: Batching, encoders: object
) -> None:
    monkeypatch.setenv(LINE.variable, "1")
    long = '{"a": "' + "z" * 2 * 2**20 + '", "b": "y"}\n'
    (tmp_path / "t.jsonl").write_text('{"a": "x", "b": "y"}\n' + long)
    refused(tmp_path / "t.jsonl", batching, encoders, "t.jsonl:2 holds .* in one line or cell")


@both
@pytest.mark.parametrize("form", ["csv", "header alone", "jsonl", "parquet"])
def test_a_table_of_too_many_columns(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batching: Batching,
    form: str,
    encoders: object,
) -> None:
    monkeypatch.setenv(COLUMNS.variable, "50")
    names = ["a", "b", *(f"c{i}" for i in range(60))]
    path = tmp_path / f"t.{form if form in ('jsonl', 'parquet') else 'csv'}"
    if form == "parquet":
        parquet.write_table(pa.table({name: ["x", "y"] for name in names}), path)
    elif form == "jsonl":  # a few names a line
        path.write_text("".join(f'{{"a": 1, "b": "x", "{name}1": 2}}\n' for name in names))
    else:
        rows = "" if form == "header alone" else f"{','.join('x' * len(names))}\n" * 20
        path.write_text(",".join(names) + "\n" + rows)
    refused(path, batching, encoders, r"t\.\w+ holds \d+ columns; at most 50 are read")


@both
@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_brackets_in_brackets(
    tmp_path: Path, batching: Batching, form: str, encoders: object
) -> None:
    path = tmp_path / f"t.{form}"
    path.write_text('{"a":' * 100_000 + "1" + "}" * 100_000)
    refused(path, batching, encoders, "no JSON")


@both
def test_archives_in_archives_and_paths_that_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batching: Batching, encoders: object
) -> None:
    monkeypatch.setenv("AUTOSYNTH_CACHE", str(tmp_path / "cache"))
    content, name = b"a,b\nx,y\n", "rows.csv"
    for depth in range(5):
        with zipfile.ZipFile(tmp_path / f"{depth}.zip", "w") as archive:
            archive.writestr(name, content)
        name, content = f"{depth}.zip", (tmp_path / f"{depth}.zip").read_bytes()
    refused(tmp_path / "4.zip", batching, encoders, "is no form of data|can be read|zip")
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr("a/" * 3_000 + "rows.csv", "a,b\nx,y\n")
    refused(tmp_path / "deep.zip", batching, encoders, "deep.zip cannot be unpacked")
    outside = tmp_path / "evil.csv"
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr(f"../../../{outside.name}", "a,b\nx,y\n")
    with pytest.raises(DataError, match="class|rows|read"):
        read_dataset(tmp_path / "out.zip", CONFIG, batching)
    assert not outside.exists()
