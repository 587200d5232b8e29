"""Simple models on real data, here and in a process that can be ended."""

import _thread
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from autosynth.baselines import BASELINES, run, run_in_process
from autosynth.baselines.model import fitting
from autosynth.errors import UnknownNameError
from autosynth.spec import Dataset, InputSpec, Splits, TargetSpec


def dataset(x, y, kind, classes=(), cardinalities=()):
    n = len(y)
    order = np.random.default_rng(0).permutation(n)
    train, fit, select, test = np.split(order, [n // 2, n * 6 // 10, n * 8 // 10])
    task = "classification" if classes else "regression"
    spec = InputSpec(name="x", kind=kind, shape=x.shape[1:], cardinalities=cardinalities)
    return Dataset(
        name="made", source="made", inputs=(spec,),
        target=TargetSpec(name="y", task=task, classes=classes), x={"x": x}, y=y,
        splits=Splits(train=train, calibration=fit, validation=select, test=test), encoders={},
        fingerprint="0",
    )  # fmt: skip


@pytest.fixture(autouse=True)
def one_thread():
    with threadpool_limits(1):  # on a busy machine, threads that wait for others take minutes
        yield


@pytest.fixture(scope="module")
def digits():
    bunch = load_digits()
    return dataset(
        bunch.images[:, None].astype(np.float32), bunch.target, "image", tuple("0123456789")
    )


@pytest.fixture(scope="module")
def three_digits():
    images, target = load_digits(n_class=3, return_X_y=True)
    images = images.reshape(-1, 1, 8, 8).astype(np.float32)
    return dataset(images, target, "image", tuple("012"))


@pytest.fixture(scope="module")
def diabetes():
    bunch = load_diabetes()
    return dataset(bunch.data.astype(np.float32), bunch.target.astype(np.float32), "table")


def columns(seed=0, n=1500):
    """A category that decides, a number with gaps, and a gap that tells: 90 % can be known."""
    rng = np.random.default_rng(seed)
    code = rng.integers(1, 41, n)
    number = rng.normal(size=n)
    odd = code % 2
    y = np.where(rng.random(n) < 0.9, odd, 1 - odd)
    return dataset(
        np.stack([code, np.where(rng.random(n) < 0.2, np.nan, number)], axis=1).astype(np.float32),
        y, "table", ("no", "yes"), (41, 0),
    )  # fmt: skip


def accuracy(data, result):
    return (result.test.argmax(axis=1) == data.y[data.splits.test]).mean()


def test_majority_gives_the_shares_of_the_training_rows(digits):
    result = run("majority", digits)
    rows = np.concatenate([digits.splits.train, digits.splits.calibration])
    share = np.bincount(digits.y[rows]) / len(rows)
    assert np.allclose(result.validation, share)
    assert np.allclose(result.test, share)
    assert result.validation.shape == (len(digits.splits.validation), 10)
    assert (result.flops, result.params, result.rows) == (0, 0, len(rows))


def test_mean_gives_the_mean(diabetes):
    result = run("mean", diabetes)
    rows = np.concatenate([diabetes.splits.train, diabetes.splits.calibration])
    assert result.test.shape == (len(diabetes.splits.test),)
    assert np.allclose(result.test, diabetes.y[rows].mean())


def test_logistic_reads_digits_and_counts_its_arithmetic(digits):
    result = run("logistic", digits)
    assert accuracy(digits, result) > 0.93
    assert np.allclose(result.test.sum(axis=1), 1, atol=1e-5)
    assert (result.flops, result.params) == (2 * 64 * 10, 64 * 10 + 10)


def test_ridge_beats_the_mean_and_counts_its_arithmetic(diabetes):
    result = run("ridge", diabetes)
    y = diabetes.y[diabetes.splits.test]
    error = ((y - result.test) ** 2).mean()
    assert error < 0.7 * ((y - run("mean", diabetes).test) ** 2).mean()
    assert (result.flops, result.params) == (20, 11)


def test_boosting_reads_digits_and_numbers(digits, diabetes):
    result = run("hgb", digits)
    assert accuracy(digits, result) > 0.93
    assert (result.flops, result.params) == (None, None)
    assert run("hgb", diabetes).test.shape == (len(diabetes.splits.test),)


@pytest.mark.parametrize("name", ["logistic", "hgb"])
def test_categories_are_no_numbers_and_gaps_are_read(name):
    data = columns()
    assert accuracy(data, run(name, data)) > 0.8


def test_many_categories_and_series_with_gaps_are_read():
    rng = np.random.default_rng(0)
    many = np.arange(1, 1001, dtype=np.float32)[:, None]
    y = (np.arange(1000) > 500).astype(np.int64)
    codes = dataset(many, y, "table", ("a", "b"), (1001,))
    assert accuracy(codes, run("hgb", codes)) > 0.9
    assert run("logistic", codes).test.shape == (200, 2)
    series = rng.normal(size=(300, 2, 6000)).astype(np.float32)
    y = rng.integers(0, 2, 300)
    series[:, 0] += y[:, None] * 0.1  # seen in the mean over neighbours
    series[:, 1, 3000:] = np.nan
    long = dataset(series, y, "series", ("a", "b"))
    result = run("logistic", long)
    assert accuracy(long, result) > 0.9
    assert np.isfinite(result.test).all()


@pytest.mark.parametrize("name", ["logistic", "hgb"])
def test_columns_without_any_value_are_left_out(name):
    rng = np.random.default_rng(0)
    series = rng.normal(size=(300, 2, 8)).astype(np.float32)
    y = (series[:, 1, 0] > 0).astype(np.int64)
    series[:, 0, 5:] = np.nan
    data = dataset(series, y, "series", ("a", "b"))
    assert accuracy(data, run(name, data)) > 0.85


@pytest.mark.parametrize("name", ["logistic", "hgb"])
def test_sounds_are_heard_by_pitch_whatever_their_place_and_length(name):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 300)
    hertz = np.where(y, 600, 500)[:, None] * rng.uniform(0.97, 1.03, (300, 1))
    at = np.arange(800) / 4000
    x = 0.1 * np.sin(2 * np.pi * hertz * at + rng.uniform(0, 6, (300, 1)))
    x = (x + 0.05 * rng.normal(size=x.shape)).astype(np.float32)
    x[np.arange(800) >= rng.integers(300, 800, (300, 1))] = np.nan
    sounds = dataset(x, y, "audio", ("low", "high"))
    spec = replace(sounds.inputs[0], rate=4000, masked=True)
    sounds = replace(sounds, inputs=(spec,))
    assert accuracy(sounds, run(name, sounds)) > 0.9


@pytest.mark.parametrize("name", ["majority", "logistic", "hgb"])
def test_a_class_absent_from_the_rows_fitted_has_no_probability(digits, name):
    train = digits.splits.train[digits.y[digits.splits.train] < 3]
    few = replace(digits, splits=replace(digits.splits, train=train, calibration=train[:0]))
    result = run(name, few)
    assert result.test.shape == (len(digits.splits.test), 10)
    assert (result.test[:, 3:] == 0).all()
    one = train[digits.y[train] == 2]
    single = replace(digits, splits=replace(digits.splits, train=one, calibration=one[:0]))
    assert (run(name, single).test.argmax(axis=1) == 2).all()


def test_a_share_of_the_rows_is_stated(digits):
    result = run("logistic", digits, rows=200)
    assert result.state == "cut"
    assert result.reason.startswith("fitted on 200 of 1,078 rows")
    assert result.rows == 200
    assert accuracy(digits, result) < accuracy(digits, run("logistic", digits))


def test_the_seed_chooses_the_rows(digits):
    first, again, other = (run("logistic", digits, rows=200, seed=s).test for s in (0, 0, 1))
    assert (first == again).all()
    assert (first != other).any()


def test_an_unknown_baseline_names_the_valid_ones(digits):
    with pytest.raises(UnknownNameError, match="baseline 'logistics'; valid: majority, logistic"):
        run("logistics", digits)
    with pytest.raises(UnknownNameError, match="'ridge'; valid: majority, logistic, hgb"):
        run_in_process(digits, ["ridge"], seconds=5)
    with pytest.raises(UnknownNameError, match="baseline 'hgb:table'"):  # it has no table
        run("hgb:table", digits)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_the_child_gives_what_the_function_gives(three_digits, diabetes, task, capfd):
    data = three_digits if task == "classification" else diabetes
    results = run_in_process(data, seconds=60, seed=1)
    assert tuple(r.name for r in results) == fitting(data)
    for result in results:
        assert (result.state, result.reason) == ("complete", ""), result
        here = run(result.name, data, seed=1)
        assert np.allclose(result.validation, here.validation, atol=1e-4)
        assert np.allclose(result.test, here.test, rtol=1e-4, atol=1e-4)
        assert (result.flops, result.params) == (here.flops, here.params)
    assert capfd.readouterr() == ("", "")


def hard(n=6000, size=60, classes=200):
    """Far more than a few seconds of boosting."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 1, size, size)).astype(np.float32)
    return dataset(x, rng.integers(0, classes, n), "image", tuple(map(str, range(classes))))


def test_time_begins_after_the_imports(digits, monkeypatch, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import time\ntime.sleep(3)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    begin = time.monotonic()
    results = run_in_process(digits, ["majority", "logistic"], seconds=1, limit=2.5)
    assert time.monotonic() - begin > 3
    assert [r.state for r in results] == ["complete", "complete"]
    (late,) = run_in_process(digits, ["majority"], seconds=2, start_seconds=0.5)
    assert (late.state, late.reason) == ("not_run", "its process was not ready after 0.5 s")


def test_simple_ones_are_fitted_whole_whatever_the_time(digits):
    results = run_in_process(digits, ["majority", "hgb", "logistic"], seconds=0.01)
    assert [r.name for r in results] == ["majority", "hgb", "logistic"]
    majority, boosting, logistic = results
    assert (majority.state, logistic.state) == ("complete", "complete")
    assert logistic.rows == len(digits.splits.train) + len(digits.splits.calibration)
    assert np.allclose(logistic.test, run("logistic", digits).test, atol=1e-4)
    assert boosting.state in ("cut", "not_run")


def test_at_the_deadline_a_fit_is_ended_and_what_was_finished_stays():
    begin = time.monotonic()
    majority, boosting = run_in_process(hard(), ["majority", "hgb"], seconds=1.5)
    assert time.monotonic() - begin < 30  # start and all; it would take minutes
    assert majority.state == "complete"
    assert (boosting.state, boosting.test) == ("not_run", None)
    assert boosting.reason


def test_at_its_limit_a_simple_one_is_ended_too():
    begin = time.monotonic()
    many = hard(30_000, 24, 200)  # logistic regression would take minutes
    majority, logistic = run_in_process(many, ["majority", "logistic"], seconds=1, limit=2)
    assert time.monotonic() - begin < 30
    assert majority.state == "complete"
    assert logistic.state in ("cut", "not_run")


def test_fewer_rows_or_rounds_than_wanted_are_cut():
    x = np.random.default_rng(0).normal(size=(40_000, 40)).astype(np.float32)
    long = dataset(x, x.argmax(1), "table", tuple(map(str, range(40))))  # 60 s, and learnable
    for seconds in (3, 12, 60):  # on a busy machine three are not enough for the first round
        (boosting,) = run_in_process(long, ["hgb"], seconds=seconds)
        if boosting.state != "not_run":
            break
    assert boosting.state == "cut", boosting
    assert "of 24,000 rows" in boosting.reason or "of 100 rounds" in boosting.reason
    assert boosting.test.shape == (8000, 40)


@pytest.fixture(scope="module")
def columns_of_ten():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12_000, 10)).astype(np.float32)
    y = x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2]) + 0.3 * rng.normal(size=len(x))
    return dataset(x, y.astype(np.float32), "table")


def test_boosting_is_what_the_library_gives_with_its_own_settings(columns_of_ten):
    data = columns_of_ten
    result = run("hgb", data)
    assert (result.state, result.note) == ("complete", "")
    rows = np.concatenate([data.splits.train, data.splits.calibration])
    outside = HistGradientBoostingRegressor(random_state=0).fit(data.x["x"][rows], data.y[rows])
    y = data.y[data.splits.test]

    def r2(found):
        return 1 - ((y - found) ** 2).mean() / y.var()

    assert r2(result.test) == pytest.approx(
        r2(outside.predict(data.x["x"][data.splits.test])), abs=2e-3
    )
    assert r2(result.test) > 0.7


def beside():
    """A table that tells the target, and pictures of noise beside it."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(600, 3)).astype(np.float32)
    made = dataset(table, (table[:, 0] + table[:, 1] > 0).astype(np.int64), "table", ("no", "yes"))
    noise = rng.normal(size=(600, 1, 16, 16)).astype(np.float32)
    picture = InputSpec(name="photo", kind="image", shape=(1, 16, 16))
    return made, replace(made, inputs=(picture, *made.inputs), x={"photo": noise, "x": table})


def test_beside_others_the_table_is_also_read_alone():
    alone, both = beside()
    assert fitting(alone) == ("majority", "logistic", "hgb")
    assert fitting(both) == ("majority", "logistic", "logistic:table", "hgb", "hgb:table")
    results = {r.name: r for r in run_in_process(both, seconds=60)}
    assert list(results) == list(fitting(both))
    for name in ("logistic", "hgb"):
        found = results[f"{name}:table"]
        assert found.state == "complete"
        assert np.allclose(found.test, run(name, alone).test, atol=1e-4)
        assert not np.allclose(found.test, results[name].test, atol=1e-2)
    assert results["logistic:table"].params == 4
    assert accuracy(both, results["logistic:table"]) > accuracy(both, results["logistic"]) + 0.1


class Unreadable:
    """What holds one can be written, and not read again."""

    def __reduce__(self):
        return int, ("no number",)


def test_a_child_that_breaks_says_why(digits):
    broken = replace(digits, fingerprint=Unreadable())
    (result,) = run_in_process(broken, ["majority"], seconds=60)
    assert result.state == "failed"
    assert result.reason.startswith("ValueError: invalid literal for int()")


def test_one_baseline_that_fails_leaves_the_others(digits):
    bad = np.full_like(digits.x["x"], np.inf)
    results = run_in_process(replace(digits, x={"x": bad}), ["logistic", "majority"], seconds=60)
    assert [r.state for r in results] == ["failed", "complete"]
    assert results[0].reason.startswith("ValueError: Input X contains infinity")


def is_alive(number):
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{number}/stat").exists() or (
        Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    )


