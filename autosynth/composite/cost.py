"""The exact cost of a resolved strategy, by arithmetic, before anything is built."""

from dataclasses import dataclass

from autosynth.composite.resolve import Resolved


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


def cost(resolved: Resolved) -> Cost:
    """FLOPs over steps, parameters over names."""
    program = resolved.program
    return Cost(
        flops=round(sum(step.flops * step.row_fraction for step in program.steps)),
        worst_flops=sum(step.flops for step in program.steps),
        params=sum(piece.params for piece in program.pieces.values()),
    )
