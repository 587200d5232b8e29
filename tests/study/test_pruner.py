"""The front-protected rule, on curves made by hand and drawn by hypothesis."""

import math
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autosynth.front import layers
from autosynth.study.pruner import Curve, Decision, RungBook, decide, is_spared

RUNG = 1 / 9


def judged(mine: Curve, others: Iterable[Curve], *, n_val: int, **more: float) -> Decision:
    """The decision where errors are error rates over so many rows: of a difference of two."""
    error = mine.errors[max(mine.errors)]
    return decide(mine, others, standard_error=math.sqrt(2 * error * (1 - error) / n_val), **more)


def at(cost: float, error: float) -> Curve:
    return Curve(cost=cost, errors={RUNG: error})


# A front from cheap and weak to dear and good, and one trial that is beaten at its own cost.
FRONT = [at(1e4, 0.40), at(1e5, 0.30), at(1e6, 0.20), at(1e7, 0.10)]
BEATEN = at(1e6, 0.38)


def test_the_cheap_and_weak_member_of_the_front_goes_on():
    decision = judged(FRONT[0], [*FRONT[1:], BEATEN], n_val=10_000, e_ref=0.9)
    assert not decision.prune
    assert decision.constraint == 0
    assert decision.why == "nobody as cheap is better"


def test_a_dominated_trial_is_pruned_by_as_much_as_it_is_behind():
    decision = judged(BEATEN, FRONT, n_val=10_000, e_ref=0.9)
    assert decision.prune
    assert decision.constraint == pytest.approx(0.38 - 0.20)
    assert "error 0.38 at 0.111 of the schedule" in decision.why
    assert "0.2" in decision.why
    assert "80%" in decision.why


def test_a_rival_up_to_a_twentieth_dearer_counts_as_no_dearer():
    near, far = at(1.04e6, 0.10), at(1.06e6, 0.10)
    crowd = [at(1e4, 0.1), at(1e4, 0.1), at(1e4, 0.1)]
    mine = at(1e6, 0.12)
    assert judged(mine, [near, *crowd], n_val=10_000, e_ref=0.9).prune
    weak = [at(1e4, 0.5), at(1e4, 0.5), at(1e4, 0.5)]
    assert judged(mine, [near, *weak], n_val=10_000, e_ref=0.9).why.startswith("layer 1: 0%")
    assert judged(mine, [far, *weak], n_val=10_000, e_ref=0.9).why == "nobody as cheap is better"


def test_fewer_than_five_at_the_rung_go_on_however_bad():
    bad = at(1e8, 0.89)
    elsewhere = [Curve(cost=1.0, errors={1 / 27: 0.0}), Curve(cost=1.0), at(1.0, math.nan)]
    assert not judged(bad, [*FRONT[:3], *elsewhere], n_val=10_000, e_ref=0.9).prune
    assert judged(bad, [*FRONT, *elsewhere], n_val=10_000, e_ref=0.9).prune


def test_the_last_rung_of_the_trial_decides():
    mine = Curve(cost=1e6, errors={1 / 27: 0.9, 1 / 9: 0.05})
    assert not judged(mine, FRONT, n_val=10_000, e_ref=0.9).prune


def test_few_validation_rows_give_the_benefit_of_the_doubt():
    mine = at(1e6, 0.22)
    rivals = [at(1e6, 0.20), at(1e6, 0.20), at(1e6, 0.20), at(1e6, 0.20)]
    # 0.22 - sqrt(2 * 0.22 * 0.78 / 100) = 0.161 < 0.20, but with 100,000 rows it is 0.218.
    assert not judged(mine, rivals, n_val=100, e_ref=0.9).prune
    assert judged(mine, rivals, n_val=100_000, e_ref=0.9).prune


def test_the_doubt_may_be_of_an_error_that_is_no_rate():
    mine = at(1e6, 3.2)
    rivals = [at(1e6, 3.0)] * 4
    assert not decide(mine, rivals, e_ref=9.0, standard_error=0.3).prune
    assert decide(mine, rivals, e_ref=9.0, standard_error=0.1).prune


def test_useless_models_do_not_get_the_benefit_of_the_doubt():
    # With 100 rows an error of 0.90 may be one of 0.858, and so better than what is as cheap.
    useless, alike = at(1e3, 0.90), [at(1e3, 0.87), at(1e3, 0.88), at(1e3, 0.88), at(1e3, 0.89)]
    assert not judged(useless, alike, n_val=100, e_ref=0.95).prune
    decision = judged(useless, alike, n_val=100, e_ref=0.80)
    assert decision.prune
    assert decision.constraint == pytest.approx(0.90 - 0.80)
    assert "the trivial baseline has 0.8" in decision.why


