"""The reference sets are read as their README describes them."""

from pathlib import Path
from typing import Any

import pytest

from autosynth.data import load_dataset


@pytest.mark.parametrize(
    ("path", "options", "kind", "shape", "outputs", "sizes"),
    [
        ("mnist", {}, "image", (1, 28, 28), 10, (50_000, 5_000, 5_000, 10_000)),
        ("fashion_mnist", {}, "image", (1, 28, 28), 10, (50_000, 5_000, 5_000, 10_000)),
        (
            "pneumonia_mnist/pneumoniamnist.npz",
            {},
            *("image", (1, 28, 28), 2, (4_210, 498, 524, 624)),
        ),
        ("mnist1d/mnist1d.npz", {}, "series", (1, 40), 10, (3_000, 500, 500, 1_000)),
        ("ucr/CricketX", {}, "series", (1, 300), 12, (260, 0, 130, 390)),
        ("ucr/CricketX/CricketX_TRAIN.tsv", {}, "series", (1, 300), 12, (260, 0, 130, 390)),
        (
            "credit_taiwan/UCI_Credit_Card.csv",
            {"target": "Default"},
            *("table", (11,), 2, (19_199, 2_398, 2_405, 5_998)),
        ),
        ("diamonds/diamonds.csv", {"target": "price"}, "table", (9,), 1, None),
        ("leaf/train.csv", {"target": "species"}, "table", (128,), 99, (634, 0, 158, 198)),
        ("airline_tweets/Tweets.csv", {"target": "airline_sentiment"}, "table", (9,), 3, None),
    ],
)
def test_reference_set(
    shared: Path,
    path: str,
    options: dict[str, Any],
    kind: str,
    shape: tuple[int, ...],
    outputs: int,
    sizes: tuple[int, ...] | None,
) -> None:
    data = load_dataset(shared / path, **options)
    spec, splits = data.inputs[0], data.splits
    assert (spec.kind, spec.shape) == (kind, shape)
    assert data.target.n_outputs == outputs
    found = tuple(
        len(part) for part in (splits.train, splits.calibration, splits.validation, splits.test)
    )
    assert sizes is None or found == sizes
    assert sum(found) == len(data.y)


@pytest.mark.slow
def test_tweets_have_an_id_a_text_and_four_columns_that_leak(shared: Path) -> None:
    tweets = load_dataset(shared / "airline_tweets" / "Tweets.csv", target="airline_sentiment")
    told = "\n".join(tweets.warnings)
    assert [spec.name for spec in tweets.inputs if not spec.of] == ["table", "text"]
    assert "tweet_id (an id: whole numbers too long to be a measure)" in told
    leaking = [line.split("'")[1] for line in tweets.warnings if "away" in line]
    reasons = {"negativereason", "negativereason_confidence", "negativereason_gold"}
    assert set(leaking) == {*reasons, "airline_sentiment_gold"}


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("adult", "column15"),
        ("credit_german/german.data", "column21"),
        ("credit_taiwan/UCI_Credit_Card.csv", "Default"),
        ("diamonds/diamonds.csv", "price"),
    ],
)
def test_honest_tables_leak_nothing(shared: Path, path: str, target: str) -> None:
    assert not [
        line for line in load_dataset(shared / path, target=target).warnings if "away" in line
    ]


def test_leaves_have_pictures_a_series_and_an_id(shared: Path) -> None:
    leaf = load_dataset(shared / "leaf" / "train.csv", target="species")
    assert leaf.warnings == (
        "column set aside: id (an id: by its name, and every row has its own)",
    )
    assert [(spec.name, spec.kind, spec.shape) for spec in leaf.inputs] == [
        ("table", "table", (128,)),
        ("shape", "series", (1, 64)),
        ("images", "image", (1, 128, 128)),
    ]
    assert "            of files that column 'id' names: images/..." in leaf.summary
    alone = load_dataset(
        shared / "leaf" / "train.csv", target="species", drop=["images", "[st]*[0-9]"]
    )
    assert [(spec.name, spec.shape) for spec in alone.inputs] == [("table", (64,))]


def test_bills_and_payments_are_a_series(shared: Path) -> None:
    credit = load_dataset(shared / "credit_taiwan" / "UCI_Credit_Card.csv", target="Default")
    assert [spec.name for spec in credit.inputs] == ["table", "BILL_AMT_PAY_AMT"]
    columns = [column["name"] for column in credit.encoders["inputs"][1]["columns"]]
    months = range(1, 7)
    assert columns == [f"{stem}{n}" for stem in ("BILL_AMT", "PAY_AMT") for n in months]
