"""Ranking by layers, the choice of one strategy, and the text a reader gets."""

import csv
import io
import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.errors import ConfigError, RunError, UnknownNameError
from autosynth.leaderboard import (
    build_leaderboard,
    composing_sentence,
    front,
    group_of,
    layer_numbers,
    pick,
    render,
)
from autosynth.record import Record


def trial(number, score, flops, **more):
    val = {} if score is None else {"accuracy": score, "precision": score / 2, "f1": 0.1}
    return Record(
        **{
            "trial": number, "seed": 0, "strategy": f"cnn[width={number}]", "val": val,
            "topology": "single", "flops": flops, "state": "complete", **more,
        }
    )  # fmt: skip


def baseline(number, name, score, flops):
    return trial(number, score, flops, kind="baseline", strategy=name, topology="")


MAJORITY = baseline(0, "majority", 0.3, 0)
RUN = [
    MAJORITY,
    baseline(1, "logistic", 0.7, 100),
    baseline(2, "hgb", 0.95, None),
    trial(3, 0.8, 1_000),
    trial(4, 0.9, 2_000, topology="parallel", strategy="mean(cnn, gru)", settings="lr=0.003"),
    trial(5, 0.85, 3_000),
    trial(6, 0.92, 9_000),
    trial(7, 0.3, 50),
    trial(8, None, 500, state="failed", reason="loss is not\nfinite"),
    trial(9, 0.99, 600, state="pruned", reason="behind at 1/9"),
    trial(10, 0.92, 9_000),
    trial(11, None, None, state="not_run", reason="no time left"),
    trial(12, 0.97, 99, state="stopped"),
]
DESIGN = [
    "rank", "strategy", "settings", "topology", "components", "sharing", "fusion", "training",
    "init", "state", "val_accuracy", "test_accuracy", "test_low", "test_high", "val_precision",
    "val_recall", "val_f1", "test_precision", "test_recall", "test_f1", "flops", "worst_flops",
    "params", "latency_ms", "train_flops", "train_seconds", "samples_seen", "epochs", "pareto",
    "trial", "seed", "reason",
]  # fmt: skip


