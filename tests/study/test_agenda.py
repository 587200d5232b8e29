"""Turns of a search: a size of every family first, then whoever has had the least."""

from dataclasses import replace

import pytest

from autosynth.composite import Resolved, resolve
from autosynth.data import load_dataset
from autosynth.record import Record
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.study.agenda import Agenda, Candidate, joint_training
from autosynth.study.spacefile import load_space


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load_dataset("wine")


def candidates(wine: Dataset, *texts: str) -> list[Candidate]:
    return [(parse(text), resolve(parse(text), wine.inputs, wine.target)) for text in texts]


def single(trial: int, family: str, score: float) -> Record:
    return Record(
        trial=trial, seed=0, strategy=family, components=family, topology="single",
        state="complete", val={"accuracy": score},
    )  # fmt: skip


def everything(resolved: Resolved) -> bool:
    return True


def nothing(resolved: Resolved) -> list[Resolved]:
    return []


def names(agenda: Agenda) -> list[str]:
    found: list[str] = []
    while written := agenda.fresh({name.partition("[")[0] for name in found}, everything):
        found.append(str(written.short_form))
    return found


def test_every_family_has_its_quickest_size_first(wine: Dataset) -> None:
    texts = ("mlp[width=8]", "mlp[width=16]", "cnn[width=8]", "gru[width=8]", "cnn[width=16]")
    agenda = Agenda(singles=candidates(wine, *texts), composites=[])
    assert names(agenda) == ["mlp[width=8]", "cnn[width=8]", "gru[width=8]"]
    quickest = agenda.quickest(lambda resolved: resolved.components == "cnn")
    assert quickest is not None
    assert str(quickest.short_form) == "cnn[width=8]"
    assert agenda.quickest(lambda resolved: False) is None


APART = "rows=all train=subsets | lr=0.002"


@pytest.mark.parametrize(
    ("best", "tuned"),
    [
        (f"mean(cnn, mlp) {APART}", "mean(cnn, mlp) init=parts | lr=0.002"),
        (f"mean(cnn, linear) {APART}", None),  # what is no network moves no step further
        (f"mean(cnn, mlp | lr=0.01) {APART}", None),  # joint training has one rate
        ("mean(cnn, mlp) | lr=0.002", None),  # it was trained jointly
        (f"weighted[fit](cnn, mlp) {APART}", None),
        ("cnn | lr=0.002", None),
    ],
)
def test_a_mean_that_leads_is_trained_jointly_from_its_parts(best: str, tuned: str | None) -> None:
    space = load_space("table")
    front = [
        replace(single(0, "mlp", 0.8), canonical="mlp"),
        replace(single(1, "", 0.9), canonical=best),
    ]
    found = joint_training(front, space, "accuracy")
    assert (None if found is None else str(found)) == tuned
    assert joint_training(front, replace(space, inits=("random",)), "accuracy") is None
    assert joint_training([], space, "accuracy") is None
