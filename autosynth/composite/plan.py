"""How a composite is trained: a program with what only training needs, and phases in order.

A phase trains some pieces towards some values; what it does not train and what stands before what
it trains is computed once. No phase trains a frozen piece. Joint training is one phase. A
strategy's units are the parts at its root: the branches of a fusion, or the beginnings of a chain,
each with a head.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn

from autosynth.components import Piece
from autosynth.composite.compiler import Compiler
from autosynth.composite.fusion import FUSIONS
from autosynth.composite.program import Program
from autosynth.composite.scope import Value
from autosynth.modality import MODALITIES
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import Chain, Fusion, Node, Settings, Strategy

# Of a schedule, spent without targets before it. On mnist1d it gained nothing over 450 steps with
# targets alone (-.008 and +.002, results/composition): by that, longer is not worth its time.
MASKED_SHARE = 0.5
# Of a schedule, for what joins parts that were trained alone: a head or a few weights, on features
# that stand, settle in far fewer steps than a network.
JOINING_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Unit:
    """One part at the root: `node` alone is a strategy of its own, and `output` its value.

    `names` are the pieces that no unit before it has, and `repeat` is how many of these are equal
    to it: the first one is drawn and trained as alone, the others by other numbers. `settings` are
    those that it has of its own.
    """

    node: Node
    output: int
    names: tuple[str, ...]
    repeat: int = 0
    settings: Settings = ()


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One stretch of a training.

    `outputs` are scored by the loss, the mean of theirs; without `supervised` they are losses.
    `trains` names the pieces that change. `fraction` is its length over the schedule's. `rows`
    says which training rows it sees, as the strategy's word does, for number `index` of `n_units`;
    `unit` which part is alone in it, that may stand trained already. One that `is_fit` takes no
    steps: its one piece is fitted at once. `settings` hold in it in the place of the strategy's.
    """

    name: str
    outputs: tuple[int, ...]
    trains: frozenset[str]
    fraction: float = 1.0
    supervised: bool = True
    rows: str = "all"
    index: int = 0
    n_units: int = 1
    unit: Unit | None = None
    is_fit: bool = False
    settings: Settings = ()


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """`program` is the composite's own with further steps; `post_hoc` are fitted at the end.

    The parts that stand `alone` are drawn and trained as they would be by themselves.
    """

    program: Program
    phases: tuple[Phase, ...]
    post_hoc: tuple[int, ...] = ()
    alone: tuple[Unit, ...] = ()


def make_training_plan(
    strategy: Strategy, inputs: Mapping[str, InputSpec], target: TargetSpec, dropout: float
) -> TrainingPlan:
    """The training plan of a canonical strategy."""
    compiler = Compiler(strategy, inputs, target, dropout)
    output = compiler.output(strategy.root, compiler.scope)
    whole = compiler.program(output)
    post_hoc = tuple(
        value_id
        for value_id in whole.needed([output])
        if whole.pieces[whole.step(value_id).name].is_post_hoc
    )
    fitted = frozenset(whole.step(value_id).name for value_id in post_hoc)
    train, init = strategy.flag("train", "joint"), strategy.flag("init", "random")
    alone = train != "joint" or init == "parts" or bool(fitted)
    units = _units(compiler, strategy.root, output) if alone else ()
    losses = _masked_losses(compiler, strategy.root) if init == "masked" else ()
    program = compiler.program(output)
    everything = frozenset(program.names([output])) - fitted
    phases: list[Phase] = []
    if losses:
        names = frozenset(program.names(losses))
        phases.append(
            Phase(
                name="masked",
                outputs=losses,
                trains=names,
                fraction=MASKED_SHARE,
                supervised=False,
            )
        )
    if train != "joint" or init == "parts":
        phases += _alone(strategy, units, program)
    outputs = tuple(unit.output for unit in units) if fitted else (output,)
    if train == "subsets":
        left = everything - {name for unit in units for name in unit.names}
        if any(program.pieces[name].params for name in left):
            phases.append(
                Phase(name="joining", outputs=(output,), trains=left, fraction=JOINING_SHARE)
            )
    else:
        trains = frozenset(program.names(outputs)) - fitted
        fraction = 1.0 if train == "joint" else 1 / (len(units) + 1)
        phases.append(Phase(name="together", outputs=outputs, trains=trains, fraction=fraction))
    phases = [replace(phase, trains=phase.trains - program.frozen) for phase in phases]
    at_once = program.learning("fit")
    learnt = [{each for each in p.trains if program.pieces[each].params} for p in phases]
    phases = [
        replace(phase, is_fit=True, fraction=0.0) if names and names <= at_once else phase
        for phase, names in zip(phases, learnt, strict=True)
    ]
    parts = tuple(phase.unit for phase in phases if phase.unit) if train != "staged" else ()
    return TrainingPlan(program=program, phases=tuple(phases), post_hoc=post_hoc, alone=parts)


