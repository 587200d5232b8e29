"""Records come back as they went, and what is not one is named."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.errors import NewerRunError, RunError
from autosynth.record import (
    Record,
    claim,
    from_json,
    read_all,
    read_records,
    to_json,
    write_record,
)
from autosynth.task.calibration import Calibration

FULL = Record(
    trial=12, seed=3, strategy="mean(cnn, gru)", settings="lr=0.003", topology="parallel",
    components="cnn+gru", sharing="none", fusion="mean", training="joint", init="random",
    state="complete", val={"accuracy": 0.9}, test={"accuracy": 0.875}, cv=0.88, flops=10**13,
    params=1234, latency_ms=0.5, train_flops=2e15, train_seconds=31.5, samples_seen=60_000,
    curve=((0.037, 0.4), (1.0, 0.1)), origin="sampler", note="whole",
    standard_error=0.02, n_folds=3,
    canonical="mean(cnn, gru) | lr=0.003", calibration=Calibration(temperature=1.5),
    foreseen_seconds=30.0,
)  # fmt: skip
numbers = st.floats(allow_nan=False, allow_infinity=False)
records = st.builds(
    Record,
    trial=st.integers(0, 10**6),
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["strategy", "baseline"]),
    strategy=st.text(),
    state=st.sampled_from(["complete", "pruned", "failed", "infeasible", "stopped", "not_run"]),
    reason=st.text(),
    val=st.dictionaries(st.text(), numbers, max_size=3),
    cv=st.none() | numbers,
    flops=st.none() | st.integers(0, 2**70),
    train_flops=st.none() | numbers,
    curve=st.lists(st.tuples(numbers, numbers), max_size=4).map(tuple),
    canonical=st.text(),
    note=st.text(),
    standard_error=st.none() | numbers,
    n_folds=st.integers(1, 5),
    calibration=st.builds(
        Calibration, temperature=numbers, bias=st.lists(numbers, max_size=3).map(tuple)
    ),
    refit_test=st.dictionaries(st.text(), numbers, max_size=3),
    refit_seconds=st.none() | numbers,
    foreseen_seconds=st.none() | numbers,
    best_fractions=st.dictionaries(st.text(), numbers, max_size=3),
    still_gaining=st.text(),
)


@given(records)
def test_any_record_comes_back_from_json(record):
    assert from_json(to_json(record)) == record


def test_records_come_back_from_a_folder_by_trial(tmp_path):
    early = replace(FULL, trial=2)
    for record in (FULL, early):
        path = write_record(record, tmp_path)
    assert path == tmp_path / "trials" / "000002" / "record.json"
    (tmp_path / "trials" / "000013").mkdir()  # a trial that was running when the run was killed
    assert read_all(tmp_path) == [early, FULL]
    write_record(replace(FULL, state="failed", reason="loss"), tmp_path)
    assert [r.state for r in read_all(tmp_path)] == ["complete", "failed"]


def test_numbers_json_does_not_have_are_left_out():
    odd = replace(
        FULL, val={"accuracy": math.nan, "f1": np.float32(0.5)}, cv=math.inf,
        curve=((0.1, 0.5), (0.3, math.nan)), params=np.int64(7),
    )  # fmt: skip
    text = to_json(odd)
    assert "NaN" not in text
    assert "Infinity" not in text
    back = from_json(text)
    assert (back.val, back.cv, back.curve, back.params) == ({"f1": 0.5}, None, ((0.1, 0.5),), 7)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda text: text[: len(text) // 2], "JSON text, and this is not"),
        (lambda text: "[1, 2]", "a JSON object, not a list"),
        (lambda text: '{"colour": "red"}', "no 'seed'; no 'state'.*unknown key 'colour'"),
        (lambda text: text.replace('"complete"', '"done"'), "state 'done' is none of complete"),
        (lambda text: text.replace('"trial": 12', '"trial": "12"'), "trial = '12'"),
        (lambda text: text.replace('"params": 1234', '"params": true'), "params = True"),
        (lambda text: json.dumps({**json.loads(text), "curve": [[1]]}), r"curve = \[\[1\]\]"),
        (lambda text: text.replace('"bias"', '"biases"'), "calibration = {.*'biases'"),
        (lambda text: text.replace('"version": 4', '"version": "3"'), "version = '3'"),
        (lambda text: text.replace("31.5", "NaN"), "NaN, which is no number"),
        (lambda text: text.replace("31.5", "-31.5"), r"train_seconds = -31\.5"),
        (lambda text: text.replace("1234", "9" * 400), "params = 999"),
        (lambda text: text.replace('"n_folds": 3', '"n_folds": 0'), "n_folds = 0"),
        (lambda text: text.replace("0.037", "1.37"), r"a fraction of 1\.37"),
        (lambda text: text.replace('"trial": 12', '"trial": 2'), "it is the record of trial 2"),
        (lambda text: "[" * 100_000, "JSON text, and this is not"),
    ],
)
def test_a_damaged_record_costs_its_trial_and_is_told(tmp_path, change, match):
    other = replace(FULL, trial=2)
    write_record(other, tmp_path)
    path = write_record(FULL, tmp_path)
    path.write_text(change(path.read_text()))
    records, (damage,) = read_records(tmp_path)
    assert records == read_all(tmp_path) == [other]
    assert damage.folder == tmp_path / "trials" / "000012"
    assert re.search(rf"^trial 12 is damaged .*record\.json: .*{match}", damage.text)


def test_what_was_put_aside_is_no_trial_and_its_number_stays_taken(tmp_path):
    write_record(FULL, tmp_path).parent.rename(tmp_path / "trials" / "000012.damaged")
    assert read_records(tmp_path) == ([], [])
    assert claim(tmp_path) == 13


def test_a_run_folder_that_is_gone_is_not_made_again(tmp_path):
    with pytest.raises(RunError, match="the run's folder '.*gone' is gone; type the same command"):
        write_record(FULL, tmp_path / "gone")
    assert list(tmp_path.iterdir()) == []


def test_a_record_of_the_version_before_is_read():
    text = to_json(FULL).replace('"version": 4', '"version": 2')
    plain = {key: value for key, value in json.loads(text).items() if key != "weights_dropped"}
    assert from_json(json.dumps(plain)) == FULL


OLD = """{
 "trial": 3, "seed": 0, "kind": "strategy", "strategy": "mlp", "settings": "lr=0.002",
 "state": "complete", "val": {"accuracy": 0.9}, "test_interval": [0.8, 1.0],
 "best_shares": {"together": 0.65}, "curve": [[0.5, 0.2]],
 "notes": {"resolved": "mlp | lr=0.002", "foreseen_seconds": "1.250", "once_seconds": "0.50",
  "eval_seconds": "0.031", "folds": "3", "standard_error": "0.0123",
  "calibration": "{\\"temperature\\": 1.5, \\"bias\\": [0.25, -0.25]}",
  "refit_test": "{\\"accuracy\\": 0.875}", "refit_seconds": "2.50",
  "still_gaining": "no longer one was tried", "rows": "1,000 of 5,000", "class_bias": "of 2025"}
}"""


def test_a_record_with_notes_is_read_into_fields():
    assert from_json(OLD) == Record(
        trial=3,
        seed=0,
        strategy="mlp",
        canonical="mlp | lr=0.002",
        settings="lr=0.002",
        state="complete",
        note="1,000 of 5,000",
        val={"accuracy": 0.9},
        test_interval=(0.8, 1.0),
        standard_error=0.0123,
        n_folds=3,
        calibration=Calibration(temperature=1.5, bias=(0.25, -0.25)),
        refit_test={"accuracy": 0.875},
        refit_seconds=2.5,
        foreseen_seconds=1.25,
        once_seconds=0.5,
        eval_seconds=0.031,
        best_fractions={"together": 0.65},
        curve=((0.5, 0.2),),
        still_gaining="no longer one was tried",
    )


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ('"folds": "3"', '"folds": "three"', "notes.folds = 'three'"),
        ('"temperature', "temperature", r"notes.calibration = '\{"),
        ('"best_shares"', '"best_moments"', "unknown key 'best_moments'"),
    ],
)
def test_an_old_record_that_is_none_is_named(old, new, match):
    with pytest.raises(RunError, match=match):
        from_json(OLD.replace(old.replace('"temp', '\\"temp'), new))


def test_a_run_of_a_newer_version_says_so(tmp_path):
    path = write_record(FULL, tmp_path)
    path.write_text(path.read_text().replace('"version": 4', '"version": 5, "colour": "red"'))
    newer = "record.json: this run was made by a newer AutoSynth: .* version 4.*upgrade"
    with pytest.raises(NewerRunError, match=newer) as caught:
        read_all(tmp_path)
    assert "move" not in str(caught.value)  # the run is whole: nothing is to be moved away


def test_a_missing_run_folder_is_named(tmp_path):
    with pytest.raises(RunError, match="no run folder '.*nowhere'"):
        read_all(tmp_path / "nowhere")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write '.*file/trials/000012/record.json'.*--out"):
        write_record(FULL, tmp_path / "file")
