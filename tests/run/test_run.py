"""A search from data to bundle, on a small table: what a run leaves, and how it goes on."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autosynth
from autosynth.cli import main
from autosynth.errors import RunError
from autosynth.progress import Progress
from autosynth.record import Record, read_all
from autosynth.report import report
from autosynth.run import Run, open_run, search, train_strategy
from autosynth.run.state import RunState, read_run, read_state, write_state
from autosynth.run.why import lengthened, spared_strategies
from autosynth.study.processes import NoWorkersError, ProcessPool

# Numbers that no clock enters.
REPEATED = ["strategy", "settings", "state", "val_accuracy", "test_accuracy", "flops", "params"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return search("wine", trials=3, space="small", out=tmp_path_factory.mktemp("run") / "wine")


def test_a_run_leaves_what_it_should(run: Run) -> None:
    names = {path.name for path in run.folder.iterdir()}
    wanted = {"run.toml", "trials", "study.journal", "leaderboard.csv", "leaderboard.md",
              "front.png", "importance.json", "composing.json", "bundle"}  # fmt: skip
    assert wanted <= names
    assert read_state(run.folder).finished
    asked = read_run(run.folder)
    assert asked["search"]["trials"] == 3
    assert asked["plan"]["batch_size"] == 8
    assert asked["data"]["name"] == "wine"
    assert set(asked["versions"]) >= {"autosynth", "torch", "optuna", "python"}


def test_singles_composites_and_the_baseline_stand_on_one_board(run: Run) -> None:
    board = run.leaderboard
    assert "majority" in set(board["strategy"])
    trained = board[(board["topology"] != "baseline") & (board["state"] == "complete")]
    assert len(trained) >= 2
    assert "single" in set(trained["topology"])
    assert run.best.val["accuracy"] == pytest.approx(
        max(r.val["accuracy"] for r in run.records if r.trial == run.best.trial)
    )


def test_the_bundle_answers_in_the_users_own_names(run: Run) -> None:
    from sklearn.datasets import load_wine

    found = load_wine(as_frame=True)
    frame = found.data
    predictions = autosynth.load(run.folder / "bundle").predict(frame)
    assert set(predictions["prediction"]) <= {"class_0", "class_1", "class_2"}
    names = np.asarray(found.target_names)[found.target]
    assert (predictions["prediction"].to_numpy() == names).mean() > 0.8
    proba = predictions.filter(like="proba_").to_numpy()
    assert np.allclose(proba.sum(1), 1, atol=1e-5)


def test_there_is_a_bundle_where_nothing_beats_the_majority(
    tmp_path: Path, short_schedules: None
) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(120, 2)), columns=["a", "b"])
    frame["y"] = np.where(np.arange(120) % 10, "no", "yes")
    said = io.StringIO()
    with Progress(said, live=False) as progress:
        run = search(
            frame, target="y", trials=1, space="small", out=tmp_path / "coin", progress=progress
        )
    assert run.best.val["accuracy"] <= 0.9
    assert "no strategy is better than knowing no input" in said.getvalue()
    assert "warning" in said.getvalue()
    assert set(autosynth.load(run.folder / "bundle").predict(frame)["prediction"]) <= {"no", "yes"}
    assert run.exported.startswith(run.best.strategy)


def test_what_is_first_is_what_was_exported(run: Run) -> None:
    first = run.leaderboard.iloc[0]
    card = json.loads((run.folder / "bundle" / "model.json").read_text())["card"]
    assert first["trial"] == run.best.trial == card["trial"]
    assert f"{card['test']['accuracy']:.4f}" in run.exported


def test_a_report_is_made_again_from_the_records(run: Run, tmp_path: Path) -> None:
    before = (run.folder / "leaderboard.csv").read_text()
    (run.folder / "leaderboard.csv").unlink()
    (run.folder / "front.png").unlink()
    report(run.folder)
    assert (run.folder / "leaderboard.csv").read_text() == before
    assert (run.folder / "front.png").stat().st_size > 10_000


def test_one_seed_gives_one_board(run: Run, tmp_path: Path) -> None:
    again = search("wine", trials=3, space="small", out=tmp_path / "again")
    one, two = (r.leaderboard.sort_values("trial")[REPEATED] for r in (run, again))
    pd.testing.assert_frame_equal(
        one.reset_index(drop=True), two.reset_index(drop=True), check_exact=True
    )


def test_a_run_goes_on_where_it_is_unfinished_or_named_and_else_makes_room(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run.folder, "results/wine-1")  # finished
    first = search("wine", trials=1, space="small", refit=False)
    assert first.folder == Path("results/wine-2")
    trained = {r.trial: r.strategy for r in first.records if r.state == "complete"}
    named = search("wine", trials=2, space="small", refit=False, out=first.folder)
    after = {r.trial: r.strategy for r in named.records if r.state == "complete"}
    assert trained.items() <= after.items()
    assert sum(r.kind == "strategy" and r.state == "complete" for r in named.records) == 2
    write_state(first.folder, replace(read_state(first.folder), finished=False))
    again = search("wine", trials=2, space="small", refit=False)
    assert again.folder == first.folder
    assert open_run().folder == first.folder


def test_a_folder_of_other_data_or_another_request_is_refused(run: Run) -> None:
    with pytest.raises(RunError, match=r"belongs to another request: its data is 'wine'.*--out"):
        search("iris", trials=1, space="small", out=run.folder)
    with pytest.raises(RunError, match=r"its seed is 0, not 1"):
        search("wine", trials=1, space="small", seed=1, out=run.folder)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"is no run: it has no run.toml"):
        search("wine", trials=1, space="small", out=tmp_path)
    with pytest.raises(RunError, match=r"is no run"):
        open_run(tmp_path)


def test_the_state_survives_being_cut_off(tmp_path: Path) -> None:
    write_state(tmp_path, RunState(elapsed_seconds=12.5, finished=False))
    assert read_state(tmp_path) == RunState(elapsed_seconds=12.5, finished=False)
    assert json.loads((tmp_path / "state.json").read_text())["finished"] is False


def test_train_makes_a_bundle_of_one_strategy(tmp_path: Path) -> None:
    trained = train_strategy("wine", "mlp[width=16] | lr=0.008", epochs=30, out=tmp_path / "model")
    assert trained.val["accuracy"] > 0.8
    assert trained.cost.flops > 0
    assert len(autosynth.load(trained.folder).predict("wine")) == 178


def test_any_trial_is_exported(run: Run, tmp_path: Path) -> None:
    others = [
        r.trial for r in run.records
        if r.kind == "strategy" and r.state == "complete" and r.trial != run.best.trial
    ]  # fmt: skip
    made = run.export(tmp_path / "model", pick=others[0])
    assert (made / "model.pt2").exists()
    strategy = autosynth.load(made).info.short_form
    assert strategy.startswith(next(r.strategy for r in run.records if r.trial == others[0]))


# In the default suite the search of test_kills has two workers.
@pytest.mark.slow
def test_two_workers_share_a_run(tmp_path: Path) -> None:
    run = search("wine", trials=3, space="small", workers=2, refit=False, out=tmp_path / "run")
    trained = [r for r in run.records if r.kind == "strategy" and r.state == "complete"]
    assert len(trained) >= 3
    assert len({r.canonical for r in trained}) == len(trained)
    assert not [r for r in read_all(run.folder) if r.state == "failed"]


@pytest.mark.parametrize("kind", ["no process", "dead at once"])
@pytest.mark.parametrize("workers", [None, 2])
def test_where_no_worker_comes_up_this_process_trains(
    kind: str, workers: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*args: object, **known: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    if kind == "no process":
        monkeypatch.setattr("autosynth.study.processes.subprocess.Popen", refused)
    else:
        monkeypatch.setattr("autosynth.study.processes.sys.executable", "/bin/false")
    # As the plan of a machine with two cores would say.
    monkeypatch.setattr(
        "autosynth.run.session.pool_of", lambda context, n: ProcessPool(context, 2)
    )
    told = io.StringIO()
    asked = {"trials": 2, "space": "small", "out": tmp_path / "run", "workers": workers}
    if workers:
        with pytest.raises(NoWorkersError):
            search("wine", **asked)
        return
    run = search("wine", progress=Progress(stream=told, live=False), **asked)
    assert "going on in this process alone" in told.getvalue()
    assert sum(r.state == "complete" for r in run.records) >= 2
    assert (run.folder / "bundle").is_dir()


def test_a_run_says_what_its_time_went_into(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    journal = (run.folder / "study.journal").read_bytes()
    found = run.reasons
    assert (run.folder / "study.journal").read_bytes() == journal  # a driver may be at work on it
    assert found.trials == sum(r.kind == "strategy" and r.state == "complete" for r in run.records)
    assert found.workers == 1
    assert sum(each.seconds for each in found.spent) == pytest.approx(found.seconds, rel=0.01)
    assert found.choices == ()  # of three trials
    assert main(["leaderboard", str(run.folder), "--why"]) == 0
    said = capsys.readouterr().out
    assert "Which choices mattered cannot be said" in said
    assert "seconds went into" in said
    assert f"Trials: {found.trials} complete" in said


def test_what_is_missed_by_not_going_on_is_counted() -> None:
    def trained(number: int, text: str, score: float, chosen: str = "") -> Record:
        return Record(
            trial=number, seed=0, strategy=text, canonical=text, state="complete",
            val={"accuracy": score}, flops=100, chosen=chosen,
        )  # fmt: skip

    records = [
        trained(0, "mlp[width=8] | length=0.33", 0.7),
        trained(1, "cnn | length=0.33", 0.6),
        trained(2, "cnn | length=1.0", 0.8, "spared"),
        trained(3, "gru | length=0.33", 0.5),
        trained(4, "gru | length=1.0", 0.6, "spared"),
    ]
    assert spared_strategies(records, "accuracy", "flops") == (2, 1)
    assert spared_strategies(records[:2], "accuracy", "flops") == (0, 0)


def test_why_a_network_was_trained_no_longer() -> None:
    def trained(number: int, length: float, score: float, **more: object) -> Record:
        known = {
            "trial": number, "seed": 0, "strategy": "mlp", "state": "complete", "samples_seen": 9,
            "val": {"accuracy": score}, "flops": 100, "train_seconds": 2.0, "epochs": length,
            "canonical": f"mlp | lr=0.002 length={length}", "topology": "single", **more,
        }  # fmt: skip
        return Record(**known)  # type: ignore[arg-type]

    def told(*records: Record) -> str:
        (one,) = lengthened(records, "accuracy", "flops")
        return one.why

    assert told(trained(0, 1.0, 0.8)) == "others promised more, or time ran out"
    early = trained(0, 1.0, 0.8, best_fractions={"together": 0.65})
    assert told(early) == "it was best after 65% of its schedule"
    assert (
        told(trained(0, 1.0, 0.8), trained(1, 2.0, 0.79)) == "its last lengthening brought -0.0100"
    )
