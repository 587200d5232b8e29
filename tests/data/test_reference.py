"""The reference sets are read as their README describes them."""

from pathlib import Path
from typing import Any

import pytest

from autosynth.data import load


@pytest.mark.parametrize(
    ("path", "options", "kind", "shape", "outputs", "sizes"),
    [
        ("mnist", {}, "image", (1, 28, 28), 10, (50_000, 5_000, 5_000, 10_000)),
        ("fashion_mnist", {}, "image", (1, 28, 28), 10, (50_000, 5_000, 5_000, 10_000)),
        (
            "pneumonia_mnist/pneumoniamnist.npz",
            {},
            *("image", (1, 28, 28), 2, (4_208, 500, 524, 624)),
        ),
        ("mnist1d/mnist1d.npz", {}, "series", (1, 40), 10, (3_000, 500, 500, 1_000)),
        ("ucr/CricketX", {}, "series", (1, 300), 12, (312, 0, 78, 390)),
        ("ucr/CricketX/CricketX_TRAIN.tsv", {}, "series", (1, 300), 12, (312, 0, 78, 390)),
        (
            "credit_taiwan/UCI_Credit_Card.csv",
            {"target": "Default"},
            *("table", (23,), 2, (19_200, 2_400, 2_400, 6_000)),
        ),
        ("diamonds/diamonds.csv", {"target": "price"}, "table", (9,), 1, None),
        ("leaf/train.csv", {"target": "species"}, "table", (192,), 99, (634, 0, 158, 198)),
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
    data = load(shared / path, **options)
    spec, splits = data.inputs[0], data.splits
    assert (spec.kind, spec.shape) == (kind, shape)
    assert data.target.n_outputs == outputs
    found = tuple(len(part) for part in (splits.train, splits.fit, splits.select, splits.test))
    assert sizes is None or found == sizes
    assert sum(found) == len(data.y)


def test_ids_are_set_aside_and_text_is_read(shared: Path) -> None:
    leaf = load(shared / "leaf" / "train.csv", target="species")
    assert leaf.warnings == (
        "column set aside: id (an id: by its name, and every row has its own)",
    )
    tweets = load(shared / "airline_tweets" / "Tweets.csv", target="airline_sentiment")
    told = "\n".join(tweets.warnings)
    assert [spec.name for spec in tweets.inputs if not spec.of] == ["table", "text"]
    assert "tweet_id (an id: whole numbers too long to be a measure)" in told


def test_bills_stand_in_their_order(shared: Path) -> None:
    credit = load(shared / "credit_taiwan" / "UCI_Credit_Card.csv", target="Default")
    names = [column["name"] for column in credit.encoders["inputs"][0]["columns"]]
    first = names.index("BILL_AMT1")
    assert names[first : first + 6] == [f"BILL_AMT{month}" for month in range(1, 7)]
