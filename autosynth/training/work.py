"""What a phase computes: values that change while it trains, and others that are known before.

The values of frozen parts are computed for all rows before the first step and kept on the device,
where they fit there and there is time for it; otherwise they are computed again in every step,
without gradients. What the data's memory has of a frozen network is not computed at all. They are
values of the inputs as they are, either way: augmentation changes only what trained parts read
themselves.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from autosynth.budget import NEVER, Deadline
from autosynth.composite import Composite
from autosynth.composite.plan import Phase
from autosynth.composite.program import Program
from autosynth.data.source.memory import most_in_memory
from autosynth.modality import Picture, augment
from autosynth.training.batch import cut
from autosynth.training.config import TrainerConfig
from autosynth.training.devicedataset import DeviceDataset

# Passes that a step costs: forward alone, also backward through it, also for its weights. Each of
# the two products of the backward pass has as many multiply-adds as the forward one.
FORWARD, THROUGH, TRAINED = 1, 2, 3


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


# Rows that go through a network at once outside training. A map of 28 x 28 pixels and 64 channels
# takes 100 MB for as many.
CHUNK = 512
WHOLE: Mapping[str, int] = MappingProxyType({})


class Known:
    """The edge of a phase for its rows, cut into batches by their place among these.

    `pictures` are those in it that are augmented in the place of raw values.
    """

    def __init__(
        self,
        model: Composite,
        data: DeviceDataset,
        rows: Tensor,
        work: Work,
        deadline: Deadline = NEVER,
    ) -> None:
        self.model, self.data, self.rows = model, data, rows
        self.kept: dict[int, Any] = {}
        self.raw = tuple(at for at in work.boundary if at < len(model.inputs))
        deep = [at for at in work.boundary if at >= len(model.inputs)]
        found = data.memory.find(model, rows) if deep else {}
        self.held = {at: found[at] for at in deep if at in found}
        self.deep = tuple(at for at in deep if at not in found)
        if self.deep and self._fits():
            self.kept = self._compute(deadline)
        self.cached = bool(self.kept) or not self.deep
        modules = {at: model.modules_by_name[model.program.step(at).name] for at in deep}
        self.pictures = {at: m for at, m in modules.items() if isinstance(m, Picture)}
        # What is known already may be tokens of whole texts.
        self.cuts = () if deep else model.cuts

    def batch(
        self, places: Tensor, level: str, longest: Mapping[str, int] = WHOLE
    ) -> tuple[dict[int, Any], Tensor]:
        """Known values and targets of the rows at some places; raw inputs alone are augmented.

        Of texts no more than the `longest` is given.
        """
        rows = self.rows[places]
        known: dict[int, Any] = {at: _take(value, places) for at, value in self.kept.items()}
        known.update((at, kept.take(rows)) for at, kept in self.held.items())
        y = self.data.y.index_select(0, rows)
        if self.raw or not self.cached:
            known |= self._raw(rows, known, level, longest)
        for at, picture in self.pictures.items():
            known[at] = picture.augment(known[at], level)
        return known, y

    def _raw(
        self, rows: Tensor, known: dict[int, Any], level: str, longest: Mapping[str, int]
    ) -> dict[int, Any]:
        """What is read from raw inputs: themselves, augmented, and what is not kept of them."""
        names, found = self.model.inputs, dict[int, Any]()
        inputs = cut(self.data.batch(rows)[0], longest)
        if not self.cached:
            with torch.no_grad():
                raw = {i: inputs[name] for i, name in enumerate(names)}
                deep = self.model.values(raw | known, self.deep)
                found.update(zip(self.deep, deep, strict=True))
        inputs = augment(inputs, self.data.specs, level)
        return found | {at: inputs[names[at]] for at in self.raw}

    def _fits(self) -> bool:
        few = values(self.model, self.data, self.rows[:8], self.deep)
        size = sum(_bytes(value) for value in few) / max(1, min(8, len(self.rows)))
        return size * len(self.rows) <= min(self.data.static_bytes, most_in_memory() // 2)

    def _compute(self, deadline: Deadline) -> dict[int, Any]:
        """The values of all rows; none where that would not end by `deadline`."""
        parts, chunks, start = torch.split(self.rows, CHUNK), [], time.monotonic()
        for part in parts:
            chunks.append(values(self.model, self.data, part, self.deep))
            each = (time.monotonic() - start) / len(chunks)
            if each * (len(parts) - len(chunks)) > deadline.left:
                return {}
        return {at: _join([c[i] for c in chunks]) for i, at in enumerate(self.deep)}


@torch.no_grad()
def values(
    model: Composite,
    data: DeviceDataset,
    rows: Tensor,
    wanted: tuple[int, ...],
    *,
    whole: bool = True,
) -> list[Any]:
    """Values of the program for some rows, as in use: nothing augmented, nothing dropped.

    Texts are cut behind the longest of the rows where they need not be `whole`: tokens would be
    fewer, too.
    """
    model.eval()
    inputs, _ = data.batch(rows)
    if not whole:
        inputs = cut(inputs, data.lengths.longest(model.cuts, rows.cpu().numpy()))
    known: dict[int, Any] = {i: inputs[name] for i, name in enumerate(model.inputs)}
    for at, kept in data.memory.find(model, rows).items():
        known[at] = kept.take(rows)
    return model.values(known, wanted)


def remember(
    model: Composite,
    data: DeviceDataset,
    rows: Tensor,
    deadline: Deadline = NEVER,
    chunk: int = CHUNK,
) -> tuple[bool, float]:
    """Have the memory know what a fitted model's frozen networks give for some rows.

    `chunk` rows are computed at once.

    Returns whether it ended by `deadline`, and the seconds that it took.
    """
    start = time.monotonic()
    ended = data.memory.fill(model, dict(data.inputs), rows, chunk=chunk, deadline=deadline)
    return ended, time.monotonic() - start


def _take(value: Any, places: Tensor) -> Any:
    if isinstance(value, tuple):
        return _take(value[0], places), None if value[1] is None else _take(value[1], places)
    return value.index_select(0, places)


def _join(chunks: list[Any]) -> Any:
    if isinstance(chunks[0], tuple):
        tokens, masks = zip(*chunks, strict=True)
        return _join(list(tokens)), None if masks[0] is None else _join(list(masks))
    return torch.cat(chunks)


def _bytes(value: Any) -> int:
    if isinstance(value, tuple):
        return sum(_bytes(each) for each in value if each is not None)
    size: int = value.numel() * value.element_size()
    return size