def test_a_larger_q_prunes_less():
    # Two of five stand on a better layer: .4.
    mine = at(1e6, 0.25)
    others = [at(1e6, 0.20), at(1e5, 0.22), at(1e7, 0.5), at(1e7, 0.5)]
    assert not judged(mine, others, n_val=100_000, e_ref=0.9, q=0.5).prune
    assert judged(mine, others, n_val=100_000, e_ref=0.9, q=0.4).prune


def test_an_error_that_is_not_finite_is_refused():
    with pytest.raises(ValueError, match="is finite, not nan: fail the trial"):
        judged(at(1.0, math.nan), FRONT, n_val=10, e_ref=0.9)


def test_the_constraint_of_a_pruned_trial_is_above_zero():
    decision = judged(at(1e6, 0.0), [at(1e5, 0.0)] * 4, n_val=100, e_ref=0.9)
    assert decision.prune
    assert decision.constraint > 0


@given(
    st.lists(
        st.tuples(
            st.floats(min_value=1, max_value=1e9),
            st.lists(st.floats(min_value=0, max_value=0.8), min_size=3, max_size=3),
        ),
        min_size=5,
        max_size=30,
    ),
    st.floats(min_value=0.01, max_value=1),
    st.integers(min_value=10, max_value=100_000),
)
def test_a_trial_on_the_front_at_every_rung_is_never_pruned(rows, q, n_val):
    curves = [Curve(cost=c, errors=dict(enumerate(e))) for c, e in rows]
    for rung in range(3):
        front = layers([(c.errors[rung], math.log(c.cost)) for c in curves]) == 1
        for i, curve in enumerate(curves):
            seen = Curve(cost=curve.cost, errors={r: curve.errors[r] for r in range(rung + 1)})
            others = curves[:i] + curves[i + 1 :]
            if front[i]:
                assert not judged(seen, others, n_val=n_val, e_ref=0.9, q=q).prune
                # nor if it sees only some of the others
                assert not judged(seen, others[::2], n_val=n_val, e_ref=0.9, q=q).prune


few = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.31, math.inf, math.nan])
prices = st.sampled_from([1.0, 1.04, 1.06, 2.0, 2.0 + 1e-15, 4.0])
shown = st.builds(
    Curve, cost=prices, errors=st.dictionaries(st.sampled_from([1 / 9, 1 / 3]), few, max_size=2)
)


@given(
    st.lists(shown, max_size=25),
    prices,
    st.sampled_from([0.0, 0.05, 0.2, 0.3, 0.9]),
    st.booleans(),
    st.sampled_from([0.0, 0.09, 0.25]),
    st.sampled_from([0.15, 0.9]),
    st.floats(min_value=0.01, max_value=1),
)
def test_a_book_decides_as_over_all_curves(
    others, cost, error, is_written, standard_error, e_ref, q
):
    book, mine = RungBook(), Curve(cost=cost, errors={1 / 9: 0.5, 1 / 3: error})
    for number, curve in enumerate(others):
        book.write(number, curve)
    if is_written:
        book.write(len(others), mine)
    limits = {"e_ref": e_ref, "standard_error": standard_error, "q": q}
    assert book.decide(len(others), mine, **limits) == decide(mine, others, **limits)


def test_a_book_has_one_line_of_a_trial_that_was_trained_again():
    book = RungBook()
    for number, curve in enumerate(FRONT):
        book.write(number, curve)
    book.write(2, at(1e6, 0.45))  # its training was lost, and is made again
    assert book.decide(9, BEATEN, e_ref=0.9, standard_error=0.0) == decide(
        BEATEN, [FRONT[0], FRONT[1], at(1e6, 0.45), FRONT[3]], e_ref=0.9, standard_error=0.0
    )
    book.write(2, FRONT[2])
    assert book.decide(9, BEATEN, e_ref=0.9, standard_error=0.0).constraint == pytest.approx(0.18)


def test_a_book_refuses_an_error_that_is_not_finite():
    with pytest.raises(ValueError, match="is finite, not inf: fail the trial"):
        RungBook().decide(0, at(1.0, math.inf), e_ref=0.9, standard_error=0.0)


@given(st.integers(min_value=0, max_value=10**6), st.integers(min_value=0, max_value=500))
def test_one_trial_in_each_twenty_is_spared_by_the_seed(seed, block):
    trials = range(20 * block, 20 * block + 20)
    assert sum(is_spared(trial, seed) for trial in trials) == 1


def test_which_trials_are_spared_depends_on_the_seed():
    picked = {tuple(t for t in range(200) if is_spared(t, seed)) for seed in range(10)}
    assert len(picked) == 10
    assert len({t % 20 for trials in picked for t in trials}) > 10
