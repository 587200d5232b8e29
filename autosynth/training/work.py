"""What a phase computes: which values change while it trains, which stand, and what that takes."""

from dataclasses import dataclass

from autosynth.composite.course import Phase
from autosynth.composite.program import Program
from autosynth.training.plan import Plan

FORWARD, THROUGH, TRAINED = 1, 2, 3
"""Passes that a step costs: forward alone, also backward through it, also for its weights."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """The values of a phase: `changed` are computed at every step, `standing` ones could be once.

    `edge` are those that the changed ones read and that do not change: raw inputs among them.
    """

    program: Program
    phase: Phase
    changed: tuple[int, ...]
    standing: tuple[int, ...]
    edge: tuple[int, ...]

    def flops(self, *, cached: bool) -> int:
        """FLOPs of a sample in a training step; without what stands where that is `cached`."""
        return sum(self.by_family(cached=cached).values())

    def by_family(self, *, cached: bool) -> dict[str, int]:
        """The same by the family whose work it is, empty for none."""
        found: dict[str, int] = {}
        for at in (*self.changed, *(() if cached else self.standing)):
            step = self.program.step(at)
            passes = FORWARD
            if at in self.changed:
                passes = TRAINED if step.name in self.phase.trains else THROUGH
            found[step.family] = found.get(step.family, 0) + passes * step.flops
        return found

    def once(self) -> int:
        """FLOPs of what stands, for one row."""
        return sum(self.program.step(at).flops for at in self.standing)


def work_of(program: Program, phase: Phase) -> Work:
    """What a phase computes."""
    changed: list[int] = []
    for at in program.needed(phase.outputs):
        step = program.step(at)
        if step.name in phase.trains or any(arg in changed for arg in step.args):
            changed.append(at)
    read = {arg for at in changed for arg in program.step(at).args} - set(changed)
    edge = tuple(sorted(read))
    return Work(
        program=program, phase=phase, changed=tuple(changed), standing=program.needed(edge),
        edge=edge,
    )  # fmt: skip


def seconds_of(plan: Plan, program: Program, phase: Phase) -> float:
    """The time foreseen for a phase, of a schedule of length 1; 0 where nothing was measured."""
    work = work_of(program, phase).by_family(cached=True)
    return phase.share * plan.seconds({family: n // TRAINED for family, n in work.items()})
