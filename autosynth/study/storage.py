"""A path in, an optuna study out, and all that is written on its trials and read from them.

The study is the sampler's memory; what a trial was and did stands in its record. Errors at rungs
are user attributes, since optuna refuses `report` in a study of two objectives. Each trial writes
only its own keys. Whoever prunes sets a constraint too: without one, TPE takes the oldest pruned
trials for good ones.
"""

import json
import math
import shutil
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from autosynth.atomic import unwritable
from autosynth.errors import AutosynthError, RunError
from autosynth.study.pruner import Curve

STUDY = "autosynth"
# Trials before the sampler trusts its model: drawn at random until then, as the density of good
# values is estimated from a tenth of them. TPE loses to random on spaces of architectures at few
# trials (NAS-Bench-101, 150 evaluations: 6.42 % error, random 6.34).
N_STARTUP = 16
# Complete trials: the best five are held against the others, which must not be fewer.
MIN_FOR_IMPORTANCE = 12
COST = "cost"
"""The user attribute of a trial that says what it costs."""
_STRATEGY, _RUNG, _REASON, _SPACE = "strategy", "rung:", "reason", "space"
_BY_VALUE = "by value"


def open_study(
    where: Path | str, *, seed: int, worker: int = 0, fingerprint: str = ""
) -> optuna.Study:
    """Open a study, or create it: error and log10 of cost, both to be made small.

    Args:
        where: the journal file, or the URL of a database.
        seed: of the run; a worker, and a run that goes on, draw their own numbers from it.
        worker: the number of this process, from 0.
        fingerprint: of the search space. A study keeps the one it was made with.

    Raises:
        RunError: if the study was made with another space.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    text = str(where)
    storage = text if "://" in text else _journal(text)
    study = optuna.create_study(
        storage=storage,
        study_name=STUDY,
        directions=["minimize", "minimize"],
        load_if_exists=True,
    )
    if not study.get_trials(deepcopy=False):
        study.set_user_attr(_BY_VALUE, True)
    made_with = study.user_attrs.get(_SPACE)
    if fingerprint and made_with is None:
        study.set_user_attr(_SPACE, fingerprint)
    elif fingerprint and made_with != fingerprint:
        raise RunError(
            f"{where}: this study was made with another search space ({made_with}, now "
            f"{fingerprint}); undo the change, or start a new run with another --out"
        )
    entropy = [seed, worker, len(study.get_trials(deepcopy=False))]
    study.sampler = tpe_sampler(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
    return study


def asks_by_value(study: optuna.Study) -> bool:
    """Whether numbers are asked for by what they are; in studies of before, by their position."""
    return bool(study.user_attrs.get(_BY_VALUE))


def name_metrics(study: optuna.Study, metric: str, cost: str) -> None:
    """Say what the two values of its trials are, for who opens it elsewhere."""
    names = [f"error ({metric})", f"log10 of {cost}"]
    if study.metric_names != names:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            study.set_metric_names(names)


def _journal(path: str) -> JournalStorage:
    return JournalStorage(_Journal(path))


class _RunLock(JournalFileOpenLock):
    """None of its own: the driver alone writes the journal, and holds the lock of its run.

    Optuna's is a file that is made and removed for each line: what is killed leaves it, and where
    the folder went away meanwhile, it says that a lock was not possessed.
    """

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        return


class _Journal(JournalFileBackend):
    """A journal whose disk may be full, or its folder gone: an error that says so."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        with self._told():
            super().__init__(path, lock_obj=_RunLock(path))

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        with self._told():
            yield from super().read_logs(log_number_from)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with self._told():
            super().append_logs(logs)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except AutosynthError:
            raise
        except OSError as problem:
            raise unwritable(self._path, problem) from problem


def tpe_sampler(seed: int) -> TPESampler:
    """Optuna's tree-structured Parzen estimators, of choices that depend on each other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # of `group`
        return TPESampler(
            n_startup_trials=N_STARTUP,
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
        )


def mend(journal: Path, say: Callable[[str], None] = lambda text: None) -> int:
    """Make a journal readable again after a crash, while no process has it open.

    A line that a power cut left half-written would spoil every line after it. Of one that is
    damaged before its end, what stands before the damage is kept, or nothing where that cannot be
    read: the sampler forgets some trials, whose records stay what they are.

    Args:
        journal: the file.
        say: is told where more than its last line was damaged; the whole is kept beside it.

    Returns:
        The number of bytes dropped from the end of the journal.

    Raises:
        RunError: it cannot be read, or not be written.
    """
    try:
        for lock in journal.parent.glob(f"{journal.name}.lock*"):  # of an earlier version
            lock.unlink()
        if not journal.exists():
            return 0
        content = journal.read_bytes()
        good = _sound_bytes(content)
        if content[good:].partition(b"\n")[2].strip(b"\0\n"):
            _keep(journal, f"line {content[:good].count(10) + 1} is not a line of a journal", say)
        if good < len(content):
            with journal.open("r+b") as file:
                file.truncate(good)
        if good and (problem := _replay_problem(journal)):
            _keep(journal, problem, say)
            journal.unlink()
            good = 0
    except OSError as problem:
        raise unwritable(journal, problem) from problem
    return len(content) - good


def _sound_bytes(content: bytes) -> int:
    """How many bytes stand before the first line that is none."""
    good = 0
    for line in content.splitlines(keepends=True):
        if not _is_entry(line):
            break
        good += len(line)
    return good


def _replay_problem(journal: Path) -> str:
    """What keeps a journal of whole lines from being a study, or nothing."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        found = _journal(str(journal))
        for study in found.get_all_studies():
            found.get_all_trials(study._study_id, deepcopy=False)
    except Exception as problem:  # optuna takes its lines for its own: anything may be in them
        return f"{type(problem).__name__}: {problem}"
    return ""


