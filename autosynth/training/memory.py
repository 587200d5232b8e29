"""What frozen networks give for rows of a dataset: computed once a run, for all trainings.

Takes a fitted composite and rows; keeps what its frozen pieces give of raw inputs, real tokens
alone, packed side by side. A training reads its batches from here, and so does every look at it:
a search that stands on one pretrained network runs it once over the data, not once a trial. What
is known of all rows goes to the run's store, for other processes.
"""

import time
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from autosynth.budget import NEVER, Deadline
from autosynth.components import Piece
from autosynth.composite import Composite
from autosynth.composite.program import Program
from autosynth.piece import Tokens, whole_mask
from autosynth.training.batch import gather
from autosynth.training.store import ValueKey, ValueStore
from autosynth.training.weights import packed

# Of all that is kept; what was used longest ago makes room. A token of minilm is 1.5 kB (384
# numbers), so that this holds 1.4 million tokens.
MOST_BYTES = 2**31
Key = tuple[Any, ...]


class Kept:
    """The values of one piece for some rows: `flat` (1 + tokens, width), its first row zeros.

    `place` (rows, T) says where each token stands in `flat`, 0 where it is masked; `there` (rows)
    which rows are known. `marks` are of the weights that made them. A `plain` value is a tensor
    (rows, T, D), as pictures of sounds are, and no tokens.
    """

    def __init__(self, marks: tuple[float, ...], n_rows: int) -> None:
        self.marks = marks
        self.there = torch.zeros(n_rows, dtype=torch.bool)
        self.flat = self.place = torch.empty(0)
        self.masked = self.plain = False

    @property
    def n_bytes(self) -> int:
        """Of memory."""
        return sum(each.numel() * each.element_size() for each in (self.flat, self.place))

    def has(self, rows: Tensor) -> bool:
        """Whether all of some rows are known."""
        return bool(self.there[rows.cpu()].all())

    def take(self, rows: Tensor) -> Tokens | Tensor:
        """Tokens (B, T, D) of known rows, and their mask where the piece gives one."""
        place = self.place.index_select(0, rows).long()
        found = self.flat.index_select(0, place.flatten())
        found = found.view(*place.shape, -1)
        return found if self.plain else (found, place > 0 if self.masked else None)

    def add(self, rows: Tensor, values: Sequence[Tokens | Tensor]) -> None:
        """Keep the tokens of further rows, given in chunks, in their order."""
        chunks = [_tokens(value) for value in values]
        x, mask = chunks[0]
        self.plain = isinstance(values[0], Tensor)
        if not self.flat.numel():
            self.flat = x.new_zeros(1, x.shape[-1])
            shape = (len(self.there), x.shape[1])
            self.place = torch.zeros(shape, dtype=torch.int32, device=x.device)
            self.masked = mask is not None
        real = [whole_mask(chunk) for chunk in chunks]
        news = [x[keep] for (x, _), keep in zip(chunks, real, strict=True)]
        keep = torch.cat(real)
        numbers = keep.flatten().cumsum(0).view_as(keep) + len(self.flat) - 1
        self.place[rows] = torch.where(keep, numbers, 0).int()
        self.flat = torch.cat((self.flat, *news))
        self.there[rows.cpu()] = True

    def tensors(self) -> dict[str, Tensor]:
        """What is known of all rows, by name."""
        flags = torch.tensor([self.masked, self.plain])
        return {"flat": self.flat, "place": self.place, "flags": flags}

    def recall(self, tensors: dict[str, Tensor], device: torch.device) -> None:
        """Take what `tensors` gave in another process."""
        self.flat, self.place = tensors["flat"].to(device), tensors["place"].to(device)
        self.masked, self.plain = tensors["flags"].tolist()
        self.there[:] = True