def child_in(folder, seconds=60):
    """The number of the process that fits, once it is ready."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for path in folder.glob("autosynth-baselines-*/ready"):
            if text := path.read_text():
                return int(text)
        time.sleep(0.05)
    raise AssertionError("no child was ready")


def test_ctrl_c_ends_the_child_and_is_not_its_to_answer(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may ignore it
    seen = []

    def interrupt():
        seen.append(child_in(tmp_path))
        seen.append(os.getpgid(seen[0]))
        _thread.interrupt_main()

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        run_in_process(hard(), ["hgb"], seconds=60)
    signal.signal(signal.SIGINT, before)
    assert seen[1] != os.getpgid(0)
    assert not is_alive(seen[0])
    assert not list(tmp_path.iterdir())


def test_a_child_ends_with_its_parent(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_baselines import hard\n"
        "from autosynth.baselines import run_in_process\n"
        "run_in_process(hard(), ['hgb'], seconds=100)\n"
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    parent = subprocess.Popen([sys.executable, "-c", code, str(Path(__file__).parent)], env=env)
    child = child_in(tmp_path)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_alive(child)


SLOW_IMPORTS = """
import os, sys, time
from pathlib import Path

class Slow:
    def find_spec(name, path=None, target=None):
        if name == "numpy" and "autosynth-baselines" in sys.argv[-1]:
            folder = Path(sys.argv[-1])
            (folder / "written").write_text(str(os.getpid()))
            (folder / "written").rename(folder / "ready")
            time.sleep(1000)

