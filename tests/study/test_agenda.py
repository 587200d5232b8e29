"""Turns of a search: a size of every family first, then whoever has had the least."""

from dataclasses import replace

import pytest

from autosynth.composite import Resolved, resolve
from autosynth.data import load_dataset
from autosynth.record import Record
from autosynth.spec import Dataset
from autosynth.strategy import parse
from autosynth.study.agenda import MANY, PART_ALONE, Agenda, Candidate, joint_training
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
        found.append(str(written))
    return found


def test_every_family_has_its_quickest_size_first(wine: Dataset) -> None:
    texts = ("mlp[width=8]", "mlp[width=16]", "cnn[width=8]", "gru[width=8]", "cnn[width=16]")
    agenda = Agenda(singles=candidates(wine, *texts), composites=[])
    assert names(agenda) == ["mlp[width=8]", "cnn[width=8]", "gru[width=8]"]
    assert [str(s) for s, _ in agenda.singles] == ["mlp[width=16]", "cnn[width=16]"]


def test_the_dearest_of_the_best_family_and_the_quickest_of_all_take_turns(
    wine: Dataset,
) -> None:
    texts = ("mlp[width=16]", "mlp[width=32]", "cnn[width=16]", "cnn[width=32]")
    agenda = Agenda(singles=candidates(wine, *texts), composites=[])
    records = [single(0, "mlp", 0.6), single(1, "cnn", 0.9)]
    found = [str(agenda.single(records, everything, everything, "accuracy")) for _ in range(3)]
    assert found == ["cnn[width=32]", "mlp[width=16]", "cnn[width=16]"]
    nothing = agenda.single(records, everything, lambda resolved: False, "accuracy")
    assert str(nothing) == "mlp[width=32]"


def test_who_has_had_the_least_takes_its_turn(wine: Dataset) -> None:
    agenda = Agenda(singles=[], composites=candidates(wine, "mean(mlp, cnn)"))
    assert agenda.turns(0, 2) == ["composite", "single", "longer"]
    agenda.spent |= {"single": 5.0, "composite": 9.0, "longer": 7.0}
    assert agenda.turns(3, 2) == ["single", "composite", "longer"]  # of few networks, none yet
    assert agenda.turns(9, 2) == ["single", "longer", "composite"]
    assert agenda.turns(MANY, 2)[0] == "longer"  # before yet another network is begun


def test_what_cannot_be_trained_is_left(wine: Dataset) -> None:
    agenda = Agenda(singles=[], composites=candidates(wine, "mean(mlp, cnn)", "mlp > cnn"))
    found = agenda.composite(lambda resolved: resolved.topology == "sequential", nothing)
    assert str(found[1]) == "mlp > cnn"
    assert str(agenda.composite(everything, nothing)[1]) == "mean(mlp, cnn)"
    assert agenda.composite(everything, nothing) == ("", None)


def test_parts_that_are_trained_alone_come_before_what_joins_them(wine: Dataset) -> None:
    written = ("mean(mlp, cnn) train=subsets rows=all", "mlp > cnn")
    agenda = Agenda(singles=[], composites=candidates(wine, *written))
    parts = [resolved for _, resolved in candidates(wine, "mlp", "cnn")]

    def lacking(resolved: Resolved) -> list[Resolved]:
        return parts if resolved.topology == "parallel" else []

    origin, first = agenda.composite(everything, lacking)
    assert (origin, str(first).partition("[")[0]) == (PART_ALONE, "mlp")
    # While both are being trained, the next composite has its turn.
    origin, other = agenda.composite(lambda resolved: resolved.topology != "single", lacking)
    assert (origin, str(other)) == ("portfolio", "mlp > cnn")
    parts.clear()
    origin, last = agenda.composite(everything, lacking)
    assert (origin, str(last)) == ("portfolio", written[0])


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
