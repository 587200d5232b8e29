"""Interactions on the command line."""

from pathlib import Path

import pandas as pd
import pytest

from autosynth.cli import main


def test_inspect_takes_users_times_and_features(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [(user, f"i{(user + step) % 7}", step) for user in range(20) for step in range(5)]
    pd.DataFrame(rows, columns=["who", "what", "when"]).to_csv("had.csv", index=False)
    pd.DataFrame({"who": range(20), "age": range(30, 50)}).to_csv("people.csv", index=False)
    pd.DataFrame({"what": [f"i{i}" for i in range(7)], "price": range(7)}).to_csv("things.csv")
    asked = ["had.csv", "--target", "what", "--user", "who", "--time", "when", "--task", "ranking"]
    features = ["--features", "people.csv", "--features", "things.csv"]
    assert main(["inspect", *asked, *features]) == 0
    text = capsys.readouterr().out
    for said in ("100 of 20 users and 7 items", "history: ids", "user.age", "last.item.price"):
        assert said in text
    assert main(["inspect", "had.csv", "--target", "what", "--task", "ranking"]) == 2
    assert "--user" in capsys.readouterr().err
