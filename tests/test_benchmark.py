"""The benchmark's replay: what a search has at a moment, and that every method ends with all."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

HERE = Path(__file__).parents[1] / "results" / "benchmark"
sys.path.insert(0, str(HERE))

from methods import METHODS  # noqa: E402
from pack import pack, packed_keys  # noqa: E402
from pools import LEVELS, pools  # noqa: E402
from replay import at_prices, replay, share_to  # noqa: E402
from trainings import Task, Training, append, read  # noqa: E402


def table(n: int = 24) -> pd.DataFrame:
    """Wider networks are better, longer trainings too; and one part that takes no steps."""
    rows = []
    for i in range(n):
        width = 2 ** (1 + i % 6)
        text = f"mlp[depth={1 + i // 6}, width={width}]"
        for level, length in enumerate(LEVELS):
            error = (0.9 - 0.1 * (i % 6)) * (0.9, 0.8, 0.7)[level] + 0.01 * (i // 6)
            rows.append(
                {
                    "set": "made",
                    "strategy": text,
                    "schedule": "onecycle",
                    "length": length,
                    "seed": 0,
                    "state": "complete",
                    "topology": "single" if i % 2 else "parallel",
                    "val_error": error,
                    "test_error": error + 0.02,
                    "flops": 100 * width,
                    "train_flops": 1e9 * width * length,
                    "seconds": length,
                    "steps": 100,
                    "place": float(i) if i % 3 == 0 else np.nan,
                    "rungs": [0.1111, 0.3333],
                    "rung_errors": [0.9, error + 0.1],
                }
            )
    fitted = {"strategy": "linear", "length": 1.0, "steps": 0, "train_flops": 0.0, "seconds": 0.0}
    rows.append({**rows[-1], **fitted, "flops": 10, "val_error": 0.8, "test_error": 0.8})
    return pd.DataFrame(rows)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("workers", [1, 3])
def test_every_method_comes_to_the_whole_front(method: str, workers: int) -> None:
    (pool,) = pools(table(), "onecycle", "train_flops").values()
    course = replay(pool, METHODS[method](pool, 0), workers, 3 * pool.whole_price)
    prices, worth, errors = zip(*course, strict=True)
    assert list(prices) == sorted(prices)
    assert worth[0] >= 0
    # Pruning, and choosing by short trainings, may miss what hardly matters.
    assert worth[-1] >= 0.97 * pool.full
    last = at_prices(pool, course, [pool.whole_price])[-1]
    assert last.worth <= 1.0 + 1e-9
    assert last.error >= 1.0 - 1e-9
    assert errors[-1] <= 1.05 * pool.least
    assert share_to(pool, course, 0.9) <= 1.6


def test_a_replay_is_the_same_each_time() -> None:
    (pool,) = pools(table(), "onecycle", "train_flops").values()
    courses = [replay(pool, METHODS["auction"](pool, 3), 2, 1e30) for _ in range(2)]
    assert courses[0] == courses[1]


def test_a_front_is_chosen_on_validation_and_worth_what_test_says() -> None:
    (pool,) = pools(table(), "onecycle", "seconds").values()
    arm = max(pool.arms, key=lambda arm: arm.cost)
    end = pool.last(arm)
    height = pool.reference[0] - pool.test[arm.key, end]
    width = pool.reference[1] - np.log10(arm.cost)
    assert pool.worth([(arm, end)]) == pytest.approx(height * width)
    assert pool.worth([]) == 0.0


def test_a_trunk_goes_on_where_it_was() -> None:
    (pool,) = pools(table(), "onecycle", "seconds", goes_on=True).values()
    arm = next(arm for arm in pool.arms if arm.takes_steps)
    found = [pool.price(arm, 0), pool.price(arm, 1, 0), pool.price(arm, 2, 1), pool.price(arm, 2)]
    assert found == pytest.approx([0.11, 0.33 - 0.088, 1.0 - 0.264, 1.0])
    assert pool.whole_price == pytest.approx(24 + 0.01)


def test_what_was_trained_is_read_again_and_packed(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    task = Task(set="made", strategy="linear")
    kept = {"validation": "AAA8AAA8"}
    one = Training(task=task, val=0.5, test=float("nan"), curve=((0.1, 0.9),), outputs=kept)
    append(work / "made.jsonl", one)
    with (work / "made.jsonl").open("a") as file:
        file.write('{"task": {"set": "ma')  # the process was killed
    (again,) = read(work / "made.jsonl")
    assert (again.task, again.val, again.test, again.curve) == (task, 0.5, None, one.curve)
    assert [path.name for path in pack(work, tmp_path)] == ["trainings.parquet", "outputs.parquet"]
    (row,) = pd.read_parquet(tmp_path / "trainings.parquet").to_dict("records")
    assert (row["strategy"], list(row["rung_errors"])) == ("linear", [0.9])
    assert packed_keys(tmp_path, "made") == {task.key}
    assert packed_keys(tmp_path, "another") == set()
    (outputs,) = pd.read_parquet(tmp_path / "outputs.parquet")["outputs"]
    assert np.frombuffer(outputs, "<f2").tolist() == [0.0, 1.0, 0.0][:3] or len(outputs) == 6
    (work / "made.jsonl").unlink()
    assert len(list(pack(work, tmp_path))) == 2  # what was packed before is kept
    assert len(pd.read_parquet(tmp_path / "trainings.parquet")) == 1


def test_a_task_is_the_strategy_on_its_schedule() -> None:
    task = Task(set="made", strategy="mlp | lr=0.01", schedule="wsd", length=0.33)
    assert str(task.scheduled()) == "mlp | lr=0.01 schedule=wsd length=0.33"
    fitted = Task(set="made", strategy="linear", schedule="wsd", length=0.33)
    assert str(fitted.scheduled()) == "linear"
