"""What a running search tells: events in, one live line on a terminal or plain lines elsewhere.

A search calls `say`, `trial` and `status` as things happen, from one process and one thread; here
is the one place that knows how that looks. On a terminal a single line is written over and over,
cut to the width; anywhere else every finished trial is a line of its own.
"""

import os
import shutil
import sys
import time
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Any, Self, TextIO

from autosynth.errors import lookup
from autosynth.number import brief, printable, score_text, shorten

# Between two drawings of the same numbers but for the time: nobody reads ten a second.
_LEAST_SECONDS = 0.1
_CLEAR = "\x1b[K"  # to the end of the line; what stands is written over, so nothing flickers


@dataclass(frozen=True, kw_only=True)
class Status:
    """What the live line says. `best` is a score, higher is better; None: not known."""

    done: int = 0
    running: int = 0
    pruned: int = 0
    failed: int = 0
    best: float | None = None
    front: int | None = None
    seconds_left: float | None = None
    leader: str = ""


_KEYS = {field.name: field for field in fields(Status)}


class Progress:
    """Tells a person, or a log, how a search goes.

    Args:
        stream: where to; standard output if left out.
        live: one line that changes in place; left out: where `stream` is a terminal.
    """

    def __init__(self, stream: TextIO | None = None, *, live: bool | None = None) -> None:
        self._stream = sys.stdout if stream is None else stream
        able = self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._live = able if live is None else live
        self._status = Status()
        self._shown = ""
        self._drawn_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def say(self, text: str) -> None:
        """A line, or several, that stay; the live line goes on under them."""
        self._write(printable(text, "\n") + "\n")
        self._draw()

    def trial(
        self,
        *,
        number: int,
        strategy: str,
        state: str,
        score: float | None = None,
        flops: float | None = None,
        seconds: float | None = None,
        reason: str = "",
    ) -> None:
        """One trial that ended: counted in the live line, or a plain line.

        Args:
            number: of the trial.
            strategy: with its settings, as a person reads it.
            state: complete, pruned, failed, ...: a `record.State`.
            score: on `select`, higher is better; of a pruned trial the last one, or None.
            flops: a sample's, at inference.
            seconds: the training took.
            reason: why it is not complete.
        """
        now = self._status
        if state == "complete":
            now = replace(now, done=now.done + 1)
            if score is not None and (now.best is None or score > now.best):
                now = replace(now, best=score, leader=strategy)
        elif state in ("pruned", "failed"):
            now = replace(now, **{state: getattr(now, state) + 1})
        self._status = now
        if self._live:
            self._draw()
            return
        parts = (
            f"trial {number:>3}",
            f"{state.replace('_', ' '):<10}",
            f"{score_text(score):>7}",
            f"{brief(flops):>5} FLOPs",
            f"{_seconds(seconds):>7}",
            strategy,
            f"({' '.join(reason.split())})" if reason else "",
        )
        self._write(printable("  ".join(parts).rstrip()) + "\n")

    def status(self, **known: Any) -> None:
        """Any fields of `Status`; the others stay, and `trial` has counted what it was told.

        Raises:
            UnknownNameError: another name.
        """
        for name in known:
            lookup(_KEYS, name, "status")
        before, self._status = self._status, replace(self._status, **known)
        changed = replace(before, seconds_left=None) != replace(self._status, seconds_left=None)
        if changed or time.monotonic() - self._drawn_at >= _LEAST_SECONDS:
            self._draw()

    def close(self) -> None:
        """Take the live line away; what is written next starts on a line of its own."""
        if self._shown:
            self._stream.write(f"\r{_CLEAR}")
            self._stream.flush()
            self._shown = ""

    def _write(self, text: str) -> None:
        self._stream.write(f"\r{_CLEAR}{text}" if self._shown else text)
        self._stream.flush()
        self._shown = ""

    def _draw(self) -> None:
        if not self._live or self._status == Status():
            return
        # The last cell stays free: many terminals begin a new line once it is written.
        line = shorten(printable(_line(self._status)), shutil.get_terminal_size().columns - 1)
        self._drawn_at = time.monotonic()
        if line != self._shown:
            self._stream.write(f"\r{line}{_CLEAR}")
            self._stream.flush()
            self._shown = line


def _line(status: Status) -> str:
    """The status in words, the most wanted first: the end is cut off on a narrow terminal."""
    counts = [f"{status.done} done", f"{status.running} running", f"{status.pruned} pruned"]
    counts += [f"{status.failed} failed"] if status.failed else []
    parts = [", ".join(counts)]
    if status.best is not None:
        parts.append(f"best {score_text(status.best)}")
    if status.front is not None:
        parts.append(f"front {status.front}")
    if status.seconds_left is not None:
        parts.append(f"{_clock(status.seconds_left)} left")
    return " | ".join([*parts, *([status.leader] if status.leader else [])])


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.1f} s"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
