"""The kinds of error AutoSynth raises, and the look-up that names the nearest valid name.

Every error a user can cause is an `AutosynthError`; each kind is also the built-in kind that a
caller would expect, so `except ValueError` works without knowing this package. A message says
which rule was broken, by what value, where, and what to do.
"""

import errno
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from heapq import nlargest
from pathlib import Path
from typing import TypeVar

from autosynth.number import shorten, shorten_middle

T = TypeVar("T")

# A message is read by a person: a line is shown so far, both its ends. The longest that is written
# here, of all options that are wrong together, has 1,500 signs.
_MOST_SIGNS = 2_000
# Of a name that nobody knows, and of the place that it stands in.
_MOST_OF_NAME, _MOST_OF_PLACE = 80, 160
# Valid names that are listed: there are 36 options of a search. A table can have 10,000 columns.
_MOST_NAMES = 40

FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))
"""The errors of a disk, or of a user's share of it, that is full."""
# What a machine lacks, by what Python, PyTorch and the loader of libraries say where it does.
_LACKS = {
    "memory": (
        # The last are CPython's, where there was no room for an error either.
        r"out of memory|(can't|cannot|unable to|failed to) (allocate|map segment)|std::bad_alloc"
        r"|without (setting an exception|exception set)",
        "the memory does not suffice for this; end other programs, give the process more, or have "
        "it do less at a time: fewer --workers, fewer rows",
    ),
    "files": (
        r"too many open files",
        "this process may not open as many files as it needs; raise the limit, as by `ulimit -n "
        "1024`, or take fewer --workers",
    ),
    "threads": (
        r"can't start new thread|resource temporarily unavailable",
        "this user may not start as many processes and threads as it needs; raise the limit, as "
        "by `ulimit -u`, or take fewer --workers",
    ),
    "disk": (
        r"no space left on device|disk quota exceeded|file too large",
        "a disk is full; free some space on it, also where temporary files are kept (TMPDIR), and "
        "type the same command again",
    ),
    "writing": (
        r"read-only file system",
        "a disk cannot be written; name a folder that can with --out, and one for temporary files "
        "as TMPDIR, or make the disk writable and type the same command again",
    ),
}
_ERRNOS = {
    errno.ENOMEM: "memory",
    errno.EMFILE: "files",
    errno.ENFILE: "files",
    errno.EAGAIN: "threads",
    **dict.fromkeys(FULL, "disk"),
    errno.EROFS: "writing",
}


class AutosynthError(Exception):
    """Anything a user can cause and can mend. The command line ends with exit code 2."""

    def __str__(self) -> str:
        # LookupError and OSError print their arguments in forms of their own.
        lines = str(self.args[0]).split("\n") if self.args else []
        return "\n".join(shorten_middle(line, _MOST_SIGNS) for line in lines)


class StrategyError(AutosynthError, ValueError):
    """A strategy that cannot be read, or that does not fit the families or the data."""


class DataError(AutosynthError, ValueError):
    """Data that cannot be read or understood."""


class DataNotFoundError(DataError, FileNotFoundError):
    """A path, or the name of a built-in set, that does not exist."""


class UnknownNameError(AutosynthError, LookupError):
    """A name that is in no registry: component, fusion, metric, option, device, space, ..."""


class ConfigError(AutosynthError, ValueError):
    """Options of a search, or keys of a space file, outside what they may be."""


class ArgumentError(ConfigError, TypeError):
    """A keyword that a function does not take."""


class RunError(AutosynthError, RuntimeError):
    """A run folder that cannot be written, read, or does not belong to this request."""


class RunningError(RunError):
    """A run that another process works on; it says which."""


class NewerRunError(RunError):
    """A run that was made by a newer version of AutoSynth than this."""


class BundleError(AutosynthError, RuntimeError):
    """A bundle that is incomplete, or whose exported form disagrees with the live model."""


class TrialError(AutosynthError, RuntimeError):
    """Fails one trial with its reason, and lets the search go on."""


