"""Which folder a request goes to: whole from its first second, one driver, damage put aside."""

import io
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from autosynth.data import load_dataset
from autosynth.errors import RunError, RunningError
from autosynth.options import Options
from autosynth.progress import Progress
from autosynth.record import Record, read_all, trial_dir, weights_path, write_record
from autosynth.run.folder import place
from autosynth.run.state import RunState, read_plan, read_run, read_state, write_state
from autosynth.spec import Dataset

ASKED = Options(trials=1, space="small", metric="accuracy", device="cpu")
Damage = Callable[[Path], object]


@pytest.fixture(scope="module")
def wine() -> Dataset:
    return load_dataset("wine")


def silent(text: str) -> None:
    """Nothing is to be told."""
    pytest.fail(f"told: {text}")


def left(wine: Dataset, folder: Path) -> None:
    """A run of a baseline and two trials in `folder`, as a killed search leaves it."""
    with place(wine, ASKED, folder, silent):
        pass
    for trial in range(3):
        record = Record(
            trial=trial, seed=0, strategy="mlp", canonical=f"mlp[width={8 << trial}]",
            topology="single", state="complete", val={"accuracy": 0.5}, flops=8, params=8,
            train_seconds=2.0,
        )  # fmt: skip
        if trial == 0:
            record = replace(record, kind="baseline", strategy="majority", canonical="")
        trial_dir(folder, trial).mkdir()
        if trial:
            save_file({"a": torch.zeros(4)}, weights_path(folder, trial))
        write_record(record, folder)
    write_state(folder, RunState(elapsed_seconds=9.0))
    data = {"name": "wine", "fingerprint": wine.fingerprint}
    (folder / "data.json").write_text(json.dumps(data))


def goes_on(wine: Dataset, folder: Path) -> tuple[list[int], str]:
    """The trials there are when the same is asked again, and what was told."""
    said = io.StringIO()
    with Progress(said, live=False) as progress, place(wine, ASKED, folder, progress.say):
        assert read_run(folder)["data"]["fingerprint"] == wine.fingerprint
    return [record.trial for record in read_all(folder)], said.getvalue()


def test_what_was_asked_stands_in_the_folder_before_all_else(
    wine: Dataset, tmp_path: Path
) -> None:
    with place(wine, ASKED, tmp_path / "run", silent) as (folder, state):
        assert read_run(folder)["search"]["space"] == "small"
        assert read_plan(folder) is None  # not measured as yet
        assert state == RunState()


@pytest.mark.parametrize(
    "half",
    [
        [], ["trials/"], ["trials/000000/"], ["driver.lock"], [f".{'0' * 32}.toml"], [".writable"],
        ["trials/", "driver.lock", "state.json"],
    ],
)  # fmt: skip
def test_a_folder_half_made_is_gone_on_with(
    wine: Dataset, tmp_path: Path, half: list[str]
) -> None:
    for name in half:
        path = tmp_path / name
        path.mkdir(parents=True) if name.endswith("/") else path.touch()
    assert goes_on(wine, tmp_path) == ([], "")
    names = {path.name for path in tmp_path.iterdir()}
    assert names <= {"run.toml", "trials", "driver.lock", "state.json"}
    assert list((tmp_path / "trials").iterdir()) == []


def test_without_a_name_the_half_made_is_found_again(
    wine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "wine-1" / "trials").mkdir(parents=True)
    with place(wine, ASKED, None, silent) as (folder, _):
        assert folder == Path("results/wine-1")


