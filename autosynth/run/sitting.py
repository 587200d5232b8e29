"""How long a run has gone, kept as it goes: who is killed has no budget begun anew.

The seconds of this sitting are added to those of earlier ones, and saved by a thread of their own:
reading, measuring, a training of hours and the last training count as they pass.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from time import monotonic

from autosynth.budget import POLICY
from autosynth.errors import AutosynthError
from autosynth.run.state import RunState, write_state


class Sitting:
    """One sitting of a run, which began at a moment of `time.monotonic()`."""

    def __init__(self, folder: Path, state: RunState, began: float) -> None:
        """`state` is that which earlier sittings left."""
        self.folder, self.began, self._state = folder, began, state

    @property
    def before(self) -> float:
        """The seconds of the same budget that went in earlier sittings."""
        return self._state.elapsed_seconds

    def save(self, *, finished: bool = False) -> None:
        """Keep how long the run has gone.

        Raises:
            RunError: the folder is gone, or cannot be written.
        """
        elapsed = self.before + monotonic() - self.began
        state = replace(self._state, elapsed_seconds=elapsed, finished=finished)
        write_state(self.folder, state)

    @contextmanager
    def saving(self, every: float = POLICY.save_seconds) -> Iterator[None]:
        """Save now, and every so many seconds until the block ends.

        Raises:
            RunError: the first time it cannot. Later the thread tries again each time: a disk may
                have room again, and where it has none whoever writes next to the folder is told.
        """
        self.save()
        ended = Event()
        thread = Thread(target=self._save_until, args=(ended, every), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _save_until(self, ended: Event, every: float) -> None:
        while not ended.wait(every):
            with suppress(AutosynthError):
                self.save()
