"""What makes the training of a part: where two are equal, the weights of one serve the other.

Takes a phase in which a part is alone, and gives the recipe of the same part as a strategy of its
own; then carries weights from that strategy's names to the part's. Anything that only nearly
matches gives None: a training from the beginning, as the last one is, must come to the same model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from autosynth.composite import Resolved, resolve
from autosynth.composite.plan import Phase
from autosynth.strategy import Strategy


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A canonical strategy with all its settings, its training rows, and how many it sees.

    `rows` are as the strategy's word says: `all`, or a part of them. `samples` are counted again
    in every epoch, so that they are the length of the training.
    """

    strategy: Strategy
    rows: str
    samples: int


Weights = Mapping[str, Tensor]
Bank = Callable[[Recipe], tuple[Weights, float] | None]
"""Of a recipe that was trained before: the weights and the share after which it was best."""


def taken_from(
    bank: Bank, resolved: Resolved, phase: Phase, samples: int, mine: Weights
) -> tuple[Weights, float] | None:
    """A part's weights, by its names in the composite, and their best share; None if not there.

    Args:
        bank: where they are looked up.
        resolved: the composite, with its settings.
        phase: one of its training.
        samples: that the phase would see.
        mine: the composite's weights as they are.
    """
    unit, program = phase.unit, resolved.training_plan.program
    if unit is None:
        return None
    ours = program.names([unit.output])
    learnt = {name for name in ours if program.pieces[name].params} - program.frozen
    if not learnt <= set(unit.names):  # it stands on what an earlier part has trained
        return None
    settings = resolved.strategy.settings
    alone = resolve(Strategy(root=unit.node, settings=settings), resolved.inputs, resolved.target)
    theirs = alone.program.names([alone.program.output])
    if (
        len(alone.training_plan.phases) > 1
        or alone.training_plan.post_hoc
        or len(ours) != len(theirs)
    ):
        return None
    found = bank(Recipe(strategy=alone.strategy, rows=phase.rows, samples=samples))
    if found is None:
        return None
    carried = _carried(found[0], dict(zip(theirs, ours, strict=True)))
    if any(key not in mine or mine[key].shape != v.shape for key, v in carried.items()):
        return None
    return carried, found[1]


def _carried(state: Weights, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Weights by the names of a composite, from those by the names of a part alone."""
    carried = {}
    for key, value in state.items():
        start, name, rest = key.split(".", 2)
        if name in names:
            carried[f"{start}.{names[name]}.{rest}"] = value
    return carried