def _units(compiler: Compiler, root: Node, output: int) -> tuple[Unit, ...]:
    """The parts at the root, each with an output of its own."""
    heads: list[tuple[Node, int, Settings]] = []
    if isinstance(root, Chain):
        before: Value | None = None
        for i, step in enumerate(root.steps[:-1]):
            before = compiler.tokens(step, before, compiler.inside(compiler.scope, i))
            node = root.steps[0] if i == 0 else Chain(steps=root.steps[: i + 1])
            value = compiler.head([compiler.mean(before)], f"alone{i}", None, compiler.scope)
            heads.append((node, value, ()))
        heads.append((root, output, ()))
    elif isinstance(root, Fusion):
        outputs = FUSIONS[root.method].joins == "outputs"
        for i, (part, own) in enumerate(root.branches):
            scope = compiler.inside(compiler.scope, i)
            if outputs:
                value = compiler.output(part, scope)
            else:
                pooled = compiler.pooled(part, scope)
                value = compiler.head([pooled], f"alone{i}", None, scope)
            heads.append((part, value, own))
    else:
        heads.append((root, output, ()))
    program = compiler.program(output)
    units: list[Unit] = []
    known = set[str]()
    for node, value_id, own in heads:
        names = tuple(name for name in program.names([value_id]) if name not in known)
        known.update(names)
        repeat = sum((unit.node, unit.settings) == (node, own) for unit in units)
        unit = Unit(node=node, output=value_id, names=names, repeat=repeat, settings=own)
        units.append(unit)
    return tuple(units)


def _alone(strategy: Strategy, units: tuple[Unit, ...], program: Program) -> list[Phase]:
    """A phase for each unit: its own pieces, or with `earlier=free` all that it stands on."""
    train = strategy.flag("train", "joint")
    rows = strategy.flag("rows", "disjoint") if train == "subsets" else "all"
    fraction = 1 / (len(units) + 1) if train == "staged" else 1.0
    free = strategy.flag("earlier", "frozen") == "free"
    length = strategy.setting("length", 1.0)
    # The last beginning of a chain is the whole of it, which is trained together.
    last = train == "joint" and isinstance(strategy.root, Chain)
    return [
        Phase(
            name=f"part {i + 1}",
            outputs=(unit.output,),
            fraction=fraction * float(dict(unit.settings).get("length", length)) / float(length),
            settings=unit.settings,
            rows=rows,
            index=i,
            trains=frozenset(program.names([unit.output]) if free else unit.names),
            n_units=len(units),
            unit=unit,
        )
        for i, unit in enumerate(units[: len(units) - last])
    ]


def _masked_losses(compiler: Compiler, root: Node) -> tuple[int, ...]:
    """The losses of restoring every input, by every part at the root that reads it.

    What a pretrained network reads in its own vocabulary is not hidden.
    """
    masked: dict[str, int] = {}
    scope = compiler.scope
    raw, hidden = scope.places, dict[str, int]()
    inputs = {name: spec for name, spec in compiler.inputs.items() if not spec.of}
    shown = {name: compiler.shown(spec, scope) for name, spec in inputs.items()}
    for name, spec in inputs.items():
        pick, hide = _pieces(spec)
        masked[name] = compiler.emit(f"pick_{name}", pick, raw[name])
        hidden[name] = compiler.emit(f"hide_{name}", hide, raw[name], masked[name])
    scope = scope.reading(hidden)
    branches = [(root, scope)]
    if isinstance(root, Fusion):
        branches = [(part, compiler.inside(scope, i)) for i, part in enumerate(root.parts)]
    losses = []
    for number, (node, inside) in enumerate(branches):
        tokens = compiler.tokens(node, None, inside)
        for name, spec in inputs.items():
            if compiler.reads(node, name):
                modality = MODALITIES[spec.kind]
                piece = modality.reconstruct(spec, tokens.grid, tokens.width)
                title = f"restore{number}_{name}"
                losses.append(compiler.emit(title, piece, tokens, shown[name], masked[name]))
    return tuple(losses)


class RawFunction(nn.Module):
    """A function of raw values as a step of a program, without parameters and without cost."""

    def __init__(self, function: Callable[..., Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *values: Tensor) -> Tensor:
        """What the function gives."""
        return self.function(*values)


def _pieces(spec: InputSpec) -> tuple[Piece, Piece]:
    modality = MODALITIES[spec.kind]
    pick = partial(modality.mask, spec=spec)
    return Piece(lambda: RawFunction(pick)), Piece(lambda: RawFunction(modality.conceal))
