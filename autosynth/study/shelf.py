"""The weights that trials leave on the disk, and which of them go where they take too much.

Records in, the records whose weights were dropped out. The worst by merit go first; what may still
be chosen stays, whatever it takes.
"""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from autosynth.atomic import unwritable
from autosynth.data.source.limits import Limit
from autosynth.record import Record, merit, weights_path, write_record

# A network of a search has 10 kB to 5 MB: some hundreds of the largest, or a search of days.
KEPT_WEIGHTS = Limit(what="of weights of trials", variable="AUTOSYNTH_WEIGHTS_MB", most=2048)


class Shelf:
    """The weights of a run's trials; it asks the disk once how large each is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._sizes: dict[int, int] = {}
        self._total = 0

    def put(self, record: Record) -> None:
        """Count the weights of a trial that is complete."""
        if not record.weights_dropped:
            self._size(record.trial)

    @property
    def is_full(self) -> bool:
        """Whether what was counted is over the limit."""
        return self._total > KEPT_WEIGHTS.allowed()

    def drop(
        self,
        records: list[Record],
        spared: Callable[[list[Record]], Collection[int]],
        metric: str,
    ) -> list[Record]:
        """Remove weights until the others are within the limit; gives the records that say so.

        Args:
            records: all of the run.
            spared: gives the trials of them whose weights stay; asked where there are too many.
            metric: by whose scores the worst go first.

        Raises:
            ConfigError: the environment variable holds no number.
            RunError: the folder cannot be written.
        """
        held = [
            record
            for record in records
            if record.kind == "strategy"
            and record.state == "complete"
            and not record.weights_dropped
        ]
        over = sum(self._size(record.trial) for record in held) - KEPT_WEIGHTS.allowed()
        if over <= 0:
            return []
        found, kept = [], spared(records)
        for record in sorted(held, key=lambda r: merit(r, metric)):
            if over <= 0:
                break
            if record.trial in kept:
                continue
            over -= self._size(record.trial)
            self._total -= self._sizes.pop(record.trial)
            found.append(replace(record, weights_dropped=True))
            # First the record: what says that it has weights is to have them.
            write_record(found[-1], self.folder)
            path = weights_path(self.folder, record.trial)
            try:
                path.unlink(missing_ok=True)
            except OSError as problem:
                raise unwritable(path, problem) from problem
        return found

    def _size(self, trial: int) -> int:
        if trial not in self._sizes:
            path = weights_path(self.folder, trial)
            self._sizes[trial] = path.stat().st_size if path.is_file() else 0
            self._total += self._sizes[trial]
        return self._sizes[trial]