def _keep(journal: Path, problem: str, say: Callable[[str], None]) -> None:
    """Keep a damaged journal beside itself, over one that was kept before."""
    kept = journal.with_name(f"{journal.name}.damaged")
    shutil.copyfile(journal, kept)
    say(
        f"warning: {journal} is damaged ({problem}): the sampler forgets the trials from there "
        f"on, and the trials themselves stay; the file is kept as {kept.name}"
    )


def _is_entry(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def reap(study: optuna.Study) -> list[int]:
    """Fail the trials a killed process left running, while no process works on the study.

    They would stand in the sampler's model as bad trials for ever.

    Returns:
        The numbers of those trials.
    """
    left = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    for trial in left:
        study.tell(trial.number, state=TrialState.FAIL)
    return [trial.number for trial in left]


def start(trial: optuna.Trial, *, cost: float, strategy: str) -> None:
    """Write on a trial what is known before training: cost (above 0) and resolved strategy."""
    trial.set_user_attr(COST, cost)
    trial.set_user_attr(_STRATEGY, strategy)


def write_rung(trial: optuna.Trial, fraction: float, error: float) -> None:
    """Write the validation error after a fraction (0 to 1) of the schedule."""
    trial.set_user_attr(f"{_RUNG}{fraction:.6g}", error)


def curves(study: optuna.Study) -> dict[int, Curve]:
    """The curve of every trial that has a cost, in any state, by trial number."""
    trials = study.get_trials(deepcopy=False)
    return {
        trial.number: Curve(cost=trial.user_attrs[COST], errors=_errors(trial.user_attrs))
        for trial in trials
        if COST in trial.user_attrs
    }


def _errors(attrs: Mapping[str, object]) -> dict[float, float]:
    return {
        float(key.removeprefix(_RUNG)): float(str(value))
        for key, value in attrs.items()
        if key.startswith(_RUNG)
    }


def finish(study: optuna.Study, trial: optuna.Trial, *, error: float, cost: float) -> None:
    """End a trial that ran its whole schedule; `cost` is in its own unit, above 0."""
    study.tell(trial, values=[error, math.log10(cost)])


def prune(study: optuna.Study, trial: optuna.Trial, *, constraint: float, why: str) -> None:
    """End a trial early. The sampler orders such trials by `constraint` (above 0, best first).

    A trial whose cost is over a limit ends here too, so that the sampler learns to avoid it.
    """
    note_pruned(trial, constraint=constraint, why=why)
    study.tell(trial, state=TrialState.PRUNED)


def note_pruned(trial: optuna.Trial, *, constraint: float, why: str) -> None:
    """Write on a trial why it ends early, and how far behind it is; once."""
    if _REASON not in trial.user_attrs:
        trial.set_user_attr(_REASON, why)
        trial.set_constraint("behind", constraint)


def fail(study: optuna.Study, trial: optuna.Trial, *, why: str) -> None:
    """End a trial that broke; the sampler does not learn from it."""
    trial.set_user_attr(_REASON, why)
    study.tell(trial, state=TrialState.FAIL)


def answered(study: optuna.Study) -> list[FrozenTrial]:
    """The complete trials that were chosen by answers: what was written answered nothing."""
    found = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return [trial for trial in found if trial.params]


def importance(study: optuna.Study) -> dict[str, float]:
    """How much each choice mattered for a low error: shares of 1, the largest first.

    PED-ANOVA (Watanabe et al., arXiv:2304.10255) over complete trials; empty with fewer than 12.
    """
    complete = answered(study)
    if len(complete) < MIN_FOR_IMPORTANCE:
        return {}
    chosen = optuna.create_study(directions=study.directions)
    chosen.add_trials(complete)
    # The best tenth, but at least five trials: with fewer the density of good values is noise.
    importance = optuna.importance  # which optuna loads here, with scikit-learn's forests
    evaluator = importance.PedAnovaImportanceEvaluator(target_quantile=max(0.1, 5 / len(complete)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # "low values are taken for good": they are
        shares = importance.get_param_importances(
            chosen, evaluator=evaluator, target=lambda trial: trial.values[0]
        )
    return {name: float(share) for name, share in shares.items()}