def test_a_second_command_is_told_and_joins_nothing(
    wine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with place(wine, ASKED, None, silent) as (folder, _):
        before = sorted(tmp_path.rglob("*"))
        for out in (None, folder):
            with (
                pytest.raises(
                    RunningError, match=r"already running in 'results/wine-1' \(process"
                ),
                place(wine, ASKED, out, silent),
            ):
                pass
        assert sorted(tmp_path.rglob("*")) == before
        with place(wine, replace(ASKED, seed=1), None, silent) as (other, _):
            assert other == Path("results/wine-2")  # another request has its own folder
    with place(wine, ASKED, None, silent) as (again, _):
        assert again == folder


def garbage(path: Path) -> None:
    path.write_bytes(b"\xff\x00{garbage")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [garbage, cut, emptied, a_folder]
TRIAL = "trials/000001"


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
@pytest.mark.parametrize("name", ["record.json", "weights.safetensors"])
def test_a_damaged_file_of_a_trial_costs_that_trial(
    wine: Dataset, tmp_path: Path, damage: Damage, name: str
) -> None:
    left(wine, tmp_path)
    damage(tmp_path / TRIAL / name)
    trials, said = goes_on(wine, tmp_path)
    assert trials == [0, 2]
    if damage is Path.unlink and name == "record.json":
        assert said == ""  # as of a trial that was broken off
        assert not (tmp_path / TRIAL).exists()
    else:
        assert "warning: trial 1 is damaged and left out" in said
        assert (tmp_path / f"{TRIAL}.damaged").is_dir()
    assert goes_on(wine, tmp_path) == ([0, 2], "")


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_a_lost_state_is_counted_from_the_records(
    wine: Dataset, tmp_path: Path, damage: Damage
) -> None:
    left(wine, tmp_path)
    damage(tmp_path / "state.json")
    assert read_state(tmp_path) == RunState(elapsed_seconds=6.0)
    assert goes_on(wine, tmp_path) == ([0, 1, 2], "")


@pytest.mark.parametrize("damage", [*DAMAGES, Path.unlink])
def test_a_lost_request_is_written_anew_where_data_and_seed_are_the_same(
    wine: Dataset, tmp_path: Path, damage: Damage
) -> None:
    left(wine, tmp_path)
    damage(tmp_path / "run.toml")
    other = replace(wine, fingerprint="other")
    for data, asked, why in (
        (other, ASKED, "its data has other content"),
        (wine, replace(ASKED, seed=3), "its seed is 0, not 3"),
    ):
        with pytest.raises(RunError, match=why), place(data, asked, tmp_path, silent):
            pass
    trials, said = goes_on(wine, tmp_path)
    assert trials == [0, 1, 2]
    assert ("written anew" in said) == (damage is not Path.unlink)
    assert goes_on(wine, tmp_path) == ([0, 1, 2], "")


def test_a_lost_request_of_nobody_knows_which_data_is_named(wine: Dataset, tmp_path: Path) -> None:
    left(wine, tmp_path)
    (tmp_path / "run.toml").unlink()
    (tmp_path / "data.json").unlink()
    named = r"data\.json is damaged .*run\.toml is lost: copy .* or name another"
    with pytest.raises(RunError, match=named), place(wine, ASKED, tmp_path, silent):
        pass


def test_a_damaged_run_does_not_keep_others_from_their_number(
    wine: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    left(wine, Path("results/wine-1"))
    garbage(Path("results/wine-1/run.toml"))
    with place(wine, ASKED, None, silent) as (folder, _):
        assert folder == Path("results/wine-2")


def test_what_a_killed_process_left_is_swept(wine: Dataset, tmp_path: Path) -> None:
    left(wine, tmp_path)
    hidden = "." + "0" * 32
    (tmp_path / f"{hidden}.json").touch()
    (tmp_path / TRIAL / f"{hidden}.safetensors").touch()
    (tmp_path / "trials/000009").mkdir()
    (tmp_path / "trials/000009/weights.safetensors").touch()
    (tmp_path / "store").mkdir()  # what workers read, where the next search may have none
    (tmp_path / "store/0.arrays").touch()
    (tmp_path / "store/a").mkdir()
    (tmp_path / "store/a/1.safetensors").touch()
    (tmp_path / f"store/a/{hidden}.safetensors").touch()
    (tmp_path / hidden).mkdir()  # half a bundle
    (tmp_path / f"{hidden}.old").mkdir()  # the whole one that it was to replace
    (tmp_path / f"{hidden}.old/model.json").write_text("{}")
    trial_dir(tmp_path, 7).mkdir()  # what had no time to begin may have it now
    idle = Record(trial=7, seed=0, strategy="gru", canonical="gru", state="not_run")
    write_record(idle, tmp_path)
    assert goes_on(wine, tmp_path) == ([0, 1, 2], "")
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]
    assert not (tmp_path / "trials/000009").exists()
    assert [path.name for path in (tmp_path / "store").rglob("*.*")] == ["1.safetensors"]
    assert (tmp_path / "bundle/model.json").read_text() == "{}"


def test_a_folder_that_went_away_is_not_made_again_to_note_the_time(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the run's folder .*gone.* is gone; type the same"):
        write_state(tmp_path / "gone", RunState(elapsed_seconds=2.0))
    assert not (tmp_path / "gone").exists()


def test_a_folder_that_was_moved_or_copied_goes_on(wine: Dataset, tmp_path: Path) -> None:
    left(wine, tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    (tmp_path / "here").rename(tmp_path / "there")
    for name in ("there", "copy"):
        assert goes_on(wine, tmp_path / name) == ([0, 1, 2], "")


def test_a_trial_that_was_renamed_by_hand_is_no_trial(wine: Dataset, tmp_path: Path) -> None:
    left(wine, tmp_path)
    (tmp_path / TRIAL).rename(tmp_path / "trials/000001 old")
    (tmp_path / "trials/000002").rename(tmp_path / "trials/away")
    assert goes_on(wine, tmp_path) == ([0], "")
