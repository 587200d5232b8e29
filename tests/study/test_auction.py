"""What is trained next: the largest gain for its price, without a search's ignorance of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from autosynth.study.auction import (
    BEST_SHARE,
    BY_CHANCE,
    CHANCE_SHARE,
    FOR_BEST,
    FOR_FRONT,
    KIND_SHARE,
    LONG_SHARE,
    SPARED_ONE_IN,
    SPARED_WHY,
    Action,
    Auction,
)
from autosynth.study.foresight import DRAWS, FEWEST_KNOWN, Arm

LENGTHS = (1.0, 3.0, 9.0)


def arm(number: int, width: float, *, cost: float = 0.0, single: bool = False) -> Arm:
    cost = cost or 2.0**width
    return Arm(key=f"arm {number}", answers={"width": width}, cost=cost, is_single=single)


def auction_of(
    lengths: Sequence[float] = LENGTHS, *, prices: dict[str, float] | None = None, **more: object
) -> Auction:
    def price(arm: Arm, level: int) -> float:
        return (prices or {}).get(arm.key, 1.0) * lengths[level]

    known = {"seed": 0, "is_balanced": False, **more}
    return Auction(lengths=lengths, price=price, **known)  # type: ignore[arg-type]


def done(auction: Auction, each: Arm, level: int, error: float | None, why: str = "") -> None:
    auction.start(Action(arm=each, level=level, why=why))
    auction.end(each.key, level, error)


def without_chance(auction: Auction) -> Auction:
    """Nothing is begun by chance, and nothing spared, for a long time."""
    auction.spent_for |= {BY_CHANCE: 1e9, SPARED_WHY: 1e9}
    return auction


def fresh(*arms: Arm) -> list[Action]:
    return [Action(arm=each, level=0) for each in arms]


def test_a_search_that_knows_nothing_begins_by_chance() -> None:
    arms = fresh(*(arm(i, 5.0) for i in range(40)))
    chosen = [auction_of(seed=seed).choose(arms) for seed in range(20)]
    assert len({each.arm.key for each in chosen if each}) > 5
    assert {each.why for each in chosen if each} == {"by chance"}
    assert auction_of().choose([]) is None


def test_what_is_like_the_best_is_begun() -> None:
    auction = auction_of((1.0,))

    def of(kind: str, number: int, width: float) -> Arm:
        return replace(arm(number, width), answers={"width": width, "kind": kind})

    for i in range(20):
        kind = "good" if i % 2 else "bad"
        done(auction, of(kind, i, 5.0 + i % 5), 0, 0.2 if kind == "good" else 0.8)
    good, bad = auction.gains(fresh(of("good", 100, 3.0), of("bad", 101, 3.0)))
    assert good > 3 * bad


def test_of_equal_gains_the_cheaper_training_comes_first() -> None:
    auction = without_chance(auction_of((1.0, 10.0), prices={"arm 51": 10.0}, seed=3))
    for i in range(FEWEST_KNOWN + 2):
        done(auction, arm(i, float(i % 8)), 0, 0.5)
    chosen = [auction.choose(fresh(arm(50, 3.0), arm(51, 3.0))) for _ in range(20)]
    keys = [each.arm.key for each in chosen if each]
    assert keys
    assert set(keys) <= {"arm 50", *(f"arm {i}" for i in range(8))}


def test_the_best_is_trained_for_longer() -> None:
    auction = without_chance(auction_of(seed=1))
    for i in range(12):
        done(auction, arm(i, 5.0), 0, 0.2 if i == 4 else 0.6)
    chosen = [auction.choose([]) for _ in range(20)]
    assert {(each.arm.key, each.level) for each in chosen if each} == {("arm 4", 1)}


def test_what_gained_nothing_by_a_longer_training_promises_less() -> None:
    def gain(error: float) -> float:
        auction = auction_of(seed=1)
        for i in range(12):
            done(auction, arm(i, 5.0), 0, 0.2 if i == 4 else 0.6)
        done(auction, arm(4, 5.0), 1, error)
        return float(auction.gains([Action(arm=arm(4, 5.0), level=2)])[0])

    assert gain(0.19) > 1.2 * gain(0.21) > 0


def test_going_on_has_its_share_of_the_price() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        means = [-4.0 if each.key == "arm 99" else 0.0 for each in arms]
        return np.random.default_rng(0).normal(means, 0.1, (DRAWS, len(arms)))

    auction = without_chance(auction_of(guess=guess))
    for i in range(12):
        done(auction, arm(i, float(i)), 0, 0.5)
    promising = fresh(arm(99, 6.0))
    longer = auction.choose(promising)
    assert longer is not None
    assert longer.is_long
    auction.spent_long = LONG_SHARE * sum(auction.spent.values())
    assert auction.choose(promising) == replace(promising[0], why=FOR_BEST)


def test_the_best_has_its_share_of_the_price() -> None:
    auction = without_chance(auction_of((1.0,)))
    for step in range(100):
        # By price what is small does most for the front, and is never the best.
        arms = [arm(100 * step + i, float(2 + i), cost=10.0**i) for i in range(6)]
        action = auction.choose(fresh(*arms))
        assert action is not None
        done(auction, action.arm, 0, 0.5 - 0.01 * float(action.arm.answers["width"]), action.why)
    total = sum(auction.spent.values())
    assert auction.spent_for[FOR_BEST] / total == pytest.approx(BEST_SHARE, abs=0.03)
    assert auction.spent_for[FOR_FRONT] / total == pytest.approx(1 - BEST_SHARE, abs=0.06)


def test_what_is_dear_does_not_begin_by_chance_before_its_share_is_there() -> None:
    dear = arm(99, 3.0)
    auction = auction_of(
        (1.0,), prices={"arm 99": 50.0}, guess=lambda arms: np.zeros((DRAWS, len(arms)))
    )
    for step in range(4000):
        action = auction.choose(fresh(dear, arm(1000 + step, 9.0)))
        assert action is not None
        if action.arm.key == dear.key and action.why == BY_CHANCE:
            break
        done(auction, action.arm, 0, 0.5, action.why)
    assert action.arm.key == dear.key
    assert CHANCE_SHARE * sum(auction.spent.values()) >= 50.0


def test_promises_that_were_not_kept_count_for_less() -> None:
    def factor(*, kept: bool) -> float:
        auction = auction_of((1.0, 1.5))
        for step in range(30):
            each = arm(step, 4.0)
            auction.start(Action(arm=each, level=0, why=FOR_FRONT))
            auction._promised[each.key] = 0.1
            auction.end(each.key, 0, 0.5 * (0.9**step if kept else 1.0))
        return auction._credits[FOR_FRONT, False].factor

    assert factor(kept=False) < 0.3
    assert factor(kept=True) > 0.8


def test_how_errors_fall_is_taken_from_those_that_fell() -> None:
    def gain(fall: float) -> float:
        auction = auction_of((1.0, 3.0))
        for i in range(30):
            each = arm(i, float(i % 8))
            done(auction, each, 0, 0.5)
            done(auction, each, 1, 0.5 * fall)
        short = arm(99, 4.0)
        done(auction, short, 0, 0.3)
        return float(auction.gains([Action(arm=short, level=1)])[0])

    assert gain(0.5) > gain(0.95)


def test_single_components_and_composites_have_their_shares() -> None:
    auction = auction_of((1.0,), is_balanced=True)
    number = 0
    for _ in range(120):
        offered = fresh(*(arm(number + i, float(i), single=i % 2 == 0) for i in range(8)))
        number += 8
        action = auction.choose(offered)
        assert action is not None
        # Composites are far better: without shares, none else would have a turn.
        done(auction, action.arm, 0, 0.8 if action.arm.is_single else 0.1)
    assert min(auction.spent.values()) >= (KIND_SHARE - 0.03) * sum(auction.spent.values())


def test_the_account_and_the_price_are_those_that_are_told() -> None:
    auction = auction_of((1.0,))
    auction.start(Action(arm=arm(1, 3.0, single=True), level=0), is_single=False)
    assert auction.spent == {True: 0.0, False: 1.0}
    auction.end("arm 1", 0, 0.5, price=7.0)
    assert auction.spent == {True: 0.0, False: 7.0}


def test_with_less_luck_in_the_best_others_promise_more() -> None:
    auction = auction_of((1.0,))
    for i in range(20):
        done(auction, arm(i, 5.0, cost=100.0), 0, 0.05 if i == 7 else 0.3 + 0.001 * i)
    dear = Action(arm=arm(100, 8.0, cost=200.0), level=0)
    (before,) = auction.gains([dear])
    auction.revise({("arm 7", 0): 0.3, ("arm 7", 1): 0.0, ("another", 0): 0.0})
    (after,) = auction.gains([dear])
    assert after > before
    assert min(point.error for point in auction._points) == pytest.approx(np.log(0.3))


def test_what_failed_and_what_runs_is_not_chosen() -> None:
    auction = without_chance(auction_of())
    done(auction, arm(1, 3.0), 0, None)
    assert not auction.is_begun("arm 1")
    auction.start(Action(arm=arm(2, 3.0), level=0))
    assert auction.choose([]) is None
    auction.end("arm 2", 0, 0.4)
    for i in range(3, 12):
        done(auction, arm(i, 3.0), 0, 0.9)
    action = auction.choose([])
    assert action is not None
    assert (action.arm.key, action.level) == ("arm 2", 1)


def test_what_failed_at_a_longer_training_is_as_good_as_before() -> None:
    auction = auction_of(seed=1)
    for i in range(12):
        done(auction, arm(i, 5.0 + i / 12), 0, 0.2 if i == 4 else 0.6)
    asked = fresh(arm(50, 5.2))
    before = auction.gains(asked)
    done(auction, arm(4, 5.0 + 4 / 12), 1, None)
    assert np.allclose(auction.gains(asked), before)
    chosen = [auction.choose([]) for _ in range(30)]
    assert "arm 4" not in {each.arm.key for each in chosen if each}


def test_one_in_twenty_is_trained_to_its_end_whatever_it_shows() -> None:
    auction = auction_of(seed=2)
    for i in range(60):
        done(auction, arm(i, 5.0), 0, 0.1 if i == 0 else 0.9)
    found: list[str] = []
    while (action := auction.choose([])) and len(found) < 60:
        found += [action.arm.key] if action.why == SPARED_WHY else []
        done(auction, action.arm, action.level, 0.05 if action.arm.key == "arm 0" else 0.8,
             action.why)  # fmt: skip
    assert 1 <= len(set(found)) <= 3 * 60 / SPARED_ONE_IN
    assert auction.spent_for[SPARED_WHY] <= 0.2 * sum(auction.spent.values())


def test_a_course_is_the_same_each_time() -> None:
    def course(seed: int) -> list[str]:
        auction, found = auction_of(seed=seed), []
        left = [arm(i, float(i % 9)) for i in range(40)]
        for step in range(40):
            action = auction.choose(fresh(*left))
            if action is None:
                break
            left = [each for each in left if each.key != action.arm.key]
            done(auction, action.arm, action.level, 1 / (2 + step % 5), action.why)
            found.append(f"{action.arm.key} {action.level}")
        return found

    assert course(0) == course(0)
    assert course(0) != course(1)


def test_what_is_guessed_says_what_comes_first() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        means = np.array([-1.0 if each.answers["width"] == 5.0 else 0.0 for each in arms])
        return means + np.random.default_rng(0).normal(0, 0.1, (DRAWS, len(arms)))

    arms = fresh(*(arm(i, float(3 + i % 6)) for i in range(36)))
    found = []
    for seed in range(20):
        auction = auction_of((1.0,), seed=seed, guess=guess)
        first = auction.choose(arms)
        assert first is not None
        found.append(first.arm.answers["width"])
    assert found.count(5.0) >= 18


def test_a_guess_that_is_wrong_is_found_out() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        return np.tile([-float(each.answers["width"]) for each in arms], (DRAWS, 1))

    auction = auction_of((1.0,), guess=guess)
    for i in range(24):
        done(auction, arm(i, float(3 + i % 6), cost=100.0), 0, 0.1 * (3 + i % 6))
    wide, narrow = auction.gains(fresh(arm(90, 8.0, cost=10.0), arm(91, 3.0, cost=10.0)))
    assert narrow > wide


def test_what_is_being_trained_counts_as_what_is_foreseen() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        return np.random.default_rng(0).normal(0, 0.05, (DRAWS, len(arms)))

    auction = auction_of((1.0,), guess=guess)
    done(auction, arm(0, 8.0), 0, 0.5)
    asked = fresh(arm(2, 4.0))
    before = auction.gains(asked)[0]
    auction.start(Action(arm=arm(1, 4.0), level=0))
    assert auction.gains(asked)[0] < 0.3 * before


def test_what_an_earlier_sitting_trained_is_known() -> None:
    one, other = auction_of((1.0,), is_balanced=True), auction_of((1.0,), is_balanced=True)
    for i in range(8):
        each = arm(i, float(i), single=True)
        done(one, each, 0, 0.1 * (1 + i))
        other.note(Action(arm=each, level=0), 0.1 * (1 + i), price=1.0)
    assert one.spent == other.spent
    asked = fresh(arm(20, 2.5), arm(21, 6.5))
    assert one.gains(asked) == pytest.approx(other.gains(asked))
