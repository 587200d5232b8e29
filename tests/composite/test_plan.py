"""Courses: the phases that words ask for, what each trains, and that nothing is left out."""

import pytest

from autosynth.composite import build, resolve
from autosynth.composite.plan import TrainingPlan
from autosynth.errors import StrategyError, UnknownNameError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import parse
from autosynth.training.work import work_of

GRU, MLP, CNN = "gru[width=4, depth=1]", "mlp[width=4, depth=1]", "cnn[width=4, depth=1, stages=1]"
TREES = [
    f"mean({GRU}, {MLP})", f"weighted({GRU}, {MLP})", f"concat({GRU}, {MLP})",
    f"{CNN} > {GRU}", f"attend({CNN} > {GRU}, {MLP})", f"bilinear({CNN}, {GRU}, {MLP})",
    f"sum({GRU}, {CNN}) > {MLP}", f"cascade({MLP}, {GRU})", f"stack({MLP}, {GRU})",
    f"weighted[fit]({MLP}, {GRU})",
]  # fmt: skip
SCHEMES = [
    "", "train=subsets", "train=subsets rows=bootstrap", "train=staged",
    "train=staged earlier=free", "init=parts", "init=masked", "train=staged init=masked",
]  # fmt: skip


def training_plan(text: str, spec: InputSpec, target: TargetSpec) -> TrainingPlan:
    return resolve(parse(text), (spec,), target).training_plan


@pytest.mark.parametrize("words", SCHEMES)
@pytest.mark.parametrize("tree", TREES)
def test_every_parameter_is_trained_or_fitted_by_some_phase(
    tree: str, words: str, spec: InputSpec, target: TargetSpec
) -> None:
    resolved = resolve(parse(f"{tree} {words}"), (spec,), target)
    found = resolved.training_plan
    model = build(resolved)
    learnt = {name for name, m in model.modules_by_name.items() if list(m.parameters())}
    trained = {name for phase in found.phases for name in phase.trains}
    fitted = {found.program.step(at).name for at in found.post_hoc}
    assert learnt <= trained | fitted
    assert not trained & fitted
    # The composite is the beginning of what is trained: same pieces, same order.
    pieces = list(resolved.program.pieces)
    assert list(found.program.pieces)[: len(pieces)] == pieces
    for phase in found.phases:
        changed = work_of(found.program, phase).trainable
        assert set(phase.outputs) <= set(changed)


@pytest.mark.parametrize("words", SCHEMES)
@pytest.mark.parametrize("tree", [f"mean({MLP}, pretrained[size=32])", f"pretrained > {GRU}"])
def test_a_frozen_piece_is_in_no_phase(
    tree: str, words: str, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    found = training_plan(f"{tree} {words}", specs["image"], target)
    trained = {name for phase in found.phases for name in phase.trains}
    learnt = {name for name, piece in found.program.pieces.items() if piece.params}
    (frozen,) = found.program.frozen
    assert learnt - trained == {frozen}


def test_joint_training_is_one_phase_of_everything(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    (phase,) = training_plan(f"concat({GRU}, {MLP})", specs["series"], target).phases
    assert (phase.fraction, phase.rows, phase.supervised) == (1.0, "all", True)


def test_parts_alone_are_trained_apart_and_then_what_joins_them(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    spec = specs["series"]
    found = training_plan(f"concat({GRU}, {MLP}) train=subsets", spec, target)
    first, second, joining = found.phases
    assert not first.trains & second.trains
    assert not joining.trains & (first.trains | second.trains)
    assert [(p.rows, p.index, p.n_units) for p in (first, second)] == [
        ("disjoint", 0, 2), ("disjoint", 1, 2),
    ]  # fmt: skip
    # A mean has nothing to learn.
    assert len(training_plan(f"mean({GRU}, {MLP}) train=subsets", spec, target).phases) == 2


def test_stages_train_on_what_stands_and_then_together(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    spec = specs["series"]
    found = training_plan(f"{CNN} > {GRU} > {MLP} train=staged", spec, target)
    assert [phase.fraction for phase in found.phases] == [0.25] * 4
    second = work_of(found.program, found.phases[1])
    assert second.static
    assert second.static_flops() > 0
    assert second.flops(cached=True) < second.flops(cached=False)
    free = training_plan(f"{CNN} > {GRU} > {MLP} train=staged earlier=free", spec, target)
    assert free.phases[0].trains - {"alone0"} < free.phases[1].trains
    assert not work_of(free.program, free.phases[1]).static


def test_what_is_fitted_is_not_trained_through(
    specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    for tree in (f"stack({MLP}, {GRU})", f"cascade({MLP}, {GRU})", f"weighted[fit]({MLP}, {GRU})"):
        found = training_plan(tree, specs["series"], target)
        (phase,) = found.phases
        assert len(phase.outputs) == 2
        assert found.program.output not in phase.outputs
        assert len(found.post_hoc) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{GRU} train=subsets", "train=subsets needs two parts"),
        (f"{GRU} init=parts", "init=parts needs two parts"),
        (f"mean({GRU}, {MLP}) rows=all", "goes with train=subsets alone"),
        (f"mean({GRU}, {MLP}) train=subsets earlier=free", "goes with train=staged alone"),
        (f"mean({GRU}, {MLP}) train=staged init=parts", "give one of them"),
        (f"mean({GRU}, {MLP}) train=apart", "unknown train= 'apart'"),
    ],
)
def test_words_that_mean_nothing_are_refused(
    text: str, message: str, specs: dict[str, InputSpec], target: TargetSpec
) -> None:
    with pytest.raises((StrategyError, UnknownNameError), match=message):
        resolve(parse(text), (specs["series"],), target)


def test_a_single_component_can_learn_from_hidden_pieces_first(
    spec: InputSpec, target: TargetSpec
) -> None:
    found = training_plan(f"{GRU} init=masked", spec, target)
    masked, together = found.phases
    assert not masked.supervised
    assert together.outputs == (found.program.output,)
    assert any(name.startswith("restore") for name in masked.trains)
    assert not any(name.startswith("restore") for name in together.trains)
