"""Loads modules late without paying for Python's collector of cycles.

Some thousand modules make some hundred thousand objects that all stay, and the collector looks
through them again and again, in vain: of 3.2 s of a processor that the import of a search took,
0.6 were its (measured with CPython 3.11, torch 2.13).
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quick_imports() -> Iterator[None]:
    """A block of imports in which the collector rests, where it was at work."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
