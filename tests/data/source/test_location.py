"""What a user's word for a file means: an archive, a part, an address; and what is too much."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.source.cache import CACHE_ENV
from autosynth.data.source.download import is_address
from autosynth.data.source.limits import DOWNLOADED, UNPACKED
from autosynth.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "cache"))
    return tmp_path / "cache"


def text(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, "zstd", asbytes=True))


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


@pytest.mark.parametrize("suffix", PACKERS)
@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "json"])
def test_a_packed_file_is_what_it_holds(
    tmp_path: Path, frame: pd.DataFrame, suffix: str, form: str
) -> None:
    expected = load_dataset(frame, target="smoker")
    plain = {
        "csv": text,
        "jsonl": lambda rows: "\n".join(map(json.dumps, rows.to_dict("records"))).encode(),
        "json": lambda rows: json.dumps(rows.to_dict("records")).encode(),
        "parquet": lambda rows: rows.to_parquet(),
    }[form](frame)
    path = tmp_path / f"people.{form}{suffix}"
    path.write_bytes(PACKERS[suffix](plain))
    found = load_dataset(path, target="smoker")
    assert found.name == "people"
    assert found.fingerprint == expected.fingerprint
    assert (encode(path, expected.encoders).x["table"] == expected.x["table"]).all()
    path.write_bytes(PACKERS[suffix](plain)[:-9])
    with pytest.raises(DataError, match=f"people.{form}{suffix} cannot be (read|unpacked)"):
        load_dataset(path, target="smoker")


def test_an_archive_is_the_file_or_the_folder_that_it_holds(
    tmp_path: Path, frame: pd.DataFrame
) -> None:
    expected = load_dataset(frame, target="smoker")
    one = zipped(tmp_path / "one.zip", people__csv=text(frame), **{"__MACOSX/_people__csv": b"x"})
    assert load_dataset(one, target="smoker").fingerprint == expected.fingerprint
    both = {"data/train__csv": text(frame), "data/test__csv": text(frame[:20])}
    parts = zipped(tmp_path / "two.zip", **both)
    found = load_dataset(parts, target="smoker")
    assert found.source == str(parts)
    assert len(found.splits.test) == 20
    assert len(encode(parts, found.encoders).index) == 20
    named = load_dataset(f"{parts}::data/train.csv", target="smoker")
    assert named.fingerprint == expected.fingerprint
    with pytest.raises(DataError, match=r"no file 'data/tran.csv'.*Did you mean 'data/train.csv'"):
        load_dataset(f"{parts}::data/tran.csv", target="smoker")
    other = zipped(tmp_path / "other.zip", a__csv=text(frame), b__csv=text(frame))
    with pytest.raises(DataError, match=r"holds a\.csv, b\.csv; what can be read is"):
        load_dataset(other, target="smoker")


def test_an_archive_that_has_changed_is_read_anew(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = zipped(tmp_path / "a.zip", people__csv=text(frame))
    assert len(load_dataset(path, target="smoker").y) == 60
    zipped(path, people__csv=text(frame[:40]))
    assert len(load_dataset(path, target="smoker").y) == 40


def test_no_member_of_an_archive_leaves_its_folder(tmp_path: Path, frame: pd.DataFrame) -> None:
    path = zipped(tmp_path / "a.zip", **{"../../out__csv": text(frame), "/abs__csv": text(frame)})
    assert len(load_dataset(path, target="smoker").y) == 60
    assert not list(tmp_path.parent.glob("out.csv"))
    assert not Path("/abs.csv").exists()


def test_a_table_of_a_database(tmp_path: Path, frame: pd.DataFrame) -> None:
    expected = load_dataset(frame, target="smoker")
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as connection:
        frame.to_sql("people", connection, index=False)
        assert load_dataset(path, target="smoker").fingerprint == expected.fingerprint
        pd.DataFrame({"q": [1]}).to_sql('odd "name', connection, index=False)
        connection.execute("CREATE VIEW some AS SELECT * FROM people WHERE height > 1.7")
    with pytest.raises(DataError, match=r"more than one table: odd \"name, people\. Name one"):
        load_dataset(path, target="smoker")
    named = f"{path}::people"
    assert load_dataset(named, target="smoker").fingerprint == expected.fingerprint
    assert (encode(named, expected.encoders).x["table"] == expected.x["table"]).all()
    rows = int((frame["height"] > 1.7).sum())
    assert len(encode(f"{path}::some", expected.encoders).index) == rows
    with pytest.raises(DataError, match=r"no table 'peple'.*Did you mean 'people'"):
        encode(f"{path}::peple", expected.encoders)
    (tmp_path / "b.db").write_bytes(b"SQLite format 3\0" + b"x" * 4000)
    with pytest.raises(DataError, match=r"b\.db cannot be read as an SQLite database"):
        load_dataset(tmp_path / "b.db", target="smoker")


@pytest.mark.parametrize(
    "form",
    [
        lambda rows: {"made": "today", "data": rows.to_dict("records")},
        lambda rows: rows.to_dict("list"),
        lambda rows: {"columns": list(rows), "index": [], "data": rows.to_numpy().tolist()},
    ],
)
def test_json_that_holds_one_table(tmp_path: Path, frame: pd.DataFrame, form: Any) -> None:
    (tmp_path / "a.json").write_text(json.dumps(form(frame)))
    expected = load_dataset(frame, target="smoker")
    found = load_dataset(tmp_path / "a.json", target="smoker")
    assert found.fingerprint == expected.fingerprint
    encoded = encode(tmp_path / "a.json", expected.encoders)
    assert (encoded.x["table"] == expected.x["table"]).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"a": [{"x": 1}], "b": [{"x": 1}]}', r"more than one array .*: a, b\. Name one, as a"),
        ("[1, 2]", "is no table; that is an array of objects"),
        ('{"a": 1}', "holds no array of objects"),
        ('[{"a": 1', "no JSON: .* A file that was cut off ends so"),
        ("[" * 100_000, "no JSON: .*recursion"),
        ('[{"a": ' + "1" * 5_000 + "}]", "no JSON: Exceeds the limit"),
    ],
)  # fmt: skip
def test_json_that_holds_none(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=message):
        load_dataset(tmp_path / "a.json", target="x")


def test_a_sheet_of_a_workbook(tmp_path: Path, frame: pd.DataFrame) -> None:
    pytest.importorskip("openpyxl")
    expected = load_dataset(frame, target="smoker")
    frame.loc[3, "town"] = "#N/A"
    with pd.ExcelWriter(tmp_path / "a.xlsx") as book:
        top = pd.DataFrame([["Report of 2024"], ["by us"]])
        top.to_excel(book, sheet_name="all of it", index=False, header=False)
        frame.to_excel(book, sheet_name="all of it", index=False, startrow=3)
        pd.DataFrame().to_excel(book, sheet_name="empty")
    path = tmp_path / "a.xlsx"
    found = load_dataset(path, target="smoker")
    assert len(found.y) == 60
    encoded = encode(path, expected.encoders).x["table"]
    same = [row for row in range(60) if row != 3]
    assert (encoded[same] == expected.x["table"][same]).all()
    with pytest.raises(DataError, match=r"no sheet 'none'; there are: all of it"):
        load_dataset(f"{path}::none", target="smoker")


@pytest.mark.slow
def test_without_openpyxl_the_extra_is_named(tmp_path: Path, python: Any) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK")
    ran = python(
        "import sys; sys.modules['openpyxl'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'openpyxl' else find(name, *more)\n"
        "import autosynth\n"
        "autosynth.load_dataset('a.xlsx', target='y')"
    )
    assert "pip install 'autosynth[excel]'" in ran.stderr


BOMBS = {
    "a.csv.gz": lambda: gzip.compress(b"a,goal\n" + b"1,x\n" * 500_000),
    "a.csv.xz": lambda: lzma.compress(b"a,goal\n" + b"1,x\n" * 500_000, preset=0),
    "a.zip": lambda: bomb_zip("a.csv"),
    "a.xlsx": lambda: bomb_zip("xl/worksheets/sheet1.xml"),
    "a.parquet": lambda: pd.DataFrame({"a": ["x" * 1_000] * 5_000, "goal": 1}).to_parquet(),
    "a.parquet.gz": lambda: gzip.compress(
        pd.DataFrame({"a": range(500_000), "goal": 1}).to_parquet(compression=None), 1
    ),
}


def bomb_zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"a,goal\n" + b"1,x\n" * 500_000)
    return out.getvalue()


@pytest.mark.parametrize("name", BOMBS)
def test_what_unpacks_to_too_much_is_refused(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is lowered, so that the bombs may be small."""
    if name.endswith("xlsx"):
        pytest.importorskip("openpyxl")
    monkeypatch.setenv(UNPACKED.variable, "1")
    (tmp_path / name).write_bytes(BOMBS[name]())
    words = rf"{name} holds .* MB or more unpacked; at most 1 MB .* {UNPACKED.variable}"
    with pytest.raises(DataError, match=words):
        load_dataset(tmp_path / name, target="goal")
    monkeypatch.setenv(UNPACKED.variable, "many")
    with pytest.raises(ConfigError, match="holds a whole number of megabytes"):
        load_dataset(tmp_path / name, target="goal")


