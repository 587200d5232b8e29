"""A run's folder in, when its trials took place out: from the study's journal and the files.

A record says how long a trial trained, and not when; the last file that a trial writes does.
"""

from collections.abc import Sequence
from pathlib import Path

from autosynth.record import Record, trial_dir, weights_path
from autosynth.study import storage


def trained(records: Sequence[Record]) -> list[Record]:
    """The trials that trained, to their end or not."""
    return [r for r in records if r.kind == "strategy" and r.train_seconds is not None]


def span(folder: Path, records: Sequence[Record]) -> float:
    """Seconds from the start of the first trial to the end of the last one that trained.

    Raises:
        RuntimeError: none did.
    """
    done = trained(records)
    if not done:
        raise RuntimeError("no strategy was trained in this time: give more, with --budget")
    study = storage.open_study(folder / "study.journal", seed=0)
    starts = [t.datetime_start for t in study.get_trials(deepcopy=False) if t.datetime_start]
    first = min(starts).timestamp()
    return max(_end(folder, record) for record in done) - first


def _end(folder: Path, record: Record) -> float:
    # The records of finalists are written again at the end of a run, their weights are not.
    weights = weights_path(folder, record.trial)
    path = weights if weights.exists() else trial_dir(folder, record.trial) / "record.json"
    return path.stat().st_mtime
