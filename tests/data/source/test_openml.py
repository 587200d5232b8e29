"""`openml:ID` against a server on this machine: parquet, ARFF, and its errors."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd
import pytest

from autosynth.data import encode, load_dataset
from autosynth.data.source import openml
from autosynth.data.source.cache import CACHE_ENV
from autosynth.errors import DataError


class Server(ThreadingHTTPServer):
    """Answers what `files` holds, and counts how often it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, tuple[int, bytes]] = {}
        self.asked: list[str] = []
        self.cut = 0
        self.url = f"http://127.0.0.1:{self.server_port}"

    def describe(self, number: int, **said: Any) -> None:
        content = {"data_set_description": {"name": "people", "id": number, **said}}
        self.put(f"/api/v1/json/data/{number}", json.dumps(content).encode())

    def put(self, path: str, content: bytes, code: int = 200) -> str:
        self.files[path] = (code, content)
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self.server.asked.append(self.path)
        code, content = self.server.files.get(self.path, (404, b""))
        self.send_response(code)
        self.send_header("Content-Length", str(len(content) + self.server.cut))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: Any) -> None:
        """Nothing: what the tests print is theirs."""


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    server = Server()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv(openml.SERVER, server.url)
    monkeypatch.setenv(CACHE_ENV, str(tmp_path / "cache"))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def people(server: Server, frame: pd.DataFrame, tmp_path: Path) -> Server:
    frame["number"] = range(len(frame))
    frame.to_parquet(tmp_path / "people.pq")
    url = server.put("/files/people.pq", (tmp_path / "people.pq").read_bytes())
    server.describe(
        61, parquet_url=url, default_target_attribute="smoker", row_id_attribute="number"
    )
    return server


def test_parquet_with_its_own_target_is_got_once(people: Server, frame: pd.DataFrame) -> None:
    data = load_dataset("openml:61")
    expected = load_dataset(frame.drop(columns="number"), target="smoker")
    assert (data.name, data.source, data.target.name) == ("people", "openml:61", "smoker")
    assert data.fingerprint == expected.fingerprint
    assert "openml:61: the server says to leave out number" in data.warnings
    assert load_dataset("openml:61", target="town").target.name == "town"
    assert (encode("openml:61", data.encoders).x["table"] == data.x["table"]).all()
    assert people.asked == ["/api/v1/json/data/61", "/files/people.pq"]


ARFF = """@RELATION people
% a comment
@ATTRIBUTE 'body height' REAL
@ATTRIBUTE town {Bern, 'La Chaux'}
@ATTRIBUTE note STRING
@DATA
"""


def test_arff(server: Server) -> None:
    pytest.importorskip("arff")
    rows = [
        f"{i / 7},{('Bern', chr(39) + 'La Chaux' + chr(39))[i % 2]},'it\\'s {i}'"
        for i in range(30)
    ]
    rows[3] = "?,Bern,?"
    url = server.put("/people.arff", (ARFF + "\n".join(rows)).encode())
    server.describe(
        7, url=url, parquet_url=f"{server.url}/never-made.pq", name="../of many/rows",
        default_target_attribute="town", ignore_attribute=["note"],
    )  # fmt: skip
    data = load_dataset("openml:7")
    assert data.name == "of-many-rows"
    assert data.target.classes == ("Bern", "La Chaux")
    assert [column["name"] for column in data.encoders["inputs"][0]["columns"]] == ["body height"]
    assert data.x["table"].shape == (30, 1)
    server.put("/people.arff", (ARFF + "1,Chur,x").encode())
    server.describe(8, url=url, default_target_attribute="town")
    with pytest.raises(DataError, match="cannot be read as ARFF: .*"):
        load_dataset("openml:8")


def test_arff_without_its_package(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.describe(7, url=f"{server.url}/people.arff")
    monkeypatch.setattr(openml, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"liac-arff reads: pip install 'autosynth\[openml\]'"):
        load_dataset("openml:7", target="town")


def test_several_targets_are_chosen_from(people: Server) -> None:
    url = f"{people.url}/files/people.pq"
    people.describe(62, parquet_url=url, default_target_attribute="smoker,town")
    with pytest.raises(DataError, match="openml:62 names 2 targets: smoker, town. Choose with"):
        load_dataset("openml:62")
    people.describe(63, parquet_url=url)
    with pytest.raises(DataError, match="openml:63 is a table and no target is named"):
        load_dataset("openml:63")


def test_what_the_server_refuses(server: Server) -> None:
    error = {"error": {"code": "111", "message": "Unknown dataset"}}
    server.put("/api/v1/json/data/5", json.dumps(error).encode(), code=412)
    with pytest.raises(DataError, match="answers 412: Unknown dataset"):
        load_dataset("openml:5")
    server.put("/api/v1/json/data/6", b"<html>")
    with pytest.raises(DataError, match="describes dataset 6 in no form that is known"):
        load_dataset("openml:6")
    with pytest.raises(DataError, match="answers 404: Not Found"):
        load_dataset("openml:404")
    server.describe(9, parquet_url="file:///etc/hosts.pq")
    with pytest.raises(DataError, match="is no address that data is read from"):
        load_dataset("openml:9", target="x")
    with pytest.raises(DataError, match="after openml: stands the number of a dataset"):
        load_dataset("openml:adult")


def test_a_file_that_breaks_off_is_not_kept(people: Server, tmp_path: Path) -> None:
    people.cut = 10
    with pytest.raises(DataError, match=r"/data/61 (cannot be reached|broke off at)"):
        load_dataset("openml:61")
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    people.cut = 0
    assert load_dataset("openml:61").name == "people"


def test_no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(openml.SERVER, "http://127.0.0.1:9")
    monkeypatch.setenv(CACHE_ENV, str(tmp_path))
    with pytest.raises(DataError, match="cannot be reached: .* openml: needs a network, or"):
        load_dataset("openml:61")
