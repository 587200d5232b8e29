"""`resolve`: a strategy and a dataset's specs in, the canonical strategy and its program out.

The resolved form is what is compared, hashed, stored and trained. Its `cost` is arithmetic, exact
before anything is built; `build` makes the network that runs its program.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from autosynth.components.fitted import FittedModel
from autosynth.composite.alias import without_aliases
from autosynth.composite.canonical import canonicalise, short_form
from autosynth.composite.compiler import Compiler
from autosynth.composite.fittedpart import takes_steps
from autosynth.composite.plan import TrainingPlan, Unit, make_training_plan
from autosynth.composite.program import Composite, Program
from autosynth.composite.settings import SETTINGS, complete_settings
from autosynth.errors import StrategyError
from autosynth.spec import InputSpec, TargetSpec
from autosynth.strategy import (
    Fusion,
    Node,
    Scalar,
    Settings,
    Strategy,
    Topology,
    parts,
    topology,
    walk,
)


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """A strategy that fits its data. `strategy` is canonical, every option filled in.

    Strategies with equal `str(strategy)` are equal.
    """

    strategy: Strategy
    inputs: tuple[InputSpec, ...]
    target: TargetSpec
    program: Program

    @cached_property
    def short_form(self) -> Strategy:
        """The strategy without what is default, which is shorter to read."""
        specs = {spec.name: spec for spec in self.inputs}
        shown = {k: v for k, v in self.settings.items() if v != SETTINGS[k].default}
        return replace(short_form(self.strategy, specs), settings=tuple(shown.items()))

    @cached_property
    def training_plan(self) -> TrainingPlan:
        """How it is trained: its program with what only training needs, and the phases."""
        specs = {spec.name: spec for spec in self.inputs}
        dropout = float(self.settings["dropout"])
        return make_training_plan(self.strategy, specs, self.target, dropout)

    @property
    def reads(self) -> tuple[InputSpec, ...]:
        """The inputs that the composite reads, and what a forecast starts from."""
        names = (*self.program.inputs, self.target.base)
        return tuple(spec for spec in self.inputs if spec.name in names)

    @property
    def settings(self) -> dict[str, float | str]:
        """The settings of the training, all of them."""
        return dict(self.strategy.settings)

    @property
    def topology(self) -> Topology:
        """single, parallel, sequential or hybrid."""
        return topology(self.strategy.root)

    @cached_property
    def canonical(self) -> str:
        """The strategy as text: what equal ones have in common."""
        return str(self.strategy)

    @cached_property
    def components(self) -> str:
        """The families in order: `cnn+gru`."""
        return "+".join(part.family for part in parts(self.strategy.root))

    @property
    def sharing(self) -> str:
        """none, stem, layers or full."""
        tagged = any(part.tag for part in parts(self.strategy.root))
        return "full" if tagged else self.strategy.flag("share", "none")

    @property
    def fusion(self) -> str:
        """The fusions from the root down: `concat`, `mean+sum`; `-` without any."""
        methods = [n.method for n in walk(self.strategy.root) if isinstance(n, Fusion)]
        return "+".join(methods) or "-"

    @property
    def training(self) -> str:
        """The training scheme."""
        return self.strategy.flag("train", "joint")

    @property
    def init(self) -> str:
        """The initialisation."""
        return self.strategy.flag("init", "random")


def resolve(strategy: Strategy, inputs: Sequence[InputSpec], target: TargetSpec) -> Resolved:
    """Check a strategy against families and data, fill its defaults, and put it in canonical form.

    Raises StrategyError or UnknownNameError with the part that does not fit and what to do.
    """
    specs = {spec.name: spec for spec in inputs}
    strategy = without_aliases(strategy)
    settings = complete_settings(dict(strategy.settings))
    root = canonicalise(replace(strategy, root=_with_own(strategy.root, settings)), specs)
    told = [name for name, value in settings.items() if value != SETTINGS[name].default]
    if told and not takes_steps(root.root):
        raise StrategyError(
            f"{root.root} is no network and takes no steps, so that it has no {', '.join(told)}; "
            "leave out what stands after the bar"
        )
    compiler = Compiler(root, specs, target, float(settings["dropout"]))
    program = compiler.program(compiler.output(root.root, compiler.scope))
    return Resolved(
        strategy=replace(root, settings=tuple(settings.items())),
        inputs=tuple(inputs),
        target=target,
        program=program,
    )


def _with_own(root: Node, settings: Mapping[str, Scalar]) -> Node:
    """The root with the settings that parts have of their own, without those that all have."""
    if not isinstance(root, Fusion) or not root.settings:
        return root
    kept: list[Settings] = []
    for part, own in root.branches:
        if own and not takes_steps(part):
            raise StrategyError(
                f"{part} is no network and takes no steps, so that it has no "
                f"{', '.join(name for name, _ in own)}; leave out what stands after its bar"
            )
        whole = complete_settings({**settings, **dict(own)})
        kept.append(tuple((name, v) for name, v in whole.items() if v != settings[name]))
    return replace(root, settings=tuple(kept) if any(kept) else ())


@dataclass(frozen=True, kw_only=True)
class Cost:
    """`flops` a sample at inference, 2 a multiply-add; `params` trained numbers, shared ones once.

    `flops` are expected ones: in a cascade only a share of the rows goes on. `worst_flops` are
    those of a row that goes through all parts.

    Counted are products of values with weights or with values: convolutions, linear maps,
    recurrences, attention, weighted fusions. Elementwise work (norms, activations) is not.
    """

    flops: int
    params: int
    worst_flops: int


def cost(resolved: Resolved, model: Composite | None = None) -> Cost:
    """FLOPs over steps, parameters over names.

    Of a part that is no network they may be an upper bound; where its fitted `model` is given,
    what that says.
    """
    program = resolved.program
    params = {name: piece.params for name, piece in program.pieces.items()}
    flops = [step.flops for step in program.steps]
    if model is not None:
        modules = model.modules_by_name.items()
        known = {name: module for name, module in modules if isinstance(module, FittedModel)}
        flops = [known[s.name].flops if s.name in known else s.flops for s in program.steps]
        params |= {name: module.n_fitted for name, module in known.items()}
    shares = [step.row_fraction for step in program.steps]
    return Cost(
        flops=round(sum(n * share for n, share in zip(flops, shares, strict=True))),
        worst_flops=sum(flops),
        params=sum(params.values()),
    )


def build(resolved: Resolved, seed: int = 0, *, training: bool = False) -> Composite:
    """The composite of a resolved strategy, initialised from the seed alone.

    With `training`, it has what only its training needs, too.
    """
    program = resolved.training_plan.program if training else resolved.program
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        modules = {name: piece.make() for name, piece in program.pieces.items()}
        for unit in resolved.training_plan.alone if training else ():
            torch.manual_seed(seed_of(unit, seed))
            modules |= {name: program.pieces[name].make() for name in unit.names}
        return Composite(program, modules)


def seed_of(unit: Unit, seed: int) -> int:
    """Of the numbers by which a part is drawn and trained by itself, in any composite."""
    return seed + 1000 * unit.repeat


def trained(resolved: Resolved, model: Composite) -> Composite:
    """A composite without what only its training needed; the modules are the same ones."""
    composite = Composite(resolved.program, dict(model.modules_by_name))
    composite.bf16 = model.bf16
    return composite
