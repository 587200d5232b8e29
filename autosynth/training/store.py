"""Values that are known by what made them, in a run's folder: for all workers, and later sittings.

Takes named tensors and a key that says what made them; gives them back, mapped from their file. A
file a value: what was used longest ago goes where all of them take more than the limit. Nothing
rests on a value being there: who finds none computes it again.
"""

import os
from contextlib import suppress
from dataclasses import astuple, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from autosynth.data.source.limits import Limit
from autosynth.errors import AutosynthError, BundleError
from autosynth.training.weights import load_tensors, write_packed

STORE = "store"
"""The folder of a run for what is known; it may be deleted."""

# What frozen networks give for a hundred thousand rows, or the outputs of some thousand parts.
STORED = Limit(what="of a run's known values", variable="AUTOSYNTH_STORE_MB", most=2048)
_SUFFIX = ".safetensors"


@dataclass(frozen=True, kw_only=True)
class ValueKey:
    """What made a value: where one of these is another, so is the value.

    `program` is a strategy in canonical form with its settings, or what tells a frozen network;
    `rows` are the `rows_digest` of those that it is of; `seed` and `samples`, that a training saw,
    are of what was trained; `weights` tells those that were not trained here.
    """

    program: str
    rows: str
    seed: int = 0
    samples: int = 0
    weights: str = ""

    @property
    def place(self) -> Path:
        """Its file below the store: a folder for what it is of, a name for what made it."""
        name = _digest(*map(str, astuple(self))) + _SUFFIX
        return Path(_digest(self.program, self.rows), name)


def rows_digest(*rows: NDArray[Any]) -> str:
    """What tells some rows from others, in their order: of parts, where there are several."""
    parts = [np.ascontiguousarray(each, dtype=np.int64).tobytes() for each in rows]
    return sha256(b"".join(sha256(part).digest() for part in parts)).hexdigest()


class ValueStore:
    """The values of one run. Any process may write: what two write at once is the same."""

    def __init__(self, folder: Path, most_bytes: int | None = None) -> None:
        """Take a folder, which is made when the first value comes.

        Args:
            folder: for the values.
            most_bytes: that they may take; `AUTOSYNTH_STORE_MB` or 2 GB if left out.
        """
        self.folder, self._most = folder, most_bytes

    def find(self, key: ValueKey) -> dict[str, Tensor]:
        """The named tensors of a value; none where it is not there, or damaged."""
        path = self.folder / key.place
        try:
            found = load_tensors(path) if path.is_file() else {}
            if found:
                os.utime(path)  # used now: others go first
            return found
        except BundleError:
            path.unlink(missing_ok=True)
        except OSError:  # another process has just removed it
            pass
        return {}

    def has(self, key: ValueKey) -> bool:
        """Whether a value of that program for those rows is there, whatever weights made it."""
        folder = (self.folder / key.place).parent
        return folder.is_dir() and any(True for _ in folder.glob(f"*{_SUFFIX}"))

    def put(self, key: ValueKey, content: bytes) -> None:
        """Keep a value, given as the bytes of a safetensors file, where there is room for it.

        A disk that takes no more is no fault: the value is computed again when it is asked for.

        Raises:
            ConfigError: the environment variable of the limit holds no number.
        """
        if len(content) > self._allowed():
            return
        with suppress(AutosynthError, OSError):
            path = self.folder / key.place
            for folder in (self.folder, path.parent):  # never a run's folder that went away
                folder.mkdir(exist_ok=True)
            write_packed(content, path)
            self._make_room()

    def _allowed(self) -> int:
        return STORED.allowed() if self._most is None else self._most

    def _make_room(self) -> None:
        """Remove what was used longest ago, until the others are within the limit."""
        known = []
        for path in self.folder.glob(f"*/*{_SUFFIX}"):
            with suppress(FileNotFoundError):
                about = path.stat()
                known.append((about.st_mtime_ns, about.st_size, path))
        total = sum(size for _, size, _ in known)
        for _, size, path in sorted(known):
            if total <= self._allowed():
                return
            path.unlink(missing_ok=True)
            total -= size


def _digest(*texts: str) -> str:
    return sha256("\n".join(texts).encode()).hexdigest()[:24]
