"""What a phase computes: which values change while it trains, which stand, and what that takes."""

from dataclasses import dataclass

from autosynth.composite.plan import Phase
from autosynth.composite.program import Program
from autosynth.training.config import TrainerConfig

FORWARD, THROUGH, TRAINED = 1, 2, 3
"""Passes that a step costs: forward alone, also backward through it, also for its weights."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The values of a phase: `trainable` are computed at every step, `static` ones could be once.

    `boundary` are those that the changed ones read and that do not change: raw inputs among them.
    """

    program: Program
    phase: Phase
    trainable: tuple[int, ...]
    static: tuple[int, ...]
    boundary: tuple[int, ...]

    def flops(self, *, cached: bool) -> int:
        """FLOPs of a sample in a training step; without what stands where that is `cached`."""
        return sum(self.by_family(cached=cached).values())

    def by_family(self, *, cached: bool) -> dict[str, int]:
        """The same by the family whose work it is, empty for none."""
        flops: dict[str, int] = {}
        for value_id in (*self.trainable, *(() if cached else self.static)):
            step = self.program.step(value_id)
            passes = FORWARD
            if value_id in self.trainable:
                passes = TRAINED if step.name in self.phase.trains else THROUGH
            flops[step.family] = flops.get(step.family, 0) + passes * step.flops
        return flops

    def static_flops(self) -> int:
        """FLOPs of what stands, for one row."""
        return sum(self.program.step(value_id).flops for value_id in self.static)


def work_of(program: Program, phase: Phase) -> Work:
    """What a phase computes."""
    trainable: list[int] = []
    for value_id in program.needed(phase.outputs):
        step = program.step(value_id)
        if step.name in phase.trains or any(arg in trainable for arg in step.args):
            trainable.append(value_id)
    read = {arg for value_id in trainable for arg in program.step(value_id).args} - set(trainable)
    boundary = tuple(sorted(read))
    return Work(
        program=program,
        phase=phase,
        trainable=tuple(trainable),
        static=program.needed(boundary),
        boundary=boundary,
    )


def seconds_of(config: TrainerConfig, program: Program, phase: Phase) -> float:
    """The time foreseen for a phase, of a schedule of length 1; 0 where nothing was measured."""
    work = work_of(program, phase).by_family(cached=True)
    return phase.fraction * config.seconds({family: n // TRAINED for family, n in work.items()})