def fault(problem: BaseException) -> str:
    """What to say of an error that no rule of ours foresees: what it is, and where it came up."""
    at = traceback.extract_tb(problem.__traceback__)[-1:]
    where = "".join(f", {Path(frame.filename).name} line {frame.lineno}" for frame in at)
    return f"a fault of AutoSynth ({type(problem).__name__}: {problem}{where}); please report it"


def lacking(problem: BaseException) -> str:
    """What the machine has too little of, where that is why something failed, and what to do.

    Any line of any library can fail for it: it is looked for where errors end, and is no bug.

    Args:
        problem: what was raised; what it was raised for is looked at, too.

    Returns:
        A sentence with what was said; empty where it is another kind of error, or one of ours.
    """
    cause = None if isinstance(problem, AutosynthError) else problem
    while cause is not None:
        name = "memory" if isinstance(cause, MemoryError) else ""
        if isinstance(cause, OSError) and cause.errno:
            name = _ERRNOS.get(cause.errno, "")
        elif isinstance(cause, OSError | RuntimeError | ImportError | SystemError):
            said = str(cause).lower()
            name = next((name for name, (sign, _) in _LACKS.items() if re.search(sign, said)), "")
        if name:
            said = shorten(" ".join(f"{type(cause).__name__}: {cause}".split()), _MOST_OF_PLACE)
            return f"{_LACKS[name][1]} ({said.removesuffix(': ')})"
        cause = cause.__cause__ or cause.__context__
    return ""


def unknown(what: str, name: str, valid: Iterable[str], place: str = "") -> UnknownNameError:
    """An error for `name`, with the valid names and the nearest of them."""
    names = list(valid)
    at = f" {shorten_middle(place, _MOST_OF_PLACE)}" if place else ""
    listed = ", ".join(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        listed += f" and {len(names) - _MOST_NAMES:,} more"
    shown = shorten(name, _MOST_OF_NAME)
    return UnknownNameError(
        f"unknown {what} {shown!r}{at}; valid: {listed}.{did_you_mean(name, names)}"
    )


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The name nearest to one, as a question after a sentence; empty where none is near."""
    return question(nearest(name, names))


def nearest(name: str, names: Iterable[str], *, most: int = 1, cutoff: float = 0.5) -> list[str]:
    """The names nearest to one, in the order of its words or another: `auc_roc` is `roc_auc`.

    Args:
        name: what was written.
        names: what there is.
        most: names that are told.
        cutoff: how near one has to be, from 0 to 1.
    """
    forms = [SequenceMatcher(b=form) for form in _forms(name[:_MOST_OF_NAME])]
    scored = [
        (max(_likeness(a, b, cutoff) for a, b in zip(forms, _forms(each), strict=True)), each)
        for each in names
    ]
    return [each for score, each in nlargest(most, scored) if score >= cutoff]


def _forms(name: str) -> tuple[str, str]:
    """As it is written, and its words in order."""
    return name, "_".join(sorted(re.findall(r"[^\W_]+", name.lower())))


def _likeness(matcher: "SequenceMatcher[str]", other: str, cutoff: float) -> float:
    """From 0 to 1; 0 where a quick look says that it is under `cutoff`."""
    matcher.set_seq1(other)
    able = min(matcher.real_quick_ratio(), matcher.quick_ratio())
    return matcher.ratio() if able >= cutoff else 0.0


def question(names: Sequence[str]) -> str:
    """Whether one of these names was meant; empty where there is none."""
    return f" Did you mean {' or '.join(map(repr, names))}?" if names else ""


def lookup(registry: Mapping[str, T], name: str, what: str, place: str = "") -> T:
    """`registry[name]`, or `UnknownNameError` with the valid names."""
    if name not in registry:
        raise unknown(what, name, registry, place)
    return registry[name]


def together(problems: Sequence[AutosynthError]) -> AutosynthError:
    """One error of all problems: the only one itself, or a `ConfigError` that tells each."""
    if len(problems) == 1:
        return problems[0]
    return ConfigError("; ".join(map(str, problems)))