class Memory:
    """What is kept for one dataset, by piece and input; what was used last stands last.

    What it lacks it takes from the store, where another process has put it.
    """

    def __init__(
        self, n_rows: int, most_bytes: int = MOST_BYTES, store: ValueStore | None = None
    ) -> None:
        self.n_rows, self.most_bytes, self.store = n_rows, most_bytes, store
        self.kept: dict[Key, Kept] = {}
        self.refused: set[Key] = set()

    def find(self, model: Composite, rows: Tensor) -> dict[int, Kept]:
        """The values of a program that are known for all of some rows, by their place in it."""
        found: dict[int, Kept] = {}
        for at, key in places(model.program):
            kept = self.kept.get(key)
            if not (kept and kept.has(rows)):
                kept = self._stored(model, at, key, rows.device)
            if kept and kept.has(rows) and kept.marks == _marks(model, at):
                found[at] = self.kept[key] = self.kept.pop(key)
        return found

    def lacking(self, program: Program) -> dict[int, int]:
        """How many of all rows are still to be computed and kept, by the value's place."""
        found, rows = {}, self.n_rows
        for at, key in places(program):
            kept = self.kept.get(key)
            known = rows if key in self.refused else int(kept.there.sum()) if kept else 0
            if known < rows and self.store and self.store.has(_value_key(key, (), rows)):
                known = rows
            found[at] = max(0, rows - known)
        return found

    def fill(
        self,
        model: Composite,
        inputs: dict[str, Tensor],
        rows: Tensor,
        *,
        chunk: int,
        deadline: Deadline = NEVER,
    ) -> bool:
        """Compute what frozen pieces give for the rows that lack it, and keep it.

        Args:
            model: fitted; on the device of `rows`.
            inputs: raw values of all rows, by name.
            rows: to be known afterwards.
            chunk: rows at a time.
            deadline: by which it must have ended.

        Returns:
            False where that would not end in time; what was computed stays, and a later call goes
            on from there. True also where it is too large to keep.
        """
        model.eval()
        for at, key in places(model.program):
            if key in self.refused:
                continue
            kept, marks = self.kept.pop(key, None), _marks(model, at)
            if kept is None or kept.marks != marks:
                kept = Kept(marks, self.n_rows)
            if not kept.there.all():
                self._recall(key, kept, rows.device)
            self.kept[key] = kept
            missing = rows[~kept.there.to(rows.device)[rows]]
            done = self._compute(model, at, inputs, kept, missing, chunk, deadline)
            self._make_room(key)
            if not done:
                return False
            if self.store and len(missing) and key in self.kept and kept.there.all():
                self.store.put(_value_key(key, marks, self.n_rows), packed(kept.tensors()))
        return True

    def _stored(self, model: Composite, at: int, key: Key, device: torch.device) -> Kept | None:
        """What the store has of a piece, kept from now on; None where it has nothing."""
        if key in self.refused or not self.store:
            return None
        if not self.store.has(_value_key(key, (), self.n_rows)):
            return None
        kept = Kept(_marks(model, at), self.n_rows)
        if not self._recall(key, kept, device):
            return None
        self.kept[key] = kept
        self._make_room(key)
        return self.kept.get(key)

    def _recall(self, key: Key, kept: Kept, device: torch.device) -> bool:
        """Take the values of all rows from the store; whether it has them."""
        if not self.store:
            return False
        found = self.store.find(_value_key(key, kept.marks, self.n_rows))
        if found:
            kept.recall(found, device)
        return bool(found)

    @torch.no_grad()
    def _compute(
        self,
        model: Composite,
        at: int,
        inputs: dict[str, Tensor],
        kept: Kept,
        rows: Tensor,
        chunk: int,
        deadline: Deadline,
    ) -> bool:
        start, chunks, taken = time.monotonic(), [], 0
        program = model.program
        (source,) = program.step(at).args
        name = program.inputs[source]
        parts = torch.split(rows, chunk) if len(rows) else ()
        size, in_time = 0, True
        for part in parts:
            (value,) = model.values({source: gather(inputs[name], part)}, (at,))
            chunks.append(value)
            taken += len(part)
            size += _bytes(value)
            each = (time.monotonic() - start) / len(chunks)
            in_time = each * (len(parts) - len(chunks)) <= deadline.left
            if not in_time or size + kept.n_bytes > self.most_bytes:
                break
        if chunks:
            kept.add(rows[:taken], chunks)
        return in_time

    def _make_room(self, newest: Key) -> None:
        """Forget what was used longest ago; and the newest itself where it alone is too large."""
        while sum(kept.n_bytes for kept in self.kept.values()) > self.most_bytes:
            oldest = next(iter(self.kept))
            del self.kept[oldest]
            if oldest == newest:
                self.refused.add(newest)


def places(program: Program) -> list[tuple[int, Key]]:
    """The values that frozen pieces give of raw inputs, each with what it is known by."""
    n = len(program.inputs)
    return [
        (n + i, _key(program.inputs[step.args[0]], program.pieces[step.name]))
        for i, step in enumerate(program.steps)
        if step.name in program.frozen and len(step.args) == 1 and step.args[0] < n
    ]


def _key(name: str, piece: Piece) -> Key:
    return name, piece.flops, piece.params, piece.tied


def _value_key(key: Key, marks: tuple[float, ...], n_rows: int) -> ValueKey:
    """What the values of a piece for all rows are known by in the store."""
    return ValueKey(program=repr(key), rows=f"all {n_rows}", weights=repr(marks))


def _marks(model: Composite, at: int) -> tuple[float, ...]:
    """Norms of all weights and statistics of a piece: others make other values."""
    module = model.modules_by_name[model.program.step(at).name]
    tensors: Iterable[Tensor] = (*module.parameters(), *module.buffers())
    return tuple(torch.stack([each.detach().double().norm() for each in tensors]).tolist())


def _tokens(value: Tokens | Tensor) -> Tokens:
    return (value, None) if isinstance(value, Tensor) else value


def _bytes(value: Tokens | Tensor) -> int:
    x, mask = _tokens(value)
    tokens = x.numel() if mask is None else int(mask.sum()) * x.shape[-1]
    return tokens * x.element_size()
