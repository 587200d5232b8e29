"""Weights: saved and loaded, averaged, and taken over from an equal training.

Saved as safetensors: plain numbers under names, with nothing in the file that could run. What is
saved are the parameters and buffers of a composite, each once, on the host; loading is strict, so
that weights and strategy always belong together.

A part that is trained alone has a recipe, that of the same part as a strategy of its own: where
two are equal, the weights of one serve the other. Anything that only nearly matches gives None: a
training from the beginning, as the last one is, must come to the same model.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load, load_file, save
from torch import Tensor, nn

from autosynth.atomic import atomic_path
from autosynth.composite import Composite, Resolved, resolve
from autosynth.composite.fittedpart import takes_steps
from autosynth.composite.plan import Phase
from autosynth.errors import BundleError
from autosynth.strategy import Settings, Strategy


def save_weights(model: nn.Module, path: Path) -> None:
    """Write all parameters and persistent buffers of `model` to `path`."""
    save_tensors(model.state_dict(), path)


def load_weights(model: nn.Module, path: Path) -> None:
    """Fill `model` with the weights at `path`.

    Raises:
        BundleError: the file cannot be read, or its names, shapes or types are not the model's.
    """
    found, wanted = load_tensors(path), model.state_dict()
    problems = []
    if lacking := sorted(wanted.keys() - found.keys()):
        problems.append(f"it lacks {_listed(lacking)}")
    if extra := sorted(found.keys() - wanted.keys()):
        problems.append(f"it holds {_listed(extra)}, which the strategy does not have")
    grown = _grown(model)
    for name in sorted(wanted.keys() & found.keys()):
        has, needs = _form(found[name]), _form(wanted[name])
        if name in grown and found[name].dim() == wanted[name].dim():
            has, needs = (form.partition(" ")[0] for form in (has, needs))
        if has != needs:
            problems.append(f"{name} is {has}, and the strategy needs {needs}")
    if problems:
        shown = "; ".join(problems[:5])
        raise _damaged(path, f"the weights do not fit the strategy of the bundle: {shown}")
    try:
        model.load_state_dict(found, strict=True)
    except RuntimeError as problem:  # arrays that fit one by one, and not together
        said = " ".join(str(problem).split())
        raise _damaged(path, f"the weights do not fit together: {said}") from problem


def _grown(model: nn.Module) -> set[str]:
    """The tensors whose sizes follow from a fit."""
    return {
        f"{prefix}.{name}" if prefix else name
        for prefix, module in model.named_modules()
        for name in getattr(module, "grown", ())
    }


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors to `path`, in one step."""
    write_packed(packed(tensors), path)


def packed(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors as the bytes of a safetensors file, which can travel."""
    return save({name: t.detach().cpu().contiguous() for name, t in tensors.items()})


def unpack_tensors(content: bytes) -> dict[str, Tensor]:
    """The named tensors of what `packed` gave, on the host."""
    return load(content)


def write_packed(content: bytes, path: Path) -> None:
    """Write what `packed` gave to `path`, in one step."""
    with atomic_path(path) as part:
        # Not `save_file`, which makes a file that only its owner may read.
        part.write_bytes(content)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of `path`, on the host. Raises `BundleError` where it cannot be read."""
    try:
        return load_file(path)
    except (OSError, SafetensorError) as problem:
        raise _damaged(path, f"is cut off or no safetensors file ({problem})") from problem


def check_tensors(path: Path) -> None:
    """Raise `BundleError` where the file at `path` is missing, cut off, or holds no tensors.

    What it says that it holds is compared with its size; no tensor is read.
    """
    try:
        with safe_open(path, "pt"):
            pass
    except (OSError, SafetensorError) as problem:
        raise _damaged(path, f"is cut off or no safetensors file ({problem})") from problem


def _damaged(path: Path, what: str) -> BundleError:
    return BundleError(f"{path}: {what}; copy or export it again")


def _form(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


class Average:
    """`model` follows `source`: after the first update equal to it, then `decay` of its old self.

    Floating buffers (statistics of batch normalisation) are averaged as parameters are. Only the
    pieces that are trained, by `names`, have anything to average.
    """

    def __init__(self, source: Composite, names: Collection[str], decay: float) -> None:
        self.model = source.twin()
        self.decay = decay
        self.started = False
        self.averaged, self.current = _floats(self.model, names), _floats(source, names)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights that the source has now."""
        torch._foreach_lerp_(self.averaged, self.current, 1 - self.decay if self.started else 1.0)
        self.started = True


def _floats(model: Composite, names: Collection[str]) -> list[Tensor]:
    """Its floating tensors themselves: training changes them in place."""
    modules = [module for name, module in model.modules_by_name.items() if name in names]
    tensors = [each for m in modules for each in (*m.parameters(), *m.buffers())]
    return [each.detach() for each in tensors if each.is_floating_point()]


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


def alone_of(resolved: Resolved, phase: Phase) -> Resolved | None:
    """The part that a phase trains, as a strategy of its own; None where it is no such part.

    Such a phase comes to the same weights wherever it is trained, and whatever else is: it begins
    at what is drawn for its pieces and at nothing that another phase has learnt.
    """
    unit, program = phase.unit, resolved.training_plan.program
    if unit is None or not all(each.supervised for each in resolved.training_plan.phases):
        return None  # no part, or one that goes on from what was learnt without targets
    if unit.repeat:
        return None  # drawn by other numbers than the first that is equal to it
    ours = program.names([unit.output])
    learnt = {name for name in ours if program.pieces[name].params} - program.frozen
    if not learnt <= set(unit.names):  # it stands on what an earlier part has trained
        return None
    settings: Settings = ()
    if takes_steps(unit.node):
        settings = tuple({**resolved.settings, **dict(unit.settings)}.items())
    alone = resolve(Strategy(root=unit.node, settings=settings), resolved.inputs, resolved.target)
    theirs = alone.program.names([alone.program.output])
    plan = alone.training_plan
    if len(plan.phases) > 1 or plan.post_hoc or len(ours) != len(theirs):
        return None
    return alone


def taken_from(
    bank: Bank, resolved: Resolved, phase: Phase, samples: int, model: nn.Module
) -> tuple[Weights, float] | None:
    """A part's weights, by its names in the composite, and their best share; None if not there.

    Args:
        bank: where they are looked up.
        resolved: the composite, with its settings.
        phase: one of its training.
        samples: that the phase would see.
        model: the composite as it is.
    """
    alone = alone_of(resolved, phase)
    if phase.unit is None or alone is None:
        return None
    ours = resolved.training_plan.program.names([phase.unit.output])
    theirs = alone.program.names([alone.program.output])
    found = bank(Recipe(strategy=alone.strategy, rows=phase.rows, samples=samples))
    if found is None:
        return None
    carried = _carried(found[0], dict(zip(theirs, ours, strict=True)))
    mine, grown = model.state_dict(), _grown(model)
    if any(key not in mine for key in carried):
        return None
    if any(mine[key].shape != v.shape for key, v in carried.items() if key not in grown):
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
