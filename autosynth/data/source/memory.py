"""How much memory this process may use, and how much of a source is in it at once."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

SHARE = 4
"""Data larger than this part of memory stays on disk."""

_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, kw_only=True)
class Batching:
    """How much of a source is in memory at once.

    What takes at most `most_bytes` (a quarter of memory if left out) is one batch; anything larger
    stays on disk and comes some megabytes at a time. `rows` is the size of a batch whatever it
    takes, so that small data may be read as large data is. `words` are names or patterns of the
    columns of text files in which words such as `NA` stay words; in others they are no value.
    `text` are columns of text files whose cells stay text, though all look like numbers.
    """

    most_bytes: int | None = None
    rows: int | None = None
    words: tuple[str, ...] = ()
    text: tuple[str, ...] = ()

    @property
    def limit(self) -> int:
        """Bytes that may be in memory at once."""
        return most_in_memory() if self.most_bytes is None else self.most_bytes

    def holds(self, n_bytes: int) -> bool:
        """Whether so many bytes on disk are read as one batch."""
        return self.rows is None and n_bytes <= self.limit


BY_SIZE = Batching()


def most_in_memory() -> int:
    """Bytes that a dataset may take before it is read through memory maps: a quarter of all."""
    return total_memory() // SHARE


def total_memory() -> int:
    """Bytes that this process may use: the machine's, or the limit of its group or its own."""
    return min([_physical(), *_limits()])


def _physical() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told here
        return 2**34


def _limits() -> Iterator[int]:
    if resource is not None:
        for kind in (resource.RLIMIT_DATA, resource.RLIMIT_AS):
            soft, _ = resource.getrlimit(kind)
            if soft != resource.RLIM_INFINITY:
                yield soft
    for path in _group_files():
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            yield int(text)


def _group_files() -> Iterator[Path]:
    """Where the control group of this process says its limit, in the second and the first form."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if not controllers:
            yield from (_GROUPS / name.lstrip("/") / "memory.max", _GROUPS / "memory.max")
        elif "memory" in controllers.split(","):
            for place in (_GROUPS / "memory" / name.lstrip("/"), _GROUPS / "memory"):
                yield place / "memory.limit_in_bytes"
