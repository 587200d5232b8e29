"""One contract over every family whose parts are no networks, every kind of input, every task."""

import pytest
import torch

from autosynth.components import FAMILIES
from autosynth.components.fitted import FittedFamily
from autosynth.components.rocketfamily import RocketFamily
from autosynth.composite import build
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.testing import FITTED_CHECKS, INPUTS, FittedCase, check_fitted_family
from autosynth.testing.family import raw_rows
from autosynth.testing.fitted import (
    PAST_INPUT,
    TARGETS,
    check_fitted_export,
    fit_parts,
    true_values,
)

OPTIONS = {
    "linear": ("", "penalty=elastic"),
    "boosting": ("rounds=4, leaves=5",),
    "trees": ("trees=6, depth=4",),
    "rocket": ("features=400, groups=4",),
    "tfidf": ("", "chars=4"),
    "seasonal": ("period=4",),
    "neighbours": ("nearest=5",),
}
FITTED = {name: each for name, each in FAMILIES.items() if isinstance(each, FittedFamily)}
CASES = [
    FittedCase(family=family, spec=spec, target=target, options=options)
    for name, family in FITTED.items()
    for options in OPTIONS[name]
    for number, target in enumerate(TARGETS)
    for spec in (*INPUTS.values(), PAST_INPUT)
    # Of every kind one task, and of tables all: what differs by task does not by kind.
    if spec.kind in family.kinds
    and (number == 0 or spec.kind in ("table", "text", "ids") or spec is PAST_INPUT)
    if target.task in family.tasks and bool(target.base) == spec.anchored
    # Of the example's sounds a dozen are not silent: too few for a leaf of boosting.
    if (name, spec.kind) != ("boosting", "audio")
    # Nothing in these is above a penalty on absolute weights: all of them are 0.
    if options != "penalty=elastic" or spec.kind not in ("image", "series", "frames")
]
# After what gives them features: of every kind one task, and all of them of one kind.
CASES += [
    FittedCase(family=FITTED[end], spec=spec, target=target, options=options, before=before)
    for before, end, options in (
        ("rocket[features=400, groups=4]", "linear", ""),
        ("rocket[features=336, groups=0, pools=one]", "boosting", OPTIONS["boosting"][0]),
    )
    for number, target in enumerate(TARGETS)
    for spec in INPUTS.values()
    if spec.kind in FITTED["rocket"].kinds and target.task in FITTED["rocket"].features_for
    if number == 0 or spec is INPUTS["masked"]
    if (end, spec.kind) != ("boosting", "audio")
]


def test_every_family_has_options_here() -> None:
    assert set(OPTIONS) == set(FITTED)


# How it is exported differs by family and kind alone, and takes as long as all the rest.
PAIRS = [
    pytest.param(
        *(case, check),
        id=f"{case}-{check.__name__}",
        marks=[]
        if case.target is TARGETS[0] or case.family.tasks in (("ranking",), ("forecasting",))
        else pytest.mark.slow,
    )
    for case in CASES
    for check in FITTED_CHECKS
    if check is not check_fitted_export
    or case.target.task not in ("regression", "multilabel", "multitask")
]


@pytest.mark.parametrize(("case", "check"), PAIRS)
def test_every_family_keeps_the_contract(check, case: FittedCase) -> None:
    check(case)


class Forgetful(FittedFamily):
    """The linear family, with a wrong word about what it costs."""

    name = "forgetful"
    about = "linear"
    options = FITTED["linear"].options
    kinds = ("table",)
    tasks = ("regression",)

    def model(self, config, inputs, target):  # type: ignore[no-untyped-def]
        return FITTED["linear"].model(config, inputs, target)._replace(flops=1)


def test_a_family_that_breaks_the_contract_is_told_how() -> None:
    with pytest.raises(AssertionError, match="FLOPs, declared 1") as caught:
        check_fitted_family(Forgetful(), inputs=[INPUTS["table"]])
    (note,) = caught.value.__notes__
    assert "check_fitted_cost: forgetful on table (5,), regression" in note


def test_a_family_says_what_it_cannot_read_or_do() -> None:
    case = FittedCase(family=FITTED["tfidf"], spec=INPUTS["table"])
    with pytest.raises(StrategyError, match="tfidf reads inputs of kind text, and all here are"):
        _ = case.resolved
    ranking = TargetSpec(name="y", task="ranking", classes=("a", "b", "c"))
    linear = FittedCase(family=FITTED["linear"], spec=INPUTS["table"], target=ranking)
    with pytest.raises(StrategyError, match="linear.* is fitted to classification, regression"):
        _ = linear.resolved


class Wasteful(RocketFamily):
    """The family of Rocket, with a wrong word about what its features cost."""

    name = "wasteful"
    features_for = ("classification",)

    def features(self, config, inputs):  # type: ignore[no-untyped-def]
        return super().features(config, inputs)._replace(flops=1)


def test_features_for_other_parts_are_held_to_their_contract() -> None:
    with pytest.raises(AssertionError, match=r"FLOPs, declared \d+") as caught:
        check_fitted_family(
            Wasteful(), options="features=336, groups=0", inputs=[INPUTS["series"]]
        )
    (note,) = caught.value.__notes__
    assert "check_fitted_cost: wasteful[features=336, groups=0] > linear on series" in note


def test_columns_that_say_nothing_have_no_say() -> None:
    """Empty columns, one value, and a category that no training row has."""
    spec = InputSpec(name="x", kind="table", shape=(4,), cardinalities=(0, 0, 0, 3))
    x = raw_rows(spec, 60)
    x[:, 0], x[:, 1], x[:, 3] = torch.nan, 7.0, 1.0
    other = x.clone()
    other[:, 0], other[:, 3] = 1.0, 2.0
    for name in ("linear", "boosting", "trees"):
        case = FittedCase(family=FITTED[name], spec=spec, options=OPTIONS[name][0])
        model = build(case.resolved)
        fit_parts(model, {"x": x}, true_values(case.target, x))
        with torch.no_grad():
            known, unknown = model({"x": x}), model({"x": other})
        assert known.isfinite().all()
        torch.testing.assert_close(known, unknown, rtol=0, atol=1e-3)