def test_rank_is_by_layer_then_score():
    frame = build_leaderboard(RUN, metric="accuracy")
    assert list(frame.columns) == DESIGN
    ranked = frame[frame["rank"].notna()]
    assert ranked["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert ranked["trial"].tolist() == [6, 10, 4, 3, 1, 5]
    assert ranked["pareto"].tolist() == [1, 1, 1, 1, 1, 2]
    assert frame["trial"].tolist()[6:] == [2, 0, 7, 12, 9, 8, 11]
    assert frame["pareto"].isna().tolist()[6:] == [True] * 7


def test_rows_say_what_the_records_say():
    frame = build_leaderboard(RUN, metric="accuracy").set_index("trial")
    row = frame.loc[4]
    assert (row["strategy"], row["settings"], row["flops"]) == ("mean(cnn, gru)", "lr=0.003", 2000)
    assert (row["val_accuracy"], row["val_precision"]) == (0.9, 0.45)
    assert math.isnan(row["test_accuracy"])
    assert frame.loc[2, "topology"] == "baseline"
    assert (frame.loc[8, "state"], frame.loc[8, "reason"]) == ("failed", "loss is not\nfinite")
    assert frame["flops"].dtype == "Int64"
    assert frame["val_accuracy"].dtype == "float64"


def test_another_cost_gives_another_front():
    run = [trial(1, 0.8, 10, params=500), trial(2, 0.9, 20, params=100)]
    assert build_leaderboard(run, metric="accuracy")["pareto"].tolist() == [1, 1]
    assert build_leaderboard(run, metric="accuracy", cost="params")["pareto"].tolist() == [1, 2]
    assert build_leaderboard(run, metric="accuracy", cost="latency_ms")["rank"].isna().all()
    with pytest.raises(UnknownNameError, match="cost 'flop'.*mean 'flops'"):
        build_leaderboard(run, metric="accuracy", cost="flop")


def test_a_regression_shows_its_own_metrics():
    run = [trial(1, 0.5, 10, val={"r2": 0.5, "neg_rmse": -3.0, "neg_mae": -2.0})]
    frame = build_leaderboard(run, metric="neg_rmse")
    assert [c for c in frame if c.startswith("val_")] == ["val_neg_rmse", "val_r2", "val_neg_mae"]
    assert frame["val_neg_rmse"].tolist() == [-3.0]
    assert "val_precision" not in frame
    below = trial(2, 0, 5, kind="baseline", strategy="mean", val={"neg_rmse": -2.5})
    assert build_leaderboard([*run, below], metric="neg_rmse")["rank"].isna().all()


def test_a_baseline_that_was_cut_shows_its_scores_and_is_no_bar():
    why = "fitted on 2,000 of 26,000 rows"
    cut = [
        baseline(20, "majority", 0.99, 0),
        baseline(21, "logistic", 0.99, 100),
        baseline(22, "hgb", 0.99, None),
    ]
    cut = [replace(r, state="cut", reason=why) for r in cut]
    ranked = build_leaderboard(RUN[1:], metric="accuracy")
    board = build_leaderboard([*RUN[1:], *cut], metric="accuracy")
    with_rank = board[board["rank"].notna()]
    assert with_rank["trial"].tolist() == ranked[ranked["rank"].notna()]["trial"].tolist()
    assert [r.trial for r in front([*RUN, *cut], metric="accuracy")] == [1, 3, 4, 6, 10]
    assert pick([*RUN, *cut], metric="accuracy").trial == 6
    (line,) = (line for line in render(board).splitlines() if line.endswith(f"21  cut: {why}"))
    assert "0.9900" in line
    states = board["state"].tolist()
    assert states.index("cut") == states.count("complete")  # right after what is complete


def test_no_records_give_an_empty_board():
    frame = build_leaderboard([], metric="accuracy")
    assert list(frame.columns) == DESIGN
    assert len(frame) == 0
    assert render(frame).count("\n") == 4


def test_the_front_is_cheapest_first_and_groups_are_told_apart():
    assert [r.trial for r in front(RUN, metric="accuracy")] == [1, 3, 4, 6, 10]
    assert [group_of(RUN[i]) for i in (1, 3, 4)] == ["baseline", "single", "composite"]


points = st.tuples(st.integers(0, 20).map(lambda i: i / 20), st.integers(1, 20))


@given(st.lists(points, max_size=40))
def test_nobody_beats_the_front_and_every_layer_is_beaten_by_the_one_before(pairs):
    run = [trial(i, score, flops) for i, (score, flops) in enumerate(pairs)]
    layer = layer_numbers(run, metric="accuracy", cost="flops")
    assert len(layer) == len(run)

    def beats(a, b):
        better = a[0] >= b[0] and a[1] <= b[1]
        return better and a != b

    for i, point in enumerate(pairs):
        level = layer[i]
        same = [pairs[j] for j in layer if layer[j] == level]
        assert not any(beats(other, point) for other in same)
        before = [pairs[j] for j in layer if layer[j] == level - 1]
        assert level == 1 or any(beats(other, point) for other in before)
    ranked = build_leaderboard(run, metric="accuracy")
    order = list(zip(ranked["pareto"], -ranked["val_accuracy"], strict=True))
    assert order == sorted(order)


def test_best_is_the_best_score_or_the_best_fold_score():
    assert pick(RUN, metric="accuracy").trial == 6  # 10 is its equal, and came later
    judged = [replace(r, cv={3: 0.81, 4: 0.93, 5: 0.99, 6: 0.91}.get(r.trial)) for r in RUN]
    assert pick(judged, metric="accuracy").trial == 5  # the race knows more than the front
    assert (
        build_leaderboard(judged, metric="accuracy")["trial"][0] == 5
    )  # rank 1 is what is exported
    lucky = [replace(r, expected=0.9 - r.trial / 100) for r in judged if r.kind == "strategy"]
    lucky = [replace(r, expected=None if r.state != "complete" else r.expected) for r in lucky]
    assert pick(lucky, metric="accuracy").trial == min(
        r.trial for r in lucky if r.expected is not None
    )
    assert pick(RUN, metric="accuracy", max_flops=2_500).trial == 4
    assert pick([MAJORITY, trial(7, 0.3, 50)], metric="accuracy").trial == 7


def test_of_equal_scores_the_surer_is_the_better():
    sure, unsure = (
        trial(n, 0.9, flops, val={"accuracy": 0.9, "neg_log_loss": loss})
        for n, flops, loss in ((1, 900, -0.2), (2, 100, -0.5))
    )
    assert pick([sure, unsure], metric="accuracy").trial == 1
    assert build_leaderboard([unsure, sure], metric="accuracy")["trial"].tolist() == [1, 2]
    assert pick([replace(sure, val=unsure.val), unsure], metric="accuracy").trial == 2  # cheaper


def test_the_knee_stands_out_from_the_chord():
    run = [trial(1, 0.5, 10), trial(2, 0.88, 100), trial(3, 0.9, 10_000), trial(4, 0.6, 20)]
    assert pick(run, "knee", metric="accuracy").trial == 2
    assert pick(run[:1], "knee", metric="accuracy").trial == 1
    hollow = [trial(1, 0.5, 10), trial(2, 0.51, 1_000), trial(3, 0.9, 10_000)]
    assert pick(hollow, "knee", metric="accuracy").trial == 3
    below = trial(9, 0.2, 1)  # worse than the majority: no end of the chord
    assert pick([MAJORITY, below, *run], "knee", metric="accuracy").trial == 2


def test_the_cheapest_within_a_standard_error():
    run = [trial(1, 0.5, 10), trial(2, 0.88, 100), trial(3, 0.9, 10_000)]
    sure, unsure = (replace(run[2], standard_error=error) for error in (0.01, 0.03))
    assert pick([*run[:2], sure], "cheapest", metric="accuracy").trial == 3
    assert pick([*run[:2], unsure], "cheapest", metric="accuracy").trial == 2
    assert pick(run, "cheapest", metric="accuracy").trial == 3
    assert pick([*run[:2], unsure], "cheapest", metric="accuracy", max_flops=50).trial == 1
    beside = trial(4, 0.889, 200)  # no member of the front is passed over for it
    assert pick([*run[:2], beside, unsure], "cheapest", metric="accuracy").trial == 2


@pytest.mark.parametrize(
    ("which", "limit", "kind", "match"),
    [
        ("first", None, ConfigError, "best, cheapest, knee or the number of a trial, not 'first'"),
        (99, None, ConfigError, "no trial 99; its trials are 0 to 12"),
        (2, None, ConfigError, "trial 2 is a baseline"),
        ("11", None, ConfigError, "trial 11 is not run"),
        (6, 5_000, ConfigError, r"trial 6 takes 9\.00k FLOPs, more than --max-flops 5\.00k"),
        ("best", 10, RunError, "at most 10 FLOPs; the least is 50: raise"),
    ],
)
def test_a_choice_that_cannot_be_made_says_why(which, limit, kind, match):
    with pytest.raises(kind, match=match):
        pick(RUN, which, metric="accuracy", max_flops=limit)


def test_a_trial_is_picked_by_its_number_and_an_empty_run_has_none():
    assert pick(RUN, 5, metric="accuracy").trial == 5
    assert pick(RUN, "5", metric="accuracy").trial == 5
    with pytest.raises(RunError, match="no complete strategy to pick; give it more budget"):
        pick(RUN[:3], metric="accuracy")


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.002, 0.021, "Composing paid in this run"),
        (-0.02, -0.001, "Composing did not pay in this run"),
        (-0.01, 0.01, "Whether composing paid is open in this run"),
    ],
)
def test_one_sentence_says_whether_composing_paid(low, high, words):
    sentence = composing_sentence(
        {"composite": 7, "single": 3, "difference": 0.0115, "low": low, "high": high, "n": 10_000,
         "metric": "accuracy"}
    )  # fmt: skip
    assert sentence.startswith(words)
    assert "(trial 7)" in sentence
    assert (
        f"+0.0115 accuracy, 95 % interval {low:+.4f} to {high:+.4f} over 10,000 test rows"
        in sentence
    )
    assert sentence.count(".") - sentence.count("0.") == 1
    assert "is not known" in composing_sentence(None)