sys.meta_path.insert(0, Slow)
"""


def test_a_child_ends_with_its_parent_also_while_it_imports(tmp_path):
    site, scratch = tmp_path / "site", tmp_path / "scratch"
    site.mkdir()
    scratch.mkdir()
    (site / "sitecustomize.py").write_text(SLOW_IMPORTS)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_baselines import hard\n"
        "from autosynth.baselines import run_in_process\n"
        "run_in_process(hard(), ['majority'], seconds=100)\n"
    )
    paths = os.pathsep.join((str(site), str(Path(__file__).parents[1])))
    parent = subprocess.Popen(
        [sys.executable, "-c", code, str(Path(__file__).parent)],
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": paths},
    )
    child = child_in(scratch)
    parent.kill()
    parent.wait()
    end = time.monotonic() + 60
    while is_alive(child) and time.monotonic() < end:
        time.sleep(0.1)
    assert not is_alive(child)


def test_every_baseline_is_where_its_name_says() -> None:
    for task, named in BASELINES.items():
        for name, at in named.items():
            assert callable(resolve_name(f"autosynth.baselines.{at}")), (task, name)


def test_texts_are_read_by_their_tokens_and_pairs() -> None:
    rng = np.random.default_rng(0)
    word = rng.integers(3, 9, (400, 6)).astype(np.int32)
    y = rng.integers(0, 2, 400)
    word[:, 2], word[:, 3] = np.where(y, 4, 5), np.where(y, 5, 4)  # the order alone says it
    specs = (
        InputSpec(name="text", kind="text", shape=(6,), cardinalities=(9,), masked=True),
        InputSpec(name="table", kind="table", shape=(1,), cardinalities=(0,)),
    )
    rows = np.arange(400)
    data = Dataset(
        name="made",
        source="made",
        inputs=specs,
        y=y,
        encoders={},
        fingerprint="",
        x={"text": word, "table": rng.normal(size=(400, 1)).astype(np.float32)},
        target=TargetSpec(name="y", task="classification", classes=("a", "b")),
        splits=Splits(
            train=rows[:300], calibration=rows[:0], validation=rows[300:350], test=rows[350:]
        ),
    )
    found = run("logistic", data)
    assert found.test is not None
    assert (found.test.argmax(1) == y[350:]).mean() > 0.9
    assert found.flops is None
    assert found.params is not None
    assert run("hgb", data).state == "complete"


def test_forecasts_by_hand():
    """Two channels over four steps, a period of two, two rows to learn from and one of each."""
    x = np.zeros((400, 2, 4), np.float32)
    x[:, 0] = np.random.default_rng(0).normal(size=(400, 1)) * 50 + [1, 2, 3, 4]
    x[:, 1] = np.random.default_rng(1).normal(size=(400, 4)) * 100
    step = x[:, 1, -1] - x[:, 1, -2]
    y = np.stack([x[:, 0, -1] + step, x[:, 0, -1] - step, x[:, 0, -1]], axis=1)
    made = dataset(x, y, "series")
    made = replace(
        made, target=TargetSpec(name="y", task="forecasting", steps=3, base="x"),
        inputs=(replace(made.inputs[0], anchored=True),),
        encoders={}, period=2,
    )  # fmt: skip
    pool = np.concatenate([made.splits.train, made.splits.calibration])
    test = made.splits.test
    found = {name: run(name, made) for name in BASELINES["forecasting"]}
    assert list(found) == ["mean", "last", "seasonal", "ridge"]
    np.testing.assert_allclose(found["mean"].test[0], y[pool].mean(0), rtol=1e-5)
    np.testing.assert_array_equal(found["last"].test, np.repeat(x[test, 0, -1:], 3, axis=1))
    np.testing.assert_array_equal(found["seasonal"].test, x[test, 0][:, [2, 3, 2]])
    linear = np.abs(found["ridge"].test - y[test]).mean()
    assert linear < 0.9 * np.abs(found["last"].test - y[test]).mean()
    (apart,) = run_in_process(made, ["seasonal"], seconds=60)
    np.testing.assert_array_equal(apart.test, found["seasonal"].test)
    gone = x.copy()
    gone[test, 0, -1] = np.nan
    late = run("last", replace(made, x={"x": gone})).test
    np.testing.assert_array_equal(late, np.repeat(x[test, 0, -2:-1], 3, axis=1))


def test_a_step_ahead_is_learnt_where_it_is_known():
    """As if each step had a fit of its own, to the rows that have it."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 1, 5)).astype(np.float32)
    y = (x[:, 0] @ rng.normal(size=(5, 2)) + rng.normal(0, 0.3, (400, 2))).astype(np.float32)
    made = dataset(x, y, "series")
    made = replace(
        made, target=TargetSpec(name="y", task="forecasting", steps=2, base="x"),
        inputs=(replace(made.inputs[0], anchored=True),),
    )  # fmt: skip
    holes = y.copy()
    holes[rng.random(y.shape) < 0.1] = np.nan
    pool = np.concatenate([made.splits.train, made.splits.calibration])
    found = run("ridge", replace(made, y=holes)).test
    changes = (x[:, 0, :-1] - x[:, 0, -1:]).astype(np.float64)
    scaler = StandardScaler().fit(changes[pool])
    for step in range(2):
        rows = pool[~np.isnan(holes[pool, step])]
        model = Ridge(alpha=1_000.0).fit(
            scaler.transform(changes[rows]), (holes[:, step] - x[:, 0, -1])[rows]
        )
        own = model.predict(scaler.transform(changes[made.splits.test]))
        np.testing.assert_allclose(found[:, step], own + x[made.splits.test, 0, -1], atol=2e-3)
    mean = run("mean", replace(made, y=holes)).test
    np.testing.assert_allclose(mean[0], np.nanmean(holes[pool], axis=0), rtol=1e-5)


