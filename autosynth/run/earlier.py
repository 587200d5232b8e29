"""What a run begins from: other runs, of the same data or of others.

Of every one it learns what strategies there came to, as of the data that the package knows
(`study/experience.py`). Where the data, the seed and the rows' weights are the same, its trials
are taken over with their weights and values, as if they had been trained here.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autosynth.atomic import unwritable, write_text_atomic
from autosynth.options import Options
from autosynth.record import read_all
from autosynth.run.state import RunState, read_run, read_state, write_state
from autosynth.spec import Dataset
from autosynth.study.context import EARLIER_FILE
from autosynth.study.experience import plain_experience
from autosynth.study.facts import facts_of
from autosynth.task.score import find_metric
from autosynth.training.store import STORE


def begin_from(
    folder: Path,
    dataset: Dataset,
    options: Options,
    say: Callable[[str], None],
) -> None:
    """Take over what the runs that `options` name know, into a folder that has no run.toml.

    Raises:
        RunError: one of them is no run, or the folder cannot be written.
        UnknownNameError: one ranks by a metric of another task.
    """
    learnt: list[dict[str, Any]] = []
    taken: Path | None = None
    for source in map(Path, options.from_run):
        asked = read_run(source)
        # Those of before runs said what their data are like are taken for like these.
        facts = asked.get("facts") or facts_of(dataset)
        metric = find_metric(str(asked["search"]["metric"]), dataset.target)
        found = plain_experience(facts, read_all(source), metric)
        learnt.append(found)
        said = f"from {source}: what {len(found['strategies'])} strategies came to"
        if taken is None and _is_of(asked, dataset, options):
            taken = source
            said += ", and its trials, for its data are these"
        say(said)
    if not learnt:
        return
    try:
        if taken:
            _copy(taken, folder)
        write_text_atomic(folder / EARLIER_FILE, json.dumps(learnt) + "\n")
    except OSError as problem:
        raise unwritable(folder, problem) from problem


def _is_of(asked: dict[str, Any], dataset: Dataset, options: Options) -> bool:
    """Whether a run has the same rows, dealt and counted alike, and the same metric."""
    data, search = asked["data"], asked["search"]
    same = options.data_section()
    return bool(
        data["fingerprint"] == dataset.fingerprint
        and all(data.get(name) == same.get(name) for name in ("weight", "class_weight"))
        and search.get("seed") == options.seed
        and search["metric"] == options.metric
    )


def _copy(source: Path, folder: Path) -> None:
    """The trials of a run, and what was computed for them; what tells of what data first.

    Its seconds count as those of a budget before.
    """
    for name in ("data.json", "sample.safetensors", STORE, "trials"):
        if (source / name).is_dir():
            shutil.copytree(source / name, folder / name, dirs_exist_ok=True)
        elif (source / name).exists():
            shutil.copyfile(source / name, folder / name)
    write_state(folder, RunState(earlier_seconds=read_state(source).whole_seconds))
