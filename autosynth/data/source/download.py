"""Gets a file from an address, whole or not at all, and keeps it in the cache.

Only `http` and `https` are followed, wherever a server points; what is too large, breaks off,
comes too slowly or is a page instead of a file is refused and leaves nothing behind.
"""

import hashlib
import json
import os
import time
from collections.abc import Mapping
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from autosynth.data.source.cache import cache_folder
from autosynth.data.source.limits import DOWNLOADED
from autosynth.errors import DataError

_SCHEMES = ("http://", "https://")
_SECONDS = 60.0
_SLOWEST = 1024  # bytes a second after the first minute: a server that trickles is no server
_CHUNK = 1 << 20
_SUFFIXES: Mapping[str, str] = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/plain": ".txt",
    "application/json": ".json",
    "application/zip": ".zip",
    "application/gzip": ".csv.gz",
    "application/vnd.apache.parquet": ".parquet",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ".xlsx",
}
"""How a file is named whose address has no suffix, by what the server says it is."""


class RefusedError(DataError):
    """A server that answers, and does not give the file."""


def is_address(source: object) -> bool:
    """Whether this is an address of the web."""
    return isinstance(source, str) and source.lower().startswith(_SCHEMES)


def download_folder(url: str) -> Path:
    """Where the file of an address is kept."""
    return cache_folder("web", hashlib.sha256(url.encode()).hexdigest()[:16])


def cached_download(url: str) -> Path:
    """The file of an address, got where it is not kept yet."""
    folder = download_folder(url)
    kept = [path for path in folder.glob("*") if not path.name.endswith(".part")]
    if kept:
        return kept[0]
    name = Path(unquote(urlsplit(url).path)).name or "data"
    advice = "Check the address, or download the file and give its path."
    download(url, folder / name, advice=advice)
    return next(path for path in folder.glob("*") if not path.name.endswith(".part"))


def download(url: str, file: Path, *, advice: str) -> None:
    """Writes what `url` gives to `file`, whole or not at all.

    A file without a suffix gets the one of what the server says it is.

    Raises:
        RefusedError: the server answers and gives no file.
        DataError: no network, an address that is not http, a body that is too large or broken.
    """
    if not is_address(url):
        raise DataError(f"{url} is no address that data is read from; that begins with http.")
    partial = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        request = Request(url, headers={"User-Agent": "autosynth"})
        with build_opener(_OnlyHttp).open(request, timeout=_SECONDS) as answer:
            suffix = _suffix(answer, url, file)
            file.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as out:
                _copy(answer, out, url)
        partial.replace(file.with_name(file.name + suffix))
    except HTTPError as error:
        raise RefusedError(f"{url} answers {error.code}: {_said(error)}.") from error
    except (URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(f"{url} cannot be reached: {reason}. {advice}") from error
    finally:
        partial.unlink(missing_ok=True)
        if file.parent.is_dir() and not any(file.parent.iterdir()):
            file.parent.rmdir()


def _copy(answer: Any, out: IO[bytes], url: str) -> None:
    length = answer.headers.get("Content-Length")
    if length is not None and length.isdecimal():
        DOWNLOADED.check(int(length), url)
    start, got = time.monotonic(), 0
    while chunk := answer.read1(_CHUNK):
        out.write(chunk)
        got += len(chunk)
        DOWNLOADED.check(got, url)
        seconds = time.monotonic() - start
        if seconds > _SECONDS and got < _SLOWEST * seconds:
            raise DataError(f"{url} gives {got:,} bytes in {seconds:.0f} s. Try again later.")
    if length is not None and length.isdecimal() and got != int(length):
        raise DataError(f"{url} broke off at {got} of {length} bytes.")


def _suffix(answer: Any, url: str, file: Path) -> str:
    """What a file's name lacks: the suffix where a server led to, or of what it says it is."""
    kind = answer.headers.get_content_type()
    if kind == "text/html":
        raise RefusedError(
            f"{url} answers with a page, and no file. Give the address of the file itself."
        )
    if file.suffix:
        return ""
    found = "".join(Path(urlsplit(answer.url).path).suffixes[-2:]) or _SUFFIXES.get(kind, "")
    if not found:
        raise RefusedError(
            f"{url} has no suffix, and is {kind}, which is no form of data. Download it and name "
            "it by its form, as data.csv."
        )
    return found


class _OnlyHttp(HTTPRedirectHandler):
    """Follows a server to other servers of the web, and to no file, no ftp, and no open line."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        """As of every handler of redirects."""
        down = req.full_url.lower().startswith("https://") and newurl.lower().startswith("http://")
        if down or not is_address(newurl):
            raise RefusedError(
                f"{req.full_url} points to {newurl}, which is not followed: only http and https "
                "are, and never from https to http."
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _said(error: HTTPError) -> str:
    """The server's own message, in the JSON of its errors."""
    try:
        return str(json.loads(error.read(_CHUNK))["error"]["message"])
    except (ValueError, KeyError, TypeError, OSError, RecursionError):
        return str(error.reason)