@pytest.mark.slow  # numba compiles for a minute, once an environment
@pytest.mark.parametrize("classes", [("low", "high"), ("low", "middle", "high"), ()])
def test_random_convolutions_tell_series_by_their_shape(classes) -> None:
    pytest.importorskip("sktime")
    rng = np.random.default_rng(0)
    y = rng.integers(0, len(classes) or 3, 240)
    phase = rng.random((240, 2, 1)) * 6.28
    x = np.sin((y[:, None, None] + 1) * 0.4 * np.arange(40) + phase).astype(np.float32)
    x[::7, 1, 5:8] = np.nan
    data = dataset(x, y if classes else y * 10.0 + 100, "series", classes)
    assert fitting(data)[-1] == "minirocket"
    found = run("minirocket", data, seed=0)
    rows = data.splits.test
    if classes:
        assert found.test.shape == (len(rows), len(classes))
        assert np.allclose(found.test.sum(1), 1, atol=1e-5)
        assert (found.test.argmax(1) == y[rows]).mean() > 0.95
    else:
        assert np.abs(found.test - data.y[rows]).mean() < 3


def test_random_convolutions_are_for_series_alone(digits) -> None:
    short = dataset(np.zeros((40, 1, 8), np.float32), np.arange(40) % 2, "series", ("a", "b"))
    for data in (digits, short):
        assert fitting(data) == ("majority", "logistic", "hgb")
