"""Weights as safetensors: plain numbers under names, with nothing in the file that could run.

What is saved are the parameters and buffers of a composite, each once, on the host; loading is
strict, so that weights and strategy always belong together.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from autosynth.errors import BundleError


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
    for name in sorted(wanted.keys() & found.keys()):
        has, needs = _form(found[name]), _form(wanted[name])
        if has != needs:
            problems.append(f"{name} is {has}, and the strategy needs {needs}")
    if problems:
        shown = "; ".join(problems[:5])
        raise _damaged(path, f"the weights do not fit the strategy of the bundle: {shown}")
    model.load_state_dict(found, strict=True)


def save_tensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors to `path`, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    # Not `save_file`, which makes a file that only its owner may read.
    part.write_bytes(save({name: t.detach().cpu().contiguous() for name, t in tensors.items()}))
    part.replace(path)


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The named tensors of `path`, on the host. Raises `BundleError` where it cannot be read."""
    try:
        return load_file(path)
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