def test_the_table_is_short_and_says_what_failed():
    lines = render(build_leaderboard(RUN, metric="accuracy")).splitlines()
    assert lines[0].split() == [
        "rank", "strategy", "val", "test", "flops", "params", "ms", "epochs", "trial", "state",
    ]  # fmt: skip
    cells = lines[4].split()
    assert cells[:2] == ["3", "*"]
    assert "mean(cnn, gru) | lr=0.003" in lines[4]
    assert cells[-8:] == ["0.9000", "-", "2.00k", "-", "-", "-", "4", "complete"]
    assert any("hgb (baseline)" in line for line in lines)
    assert lines[-4].endswith("failed: loss is not finite")
    assert lines[-3].endswith("not run: no time left")
    assert lines[-1].startswith("val, test: accuracy, higher is better")


def test_the_table_fits_the_terminal():
    long = trial(20, 0.5, 10, strategy="sum(" + ", ".join(["cnn"] * 40) + ")")
    text = render(build_leaderboard([*RUN, long], metric="accuracy"), width=88)
    assert max(map(len, text.splitlines())) <= 88
    assert "sum(cnn, cnn," in text
    assert "…" in text
    assert "…" not in render(build_leaderboard([*RUN, long], metric="accuracy"))


def test_csv_and_json_hold_every_column():
    frame = build_leaderboard(RUN, metric="accuracy")
    rows = list(csv.DictReader(io.StringIO(render(frame, "csv"))))
    assert list(rows[0]) == DESIGN
    assert (rows[0]["rank"], rows[0]["flops"], rows[0]["test_f1"]) == ("1", "9000", "")
    assert len(rows) == len(RUN)
    plain = json.loads(render(frame, "json"))
    assert plain[0]["val_accuracy"] == 0.92
    assert plain[-1]["rank"] is None
    again = pd.read_csv(io.StringIO(render(frame, "csv")))
    assert again["val_accuracy"].tolist()[:2] == [0.92, 0.92]


