"""How much memory this process may use, and how much of it one dataset may take."""

import os
from collections.abc import Iterator
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

SHARE = 4
"""Data larger than this part of memory stays on disk."""

_GROUPS = Path("/sys/fs/cgroup")


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
