"""The picture and the page of a run, made from its folder alone."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.image import imread

from autosynth.errors import RunError
from autosynth.record import Record, write_record
from autosynth.report import page, report
from autosynth.report.front import picture

BLUE, ORANGE, GREY = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x4D, 0x4D, 0x4D)
RUN_TOML = '[data]\nname = "digits"\n[search]\nmetric = "accuracy"\ncost = "flops"\n'


def trial(number, score, flops, **more):
    val = {} if score is None else {"accuracy": score}
    return Record(
        **{
            "trial": number, "seed": 0, "strategy": f"cnn[width={number}]", "val": val,
            "topology": "single", "flops": flops, "state": "complete", **more,
        }
    )  # fmt: skip


SINGLES = [trial(i, 0.8 + i / 100, 10**4 * 2**i) for i in range(2, 8)]
COMPOSITE = trial(20, 0.95, 5 * 10**6, topology="hybrid", strategy="attend(cnn > gru, lstm)")
HGB = trial(21, 0.9, None, kind="baseline", strategy="hgb", topology="")
FAILED = trial(22, None, 500, state="failed", reason="loss is not finite")
RUN = [*SINGLES, COMPOSITE, HGB, FAILED]


def painted(path, colour, top=92, bottom=640):
    """How many pixels of the plot have that very colour."""
    pixels = np.round(imread(path)[top:bottom, :, :3] * 255).astype(int)
    return int((pixels == colour).all(axis=2).sum())


def draw(records, path, **more):
    picture(records, path, **{"metric": "accuracy", "title": "digits", **more})
    return path


def test_each_group_has_its_own_colour(tmp_path):
    path = draw(RUN, tmp_path / "a" / "front.png")
    assert imread(path).shape[1] == 1200
    assert painted(path, BLUE) > 100
    assert painted(path, ORANGE) > 30
    grey = painted(path, GREY)  # the line of the baseline without FLOPs; and edges of letters
    path = draw(SINGLES, tmp_path / "b.png")
    assert painted(path, BLUE) > 100
    assert painted(path, ORANGE) == 0
    assert painted(path, GREY) < grey / 3


def test_the_key_has_a_line_a_member(tmp_path):
    few = imread(draw(SINGLES[:3], tmp_path / "few.png")).shape[0]
    many = imread(draw(SINGLES, tmp_path / "many.png")).shape[0]
    assert many - few == 3 * 22


def test_the_key_of_a_long_front_spells_out_the_better_ones(tmp_path):
    members = [trial(i, 0.5 + i / 100, 10**4 + 10**3 * i) for i in range(20)]

    def key(number):
        """What stands below the plot, where that member has another name."""
        named = [replace(r, strategy="gru") if r.trial == number else r for r in members]
        return imread(draw(named, tmp_path / "front.png"))[640:]

    same = key(99)
    assert np.array_equal(key(1), same)
    assert not np.array_equal(key(17), same)


def test_a_pruned_trial_stands_where_its_last_error_puts_it(tmp_path):
    def plot(error):
        pruned = trial(41, None, 10**5, state="pruned", curve=((0.1, 0.9), (0.3, error)))
        return imread(draw([*SINGLES, pruned], tmp_path / "front.png"))

    below = plot(0.4)
    assert np.array_equal(plot(0.5), below)  # at the lower edge, both
    assert not np.array_equal(plot(0.14), below)  # among the others, at .86


def test_one_terrible_trial_does_not_squash_the_others(tmp_path):
    def spread(records, name):
        pixels = np.round(imread(draw(records, tmp_path / name))[92:635, :, :3] * 255)
        rows = np.flatnonzero((pixels == BLUE).all(axis=2).any(axis=1))
        return rows.max() - rows.min()

    bad = trial(30, 0.01, 3 * 10**6)
    assert spread([*SINGLES, bad], "bad.png") > 0.35 * spread(SINGLES, "good.png")


@pytest.mark.parametrize("cost", ["flops", "params", "latency_ms"])
def test_odd_runs_are_drawn_too(tmp_path, cost):
    majority = trial(40, 0.1, 0, kind="baseline", strategy="majority", params=0)
    pruned = trial(41, None, 10**5, state="pruned", curve=((0.1, 0.4), (0.3, 0.2)), params=9)
    same = [trial(i, 0.9, 10**6, params=5, latency_ms=0.3) for i in range(100, 130)]
    for records in ([], [majority], [pruned], same[:1], [majority, pruned, FAILED, *same]):
        path = draw(records, tmp_path / "front.png", cost=cost)
        assert imread(path).shape[0] >= 640


def test_a_regression_in_large_numbers_is_drawn(tmp_path):
    records = [
        trial(i, None, 10**i, val={"neg_rmse": -5000.0 / i}, curve=((1.0, 0.4),))
        for i in range(3, 7)
    ]
    assert painted(draw(records, tmp_path / "front.png", metric="neg_rmse"), BLUE) > 50


@pytest.fixture
def run_dir(tmp_path):
    for record in RUN:
        write_record(record, tmp_path)
    (tmp_path / "run.toml").write_text(RUN_TOML)
    return tmp_path


def test_a_run_folder_gives_table_page_and_picture_again(run_dir):
    paths = report(run_dir)
    assert [p.name for p in paths] == ["leaderboard.csv", "leaderboard.md", "front.png"]
    with paths[0].open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(RUN)
    assert (rows[0]["strategy"], rows[0]["rank"]) == ("attend(cnn > gru, lstm)", "1")
    assert painted(paths[2], ORANGE) > 30
    before = [path.read_bytes() for path in paths]
    assert [path.read_bytes() for path in report(run_dir)] == before
    write_record(replace(COMPOSITE, trial=50, strategy="mean(cnn, mlp)"), run_dir)
    report(run_dir)
    assert "mean(cnn, mlp)" in paths[1].read_text()
    assert not list(run_dir.glob(".*"))


def test_the_page_has_sentence_picture_front_and_all(run_dir):
    composing = {"composite": 20, "single": 7, "difference": 0.08, "low": 0.05, "high": 0.1,
                 "n": 360, "metric": "accuracy"}  # fmt: skip
    (run_dir / "composing.json").write_text(json.dumps(composing))
    (run_dir / "importance.json").write_text('{"branch0.width": 0.25, "lr": 0.75}')
    text = report(run_dir)[1].read_text()
    order = [
        "# digits: accuracy against flops", "Composing paid in this run", "](front.png)",
        "## The front",
        "`attend(cnn > gru, lstm)`", "## Which choices mattered", "| `lr` | 75 % |",
        "| `branch0.width` | 25 % |", "## All trials", "failed: loss is not finite",
    ]  # fmt: skip
    places = [text.index(piece) for piece in order]
    assert places == sorted(places)


def test_a_page_without_extras_says_what_is_not_known():
    text = page(RUN, metric="accuracy", title="digits")
    assert "Whether composing paid is not known" in text
    assert "mattered" not in text


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("run.toml", "[data\n", r"run\.toml: a run folder says there what was asked"),
        ("run.toml", '[data]\nname = "x"\n', r"lacks \[search\] metric, \[search\] cost"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(run_dir, name, content, match):
    (run_dir / name).write_text(content)
    with pytest.raises(RunError, match=match):
        report(run_dir)


@pytest.mark.parametrize("content", ["{", "[]", '{"difference": "x", "low": []}', "[" * 100_000])
def test_a_page_does_without_extras_that_are_damaged(run_dir, content):
    (run_dir / "composing.json").write_text(content)
    (run_dir / "importance.json").write_text(content)
    text = report(run_dir)[1].read_text()
    assert "Whether composing paid is not known" in text
    assert "mattered" not in text


def test_a_folder_without_trials_has_nothing_to_report(tmp_path):
    (tmp_path / "run.toml").write_text(RUN_TOML)
    with pytest.raises(RunError, match="holds no finished trial"):
        report(tmp_path)