def test_markdown_is_a_table_whose_cells_hold():
    lines = render(build_leaderboard(RUN, metric="accuracy"), "markdown").splitlines()
    assert len(lines) == len(RUN) + 2
    assert all(line.replace("\\|", "").count("|") == 11 for line in lines)
    assert "`mean(cnn, gru) \\| lr=0.003`" in lines[4]


def test_rows_can_be_sorted_and_cut_to_the_front():
    frame = build_leaderboard(RUN, metric="accuracy")
    only = render(frame, "csv", pareto_only=True).splitlines()
    assert len(only) == 1 + 5
    by_cost = list(csv.DictReader(io.StringIO(render(frame, "csv", sort="flops"))))
    assert [row["trial"] for row in by_cost][:3] == ["0", "7", "12"]
    assert {by_cost[-1]["flops"], by_cost[-2]["flops"]} == {""}
    by_score = list(csv.DictReader(io.StringIO(render(frame, "csv", sort="val_accuracy"))))
    assert [row["trial"] for row in by_score][:2] == ["9", "12"]
    with pytest.raises(UnknownNameError, match="column 'flop'.*mean 'flops'"):
        render(frame, sort="flop")
    with pytest.raises(UnknownNameError, match="format 'yaml'.*valid: table, csv, json, markdown"):
        render(frame, "yaml")


def test_a_cascade_shows_what_it_costs_at_worst():
    records = [
        *RUN,
        trial(40, 0.9, 160_000, worst_flops=1_200_000),
        trial(41, 0.8, 90, worst_flops=90),
    ]
    shown = render(build_leaderboard(records, metric="accuracy"), "table")
    assert "160k ≤1.20M" in shown
    assert shown.count("≤") == 2  # and once under the table
    assert "through all of a cascade" in shown


@pytest.mark.parametrize(("ahead", "best"), [(0.005, 1), (0.02, 2)])
def test_a_cascade_is_chosen_where_it_is_a_standard_error_above_all_else(ahead, best):
    whole = trial(1, 0.9, 100, standard_error=0.01)
    cascade = trial(2, 0.9 + ahead, 50, topology="parallel", fusion="cascade", standard_error=0.01)
    assert pick([MAJORITY, whole, cascade], metric="accuracy").trial == best
    # As a mean it would be the best in either case.
    mean = replace(cascade, fusion="mean")
    assert pick([MAJORITY, whole, mean], metric="accuracy").trial == 2