@pytest.mark.slow
def test_a_bomb_of_the_default_size(tmp_path: Path) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"a,goal\n" + b"1,x\n" * 10**8))
    with pytest.raises(DataError, match="at most 256 MB are read .by default 256 MB, or 200"):
        load_dataset(tmp_path / "a.csv.gz", target="goal")
    texts = pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 10**6), ["x" * 1800])})
    pa.parquet.write_table(texts.cast(pa.schema({"a": pa.string()})), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="at most 256 MB are read"):
        load_dataset(tmp_path / "a.parquet", target="a")


class Server(ThreadingHTTPServer):
    """Answers with what `files` holds: code, headers, body."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def put(self, path: str, body: bytes, code: int = 200, **headers: str) -> str:
        self.files[path] = (code, headers, body)
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self.server.asked.append(self.path)
        code, headers, body = self.server.files.get(self.path, (404, {}, b""))
        self.send_response(code)
        for name, value in {"Content_Length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing: what the tests print is theirs."""


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_address_is_got_once(server: Server, frame: pd.DataFrame, cache: Path) -> None:
    expected = load_dataset(frame, target="smoker")
    url = server.put("/people.csv?all=1", text(frame))
    found = load_dataset(url, target="smoker")
    assert found.fingerprint == expected.fingerprint
    assert found.source == url
    assert any("the address is not asked again" in line for line in found.summary)
    assert (encode(url, expected.encoders).x["table"] == expected.x["table"]).all()
    assert server.asked == ["/people.csv?all=1"]
    again = server.put("/hop", b"", 302, Location="/people.parquet")
    server.put("/people.parquet", frame.to_parquet())
    assert load_dataset(again, target="smoker").fingerprint == expected.fingerprint
    bare = server.put("/bare", frame.to_parquet(), Content_Type="application/octet-stream")
    with pytest.raises(DataError, match="has no suffix, and is application/octet-stream"):
        load_dataset(bare, target="smoker")
    named = server.put("/export", text(frame), Content_Type="text/csv; charset=utf-8")
    assert load_dataset(named, target="smoker").fingerprint == expected.fingerprint
    zip_url = server.put("/a.zip", zipped(cache.parent / "a.zip", a__csv=text(frame)).read_bytes())
    assert load_dataset(zip_url, target="smoker").fingerprint == expected.fingerprint


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((404, {}, b""), "answers 404"),
        ((302, {"Location": "ftp://127.0.0.1/a.csv"}, b""), "points to ftp:.* not followed"),
        ((302, {"Location": "file:///etc/passwd"}, b""), "to url .file:.* is not allowed"),
        ((200, {"Content_Type": "text/html"}, b"<html>"), "answers with a page, and no file"),
        ((200, {"Content_Length": "99999"}, b"a,y\n1,2\n"), "broke off at 8 of 99999 bytes"),
        ((200, {}, b"\0\0\0"), "is no text"),
        ((200, {}, b""), "is an empty table"),
    ],
)  # fmt: skip
def test_a_bad_answer_is_refused_and_not_kept(
    server: Server, cache: Path, frame: pd.DataFrame, answer: Any, message: str
) -> None:
    code, headers, body = answer
    url = server.put("/a.csv", body, code, **headers)
    for _ in range(2):
        with pytest.raises(DataError, match=message):
            load_dataset(url, target="smoker")
    assert len(server.asked) == 2
    server.put("/a.csv", text(frame))
    assert len(load_dataset(url, target="smoker").y) == 60


@pytest.mark.parametrize("length", ["", "3000000"])
def test_a_body_that_is_too_large(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch, length: str
) -> None:
    monkeypatch.setenv(DOWNLOADED.variable, "2")
    url = server.put("/a.csv", b"a,goal\n" + b"1,x\n" * 750_000, Content_Length=length)
    with pytest.raises(DataError, match=r"MB or more to download; at most 2 MB"):
        load_dataset(url, target="goal")
    assert not list(cache.rglob("a.csv*"))


def test_what_is_an_address() -> None:
    assert is_address("https://example.org/a.csv")
    assert not is_address("ftp://example.org/a.csv")
    assert not is_address(Path("a.csv"))
    with pytest.raises(DataError, match="is neither a path that exists"):
        load_dataset("ftp://127.0.0.1/a.csv", target="y")
