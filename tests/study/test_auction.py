"""What is trained next: the largest gain for its price, without a search's ignorance of it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autosynth.study.auction import (
    DRAWS,
    FEWEST_KNOWN,
    KIND_SHARE,
    Arm,
    Auction,
)


def arm(number: int, width: float, prices: Sequence[float] = (1.0, 2.0, 6.0), **more: bool) -> Arm:
    return Arm(
        key=f"arm {number}",
        answers={"width": width},
        cost=2.0**width,
        prices=tuple(prices),
        **more,
    )


def known(auction: Auction, arms: Sequence[Arm], error: float = 0.5) -> None:
    """Let all of these be begun and end with one error."""
    for each in arms:
        _done(auction, each, 0, error)


def _done(auction: Auction, each: Arm, level: int, error: float | None) -> None:
    from autosynth.study.auction import Action

    auction.start(Action(arm=each, level=level, why=""))
    auction.end(each.key, level, error)


def test_a_search_begins_by_chance() -> None:
    fresh = [arm(i, 5.0) for i in range(40)]
    first = {Auction(levels=3, seed=seed).choose(fresh).arm.key for seed in range(20)}  # type: ignore[union-attr]
    assert len(first) > 5
    assert Auction(levels=3).choose([]) is None


def test_what_is_like_the_best_is_begun() -> None:
    auction = Auction(levels=1, is_balanced=False)

    def of(kind: str, number: int, width: float) -> Arm:
        known = arm(number, width, (1.0,))
        return replace(known, answers={**known.answers, "kind": kind})

    for i in range(20):
        kind = "good" if i % 2 else "bad"
        _done(auction, of(kind, i, 5.0 + i % 5), 0, 0.2 if kind == "good" else 0.8)
    good, bad = auction.gains([of("good", 100, 3.0), of("bad", 101, 3.0)])
    assert good > 3 * bad


def test_of_equal_gains_the_cheaper_training_comes_first() -> None:
    auction = Auction(levels=2, is_balanced=False, seed=3)
    known(auction, [arm(i, float(i % 8), (1.0,)) for i in range(FEWEST_KNOWN)])
    fresh = [arm(50, 3.0, (1.0, 10.0)), arm(51, 3.0, (10.0, 100.0))]
    chosen = [auction.choose(fresh) for _ in range(20)]
    keys = [each.arm.key for each in chosen if each and each.why.startswith("it promises")]
    assert keys
    assert set(keys) == {"arm 50"}


def test_the_best_is_trained_for_longer() -> None:
    auction = Auction(levels=3, is_balanced=False, seed=1)
    arms = [arm(i, 5.0) for i in range(12)]
    for i, each in enumerate(arms):
        _done(auction, each, 0, 0.2 if i == 4 else 0.6)
    reasons = [auction.choose([]) for _ in range(20)]
    longer = [each for each in reasons if each and each.why.startswith("it promises")]
    assert {(each.arm.key, each.level) for each in longer} == {("arm 4", 1)}


def test_how_errors_fall_is_taken_from_those_that_fell() -> None:
    def gain(fall: float) -> float:
        auction = Auction(levels=2, is_balanced=False)
        for i in range(30):
            each = arm(i, float(i % 8), (1.0, 3.0))
            _done(auction, each, 0, 0.5)
            _done(auction, each, 1, 0.5 * fall)
        short = arm(99, 4.0, (1.0, 3.0))
        _done(auction, short, 0, 0.3)
        return float(auction.gains([short])[0])

    assert gain(0.5) > gain(0.95)


def test_single_components_and_composites_have_their_shares() -> None:
    auction = Auction(levels=1, seed=0)
    number, spent = 0, {True: 0.0, False: 0.0}
    for _ in range(120):
        fresh = [arm(number + i, float(i), (1.0,), is_single=i % 2 == 0) for i in range(8)]
        number += 8
        action = auction.choose(fresh)
        assert action is not None
        # Composites are far better: without shares, none else would have a turn.
        _done(auction, action.arm, 0, 0.8 if action.arm.is_single else 0.1)
        spent[action.arm.is_single] += 1.0
    assert min(spent.values()) >= (KIND_SHARE - 0.03) * sum(spent.values())


def test_what_failed_and_what_runs_is_not_chosen() -> None:
    auction = Auction(levels=3, is_balanced=False)
    _done(auction, arm(1, 3.0), 0, None)
    assert auction.choose([]) is None
    from autosynth.study.auction import Action

    auction.start(Action(arm=arm(2, 3.0), level=0, why=""))
    assert auction.choose([]) is None
    auction.end("arm 2", 0, 0.4)
    action = auction.choose([])
    assert action is not None
    assert (action.arm.key, action.level) == ("arm 2", 1)


def test_one_seed_gives_one_course() -> None:
    def course(seed: int) -> list[str]:
        auction, fresh = Auction(levels=3, seed=seed), [arm(i, float(i % 9)) for i in range(60)]
        found = []
        for step in range(40):
            action = auction.choose(fresh)
            assert action is not None
            fresh = [each for each in fresh if each.key != action.arm.key]
            _done(auction, action.arm, action.level, 1 / (2 + step % 5))
            found.append(f"{action.arm.key} {action.level}")
        return found

    assert course(0) == course(0)
    assert course(0) != course(1)


def test_what_is_guessed_says_what_comes_first() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        means = np.array([-1.0 if arm.answers["width"] == 5.0 else 0.0 for arm in arms])
        return means + np.random.default_rng(0).normal(0, 0.1, (DRAWS, len(arms)))

    fresh = [arm(i, float(3 + i % 6), (1.0,)) for i in range(36)]
    first = [Auction(levels=1, seed=seed, guess=guess).choose(fresh) for seed in range(20)]
    found = [each.arm.answers["width"] for each in first if each and each.why != "by chance"]
    assert len(found) > 10
    assert found.count(5.0) >= 0.9 * len(found)


def test_a_guess_that_is_wrong_is_found_out() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        return np.tile([-float(arm.answers["width"]) for arm in arms], (DRAWS, 1))

    def of(number: int, width: float, cost: float) -> Arm:
        return replace(arm(number, width, (1.0,)), cost=cost)

    auction = Auction(levels=1, seed=0, is_balanced=False, guess=guess)
    for i in range(24):
        _done(auction, of(i, float(3 + i % 6), 100.0), 0, 0.1 * (3 + i % 6))
    wide, narrow = auction.gains([of(90, 8.0, 10.0), of(91, 3.0, 10.0)])
    assert narrow > wide


def test_what_is_being_trained_counts_as_what_is_foreseen() -> None:
    def guess(arms: Sequence[Arm]) -> np.ndarray:
        return np.random.default_rng(0).normal(0, 0.05, (DRAWS, len(arms)))

    auction = Auction(levels=1, seed=0, is_balanced=False, guess=guess)
    _done(auction, arm(0, 8.0, (1.0,)), 0, 0.5)
    before = auction.gains([arm(2, 4.0, (1.0,))])[0]
    from autosynth.study.auction import Action

    auction.start(Action(arm=arm(1, 4.0, (1.0,)), level=0, why=""))
    assert auction.gains([arm(2, 4.0, (1.0,))])[0] < 0.2 * before


def test_what_failed_at_a_longer_training_is_as_good_as_before() -> None:
    auction = Auction(levels=3, is_balanced=False, seed=1)
    for i in range(12):
        _done(auction, arm(i, 5.0 + i / 12), 0, 0.2 if i == 4 else 0.6)
    before = auction.gains([arm(50, 5.2, (1.0,))])
    _done(auction, auction.begun["arm 4"], 1, None)
    assert np.allclose(auction.gains([arm(50, 5.2, (1.0,))]), before, rtol=0.2)
    chosen = [auction.choose([]) for _ in range(30)]
    assert "arm 4" not in {each.arm.key for each in chosen if each}
